"""The pool: every point once, the same whatever its company, and splits as promised."""

from __future__ import annotations

import dataclasses
import itertools
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaebench.data.dataset import dataset_from_arrays
from vaebench.errors import InputError
from vaebench.nn.autoencoder import Norm
from vaebench.space import Point, group_by_static, point, product, static_of
from vaebench.training.cost import check_memory
from vaebench.training.model import fit
from vaebench.training.pool import make_split, trained_points
from vaebench.training.train import forget_programs
from vaebench.variants import VARIANTS

BASE = Point(latent=3, hidden=(8,), batch=8, epochs=30, patience=2, learning_rate=1e-2)


def finished(points, dataset, lanes, **options):
    ticks = list(trained_points(points, dataset, jnp.asarray(dataset.x), lanes, **options))
    return {item.point: item for tick in ticks for item in tick.finished}, ticks


@pytest.mark.slow
def test_every_point_is_trained_once_and_equals_itself_in_other_company(tiny):
    points = product(BASE, seed=range(7), learning_rate=[1e-2, 1e-1])
    done, ticks = finished(points, tiny, 3)
    assert set(done) == set(points)
    assert sum(len(tick.finished) for tick in ticks) == len(points)
    assert {item.stop for item in done.values()} <= {"converged", "out_of_epochs"}
    assert len({item.epochs for item in done.values()}) > 2, "lanes should stop at different epochs"
    again, _ = finished(points[::-1][:5], tiny, 3)
    for p, item in again.items():
        np.testing.assert_array_equal(item.z, done[p].z)
        assert item.history == done[p].history
        assert item.losses == done[p].losses


def test_history_and_losses_agree(tiny):
    done, _ = finished([point(BASE, seed=1)], tiny, 1)
    (item,) = done.values()
    assert len(item.history) == item.epochs
    assert item.history[-1] == item.losses["valid"]
    assert item.best_epoch == int(np.argmin(item.history)) + 1
    assert item.losses["best_valid"] == min(item.history)
    assert item.z.shape == (60, 3)


@pytest.mark.slow
def test_diverged_points_have_no_embedding_and_others_are_untouched(tiny):
    good = product(BASE, seed=range(2))
    bad = point(BASE, learning_rate=1e20, optimizer="sgd", activation="relu", seed=9)
    done, _ = finished([*good, bad], tiny, 3)
    alone, _ = finished(good, tiny, 3)
    assert done[bad].stop == "diverged"
    assert done[bad].z is None
    for p in good:
        np.testing.assert_array_equal(done[p].z, alone[p].z)


@pytest.mark.slow
def test_useful_epochs_are_counted(tiny):
    points = product(BASE, seed=range(4), stopping="fixed", epochs=[3, 9])
    done, ticks = finished(points, tiny, 2)
    assert sum(tick.useful for tick in ticks) == sum(item.epochs for item in done.values()) == 4 * 12
    assert all(tick.computed >= tick.useful for tick in ticks)


def test_sample_differs_from_mean_and_is_reproducible(tiny):
    (mean,) = finished([BASE], tiny, 1)[0].values()
    (one,) = finished([BASE], tiny, 1, sample=True)[0].values()
    (two,) = finished([BASE], tiny, 1, sample=True)[0].values()
    assert not np.allclose(mean.z, one.z)
    np.testing.assert_array_equal(one.z, two.z)


def mixed_sweep() -> list[Point]:
    """Every variant for expression in every recipe and form, each with three lanes that differ in all that is traced."""
    base = Point(latent=4, hidden=(4,), batch=4, epochs=1, stopping="fixed")
    points = []
    for name, v in VARIANTS.items():
        for recipe in v.recipes if v.domain == "expression" else ():
            shape = v.shape(recipe)
            choices = {"categories": [2]} if hasattr(shape, "categories") else getattr(shape, "choices", {})
            for values in itertools.product(*choices.values()):
                first = point(base, variant=name, recipe=recipe, **dict(zip(choices, values, strict=True)))
                other = {"seed": 1, "learning_rate": 0.1, "decay": 0.5, "init": "normal", "activation": "relu"}
                halved = {k: v / 2 for k, v in first.hyper}  # inside every range
                points += [
                    first,
                    point(first, **other, optimizer="sgd", epochs=2, patience=3),
                    point(
                        first, **other, optimizer="rmsprop", stopping="relative", min_delta=0.1, min_epochs=1, **halved
                    ),
                ]
    return points


