"""Worker processes end with the process that started them.

By hand, 40 kills: ``python tests/sweep/test_lifetime.py 40``; ``40 32`` begins with the 33rd.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from vaebench.results import finished
from vaebench.space import Point
from vaebench.sweep import executor, processes
from vaebench.sweep.worker import Task

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SCRIPT = """
    import sys
    import vaebench as vb
    from vaebench.cli.interrupts import handle_interrupts
    handle_interrupts()
    data, _ = vb.data.simulate_cohort(samples=200, genes=50, types=4)
    points = vb.space.product(latent=[2, 3], hidden=(8,), epochs=300, batch=16, stopping="fixed", seed=range(200))
    how = {"workers": 2} if sys.argv[2] == "workers" else {"evaluators": 2}
    how |= {"checkpoint_minutes": 0.02} if sys.argv[2] == "checkpoints" else {}
    vb.run(points, data, metrics=["leiden"], out=sys.argv[1], lanes=4, quiet=True, **how)
"""


def marked(token: str) -> list[int]:
    """Ids of the living processes that were started with ``token`` in their environment, zombies apart."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
            if token.encode() in (place / "environ").read_bytes() and state != "Z":
                found.append(int(place.name))
        except OSError:
            continue
    return found


def orphans(
    out: Path, kind: str, how: int, delay: float, wait: float = 5.0, again: float | None = None
) -> tuple[int, int]:
    """Kill a sweep's main process ``delay`` seconds after its first workers are there, and ``again`` seconds later.

    Returns the number of its processes at that moment, and of those that are left ``wait`` seconds after its end.
    """
    token = f"VAEBENCH_TEST_TOKEN={out.name}{random.getrandbits(64):x}"
    name, _, value = token.partition("=")
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(out), kind]
    main = subprocess.Popen(command, env={**os.environ, name: value}, stderr=subprocess.DEVNULL)
    try:
        while len(marked(token)) < 3 and main.poll() is None:
            time.sleep(0.05)
        time.sleep(delay)
        before = len(marked(token))
        main.send_signal(how)
        if again is not None:
            time.sleep(again)
            main.send_signal(how)  # nothing where it has ended
        main.wait(60)
        time.sleep(wait)
        return before, len(marked(token))
    finally:
        for left in marked(token):
            os.kill(left, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["evaluators", "workers"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_after_a_kill(tmp_path, kind, how):
    for i, delay in enumerate((0.0, 4.0)):
        before, after = orphans(tmp_path / f"out{i}", kind, how, delay)
        assert before >= 3
        assert after == 0


WORKER = """
    import sys, time, os
    from vaebench.sweep import processes
    if sys.argv[2] == "thread":
        processes.sys.platform = "another"  # without the kernel's help
    processes.serve(int(sys.argv[1]))
    print(os.getpid(), flush=True)
    time.sleep(60)
"""
PARENT = """
    import subprocess, sys, os
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid()), sys.argv[2]], stdout=subprocess.PIPE)
    print(child.stdout.readline().decode(), flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("help_of", ["kernel", "thread"])
def test_a_worker_ends_with_its_parent(help_of):
    command = [sys.executable, "-c", textwrap.dedent(PARENT), textwrap.dedent(WORKER), help_of]
    parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    os.kill(worker, signal.SIGTERM)  # interrupts are the parent's
    time.sleep(0.1)
    assert Path(f"/proc/{worker}").exists()
    parent.kill()
    parent.wait(10)
    parent.stdout.close()
    assert parent.stdin is not None
    parent.stdin.close()
    end = time.monotonic() + 5
    while running(worker) and time.monotonic() < end:
        time.sleep(0.02)
    assert not running(worker)


def running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_whose_parent_is_gone_already_exits():
    command = [
        sys.executable,
        "-c",
        "import os, time; from vaebench.sweep import processes as p; p.serve(1); time.sleep(9)",
    ]
    if os.getpid() != 1:
        assert subprocess.run(command, timeout=8).returncode == 1


def test_a_worker_imports_nothing_heavy_before_it_is_watched_over():
    code = "import sys; import vaebench.sweep.processes; print({'jax', 'numpy', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
    assert processes.process_pool.__module__ == "vaebench.sweep.processes"


def test_an_interrupt_orders_the_workers_killed_and_takes_nothing_back(tmp_path, tiny, monkeypatch):
    orders = []

    class Pool:
        def submit(self, *work):
            raise KeyboardInterrupt

        def shutdown(self, wait=True, kill_workers=False):
            orders.append(kill_workers)

    monkeypatch.setattr(executor, "carry_out", lambda *task: {})
    monkeypatch.setattr(executor, "cached", lambda *data: None)
    monkeypatch.setattr(executor, "process_pool", lambda workers: Pool())
    work = Task((Point(latent=2, hidden=(8,)),), tmp_path, {"lanes": 1})
    with pytest.raises(KeyboardInterrupt):
        executor.through_executor(work, tiny, 2, None, lambda state: None)
    assert orders == [True]


def by_hand(kills: int, first: int = 0) -> None:
    """Kill sweeps at random moments and print how many processes were left."""
    chance, left = random.Random(0), []
    hows = [(signal.SIGTERM, None), (signal.SIGKILL, None), (signal.SIGINT, None), (signal.SIGINT, 0.5)]
    for i in range(kills):
        kind, (how, again) = ("evaluators", "workers", "checkpoints")[i % 3], hows[i // 3 % 4]
        delay = chance.uniform(0, 14)
        if i < first:
            continue
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            before, after = orphans(out, kind, how, delay, again=again)
            rows = len(finished(out))
        left.append(after)
        name = how.name + (" twice" if again else "")
        print(
            f"{i + 1:3d} {kind:11} {name} after {delay:4.1f} s: {rows} rows, {before} processes, {after} left",
            flush=True,
        )
    print(f"{sum(n > 0 for n in left)} of {len(left)} kills left processes, {sum(left)} in all", flush=True)


if __name__ == "__main__":
    by_hand(*map(int, sys.argv[1:]))
