"""Noise models: found where they are, not found in few Poisson counts, and told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vaebench.signatures.dispersion import NoiseFit, Scatter, fitted_noise, growing_dispersion, scatter
from vaebench.signatures.intervals.ends import parametric_resample, profile_likelihood
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.refit_notes import CHECKS, noise_notes, repeat_notes, sample_notes
from vaebench.signatures.tables import Estimates


def spectra(seed: int, count: int) -> np.ndarray:
    """Signatures from peaked to flat, as those of tumours are."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.dirichlet(np.full(96, sharp)) for sharp in np.geomspace(0.1, 3, count)])


def poisson_cohort(rng, signatures, mutations: int, samples: int) -> np.ndarray:
    """Counts of samples with a few signatures each; every sample has a mutation."""
    count = len(signatures)
    own = rng.choice(count, min(count, 5), replace=False)
    exposures = np.zeros((samples, count))
    for row in exposures:
        having = rng.permutation(own)[: rng.integers(1, len(own) + 1)]
        row[having] = rng.dirichlet(np.ones(len(having))) * mutations * np.exp(0.4 * rng.standard_normal())
    x = rng.poisson(exposures @ signatures).astype(float)
    x[x.sum(1) == 0, 0] = 1
    return x


def share_noted(mutations: int, samples: int, count: int, repeats: int) -> float:
    """Share of Poisson cohorts with a note on their noise or another noise model."""
    rng = np.random.default_rng([mutations, samples, count])
    noted = 0
    for _ in range(repeats):
        fitted = fitted_noise(poisson_cohort(rng, spectra(count, count), mutations, samples), spectra(count, count))
        noted += bool(noise_notes(fitted, CHECKS)) or fitted.noise != "poisson"
    return noted / repeats


@pytest.mark.parametrize(("mutations", "samples", "count"), [(20, 1, 2), (50, 30, 20), (200, 30, 20), (500, 1, 20)])
def test_few_poisson_counts_are_not_taken_for_another_noise(mutations, samples, count):
    assert share_noted(mutations, samples, count, 4) == 0


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 10, 25, 86])
@pytest.mark.parametrize("mutations", [10, 20, 50, 100, 200, 500])
@pytest.mark.parametrize("samples", [1, 5, 30, 200])
def test_at_most_one_in_twenty_poisson_cohorts_is_noted(mutations, samples, count):
    repeats = {1: 100, 5: 60, 30: 40, 200: 20}[samples]
    assert share_noted(mutations, samples, count, repeats) <= 0.05


