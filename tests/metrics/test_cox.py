from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, datasets
from lifelines.utils import concordance_index
from scipy.optimize import minimize

from vaebench.errors import InputError
from vaebench.metrics.cox import METRIC, SCORES, CoxOptions, covariate_fit, cox_fit, cox_scores
from vaebench.metrics.cox_heldout import heldout_scores
from vaebench.metrics.survival.causes import reason_without_fit
from vaebench.metrics.survival.cohort import survival_cohort
from vaebench.metrics.survival.risk_sets import risk_sets
from vaebench.metrics.survival.solver import running_sum, solve
from vaebench.types import Dataset, Given, Survival


def cohort(samples=60, latents=2, seed=0, covariates=None, labels=None):
    """Survival times in whole units, so with many ties, that depend on the first latent."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(samples, latents)).astype(np.float32)
    time = np.ceil(8 * rng.exponential(size=samples) * np.exp(-0.8 * z[:, 0]))
    event = rng.random(samples) < 0.7
    if covariates is None:
        covariates = {"age": rng.normal(60, 10, samples)}
    data = Dataset(
        name="toy",
        digest="0",
        x=np.zeros((samples, 1), np.float32),
        samples=np.array([f"s{i}" for i in range(samples)]),
        features=np.array(["g"]),
        centre=np.zeros(1),
        scale=np.ones(1),
        scaling="none",
        labels=labels,
        label_names=() if labels is None else tuple(f"L{i}" for i in range(labels.max() + 1)),
        survival=Survival(time, event),
        covariates=covariates,
    )
    return z, data


def take(data, order):
    pick = lambda a: None if a is None else a[order]  # noqa: E731
    return dataclasses.replace(
        data,
        x=data.x[order],
        samples=data.samples[order],
        labels=pick(data.labels),
        survival=Survival(data.survival.time[order], data.survival.event[order]),
        covariates={k: v[order] for k, v in data.covariates.items()},
    )


def efron(beta, x, time, event):
    """Efron's partial log likelihood, straight from the formula."""
    eta = x @ beta
    total = 0.0
    for t in np.unique(time[event]):
        dead, risk = event & (time == t), time >= t
        d = int(dead.sum())
        total += eta[dead].sum()
        for step in range(d):
            total -= np.log(np.exp(eta[risk]).sum() - step / d * np.exp(eta[dead]).sum())
    return total


def brute(x, time, event):
    found = minimize(lambda b: -efron(b, x, time, event), np.zeros(x.shape[1]), method="BFGS", options={"gtol": 1e-7})
    return -found.fun


def test_aic_equals_brute_force_efron_with_ties():
    z, data = cohort()
    assert len(np.unique(data.survival.time[data.survival.event])) < 0.7 * data.survival.event.sum()
    age = ((data.covariates["age"] - 60) / 10)[:, None]
    likelihood = brute(np.hstack([z, age]), data.survival.time, data.survival.event)
    alone = brute(age, data.survival.time, data.survival.event)
    scores = cox_scores(z, data)
    assert scores["status"] == "OK"
    assert scores["log_likelihood"] == pytest.approx(likelihood, abs=1e-6)
    assert scores["aic"] == pytest.approx(2 * 3 - 2 * likelihood, abs=1e-6)
    assert scores["aic_covariates"] == pytest.approx(2 - 2 * alone, abs=1e-6)
    assert scores["delta_aic"] == pytest.approx(scores["aic"] - scores["aic_covariates"], abs=1e-12)
    assert scores["delta_aic"] < 0
    assert (scores["parameters"], scores["samples"], scores["events"]) == (3, 60, data.survival.event.sum())


def test_aic_equals_lifelines_with_categories_and_labels():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 150).astype(np.int32)
    gender = rng.choice(["f", "m"], 150)
    z, data = cohort(150, seed=1, covariates={"gender": gender}, labels=labels)
    frame = pd.DataFrame({"z0": z[:, 0], "z1": z[:, 1], "m": gender == "m", "a": labels == 1, "b": labels == 2})
    frame = frame.astype(float).assign(t=data.survival.time, e=data.survival.event)
    scores = cox_scores(z, data)
    assert scores["aic"] == pytest.approx(CoxPHFitter().fit(frame, "t", "e").AIC_partial_, abs=1e-5)
    without = cox_scores(z, data, options=CoxOptions(label_covariate=False))
    drop = CoxPHFitter().fit(frame.drop(columns=["a", "b"]), "t", "e")
    assert without["aic"] == pytest.approx(drop.AIC_partial_, abs=1e-5)
    assert (scores["parameters"], without["parameters"]) == (5, 3)


