"""What every metric of the registry promises."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from vaebench.evaluation import evaluate
from vaebench.metrics import METRICS, metric
from vaebench.types import Dataset, InputError, Survival


def dataset(samples=90):
    rng = np.random.default_rng(0)
    labels = (np.arange(samples) % 3).astype(np.int32)
    return Dataset(
        name="toy",
        digest="0",
        x=rng.normal(size=(samples, 6)).astype(np.float32),
        samples=np.array([f"s{i}" for i in range(samples)]),
        features=np.array([f"g{i}" for i in range(6)]),
        centre=np.zeros(6),
        scale=np.ones(6),
        scaling="none",
        labels=labels,
        label_names=("a", "b", "c"),
        survival=Survival(np.ceil(100 * rng.exponential(size=samples)), rng.random(samples) < 0.8),
        covariates={"age": rng.normal(60, 9, samples), "gender": rng.choice(["f", "m"], samples)},
        factors={"programme": rng.normal(size=samples)},
    )


def embedding(data, latents=3):
    rng = np.random.default_rng(1)
    return (rng.normal(size=(len(data.samples), latents)) + 50 * data.labels[:, None]).astype(np.float32)


def take(data, order):
    return dataclasses.replace(
        data,
        x=data.x[order],
        samples=data.samples[order],
        labels=data.labels[order],
        survival=Survival(data.survival.time[order], data.survival.event[order]),
        covariates={k: v[order] for k, v in data.covariates.items()},
        factors={k: v[order] for k, v in data.factors.items()},
    )


def checked(chosen, z, data):
    """The scores, called without the safety net of the evaluation, with the promises on their form."""
    scores = chosen.compute(z, data)
    assert set(scores) == {*chosen.scores, "status"}
    assert isinstance(scores["status"], str)
    assert "\n" not in scores["status"]
    assert all(type(scores[k]) in (int, float) for k in chosen.scores)
    if scores["status"] == "OK":
        assert all(np.isfinite(scores[k]) for k in chosen.scores)
    return scores


@pytest.fixture(params=METRICS.values(), ids=METRICS)
def chosen(request):
    return request.param


def test_a_good_embedding_is_ok(chosen):
    data = dataset()
    assert checked(chosen, embedding(data), data)["status"] == "OK"


def test_the_order_of_samples_changes_nothing(chosen):
    data = dataset()
    z, order = embedding(data), np.random.default_rng(2).permutation(90)
    plain, other = checked(chosen, z, data), checked(chosen, z[order], take(data, order))
    for key in chosen.scores:
        assert other[key] == pytest.approx(plain[key], rel=1e-6, abs=1e-6), key


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_a_status(chosen, value):
    data = dataset()
    z = embedding(data)
    z[7, 1] = value
    assert checked(chosen, z, data)["status"].startswith("NAN_EMBEDDING: 1 of 90")


def test_constant_latents_are_a_status(chosen):
    data = dataset()
    assert checked(chosen, np.full((90, 3), 0.25, np.float32), data)["status"].startswith("COLLAPSED")


def test_one_constant_latent_is_no_failure(chosen):
    data = dataset()
    z = embedding(data)
    z[:, 2] = 0.5
    assert checked(chosen, z, data)["status"] == "OK"


def test_very_few_samples_are_a_status(chosen):
    data = take(dataset(), np.arange(5))
    assert "TOO_FEW" in checked(chosen, embedding(data), data)["status"]


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_extreme_scales_end_in_a_status(chosen, scale):
    data = dataset()
    checked(chosen, embedding(data) * np.float32(scale), data)


def test_the_entry_is_complete_picklable_and_pure(chosen):
    data = dataset()
    z = embedding(data)
    before = z.copy()
    assert METRICS[chosen.name] is chosen
    assert metric(chosen.name) is chosen
    assert chosen.where in ("host", "lane")
    assert set(chosen.needs) <= {"labels", "survival", "factors"}
    assert not {"status", "seconds"} & set(chosen.scores)
    assert chosen.reference
    assert pickle.loads(pickle.dumps(chosen)).compute(z, data) == chosen.compute(z, data)
    np.testing.assert_array_equal(z, before)


@pytest.mark.parametrize("need", ["labels", "survival", "factors"])
def test_a_missing_need_is_named(chosen, need):
    data = dataset()
    without = dataclasses.replace(data, **{need: {} if need == "factors" else None})
    if need in chosen.needs:
        with pytest.raises(InputError, match=f"metric '{chosen.name}' needs {need}, and data set 'toy' has none"):
            evaluate(embedding(data), without, [chosen.name])
    else:
        assert evaluate(embedding(data), without, [chosen.name])[chosen.name]["status"] == "OK"


def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(InputError, match=r"unknown metric 'laiden'; did you mean 'leiden'\? \(known: .*cox.*leiden"):
        metric("laiden")
