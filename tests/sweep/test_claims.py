"""Several commands on one folder at once: each point is trained by one of them, and taken over when that one ends."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import textwrap
import threading

import pytest

from vaebench.results import read_rows, write_rows
from vaebench.space import Point, point, point_id
from vaebench.sweep import claims, worker
from vaebench.sweep.claims import Claims
from vaebench.sweep.runner import run

fcntl = pytest.importorskip("fcntl", reason="no locks of this kind on this system")

BASE = Point(latent=3, hidden=(8,), batch=8, epochs=2, stopping="fixed", learning_rate=1e-2)
POINTS = [point(BASE, seed=seed) for seed in range(3)]
OTHER = """
    import fcntl, hashlib, sys
    file = open(sys.argv[1], "ab")
    for name in sys.argv[2:]:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, int(hashlib.sha256(name.encode()).hexdigest()[:15], 16))
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other():
    """Starts processes that hold claims, as another command does."""
    started = []

    def hold(out, digest, *points):
        names = [point_id(p, digest) for p in points]
        command = [sys.executable, "-c", textwrap.dedent(OTHER), str(out / claims.PLACE), *names]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout.readline() == "ready\n"
        return started[-1]

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_a_claim_is_one_process_s_until_it_ends(tmp_path, other):
    holder = other(tmp_path, "d", POINTS[1])
    with Claims(tmp_path, "d") as mine:
        assert mine.take(POINTS, ()) == ([POINTS[0], POINTS[2]], [POINTS[1]])
        holder.kill()
        holder.wait()
        assert mine.take([POINTS[1]], ()) == ([POINTS[1]], [])
        mine.keep({point_id(POINTS[1], "d")})
        assert mine.held == {point_id(POINTS[1], "d")}
        other(tmp_path, "d", POINTS[0])  # given back


def test_a_point_with_a_row_of_another_process_is_not_taken(tmp_path, other):
    """A row that is written between two looks is seen too, and a point that has one is given back."""
    with Claims(tmp_path, "d") as mine:
        write_rows([{"point": point_id(POINTS[0], "d")}], tmp_path)
        assert mine.take(POINTS[:2], ()) == ([POINTS[1]], [])
        write_rows([{"point": point_id(POINTS[2], "d")}], tmp_path)
        assert mine.take(POINTS[2:], ()) == ([], [])
        other(tmp_path, "d", POINTS[0], POINTS[2])


def test_without_locks_every_point_is_granted(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with Claims(tmp_path, "d") as mine:
        assert mine.take(POINTS, ()) == (POINTS, [])
        mine.keep(())
    monkeypatch.setattr(claims, "fcntl", None)
    with Claims(tmp_path, "d") as mine:
        assert mine.take(POINTS, ()) == (POINTS, [])


@pytest.mark.slow
def test_points_of_another_command_are_waited_for_and_taken_over_when_it_ends(tmp_path, tiny, other, monkeypatch):
    monkeypatch.setattr(worker, "_PAUSE", 0.05)
    trained, train = [], worker.trained_points

    def spy(points, *arguments, **keywords):
        trained.extend(points)
        return train(points, *arguments, **keywords)

    monkeypatch.setattr(worker, "trained_points", spy)
    how = {"metrics": ["leiden"], "lanes": 1, "evaluators": 0, "quiet": True}
    run(POINTS[1], tiny, out=tmp_path / "a", **how)
    (tmp_path / "b").mkdir()
    does, dies = (other(tmp_path / "b", tiny.digest, p) for p in POINTS[1:])

    def end():
        for part in (tmp_path / "a" / "rows").glob("part-*"):
            shutil.copy(part, tmp_path / "b" / "rows")
        does.kill()
        dies.kill()

    timer = threading.Timer(3, end)
    timer.start()
    trained.clear()
    with pytest.warns(UserWarning, match="2 points are in training by another command on .*; this one waits"):
        run(POINTS, tiny, out=tmp_path / "b", **how)
    timer.join()
    assert trained == [POINTS[0], POINTS[2]]
    assert set(read_rows(tmp_path / "b")["point"]) > {point_id(p, tiny.digest) for p in POINTS}
