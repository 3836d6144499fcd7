"""The choice between one process with all cores and one a core: what is measured, said, recorded and carried out."""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

import jax
import numpy as np
import pytest

from vaebench.errors import InputError
from vaebench.report.runs import folder_info
from vaebench.results import read_rows, read_run_json
from vaebench.space import Point, point, product
from vaebench.sweep import evaluator, executor, runner, workers
from vaebench.sweep.executor import pieces_of
from vaebench.sweep.processes import process_pool
from vaebench.sweep.runner import run
from vaebench.sweep.timing import Timed, timed_epochs
from vaebench.sweep.worker import Task
from vaebench.sweep.workers import Workers, chosen_workers, free_memory, usable_cores

BASE = Point(latent=2, hidden=(4,), batch=8, epochs=100, stopping="fixed", learning_rate=1e-2)
POINTS = product(BASE, latent=[2, 3], seed=range(4))
RECORD = {"lanes": 1, "metrics": ["cox"], "embedding": "mean", "label_covariate": True}
CACHE = "jax_compilation_cache_dir"
HERE, THERE = Timed(1.0, "same"), (Timed(0.8, "same"),)


@pytest.fixture
def task(tmp_path):
    return Task(points=tuple(POINTS), out=tmp_path, record=RECORD, evaluators=1)


class Pool(ThreadPoolExecutor):
    """A thread that takes the place of a pool of processes."""

    killed = False

    def shutdown(self, wait=True, kill_workers=False):
        self.killed = self.killed or kill_workers
        super().shutdown(wait)


def chosen(monkeypatch, task, tiny, there=THERE):
    """The choice on two cores, by given times of an epoch of each program in each of two processes, and HERE in one."""
    times, pool = iter(there), Pool(1)

    def elsewhere(*arguments):
        found = next(times)
        if isinstance(found, Exception):
            raise found
        return [found] * 2

    monkeypatch.setattr(workers, "usable_cores", lambda: 2)
    monkeypatch.setattr(workers, "WORTHWHILE_SECONDS", 0.0)
    monkeypatch.setattr(workers, "timed_epochs", lambda *arguments, **how: HERE)
    monkeypatch.setattr(workers, "timed_there", elsewhere)
    monkeypatch.setattr(workers, "process_pool", lambda count, threads: pool)
    found = chosen_workers(task, tiny)
    assert found.measured
    assert found.pool is (pool if found.processes > 1 else None)
    assert pool.killed is (found.pool is None)
    assert (task.out / "dataset").exists() is (found.pool is not None)
    pool.shutdown()
    return found


def test_the_processes_are_taken_where_they_are_faster_and_equal(monkeypatch, task, tiny):
    found = chosen(monkeypatch, task, tiny, [Timed(0.8, "same"), Timed(1.0, "same")])
    assert found.processes == 2
    assert set(found.points) == set(POINTS)
    assert found.reason == (
        "2 processes of one thread each train: 2.0 to 2.5 times as fast as one process in 2 timed epochs, and no bit differs"
    )


@pytest.mark.parametrize("second", [Timed(0.8, "other"), Timed(1.9, "same")])
def test_a_program_that_differs_or_is_no_faster_stays(monkeypatch, task, tiny, second):
    found = chosen(monkeypatch, task, tiny, [Timed(0.8, "same"), second])
    assert {p.latent for p in found.points} == {3}, "the longer program, which was measured first"
    assert "train 4 of 8 points, and one process the rest: 2.5 times" in found.reason


def test_points_that_do_not_fill_the_processes_count(monkeypatch, task, tiny):
    few = dataclasses.replace(task, points=tuple(p for p in POINTS if p.latent == 3 and p.seed < 3))
    assert "1.9 times" in chosen(monkeypatch, few, tiny).reason  # 3 points in 2 rounds, of 0.8 seconds for 1


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        (Timed(1.9, "same"), "2 of one thread each are 1.1 times as fast as one process in 2 timed epochs"),
        (
            Timed(0.5, "x"),
            "2 of one thread each are 4.0 times as fast as one process in 2 timed epochs, but last bits would differ",
        ),
        (BrokenExecutor(), "others ended while they were timed (BrokenExecutor)"),
        (TimeoutError(), "others ended while they were timed (TimeoutError)"),
    ],
)
def test_one_process_trains_where_others_would_not_pay(monkeypatch, task, tiny, there, reason):
    found = chosen(monkeypatch, task, tiny, [there])
    assert found[:3] == (1, (), f"one process trains: {reason}")


