"""Shears between signatures that counts do not part: the mean stays, the posterior is that of plain loops, mixtures part."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gamma, lognorm

from vaebench.signatures import shearing
from vaebench.signatures.matching import cosines
from vaebench.signatures.shearing import best_share, sheared

T, RARE = 300, 6


def cohort(seed: int, having: int, share: float, burden: float = 6.5):
    """Signatures [2, 96], a spectrum of few peaks and a flat one, and exposures [T, 2], with a mixture in the first row.

    ``having`` of the samples have the peaks, and all of these the flat one too; ``share`` of the first row is the second.
    """
    rng = np.random.default_rng(seed)
    true = np.vstack([rng.gamma(0.3, 1.0, 96) + 1e-6, rng.gamma(5.0, 1.0, 96)])
    true /= true.sum(1, keepdims=True)
    exposures = np.exp(rng.normal([burden, 8.0], [0.5, 0.6], (T, 2)))
    exposures[having:, 0] = 0
    mixed = true.copy()
    mixed[0] = (1 - share) * true[0] + share * true[1]
    moved = exposures.copy()
    moved[:, 0] /= 1 - share
    moved[:, 1] -= share * moved[:, 0]
    return true, exposures, mixed, moved


def deviation_of(signatures, exposures, k):
    return np.array([1 / np.sqrt(np.sum(signatures[k] ** 2 / mean)) for mean in exposures @ signatures])


def posterior_by_loops(signatures, exposures, j, k, share):
    """The same by scipy's densities, sample by sample and channel by channel, up to a constant."""
    others = [e[k] for e in exposures if e[j] == 0]
    logs = [np.log(e) for e in others if e > 0]
    present = (len(logs) + 1) / (len(others) + 2)
    total = 0.0
    for e, mean in zip(exposures, exposures @ signatures, strict=True):
        if e[j] > 0:
            new = e[k] + share * e[j]
            if new > 0:
                width = 1 / np.sqrt(np.sum(signatures[k] ** 2 / mean))
                density = lognorm.pdf(new, np.std(logs), scale=np.exp(np.mean(logs)))
                total += np.log(present * density * np.sqrt(2 * np.pi) * width)
            else:
                total += np.log(1 - present)
    spectrum = np.maximum((signatures[j] - share * signatures[k]) / (1 - share), 1e-4)
    for value in spectrum:
        total += gamma.logpdf(value, shearing.SHAPE, scale=1e9)  # the scale is the same for every share
    return total


@pytest.mark.parametrize("seed", range(4))
def test_the_share_has_the_highest_posterior_by_plain_loops(seed):
    _, _, mixed, moved = cohort(seed, RARE, 0.3)
    if seed % 2:
        moved[: RARE // 2, 1] = 0  # some lack the other, which can only be given to them
    share, gain = best_share(mixed[0], mixed[1], moved[:, 0], moved[:, 1], deviation_of(mixed, moved, 1))
    least = -np.min(moved[:RARE, 1] / moved[:RARE, 0])
    grid = np.append(np.linspace(least, np.min(mixed[0] / mixed[1]), 401)[1:-1], 0.0)
    values = [posterior_by_loops(mixed, moved, 0, 1, b) for b in grid]
    now = posterior_by_loops(mixed, moved, 0, 1, 0.0)
    assert gain == pytest.approx(posterior_by_loops(mixed, moved, 0, 1, share) - now, abs=1e-6)
    assert gain >= max(values) - now - 0.3


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_a_rare_signature_parts_from_one_that_its_samples_all_have(share):
    true, exposures, mixed, moved = cohort(0, RARE, share)
    kept = (moved[:, 1] > 0).all()
    moved = np.maximum(moved, 0)
    assert cosines(mixed, true)[0, 0] < 0.99
    signatures, found, made = sheared(mixed, moved)
    assert {(shear.signature, shear.other) for shear in made} == {(0, 1)}
    assert cosines(signatures, true)[0, 0] > 0.995
    assert signatures.min() >= 0
    np.testing.assert_allclose(signatures.sum(1), 1)
    np.testing.assert_allclose(found @ signatures, moved @ mixed, rtol=1e-9, atol=1e-6)
    if kept:
        np.testing.assert_allclose(found[:RARE], exposures[:RARE], rtol=0.1)


def test_what_many_samples_show_stays():
    """A signature that truly holds another: the other's exposures would not be as elsewhere if it were taken out."""
    _, exposures, mixed, _ = cohort(1, 150, 0.5, burden=9.0)
    signatures, found, made = sheared(mixed, exposures)
    assert made == ()
    np.testing.assert_array_equal(signatures, mixed)
    np.testing.assert_array_equal(found, exposures)


def test_nothing_to_choose_from_is_left_alone():
    true, exposures, _, _ = cohort(2, RARE, 0.0)
    for kept in ([0], [1]):
        signatures, found, made = sheared(true[kept], exposures[:, kept])
        assert made == ()
        np.testing.assert_array_equal(signatures, true[kept])
        np.testing.assert_array_equal(found, exposures[:, kept])
    absent = exposures * [0, 1]
    assert sheared(true, absent)[2] == ()
    assert best_share(true[0], true[1], absent[:, 0], absent[:, 1], np.ones(T)) == (0.0, 0.0)