@pytest.mark.slow
def test_latents_that_almost_give_the_label_are_fitted():
    # On columns like these lifelines by itself stops short of the maximum.
    labels = (np.arange(60) % 3).astype(np.int32)
    z, data = cohort(seed=6, labels=labels, covariates={})
    design = np.column_stack([z, labels == 1, labels == 2]).astype(np.float64)  # the same model, as scipy can fit it
    z = np.column_stack([labels + 0.02 * z[:, 0].astype(np.float64), z[:, 1]])
    scores = cox_scores(z, data)
    assert scores["status"] == "OK"
    assert scores["log_likelihood"] == pytest.approx(brute(design, data.survival.time, data.survival.event), abs=1e-6)


def test_without_covariates_the_baseline_is_the_null_likelihood():
    z, data = cohort(covariates={})
    null = efron(np.zeros(1), np.zeros((60, 1)), data.survival.time, data.survival.event)
    fit = covariate_fit(data)
    assert (fit.parameters, fit.status) == (0, "OK")
    assert fit.aic == pytest.approx(-2 * null, abs=1e-9)
    assert cox_scores(z, data)["aic_covariates"] == fit.aic


@pytest.mark.slow
def test_order_sign_scale_and_shift_of_latents_do_not_matter():
    labels = (np.arange(80) % 3).astype(np.int32)
    z, data = cohort(80, latents=3, seed=2, labels=labels)
    order = np.random.default_rng(3).permutation(80)
    tested = CoxOptions(proportional_hazards=True)  # all scores
    plain = cox_scores(z, data, options=tested)
    for other in (
        cox_scores(z[order], take(data, order), options=tested),
        cox_scores(z * np.array([-1, 1e3, 1e-3]) + np.array([0, 5, -1]), data, options=tested),
        cox_scores(z[:, ::-1], data, options=tested),
        cox_scores(z, data, options=tested, baseline=covariate_fit(data)),
        METRIC.prepare(data, tested).compute(z, data),
    ):
        assert [other[k] for k in SCORES] == pytest.approx([plain[k] for k in SCORES], rel=1e-7, abs=1e-6)


@pytest.mark.slow
def test_samples_left_out_are_counted_and_change_nothing_else():
    labels = (np.arange(100) % 4).astype(np.int32)
    z, data = cohort(
        100,
        seed=4,
        labels=labels,
        covariates={"age": np.linspace(40, 80, 100), "g": np.array(["f", "m", "m", "f", "f"] * 20)},
    )
    data.survival.event[labels == 3] = False
    data.survival.time[0] = np.nan  # label 0
    data.covariates["age"][[1, 3]] = np.nan  # labels 1 and 3
    data.covariates["g"][2] = ""
    scores = cox_scores(z, data)
    assert scores["status"] == "OK"
    assert (scores["left_out_missing"], scores["left_out_no_event_labels"], scores["labels_left_out"]) == (4, 24, 1)
    assert scores["samples"] == 100 - 4 - 24
    keep = (labels != 3) & (np.arange(100) > 2)
    clean = cox_scores(z[keep], take(data, keep))
    assert clean["left_out_missing"] == clean["labels_left_out"] == 0
    assert scores["aic"] == pytest.approx(clean["aic"], abs=1e-9)
    assert cox_scores(z, data, options=CoxOptions(label_covariate=False))["labels_left_out"] == 0


