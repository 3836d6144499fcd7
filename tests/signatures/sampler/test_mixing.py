"""Which chains go on, and what the prior of those learns from samples whose chains have ended."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from vaebench.signatures.dispersion import Scatter
from vaebench.signatures.sampler import posterior
from vaebench.signatures.sampler.chains import chain_run, cohort_of
from vaebench.signatures.sampler.draws import Draws
from vaebench.signatures.sampler.grounds import Ground, weak_ground
from vaebench.signatures.sampler.mixing import Moving, narrowed, rows_to_continue, slow_samples
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.sampler.posterior import sampled
from vaebench.signatures.sampler.problem import Prior, Problem
from vaebench.signatures.sampler.summary import ExposurePosterior

OPTIONS = SamplerOptions(independent=10)


def summary(presence: np.ndarray, r_hat: np.ndarray, effective: np.ndarray) -> ExposurePosterior:
    zeros, none = np.zeros_like(presence), np.zeros((1, presence.shape[1]))
    return ExposurePosterior(
        zeros, zeros, zeros, presence, r_hat, effective, zeros[None], Prior(none, none, none), 500, 400, []
    )


def test_slow_are_samples_of_large_types_one_by_one_and_small_types_as_a_whole():
    presence, r_hat, effective = np.full((40, 3), 0.5), np.ones((40, 3)), np.full((40, 3), 400.0)
    groups = np.eye(3)[np.repeat([0, 1, 2], [30, 5, 5])]
    r_hat[2, 1], effective[7, 0], r_hat[32, 2] = 1.2, 20.0, np.inf
    r_hat[11, 1], presence[11, 1] = 3.0, 0.01  # too rare to be judged
    assert np.flatnonzero(slow_samples(summary(presence, r_hat, effective), groups, OPTIONS)).tolist() == [
        2, 7, 30, 31, 32, 33, 34,
    ]  # fmt: skip
    whole = dataclasses.replace(OPTIONS, independent=100)
    assert slow_samples(summary(presence, r_hat, effective), np.ones((40, 1)), whole).all()
    assert not slow_samples(summary(presence, np.ones((40, 3)), np.full((40, 3), 400.0)), groups, OPTIONS).any()


def test_a_power_of_two_goes_on_the_next_slowest_beside_the_slow_ones():
    rng = np.random.default_rng(0)
    effective = rng.uniform(60, 500, (200, 3))
    found = summary(np.full((200, 3), 0.5), np.ones((200, 3)), effective)
    slow = np.zeros(200, bool)
    slow[[3, 150, *range(60, 95)]] = True
    groups = np.eye(2)[(np.arange(200) >= 195).astype(int)]  # the last five are a small type that has ended
    rows = rows_to_continue(found, slow, np.arange(200), groups, OPTIONS)
    assert len(rows) == 64
    assert np.isin(np.flatnonzero(slow), rows).all()
    assert rows.max() < 195
    others = np.setdiff1d(np.arange(195), rows)
    added = np.setdiff1d(rows, np.flatnonzero(slow))
    assert effective[added].min(1).max() < effective[others].min(1).min()
    assert len(rows_to_continue(found, np.zeros(200, bool), np.arange(200), groups, OPTIONS)) == 32
    slow[:120] = True  # more than half: all go on
    assert len(rows_to_continue(found, slow, np.arange(200), groups, OPTIONS)) == 200


@pytest.fixture(scope="module")
def cohort():
    """Counts [80, 24] of three signatures, two of them similar, and exposures."""
    rng = np.random.default_rng(4)
    signatures = rng.dirichlet(np.full(24, 0.4), 3)
    signatures[1] = 0.7 * signatures[0] + 0.3 * signatures[1]
    exposures = np.exp(rng.normal(4, 1, (80, 3))) * (rng.random((80, 3)) < 0.6)
    exposures[:, 2] += 20
    return rng.poisson(exposures @ signatures).astype(float), signatures, exposures


def test_the_prior_of_those_that_go_on_is_drawn_as_from_all_samples(cohort, monkeypatch):
    """With the others' draw beside the moving exposures, sums over types are those of the whole cohort, without burdens."""
    x, signatures, exposures = cohort
    mean = exposures @ signatures
    problem = Problem(x, signatures, mean + 0.1, np.ones(len(x)))
    groups = np.eye(2)[np.arange(80) % 2]
    whole = cohort_of(problem, "poisson", groups, weak_ground(x, 3), 1, 2, 500)
    prior = Prior(*(np.full((2, 3), v) for v in (0.5, 4.0, 1.0)))
    draws = Draws(2, 2, 80, 3)
    for place in range(2):
        draws.put(place, np.stack([exposures * (1 + place), exposures * (3 + place)]))
    start = np.stack([exposures, exposures])
    burdens = np.random.default_rng(7).normal(0, 1, (2, 80, 1))
    moving = Moving(whole, np.arange(80), start, draws, burdens)
    rows, ended = np.arange(10, 42), np.setdiff1d(np.arange(80), np.arange(10, 42))
    monkeypatch.setattr("vaebench.signatures.sampler.mixing.drawn_burdens", lambda *arguments: burdens[:, ended])
    own = narrowed(moving, rows, draws, problem, np.full((80, 3), 0.5), groups, prior, OPTIONS)
    seen = []
    monkeypatch.setattr("vaebench.signatures.sampler.chains.drawn_prior", lambda rng, sums, *rest: seen.append(sums) or Prior(
        *(np.full((2, 2, 3), v) for v in (0.5, 4.0, 1.0))
    ))  # fmt: skip
    chain_run(own.cohort, own.exposures, 101, 1, 1, OPTIONS, burdens=own.burdens)
    held = draws.at(1).astype(float)
    held[:, rows] = own.exposures
    for g in range(2):
        mine = held[:, groups[:, g] > 0]
        np.testing.assert_array_equal(seen[0].present[:, g], (mine > 0).sum(1))
        relative = mine * np.exp(-burdens[:, groups[:, g] > 0])
        logs = np.where(mine > 0, np.log(np.where(mine > 0, relative, 1)), 0)
        np.testing.assert_allclose(seen[0].logs[:, g], logs.sum(1), rtol=1e-6)
        np.testing.assert_allclose(seen[0].squares[:, g], (logs**2).sum(1), rtol=1e-6)
    np.testing.assert_array_equal(seen[0].samples, [40, 40])


