"""Signatures and exposures drawn together: against their prior, against sums over a grid, and under relabelling."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vaebench.signatures.joint.chain import JointState, indifferent, joint_chain, joint_sweep, known_of, state_of
from vaebench.signatures.joint.moves import Known, Pairs, drawn_prior, log_det_gram, shear_pair
from vaebench.signatures.joint.options import JOINT, JointOptions
from vaebench.signatures.sampler.problem import Prior

pytestmark = pytest.mark.long

SAMPLES, NUMBER, CHANNELS = 6, 2, 4
GROUND = Prior(*(np.array(v, np.float32) for v in ([0.7, 0.5], np.log([200.0, 60.0]), [0.4, 0.6])))
GROUPS = np.eye(2, dtype=np.float32)[np.arange(SAMPLES) % 2]


def prior_draws(seed: int, problems: int):
    """Signatures, exposures and their prior, drawn from the model at r = 0; few are so far off that float32 ends."""
    rng = np.random.default_rng(seed)
    trust, weight, degrees = JOINT.presence_weight, JOINT.mean_weight, JOINT.scale_degrees
    spread_degrees, spread = JOINT.spread_degrees, JOINT.spread_centre
    shape = (problems, 2, NUMBER)
    presence = rng.beta(trust * GROUND.presence, trust * (1 - GROUND.presence), shape)
    log_sd = np.sqrt(degrees * GROUND.log_sd**2 / rng.chisquare(degrees, shape))
    log_mean = GROUND.log_mean + log_sd / np.sqrt(weight) * rng.standard_normal(shape)
    on = rng.random((problems, SAMPLES, NUMBER)) < GROUPS @ presence
    logs = GROUPS @ log_mean + GROUPS @ log_sd * rng.standard_normal(on.shape)
    width = np.sqrt(spread_degrees * spread**2 / rng.chisquare(spread_degrees, (problems, NUMBER, 1)))
    signatures = np.exp(width * rng.standard_normal((problems, NUMBER, CHANNELS)))
    signatures /= signatures.sum(2, keepdims=True)
    exposures = np.where(on, np.exp(np.clip(logs, -20, 15)), 0.0)
    arrays = (np.maximum(signatures, 1e-18), exposures, presence, log_mean, log_sd, width[:, :, 0])
    signatures, exposures, *prior, width = (v.astype(np.float32) for v in arrays)
    return signatures, exposures, Prior(*prior), width


def started(seed: int, problems: int) -> JointState:
    signatures, exposures, prior, width = prior_draws(seed, problems)
    shear = np.full((problems, NUMBER, NUMBER), np.log(0.2), np.float32)
    return jax.tree.map(jnp.asarray, JointState(signatures, exposures, prior, width, shear))


def known(x) -> Known:
    step = jnp.full((NUMBER, x.shape[1]), 0.5) * jax.lax.rsqrt(x.sum() + 5)
    ground = Prior(*(jnp.asarray(v) for v in GROUND))
    return Known(x, x + 1.0, jnp.asarray(GROUPS), ground, jnp.float32(0), jnp.float32(1), step)


def counts(key, state: JointState):
    return jax.random.poisson(key, state.exposures @ state.signatures).astype(jnp.float32)


def statistics(state: JointState) -> dict[str, np.ndarray]:
    s, e = (np.asarray(v, np.float64) for v in state[:2])
    unit = s / np.linalg.norm(s, axis=2, keepdims=True)
    found = {"cosine": (unit[:, 0] * unit[:, 1]).sum(1), "both": (np.log1p(e[:, :, 0]) * np.log1p(e[:, :, 1])).mean(1)}
    for k in range(NUMBER):
        found |= {f"s{k}": s[:, k, 0], f"largest{k}": s[:, k].max(1), f"least{k}": np.log(s[:, k].min(1))}
        found |= {f"e{k}": e[:, 0, k], f"n{k}": (e[:, :, k] > 0).sum(1), f"log{k}": np.log1p(e[:, :, k]).mean(1)}
        found |= {f"m{k}": np.asarray(state.prior.log_mean)[:, 0, k], f"w{k}": np.asarray(state.spread)[:, k]}
    return found


PROBLEMS = 400


@jax.jit
@jax.vmap
def swept(key, state, x):
    """One sweep, and counts redrawn."""
    one, two = jax.random.split(key)
    state = joint_sweep(one, state, known(x), 0.0)[0]
    return state, counts(two, state)


@pytest.mark.slow
def test_sweeps_and_redrawn_counts_leave_the_prior_as_it_is():
    """Truth and counts are drawn from the model; a sweep given the counts, then counts given the state (Geweke 2004)."""
    state = started(0, PROBLEMS)
    first = np.asarray(state.signatures)
    x = jax.vmap(counts)(jax.random.split(jax.random.key(0), PROBLEMS), state)
    for i in range(15):
        state, x = swept(jax.random.split(jax.random.key(i + 1), PROBLEMS), state, x)
    assert np.abs(np.asarray(state.signatures) - first).mean() > 0.02
    mine, expected = statistics(state), statistics(started(1, 20000))
    for name, values in mine.items():
        assert stats.ks_2samp(values, expected[name]).pvalue > 0.0005, name


@pytest.mark.slow
def test_ranks_of_truths_among_the_draws_are_uniform():
    """Simulation-based calibration (Talts et al. 2018)."""
    n, every, settling = 9, 15, 30
    state = truth = started(2, PROBLEMS)
    x = jax.vmap(counts)(jax.random.split(jax.random.key(1), PROBLEMS), truth)
    kept = []
    for i in range(settling + n * every):
        state, _ = swept(jax.random.split(jax.random.key(100 + i), PROBLEMS), state, x)
        if i >= settling and (i - settling) % every == 0:
            kept.append([np.asarray(v) for v in state[:2]])
    signatures, exposures = (np.stack(v, 1) for v in zip(*kept, strict=True))
    true_signatures, true = (np.asarray(v)[:, None] for v in truth[:2])
    pairs = [(exposures[:, :, t, k], true[:, :, t, k]) for t in (0, 3) for k in range(2)]
    pairs += [(signatures[:, :, k, 1], true_signatures[:, :, k, 1]) for k in range(2)]
    rng = np.random.default_rng(0)
    for values, value in pairs:
        ties = (values == value).sum(1)  # at 0, broken at random
        ranks = (values < value).sum(1) + rng.integers(0, ties + 1)
        assert stats.chisquare(np.histogram(ranks, 5, (0, n + 1))[0]).pvalue > 0.0005, ranks


def grid(half: float, points: int):
    """Two signatures of three channels: log ratios in an orthonormal basis on a grid, and their log prior up to a term."""
    basis = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])
    u = np.linspace(-half, half, points)
    one = np.stack(np.meshgrid(u, u, indexing="ij"), -1).reshape(-1, 2)
    spectra = np.exp(one @ basis)
    spectra /= spectra.sum(1, keepdims=True)
    return one, spectra


@pytest.mark.slow
def test_posterior_of_two_signatures_and_three_channels_is_that_summed_on_a_grid():
    """Of one sample: p and m sum out to p0 and N(m0, s^2 (1 + 1 / B)); s and w are held at their ground; repulsion 0.5."""
    options = JointOptions(
        presence_weight=2.0, mean_weight=1.0, scale_degrees=1e4, spread_degrees=1e4, spread_centre=0.7
    )
    x = np.array([[9.0, 4, 1]], np.float32)
    ground = Prior(np.array([0.7, 0.6]), np.log([8.0, 6.0]), np.array([0.4, 0.5]))
    one, spectra = grid(3.2 * 0.7, 11)
    mass = []
    points = []
    for k in range(2):
        z = np.linspace(-4, 4, 22)
        points.append(np.concatenate([[0.0], np.exp(ground.log_mean[k] + np.sqrt(2) * ground.log_sd[k] * z)]))
        slab = np.exp(-0.5 * z**2)
        mass.append(np.concatenate([[1 - ground.presence[k]], ground.presence[k] * slab / slab.sum()]))
    number = len(spectra)
    weight = np.log(np.outer(*(np.exp(-0.5 * (one**2).sum(1) / 0.7**2) for _ in range(2))))
    gram = np.array([[(spectra[i] @ spectra.T) for i in range(number)]])[0]
    size = np.diag(gram)
    with np.errstate(divide="ignore"):
        volume = np.log(np.outer(size, size) - gram**2)
    weight -= 0.5 * np.where(np.eye(number, dtype=bool), np.inf, volume)
    moments = []
    for t in range(1):
        likelihood = np.zeros((number, number))
        first = np.zeros((2, number, number))
        absent = np.zeros((2, number, number))
        for a, ma in zip(points[0], mass[0], strict=True):
            for b, mb in zip(points[1], mass[1], strict=True):
                mean = a * spectra[:, None, :] + b * spectra[None, :, :] + 1e-6
                value = ma * mb * np.exp((x[t] * np.log(mean) - mean).sum(2))
                likelihood += value
                first += np.array([a, b])[:, None, None] * value
                absent += np.array([a == 0, b == 0])[:, None, None] * value
        weight += np.log(likelihood)
        moments.append((first / likelihood, absent / likelihood))
    posterior = np.exp(weight - weight.max())
    posterior /= posterior.sum()
    chains = 300
    groups = jnp.ones((1, 1))
    mine = Known(
        jnp.asarray(x), jnp.asarray(x + 1), groups, Prior(*(jnp.asarray(v, jnp.float32) for v in ground)),
        jnp.float32(0.5), jnp.float32(1), jnp.full((2, 3), 0.12),
    )  # fmt: skip
    begin = state_of(
        jax.random.key(0), np.array([[0.6, 0.2, 0.2], [0.2, 0.4, 0.4]]), np.full((1, 2), 6.0), mine, options
    )
    begin = begin._replace(log_shear=jnp.full((2, 2), jnp.log(0.3)))

    def ran(key):
        return joint_chain(key, begin, mine, 60, 2, options=options)[1]

    draws = jax.jit(jax.vmap(ran))(jax.random.split(jax.random.key(3), chains))
    exposures, signatures = (np.asarray(v)[:, 20:] for v in draws[:2])
    np.testing.assert_allclose(signatures.mean((0, 1))[0], posterior.sum(1) @ spectra, atol=0.012)
    np.testing.assert_allclose(signatures.mean((0, 1))[1], posterior.sum(0) @ spectra, atol=0.012)
    for t in range(1):
        for k in range(2):
            expected, absent = ((posterior * moment[k]).sum() for moment in moments[t])
            assert exposures[:, :, t, k].mean() == pytest.approx(expected, rel=0.04)
            assert (exposures[:, :, t, k] == 0).mean() == pytest.approx(absent, abs=0.02)


def cohort(seed: int = 0):
    """A small cohort of flat and peaked signatures, [T, C], [S, C], [T, S]."""
    rng = np.random.default_rng(seed)
    signatures = np.stack([rng.dirichlet(np.full(96, shape)) for shape in (2.0, 0.3, 0.3)])
    exposures = np.exp(rng.normal([6, 5, 6], 0.6, (60, 3))) * (rng.random((60, 3)) < [1.0, 0.6, 0.5])
    return rng.poisson(exposures @ signatures).astype(np.float64), signatures, exposures


@pytest.mark.slow
def test_a_shear_keeps_the_means_it_says_it_keeps():
    x, signatures, exposures = cohort()
    mine = known_of(x, signatures, exposures, np.ones((60, 1)), 1.0)
    begin = state_of(jax.random.key(0), signatures, exposures, mine)
    pairs = Pairs(
        begin.signatures, begin.exposures.T, (begin.exposures @ begin.signatures).T, begin.log_shear,
        jnp.zeros((3, 3)), jnp.zeros((3, 3)),
    )  # fmt: skip
    for i in range(60):
        pairs = shear_pair(jax.random.fold_in(jax.random.key(0), i), pairs, mine, begin.spread, 0.0)
    assert float(pairs.accepted.sum()) > 5
    np.testing.assert_allclose(pairs.mean, (pairs.exposures.T @ pairs.signatures).T, rtol=2e-3, atol=1e-2)
    np.testing.assert_allclose(pairs.signatures.sum(1), 1, rtol=1e-5)
    assert ((np.asarray(pairs.exposures) > 0) == (exposures.T > 0)).all()


def test_volume_shrinks_as_the_repulsion_assumes():
    _, signatures, _ = cohort()
    t = 0.07
    mixed = signatures.copy()
    mixed[0] = (signatures[0] + np.expm1(t) * signatures[1]) * np.exp(-t)
    fall = float(log_det_gram(jnp.asarray(mixed)) - log_det_gram(jnp.asarray(signatures)))
    assert fall == pytest.approx(-2 * t, abs=1e-4)
    assert float(log_det_gram(jnp.asarray(signatures))) == pytest.approx(
        np.linalg.slogdet(signatures @ signatures.T)[1], abs=1e-3
    )
    assert -indifferent(96) * fall == pytest.approx(95 * t, abs=1e-2)


@pytest.mark.slow
def test_priors_given_exposures_are_conjugate():
    _, _, exposures = cohort(2)
    groups = np.eye(2)[np.arange(60) % 2]
    mine = known_of(np.ones((60, 96)), np.full((3, 96), 1 / 96), exposures, groups, 1.0)
    keys = jax.random.split(jax.random.key(0), 4000)
    draws = jax.vmap(lambda key: drawn_prior(key, mine.x[:, :3] * 0 + jnp.asarray(exposures, jnp.float32), mine))(keys)
    trust, weight, degrees = JOINT.presence_weight, JOINT.mean_weight, JOINT.scale_degrees
    for g in range(2):
        logs = np.log(exposures[g::2, 1][exposures[g::2, 1] > 0])
        n = len(logs)
        p0, m0, s0 = (float(v[1]) for v in mine.ground)
        assert np.mean(draws.presence[:, g, 1]) == pytest.approx((trust * p0 + n) / (trust + 30), abs=0.01)
        assert np.mean(draws.log_mean[:, g, 1]) == pytest.approx((weight * m0 + logs.sum()) / (weight + n), abs=0.02)
        squares = degrees * s0**2 + ((logs - logs.mean()) ** 2).sum()
        squares += weight * n / (weight + n) * (logs.mean() - m0) ** 2
        assert np.mean(draws.log_sd[:, g, 1] ** 2) == pytest.approx(squares / (degrees + n - 2), rel=0.04)