def test_labels_without_events_are_the_limit_of_the_likelihood():
    labels = (np.arange(90) % 3).astype(np.int32)
    z, data = cohort(90, seed=5, labels=labels, covariates={})
    data.survival.event[labels == 2] = False
    s = data.survival
    far = np.column_stack([z, labels == 1, labels == 2]).astype(float)
    likelihoods = [efron(np.array([0.5, 0.1, 0.2, b]), far, s.time, s.event) for b in (-5.0, -40.0)]
    kept = labels != 2
    limit = efron(np.array([0.5, 0.1, 0.2]), far[kept, :3], s.time[kept], s.event[kept])
    assert likelihoods[0] < likelihoods[1] == pytest.approx(limit, abs=1e-9)
    assert cox_scores(z, data)["left_out_no_event_labels"] == 30


def test_constant_latents_are_not_parameters():
    z, data = cohort()
    scores = cox_scores(np.column_stack([z, np.full(60, 0.3, np.float32)]), data)
    assert (scores["status"], scores["constant_latents"], scores["parameters"]) == ("OK", 1, 3)
    assert scores["aic"] == pytest.approx(cox_scores(z, data)["aic"], abs=1e-9)


@pytest.mark.slow
def test_redundant_latents_are_left_out_and_counted():
    z, data = cohort(80, latents=3, seed=3)
    shares = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert cox_scores(shares, data)["status"].startswith("SINGULAR: 1 of 4")
    scores = cox_scores(shares, data, Given(redundant=(1,)))
    assert (scores["status"], scores["redundant_latents"], scores["parameters"]) == ("OK", 1, 3)
    assert scores["aic"] == pytest.approx(cox_scores(shares[:, [0, 2]], data)["aic"], abs=1e-9)
    split = (np.arange(60), np.arange(60, 80))
    heldout = heldout_scores(shares, data, Given(split=split, redundant=(1,)))
    assert heldout["concordance"] == heldout_scores(shares[:, [0, 2]], data, Given(split=split))["concordance"]


def survival_replaced(data, event):
    return dataclasses.replace(data, survival=Survival(data.survival.time, event))


def test_every_failure_is_a_status():
    z, data = cohort()
    nobody, two = np.zeros(60, bool), np.arange(60) < 2
    constant = np.full((60, 3), 0.1, np.float32)
    cases = {
        "NAN_EMBEDDING: 60 of 60": (z * np.nan, data),
        "COLLAPSED: all 3 latents": (constant, data),
        "SINGULAR: 1 of 4 columns": (np.column_stack([z, 2 * z[:, 0] - 1]), data),
        "BASELINE: TOO_FEW_EVENTS: 0 events for 1": (z, survival_replaced(data, nobody)),
        "BASELINE: SINGULAR": (
            z,
            dataclasses.replace(data, covariates={"a": np.arange(60.0), "b": 2 * np.arange(60.0)}),
        ),
        "TOO_FEW_EVENTS: 2 events for 3": (z, survival_replaced(data, two)),
    }
    for status, (embedding, dataset) in cases.items():
        scores = cox_scores(embedding, dataset)
        assert scores["status"].startswith(status), (status, scores["status"])
        assert np.isnan(scores["aic"])
        assert np.isnan(scores["delta_aic"])
        assert set(scores) == {*SCORES, "status"}
        assert np.isnan(scores["aic_covariates"]) == status.startswith("BASELINE")


def test_no_usable_sample_is_a_status():
    z, data = cohort(labels=np.zeros(60, np.int32))
    scores = cox_scores(z, survival_replaced(data, np.zeros(60, bool)))
    assert scores["status"].startswith("BASELINE: TOO_FEW_EVENTS")
    assert (scores["samples"], scores["left_out_no_event_labels"]) == (0, 60)


def test_perfect_separation_does_not_pass_as_a_fit():
    _, data = cohort(covariates={})
    order = np.argsort(data.survival.time)
    rank = np.empty(60)
    rank[order] = np.arange(60)
    data = dataclasses.replace(data, survival=Survival(rank + 1.0, np.ones(60, bool)))
    scores = cox_scores(-rank[:, None], data)
    assert scores["status"].startswith("SEPARATED: ")
    assert np.isnan(scores["aic"])
    assert "\n" not in scores["status"]


