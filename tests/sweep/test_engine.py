"""The engine under stress: kills, shards, workers, devices, full memory, full disks, checkpoints."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import types
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from vaebench.errors import InputError, RunError
from vaebench.results import finished, read_costs, read_rows, read_run_json, write_rows
from vaebench.space import Point, point, point_id, product
from vaebench.sweep import evaluator
from vaebench.sweep import worker as task
from vaebench.sweep.evaluator import EvaluationQueue
from vaebench.sweep.progress import summary
from vaebench.sweep.runner import run, sharded
from vaebench.sweep.tally import all_rows
from vaebench.training import cost as cost_module
from vaebench.training.checkpoint import LANES, load_lanes, save_lanes
from vaebench.training.cost import chosen_lanes, estimated, program_memory, programs
from vaebench.training.engine import Engine
from vaebench.training.lane import RUNNING
from vaebench.training.model import kept_embedding, kept_embeddings, kept_models
from vaebench.training.pool import Saved, trained_points

pytestmark = pytest.mark.long

BASE = Point(latent=3, hidden=(8,), batch=8, epochs=5, stopping="fixed", learning_rate=1e-2)
POINTS = product(BASE, seed=range(6))


def comparable(rows):
    """Rows without what may differ between runs: clocks, and the processes' order."""
    columns = [c for c in rows if not c.endswith("seconds") and c not in ("point", "history/valid")]
    return rows.set_index("point").sort_index()[columns]


def assert_same(one, two):
    assert comparable(one).equals(comparable(two)[comparable(one).columns])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, tiny):
    return run(POINTS, tiny, out=tmp_path_factory.mktemp("undisturbed"), lanes=2, quiet=True)


# --- kill -9 ---------------------------------------------------------------------------------------------------------

SCRIPT = """
    import sys
    import numpy as np
    import vaebench as vb
    from vaebench.data.dataset import dataset_from_arrays
    rng = np.random.default_rng(0)
    x = 2 * rng.normal(size=(3, 20))[np.repeat([0, 1, 2], 40)] + rng.normal(size=(120, 20))
    data = dataset_from_arrays(x, labels=np.repeat(["A", "B", "C"], 40), name="killed")
    points = vb.space.product(latent=2, hidden=(8,), batch=8, learning_rate=[1e-2, 1e-3], epochs=[40, 400],
                              patience=5, seed=range(12))
    vb.run(points, data, metrics=["leiden"], out=sys.argv[1], lanes=4, evaluators=1, quiet=True,
           checkpoint_minutes=0.01)
"""


