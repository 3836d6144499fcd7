"""Draws of the prior against scipy, and chains that draw it against sums over grids and against their own prior."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import root
from scipy.special import logit, softmax

from vaebench.signatures.dispersion import Scatter
from vaebench.signatures.sampler.autologistic import Cooccurrence
from vaebench.signatures.sampler.burdens import (
    burden_moments,
    drawn_burdens,
    first_burdens,
    shift_variances,
    shifts_of,
)
from vaebench.signatures.sampler.chains import chain_run, cohort_of
from vaebench.signatures.sampler.grounds import Ground, weak_ground
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.sampler.posterior import sampled
from vaebench.signatures.sampler.priors import drawn_prior, log_sums
from vaebench.signatures.sampler.problem import Prior, Problem
from vaebench.signatures.sampler.versions import independent, with_versions

GROUND = Ground(*(np.array([v, v]) for v in (0.3, 2.0, 0.8, 1.5, 0.7, 3.0)))
WIDE = SamplerOptions(least_sd=1e-4, largest_sd=1e4)
"""Standard deviations as good as free."""


def cohorts(exposures, groups=None, options=WIDE, seed=0):
    """Draw many priors given the same exposures [T, S]."""
    groups = np.ones((len(exposures), 1)) if groups is None else groups
    copies = np.broadcast_to(exposures, (4000, *exposures.shape))
    return drawn_prior(np.random.default_rng(seed), log_sums(copies, groups), GROUND, options)


def test_drawn_priors_follow_the_conjugate_distributions():
    exposures = np.array([[0.0, 3.0], [0.0, 9.0], [0.0, 0.0], [0.0, 40.0]])
    found = cohorts(exposures)
    for k, logs in enumerate((np.zeros(0), np.log([3.0, 9, 40]))):
        n = len(logs)
        beta = stats.beta(n + 1.5 * 0.3, 4 - n + 1.5 * 0.7)
        assert stats.kstest(found.presence[:, 0, k], beta.cdf).pvalue > 1e-3
        # normal-inverse-gamma by the textbook: kappa, nu and the scaled sum of squares
        kappa, nu = n + 0.7, n + 3.0
        squares = 3.0 * 0.8
        if n:
            squares += n * logs.var() + 0.7 * n / kappa * (logs.mean() - 2.0) ** 2
        mean = (logs.sum() + 0.7 * 2.0) / kappa
        assert stats.kstest(found.log_sd[:, 0, k] ** 2, stats.invgamma(nu / 2, scale=squares / 2).cdf).pvalue > 1e-3
        student = stats.t(nu, mean, np.sqrt(squares / nu / kappa))
        assert stats.kstest(found.log_mean[:, 0, k], student.cdf).pvalue > 1e-3


def test_standard_deviations_are_cut_and_not_piled_up():
    found = cohorts(np.zeros((3, 2)), options=SamplerOptions(least_sd=0.5, largest_sd=1.0))
    variance = stats.invgamma(1.5, scale=0.5 * 3 * 0.8)
    low, high = variance.cdf([0.25, 1.0])
    cut = lambda v: np.clip((variance.cdf(v) - low) / (high - low), 0, 1)  # noqa: E731
    assert stats.kstest(found.log_sd[:, 0, 0] ** 2, cut).pvalue > 1e-3


@pytest.mark.parametrize(("sd", "end"), [(5.0, 3.0), (0.02, 0.1)])
@pytest.mark.parametrize("n", [1000, 4000, 20_000])
def test_standard_deviations_far_beyond_their_range_lie_at_its_end(n, sd, end):
    rng = np.random.default_rng(n)
    exposures = np.exp(2 + sd * rng.standard_normal((n, 2)))
    found = drawn_prior(rng, log_sums(exposures[None], np.ones((n, 1))), GROUND)
    np.testing.assert_allclose(found.log_sd, end, rtol=0.1)


@pytest.mark.parametrize(("on", "expected"), [(0, 0.9), (4, 0.9), (29, 0.9), (0, 0.3)])
def test_a_signature_may_be_rarer_than_expected(on, expected):
    ground = Ground(*(np.array([v, v]) for v in (expected, 2.0, 0.8, 8.0, 0.7, 3.0)), wrong=0.05)
    exposures = np.zeros((30, 2))
    exposures[:on] = 5.0
    sums = log_sums(np.broadcast_to(exposures, (4000, 30, 2)), np.ones((30, 1)))
    found = drawn_prior(np.random.default_rng(1), sums, ground, WIDE).presence[:, 0, 0]
    # Bayes' rule on a grid of ln p / (1 - p), where neither end is singular; of two signatures each is expected in a half
    place = np.linspace(-60, 40, 200_001)
    p, q = 1 / (1 + np.exp(-place)), 1 / (1 + np.exp(place))
    usual = p ** (8 * expected) * q ** (8 * (1 - expected))
    weak = np.sqrt(p * q)
    rare = 0.05 if expected > 0.5 else 0.0
    density = ((1 - rare) * usual / usual.sum() + rare * weak / weak.sum()) * p**on * q ** (30 - on)
    cdf = np.cumsum(density) / density.sum()
    assert stats.kstest(np.log(found / (1 - found)), lambda v: np.interp(v, place, cdf)).pvalue > 1e-3


@pytest.mark.slow
def test_a_signature_that_all_should_have_is_not_present_everywhere_with_next_to_nothing():
    rng = np.random.default_rng(3)
    signatures = np.vstack([rng.dirichlet(np.full(96, 5.0)), rng.dirichlet(np.full(96, 0.3), 6)])
    truth = np.where(rng.random((60, 7)) < 0.5, rng.gamma(2, 20, (60, 7)), 0.0)
    truth[:, 0] = 0.0  # flat, and said to be in nearly all
    truth[:, 1] += 10
    x = rng.poisson(truth @ signatures).astype(float)
    noise = Scatter(1.0, 0.0, np.inf, np.ones(60), np.ones(60))
    published = (0.97, np.log(20.0), 0.3, 8.0, 2.0, 8.0)  # presence, mean and variance, and what they count for
    weak = weak_ground(x, 7)
    parts = (np.append(own, np.asarray(part)[1:]) for own, part in zip(published, weak[:6], strict=True))
    ground = Ground(*parts, burden=weak.burden)
    found = [sampled(x, signatures, truth, noise, ground=ground._replace(wrong=w)).presence[:, 0] for w in (0.05, 0.0)]
    assert found[0].max() < 0.2
    assert found[1].min() > 0.8


def test_a_small_group_leans_on_the_cohort_and_a_large_one_on_itself():
    rng = np.random.default_rng(0)
    exposures = np.where(rng.random((205, 2)) < 0.9, np.exp(rng.normal(5, 0.3, (205, 2))), 0.0)
    exposures[:200:2] = 0.0  # the first group has the signatures in 45%
    groups = np.zeros((205, 2))
    groups[:200, 0] = groups[200:, 1] = 1
    found = cohorts(exposures, groups)
    mine = (exposures[:200] > 0).mean(0)
    np.testing.assert_allclose(found.presence[:, 0].mean(0), mine, atol=0.03)
    there = (exposures[200:] > 0).sum(0)
    whole = (exposures > 0).mean(0)
    np.testing.assert_allclose(found.presence[:, 1].mean(0), (there + 10 * whole) / 15, atol=0.02)
    # drawn around the drawn prior of the cohort: wider than that prior alone
    assert (found.presence[:, 1].std(0) > np.sqrt(0.25 / 16) * 0.8).all()


def test_burdens_follow_the_joint_normal_distribution():
    """Mean and covariance given the logarithms, by the covariance matrix of burdens and logarithms, type by type."""
    rng = np.random.default_rng(8)
    prior = Prior(np.full((1, 2, 3), 0.5), rng.normal(3, 1, (1, 2, 3)), rng.uniform(0.2, 1.5, (1, 2, 3)))
    groups = np.eye(2)[[0, 1, 1]]
    ground = GROUND._replace(burden=np.array([0.4, 1.3]), loading=np.array([1.0, 0.5, 0.8]))
    shared = np.array([[[0.0, 0.6, 0.9]], [[0.0, 0.3, 0.2]]])
    there, logs = np.array([[1.0, 1, 1], [0, 1, 1], [0, 0, 0]]), rng.normal(3, 1, (3, 3))
    exposures = np.repeat(np.where(there, np.exp(logs), 0.0)[None], 40_000, 0)
    for given in (ground, ground._replace(shared=shared)):
        mean, spread = burden_moments(there[None], logs[None], prior, groups, given)
        for t, g in enumerate([0, 1, 1]):
            on = there[t] > 0
            own = np.stack([ground.loading, *shared[g]])[: mean.shape[-1], on]
            before = np.diag([ground.burden[g], 1.0])[: len(own), : len(own)]
            covariance = np.diag(prior.log_sd[0, g, on] ** 2) + own.T @ before @ own
            gain = np.linalg.solve(covariance, own.T @ before).T
            np.testing.assert_allclose(mean[0, t], gain @ (logs[t] - prior.log_mean[0, g])[on], atol=1e-12)
            np.testing.assert_allclose(spread[0, t], before - gain @ own.T @ before, atol=1e-12)
        drawn = drawn_burdens(rng, exposures, prior, groups, given)
        np.testing.assert_allclose(drawn.mean(0), mean[0], atol=0.02)
        for t in range(3):
            found = np.cov(drawn[:, t].T).reshape(spread[0, t].shape)
            np.testing.assert_allclose(found, spread[0, t], rtol=0.03, atol=0.01)
    assert not drawn_burdens(rng, exposures[:1], prior, groups, GROUND).any()


def test_what_burdens_add_has_their_covariance():
    rng = np.random.default_rng(9)
    ground = GROUND._replace(loading=np.array([1.0, 0.5, 0.8]), shared=np.array([[0.0, 0.6, 0.9]]))
    root = rng.normal(0, 1, (2, 2))
    burdens = rng.standard_normal((100_000, 1, 2)) @ root.T
    found = shift_variances((root @ root.T)[None, None], np.ones((1, 1)), ground)
    np.testing.assert_allclose(shifts_of(burdens, np.ones((1, 1)), ground).var(0), found[0], rtol=0.03)
    alone = independent(ground._replace(variance=1.0))
    np.testing.assert_allclose(alone.variance, [1, 1.36, 1.81])
    assert alone.shared == 0.0


def test_a_signature_alone_is_as_large_as_beside_what_changes_it():
    """Moments of ln e of drawn tumours, whatever else is present in them."""
    rng = np.random.default_rng(10)
    parts = (np.array([0.3, 0.6, 0.8]), np.array([2.0, 1.0, 3.0]), np.full(3, 0.5))
    ground = Ground(*parts, *np.ones((3, 3)), pairs=Cooccurrence(np.zeros((3, 3)), None, CHANGES, SPREADS))
    there = rng.random((200_000, 3)) < parts[0]
    apart = np.sqrt(0.5) * rng.standard_normal(there.shape) * np.exp(there @ SPREADS.T)
    logs = parts[1] + apart + there @ CHANGES.T
    alone = independent(ground)
    assert alone.pairs is None
    for k in range(3):
        assert logs[there[:, k], k].mean() == pytest.approx(alone.log_mean[k], abs=0.01)
        assert logs[there[:, k], k].var() == pytest.approx(alone.variance[k], rel=0.02)


def test_sums_are_those_without_the_burdens():
    rng = np.random.default_rng(9)
    exposures = np.where(rng.random((2, 5, 3)) < 0.6, rng.gamma(3, 10, (2, 5, 3)), 0.0)
    burdens, groups = rng.normal(0, 1, (2, 5, 1)), np.eye(2)[[0, 0, 1, 1, 1]]
    loading = np.array([[1.0, 0.5, 0.0], [0.2, 1.0, 0.7]])
    found = log_sums(exposures, groups, shifts_of(burdens, groups, GROUND._replace(loading=loading)))
    alone = log_sums(exposures * np.exp(-burdens * loading[[0, 0, 1, 1, 1]]), groups)
    for a, b in zip(found, alone, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
    np.testing.assert_array_equal(shifts_of(burdens, groups, GROUND), burdens)  # every signature alike


def test_chains_begin_with_the_burdens_of_their_exposures():
    exposures = np.array([[[10.0, 0], [20, 20], [100, 100]]])
    groups, ground = np.eye(2)[[0, 0, 1]], GROUND._replace(burden=0.5)
    np.testing.assert_allclose(first_burdens(exposures, groups, ground)[0, :, 0], [-np.log(2), np.log(2), 0])
    assert not first_burdens(exposures, groups, GROUND).any()
    empty = np.concatenate([groups, np.zeros((3, 1))], 1)  # a type of which no sample has mutations
    np.testing.assert_array_equal(first_burdens(exposures, empty, ground), first_burdens(exposures, groups, ground))
    both = first_burdens(exposures, groups, ground._replace(shared=np.ones((2, 2))))
    np.testing.assert_array_equal(both[..., 1:], 0.0)


def test_a_signature_is_expected_less_often_where_more_are_offered():
    few, many = weak_ground(np.full((3, 96), 10.0), 4), weak_ground(np.full((3, 96), 10.0), 86)
    np.testing.assert_allclose([few.presence[0], many.presence[0]], [0.5, 6 / 86])
    np.testing.assert_allclose(np.exp([few.log_mean[0], many.log_mean[0]]), [240, 120])


def problem(x, signatures, mean=None) -> Problem:
    mean = x.sum(1, keepdims=True) / 96 * np.ones((1, 96)) if mean is None else mean
    return Problem(x, signatures, mean + 0.1)


@pytest.mark.slow
def test_posterior_of_few_mutations_is_that_summed_over_exposures_and_priors():
    """One sample of 9 mutations and two signatures: prior and exposures summed over a grid."""
    rng = np.random.default_rng(3)
    signatures = rng.dirichlet(np.full(96, 0.2), 2)
    signatures[1] = 0.5 * signatures[0] + 0.5 * signatures[1]
    x = rng.multinomial(9, signatures[1]).astype(float)[None]
    options = SamplerOptions()
    ground = Ground(*(np.array([v, w]) for v, w in ((0.4, 0.2), (2.0, 1.0), (1, 1), (1, 1), (0.5, 0.5), (3, 3))))
    copies = 200  # chains side by side
    cohort = cohort_of(problem(np.repeat(x, copies, 0), signatures), "poisson", np.ones((1, 1)), ground, 1, 1, 500)
    state = chain_run(cohort, np.full((copies, 1, 2), 3.0), 0, 60, 0, options)
    draws = chain_run(cohort, state.exposures, 60, 240, 3, options).draws.reshape(-1, 2)

    edges = np.concatenate([[0.0], np.geomspace(1e-7, 1e4, 700)])
    points = np.concatenate([[0.0], np.sqrt(edges[2:] * edges[1:-1])])
    points = np.insert(points, 1, 0.5e-7)
    masses = []
    for k in range(2):
        # the slab with its mean and its (cut) variance summed out
        sds = np.sqrt(stats.invgamma(1.5, scale=1.5).ppf(stats.invgamma(1.5, scale=1.5).cdf([0.01, 9.0])))
        grid = np.linspace(*sds, 4001)[1:]
        weight = stats.invgamma(1.5, scale=1.5).pdf(grid**2) * grid
        spread = grid * np.sqrt(1 + 1 / 0.5)
        with np.errstate(divide="ignore"):
            cdf = (weight * stats.norm(ground.log_mean[k], spread).cdf(np.log(edges)[:, None])).sum(1) / weight.sum()
        masses.append(np.concatenate([[1 - ground.presence[k]], ground.presence[k] * np.diff(cdf)]))
    mean = points[:, None, None] * signatures[0] + points[None, :, None] * signatures[1] + 1e-6
    fit = (x[0] * np.log(mean)).sum(-1) - mean.sum(-1)
    joint = np.exp(fit - fit.max()) * masses[0][:, None] * masses[1][None, :]
    joint /= joint.sum()
    for k in range(2):
        expected = np.cumsum(joint.sum(1 - k))
        found = np.searchsorted(np.sort(draws[:, k]), edges, side="right") / len(draws)
        np.testing.assert_allclose(found, expected, atol=0.03)


LOG_ODDS = np.array([[0, 2.5, -1], [2.5, 0, 0], [-1, 0, 0]])
CHANGES = np.array([[0.0, -0.8, 0.0], [0.5, 0.0, -1.0], [0.0, -0.5, 0.0]])
SPREADS = np.array([[0.0, 0.6, 0.0], [0.2, 0.0, -0.4], [0.0, 0.4, 0.0]])


def _drawn_sets(
    rng: np.random.Generator, chance: np.ndarray, log_odds: np.ndarray, shifts: np.ndarray | None, samples: int
) -> np.ndarray:
    """Presence [samples, 3] from all eight sets; ``None`` for the shifts at which each is present as often as ``chance``."""
    every = np.array(list(itertools.product([0, 1], repeat=3)))
    pairs = 0.5 * np.einsum("nj,jk,nk->n", every, log_odds, every)
    weights = lambda fields: softmax(every @ fields + pairs)  # noqa: E731
    if shifts is None:
        found = root(lambda fields: weights(fields) @ every - chance, logit(chance) - log_odds @ chance)
        assert found.success
        fields = found.x
    else:
        fields = logit(chance) + shifts
    return every[rng.choice(8, samples, p=weights(fields))] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("burden", "fewer", "weight", "wrong", "log_odds", "samples", "process", "changes"),
    [
        (0.0, 0.0, 4.0, 0.0, None, 3, 0.0, None),
        (2.0, 1.5, 100.0, 0.0, None, 3, 0.0, None),
        (0.0, 1.0, 20.0, 0.5, None, 3, 0.0, None),
        (1.0, 1.0, 20.0, 0.5, LOG_ODDS, 1, 1.0, None),
        (1.0, 1.5, 20.0, 0.0, LOG_ODDS, 3, 0.0, None),
        (1.0, 0.5, 20.0, 0.0, None, 3, 1.5, None),
        (1.0, 1.0, 20.0, 0.5, LOG_ODDS, 1, 0.0, CHANGES),
        (1.0, 0.5, 20.0, 0.0, LOG_ODDS, 3, 0.0, CHANGES),
    ],
)
def test_ranks_of_exposures_of_small_cohorts_are_uniform(
    burden, fewer, weight, wrong, log_odds, samples, process, changes
):
    """Simulation-based calibration (Talts et al. 2018) of the whole hierarchy: priors, cohorts, counts.

    With log odds the sets of signatures of a sample are drawn from all eight. Two signatures share a ``process``. The presence
    of one ``changes`` the sizes of others, which then have a mean and a standard deviation of their own.
    """
    rng = np.random.default_rng(5)
    signatures = rng.dirichlet(np.full(96, 0.3), 3)
    signatures[2] = 0.6 * signatures[1] + 0.4 * signatures[2]
    mean, weights = np.array([3.0, 4, 3]) - fewer, np.full(3, weight)  # few mutations leave the shares to the prior
    expected, loading = (
        (
            np.array([0.95, 0.3, 0.9]) if wrong else np.array([0.5, 0.3, 0.4]),
            mean,
            np.full(3, 0.5 / np.sqrt(weight / 4)),
        ),
        np.array([1.0, 0.5, 1.0]),
    )
    parts = np.array([[process, 0.0, process]])
    ground = Ground(*expected, weights / 2, weights / 4, weights, burden, loading, wrong, parts if process else 0.0)
    if log_odds is not None:
        shifts = np.array([-1.0, -0.5, 0.3]) if samples == 1 else None
        ground = ground._replace(
            pairs=Cooccurrence(log_odds, shifts, *((0.0,) if changes is None else (changes, SPREADS)))
        )
    options, sets, columns = SamplerOptions(), 1500 // samples, 3 if changes is None else 8
    empty = log_sums(np.zeros((sets, 0, columns)), np.ones((0, 1)))
    prior = drawn_prior(rng, empty, with_versions(ground), options)
    prior = prior._replace(presence=prior.presence[..., :3])
    on = rng.random((sets, samples, 3)) < prior.presence
    if log_odds is not None:
        if samples == 1:
            np.testing.assert_allclose(prior.presence[0, 0], [0.725, 0.3, 0.7])
        on = np.stack(
            [_drawn_sets(rng, chance, log_odds, ground.pairs.shifts, samples) for chance in prior.presence[:, 0]]
        )
    shared = np.sqrt(burden) * rng.standard_normal((sets, samples, 1)) * loading
    shared = shared + rng.standard_normal((sets, samples, 1)) * parts
    log_mean, log_sd = (np.broadcast_to(v[..., :3], on.shape).copy() for v in prior[1:])
    # columns of versions: the first beside the second; the second beside first, third, both; the third beside the second
    for column, k, with_, without in (
        (3, 0, [1], []), (4, 1, [0], [2]), (5, 1, [2], [0]), (6, 1, [0, 2], []), (7, 2, [1], [])
    ):  # fmt: skip
        if changes is not None:
            own = on[..., with_].all(-1) & ~on[..., without].any(-1)
            for values, drawn in zip((log_mean, log_sd), prior[1:], strict=True):
                values[..., k] = np.where(own, drawn[..., column], values[..., k])
    truth = np.where(on, np.exp(log_mean + shared + log_sd * rng.standard_normal(on.shape)), 0.0)
    x = rng.poisson(truth @ signatures).astype(float).reshape(-1, 96)
    known = problem(x, signatures, (truth @ signatures).reshape(-1, 96))
    cohort = cohort_of(known, "poisson", np.ones((samples, 1)), ground, 0, 1, 750)
    start = np.repeat(x.sum(1).reshape(sets, samples, 1) / 3, 3, 2)
    state = chain_run(cohort, start, 0, 100, 0, options)
    draws = chain_run(cohort, state.exposures, 100, 6 * 49, 6, options, burdens=state.burdens).draws
    ties = (draws == truth[:, None].astype(np.float32)).sum(1)  # at 0, broken at random
    ranks = (draws < truth[:, None]).sum(1) + rng.integers(0, ties + 1)
    for k in range(3):
        counts = np.histogram(ranks[..., k], 10, (0, 50))[0]
        assert stats.chisquare(counts).pvalue > 0.001, counts


@pytest.mark.slow
def test_prior_of_each_cancer_type_is_found():
    rng = np.random.default_rng(0)
    signatures = rng.dirichlet(np.full(96, 0.3), 3)
    presence = np.array([[0.9, 0.1, 0.5], [0.1, 0.9, 0.5]])
    log_mean = np.log([[500.0, 200, 1000], [100, 2000, 1000]])
    groups = np.eye(2)[np.repeat([0, 1], 200)]
    on = rng.random((400, 3)) < groups @ presence
    truth = np.where(on, np.exp(groups @ log_mean + 0.6 * rng.standard_normal((400, 3))), 0.0)
    x = rng.poisson(truth @ signatures).astype(float)
    some = x.sum(1) > 0
    x, truth, groups, on = x[some], truth[some], groups[some], on[some]
    noise = Scatter(1.0, 0.0, np.inf, np.ones(len(x)), np.ones(len(x)))
    options = SamplerOptions(learning=30, draws=60, longest=1)
    prior = sampled(x, signatures, truth, noise, groups=groups, options=options).prior
    for g in range(2):
        rows = on[groups[:, g] > 0]
        common = rows.mean(0) > 0.3
        np.testing.assert_allclose(prior.presence[g], rows.mean(0), atol=0.04)
        np.testing.assert_allclose(prior.log_mean[g][common], log_mean[g][common], atol=0.1)
        np.testing.assert_allclose(prior.log_sd[g][common], 0.6, atol=0.1)


def test_the_same_seed_gives_the_same_draws_whatever_the_threads(monkeypatch):
    rng = np.random.default_rng(1)
    signatures = rng.dirichlet(np.ones(96), 2)
    x = rng.poisson(np.exp(rng.normal(4, 1, (40, 2))) @ signatures).astype(float)
    ground = weak_ground(x, 2)._replace(pairs=Cooccurrence(np.array([[0.0, 1.0], [1.0, 0.0]]), None))
    types = np.eye(3)[np.arange(40) % 3]
    cohort = cohort_of(problem(x, signatures), "poisson", types, ground, 3, 2, 500)
    start = np.full((2, 40, 2), 10.0)
    first = chain_run(cohort, start, 0, 20, 2)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    again = chain_run(cohort, start, 0, 20, 2)
    np.testing.assert_array_equal(first.draws, again.draws)
    assert first.draws.shape == (2, 10, 40, 2)
    # in two stretches as in one
    half = chain_run(cohort, start, 0, 10, 0)
    rest = chain_run(cohort, half.exposures, 10, 10, 10, burdens=half.burdens, tumours=half.tumours)
    np.testing.assert_array_equal(rest.draws[:, 0], first.draws[:, -1])
    np.testing.assert_array_equal(rest.burdens, first.burdens)
    np.testing.assert_array_equal(rest.tumours.shifts, first.tumours.shifts)
    assert rest.tumours.there.shape == (2, 2, 3, 66)
    assert first.tumours.shifts.shape == (2, 3, 2)
