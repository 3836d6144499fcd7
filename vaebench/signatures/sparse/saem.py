"""Stochastic approximation EM: exposures are drawn from their spike-and-slab posterior, signatures fitted to averages of draws.

Model: x_tc ~ N(mean_tc, v_tc), mean = E @ S, with variance v at the running mean (counts are Poisson, scaled and weighted by the
caller where they are overdispersed), and the prior of :mod:`vaebench.signatures.sampler.priors` on exposures. Each iteration:

  1. draw        one sweep of the Gibbs sampler over the exposures, given signatures and prior
  2. prior       moves towards the prior that fits this draw
  3. averages    of E'E / v and E'x / v move towards those of this draw, by a step of 1 and later of i^-0.8
  4. signatures  minimise the averaged quadratic loss over S >= 0; rows are scaled to sum to 1, exposures the other way round
  5. mean        moves towards E @ S of this draw

Averaging over the posterior of the exposures, and not only using their best values, keeps signatures without peaks apart.
Everything is in float32: draws are noisier than its rounding.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from vaebench.signatures.sampler.priors import updated_prior
from vaebench.signatures.sampler.problem import GibbsState, Prior
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.sparse.sweeps import pair_positions, pair_products, pair_sums, sparse_sweep
from vaebench.training.compiled import compiled

_LEAST_PRESENCE = 1e-9
"""Prior presence of padding, a guard: it must have a logarithm."""

_Tree = TypeVar("_Tree")


class SpectrumPrior(NamedTuple):
    """Known spectra [S, M] of the signatures, rows of zeros for none, and the samples that each is worth."""

    spectra: jax.Array
    weight: float


class AveragedFit(NamedTuple):
    """Signatures, and averages over the draws of the exposures.

    Attributes:
        signatures: [S, M], rows that sum to 1, or to 0 for padding.
        draw: [T, S], the last draw of the exposures.
        exposures: [T, S], their average.
        presence: [T, S], the average of exposure > 0.
        prior: [S], of the exposures.
    """

    signatures: jax.Array
    draw: jax.Array
    exposures: jax.Array
    presence: jax.Array
    prior: Prior


class _Averages(NamedTuple):
    """Running averages of the mean [T, M], of E'E / v [P, M], each pair of signatures once, and E'x / v [S, M], and the fit."""

    key: jax.Array
    mean: jax.Array
    products: jax.Array
    projections: jax.Array
    fit: AveragedFit


@compiled("options")
def refine(
    key: jax.Array,
    x: jax.Array,
    signatures: jax.Array,
    exposures: jax.Array,
    iterations: int,
    options: SparseOptions,
    weight: jax.Array,
    known: SpectrumPrior | None = None,
) -> AveragedFit:
    """Refine signatures by ``iterations`` draws of stochastic approximation EM.

    During the first ``options.burn_in`` of the draws the step is 1, so that the start is forgotten; later steps are
    i^-``options.step_power``, so that draws are averaged.

    Source: Delyon, Lavielle and Moulines 1999.

    Args:
        key: random key.
        x: [T, M] counts, float32.
        signatures: [S, M] to start from; rows of zeros are padding and stay.
        exposures: [T, S] to start from, with exact zeros where nothing is present.
        iterations: number of draws.
        options: those of stochastic approximation EM are used.
        weight: [T, M], of each count, by which its variance is divided.
        known: prior on the signatures; ``None`` for none.
    """
    there = (signatures.sum(1) > 0).astype(jnp.float32)
    count, channels = signatures.shape
    present = (exposures > 0).astype(jnp.float32)
    prior = _fitted_prior(exposures, there, x.sum() / x.shape[0] / there.sum())
    state = _Averages(
        key=key,
        mean=exposures @ signatures,
        products=jnp.zeros((count * (count + 1) // 2, channels)),
        projections=jnp.zeros((count, channels)),
        fit=AveragedFit(signatures, exposures, exposures, present, prior),
    )
    burn = jnp.floor(options.burn_in * iterations).astype(jnp.int32)

    def one(i: jax.Array, state: _Averages) -> _Averages:
        step = jnp.where(i < burn, 1.0, (jnp.maximum(i - burn, 0) + 1.0) ** -options.step_power)
        return _iteration(state, x, there, step, options, weight, known)

    return jax.lax.fori_loop(0, iterations, one, state).fit


def compile_refine(shape: tuple[int, int], signatures: int, options: SparseOptions, known: float | None) -> None:
    """Compile :func:`refine` for counts of ``shape`` [T, M] and so many signatures, padding included; later calls find it.

    ``known`` is the weight of a prior on the signatures; ``None`` for none.
    """
    samples, channels = shape

    def of(*shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, jnp.float32)

    spectra, prior = of(signatures, channels), None
    if known is not None:
        prior = SpectrumPrior(spectra, known)  # pyright: ignore[reportArgumentType]  (a shape stands for an array)
    counts = of(samples, channels)
    refine.program.lower(
        jax.random.key(0), counts, spectra, of(samples, signatures), 1, options, counts, prior
    ).compile()


def _iteration(
    state: _Averages,
    x: jax.Array,
    there: jax.Array,
    step: jax.Array,
    options: SparseOptions,
    weight: jax.Array,
    known: SpectrumPrior | None,
) -> _Averages:
    """One iteration as in the module's docstring; ``there`` [S] is 0 for padding."""
    fit, count = state.fit, len(there)
    variance = jnp.maximum(state.mean, options.variance_floor) / weight
    key, own = jax.random.split(state.key)
    last = jnp.max(jnp.where(there > 0, jnp.arange(count) + 1, 0))
    # 1
    exposures = sparse_sweep(own, x, fit.signatures, variance, fit.draw, fit.prior, last, options) * there[None, :]
    # 2
    target = _fitted_prior(exposures, there, x.sum() / x.shape[0] / there.sum())
    prior = _towards(fit.prior, target, options.prior_step * step)
    # 3
    present = (exposures > 0).astype(jnp.float32)
    products = _towards(state.products, pair_sums(exposures.T, 1 / variance, last), step)
    projections = _towards(state.projections, exposures.T @ (x / variance), step)
    # 4: what scaling takes from the signatures goes to the exposures, the averages and the prior
    with_prior = products[pair_positions(count)], projections
    if known is not None:
        with_prior = _with_prior(*with_prior, jnp.sum(fit.presence, 0), known)
    signatures = quadratic_minimum(fit.signatures, *with_prior, options.coordinate_rounds, last) * there[:, None]
    sums = signatures.sum(1)
    sums = jnp.where(sums > 1e-12, sums, 1.0)
    signatures, exposures = signatures / sums[:, None], exposures * sums[None, :]
    return _Averages(
        key=key,
        mean=_towards(state.mean, exposures @ signatures, options.mean_step * step),  # 5
        products=products * pair_products(sums[:, None]),
        projections=projections * sums[:, None],
        fit=AveragedFit(
            signatures=signatures,
            draw=exposures,
            exposures=_towards(fit.exposures, exposures, step),
            presence=_towards(fit.presence, present, step),
            prior=prior._replace(log_mean=prior.log_mean + jnp.log(sums)),
        ),
    )