@pytest.mark.slow
def test_one_column_that_runs_to_infinity_is_separation_though_the_likelihood_has_a_limit():
    z, data = cohort(seed=12)
    z[:, 1] = ~data.survival.event & (np.arange(60) % 2 == 0)  # nobody with this latent dies
    scores = cox_scores(z, data)
    assert scores["status"].startswith("SEPARATED: ")
    assert np.isnan(scores["aic"])
    assert np.isfinite(scores["aic_covariates"])


def test_dependent_covariates_are_named_as_the_cause():
    age = np.linspace(30, 70, 60)
    z, data = cohort(covariates={"age": age, "months": 12 * age})
    start = "BASELINE: SINGULAR: 1 of 2 columns depend linearly on the others"
    cause = "leave out covariate 'months', which covariate 'age' determines"
    assert cox_scores(z, data)["status"] == f"{start}; {cause}"
    split = Given(split=(np.arange(40), np.arange(40, 60)))
    assert heldout_scores(z, data, split)["status"] == f"{start}; {cause}"


def blamed():
    """Covariates without a fit, and the words that must be in the status of every row."""
    rng = np.random.default_rng(7)
    labels = (np.arange(90) % 3).astype(np.int32)
    z, data = cohort(90, seed=8, labels=labels, covariates={"age": rng.normal(60, 9, 90)})
    event, age, text = data.survival.event, data.covariates["age"], rng.choice(["a", "b"], 90)
    two = np.where(labels == 2, "x", "y")
    cases = {
        "label again": ({"age": age, "cohort": labels.astype(str)}, event, "'cohort', which the label determines"),
        "organ of the labels": ({"organ": two}, event, "'organ', which the label determines"),
        "subtype of one label": ({"subtype": np.where(labels == 2, text, "-")}, event, "'subtype', which the label"),
        "sum of others": ({"age": age, "n": age**2, "sum": age + age**2}, event, "'sum', which covariate 'age', covar"),
        "years and days": ({"days": 365.25 * age, "age": age}, event, "'age', which covariate 'days' determines"),
        "site of each sample": ({"site": np.arange(90).astype(str)}, event, "covariate 'site' has"),
        "missing everywhere": ({"age": age * np.nan}, event, "covariate 'age' is missing in 90 of 90 samples"),
        "no event": ({"age": age}, event & False, "none of the 90 samples with all values has an event"),
    }
    for name, (covariates, dead, words) in cases.items():
        survival = Survival(data.survival.time, dead)
        yield name, z, dataclasses.replace(data, covariates=covariates, survival=survival), words


def test_the_cause_of_a_baseline_without_a_fit_is_named_and_true():
    for name, _, data, words in blamed():
        cohort = survival_cohort(data, True)
        reason = reason_without_fit(cohort, np.ones(len(cohort.time), bool), lambda kept: False)
        assert words in reason, (name, reason)
        assert len(reason) < 200, name
        if "determine" in words:  # without the named covariate all columns are independent
            rest = [column != f"covariate {words.split(chr(44))[0]}" for column in cohort.columns]
            kept = cohort.covariates[:, rest]
            assert np.linalg.matrix_rank(kept) == kept.shape[1] < cohort.covariates.shape[1], name


def test_a_level_without_a_death_is_left_out_as_a_label_is():
    z, data = cohort(seed=9, labels=None)
    stage = np.where(np.arange(60) < 9, "IV", np.random.default_rng(7).choice(["a", "b"], 60))
    survival = Survival(data.survival.time, data.survival.event & (stage != "IV"))
    data = dataclasses.replace(data, survival=survival, covariates={**data.covariates, "stage": stage})
    scores = cox_scores(z, data)
    keep = dataclasses.replace(
        data, survival=Survival(np.where(stage == "IV", np.nan, data.survival.time), survival.event)
    )
    assert (scores["status"], scores["samples"], scores["left_out_no_event_labels"]) == ("OK", 51, 9)
    assert scores["aic"] == pytest.approx(cox_scores(z, keep)["aic"], abs=1e-9)