def scattered(seed: int, kind: str, samples: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Counts whose burdens differ 30-fold, and their signatures."""
    rng = np.random.default_rng(seed)
    signatures = spectra(3, 4)
    exposures = rng.dirichlet(np.full(4, 0.8), samples) * np.geomspace(500, 15_000, samples)[:, None]
    mean = exposures @ signatures
    if kind == "negative_binomial":
        mean = mean * rng.gamma(15.0, 1 / 15, mean.shape)
    if kind == "dirichlet":  # each tumour has spectra of its own
        own = rng.gamma(500 * signatures[None] * np.ones((samples, 1, 1)))
        mean = np.einsum("tk,tkc->tc", exposures, own / own.sum(2, keepdims=True))
    if kind == "one dispersion":
        return rng.poisson(rng.gamma(mean / 1.5, 1.5)).astype(float), signatures
    return rng.poisson(mean).astype(float), signatures


@pytest.mark.parametrize(
    ("kind", "chosen"),
    [
        ("poisson", "poisson"),
        ("one dispersion", "poisson"),
        ("dirichlet", "dirichlet"),
        ("negative_binomial", "negative_binomial"),
    ],
)
def test_the_scatter_of_the_counts_decides(kind, chosen):
    x, signatures = scattered(1, kind)
    fitted = fitted_noise(x, signatures, "auto")
    assert fitted.noise == chosen
    if kind == "negative_binomial":
        assert fitted.found.size == pytest.approx(15, rel=0.25)
    if kind != "poisson":
        assert "times as much as Poisson" in noise_notes(fitted, CHECKS)[0]


def test_growing_dispersion_fits_samples_of_any_burden():
    x, signatures = scattered(2, "dirichlet", 200)
    fit = maximum_likelihood(x, signatures)
    one, grown = scatter(x, signatures, fit.exposures), growing_dispersion(x, signatures, fit)
    assert np.median(one.by_sample[-60:]) > 2 * np.median(one.by_sample[:60])
    assert np.median(grown.by_sample[-60:]) == pytest.approx(np.median(grown.by_sample[:60]), abs=0.25)
    assert grown.dispersion == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(grown.dispersion_of(x), 1 + grown.growth * x.sum(1))


def test_dispersions_of_samples_widen_their_own_intervals():
    x, signatures = scattered(3, "poisson", 4)
    fit = maximum_likelihood(x, signatures)
    plain = Scatter(1.0, 0.0, np.inf, np.ones(4), np.ones(4))
    grown = plain._replace(growth=3 / x[0].sum())
    before, after = (profile_likelihood(x, signatures, fit, noise) for noise in (plain, grown))
    ratio = (after.upper - after.lower) / (before.upper - before.lower)
    assert ratio[0].max() == pytest.approx(2, rel=0.15)  # a dispersion of 4
    assert ratio[3].max() > 5
    again = np.array(
        [parametric_resample(np.random.default_rng(i), fit.exposures @ signatures, grown) for i in range(300)]
    )
    pearson = (again.var(0) / (fit.exposures @ signatures)).mean(1)
    np.testing.assert_allclose(pearson, grown.dispersion_of(x), rtol=0.15)


def test_too_few_mutations_give_no_scatter_of_any_kind():
    rng = np.random.default_rng(0)
    signatures = spectra(5, 3)
    x = poisson_cohort(rng, signatures, 20, 10)
    fitted = fitted_noise(x, signatures, "negative_binomial")
    assert np.isinf(fitted.found.size)
    assert fitted.poisson.dispersion == 1
    assert "too few mutations" in noise_notes(fitted, CHECKS)[0]


def samples(mutations: list[float], flags: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"mutations": mutations, "flag": flags}, [f"T{i}" for i in range(len(flags))])


def estimates(presence: float) -> Estimates:
    return Estimates(*np.zeros((3, 1, 1)), np.full((1, 1), presence), {})


def test_samples_of_few_mutations_show_the_prior():
    few = samples([1, 900, 0], ["", "", "no mutations"])
    found = sample_notes(few, {}, estimates(0.5), CHECKS)
    assert found == [
        "The sample T2 has no mutations. Its exposures are 0.",
        "T0 has 1 mutation: what is shown of it is the prior, not the sample.",
    ]
    more = sample_notes(samples([3, 9, 10], [""] * 3), {}, estimates(0.5), CHECKS)
    assert more == [
        "2 of 3 samples have fewer than 10 mutations (first: T0 with 3 mutations): what is shown of them is the prior, not "
        "the samples."
    ]
    for without in (None, estimates(np.nan)):
        assert "mostly chance" in sample_notes(samples([3], [""]), {}, without, CHECKS)[0]


def test_notes_speak_of_intervals_only_where_there_are_some():
    bad = samples([500] * 2, ["misfit"] * 2)
    assert "Do not trust their intervals" in sample_notes(bad, {}, estimates(0.5), CHECKS)[0]
    assert "Do not trust their exposures" in sample_notes(bad, {}, None, CHECKS)[0]
    assert "Do not trust its exposures" in sample_notes(bad.iloc[:1], {}, None, CHECKS)[0]
    poisson = Scatter(3.0, 0.0, np.inf, np.ones(9), np.full(9, 90), 0.01)
    rounded = poisson._replace(dispersion=0.1, rounding=1 / 12)
    for noise, found in (("poisson", poisson), ("dirichlet", poisson), ("poisson", rounded)):
        fitted = NoiseFit(noise, None, found, found)
        assert "ntervals" in noise_notes(fitted, CHECKS)[0]
        assert "ntervals" not in noise_notes(fitted, CHECKS, intervals=False)[0]
        assert "  " not in noise_notes(fitted, CHECKS, intervals=False)[0]
    counts = pd.DataFrame(np.full((2, 96), 3.0), ["A", "B"])
    assert "intervals too narrow" in repeat_notes(counts, CHECKS)[0]
    assert "intervals" not in repeat_notes(counts, CHECKS, intervals=False)[0]
