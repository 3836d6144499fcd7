"""Simulated catalogues: the truth is what the counts were drawn from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls
from scipy.stats import chi2, kstest, nbinom, poisson

from vaebench.data.mutations.channel_names import CONTEXTS
from vaebench.data.mutations.simulate import MOST_ALIKE, NOISES, simulate_catalogue
from vaebench.data.mutations.tables import CHANNELS, cancer_types, checked_catalogue
from vaebench.errors import InputError
from vaebench.signatures.matching import cosines


def mean_of(truth) -> np.ndarray:
    return (truth.exposures @ truth.signatures).to_numpy()


def test_signatures_of_other_contexts_are_used():
    doublets = pd.DataFrame(np.full((2, 78), 1 / 78), ["D1", "D2"], list(CONTEXTS["DBS78"]))
    catalogue, _ = simulate_catalogue(0, tumours=10, signatures=doublets, types=1)
    assert tuple(catalogue.columns) == CONTEXTS["DBS78"]
    with pytest.raises(InputError, match="size='a' is not allowed"):
        simulate_catalogue(0, tumours=10, signatures=doublets, types=1, size="a")


def test_deterministic_and_the_truth_is_apart_from_the_noise():
    first, truth = simulate_catalogue(3)
    pd.testing.assert_frame_equal(first, simulate_catalogue(3)[0])
    assert not first.equals(simulate_catalogue(4)[0])
    for noise in NOISES:
        counts, same = simulate_catalogue(3, noise=noise)
        pd.testing.assert_frame_equal(same.exposures, truth.exposures)
        pd.testing.assert_frame_equal(checked_catalogue(counts), counts)


def test_shapes_names_and_types():
    counts, truth = simulate_catalogue(0, tumours=101, signatures=5, types=4)
    assert counts.shape == (101, 96)
    assert truth.signatures.shape == (5, 96)
    assert counts.columns.tolist() == truth.signatures.columns.tolist() == list(CHANNELS)
    assert counts.index.tolist() == truth.exposures.index.tolist()
    pd.testing.assert_series_equal(cancer_types(counts.index), truth.types)
    assert truth.types.value_counts().tolist() == [26, 25, 25, 25]


def test_exact_counts_are_rounded_means():
    counts, truth = simulate_catalogue(0, noise="exact")
    np.testing.assert_array_equal(counts, np.round(mean_of(truth)))


def test_exposures_come_back_from_exact_counts():
    counts, truth = simulate_catalogue(1, noise="exact", signatures=8)
    fitted = np.array([nnls(truth.signatures.to_numpy().T, row)[0] for row in counts.to_numpy()])
    error = np.abs(fitted - truth.exposures.to_numpy())
    assert np.median(error) < 1
    assert np.corrcoef(fitted.ravel(), truth.exposures.to_numpy().ravel())[0, 1] > 0.999


def test_poisson_counts_have_poisson_tails():
    counts, truth = simulate_catalogue(0, tumours=500)
    mean, x = mean_of(truth), counts.to_numpy()
    # a tail probability at random between its two values is uniform when the counts are Poisson
    between = np.random.default_rng(0).random(x.shape)
    tails = poisson.cdf(x - 1, mean) + between * poisson.pmf(x, mean)
    assert kstest(tails.ravel(), "uniform").pvalue > 1e-3
    wrong = poisson.cdf(x - 1, 1.02 * mean) + between * poisson.pmf(x, 1.02 * mean)
    assert kstest(wrong.ravel(), "uniform").pvalue < 1e-6  # so that the test has power


def test_negative_binomial_counts_have_its_tails():
    counts, truth = simulate_catalogue(0, tumours=500, noise="negative_binomial", size=5.0)
    mean, x = mean_of(truth), counts.to_numpy()
    between = np.random.default_rng(0).random(x.shape)
    tails = nbinom.cdf(x - 1, 5.0, 5.0 / (5.0 + mean)) + between * nbinom.pmf(x, 5.0, 5.0 / (5.0 + mean))
    assert kstest(tails.ravel(), "uniform").pvalue > 1e-3
    assert np.mean((x - mean) ** 2 / mean) > 2


def test_multinomial_counts_keep_the_totals():
    counts, truth = simulate_catalogue(0, noise="multinomial")
    totals = np.round(truth.exposures.sum(axis=1).to_numpy())
    np.testing.assert_array_equal(counts.sum(axis=1), totals)
    share = mean_of(truth) / truth.exposures.sum(axis=1).to_numpy()[:, None]
    expected = totals[:, None] * share
    statistic = np.sum((counts.to_numpy() - expected) ** 2 / expected)
    assert 1e-3 < chi2.sf(statistic, 95 * len(counts)) < 1 - 1e-3


@pytest.mark.parametrize("seed", range(8))
def test_signatures_are_sparse_flat_and_overlapping(seed):
    spectra = simulate_catalogue(seed, tumours=60, signatures=12)[1].signatures.to_numpy()
    np.testing.assert_allclose(spectra.sum(axis=1), 1, rtol=1e-12)
    assert spectra.min() > 0
    alike = cosines(spectra, spectra) - np.eye(12)
    assert alike.max() <= MOST_ALIKE
    perplexity = np.exp(-np.sum(spectra * np.log(spectra), axis=1))
    assert perplexity[0::3].max() < 35
    assert perplexity[1::3].min() > 50
    assert (alike[np.arange(2, 12, 3), np.arange(0, 12, 3)] > 0.3).all()


@pytest.mark.parametrize("seed", range(8))
def test_every_signature_is_somewhere_and_the_first_everywhere(seed):
    counts, truth = simulate_catalogue(seed, tumours=20, signatures=30, types=2)
    present = truth.exposures > 0
    assert present.sum().min() >= 3
    assert present["S1"].all()
    assert counts.sum(axis=1).min() > 0
    assert 0.2 < (truth.exposures == 0).to_numpy().mean() < 0.9


def test_burdens_are_log_normal_within_a_type_and_types_differ():
    _, truth = simulate_catalogue(0, tumours=4000, signatures=6, types=2)
    normal = 0
    shares = truth.exposures.gt(0).groupby(truth.types).mean()
    for _, rows in truth.exposures.groupby(truth.types):
        for name in truth.signatures.index:
            logs = np.log10(rows.loc[rows[name] > 0, name])
            if len(logs) > 100:
                assert 0.15 < logs.std() < 0.45
                assert kstest((logs - logs.mean()) / logs.std(), "norm").pvalue > 1e-3
                normal += 1
    assert normal >= 6
    assert shares.diff().abs().iloc[1].max() > 0.2


def test_given_signatures_are_used():
    given = simulate_catalogue(9, signatures=4)[1].signatures.rename(index=lambda name: f"SBS{name}")
    counts, truth = simulate_catalogue(0, signatures=given.iloc[:, ::-1], noise="exact")
    pd.testing.assert_frame_equal(truth.signatures, given)
    np.testing.assert_array_equal(counts, np.round(mean_of(truth)))


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("seed", -1, "0 or more"),
        ("tumours", 20, "from 30"),
        ("tumours", 100.5, "whole number"),
        ("signatures", 0, "from 1 to 30"),
        ("types", True, "from 1 to 40"),
        ("noise", "gaussian", "poisson, exact, multinomial, negative_binomial"),
        ("size", 0.0, "positive"),
        ("size", np.inf, "positive"),
    ],
)
def test_refuses(option, value, allowed):
    with pytest.raises(InputError, match=allowed) as caught:
        simulate_catalogue(**{option: value})
    assert option in str(caught.value)
    assert str(value) in str(caught.value)