def start(out):
    """The script, as a process, its programs optimised as users' are."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(SCRIPT), str(out)], env=environment)


def killed_run(folder, kills: int) -> list[int]:
    """Kill a run ``kills`` times, each at a random number of new rows and a random moment after; then let it end."""
    reference, out = folder / "reference", folder / "out"
    assert start(reference).wait(300) == 0
    chance = random.Random(0)
    counts = [0]
    for left in range(kills, 0, -1):
        target = counts[-1] + chance.randint(0, max(0, 2 * (48 - counts[-1]) // (left + 1)))
        process = start(out)
        while len(finished(out)) < target and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        counts.append(len(finished(out)))
    assert start(out).wait(300) == 0
    assert_same(read_rows(reference), read_rows(out))
    assert read_rows(out)["point"].is_unique
    assert len(read_rows(out)) == 48 + 1
    print(f"rows present after each kill: {counts[1:]}")
    return counts


@pytest.mark.slow
def test_three_kills_lose_nothing(tmp_path):
    assert any(0 < count < 49 for count in killed_run(tmp_path, 3)), "no kill hit a run at work"


@pytest.mark.slow
def test_twenty_kills_lose_nothing(tmp_path):
    killed_run(tmp_path, 20)


# --- checkpoints -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_lane_goes_on_from_a_snapshot_to_the_same_result(tiny):
    often = Engine(call_seconds=0.0)  # look after every epoch
    x = jnp.asarray(tiny.x)
    whole = {i.point: i for tick in trained_points(POINTS, tiny, x, 2, engine=often) for i in tick.finished}
    ticks = trained_points(POINTS, tiny, x, 2, engine=often)
    for _ in range(3):
        tick = next(ticks)
    saved = tick.snapshot()
    assert len(saved) == 2
    rest = {i.point: i for tick in trained_points(POINTS, tiny, x, 2, saved=saved, engine=often) for i in tick.finished}
    for p, item in rest.items():
        np.testing.assert_array_equal(item.z, whole[p].z)
        assert item.history == whole[p].history
    assert sum(t.useful for t in trained_points(list(saved), tiny, x, 2, saved=saved, engine=often)) == 2 * 5 - 2 * 3


@pytest.mark.slow
def test_checkpoints_are_written_used_and_removed(tmp_path, tiny, undisturbed):
    def interrupt(state):
        if state.epochs >= 6:
            raise KeyboardInterrupt

    record = {"metrics": ["leiden", "cox"], "embedding": "mean", "label_covariate": True, "lanes": 2, "study": ""}
    often = Engine(call_seconds=0.0)
    job = task.Task(tuple(POINTS), tmp_path, record, evaluators=0, checkpoint_minutes=1e-9, engine=often)
    with pytest.raises(KeyboardInterrupt):
        task.carry_out(job, tiny, interrupt)
    lanes = load_lanes(tmp_path / LANES)
    assert {len(leaves[-1]) for leaves in lanes.values()} <= {1, 2, 3}
    assert lanes
    cost = task.carry_out(job, tiny)
    assert cost["epochs"] < 30, "the lanes were trained again from the start"
    assert not load_lanes(tmp_path / LANES)
    one, two = comparable(read_rows(tmp_path)), comparable(undisturbed)
    assert one["loss/valid"].equals(two.loc[one.index, "loss/valid"])


def test_a_checkpoint_that_is_not_what_was_written_is_refused(tmp_path):
    path = tmp_path / "lanes.safetensors"
    save_lanes(path, {"p": Saved({"w": np.arange(3.0)}, [0.5])})
    np.testing.assert_array_equal(load_lanes(tmp_path)["p"][0], np.arange(3.0))
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"lanes.safetensors is damaged: .*; delete it to continue without it"):
        load_lanes(tmp_path)


# --- shards, workers, executors ------------------------------------------------------------------------------------


def test_shards_are_a_partition_whatever_the_order(tiny):
    parts = [sharded(POINTS, tiny.digest, (i, 4)) for i in range(1, 5)]
    assert sorted(map(len, parts)) == [1, 1, 2, 2]
    assert {p for part in parts for p in part} == set(POINTS)
    assert parts == [sharded(POINTS[::-1], tiny.digest, (i, 4)) for i in range(1, 5)]


@pytest.mark.slow
def test_shards_give_the_rows_of_one_run(tmp_path, tiny, undisturbed):
    for i in (2, 1, 3):
        rows = run(POINTS, tiny, out=tmp_path, lanes=2, shard=(i, 3), quiet=True)
    assert_same(undisturbed, rows)


@pytest.mark.slow
def test_two_processes_in_one_folder_do_not_corrupt_it(tmp_path):
    both = [start(tmp_path / "out") for _ in range(2)]
    assert [process.wait(300) for process in both] == [0, 0]
    rows = read_rows(tmp_path / "out")
    assert len(rows) == 48 + 1
    assert rows["point"].is_unique
    written = [pd.read_parquet(part, columns=["point"]) for part in (tmp_path / "out" / "rows").glob("part-*")]
    assert sum(map(len, written)) <= 48 + 2  # each point was trained by one of them; the baseline may be there twice


@pytest.mark.slow
def test_workers_give_the_rows_of_one_process(tmp_path, tiny, undisturbed):
    assert_same(undisturbed, run(POINTS, tiny, out=tmp_path, lanes=2, workers=2, quiet=True))


@pytest.mark.slow
def test_any_executor_will_do(tmp_path, tiny, undisturbed):
    with ThreadPoolExecutor(2) as executor:
        assert_same(undisturbed, run(POINTS, tiny, out=tmp_path, lanes=2, executor=executor, quiet=True))


@pytest.mark.slow
def test_an_executor_that_dies_at_the_start_is_one_clear_sentence(tmp_path, tiny):
    executor = ThreadPoolExecutor(1, initializer=lambda: 1 / 0)
    with pytest.raises(RunError, match=r"6 of 6 points have no row after 3 attempts.*BrokenThreadPool.*continues"):
        run(POINTS, tiny, out=tmp_path, lanes=2, executor=executor, quiet=True)


class DeadExecutor(Executor):
    """Takes pieces and never begins one, as a cluster whose workers are all dead."""

    def __init__(self):
        self.futures = []

    def submit(self, fn, /, *args, **kwargs):
        self.futures.append(Future())
        return self.futures[-1]


@pytest.mark.slow
def test_an_executor_without_workers_is_said_and_ends_the_run(tmp_path, tiny, monkeypatch, capsys):
    from vaebench.sweep import executor as module

    monkeypatch.setattr(module, "NOTE_SECONDS", 1.0)
    executor = DeadExecutor()
    with pytest.raises(RunError, match=r"no worker of the executor was at work for \d+ s; .*silent_minutes"):
        run(POINTS, tiny, out=tmp_path, lanes=2, executor=executor, silent_minutes=0.05)
    assert re.search(r"no worker was at work for \d+ s; waiting \d s more", capsys.readouterr().err)
    assert executor.futures
    assert all(future.cancelled() for future in executor.futures)
    with pytest.raises(InputError, match="silent_minutes is 0"):
        run(POINTS, tiny, out=tmp_path, lanes=2, executor=executor, silent_minutes=0)


def test_a_worker_at_work_is_seen(tmp_path, monkeypatch):
    from vaebench.sweep import executor as module

    monkeypatch.setattr(module, "BEAT_SECONDS", 0.02)
    silence = module._Silence(tmp_path, 0.2 / 60, quiet=True)
    with module._beating(tmp_path / module.ALIVE / "one"):
        for _ in range(10):
            silence.look(0)
            time.sleep(0.05)
    silence.look(0)
    time.sleep(0.25)
    with pytest.raises(RunError, match="no worker"):
        silence.look(0)
    silence.look(1)


def test_pieces_that_have_not_begun_are_taken_back():
    from vaebench.sweep import executor as module

    pool = ThreadPoolExecutor(1)
    waiting = [pool.submit(time.sleep, 0.2), pool.submit(time.sleep, 9)]
    module._give_up(pool, False, waiting)
    assert waiting[1].cancelled()
    pool.shutdown()


@pytest.mark.parametrize("shard", [(0, 3), (4, 3), (1, 0)])
def test_a_shard_out_of_range(tiny, tmp_path, shard):
    with pytest.raises(InputError, match="i/n with i from 1 to n"):
        run(POINTS, tiny, out=tmp_path / "out", shard=shard, quiet=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_dask_with_a_worker_killed_in_the_middle(tmp_path, tiny, undisturbed):
    distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
            ThreadPoolExecutor(1) as killer,
        ):
            victim = next(iter(client.run(os.getpid).values()))

            def kill():
                while not finished(tmp_path):
                    time.sleep(0.05)
                os.kill(victim, signal.SIGKILL)

            killed = killer.submit(kill)
            rows = run(POINTS, tiny, out=tmp_path, lanes=2, executor=client.get_executor(), quiet=True)
            killed.result(60)
    assert_same(undisturbed, rows)


# --- devices -------------------------------------------------------------------------------------------------------

DEVICES = """
    import sys, jax
    sys.path[:0] = sys.argv[2:]
    import conftest, test_engine
    import vaebench as vb
    assert len(jax.local_devices()) == 4
    tiny = conftest.tiny_dataset()
    rows = vb.run(test_engine.POINTS, tiny, out=sys.argv[1], lanes=4, quiet=True)
    from vaebench.training.lane import lane_sharding
    assert lane_sharding(4) is not None
    try:
        lane_sharding(6)
    except vb.InputError as error:
        print(error)
