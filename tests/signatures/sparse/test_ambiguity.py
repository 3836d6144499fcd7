"""Signatures that counts cannot separate: the mean stays, the posterior is that of plain loops, mixtures are separated."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import digamma, gamma
from scipy.stats import dirichlet, lognorm
from scipy.stats import gamma as sum_gamma

from vaebench.data.mutations.tables import read_signatures
from vaebench.signatures.matching import cosines
from vaebench.signatures.sparse.ambiguity import best_share, log_density, log_evidence, resolve_ambiguity
from vaebench.signatures.sparse.options import SparseOptions

OPTIONS = SparseOptions()
SHAPES, WEIGHT = OPTIONS.spectrum_shapes, OPTIONS.spectrum_weight

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


def lost(before, after):
    """Nats that counts of the mean ``before`` lose on average when they are fitted with the mean ``after``."""
    return np.sum(before * np.log(before / after) - before + after)


def precision_of(signatures, exposures):
    return 1 / (exposures @ signatures)


def fitted_first(counts, signatures, exposures):
    """What the counts say of the first signature, all else given, by multiplicative updates."""
    spectrum, rest = signatures[0].copy(), exposures[:, 1:] @ signatures[1:]
    for _ in range(300):
        spectrum *= exposures[:, 0] @ (counts / (np.outer(exposures[:, 0], spectrum) + rest))
        spectrum /= exposures[:, 0].sum()
    return spectrum / spectrum.sum()


def density_by_quadrature(entry, error, shape, points=400_001):
    """Of a Gamma prior and a normal error: with s = u^(1 / shape) the integrand has no pole."""
    rate = 96 * shape
    least, most = np.clip([entry - 12 * error if entry > 6 * error else 0, entry + 12 * error], 0, None) ** shape
    u = np.linspace(least, most, points)
    s = u ** (1 / shape)
    prior = rate**shape / gamma(shape + 1) * np.exp(-rate * s)
    return np.log(np.trapezoid(prior * np.exp(-(((s - entry) / error) ** 2) / 2), u))


def posterior_by_loops(signatures, exposures, shares):
    """The same by scipy's densities, sample by sample and channel by channel, up to a constant; of shares of the first row."""
    total, left = 0.0, 1 - sum(shares.values())
    means = exposures @ signatures
    for k, share in shares.items():
        others = [e[k] for e in exposures if e[0] == 0]
        logs = [np.log(e) for e in others if e > 0]
        present = (len(logs) + 1) / (len(others) + 2)
        for e, mean in zip(exposures[:RARE], means[:RARE], strict=True):
            new = e[k] + share * e[0]
            if new > 0:
                width = 1 / np.sqrt(np.sum(signatures[k] ** 2 / mean))
                density = lognorm.pdf(new, np.std(logs), scale=np.exp(np.mean(logs)))
                total += np.log(present * density * np.sqrt(2 * np.pi) * width)
            else:
                total += np.log(1 - present)
    loss = 0.0
    of_shapes = [-sum_gamma.logpdf(1, 96 * shape, scale=1 / (96 * shape)) for shape in SHAPES]
    for c in range(96):
        error = min(1 / np.sqrt(sum(e[0] ** 2 / mean[c] for e, mean in zip(exposures, means, strict=True))), 1) / left
        entry = (signatures[0, c] - sum(share * signatures[k, c] for k, share in shares.items())) / left
        of_shapes = [
            value + density_by_quadrature(entry, error, shape, 801)
            for value, shape in zip(of_shapes, SHAPES, strict=True)
        ]
        loss += (entry / error) ** 2 / 2 if entry < 0 else 0.0
    evidence = np.log(np.mean(np.exp(np.array(of_shapes) - max(of_shapes)))) + max(of_shapes)
    return total - loss + WEIGHT * (evidence + loss + np.log(left))