def compiled(points: list[Point], caplog) -> int:
    """Programs that training the points compiles: what the compiler itself says."""
    forget_programs()  # of other tests
    rng = np.random.default_rng(0)
    data = dataset_from_arrays(rng.normal(size=(24, 6)), auxiliary={"sex": ["f", "m"] * 12, "age": np.arange(24.0)})
    x, seen = jnp.asarray(data.x), 0
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        for group in group_by_static(points, 6).values():
            seen += sum(len(tick.finished) for tick in trained_points(group, data, x, 1))
    assert seen == len(points)
    return sum("Finished XLA compilation of jit(advance)" in record.getMessage() for record in caplog.records)


def test_a_mixed_sweep_has_as_many_groups_as_distinct_static_values():
    points = mixed_sweep()
    assert len(set(points)) == len(points)
    assert {p.variant for p in points} == {name for name, v in VARIANTS.items() if v.domain == "expression"}
    assert len(group_by_static(points, 6)) == len({static_of(p, 6) for p in points}) == len(points) // 3


@pytest.mark.slow
def test_traced_values_share_a_program(caplog):
    assert compiled([p for p in mixed_sweep() if p.variant == "vae"], caplog) == 2  # its two recipes


@pytest.mark.slow
def test_a_mixed_sweep_compiles_as_many_programs_as_it_has_distinct_static_values(caplog):
    points = mixed_sweep()
    assert compiled(points, caplog) == len({static_of(p, 6) for p in points})


@pytest.mark.parametrize("scaling", ["zscore", "unit", "none"])
def test_scaling_by_training_rows(tiny, scaling):
    dataset = dataclasses.replace(tiny, scaling=scaling)
    split = make_split(point(BASE, scaling_from="train"), dataset)
    x = (dataset.x - split.centre) / split.scale
    rows = x[split.train]
    if scaling == "zscore":
        np.testing.assert_allclose(rows.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(rows.std(0), 1, rtol=1e-5)
    elif scaling == "unit":
        np.testing.assert_allclose(rows.min(0), 0, atol=1e-6)
        np.testing.assert_allclose(rows.max(0), 1, rtol=1e-5)
    else:
        np.testing.assert_array_equal(x, dataset.x)
    np.testing.assert_array_equal(make_split(BASE, dataset).scale, 1)


def test_a_batch_larger_than_the_training_part_is_refused(tiny):
    with pytest.raises(InputError, match="batch is 64, but only 48 of 60 samples"):
        make_split(point(BASE, batch=64), tiny)


@pytest.mark.parametrize(("kind", "shape"), [("batch", (1, 5)), ("layer", (7, 1))])
def test_statistics_of_one_value_leave_no_signal(kind, shape, key):
    """Why such settings are refused: whatever comes in, the same goes out."""
    norm, rng = Norm(kind), np.random.default_rng(0)
    variables = norm.init(key, jnp.zeros(shape), True)
    outputs = [norm.apply(variables, jnp.asarray(rng.normal(size=shape)), True, mutable="batch_stats")[0] for _ in "ab"]
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"batch": 1}, "batch is 1, and batch normalisation of one sample"),
        ({"batch": 1, "variant": "iwae"}, "batch is 1"),
        ({"norm": "layer", "hidden": (8, 1)}, "layer normalisation of one unit"),
        ({"batch": 1, "norm": "none", "variant": "dip_vae"}, "the batch is 1, and the loss of dip_vae compares"),
        (
            {"variant": "info_vae", "valid_fraction": 0.02},
            "the number of validation samples is 1, and the loss of info_vae",
        ),
        ({"batch": 1, "norm": "layer"}, None),
        ({"batch": 1, "norm": "none"}, None),
        ({"valid_fraction": 0.02}, None),  # validation uses the running statistics
    ],
)
def test_statistics_over_one_sample_are_refused_before_training(tiny, fields, words):
    chosen = point(BASE, **fields)
    if words is None:
        make_split(chosen, tiny)
        return
    with pytest.raises(InputError, match=words):
        make_split(chosen, tiny)
    with pytest.raises(InputError, match=words):
        fit(tiny, point=chosen)


def test_memory_is_checked_before_it_is_allocated(tiny):
    with pytest.raises(InputError, match=r"hidden 999999-999999 and 1 lanes needs at least 29,\d+ GiB"):
        check_memory(point(hidden=(999_999, 999_999)), tiny)
    with pytest.raises(InputError, match="60000 lanes needs"):
        check_memory(point(latent=1_000_000), tiny, 60_000)
    check_memory(BASE, tiny, 256)
