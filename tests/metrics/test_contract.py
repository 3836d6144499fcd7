"""What every metric of the registry promises."""

from __future__ import annotations

import dataclasses
import pickle
from functools import partial

import numpy as np
import pytest

from vaebench.errors import InputError
from vaebench.evaluation.scores import evaluate, prepared_metrics
from vaebench.metrics import METRICS, metric
from vaebench.metrics.cox import CoxOptions
from vaebench.metrics.leiden import LeidenOptions
from vaebench.metrics.wsepin import WsepinOptions
from vaebench.types import Dataset, Given, Metric, Posterior, Survival


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
        factors={
            "programme": rng.normal(size=samples),
            "gender": rng.integers(0, 2, samples).astype(float),
            "sparse": np.where(rng.random(samples) < 0.5, np.nan, rng.normal(size=samples)),
        },
    )


def given_of(z, data):
    """What a model would give beside z: a posterior around it, a reconstruction, a split."""
    samples = len(z)
    order = np.argsort(data.samples)  # follows the samples, whatever their order
    return Given(
        Posterior(z, np.full(z.shape, -1.0, np.float32)),
        0.5 * data.x,
        (np.sort(order[: 3 * samples // 5]), np.sort(order[3 * samples // 5 :])),
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
    off = {"ph_p", "ph_violations"} if not getattr(chosen.options, "proportional_hazards", True) else set()
    scores = chosen.compute(z, data, given_of(z, data))
    assert set(scores) == {*chosen.scores, "status"}
    assert isinstance(scores["status"], str)
    assert "\n" not in scores["status"]
    assert all(type(scores[k]) in (int, float) for k in chosen.scores)
    if scores["status"] == "OK":
        assert all(np.isfinite(scores[k]) for k in set(chosen.scores) - off)
    return scores


def entry(name):
    """The registry's entry, with few draws where the default takes thousands, and with scores that are off by default."""
    options = {"wsepin": WsepinOptions(draws=90), "cox": CoxOptions(proportional_hazards=True)}
    if name in options:
        found = METRICS[name]
        return found._replace(compute=partial(found.compute, options=options[name]), options=options[name])
    return METRICS[name]


@pytest.fixture(params=METRICS)
def chosen(request) -> Metric:
    return entry(request.param)


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
    # a billionth of the size is rounding, and one rule decides for all metrics
    nearly = 0.25 + 1e-9 * np.random.default_rng(5).normal(size=(90, 3))
    assert checked(chosen, nearly, data)["status"].startswith("COLLAPSED")


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
    assert METRICS[chosen.name].name == chosen.name
    assert metric(chosen.name) is METRICS[chosen.name]
    assert chosen.where in ("host", "lane")
    assert set(chosen.needs) <= {"labels", "survival", "factors", "expression", *Given._fields}
    assert not {"status", "seconds"} & set(chosen.scores)
    assert chosen.reference
    given = given_of(z, data)
    assert pickle.loads(pickle.dumps(chosen)).compute(z, data, given) == chosen.compute(z, data, given)
    np.testing.assert_array_equal(z, before)


OTHER_OPTIONS = {
    "leiden": [LeidenOptions(seeds=(1, 2, 3))],
    "cox": [CoxOptions(), CoxOptions(ridge=0.5), CoxOptions(engine="lifelines", proportional_hazards=True)],
    "cox_heldout": [CoxOptions(ridge=0.5)],
}
"""Options with which a score that is a whole number by default may be none: a mean over seeds, effective parameters."""


def test_counts_are_the_scores_that_are_whole_numbers(chosen):
    data = dataset()
    z = np.random.default_rng(4).normal(size=(90, 3)).astype(np.float32)
    others = [
        prepared_metrics([chosen.name], data, options={chosen.name: o}) for o in OTHER_OPTIONS.get(chosen.name, [])
    ]
    results = [checked(m, z, data) for m in (chosen, *(found for (found,) in others))]
    assert {found["status"] for found in results} == {"OK"}
    known = {key: [r[key] for r in results if r[key] == r[key]] for key in chosen.scores}
    assert [key for key in chosen.scores if all(type(v) is int for v in known[key])] == sorted(
        chosen.counts, key=chosen.scores.index
    )
    # where nothing can be computed a count is a whole number or NaN too
    few = take(data, np.arange(5))
    for odd in (checked(chosen, z * np.nan, data), checked(chosen, 0 * z, data), checked(chosen, z[:5], few)):
        assert all(type(odd[key]) is int or odd[key] != odd[key] for key in chosen.counts)


@pytest.mark.parametrize("need", ["labels", "survival", "factors", "expression"])
def test_a_missing_need_is_named(chosen, need):
    data = dataset()
    empty = {"factors": {"factors": {}}, "expression": {"x": data.x[:, :0]}}.get(need, {need: None})
    without = dataclasses.replace(data, **empty)
    z = embedding(data)
    if need in chosen.needs:
        with pytest.raises(InputError, match=f"metric '{chosen.name}' needs {need}, and data set 'toy' has none"):
            evaluate(z, without, [chosen], given_of(z, data))
    elif chosen.name != "cox_heldout":  # the same need as cox, and a compile of its own
        assert evaluate(z, without, [chosen], given_of(z, data))[chosen.name]["status"] == "OK"


def test_what_must_be_given_is_named(chosen):
    data = dataset()
    wanted = [need for need in chosen.needs if need in Given._fields]
    if wanted:
        with pytest.raises(InputError, match=f"metric '{chosen.name}' needs a {wanted[0]}, and none was given"):
            evaluate(embedding(data), data, [chosen])


# What a metric promises when the latents are reordered, mirrored, or stretched.
KEPT = {
    "permuted": set(METRICS) - {"wsepin"},  # the noise of its draws is by latent
    "mirrored": set(METRICS) - {"wsepin", "mig", "modularity", "rmig"},  # bins are closed on one side only
    "stretched": set(METRICS) - {"wsepin", "latent_use", "rmig", "leiden", "probe"},
    "rescaled": set(METRICS) - {"wsepin", "latent_use", "rmig"},
}


@pytest.mark.parametrize("change", KEPT)
def test_invariances(chosen, change):
    if chosen.name not in KEPT[change]:
        pytest.skip("not invariant by definition")
    data = dataset()
    z = embedding(data).astype(np.float64)
    other = {
        "permuted": z[:, [2, 0, 1]],
        "mirrored": z * [1, -1, -1],
        "stretched": z * [1, 8, 0.25],  # powers of 2: no rounding at the edges of bins
        "rescaled": z * 4,
    }[change]
    plain, changed = checked(chosen, z, data), checked(chosen, other, data)
    for key in set(chosen.scores):
        assert changed[key] == pytest.approx(plain[key], rel=1e-6, abs=1e-6), key


def test_repeated_samples_and_sparse_factors_are_no_failure(chosen):
    data = dataset()
    data.factors["rare"] = np.where(np.arange(90) % 10 == 0, 1.5, np.nan)  # 90% missing
    twice = take(data, np.repeat(np.arange(45), 2))
    status = checked(chosen, embedding(twice), twice)["status"]
    assert status == "OK" or status.startswith(("TOO_FEW", "SEPARATED"))


def test_one_class_is_a_status_where_classes_are_compared(chosen):
    data = dataclasses.replace(dataset(), labels=np.zeros(90, np.int32), label_names=("a",))
    z = np.random.default_rng(3).normal(size=(90, 3))
    status = checked(chosen, z, data)["status"]
    assert status.startswith("ONE_CLASS") == (chosen.name in ("leiden", "probe"))


def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(InputError, match=r"unknown metric 'laiden'; did you mean 'leiden'\? \(known: .*cox.*leiden"):
        metric("laiden")
