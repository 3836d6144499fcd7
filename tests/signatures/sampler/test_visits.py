"""Timetables of visits, and draws by an uneven timetable against the posterior summed on a grid and against their prior."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vaebench.signatures.sampler.chains import chain_run, cohort_of, with_timetable
from vaebench.signatures.sampler.grounds import Ground, weak_ground
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.sampler.priors import drawn_prior, log_sums
from vaebench.signatures.sampler.problem import Prior, Problem, held
from vaebench.signatures.sampler.proposals import slab_of
from vaebench.signatures.sampler.visits import Timetable, timetable, visited


def test_doubtful_signatures_are_visited_in_every_sweep_and_all_in_sixteen():
    rng = np.random.default_rng(0)
    presence = np.where(rng.random((30, 40)) < 0.15, rng.random((30, 40)), 1e-4)
    presence[:, 3] = 1.0
    table = timetable(rng, presence, np.eye(40))
    steps, wanted = table.steps, np.minimum(8 * presence + 1 / 16, 1).sum(1)
    assert steps < 25
    assert (wanted > steps).sum() <= 2
    singles = table.singles[: 16 * steps].reshape(16, steps, 30)
    for t in range(30):
        often = np.stack([np.bincount(sweep, minlength=40) for sweep in singles[:, :, t]])
        assert often.max() == 1  # never twice in a sweep
        assert (often.sum(0) >= 1).all()
        # of few samples with the most doubtful ones more are asked than a sweep has
        assert often[:, 3].min() == 1 or wanted[t] > steps
    assert (table.firsts[: 16 * steps] < table.seconds[: 16 * steps]).all()


def test_similar_signatures_of_which_one_is_present_make_pairs():
    similarity = np.full((20, 20), 0.05)
    similarity[4, 5] = similarity[5, 4] = similarity[8, 9] = similarity[9, 8] = 0.9
    presence = np.full((50, 20), 1e-3)
    presence[:, 4] = 1.0
    table = timetable(np.random.default_rng(0), presence, similarity)
    first, second = (v[: 16 * table.steps] for v in (table.firsts, table.seconds))
    assert 0.5 < ((first == 4) & (second == 5)).mean() < 0.9
    assert ((first == 8) & (second == 9)).mean() < 0.15
    assert ((first == 4) | (second == 4)).mean() > 0.8


def test_every_signature_is_visited_in_order_without_a_presence():
    table = timetable(np.random.default_rng(0), None, np.eye(5))
    np.testing.assert_array_equal(table.singles[:, 0], np.tile(np.arange(5), 16))
    assert table.steps == 5


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["gaussian", "poisson"])
def test_posterior_by_an_uneven_timetable_is_that_summed_on_a_grid(noise):
    """Two signatures that share, the first visited in every sweep, the second in every fourth, with a pair in every second."""
    rng = np.random.default_rng(3)
    signatures = rng.dirichlet(np.full(96, 0.3), 2)
    signatures[1] = 0.5 * signatures[0] + 0.5 * signatures[1]
    prior = Prior(np.array([0.6, 0.5]), np.log([40.0, 30.0]), np.array([0.8, 1.0]))
    mean = np.array([25.0, 8.0]) @ signatures
    variance = np.maximum(mean, 1.0) if noise == "gaussian" else mean + 0.1
    draws_are_summed(rng.poisson(mean).astype(float), signatures, prior, variance, noise, 0.025)


@pytest.mark.parametrize("noise", ["poisson", "negative_binomial"])
@pytest.mark.parametrize("alike", [False, True])
def test_posterior_of_channels_without_counts_is_that_summed_on_a_grid(noise, alike):
    """Where nothing was counted a likelihood falls as e^-z, and has no peak that a Gaussian could be put on."""
    signatures = np.zeros((2, 96))
    signatures[0, :2], signatures[1, 2:] = (0.95, 0.05), 1 / 94
    if alike:  # both may stand for the same counts, and each has a channel of its own without any
        signatures[1] = 0.6 * signatures[1] + 0.4 * np.eye(96)[1]
        signatures[0] = 0.5 * signatures[0] + 0.5 * signatures[1]
    x = np.zeros(96)
    x[4:70:6] = 2
    prior = Prior(np.array([0.5, 0.8]), np.array([0.5, 3.0]), np.array([1.0, 1.0]))
    mean = x.sum() * signatures[1] + 0.1
    spread = mean**2 / 10 if noise == "negative_binomial" else 0.0
    draws_are_summed(x, signatures, prior, mean + spread, noise, 0.012)


def draws_are_summed(x, signatures, prior, variance, noise, atol):
    """Draws of two exposures to x [96] have the distribution that is summed over a grid."""
    copies = 1500
    singles = np.tile(np.array([0, 0, 0, 1] * 4, np.uint8)[:, None], (1, copies))
    table = Timetable(singles, np.zeros_like(singles), np.ones_like(singles), 1)
    kept, size = [], 10.0
    with jax.enable_x64(True):
        tiled = (jnp.tile(x, (copies, 1)), jnp.asarray(signatures), jnp.tile(variance, (copies, 1)))
        known = held(Problem(*tiled, size=jnp.asarray(size)))
        by_row = slab_of(*(jnp.tile(v, (copies, 1)) for v in prior))
        state = jnp.tile(jnp.array([1.0, x.sum()]), (copies, 1))
        for i in range(100):
            state = visited(jax.random.key(1), i, state, known, by_row, table, noise).exposures
            if i >= 30 and i % 3 == 0:
                kept.append(np.asarray(state))
    draws = np.concatenate(kept)
    edges = np.concatenate([[0.0], np.geomspace(0.05, 400, 300)])
    points = np.concatenate([[0.0], 0.5 * (edges[1:] + edges[:-1])])
    masses = [
        np.concatenate([[1 - p], p * np.diff(stats.lognorm(s, scale=np.exp(m)).cdf(edges))])
        for p, m, s in zip(*prior, strict=True)
    ]
    mu = points[:, None, None] * signatures[0] + points[None, :, None] * signatures[1]
    fits = {
        "gaussian": -0.5 * ((x - mu) ** 2 / variance),
        "poisson": x * np.log(mu + 1e-6) - mu,
        "negative_binomial": x * np.log(mu + 1e-6) - (x + size) * np.log(mu + 1e-6 + size),
    }
    fit = fits[noise].sum(-1)
    joint = np.exp(fit - fit.max()) * masses[0][:, None] * masses[1][None, :]
    joint /= joint.sum()
    for k in range(2):
        found = np.searchsorted(np.sort(draws[:, k]), edges, side="right") / len(draws)
        np.testing.assert_allclose(found, np.cumsum(joint.sum(1 - k)), atol=atol)


def _problem(x: np.ndarray, signatures: np.ndarray) -> Problem:
    return Problem(x, signatures, x.sum(1, keepdims=True) / 96 * np.ones((1, 96)) + 0.1)


@pytest.mark.slow
def test_draws_by_a_timetable_do_not_depend_on_the_threads(monkeypatch):
    rng = np.random.default_rng(1)
    signatures = rng.dirichlet(np.ones(96), 3)
    x = rng.poisson(np.exp(rng.normal(4, 1, (40, 3))) @ signatures).astype(float)
    cohort = cohort_of(_problem(x, signatures), "poisson", np.ones((40, 1)), weak_ground(x, 3), 3, 2, 500)
    cohort = with_timetable(cohort, rng.random((40, 3)) * [1.0, 0.1, 0.01], 0)
    start = np.full((2, 40, 3), 10.0)
    first = chain_run(cohort, start, 0, 20, 2)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    again = chain_run(cohort, start, 0, 20, 2)
    np.testing.assert_array_equal(first.draws, again.draws)
    room = np.zeros((2, 10, 40, 3), np.float32)

    def kept(place, exposures):
        room[:, place] = exposures

    chain_run(cohort, start, 0, 20, 2, into=kept)
    np.testing.assert_array_equal(room, first.draws)


@pytest.mark.slow
def test_ranks_of_exposures_are_uniform_by_an_uneven_timetable():
    """Simulation-based calibration (Talts et al. 2018) of the hierarchy, the visits by the prior's own presence."""
    rng = np.random.default_rng(6)
    signatures = rng.dirichlet(np.full(96, 0.3), 4)
    signatures[2] = 0.6 * signatures[1] + 0.4 * signatures[2]
    ground = Ground(
        *(np.array(v) for v in ([0.5, 0.05, 0.4, 0.1], [3.0, 4, 3, 4], [0.5] * 4, [2.0] * 4, [1.0] * 4, [4.0] * 4))
    )
    options = SamplerOptions()
    sets, samples = 500, 3
    prior = drawn_prior(rng, log_sums(np.zeros((sets, 0, 4)), np.ones((0, 1))), ground, options)
    on = rng.random((sets, samples, 4)) < prior.presence
    truth = np.where(on, np.exp(prior.log_mean + prior.log_sd * rng.standard_normal(on.shape)), 0.0)
    x = rng.poisson(truth @ signatures).astype(float).reshape(-1, 96)
    known = Problem(x, signatures, (truth @ signatures).reshape(-1, 96) + 0.1)
    cohort = cohort_of(known, "poisson", np.ones((samples, 1)), ground, 0, 1, 750)
    cohort = with_timetable(cohort, np.tile(np.array([0.5, 0.005, 0.2, 0.02]), (sets * samples, 1)), 0)
    start = np.repeat(x.sum(1).reshape(sets, samples, 1) / 4, 4, 2)
    state = chain_run(cohort, start, 0, 100, 0, options)
    draws = chain_run(cohort, state.exposures, 100, 9 * 49, 9, options).draws
    ties = (draws == truth[:, None].astype(np.float32)).sum(1)  # at 0, broken at random
    ranks = (draws < truth[:, None]).sum(1) + rng.integers(0, ties + 1)
    for k in range(4):
        counts = np.histogram(ranks[..., k], 10, (0, 50))[0]
        assert stats.chisquare(counts).pvalue > 0.001, counts