"""


@pytest.mark.slow
def test_four_devices_share_the_lanes(tmp_path, undisturbed):
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=4"
    environment = {**os.environ, "XLA_FLAGS": flags}
    here = Path(__file__).parent
    script = textwrap.dedent(DEVICES)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(here), str(here.parent)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "multiple of the 4 local devices" in done.stdout
    one, four = comparable(undisturbed), comparable(read_rows(tmp_path))
    np.testing.assert_allclose(one["loss/valid"], four["loss/valid"], rtol=2e-2)
    assert one["status"].equals(four["status"])


# --- memory, disk, dying evaluators ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_group_that_does_not_fit_starts_again_with_half_the_lanes(tmp_path, tiny, monkeypatch):
    original = task.trained_points

    def limited(points, dataset, x, lanes, **options):
        if lanes > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        yield from original(points, dataset, x, lanes, **options)

    monkeypatch.setattr(task, "trained_points", limited)
    rows = run(POINTS, tiny, metrics=["leiden"], out=tmp_path, lanes=8, quiet=True)
    assert set(rows["run/lanes"].dropna()) == {2}
    monkeypatch.undo()
    more = run([*POINTS, point(BASE, seed=77)], tiny, metrics=["leiden"], out=tmp_path, lanes=8, quiet=True)
    assert set(more["run/lanes"].dropna()) == {2}, "a resumed group must round as before"


def test_another_device_error_is_not_swallowed(tmp_path, tiny, monkeypatch):
    def broken(*arguments, **options):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")
        yield

    monkeypatch.setattr(task, "trained_points", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        run(POINTS, tiny, metrics=["leiden"], out=tmp_path, lanes=2, quiet=True)


def test_a_full_disk_is_reported_and_earlier_rows_stay(tmp_path, tiny, monkeypatch):
    written = []
    original = os.replace

    def full(source, target):
        if "part-" in str(target):
            written.append(target)
            if len(written) > 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left on device; what was written before is intact"):
        run(POINTS, tiny, metrics=["leiden"], out=tmp_path, lanes=1, quiet=True)
    monkeypatch.undo()
    kept = finished(tmp_path)
    assert 0 < len(kept) < 7
    assert len(run(POINTS, tiny, metrics=["leiden"], out=tmp_path, quiet=True)) == 7


def test_a_folder_that_is_removed_meanwhile_is_said(tmp_path, tiny):
    out = tmp_path / "out"
    scores = np.random.default_rng(0).normal(size=(60, 2))

    def evaluated(*names):
        with EvaluationQueue(tiny, ["leiden"], out, 0) as queue:
            for number, name in enumerate(names):
                if number == 2:
                    shutil.rmtree(out)
                queue.submit({"point": name, "status": "OK"}, scores)
                queue.drain()

    evaluated("one", "two")
    with pytest.raises(RunError, match=r"out was removed or changed while the command ran: 2 of its 2 files of rows"):
        evaluated("one", "two", "three")
    assert not out.exists()


def test_rows_are_all_there_at_the_end(tmp_path, capsys):
    write_rows([{"point": point_id(p, "d")} for p in POINTS[:2]], tmp_path)
    rows = all_rows(tmp_path, POINTS[:2], "d", {"lanes": 2})
    assert len(rows) == 2
    assert read_run_json(tmp_path) == {"lanes": 2}
    assert "run.json was removed while the command ran, and has been written again" in capsys.readouterr().err
    with pytest.raises(RunError, match="the rows of 1 of 2 points are gone; the same command trains them again"):
        all_rows(tmp_path, POINTS[1:3], "d", {})


def kill_own_process(z, dataset, metrics, given):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_an_evaluation_that_kills_its_process_is_a_failed_row(tmp_path, tiny, monkeypatch):
    from vaebench.sweep import evaluator as host

    with EvaluationQueue(tiny, ["leiden"], tmp_path, 1) as queue:
        rng = np.random.default_rng(0)
        queue.submit({"point": "good", "status": "OK"}, rng.normal(size=(60, 2)))
        queue.drain()
        with monkeypatch.context() as patch:
            patch.setattr(host, "evaluate_flat", kill_own_process)
            queue.submit({"point": "bad", "status": "OK"}, rng.normal(size=(60, 2)))
            queue.drain()
        queue.submit({"point": "later", "status": "OK"}, rng.normal(size=(60, 2)))
    rows = read_rows(tmp_path).set_index("point")
    assert rows["status"].to_dict() == {"good": "OK", "bad": "FAILED", "later": "OK"}
    assert "process died 2 times" in rows.loc["bad", "metric/leiden/status"]
    assert np.isfinite(rows.loc["later", "metric/leiden/ari"])


def test_embeddings_of_a_pool_that_dies_again_and_again_are_evaluated_alone(tmp_path, tiny, monkeypatch):
    """The out-of-memory killer takes workers at random: only the embedding that dies alone has failed."""

    class Mortal(Executor):
        def __init__(self, count, host_only):
            self.dead = count > 1

        def submit(self, fn, z, *rest):
            future = Future()
            self.dead = self.dead or z[0, 0] == 7.0
            if self.dead:
                future.set_exception(BrokenExecutor("killed"))
            else:
                future.set_result(fn(z, *rest))
            return future

        def shutdown(self, wait=True, kill_workers=False):
            pass

    monkeypatch.setattr(evaluator, "process_pool", Mortal)
    scores = np.random.default_rng(0).normal(size=(60, 2))
    with EvaluationQueue(tiny, ["leiden"], tmp_path, 2) as queue:
        for name in "abcd":
            queue.submit({"point": name, "status": "OK"}, np.where(name == "b", 7.0, scores))
            queue.collect()
    assert read_rows(tmp_path).set_index("point")["status"].to_dict() == {
        "a": "OK",
        "b": "FAILED",
        "c": "OK",
        "d": "OK",
    }


# --- what is kept --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_kept_embeddings_and_models_are_those_of_the_rows(tmp_path, tiny):
    points = product(BASE, latent=[2, 3], seed=range(3))
    run(points, tiny, metrics=["leiden"], out=tmp_path, lanes=2, keep_embeddings=True, keep_models="all", quiet=True)
    embeddings, models = kept_embeddings(tmp_path), kept_models(tmp_path)
    ids = {point_id(p, tiny.digest): p for p in points}
    assert set(embeddings) == set(models) == set(ids)
    for key, p in ids.items():
        assert models[key].point == p
        np.testing.assert_array_equal(kept_embedding(tmp_path, key), embeddings[key])
        np.testing.assert_allclose(models[key].embed(tiny.x), embeddings[key], rtol=1e-4, atol=1e-5)
    assert len(list((tmp_path / "embeddings").rglob("*.safetensors"))) == 2, "one file a program"
    assert kept_embedding(tmp_path, "another") is None


@pytest.mark.slow
def test_the_best_model_of_every_program_is_kept(tmp_path, tiny):
    points = product(BASE, latent=[2, 3], seed=range(3))
    rows = run(points[:5], tiny, metrics=["leiden"], out=tmp_path, lanes=2, keep_models="best", quiet=True)
    rows = run(points, tiny, metrics=["leiden"], out=tmp_path, lanes=2, keep_models="best", quiet=True)
    models = rows[rows["static/variant"] == "vae"]
    best = models.loc[models.groupby("static/latent")["loss/valid"].idxmin(), "point"]
    assert set(kept_models(tmp_path)) == set(best)
    with pytest.raises(InputError, match="did you mean 'best'"):
        run(points, tiny, out=tmp_path, keep_models="bst", quiet=True)


# --- efficiency and cost ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_refill_keeps_the_slots_busy(tiny):
    """Points 20 to a lane, epochs from 5 to 1,000 as in the study's grid: most short, few long; the worst order is given."""
    rng = np.random.default_rng(0)
    often = Engine(call_seconds=0.0)  # an epoch of this toy is shorter than the host's work
    epochs = np.clip(np.exp(rng.normal(3.2, 1.0, 80)), 5, 1000).astype(int)
    points = [point(BASE, epochs=int(e), seed=i) for i, e in enumerate(sorted(epochs))]
    ticks = list(trained_points(points, tiny, jnp.asarray(tiny.x), 4, engine=often))
    useful, computed = sum(t.useful for t in ticks), sum(t.computed for t in ticks)
    assert useful == sum(epochs)
    assert useful / computed >= 0.95
    masks_only = 4 * sum(int(max(epochs[i : i + 4])) for i in range(0, 80, 4))
    assert useful / masks_only < 0.6


