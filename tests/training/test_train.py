"""Lanes: against a plain loop, against themselves in other company, and the stopping rules against plain Python."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaebench.space import Point, point, static_of, traced_of
from vaebench.training.lane import CONVERGED, DIVERGED, OUT_OF_EPOCHS, RUNNING, Split, stopped
from vaebench.training.pool import on_device
from vaebench.training.train import make_start, make_train, validation_chunks
from vaebench.types import Context
from vaebench.types.auxiliary import AuxiliaryRows
from vaebench.variants import VARIANTS, variant

pytestmark = pytest.mark.long

N, D, TRAIN = 50, 12, 38


@functools.cache
def data() -> jax.Array:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 2)) @ rng.normal(size=(2, D)) + 0.3 * rng.normal(size=(N, D))
    return jnp.asarray((x - x.mean(0)) / x.std(0), jnp.float32)


def counts() -> jax.Array:
    """Rank two as well, for the variants of counts."""
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.poisson(rng.gamma(1.0, 100.0, (N, 2)) @ rng.dirichlet(np.ones(D), 2)), jnp.float32)


def rows_of(name: str) -> jax.Array | AuxiliaryRows:
    """The data of a variant's domain, with auxiliary variables if it takes them: a number, and two levels."""
    x = counts() if variant(name).domain == "counts" else data()
    if not variant(name).auxiliary:
        return x
    number = np.asarray(x[:, :1])
    return AuxiliaryRows(
        x, jnp.asarray(np.concatenate([number, number > 0, number <= 0, np.ones((N, 3))], axis=1), jnp.float32)
    )


def split(seed: int = 0) -> Split:
    order = np.random.default_rng(seed).permutation(N).astype(np.int32)
    return Split(jnp.asarray(order[:TRAIN]), jnp.asarray(order[TRAIN:]), jnp.zeros(D), jnp.ones(D))


def small(**fields) -> Point:
    return point(Point(latent=3, hidden=(8,), batch=8, epochs=6, stopping="fixed"), **fields)


def pool_of(points: list[Point], lanes: int):
    program = make_train(static_of(points[0], D, (1, 2)), lanes)
    started = [program.start(on_device(traced_of(p)), split(p.seed)) for p in points]
    pool = program.idle(started[0])
    for slot, lane in enumerate(started):
        pool = program.put(pool, slot, lane)
    return program, pool


def trained(points: list[Point], lanes: int, calls: tuple[int, ...] = (6,)):
    program, pool = pool_of(points, lanes)
    x = rows_of(points[0].variant)
    for epochs in calls:
        pool, _ = program.advance(pool, x, epochs)
    lanes_ = [program.take(pool, slot) for slot in range(len(points))]
    return [jax.tree.map(np.asarray, lane._replace(key=jax.random.key_data(lane.key))) for lane in lanes_]


def assert_equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


MIXED = [
    small(seed=1, learning_rate=1e-2, init="normal", optimizer="rmsprop", activation="relu"),
    small(seed=2, learning_rate=1e-1, init="uniform", optimizer="sgd", activation="gelu", decay=0.5),
    small(seed=3, learning_rate=1e-3, init="xavier_uniform", optimizer="adam", activation="tanh"),
]


@pytest.mark.parametrize(
    ("norm", "optimizer"),
    [
        ("layer", "adam"),
        *(pytest.param(*other, marks=pytest.mark.slow) for other in (("batch", "sgd"), ("layer", "adabelief"))),
    ],
)
def test_two_epochs_equal_a_plain_loop(norm, optimizer):
    """Order, keys, context, gradients, update and batch statistics, written again without scan, vmap or our optimizer."""
    p = small(seed=4, learning_rate=1e-2, decay=0.9, epochs=2, norm=norm, optimizer=optimizer)
    lane = trained([p], 1, (2,))[0]
    model = variant("vae").build(static_of(p, D))
    start = jax.jit(make_start(static_of(p, D)))(on_device(traced_of(p)), split(4))
    variables, rows = start.variables, split(4)
    rule = optax.inject_hyperparams(getattr(optax, optimizer))(learning_rate=1e-2)
    state = rule.init(variables["params"])
    activation = jnp.asarray(traced_of(p).activation)

    @functools.partial(jax.jit, static_argnums=(3, 4))
    def loss(variables, x, key, training, samples):
        def value(params):
            context = Context(training, samples, 8, 0)
            return model.loss({**variables, "params": params}, x, key, (), activation, context)

        return jax.value_and_grad(value, has_aux=True)(variables["params"])

    for epoch in range(2):
        epoch_key = jax.random.fold_in(start.key, epoch)
        order_key, draw_key = jax.random.split(epoch_key)
        order = jax.random.permutation(order_key, rows.train)
        keys = jax.random.split(draw_key, TRAIN // 8)
        losses = []
        for i in range(TRAIN // 8):
            (value, aux), grads = loss(variables, data()[order[8 * i : 8 * i + 8]], keys[i], True, TRAIN)
            state.hyperparams["learning_rate"] = jnp.asarray(1e-2 * 0.9**epoch)
            updates, state = rule.update(grads, state, variables["params"])
            params = optax.apply_updates(variables["params"], updates)
            variables = {"params": params, "batch_stats": aux.statistics}
            losses.append(float(value))
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=2e-4, atol=2e-5),
        lane.variables,
        jax.tree.map(np.asarray, variables),
    )
    np.testing.assert_allclose(lane.train_loss, np.mean(losses), rtol=1e-5)
    keys = jax.random.split(jax.random.fold_in(jax.random.fold_in(start.key, 1), 1), 2)
    parts = [loss(variables, data()[rows.valid[:8]], keys[0], False, 12)[0][0]]
    parts.append(loss(variables, data()[rows.valid[8:]], keys[1], False, 12)[0][0])
    np.testing.assert_allclose(lane.valid_loss, (8 * parts[0] + 4 * parts[1]) / 12, rtol=1e-5)
    assert (lane.epoch, lane.step, lane.batches) == (2, 8, 12)