def test_memory_is_left_for_the_evaluation(monkeypatch, task, tiny):
    left = iter([1e12, 1e9])
    monkeypatch.setattr(workers, "free_memory", lambda: next(left))
    found = chosen(monkeypatch, task, tiny, [*THERE, *THERE])
    assert found.reason == "one process trains: there is too little memory for others"


def test_an_error_of_the_choice_is_raised_and_ends_the_processes(monkeypatch, task, tiny):
    with pytest.raises(ZeroDivisionError):
        chosen(monkeypatch, task, tiny, [ZeroDivisionError()])
    assert not (task.out / "dataset").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "the run is too short for others"),
        ({"points": ()}, "nothing is left to train"),
        ({"record": {**RECORD, "lanes": 2}}, "lanes are trained side by side"),
        ({"evaluators": 0}, "it evaluates in a thread"),
    ],
)
def test_nothing_is_timed_where_processes_cannot_pay(monkeypatch, task, tiny, change, reason):
    monkeypatch.setattr(workers, "usable_cores", lambda: 2)
    monkeypatch.delattr(workers, "timed_epochs")
    found = chosen_workers(dataclasses.replace(task, **change), tiny)
    assert found == Workers(1, (), f"one process trains: {reason}")
    monkeypatch.setenv("PJRT_NPROC", "1")
    long = dataclasses.replace(task, points=(point(BASE, epochs=10**6),))
    assert chosen_workers(long, tiny).reason.endswith("PJRT_NPROC is set")
    monkeypatch.setattr(workers, "usable_cores", lambda: 1)
    assert chosen_workers(long, tiny).reason.endswith("there is one core")


def test_a_run_that_is_long_by_a_guess_may_be_short(monkeypatch, task, tiny):
    monkeypatch.setattr(workers, "usable_cores", lambda: 2)
    monkeypatch.setattr(workers, "_FLOPS", 1.0)
    monkeypatch.setattr(workers, "timed_epochs", lambda *arguments, **how: Timed(1e-3, ""))
    assert chosen_workers(task, tiny) == Workers(1, (), "one process trains: the run is too short for others")
    assert not (task.out / "dataset").exists()


def test_the_machine_is_known():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
    assert free_memory() > 1e6


def test_a_digest_is_of_all_that_a_row_can_hold(task, tiny):
    asked = dataclasses.replace(task, record={**RECORD, "metrics": ["reconstruction", "latent_use"]})
    first = timed_epochs(BASE, asked, tiny)
    assert timed_epochs(BASE, asked, tiny).digest == first.digest
    assert first.seconds > 0
    digests = {first.digest, timed_epochs(BASE, task, tiny).digest}
    digests.add(timed_epochs(point(BASE, seed=1), asked, tiny).digest)
    drawn = dataclasses.replace(asked, record={**asked.record, "embedding": "sample"})
    digests.add(timed_epochs(BASE, drawn, tiny).digest)
    digests.add(timed_epochs(BASE, dataclasses.replace(task, record={**RECORD, "label_covariate": False}), tiny).digest)
    assert len(digests) == 5


def test_few_points_are_cut_for_all_processes(task, tiny):
    one = dataclasses.replace(task, points=tuple(p for p in POINTS if p.latent == 2))
    assert [len(piece.points) for piece in pieces_of(one, tiny)] == [4]
    assert [len(piece.points) for piece in pieces_of(one, tiny, 2)] == [1, 1, 1, 1]
    assert len(pieces_of(task, tiny, 2)) == 4
    assert {p for piece in pieces_of(task, tiny, 3) for p in piece.points} == set(POINTS)


def seen() -> tuple[str | None, str | None]:
    """In a process: XLA's number of threads as its own processes will see it, and the cache of compiled programs."""
    return os.environ.get("PJRT_NPROC"), jax.config.values[CACHE]


