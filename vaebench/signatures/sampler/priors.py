"""What to expect of each signature in each cancer type, learned from the cohort by empirical Bayes."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from vaebench.signatures.sampler.gibbs import Prior, Problem, State, held, slabs_of, swept
from vaebench.signatures.sampler.proposals import Slab

FEW = 10.0
"""Samples of the whole cohort that count towards the prior of each cancer type."""

UNTAUGHT = 10
"""Sweeps from a start that is not sparse, from which a prior would learn that all samples have a little of everything."""

_LEAST_SD, _LARGEST_SD = 0.1, 3.0
_FIRST_SD = 1.5  # of ln e, before anything is learned: from a twentieth to twenty times the typical


def updated_prior(state: State, groups: Any, typical: Any) -> Prior:
    """The prior [G, S] that fits one draw of the exposures.

    The whole cohort's comes first, held in place by a fraction of an observation each (it exists where no sample has a
    signature); each group's is shrunk towards it as by :data:`FEW` samples more.

    Args:
        state: after a sweep.
        groups: [T, G], weights of the samples in each group, mostly 0 and 1; one column of ones for one prior.
        typical: scalar, an exposure to expect of a signature no sample has.
    """
    present = state.exposures > 0
    logs = jnp.where(present, jnp.log(jnp.where(present, state.exposures, 1.0)), 0.0)
    sums = tuple(groups.T @ v for v in (state.presence, present.astype(logs.dtype), logs, logs**2))
    weight = jnp.sum(groups, 0)[:, None]

    def fitted(sums: Any, weight: Any, ground: Any, trust: Any) -> Any:
        expected, count, total, squares = sums
        presence, log_mean, variance = ground
        mean = (total + trust[1] * log_mean) / (count + trust[1])
        within = squares - 2 * mean * total + count * mean**2
        spread = within + trust[2] * variance + trust[1] * (mean - log_mean) ** 2
        return (expected + trust[0] * presence) / (weight + trust[0]), mean, spread / (count + trust[2])

    whole = fitted(
        tuple(v.sum(0, keepdims=True) for v in sums),
        weight.sum(0, keepdims=True),
        (0.5, jnp.log(typical), 1.0),
        (1, 0.1, 2),
    )
    by_group = fitted(sums, weight, whole, (FEW, FEW, FEW)) if len(weight) > 1 else whole
    return Prior(by_group[0], by_group[1], jnp.clip(jnp.sqrt(jnp.maximum(by_group[2], 0)), _LEAST_SD, _LARGEST_SD))


@jax.jit
def _taught(prior: Prior, state: State, groups: Any, typical: Any, step: Any) -> Prior:
    """``prior`` [G, S] moved by ``step`` towards that of the first rows of ``state``, as many as ``groups`` has."""
    target = updated_prior(State(*(v[: len(groups)] for v in state)), groups, typical)
    return Prior(*(old + step * (new - old) for old, new in zip(prior, target, strict=True)))


@functools.partial(jax.jit, static_argnames="samples")
def _by_sample(prior: Prior, groups: Any, samples: int) -> Slab:
    """``prior`` [G, S] for each of ``samples`` samples, [S, T]; the groups begin again where they end."""
    mine = jnp.resize(groups, (samples, groups.shape[1]))
    return slabs_of(Prior(*(mine @ v for v in prior)), groups.dtype)


def learned_prior(
    key: Any, exposures: Any, problem: Problem, groups: Any, n: int, noise: str = "gaussian"
) -> tuple[Any, Prior]:
    """Exposures after ``n`` sweeps and the prior [G, S] they taught, by stochastic approximation of EM (Delyon et al. 1999).

    After :data:`UNTAUGHT` sweeps, and up to half of them all, the prior moves half way to each draw's own, then by
    1 / (sweeps of this half). Where there are more exposures than rows of ``groups`` [T, G], those beyond must repeat the
    first ones, and teach nothing.
    """
    known = held(problem)
    typical = jnp.maximum(jnp.mean(jnp.sum(problem.x[: len(groups)], 1)) / len(problem.signatures), 1.0)
    shape = (groups.shape[1], exposures.shape[1])
    prior = Prior(*(jnp.full(shape, v, exposures.dtype) for v in (0.5, jnp.log(typical), _FIRST_SD)))
    for i in range(n):
        state = swept(key, i, exposures, known, _by_sample(prior, groups, len(exposures)), noise)
        exposures = state.exposures
        if i >= UNTAUGHT:
            prior = _taught(prior, state, groups, typical, 0.5 if i < n // 2 else 1 / (i - n // 2 + 2))
    return exposures, prior