@pytest.mark.slow
def test_a_covariate_that_is_the_outcome_is_in_the_status():
    z, data = cohort(labels=None, seed=9)
    survival = Survival(np.arange(1.0, 61.0), np.ones(60, bool))
    data = dataclasses.replace(data, survival=survival, covariates={**data.covariates, "order": -np.arange(60.0)})
    scores = cox_scores(z, data)
    assert scores["status"].startswith("BASELINE: SEPARATED")
    assert scores["status"].endswith("without covariate 'order' they have a fit")


def test_the_unit_of_a_covariate_changes_nothing():
    _, data = cohort(seed=9)
    years = data.covariates["age"]
    plain = covariate_fit(data).aic
    for unit in (365.25, 1e-9, 1e9):
        other = covariate_fit(dataclasses.replace(data, covariates={"age": unit * years}))
        assert (other.status, other.aic) == ("OK", pytest.approx(plain, abs=1e-9))
    # whole years beside days: nearly but not quite the same column, which has a fit
    both = {"age": np.floor(years), "days": np.round(365.25 * years)}
    assert covariate_fit(dataclasses.replace(data, covariates=both)).status == "OK"


def test_no_survival_is_bad_input():
    z, data = cohort()
    with pytest.raises(InputError, match="needs survival times, and data set 'toy' has none"):
        cox_scores(z, dataclasses.replace(data, survival=None))


LIFELINES = {
    "rossi": ("load_rossi", "week", "arrest"),
    "larynx": ("load_larynx", "time", "death"),
    "lung": ("load_lung", "time", "status"),
    "gbsg2": ("load_gbsg2", "time", "cens"),
    "leukemia": ("load_leukemia", "t", "status"),
    "kidney_transplant": ("load_kidney_transplant", "time", "death"),
    "waltons": ("load_waltons", "T", "E"),
}


@pytest.mark.parametrize("name", [v if v == "rossi" else pytest.param(v, marks=pytest.mark.slow) for v in LIFELINES])
def test_fits_equal_lifelines_on_its_own_data(name):
    loader, time, event = LIFELINES[name]
    table = pd.get_dummies(getattr(datasets, loader)().dropna(), drop_first=True, dtype=float).astype(float)
    columns = table.drop(columns=[time, event])
    fit = cox_fit(columns.to_numpy(), table[time].to_numpy(), table[event].to_numpy() > 0)
    options = {"precision": 1e-12, "r_precision": 1e-14}
    other = CoxPHFitter().fit(table, time, event, fit_options=options)
    assert fit.status == "OK"
    assert fit.aic == pytest.approx(other.AIC_partial_, abs=1e-6)
    np.testing.assert_allclose(fit.coefficients, other.params_, atol=1e-5)
    np.testing.assert_allclose(fit.errors, other.standard_errors_, atol=1e-5)
    assert fit.concordance == pytest.approx(other.concordance_index_, abs=1e-9)


@pytest.mark.parametrize("name", LIFELINES)
def test_the_lifelines_engine_gives_the_same_fit(name):
    loader, time, event = LIFELINES[name]
    table = pd.get_dummies(getattr(datasets, loader)().dropna(), drop_first=True, dtype=float).astype(float)
    columns = table.drop(columns=[time, event])
    ours, theirs = (
        cox_fit(
            columns.to_numpy(),
            table[time].to_numpy(),
            table[event].to_numpy() > 0,
            CoxOptions(engine=engine, proportional_hazards=True),
        )
        for engine in ("batched", "lifelines")
    )
    assert ours.status == theirs.status == "OK"
    assert ours.aic == pytest.approx(theirs.aic, abs=1e-6)
    np.testing.assert_allclose(ours.coefficients, theirs.coefficients, atol=1e-5)
    np.testing.assert_allclose(ours.errors, theirs.errors, atol=1e-5)
    np.testing.assert_allclose(ours.proportionality, theirs.proportionality, atol=1e-5)
    assert ours.concordance == pytest.approx(theirs.concordance, abs=1e-9)