@pytest.mark.slow
def test_benchmarked_validation_is_the_unweighted_mean_over_batches():
    lane = trained([small(seed=4, recipe="benchmarked", epochs=1)], 1, (1,))[0]
    model = variant("vae").build(static_of(small(recipe="benchmarked"), D))
    keys = jax.random.split(jax.random.fold_in(jax.random.fold_in(jax.random.wrap_key_data(lane.key), 0), 1), 2)
    parts = [
        model.loss(lane.variables, data()[rows], key, (), jnp.asarray(1), Context(False, 12, 8, 0))[0]
        for rows, key in zip((split(4).valid[:8], split(4).valid[8:]), keys, strict=True)
    ]
    np.testing.assert_allclose(lane.valid_loss, np.mean(parts), rtol=1e-5)


@pytest.mark.slow
def test_whole_validation_is_the_loss_of_all_validation_samples_in_one_batch():
    # the released objective weighs the KL by the nominal batch, and its draws depend on how the samples are cut
    p = small(seed=4, recipe="benchmarked", epochs=1, validation="whole")
    lane = trained([p], 1, (1,))[0]
    model = variant("vae").build(static_of(p, D))
    keys = jax.random.split(jax.random.fold_in(jax.random.fold_in(jax.random.wrap_key_data(lane.key), 0), 1), 1)
    context = Context(False, 12, 8, 0)
    loss = model.loss(lane.variables, data()[split(4).valid], keys[0], (), jnp.asarray(1), context)[0]
    np.testing.assert_allclose(lane.valid_loss, loss, rtol=1e-5)
    assert lane.batches == 4 + 1
    assert static_of(p, D) != static_of(small(recipe="benchmarked"), D)


@given(samples=st.integers(1, 300), batch=st.integers(1, 40))
def test_validation_chunks_cover_all_samples(samples, batch):
    full, rest = validation_chunks(samples, batch)
    assert full * batch + rest == samples
    assert rest != 1 or samples == 1 or batch == 1 or full == 0


@pytest.mark.slow
def test_a_lane_in_a_pool_equals_the_lane_alone():
    # without batch normalisation: a bias before it has no gradient but rounding, which Adam and RMSprop blow up
    mixed = [point(p, norm="layer") for p in MIXED]
    together = trained(mixed, 3)
    for p, lane in zip(mixed, together, strict=True):
        alone = trained([p], 1)[0]
        # rounding differs between programs (blocking of the matrix products), results only by it
        np.testing.assert_allclose(lane.valid_loss, alone.valid_loss, rtol=1e-4)
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=5e-3, atol=5e-4), lane.variables, alone.variables
        )


@pytest.mark.slow
def test_a_lane_is_bitwise_the_same_in_any_company_place_and_call_length():
    reference = trained(MIXED, 3)
    for order in ((2, 0, 1), (1, 2, 0)):
        moved = trained([MIXED[i] for i in order], 3, (1, 2, 3))
        for place, i in enumerate(order):
            assert_equal(moved[place], reference[i])


def test_a_diverging_lane_gets_a_status_and_disturbs_no_neighbour():
    reference = trained(MIXED, 3)
    bad = small(seed=2, learning_rate=1e20, optimizer="sgd", activation="relu")
    lanes = trained([MIXED[0], bad, MIXED[2]], 3)
    assert lanes[1].status == DIVERGED
    assert not math.isfinite(lanes[1].valid_loss) or not math.isfinite(lanes[1].train_loss)
    assert lanes[1].epoch < 6
    assert_equal(lanes[0], reference[0])
    assert_equal(lanes[2], reference[2])


