"""What benchmarks/device.py computes beside its measurements, and, slowly, the whole of it at its smallest."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def importable():
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def shared():
    from device_parts import table

    return table


def test_memory_limit_arithmetic(shared):
    # 5.2M weights x 10 floats: 208 MB, 48.4 us at 4.3 TB/s
    moved = shared.bytes_by_hand(5_200_000)
    assert moved == 208_000_000
    assert shared.roofline_share(moved, 4.3e12, 48.37e-6) == pytest.approx(1.0, abs=1e-3)
    assert shared.roofline_share(moved, 4.3e12, 2 * 48.37e-6) == pytest.approx(0.5, abs=1e-3)


def test_hours_of_the_grid_over_bands_and_latents(shared):
    seconds = {10: 0.004, 200: 0.008}
    hours = shared.grid_hours(64_800, {1e-1: 10.0, 1e-6: 90.0}, seconds)
    assert hours == pytest.approx(64_800 * 50 * 0.006 / 3600)
    assert shared.grid_hours(64_800, {1e-1: 10.0, 1e-6: None}, seconds) is None
    assert shared.grid_hours(64_800, {}, seconds) is None
    assert shared.hourly(10.0, 40.0) == 900
    assert shared.hourly(10.0, None) is None, "none finished: no rate, and no division by zero"


def test_a_band_without_a_finished_training_prints_no_hours(shared, tmp_path):
    from device_parts import grid

    table = shared.Table(tmp_path, {"device": "gpu NVIDIA H100"})
    grid.whole_grid(table, {"latents": {50: 1e-4}}, {1e-1: 10.0, 1e-6: None}, 100.0)
    rates, total = table.rows[:2], table.rows[2]
    assert [row["value"] for row in rates] == ["36000", "none finished"]
    assert total["value"] == "not known: none finished at 1e-06"
    assert total["number"] is None
    assert total["target"] == "8.6 h with evaluation"
    grid.whole_grid(table, {"latents": {10: 1e-4, 50: 1e-4, 200: 4e-4}}, {1e-1: 10.0, 1e-6: 10.0}, 100.0)
    # seconds a lane-epoch: 0.01 at latents 10 to 50, 0.02 at 100, 0.04 at 200
    assert table.rows[-1]["number"] == pytest.approx(64_800 * 10 * (4 * 0.01 + 0.02 + 0.04) / 6 / 3600)


def test_values_between_and_beyond_measured_sizes(shared):
    assert shared.at_other_sizes({10: 1.0, 50: 5.0, 100: 6.0}, [10, 30, 75, 200]) == {
        10: 1.0,
        30: 3.0,
        75: 5.5,
        200: 8.0,
    }
    assert shared.at_other_sizes({50: 2.0}, [10, 200]) == {10: 2.0, 200: 2.0}


def test_every_row_is_on_disk_at_once_and_whole(shared, tmp_path, monkeypatch):
    table = shared.Table(tmp_path, {"device": "cpu cpu"})
    table.add("a", "copy", "10 GB/s", 1e10, "B/s")
    table.add("b", "1 lanes | float32", status="failed: x")
    told = json.loads((tmp_path / "device.json").read_text())
    assert [row["what"] for row in told["rows"]] == ["copy", "1 lanes | float32"]
    text = (tmp_path / "device.md").read_text()
    assert "| a | copy | 10 GB/s |  | OK |" in text
    assert "| b | 1 lanes / float32 |  |  | failed: x |" in text

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        table.add("c", "lost")
    assert len(json.loads((tmp_path / "device.json").read_text())["rows"]) == 2, "half a file is never under the name"


def test_the_clock_gives_every_part_its_share(shared):
    now = [0.0]
    clock = shared.Clock(100, lambda: now[0])
    clock.begin(1, 3)
    assert clock.left() == 25
    now[0] = 10.0  # done early: what is left over belongs to the parts that come
    clock.begin(1, 2)
    assert clock.left() == 30
    assert clock.fits(30)
    assert not clock.fits(31)
    now[0] = 99.0
    clock.begin(2, 0)
    assert clock.left() == 1
    now[0] = 200.0
    assert clock.left() == 0


def test_a_failure_is_a_row_and_so_is_what_does_not_fit(shared, tmp_path):
    table, clock = shared.Table(tmp_path, {}), shared.Clock(10, lambda: 0.0)

    def broken():
        raise ValueError("two\nlines")

    assert not shared.attempt(table, "b", "64 lanes", broken)
    assert not shared.in_time(table, clock, "b", "512 lanes", 11.0, broken)
    assert [row["status"] for row in table.rows] == ["failed: ValueError: two lines", "not run: out of time"]


def test_a_part_that_fails_does_not_stop_the_others(shared, tmp_path, monkeypatch):
    import device

    def broken(*arguments):
        raise RuntimeError("no memory")

    monkeypatch.setattr(device, "PARTS", {"a": (1, broken), "b": (1, lambda table, *others: table.add("b", "fine"))})
    table = device.run(tmp_path, 1.0, "small", ["a", "b"])
    assert [row["status"] for row in table.rows] == ["failed: RuntimeError: no memory", "OK"]


def test_kernels_are_counted_once_by_stream(tmp_path):
    from device_parts.trace import kernels, shares

    def named(kind, pid, tid, name):
        return {"ph": "M", "name": kind, "pid": pid, "tid": tid, "args": {"name": name}}

    def ran(tid, name, dur, pid=1):
        return {"ph": "X", "pid": pid, "tid": tid, "name": name, "dur": dur}

    events = [named("process_name", 1, 0, "/device:GPU:0"), named("process_name", 2, 0, "/host:CPU")]
    events += [named("thread_name", 1, 7, "Stream #7(Compute)"), named("thread_name", 1, 8, "XLA Ops")]
    events += [named("thread_name", 2, 1, "XLAEigen")]
    events += [ran(7, "gemm", 30), ran(7, "fusion", 60), ran(7, "gemm", 10), ran(8, "gemm", 40), ran(1, "host", 99, 2)]
    assert shares(events) == [("fusion", 0.6), ("gemm", 0.4)]
    assert shares([e for e in events if e["pid"] == 2]) == [("host", 1.0)], "on a CPU"
    with gzip.open(tmp_path / "host.trace.json.gz", "wt") as file:
        json.dump({"traceEvents": events}, file)
    assert kernels(tmp_path, most=1) == [("fusion", 0.6)]


@pytest.mark.slow
def test_a_child_that_takes_too_long_is_stopped_and_its_lines_kept(monkeypatch, tmp_path):
    from device_parts import children

    script = tmp_path / "child.py"
    script.write_text('import time; print(\'{"name": "one"}\', flush=True); time.sleep(60)')
    monkeypatch.setattr(children, "ENTRY", script)
    assert children.Child("any", "small").lines(5.0) == ([{"name": "one"}], "stopped after waiting 5 s")
    script.write_text("raise ValueError('bad')")
    assert children.Child("any", "small").lines(60.0) == ([], "failed: exit code 1: ValueError: bad")


@pytest.mark.slow
def test_the_whole_at_its_smallest(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "device.py"), "--small", "--minutes", "6", "--out", str(tmp_path)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, check=True, cwd=BENCHMARKS.parent, env=env, timeout=600)
    rows = json.loads((tmp_path / "device.json").read_text())["rows"]
    assert {row["part"][0] for row in rows} == set("abcdefg")
    failed = [row["what"] for row in rows if row["status"].startswith("failed") and not row["part"].startswith("c")]
    assert not failed