@pytest.mark.parametrize("ridge", [0.0, 3.0])
def test_both_engines_give_the_same_scores(ridge):
    labels = (np.arange(150) % 3).astype(np.int32)
    gender = np.random.default_rng(1).choice(["f", "m"], 150)
    z, data = cohort(150, latents=3, seed=13, labels=labels, covariates={"gender": gender})
    z[:, 1] = 0.25  # constant
    ours, theirs = (
        cox_scores(z, data, options=CoxOptions(engine=e, ridge=ridge, proportional_hazards=True))
        for e in ("batched", "lifelines")
    )
    assert ours["status"] == theirs["status"] == "OK"
    kept = [key for key in SCORES if key != "iterations"]
    assert [ours[k] for k in kept] == pytest.approx([theirs[k] for k in kept], abs=1e-5)
    assert theirs["iterations"] == 0
    split = Given(split=(np.arange(100), np.arange(100, 150)))
    ours, theirs = (
        heldout_scores(z, data, split, options=CoxOptions(engine=e, ridge=ridge)) for e in ("batched", "lifelines")
    )
    assert [*ours.values()][:-1] == pytest.approx([*theirs.values()][:-1], abs=1e-5)


def test_failures_by_lifelines_are_statuses():
    engine = CoxOptions(engine="lifelines")
    z, data = cohort()
    assert cox_scores(z * np.nan, data, options=engine)["status"].startswith("NAN_EMBEDDING")
    dependent = np.column_stack([z, 2 * z[:, 0] - 1])
    assert cox_scores(dependent, data, options=engine)["status"] == cox_scores(dependent, data)["status"]
    ridged = [cox_scores(dependent, data, options=CoxOptions(engine=e, ridge=2.0)) for e in ("batched", "lifelines")]
    assert ridged[0]["aic"] == pytest.approx(ridged[1]["aic"], abs=1e-5)
    few = survival_replaced(data, np.arange(60) < 2)
    assert cox_scores(z, few, options=engine)["status"] == cox_scores(z, few)["status"]
    order = np.empty(60)
    order[np.argsort(data.survival.time)] = np.arange(60)
    ordered = dataclasses.replace(data, covariates={}, survival=Survival(order + 1.0, np.ones(60, bool)))
    scores = cox_scores(-order[:, None], ordered, options=engine)
    assert scores["status"].startswith("SEPARATED: lifelines")
    assert np.isnan([scores["aic"], scores["ph_p"]]).all()
    z[:, 1] = ~data.survival.event & (np.arange(60) % 2 == 0)  # nobody with this latent dies
    assert cox_scores(z, data, options=engine)["status"].startswith("SEPARATED: ")
    with pytest.raises(InputError, match="unknown Cox engine 'lifeline'; did you mean 'lifelines'"):
        CoxOptions(engine="lifeline")


def test_the_engine_is_chosen_on_the_command_line():
    from vaebench.cli.parsing import metric_options

    texts = ["cox.engine=lifelines", "cox.proportional_hazards=true"]
    assert metric_options(texts, label_covariate=False) == {
        "cox": CoxOptions(label_covariate=False, engine="lifelines", proportional_hazards=True)
    }
    with pytest.raises(InputError, match="unknown Cox engine 'R'"):
        metric_options(["cox.engine=R"], True)


def zph(x, time, event, beta):
    """Test of proportional hazards with mid-ranks, one event and one latent after the other, straight from the formulas."""
    from scipy.stats import chi2, rankdata

    residuals, information = [], np.zeros((x.shape[1],) * 2)
    for i in np.flatnonzero(event):
        risk, dead = time >= time[i], event & (time == time[i])
        d = int(dead.sum())
        w = np.exp(x @ beta)
        mean = np.zeros(x.shape[1])
        for step in range(d):
            share = np.where(risk, w, 0) - step / d * np.where(dead, w, 0)
            share = share / share.sum()
            mean += share @ x / d
            information += (x.T * share @ x - np.outer(share @ x, share @ x)) / d  # each tied event adds a d-th
        residuals.append(x[i] - mean)
    g = rankdata(time[event])
    g = g - g.mean()
    scaled = event.sum() * np.array(residuals) @ np.linalg.inv(information)
    statistic = (g @ scaled) ** 2 / (event.sum() * np.diag(np.linalg.inv(information)) * (g**2).sum())
    return chi2.sf(statistic, 1)