@pytest.mark.parametrize("seed", range(4))
def test_the_share_has_the_highest_posterior_by_plain_loops(seed):
    _, _, mixed, moved = cohort(seed, RARE, 0.3)
    if seed % 2:
        moved[: RARE // 2, 1] = 0  # some lack the other, which can only be given to them
    share, gain = best_share(mixed[0], mixed[1], moved[:, 0], moved[:, 1], precision_of(mixed, moved), OPTIONS)
    least = -np.min(moved[:RARE, 1] / moved[:RARE, 0])
    grid = np.append(np.linspace(least, np.min(mixed[0] / mixed[1]), 15)[1:-1], 0.0)
    values = [posterior_by_loops(mixed, moved, {1: b}) for b in grid]
    now = posterior_by_loops(mixed, moved, {1: 0.0})
    assert gain == pytest.approx(posterior_by_loops(mixed, moved, {1: share}) - now, abs=0.01)
    assert gain >= max(values) - now - 0.3


@pytest.mark.parametrize("seed", range(3))
def test_the_gains_of_two_reassignments_add_up(seed):
    """So entries that the first has left below 0 are not forgotten by the second."""
    rng = np.random.default_rng(0)
    true = np.vstack([rng.gamma(0.3, 1.0, 96) + 1e-6, rng.gamma(5.0, 1.0, (2, 96))])
    true /= true.sum(1, keepdims=True)
    moved = np.exp(rng.normal([7.5, 8.0, 8.0], [0.5, 0.6, 0.6], (T, 3)))
    moved[RARE:, 0] = 0
    start = true.copy()
    start[0] = true.T @ [0.5, 0.25, 0.25]
    moved[:, 0] /= 0.5
    moved[:, 1:] = np.maximum(moved[:, 1:] - 0.25 * moved[:, :1], 0)
    start[0] = fitted_first(np.random.default_rng(seed).poisson(moved @ start), start, moved)
    signatures, found, made = resolve_ambiguity(start, moved, OPTIONS)
    assert [(move.signature, move.other) for move in made] == [(0, 2), (0, 1)]
    (_, _, first, _), (_, _, second, _) = made
    shares = {2: first, 1: second * (1 - first)}
    entries = start[0] - sum(share * start[k] for k, share in shares.items())
    assert entries.min() < 0
    gained = posterior_by_loops(start, moved, shares) - posterior_by_loops(start, moved, {1: 0.0, 2: 0.0})
    assert sum(move.gain for move in made) == pytest.approx(gained, abs=0.02)
    np.testing.assert_allclose(signatures[0], np.maximum(entries, 0) / np.maximum(entries, 0).sum())
    np.testing.assert_allclose(found[:RARE, 0], (1 - sum(shares.values())) * moved[:RARE, 0])


def test_a_part_that_went_to_the_other_comes_back():
    """Exposures of the other that are far above the usual ones in the samples of the first belong to it."""
    true, exposures, _, _ = cohort(0, RARE, 0.0, burden=10.0)
    halved, more = true.copy(), exposures.copy()
    true[0] = (true[0] + true[1]) / 2
    more[:, 0] /= 2
    more[:, 1] += more[:, 0]
    assert cosines(halved, true)[0, 0] < 0.95
    signatures, found, made = resolve_ambiguity(halved, more, OPTIONS)
    assert made[0][:2] == (0, 1)
    assert made[0].share == pytest.approx(-1, abs=0.15)
    assert cosines(signatures, true)[0, 0] > 0.99
    np.testing.assert_allclose(found @ signatures, more @ halved)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("error", [1e-4, 3e-3, 0.1, 0.9])
def test_the_density_of_an_entry_is_that_of_quadrature(error, shape):
    entry = np.array([-4.9, -1.3, -1e-3, 0, 0.7, 3.1, 12.3, 19.9, 20.1, 35.0, 400.0]) * error
    entry = entry[entry < 1]
    expected = [density_by_quadrature(value, error, shape) for value in entry]
    np.testing.assert_allclose(log_density(entry, np.full(len(entry), error), shape), expected, atol=2e-4)


@pytest.mark.parametrize("channels", [96, 78, 83])
def test_the_evidence_of_a_spectrum_goes_from_nothing_to_its_density(channels):
    spectrum = np.random.default_rng(0).dirichlet(np.full(channels, 0.42))
    nothing = log_density(spectrum, np.full(channels, 100.0), 0.42, channels)
    np.testing.assert_allclose(nothing, 0, atol=1e-3)  # nothing is known
    spectrum = np.maximum(spectrum, 1e-3) / np.maximum(spectrum, 1e-3).sum()
    error = np.full(channels, 1e-7)  # all is known
    density = np.log(np.mean([dirichlet.pdf(spectrum[:-1], np.full(channels, shape)) for shape in SHAPES]))
    known = log_evidence(spectrum, error, OPTIONS) - channels * np.log(1e-7 * np.sqrt(2 * np.pi))
    assert known == pytest.approx(density, abs=1e-3)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_a_rare_signature_is_separated_from_one_that_all_its_samples_have(share):
    true, exposures, mixed, moved = cohort(0, RARE, share)
    kept = (moved[:, 1] > 0).all()
    moved = np.maximum(moved, 0)
    assert cosines(mixed, true)[0, 0] < 0.99
    signatures, found, made = resolve_ambiguity(mixed, moved, OPTIONS)
    assert {(move.signature, move.other) for move in made} == {(0, 1)}
    assert cosines(signatures, true)[0, 0] > 0.995
    assert signatures.min() >= 0
    np.testing.assert_allclose(signatures.sum(1), 1)
    assert 0 <= lost(moved @ mixed, found @ signatures) < 0.05 * made[0].gain
    if kept:
        np.testing.assert_allclose(found[:RARE], exposures[:RARE], rtol=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_an_entry_that_is_0_by_chance_does_not_forbid_a_share(seed):
    true, _, mixed, moved = cohort(0, RARE, 0.3)
    counts = np.random.default_rng(seed).poisson(moved @ mixed)
    start = np.vstack([fitted_first(counts, mixed, moved), mixed[1]])
    least = np.min(start[0] / start[1])  # the share with which the first entry is 0
    signatures, found, made = resolve_ambiguity(start, moved, OPTIONS)
    assert least < 0.11 < 0.15 < made[0].share < 0.35
    assert cosines(start, true)[0, 0] < 0.98 < 0.99 < cosines(signatures, true)[0, 0]
    assert signatures.min() >= 0
    np.testing.assert_allclose(signatures.sum(1), 1)
    assert 0 <= lost(moved @ start, found @ signatures) < sum(move.gain for move in made)


def test_what_many_samples_show_stays():
    """A signature that truly holds another: the other's exposures would not be as elsewhere if it were taken out."""
    _, exposures, mixed, _ = cohort(1, 150, 0.5, burden=9.0)
    signatures, found, made = resolve_ambiguity(mixed, exposures, OPTIONS)
    assert made == ()
    np.testing.assert_array_equal(signatures, mixed)
    np.testing.assert_array_equal(found, exposures)


def test_nothing_to_choose_from_is_left_alone():
    true, exposures, _, _ = cohort(2, RARE, 0.0)
    for kept in ([0], [1]):
        signatures, found, made = resolve_ambiguity(true[kept], exposures[:, kept], OPTIONS)
        assert made == ()
        np.testing.assert_array_equal(signatures, true[kept])
        np.testing.assert_array_equal(found, exposures[:, kept])
    absent = exposures * [0, 1]
    assert resolve_ambiguity(true, absent, OPTIONS)[2] == ()
    assert best_share(true[0], true[1], absent[:, 0], absent[:, 1], np.ones((T, 96)), OPTIONS) == (0.0, 0.0)


@pytest.mark.real_data
def test_the_prior_is_that_of_cosmics_signatures():
    if not os.environ.get("VAEBENCH_DATA"):
        pytest.skip("VAEBENCH_DATA does not name the folder of the real data sets")
    folder = Path(os.environ["VAEBENCH_DATA"]) / "signatures" / "cosmic"
    spectra = np.maximum(read_signatures(folder / "COSMIC_v3.4_SBS_GRCh37.txt").to_numpy(), 1e-4)
    logs = np.log(spectra / spectra.sum(1, keepdims=True)).mean(1)
    shapes = [brentq(lambda a, log=log: digamma(a) - digamma(96 * a) - log, 1e-3, 50) for log in logs]  # most likely
    np.testing.assert_allclose(np.quantile(shapes, [0.1, 0.3, 0.5, 0.7, 0.9]), SHAPES, atol=0.01)
    entries = np.log(spectra) - np.log(spectra).mean(1, keepdims=True)
    squares = np.corrcoef(entries.T) ** 2
    squares -= (1 - squares) / (len(entries) - 2)
    assert 96 / squares.sum() == pytest.approx(WEIGHT, abs=0.01)