def _with_prior(
    products: jax.Array, projections: jax.Array, samples: jax.Array, known: SpectrumPrior
) -> tuple[jax.Array, jax.Array]:
    """A [S, S, M] and B [S, M] of the quadratic loss with the prior's terms; ``samples`` [S] have each signature.

    The prior is worth ``known.weight`` times what one of these samples tells on average: the diagonal of A over their number.
    """
    place = jnp.arange(len(samples))
    diagonal = products[place, place]
    extra = diagonal * (known.weight / jnp.maximum(samples, 1) * (known.spectra.sum(1) > 0))[:, None]
    return products.at[place, place].add(extra), projections + extra * known.spectra


def quadratic_minimum(
    signatures: jax.Array, products: jax.Array, projections: jax.Array, rounds: int, count: jax.Array | int
) -> jax.Array:
    """Minimum over S >= 0 of sum_c S_c' A_c S_c / 2 - B_c' S_c, by coordinate descent from ``signatures``.

    Args:
        signatures: [S, M].
        products: A [S, S, M] = sum_t e e' / v_tc.
        projections: B [S, M] = sum_t e x_tc / v_tc.
        rounds: number of passes over the signatures.
        count: signatures that are not padding, which come first.
    """

    def one(i: jax.Array, signatures: jax.Array) -> jax.Array:
        k = i % count
        row = products[k]
        gradient = jnp.sum(row * signatures, 0) - projections[k]
        curvature = jnp.maximum(row[k], 1e-20)
        return signatures.at[k].set(jnp.maximum(signatures[k] - gradient / curvature, 0))

    return jax.lax.fori_loop(0, rounds * count, one, signatures)


def _towards(old: _Tree, new: _Tree, step: jax.Array) -> _Tree:
    """``old`` moved by a share ``step`` of the way to ``new``."""
    return jax.tree.map(lambda a, b: a + step * (b - a), old, new)


def _fitted_prior(exposures: jax.Array, there: jax.Array, typical: jax.Array) -> Prior:
    """Prior [S] that fits one draw of the exposures [T, S]; ``typical`` is an exposure to expect where there is none."""
    state = GibbsState(exposures, (exposures > 0).astype(jnp.float32), exposures[:, 0])
    prior = Prior(*(values[0] for values in updated_prior(state, jnp.ones((len(exposures), 1)), typical)))
    return prior._replace(presence=jnp.where(there > 0, prior.presence, _LEAST_PRESENCE))