def test_cost_is_written_and_summed(undisturbed, tmp_path, tiny):
    run(POINTS[:2], tiny, metrics=["leiden"], out=tmp_path, lanes=2, quiet=True)
    run(POINTS, tiny, metrics=["leiden"], out=tmp_path, lanes=2, quiet=True)
    costs = read_costs(tmp_path)
    assert [cost["trainings"] for cost in costs] == [2, 4]
    assert sum(cost["epochs"] for cost in costs) == 30
    assert "lane efficiency 100.0%" in summary(costs[0])


@pytest.mark.slow
def test_programs_and_memory_before_a_run(tiny):
    points = product(BASE, latent=[2, 3], seed=range(3))
    found = programs(points, tiny)
    assert [(p.latent, p.points, p.steps) for p in found] == [(2, 3, 6), (3, 3, 6)]
    # encoder 20-8, batch norm, heads 8-3 twice, decoder 3-8, batch norm, output 8-20
    assert found[1].parameters == (20 * 8 + 8) + 16 + 2 * (8 * 3 + 3) + (3 * 8 + 8) + 16 + (8 * 20 + 20)
    need, per_lane, limit = program_memory(BASE, tiny, 4)
    assert need > 4 * per_lane * 0.9
    assert per_lane > 3 * 4 * found[1].parameters, "weights and two moments at least"
    assert limit is None or limit > 1e9
    assert chosen_lanes(points, tiny) == 1, "more bring nothing on a CPU"
    estimate = estimated(points, tiny)
    assert estimate.seconds_per_epoch > 0
    assert estimate.lanes == 1


