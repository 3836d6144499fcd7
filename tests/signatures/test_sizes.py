"""Sizes relative to a tumour's burden: the maximum that another optimiser finds, known truth, and shares that come out again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from vaebench.data.mutations.channels import CHANNELS
from vaebench.signatures.cooccurrence import Together
from vaebench.signatures.published import published_exposures, published_facts
from vaebench.signatures.resemblance import Facts, drawn_shares
from vaebench.signatures.sizes import relative_sizes, size_changes


def tumours(seed: int, count: int, presence, log_mean, sd, burden: float, loading=1.0) -> np.ndarray:
    """Exposures [count, S] of tumours whose burdens, presences and sizes are drawn one by one."""
    rng = np.random.default_rng(seed)
    rows = []
    while len(rows) < count:
        b = rng.normal(0, burden)
        row = [
            np.exp(rng.normal(m + slope * b, s)) if rng.random() < p else 0.0
            for p, m, s, slope in zip(presence, log_mean, sd, np.broadcast_to(loading, len(sd)), strict=True)
        ]
        rows += [row] if any(row) else []
    return np.array(rows)


def test_sizes_are_the_maximum_that_another_optimiser_finds():
    slope = np.array([1.0, 1.0, 0.5])
    e = tumours(0, 60, [0.9, 0.4, 0.8], [5.0, 6.0, 3.0], [0.5, 0.4, 0.7], 0.8, slope)

    def loss(values: np.ndarray) -> float:
        """Minus the log posterior, burdens integrated out: the variances' priors count as one tumour each."""
        mean, variance, between = values[:3], np.exp(values[3:6]), np.exp(values[6])
        found = 0.5 * np.sum(np.log(variance) + 0.3 / variance) + 0.5 * (np.log(between) + 0.6 / between)
        for row in e:
            there = row > 0
            covariance = np.diag(variance[there]) + between * np.outer(slope[there], slope[there])
            found -= multivariate_normal(mean[there], covariance).logpdf(np.log(row[there]))
        return float(found)

    best = minimize(loss, [5, 6, 3, -1, -1, -1, -1], options={"gtol": 1e-6}).x
    sizes = relative_sizes(e, loading=slope)
    centre = np.log(e.sum(1)).mean()
    np.testing.assert_allclose(sizes.log_mean + centre, best[:3], atol=0.01)
    np.testing.assert_allclose(sizes.variance, np.exp(best[3:6]), rtol=0.02)
    assert sizes.burden == pytest.approx(np.exp(best[6]), rel=0.02)


def test_a_signature_that_few_have_and_that_is_large_there_has_the_size_that_it_was_drawn_with():
    presence, log_mean, sd = [1.0, 0.15, 0.6], np.log([600.0, 600.0, 200.0]), [0.25, 0.3, 0.3]
    e = tumours(1, 4000, presence, log_mean, sd, 0.7)
    sizes = relative_sizes(e)
    np.testing.assert_allclose(np.diff(sizes.log_mean), np.diff(log_mean), atol=0.05)
    np.testing.assert_allclose(np.sqrt(sizes.variance), sd, atol=0.03)
    assert np.sqrt(sizes.burden) == pytest.approx(0.7, abs=0.03)
    shares = e / e.sum(1, keepdims=True)  # which say that it is a third smaller
    means = [np.log(column[column > 0]).mean() for column in shares.T]
    assert means[0] - means[1] > 0.25


def test_a_sample_without_its_mutations_has_those_of_its_exposures():
    e = tumours(3, 20, [1.0, 0.5], [4.0, 5.0], [0.4, 0.4], 0.5)
    plain, twice = relative_sizes(e), relative_sizes(e, mutations=2 * e.sum(1))
    np.testing.assert_allclose(plain.log_mean - twice.log_mean, np.log(2), atol=0.01)


def test_presence_weighs_and_a_signature_that_none_has_is_nothing():
    e = tumours(2, 50, [0.9, 0.9], [4.0, 5.0], [0.4, 0.4], 0.5)
    whole = relative_sizes(np.repeat(e, 2, axis=0))
    e = np.column_stack([e, np.zeros(len(e))])
    sizes = relative_sizes(e)
    assert (sizes.log_mean[2], sizes.variance[2]) == (0, 0.3)
    np.testing.assert_allclose(whole.log_mean, sizes.log_mean[:2], atol=0.02)
    assert relative_sizes(e[:0]).variance.tolist() == [0.3] * 3
    half = relative_sizes(e, presence=np.where(e > 0, [1.0, 1e-9, 1.0], 0.0))
    alone = relative_sizes(e * [1, 1, 1], presence=np.where(e > 0, [1.0, 0.0, 1.0], 0.0))
    np.testing.assert_allclose(half.log_mean[0], alone.log_mean[0], atol=1e-6)


