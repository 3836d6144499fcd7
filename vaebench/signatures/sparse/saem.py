"""Signatures by stochastic approximation EM: exposures are drawn from their spike-and-slab posterior, signatures averaged.

Model: x_tc ~ N(mean_tc, v_tc), mean = E S, with variance v at the running mean (counts are Poisson, scaled by the caller where
they are overdispersed), and the prior of :mod:`vaebench.signatures.sampler.priors`. Averaging over the posterior of the exposures,
and not only at their best values, is what keeps flat signatures apart. float32: draws are noisier than it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vaebench.signatures.sampler.gibbs import GibbsState, Prior, Problem, held, slabs_of, swept
from vaebench.signatures.sampler.priors import updated_prior

_FLOOR = 0.05
"""Smallest variance of a count: a channel with a mean of 0 would leave the data no say."""

_LEAST_PRESENCE = 1e-9
"""Presence of a component that is not there: it must have a logarithm."""


class Fit(NamedTuple):
    """Signatures [S, 96], a draw of the exposures [T, S], their means [T, S], probabilities of presence, and the prior [S]."""

    signatures: Any
    draw: Any
    exposures: Any
    presence: Any
    prior: Prior


class _State(NamedTuple):
    """Running averages of the mean [T, 96], of E'E / v [96, S, S] and E'x / v [96, S], and the fit."""

    key: Any
    mean: Any
    products: Any
    projections: Any
    fit: Fit


def quadratic_minimum(signatures: Any, products: Any, projections: Any, rounds: int = 10) -> Any:
    """Minimum over S >= 0 of sum_c S_c' A_c S_c / 2 - B_c' S_c, by coordinate descent from ``signatures``.

    Args:
        signatures: [S, 96].
        products: A [96, S, S] = sum_t e e' / v_tc.
        projections: B [96, S] = sum_t e x_tc / v_tc.
        rounds: over all signatures.
    """
    count = len(signatures)

    def one(i: Any, signatures: Any) -> Any:
        k = i % count
        row = products[:, k]
        gradient = jnp.sum(row * signatures.T, 1) - projections[:, k]
        curvature = jnp.maximum(jnp.take(row, k, axis=1), 1e-20)
        return signatures.at[k].set(jnp.maximum(signatures[k] - gradient / curvature, 0))

    return jax.lax.fori_loop(0, rounds * count, one, signatures)


def _towards(old: Any, new: Any, step: Any) -> Any:
    return jax.tree.map(lambda a, b: a + step * (b - a), old, new)


def _prior_of(exposures: Any, there: Any, typical: Any) -> Prior:
    """The prior [S] that fits one draw of the exposures [T, S]; nothing is present where no component is."""
    state = GibbsState(exposures, (exposures > 0).astype(jnp.float32), exposures[:, 0])
    prior = Prior(*(values[0] for values in updated_prior(state, jnp.ones((len(exposures), 1)), typical)))
    return prior._replace(presence=jnp.where(there > 0, prior.presence, _LEAST_PRESENCE))


def _advanced(state: _State, x: Any, there: Any, step: Any) -> _State:
    """One iteration: a draw of the exposures, then the averages moved by ``step``, then the signatures."""
    fit, (samples, count) = state.fit, state.fit.draw.shape
    variance = jnp.maximum(state.mean, _FLOOR)
    key, own = jax.random.split(state.key)
    # a component that is not there needs a spectrum, to have a direction at all
    spectra = jnp.where(there[:, None] > 0, fit.signatures, 1 / x.shape[1])
    slabs = slabs_of(fit.prior, fit.draw.dtype)
    exposures = swept(own, 0, fit.draw, held(Problem(x, spectra, variance)), slabs).exposures * there[None, :]
    prior = _towards(fit.prior, _prior_of(exposures, there, x.sum() / x.shape[0] / there.sum()), 0.3 * step)
    present = (exposures > 0).astype(jnp.float32)
    pairs = (exposures[:, :, None] * exposures[:, None, :]).reshape(samples, count * count)
    products = ((1 / variance).T @ pairs).reshape(-1, count, count)
    products = _towards(state.products, products, step)
    projections = _towards(state.projections, (x / variance).T @ exposures, step)
    signatures = quadratic_minimum(fit.signatures, products, projections) * there[:, None]
    # what the signatures lose when they are made to sum to 1 goes to the exposures
    sums = signatures.sum(1)
    sums = jnp.where(sums > 1e-12, sums, 1.0)
    signatures, exposures = signatures / sums[:, None], exposures * sums[None, :]
    return _State(
        key=key,
        mean=_towards(state.mean, exposures @ signatures, 0.1 * step),
        products=products * (sums[:, None] * sums[None, :])[None, :, :],
        projections=projections * sums[None, :],
        fit=Fit(
            signatures=signatures,
            draw=exposures,
            exposures=_towards(fit.exposures, exposures, step),
            presence=_towards(fit.presence, present, step),
            prior=prior._replace(log_mean=prior.log_mean + jnp.log(sums)),
        ),
    )


@jax.jit
def improved(key: Any, x: Any, signatures: Any, exposures: Any, iterations: Any) -> Fit:
    """Signatures after ``iterations`` of stochastic approximation EM (Delyon et al. 1999), and averages over the draws.

    The first half forgets the start (step 1), the second averages with steps i^-0.8. Rows of zeros in ``signatures`` stay.

    Args:
        key: random key.
        x: [T, 96] counts, float32.
        signatures: [S, 96] to begin with.
        exposures: [T, S] to begin with, with exact zeros where nothing is present.
        iterations: number of draws.
    """
    there = (signatures.sum(1) > 0).astype(jnp.float32)
    count, channels = signatures.shape
    present = (exposures > 0).astype(jnp.float32)
    prior = _prior_of(exposures, there, x.sum() / x.shape[0] / there.sum())
    state = _State(
        key=key,
        mean=exposures @ signatures,
        products=jnp.zeros((channels, count, count)),
        projections=jnp.zeros((channels, count)),
        fit=Fit(signatures, exposures, exposures, present, prior),
    )

    def one(i: Any, state: _State) -> _State:
        burn = iterations // 2
        step = jnp.where(i < burn, 1.0, (jnp.maximum(i - burn, 0) + 1.0) ** -0.8)
        return _advanced(state, x, there, step)

    return jax.lax.fori_loop(0, iterations, one, state).fit