def test_samples_that_have_mixed_keep_their_draws_and_the_others_get_better(cohort, monkeypatch):
    x, signatures, exposures = cohort
    options = SamplerOptions(learning=40, draws=120, independent=20, effective=20.0, longest=1)
    scatter = Scatter(1.0, 0.0, np.inf, np.ones(80), np.full(80, 20.0))
    first = sampled(x, signatures, exposures, scatter, seed=3, options=options)
    went_on = []
    original = posterior.rows_to_continue

    def noted(*arguments):
        went_on.append(original(*arguments))
        return went_on[-1]

    monkeypatch.setattr(posterior, "rows_to_continue", noted)
    then = sampled(x, signatures, exposures, scatter, seed=3, options=dataclasses.replace(options, longest=4))
    slow = slow_samples(first, np.ones((80, 1)), options)
    assert 1 <= slow.sum() <= 40
    assert len(went_on[0]) < 80
    assert np.isin(np.flatnonzero(slow), went_on[0]).all()
    ended = np.setdiff1d(np.arange(80), went_on[0])
    for name in ("mean", "lower", "presence", "effective"):
        np.testing.assert_array_equal(getattr(then, name)[ended], getattr(first, name)[ended])
    judged = first.presence[slow] >= options.judged
    assert np.median(then.effective[slow][judged]) > 1.2 * np.median(first.effective[slow][judged])
    assert np.isfinite(then.upper).all()
    assert then.sweeps == 40 + 60 * 2 ** len(went_on)
    assert stats.spearmanr(then.mean.ravel(), first.mean.ravel()).statistic > 0.99


def test_warm_chains_leave_an_unlikely_explanation():
    """Two rare signatures are as good as a common one: chains that start there stay, and R-hat does not tell."""
    common, first, second = np.zeros((3, 12))
    first[:6], second[6:] = 1 / 6, 1 / 6
    common[:] = 1 / 12
    signatures = np.stack([common, first, second])
    x = np.full((3, 12), 50.0)
    start = np.tile([0.0, 300.0, 300.0], (3, 1))
    size = np.log([600.0, 300.0, 300.0])
    known = Ground(np.array([0.9, 0.05, 0.05]), size, np.full(3, 0.1), *(np.full(3, 1e4) for _ in range(3)))
    common_odds = (
        0.9 * 0.95**2 / (0.1 * 0.05**2)
    )  # ten times and more what sizes and widths of the two peaks can change
    assert common_odds > 3000
    quick = SamplerOptions(draws=200, longest=1)
    scatter = Scatter(1.0, 0.0, np.inf, np.ones(3), np.full(3, 9))
    found, cold = (
        sampled(x, signatures, start, scatter, ground=known, options=dataclasses.replace(quick, warm=warm))
        for warm in (quick.warm, ())
    )
    assert (found.presence[:, 0] > 0.95).all()
    assert (found.presence[:, 1:] < 0.05).all()
    assert cold.presence[:, 0].min() < 0.05
    assert cold.r_hat.max() < 1.1