def with_changes(rng, count: int, mean: float, change: float, presence, spread: float = 0.0) -> np.ndarray:
    """Exposures [count, 3] with a burden; the second is larger by e^change, and varies more, where the first is present."""
    there = rng.random((count, 3)) < presence
    there[~there.any(1), 2] = True
    apart = 0.4 * rng.standard_normal((count, 3))
    apart[:, 1] *= np.exp(spread * there[:, 0])
    logs = rng.normal(0, 0.7, (count, 1)) + mean + np.array([0.0, 1.0, -1.0]) + apart
    logs[:, 1] += change * there[:, 0]
    return np.exp(logs) * there


@pytest.mark.parametrize("spread", [0.0, 0.6])
def test_changes_of_sizes_are_found_again_and_taken_out(spread):
    """Two types in which the changing signature is rare or common; the change is alike in both."""
    rng = np.random.default_rng(0)
    parts = [
        with_changes(rng, 800, mean, -0.8, p, spread)
        for mean, p in ((5.0, np.array([0.2, 0.9, 0.7])), (4.0, [0.7, 0.9, 0.7]))
    ]
    types = np.repeat(["a", "b"], 800)
    (found,) = size_changes(np.concatenate(parts), types)
    assert (found.of, found.by) == (1, 0)
    assert found.change == pytest.approx(-0.8, abs=0.15)  # three standard errors
    assert found.gain > 50
    assert found.spread == pytest.approx(spread, abs=0.15)
    changes, spreads = np.zeros((2, 3, 3))
    changes[1, 0], spreads[1, 0] = -0.8, spread
    plain, clean = relative_sizes(parts[1]), relative_sizes(parts[1], changes=changes, spreads=spreads)
    np.testing.assert_allclose(np.diff(clean.log_mean), [1, -2], atol=0.08)
    np.testing.assert_allclose(np.sqrt(clean.variance), 0.4, atol=0.05)
    assert plain.variance[1] > clean.variance[1] + 0.05
    assert plain.log_mean[1] < clean.log_mean[1] - 0.3


def test_sizes_that_nothing_changes_or_by_little_are_left_alone():
    rng = np.random.default_rng(1)
    for change in (0.0, -0.25):
        exposures = with_changes(rng, 2000, 5.0, change, [0.5, 0.9, 0.7])
        assert size_changes(exposures, np.zeros(2000)) == []


def test_tumours_are_drawn_with_the_changes_of_sizes():
    changes = np.array([[0.0, 0, 0], [-1.0, 0, 0], [0, 0, 0]])
    together = Together(np.zeros((3, 3)), np.zeros((0, 3)), changes, -0.5 * changes)
    facts = Facts(np.array([0.5, 1.0, 1.0]), np.array([-5.0, -1.0, 0.0]), np.full(3, 0.04))
    shares = drawn_shares(facts, 20_000, np.random.default_rng(0), together)
    ratios, beside = np.log(shares[:, 1] / shares[:, 2]), shares[:, 0] > 0
    assert ratios[~beside].mean() == pytest.approx(-1.0, abs=0.01)
    assert ratios[beside].mean() == pytest.approx(-2.0, abs=0.01)
    assert ratios[~beside].var() == pytest.approx(0.08, rel=0.05)
    assert ratios[beside].var() == pytest.approx(0.04 + 0.04 * np.e, rel=0.05)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Liver-HCC", "SBS40"),
        ("Breast-AdenoCA", "SBS3"),
        ("Panc-AdenoCA", "SBS3"),
        ("Liver-HCC", "SBS5"),
        ("Prost-AdenoCA", "SBS5"),
    ],
)
def test_tumours_of_a_type_have_the_shares_that_were_published(kind, name):
    table = published_exposures().query("type == @kind").set_index("signature")
    spectra = pd.DataFrame(1 / 96, table.index, list(CHANNELS))
    found = published_facts(np.full((4, 96), 20.0), spectra, kind)
    assert found is not None
    shares = drawn_shares(found.drawable()[0], 20_000, np.random.default_rng(0), found.within)
    shares = shares[:, table.index.get_loc(name)]
    there = shares > 0
    assert there.mean() == pytest.approx(table.loc[name, "present"] / table.loc[name, "samples"], abs=0.03)
    assert np.log(shares[there]).mean() == pytest.approx(table.loc[name, "log_share_mean"], abs=0.17)