@pytest.mark.parametrize(
    ("devices", "room", "lanes"), [(1, 7.5, 7), (2, 7.5, 6), (1, 1000, 20), (4, 3.5, 1), (1, 0.5, 1)]
)
def test_an_accelerators_memory_sets_the_lanes(tiny, monkeypatch, devices, room, lanes):
    """Of 80% of the memory the data come first; no more lanes than points, and equal parts for the devices."""
    gpus = [types.SimpleNamespace(platform="gpu")] * devices
    monkeypatch.setattr(cost_module.jax, "local_devices", lambda: gpus)
    limit = int((room * 800 + tiny.x.nbytes) / 0.8)
    monkeypatch.setattr(cost_module, "program_memory", lambda point, dataset, **how: (0, 800, limit))
    assert chosen_lanes(product(BASE, seed=range(20)), tiny) == lanes


@pytest.mark.slow
def test_the_estimate_times_epochs_that_are_trained(tiny, monkeypatch):
    """Of a setting that diverges at once too: lanes that have stopped would take no time."""
    running = []
    original = cost_module.make_train

    def watched(*arguments):
        program = original(*arguments)

        def advance(pool, x, k):
            running.append(np.unique(pool.status).tolist() == [RUNNING])
            return program.advance(pool, x, k)

        advance.lower = program.advance.lower
        return program._replace(advance=advance)

    monkeypatch.setattr(cost_module, "make_train", watched)
    for lanes in (1, 2):
        estimated([point(BASE, learning_rate=1e30, init="normal")], tiny, lanes)
    assert len(running) >= 4
    assert all(running)
