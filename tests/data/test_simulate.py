"""The simulated cohort: the simulated effects can be estimated from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import NearestNeighbors

from vaebench.data import load, simulate_cohort
from vaebench.errors import InputError

PROGRAMMES = ("proliferation", "immune", "hypoxia")


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort()


@pytest.fixture(scope="module")
def principal(cohort):
    return PCA(20, svd_solver="randomized", random_state=0).fit_transform(cohort[0].x)


def test_deterministic_and_registered(cohort):
    assert load("simulated").digest == cohort[0].digest
    assert simulate_cohort(1, samples=120, types=4)[0].digest != simulate_cohort(2, samples=120, types=4)[0].digest


def test_shapes_and_names(cohort):
    data, truth = cohort
    assert data.x.shape == (1200, 1000)
    assert np.isfinite(data.x).all()
    assert data.label_names[0] == "TYPE01"
    assert len(data.label_names) == 12
    np.testing.assert_array_equal(data.labels, truth.types)
    sizes = np.bincount(data.labels)
    assert sizes.min() >= 15
    assert sizes.max() > 5 * sizes.min()
    assert set(data.covariates) == {"age", "gender"}
    assert truth.programmes[:3] == PROGRAMMES
    assert truth.activities.shape == (1200, len(truth.programmes))
    assert truth.loadings.shape == (len(truth.programmes), 1000)
    np.testing.assert_array_equal(data.factors["gender"] == 1, data.covariates["gender"] == "female")


def test_expression_is_on_a_log_scale():
    raw = simulate_cohort(samples=200, genes=300, types=5, scaling="none")[0].x
    assert raw.min() >= 0
    assert raw.max() <= 16
    assert 6 < raw.mean() < 10


@pytest.mark.parametrize("latent", [10, 20])
def test_programmes_are_recovered(cohort, principal, latent):
    for name in PROGRAMMES:
        target = cohort[0].factors[name]
        assert cross_val_score(LinearRegression(), principal[:, :latent], target, cv=5).mean() > 0.5


def test_types_overlap_in_part(cohort, principal):
    found = KMeans(12, n_init=5, random_state=0).fit_predict(principal)
    assert 0.5 < adjusted_rand_score(cohort[0].labels, found) < 0.95


def test_neighbours_share_labels(cohort, principal):
    labels = cohort[0].labels
    near = NearestNeighbors(n_neighbors=16).fit(principal).kneighbors(principal, return_distance=False)[:, 1:]
    shuffled = np.random.default_rng(0).permutation(labels)
    agreement, chance = ((each[near] == each[:, None]).mean() for each in (labels, shuffled))
    assert agreement > 0.6 > 0.2 > chance


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_hazards_are_recovered(seed):
    from lifelines import CoxPHFitter

    data, truth = simulate_cohort(seed)
    table = pd.DataFrame({name: data.factors[name] for name in truth.coefficients})
    table = table.assign(type=data.labels, time=data.survival.time, event=data.survival.event)
    fit = CoxPHFitter().fit(table, "time", "event", strata=["type"])
    for name, value in truth.coefficients.items():
        assert abs(fit.params_[name] - value) < 3 * fit.standard_errors_[name]
        assert abs(value) > 3 * fit.standard_errors_[name]  # so that the test has power


def test_censoring(cohort):
    for data, _ in (cohort, simulate_cohort(5, samples=330, genes=60, types=33)):
        assert 0.65 <= 1 - data.survival.event.mean() <= 0.75
        assert data.survival.time.min() >= 1


def test_days_to_metastasis(cohort):
    data, _ = cohort
    days = data.factors["days_to_metastasis"]
    seen = ~np.isnan(days)
    assert 0.05 < seen.mean() < 0.3
    assert (days[seen] <= data.survival.time[seen]).all()
    assert data.factors["proliferation"][seen].mean() > data.factors["proliferation"][~seen].mean() + 0.3


def test_signature_shares(cohort):
    factors = cohort[0].factors
    shares = np.array([factors[name] for name in ("SBS1", "SBS2", "SBS5", "SBS13", "SBS15", "SBS40")])
    assert shares.min() >= 0
    assert shares.sum(axis=0).max() <= 1
    assert np.corrcoef(shares[1], shares[3])[0, 1] > 0.6
    assert np.corrcoef(shares[0], factors["age"])[0, 1] > 0.2
    assert 0 < (shares[4] > 0).mean() < 0.08


def test_some_types_have_one_gender(cohort):
    data, _ = cohort
    share = [np.mean(data.factors["gender"][data.labels == i]) for i in range(12)]
    assert share[0] == 1
    assert share[2] == 0
    assert 0.2 < share[1] < 0.8


def test_batches_shift_expression(cohort):
    data, truth = cohort
    one_type = data.labels == 0
    x, batch = data.x[one_type], truth.batches[one_type]
    means = np.array([x[batch == b].mean(axis=0) for b in np.unique(batch)])
    mixed = np.random.default_rng(0).permutation(batch)
    chance = np.array([x[mixed == b].mean(axis=0) for b in np.unique(batch)])
    assert means.std(axis=0).mean() > 1.3 * chance.std(axis=0).mean()


@pytest.mark.parametrize("types", [2, 3, 33])
def test_number_of_types(types):
    data, _ = simulate_cohort(samples=max(60, 10 * types), genes=50, types=types)
    assert len(data.label_names) == types


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("seed", -1, "0 or more"),
        ("samples", 100, "from 120"),
        ("samples", 60_000, "to 50000"),
        ("samples", 300.5, "whole number"),
        ("genes", 10, "from 50"),
        ("types", 1, "from 2 to 33"),
        ("types", 34, "from 2 to 33"),
        ("types", True, "from 2 to 33"),
        ("scaling", "log", "known: none, unit, zscore"),
    ],
)
def test_refuses(option, value, allowed):
    with pytest.raises(InputError, match=allowed) as caught:
        simulate_cohort(**{option: value})
    assert option in str(caught.value)
    assert str(value) in str(caught.value)
