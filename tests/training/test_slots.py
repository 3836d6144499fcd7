"""Pools that are trained at the same time, and programs that are compiled ahead: the same bits, compiled once."""

from __future__ import annotations

import logging
from collections.abc import Generator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaebench.errors import InputError
from vaebench.space import Point, point, product
from vaebench.training import machine
from vaebench.training.ahead import compile_program
from vaebench.training.compiled import compiler_options, in_turn
from vaebench.training.engine import DEFAULT, Engine
from vaebench.training.machine import training_threads
from vaebench.training.pool import trained_points
from vaebench.training.slots import Slots
from vaebench.training.threads import CompilerThread

BASE = Point(latent=3, hidden=(7,), norm="none", batch=8, epochs=12, patience=2, learning_rate=1e-2)
POINTS = product(BASE, seed=range(5), learning_rate=[1e-2, 1e-1])
ONE_EPOCH = Engine(call_seconds=0)


def trained(points, data, **how):
    ticks = trained_points(points, data, jnp.asarray(data.x), 1, engine=ONE_EPOCH, **how)
    return {item.point: item for tick in ticks for item in tick.finished}


def assert_equal(some, others):
    assert some.keys() == others.keys()
    for p, item in some.items():
        np.testing.assert_array_equal(item.z, others[p].z)
        assert (item.history, item.losses, item.stop) == (others[p].history, others[p].losses, others[p].stop)


@pytest.fixture(scope="module")
def alone(tiny):
    return trained(POINTS, tiny)


@pytest.mark.parametrize("threads", [2, 3, 64])
def test_pools_at_the_same_time_train_every_point_to_the_same_bits(tiny, alone, threads):
    assert len({item.epochs for item in alone.values()}) > 2, "lanes should stop at different epochs"
    assert_equal(trained(POINTS, tiny, threads=threads), alone)


def test_a_snapshot_waits_for_the_calls_and_goes_on_to_the_same_bits(tiny, alone):
    done, saved = {}, {}
    ticks = trained_points(POINTS, tiny, jnp.asarray(tiny.x), 1, threads=3, engine=ONE_EPOCH)
    for number, tick in enumerate(ticks):
        done |= {item.point: item for item in tick.finished}
        if number == 25:
            saved = tick.snapshot()
            break
    assert isinstance(ticks, Generator)
    ticks.close()
    assert 1 <= len(saved) <= 3
    assert all(len(lane.history) == lane.lane.epoch for lane in saved.values())
    left = [p for p in POINTS if p not in done]
    assert_equal(done | trained(left, tiny, threads=2, saved=saved), alone)
    assert trained(list(saved), tiny, saved=saved).keys() == saved.keys()


def test_an_error_of_one_pool_is_raised(tiny, monkeypatch):
    call, made = Slots.call, []

    def broken(pool, rows, engine):
        made.append(pool)
        if len(made) == 6:
            raise MemoryError("the sixth")
        return call(pool, rows, engine)

    monkeypatch.setattr(Slots, "call", broken)
    with pytest.raises(MemoryError, match="the sixth"):
        trained(POINTS, tiny, threads=3)


@pytest.mark.parametrize(("lanes", "sample", "hidden"), [(1, False, (11,)), (2, True, (13,))])
def test_a_program_that_was_compiled_ahead_is_not_compiled_again(tiny, caplog, lanes, sample, hidden):
    points, x = product(BASE, hidden=hidden, seed=range(3)), jnp.asarray(tiny.x)
    how = {"sample": sample, "engine": Engine(flat_optimizer=True)}  # a smaller program
    with CompilerThread() as compiler:
        compiler.start(lambda: compile_program(points[0], tiny, x, lanes, **how))
        compiler.wait()
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        list(trained_points(points, tiny, x, lanes, **how))
    names = [r.getMessage() for r in caplog.records if "Finished XLA compilation" in r.getMessage()]
    assert not [
        name for name in names if any(f"jit({own})" in name for own in ("start", "advance", "embed", "put", "take"))
    ]


def test_what_fails_ahead_is_left_to_the_call_that_needs_it(tiny):
    wrong = point(BASE, batch=10**6)
    with CompilerThread() as compiler:
        compiler.wait()  # for nothing
        compiler.start(lambda: compile_program(wrong, tiny, jnp.asarray(tiny.x), 1))
        compiler.wait()
    with pytest.raises(InputError, match="batch is 1000000"):
        trained([wrong], tiny)


def test_pools_at_the_same_time_are_as_many_as_cores_and_memory_allow(tiny, monkeypatch):
    monkeypatch.setattr(machine, "usable_cores", lambda: 8)
    monkeypatch.setattr(machine, "free_memory", lambda: float("inf"))
    assert training_threads(BASE, tiny, 1, DEFAULT) == 8
    assert training_threads(BASE, tiny, 2, DEFAULT) == 1  # lanes side by side in one program
    monkeypatch.setattr(machine, "free_memory", lambda: 2e5)  # a lane has 400 weights, and two moments of each
    assert 1 < training_threads(BASE, tiny, 1, DEFAULT) < 8
    monkeypatch.setattr(machine, "free_memory", lambda: 1.0)
    assert training_threads(BASE, tiny, 1, DEFAULT) == 1
    monkeypatch.setattr(machine, "usable_cores", lambda: 1)
    assert training_threads(BASE, tiny, 1, DEFAULT) == 1


def test_a_level_of_the_user_comes_first(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    assert compiler_options() == {"xla_backend_optimization_level": 1}
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    assert compiler_options() is None
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiler_options() is None


def test_operations_run_in_turn_where_the_compiler_can_have_them_so(monkeypatch):
    assert list(in_turn.__wrapped__()) == ["xla_cpu_scheduler_type"]

    def refused(*_, **__):
        raise jax.errors.JaxRuntimeError("No such compile option")

    with monkeypatch.context() as other_version:
        other_version.setattr(jax, "jit", refused)
        assert in_turn.__wrapped__() == {}
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert in_turn.__wrapped__() == {}
