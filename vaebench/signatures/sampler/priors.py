"""Prior of the exposures of each signature in each cancer type, learned from the cohort by empirical Bayes."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from vaebench.signatures.sampler.gibbs import GibbsState, Prior, Problem, held, slabs_of, swept
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.proposals import Slab

_Moments = tuple[ArrayLike, ArrayLike, ArrayLike]
"""P(present), and mean and variance of ln e given presence."""


def updated_prior(state: GibbsState, groups: jax.Array, typical: ArrayLike, options: SamplerOptions = SAMPLER) -> Prior:
    """The prior [G, S] that fits one draw of the exposures, in two levels.

    The whole cohort's prior comes first. A fraction of an observation holds it in place, so that it exists for a signature
    that no sample has. Each group's prior is then shrunk towards it as by ``options.few`` more samples.

    Args:
        state: after a sweep.
        groups: [T, G], weights of the samples in each group, mostly 0 and 1; one column of ones for one prior.
        typical: scalar, the exposure to expect of a signature that no sample has.
        options: constants of the sampler.
    """
    present = state.exposures > 0
    logs = jnp.where(present, jnp.log(jnp.where(present, state.exposures, 1.0)), 0.0)
    # per group: expected number of samples with the signature, their number in this draw, sum and squares of ln e
    sums = tuple(groups.T @ v for v in (state.presence, present.astype(logs.dtype), logs, logs**2))
    weight = jnp.sum(groups, 0)[:, None]

    def fitted(
        sums: tuple[jax.Array, ...], weight: jax.Array, ground: _Moments, trust: tuple[float, float, float]
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        expected, count, total, squares = sums
        presence, log_mean, variance = ground
        mean = (total + trust[1] * log_mean) / (count + trust[1])
        within = squares - 2 * mean * total + count * mean**2
        spread = within + trust[2] * variance + trust[1] * (mean - log_mean) ** 2
        return (expected + trust[0] * presence) / (weight + trust[0]), mean, spread / (count + trust[2])

    # half of the samples, a typical exposure and a standard deviation of 1, for as little as 1, 0.1 and 2 observations
    whole = fitted(
        tuple(v.sum(0, keepdims=True) for v in sums),
        weight.sum(0, keepdims=True),
        (0.5, jnp.log(typical), 1.0),
        (1, 0.1, 2),
    )
    few = options.few
    presence, log_mean, variance = fitted(sums, weight, whole, (few, few, few)) if len(weight) > 1 else whole
    log_sd = jnp.sqrt(jnp.maximum(variance, 0))
    return Prior(presence, log_mean, jnp.clip(log_sd, options.least_sd, options.largest_sd))


@functools.partial(jax.jit, static_argnames="options")
def _towards_draw(
    prior: Prior, state: GibbsState, groups: jax.Array, typical: jax.Array, step: float, options: SamplerOptions
) -> Prior:
    """Move ``prior`` [G, S] by ``step`` towards that of the first rows of ``state``, as many as ``groups`` has."""
    target = updated_prior(GibbsState(*(v[: len(groups)] for v in state)), groups, typical, options)
    return Prior(*(old + step * (new - old) for old, new in zip(prior, target, strict=True)))


@functools.partial(jax.jit, static_argnames="samples")
def _by_sample(prior: Prior, groups: jax.Array, samples: int) -> Slab:
    """``prior`` [G, S] of each of ``samples`` samples, [S, T]; the groups start again where they end."""
    mine = jnp.resize(groups, (samples, groups.shape[1]))
    return slabs_of(Prior(*(mine @ v for v in prior)), groups.dtype)


def learned_prior(
    key: jax.Array,
    exposures: jax.Array,
    problem: Problem,
    groups: jax.Array,
    n: int,
    noise: str = "gaussian",
    options: SamplerOptions = SAMPLER,
) -> tuple[jax.Array, Prior]:
    """Learn the prior [G, S] by stochastic approximation EM (Delyon et al. 1999).

    The first ``options.ignored`` sweeps teach nothing. In the rest of the first half the prior moves half way to the prior
    that fits each draw, and forgets the start. In the second half the steps are 1 / (sweeps of this half), which averages.

    Args:
        key: of the chain.
        exposures: [T', S] at the start.
        problem: of T' rows.
        groups: [T, G], cancer types as 0 and 1. Where T' is above T, rows beyond T must repeat the first ones; they teach
            nothing.
        n: number of sweeps.
        noise: a name in :data:`vaebench.signatures.sampler.gibbs.NOISES`.
        options: constants of the sampler.

    Returns:
        The exposures [T', S] after the last sweep, and the prior.
    """
    known = held(problem)
    typical = jnp.maximum(jnp.mean(jnp.sum(problem.x[: len(groups)], 1)) / len(problem.signatures), 1.0)
    shape = (groups.shape[1], exposures.shape[1])
    prior = Prior(*(jnp.full(shape, v, exposures.dtype) for v in (0.5, jnp.log(typical), options.first_sd)))
    for i in range(n):
        state = swept(key, i, exposures, known, _by_sample(prior, groups, len(exposures)), noise)
        exposures = state.exposures
        if i >= options.ignored:
            step = 0.5 if i < n // 2 else 1 / (i - n // 2 + 2)
            prior = _towards_draw(prior, state, groups, typical, step, options)
    return exposures, prior
