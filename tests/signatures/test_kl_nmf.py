"""KL-NMF against scikit-learn from the same starts, and its own contracts: lanes apart, weights, statuses."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest
from scipy.special import kl_div
from sklearn.decomposition import NMF

from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.data.mutations.tables import CHANNELS
from vaebench.errors import InputError
from vaebench.signatures import recovery
from vaebench.signatures.kl_nmf import factorise, random_starts


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return simulate_catalogue(0, tumours=80, signatures=4, types=2)[0].to_numpy()


def sklearn_divergence(x, signatures, exposures, iterations) -> float:
    """After updates of scikit-learn in float64, tolerance 0 so that it never stops early."""
    model = NMF(len(signatures), init="custom", solver="mu", beta_loss="kullback-leibler", max_iter=iterations, tol=0)
    model.fit_transform(x, W=np.array(exposures, np.float64, order="C"), H=np.array(signatures, np.float64, order="C"))
    return model.reconstruction_err_**2 / 2


@pytest.mark.parametrize("iterations", [1, 100, 300])
def test_divergence_equals_that_of_sklearn_from_the_same_start(counts, key, iterations):
    starts = random_starts(key, counts, 4, 3)
    found = factorise(counts, *starts, iterations=iterations, block=iterations, tolerance=0)
    wanted = [sklearn_divergence(counts, starts[0][r], starts[1][r], iterations) for r in range(3)]
    np.testing.assert_allclose(found.divergence, wanted, rtol=1e-6)


def test_many_updates_agree_with_float64_and_are_no_worse_than_sklearn(counts, key):
    starts = random_starts(key, counts, 4, 3)
    found = factorise(counts, *starts, iterations=1000, block=1000, tolerance=0)
    for r in range(3):
        s, e = starts[0][r].astype(np.float64), starts[1][r].astype(np.float64)
        for _ in range(1000):
            e = e * ((counts / np.maximum(e @ s, 1e-7)) @ s.T) / s.sum(axis=1)
            s = s * (e.T @ (counts / np.maximum(e @ s, 1e-7))) / e.sum(axis=0)[:, None]
        assert found.divergence[r] == pytest.approx(kl_div(counts, e @ s).sum(), rel=1e-6)
        np.testing.assert_allclose(found.signatures[r], s / s.sum(axis=1, keepdims=True), atol=2e-4)
        assert found.divergence[r] < sklearn_divergence(counts, starts[0][r], starts[1][r], 1000) * (1 + 1e-6)


def test_divergence_is_that_of_what_is_returned(counts, key):
    weights = np.random.default_rng(0).uniform(0.1, 2, len(counts))
    found = factorise(counts, *random_starts(key, counts, 4, 2), weights=weights, iterations=200)
    for r in range(2):
        own = kl_div(counts, found.exposures[r] @ found.signatures[r]).sum(axis=1) @ weights
        assert found.divergence[r] == pytest.approx(own, abs=2e-7 * counts.size)  # means have a floor of 1.2e-7
    np.testing.assert_allclose(found.signatures.sum(axis=2), 1, rtol=1e-12)
    # a KL fit keeps the totals
    np.testing.assert_allclose(found.exposures.sum(axis=2), [counts.sum(axis=1)] * 2, rtol=1e-3)


def test_signatures_are_recovered(key):
    catalogue, truth = simulate_catalogue(3, tumours=80, signatures=4, types=2)
    found = factorise(catalogue.to_numpy(), *random_starts(key, catalogue.to_numpy(), 4, 8))
    best = found.signatures[found.divergence.argmin()]
    assert recovery(pd.DataFrame(best, range(4), list(CHANNELS)), truth.signatures).mean_cosine > 0.98
    assert found.divergence.min() < kl_div(catalogue, truth.exposures @ truth.signatures).to_numpy().sum()


def test_a_restart_in_a_batch_equals_the_restart_alone(counts, key):
    starts = random_starts(key, counts, 3, 5)
    together = factorise(counts, *starts, tolerance=20.0)
    assert len(set(together.iterations)) > 1
    for r in range(5):
        alone = factorise(counts, starts[0][r : r + 1], starts[1][r : r + 1], tolerance=20.0)
        assert alone.iterations[0] == together.iterations[r]
        np.testing.assert_allclose(alone.divergence[0], together.divergence[r], rtol=1e-6)
        np.testing.assert_allclose(alone.signatures[0], together.signatures[r], atol=1e-4)


def test_starts_are_apart_and_more_restarts_keep_the_first(counts, key):
    few, many = random_starts(key, counts, 3, 2), random_starts(key, counts, 3, 6)
    for one, other in zip(few, many, strict=True):
        np.testing.assert_array_equal(one, other[:2])
    assert np.abs(many[0][0] - many[0][1]).max() > 0.005
    np.testing.assert_allclose(many[0].sum(axis=2), 1, rtol=1e-5)
    np.testing.assert_allclose(many[1].sum(axis=2), [counts.sum(axis=1)] * 6, rtol=1e-5)
    assert not np.array_equal(random_starts(jax.random.key(1), counts, 3, 2)[0], few[0])


def test_whole_weights_equal_repeated_samples(counts, key):
    starts = random_starts(key, counts, 3, 1)
    weights = np.where(np.arange(len(counts)) < 20, 3.0, 1.0)
    found = factorise(counts, *starts, weights=weights, iterations=100, tolerance=0)
    rows = np.repeat(np.arange(len(counts)), weights.astype(int))
    repeated = factorise(counts[rows], starts[0], starts[1][:, rows], iterations=100, tolerance=0)
    np.testing.assert_allclose(found.signatures, repeated.signatures, atol=1e-5)
    assert found.divergence[0] == pytest.approx(repeated.divergence[0], rel=1e-5)
    np.testing.assert_allclose(found.exposures[0][rows], repeated.exposures[0], rtol=1e-2, atol=0.1)


def test_the_divergence_never_rises(counts, key):
    signatures, exposures = random_starts(key, counts, 4, 3)
    last = np.full(3, np.inf)
    for _ in range(30):
        found = factorise(counts, signatures, exposures, iterations=3, block=3, tolerance=0)
        assert (found.divergence <= last * (1 + 1e-6)).all()
        last, signatures, exposures = found.divergence, found.signatures, found.exposures


def test_statuses_say_what_did_not_converge(counts, key):
    starts = random_starts(key, counts, 4, 2)
    short = factorise(counts, *starts, iterations=100, block=50)
    assert all(status.startswith("NOT_CONVERGED: the last 50 of 100 iterations") for status in short.statuses)
    long = factorise(counts, *starts)
    assert long.statuses == ("OK", "OK")
    assert (long.iterations < 5000).all()
    assert (long.divergence < short.divergence).all()


def test_samples_without_mutations_and_huge_ones(key):
    x = np.random.default_rng(0).poisson(20.0, (12, 96)).astype(float)
    x[3], x[5] = 0, x[5] * 1e5
    x[:, 7] = 0
    found = factorise(x, *random_starts(key, x, 2, 2), iterations=500)
    assert np.isfinite(found.signatures).all()
    assert np.isfinite(found.divergence).all()
    assert (found.exposures[:, 3] == 0).all()
    np.testing.assert_allclose(found.exposures[:, 5].sum(axis=1), x[5].sum(), rtol=1e-3)
    assert (found.signatures[:, :, 7] < 1e-9).all()


def test_refuses_what_does_not_fit(counts, key):
    signatures, exposures = random_starts(key, counts, 3, 2)
    with pytest.raises(InputError, match=r"\[R, T, S\]"):
        factorise(counts[:-1], signatures, exposures)
    with pytest.raises(InputError, match="weights"):
        factorise(counts, signatures, exposures, weights=np.full(len(counts), -1.0))
    with pytest.raises(InputError, match="signatures to start from"):
        factorise(counts, -signatures, exposures)