@pytest.mark.slow
def test_a_process_shares_the_cache_and_hands_its_one_thread_to_nobody(tmp_path):
    before = jax.config.values[CACHE]
    jax.config.update(CACHE, str(tmp_path))
    try:
        with process_pool(1, threads=1) as pool:
            threads, folder = pool.submit(seen).result()
    finally:
        jax.config.update(CACHE, before)
    assert threads is None, "processes for the evaluation would inherit it, and round otherwise"
    assert folder == str(tmp_path)


def rows_of(folder):
    rows = read_rows(folder).set_index("point").sort_index()
    return rows[[c for c in rows if not str(c).endswith("seconds") and c != "history/valid"]]


SHORT = [point(p, epochs=2) for p in POINTS if p.seed < 2]


@pytest.fixture
def threads_only(monkeypatch):
    """No process is started for the baselines."""
    monkeypatch.setattr(evaluator, "process_pool", lambda count, host_only: Pool(1))


@pytest.fixture(scope="module")
def alone(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    run(SHORT, tiny, ["cox"], folder, evaluators=0, quiet=True)
    return rows_of(folder)


def test_the_choice_is_carried_out_said_and_recorded(monkeypatch, threads_only, tiny, tmp_path, capsys, alone):
    pool, share = Pool(1), tuple(p for p in SHORT if p.latent == 2)
    reason = "2 processes of one thread each train 2 of 4 points, and one process the rest: faster"
    monkeypatch.setattr(runner, "chosen_workers", lambda *arguments: Workers(2, share, reason, True, pool))
    run(SHORT, tiny, ["cox"], tmp_path, workers="auto", evaluators=0)
    assert f"note: {reason}" in capsys.readouterr().err
    assert read_run_json(tmp_path)["workers"] == {"processes": 2, "points": 2, "reason": reason, "planned": 4}
    assert folder_info(tmp_path)["workers"] == reason
    assert folder_info(tmp_path)["trainings"] == 4
    assert pool.killed
    assert rows_of(tmp_path).equals(alone)
    monkeypatch.undo()
    run(SHORT, tiny, ["cox"], tmp_path, workers="auto", evaluators=0)
    assert "process" not in capsys.readouterr().err
    assert folder_info(tmp_path)["workers"] == reason, "a call that trains nothing changes nothing"


def test_one_process_goes_on_where_the_others_die(monkeypatch, threads_only, tiny, tmp_path, alone):
    class Dead(Pool):
        def submit(self, *arguments):
            raise BrokenExecutor("killed")

    monkeypatch.setattr(executor, "process_pool", lambda count, threads: Dead(1))
    monkeypatch.setattr(runner, "chosen_workers", lambda *rest: Workers(2, tuple(SHORT), "", True, Dead(1)))
    with pytest.warns(UserWarning, match=r"this process trains the rest: 4 of 4 points .*BrokenExecutor: killed"):
        run(SHORT, tiny, ["cox"], tmp_path, workers="auto", evaluators=0, quiet=True)
    assert rows_of(tmp_path).equals(alone)


def test_a_wrong_number_of_workers(tiny, tmp_path):
    with pytest.raises(InputError, match=r"workers is 'many'; it must be a whole number of at least 1 .*, or 'auto'"):
        run(SHORT, tiny, ["cox"], tmp_path, workers="many")


@pytest.mark.slow
def test_measured_processes_give_the_rows_of_one(monkeypatch, tiny, tmp_path):
    monkeypatch.setattr(workers, "WORTHWHILE_SECONDS", 0.0)
    monkeypatch.setattr(workers, "GAIN", 0.0)
    monkeypatch.setattr(workers, "usable_cores", lambda: 2)
    asked = ["leiden", "cox", "reconstruction"]
    for name, number in (("one", 1), ("two", 2), ("auto", "auto")):
        run(SHORT, tiny, asked, tmp_path / name, workers=number, evaluators=1, quiet=True)
    assert read_run_json(tmp_path / "auto")["workers"]["reason"].startswith("2 processes of one thread each train: ")
    one = rows_of(tmp_path / "one")
    assert rows_of(tmp_path / "two").equals(one)
    assert rows_of(tmp_path / "auto").equals(one)
    assert np.isfinite(one["metric/reconstruction/mse"]).all()