@pytest.mark.slow
def test_proportional_hazards_equal_the_formulas():
    z, data = cohort(90, latents=3, seed=14)
    time, event = data.survival.time, data.survival.event
    tested = CoxOptions(proportional_hazards=True)
    fit = cox_fit(z, time, event, tested)
    x = z.astype(np.float64)
    np.testing.assert_allclose(fit.proportionality, zph(x, time, event, fit.coefficients), rtol=1e-6)
    design = np.column_stack([x, data.covariates["age"]])
    expected = np.minimum(3 * zph(design, time, event, cox_fit(design, time, event).coefficients)[:3], 1)
    scores = cox_scores(z, data, options=tested)
    assert scores["ph_p"] == pytest.approx(expected.min(), rel=1e-6)
    assert scores["ph_violations"] == (expected < 0.05).sum()
    off = cox_scores(z, data)
    assert np.isnan([off["ph_p"], off["ph_violations"]]).all()
    same = [key for key in SCORES if not key.startswith("ph_")]
    assert [off[key] for key in same] == [scores[key] for key in same]


@pytest.mark.slow
def test_a_hazard_that_changes_over_time_is_found_and_others_are_not():
    rng = np.random.default_rng(15)
    found = []
    for _ in range(60):
        x = rng.normal(size=(400, 2))
        # hazard exp(x0) until t = 0.5 and exp(-x0) afterwards: the cumulative hazard inverted at an exponential draw
        hazard, early = rng.exponential(size=400), 0.5 * np.exp(x[:, 0])
        time = np.where(hazard < early, hazard * np.exp(-x[:, 0]), 0.5 + (hazard - early) * np.exp(x[:, 0]))
        event = rng.permutation(400) < 320  # as many each time: one compiled program
        found.append(cox_fit(x, time, event, CoxOptions(proportional_hazards=True)).proportionality)
    changing, constant = np.array(found).T
    assert changing.max() < 1e-6
    assert np.mean(constant < 0.05) < 0.15
    assert 0.35 < np.median(constant) < 0.65


def test_one_event_time_shows_no_change():
    z, data = cohort(60, covariates={})
    at_once = dataclasses.replace(data, survival=Survival(np.full(60, 5.0), np.arange(60) < 40))
    scores = cox_scores(z, at_once, options=CoxOptions(proportional_hazards=True))
    assert (scores["ph_p"], scores["ph_violations"]) == (1.0, 0)


@pytest.mark.slow
def test_likelihood_ratio_p_is_that_of_the_two_fits():
    z, data = cohort(seed=8)
    scores = cox_scores(z, data)
    from scipy.stats import chi2

    # AIC = 2k - 2 ln L, and the two latents are the only difference
    statistic = scores["aic_covariates"] - scores["aic"] + 2 * 2
    assert scores["likelihood_ratio_p"] == pytest.approx(chi2.sf(statistic, 2), rel=1e-6)


def test_many_embeddings_in_one_program_equal_one_by_one():
    z, data = cohort(seed=9)
    risk = risk_sets(data.survival.time, data.survival.event)
    designs = np.stack([z, z[:, ::-1] * np.array([1.0, 0.5])]).astype(float)
    together = solve(designs, risk)
    for i, design in enumerate(designs):
        alone = solve(design, risk)
        np.testing.assert_allclose(together.coefficients[i], alone.coefficients, atol=1e-9)
        assert together.log_likelihood[i] == pytest.approx(float(alone.log_likelihood), abs=1e-9)


@pytest.mark.parametrize("backwards", [False, True])
def test_running_sums_are_those_of_numpy_and_of_other_devices_too(backwards):
    values = np.random.default_rng(0).normal(size=(300, 4))
    wanted = np.cumsum(values[::-1], 0)[::-1] if backwards else np.cumsum(values, 0)
    sums = jax.jit(functools.partial(running_sum, backwards=backwards))
    with jax.enable_x64(True):
        np.testing.assert_array_equal(sums(values), wanted)
        other = sums.trace(values).lower(lowering_platforms=("cuda",)).as_text()
        assert "while" not in other  # one after the other would take a kernel each
        assert "while" in sums.lower(values).as_text()