def test_all_traced_choices_share_one_program():
    program, _ = pool_of(MIXED, 3)
    trained(MIXED, 3)
    before = program.advance._cache_size()
    trained(MIXED[::-1], 3, (2, 4))
    assert program.advance._cache_size() == before == 1


@pytest.mark.slow
def test_history_holds_the_losses_of_the_epochs_that_were_run():
    program, pool = pool_of([small(seed=1, epochs=4)], 1)
    pool, first = program.advance(pool, data(), 3)
    assert np.isfinite(first[:3]).all()
    assert np.isnan(first[3:]).all()
    pool, second = program.advance(pool, data(), 3)
    assert np.isfinite(second[:1]).all()
    assert np.isnan(second[1:]).all()
    assert second[0] == pool.valid_loss
    assert pool.status == OUT_OF_EPOCHS


AT_ONCE = (("vae", "textbook"), ("weibull_vae", "textbook"))


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        # 8 s of compiler each: a plain one and one of counts at once, the others with the slow tests
        pytest.param(name, recipe, marks=[] if (name, recipe) in AT_ONCE else pytest.mark.slow)
        for name, v in VARIANTS.items()
        for recipe in v.recipes
    ],
)
def test_overfits_a_probe(name, recipe):
    """Data of rank two: the loss falls well below that of predicting the mean."""
    # validated in one batch: the loss is compiled twice, not three times
    fields = {"epochs": 40, "learning_rate": 1e-2, "seed": 1, "recipe": recipe, "latent": 10, "validation": "whole"}
    first, last = (trained([small(variant=name, **fields)], 1, (1,) * k)[0] for k in (1, 40))  # one program
    assert last.status == OUT_OF_EPOCHS
    assert last.terms["reconstruction"] < first.terms["reconstruction"]


def plain_stop(rule: str, losses, reconstructions, patience, min_delta, epochs, min_epochs):
    """The rules in plain Python: (status, epochs run, best epoch)."""
    best, best_epoch, waited = math.inf, 0, 0
    for epoch, (loss, rec) in enumerate(zip(losses, reconstructions, strict=True), 1):
        if not math.isfinite(loss):
            return DIVERGED, epoch, best_epoch
        if loss < best - min_delta:
            best, best_epoch, waited = loss, epoch, 0
        else:
            waited += 1
        stop = rule == "patience" and waited >= patience
        if rule == "relative" and epoch > 1:
            before = reconstructions[epoch - 2]
            stop = loss < losses[epoch - 2] and abs(rec - before) <= min_delta * abs(before)
        if stop and epoch >= min_epochs:
            return CONVERGED, epoch, best_epoch
        if epoch == epochs:
            return OUT_OF_EPOCHS, epoch, best_epoch
    return RUNNING, len(losses), best_epoch


@functools.cache
def one_stop():
    start = make_start(static_of(small(), D))

    @jax.jit
    def lane(traced):
        return start(traced, split())

    @jax.jit
    def step(lane, loss, reconstruction):
        after = lane._replace(epoch=lane.epoch + 1, train_loss=jnp.zeros(()))
        return stopped(after, lane, loss, {**lane.terms, "reconstruction": reconstruction})

    return lane, step


VALUES = st.lists(st.sampled_from([0.25, 0.5, 0.75, 1.0, 1.25, 2.0, math.nan, math.inf]), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(
    rule=st.sampled_from(["patience", "relative", "fixed"]),
    losses=VALUES,
    patience=st.integers(1, 3),
    min_delta=st.sampled_from([0.0, 0.25, 0.5]),
    epochs=st.integers(1, 9),
    min_epochs=st.integers(1, 5),
)
@pytest.mark.slow
def test_stopping_equals_plain_python(rule, losses, patience, min_delta, epochs, min_epochs):
    start, step = one_stop()
    reconstructions = [value * 0.5 for value in losses]
    chosen = small(stopping=rule, patience=patience, min_delta=min_delta, epochs=epochs, min_epochs=min_epochs)
    lane = start(on_device(traced_of(chosen)))
    for loss, reconstruction in zip(losses, reconstructions, strict=True):
        if lane.status == RUNNING:
            lane = step(lane, jnp.float32(loss), jnp.float32(reconstruction))
    expected = plain_stop(rule, losses, reconstructions, patience, min_delta, epochs, min_epochs)
    assert (int(lane.status), int(lane.epoch), int(lane.best_epoch)) == expected