@pytest.mark.slow
def test_ridge_is_the_penalised_maximum():
    z, data = cohort(seed=10)
    time, event = data.survival.time, data.survival.event
    x = (z - z.mean(0)) / z.std(0)
    found = minimize(lambda b: -efron(b, x, time, event) + 10 * (b**2).sum() / 2, np.zeros(2), options={"gtol": 1e-7})
    fit = cox_fit(x, time, event, CoxOptions(ridge=10.0))
    np.testing.assert_allclose(fit.coefficients, found.x, atol=1e-5)
    assert fit.log_likelihood == pytest.approx(efron(found.x, x, time, event), abs=1e-4)
    assert 0 < fit.parameters < 2
    doubled = cox_fit(np.column_stack([x, x[:, 0]]), time, event, CoxOptions(ridge=10.0))
    assert doubled.status == "OK"  # what is singular without a penalty has one answer with it
    assert doubled.coefficients[0] == pytest.approx(doubled.coefficients[2], abs=1e-9)


@pytest.mark.slow
def test_below_five_events_a_parameter_the_aic_is_there_but_not_ranked():
    z, data = cohort(60)
    few = survival_replaced(data, np.arange(60) < 12)
    scores = cox_scores(z, few)
    assert scores["status"].startswith("TOO_FEW_EVENTS: 12 events for 3 parameters")
    assert np.isfinite(scores["aic"])
    assert cox_scores(z, few, options=CoxOptions(events_per_parameter=2))["status"] == "OK"
    with pytest.raises(InputError, match="ridge is -1"):
        CoxOptions(ridge=-1)


def test_all_events_at_one_time_has_a_likelihood():
    z, data = cohort(60, covariates={})
    time, event = np.full(60, 5.0), np.arange(60) < 40
    scores = cox_scores(z, dataclasses.replace(data, survival=Survival(time, event)))
    assert scores["status"] == "OK"
    assert -2 * scores["log_likelihood"] + 4 == pytest.approx(scores["aic"])
    assert scores["log_likelihood"] == pytest.approx(brute(z.astype(float), time, event), abs=1e-5)


@pytest.mark.slow
def test_heldout_scores_are_those_of_the_training_coefficients():
    labels = (np.arange(120) % 3).astype(np.int32)
    z, data = cohort(120, seed=11, labels=labels)
    data.survival.event[(labels == 2) & (np.arange(120) < 80)] = False  # label 2 has events in validation only
    split = (np.arange(80), np.arange(80, 120))
    scores = heldout_scores(z, data, Given(split=split))
    assert scores["status"] == "OK"
    age = data.covariates["age"]
    design = np.column_stack([z, age, labels == 1]).astype(float)
    kept = labels != 2
    time, event = data.survival.time, data.survival.event
    for suffix, columns in (("", [0, 1, 2, 3]), ("_covariates", [2, 3])):
        train, valid = (np.intersect1d(part, np.flatnonzero(kept)) for part in split)
        fit = cox_fit(design[train][:, columns], time[train], event[train])
        eta = design[valid][:, columns] @ fit.coefficients
        expected = efron(np.ones(1), eta[:, None] - eta.mean(), time[valid], event[valid])
        assert scores["log_likelihood" + suffix] == pytest.approx(expected, abs=1e-6)
        expected = concordance_index(time[valid], -eta, event[valid])
        assert scores["concordance" + suffix] == pytest.approx(expected, abs=1e-9)
    assert scores["valid_samples"] == len(valid)
    gain = (scores["log_likelihood"] - scores["log_likelihood_covariates"]) / scores["valid_events"]
    assert scores["gain_per_event"] == pytest.approx(gain)
    # a covariate with the same levels leaves out the same samples, and makes the same indicator
    stage = np.array(["I", "II", "III"])[labels]
    by_stage = heldout_scores(
        z, dataclasses.replace(data, labels=None, covariates={"age": age, "stage": stage}), Given(split=split)
    )
    assert by_stage == pytest.approx(scores)
    nobody = heldout_scores(z, survival_replaced(data, np.arange(120) < 70), Given(split=split))
    assert nobody["status"] == "TOO_FEW_EVENTS: 0 events among the validation samples"
