"""Candidates: spectra of which a fit misses something, each updated on the samples that fit worst, and the best of them."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.kl_nmf import TINY, exposure_update
from vaebench.signatures.sparse.criterion import deviances
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.tables import Array
from vaebench.training.compiled import compiled


class CandidateSignature(NamedTuple):
    """A new signature that competes to be added.

    Attributes:
        signature: [M], sums to 1.
        gain: deviance minus ln M that it saves, summed over the samples that are better off with it.
        exposures: [T, S + 1], its own last; those of the known signatures differ from before only in these samples.
    """

    signature: np.ndarray
    gain: float
    exposures: np.ndarray


def candidate_spectra(x: np.ndarray, mean: np.ndarray, order: np.ndarray, options: SparseOptions) -> np.ndarray:
    """Spectra [J, M] of candidates before any update, rows that sum to 1.

    The positive residuals of each of the worst samples, their sums over several of the worst, and whole spectra of the
    worst; how many, ``options`` say.

    Args:
        x: [T, M] counts.
        mean: [T, M] fitted.
        order: [T] positions of the samples, the worst fitted first.
        options: ``single_residuals``, ``summed_residuals``, ``whole_spectra`` and ``candidate_floor`` are used.
    """
    worst = order[: max(options.single_residuals, *options.summed_residuals)]
    residuals = np.maximum(x[worst] - mean[worst], 0.0)
    found = [
        *residuals[: options.single_residuals],
        *(residuals[:many].sum(0) for many in options.summed_residuals),
        *np.asarray(x[order[: options.whole_spectra]], np.float64),
    ]
    shares = np.array([spectrum / max(spectrum.sum(), TINY) for spectrum in found]) + options.candidate_floor
    return shares / shares.sum(1, keepdims=True)


@compiled("options")
def _update_candidates(
    x: jax.Array,
    signatures: jax.Array,
    exposures: jax.Array,
    candidates: jax.Array,
    options: SparseOptions,
    weight: jax.Array | None,
) -> tuple[jax.Array, jax.Array]:
    """Candidates [J, M] and exposures [J, H, S + 1] of x [H, M] after updates in which the known signatures are fixed."""
    total = x.sum(1, keepdims=True)
    shape = jnp.ones(len(signatures) + 1).at[-1].set(options.candidate_shape)[None, :]
    there = signatures.sum(1) > 0
    share = options.spread_share / jnp.maximum(there.sum(), 1) * there
    known_share = 1 - options.candidate_share
    start = jnp.concatenate([known_share * exposures + total * share[None, :], options.candidate_share * total], 1)

    def one(candidate: jax.Array) -> tuple[jax.Array, jax.Array]:
        def step(_: int, both: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            new, exposures = both
            everything = jnp.concatenate([signatures, new[None, :]], 0)
            exposures = exposure_update(x, everything, exposures, shape, weight=weight)
            ratio = x / (exposures @ everything + TINY)
            if weight is None:
                moved = new * (exposures[:, -1] @ ratio)
            else:
                moved = new * (exposures[:, -1] @ (weight * ratio)) / jnp.maximum(exposures[:, -1] @ weight, TINY)
            return moved / jnp.maximum(moved.sum(), TINY), exposures

        return jax.lax.fori_loop(0, options.candidate_iterations, step, (candidate, start))

    return jax.vmap(one)(candidates)


def best_candidate(
    x: jax.Array, signatures: Array, exposures: Array, options: SparseOptions, weight: jax.Array | None = None
) -> CandidateSignature:
    """The candidate that gains most on the samples that fit worst.

    Args:
        x: [T, M] counts.
        signatures: [S, M], rows of zeros for padding.
        exposures: [T, S] at the maximum of the likelihood, zeros where nothing is present.
        options: ``worst_samples``, and those of :func:`candidate_spectra` and its updates, are used.
        weight: [T, M], of each count; 1 without.
    """
    counts, found, known = np.asarray(x), np.asarray(exposures), np.asarray(signatures)
    share = None if weight is None else np.asarray(weight)
    each = deviances(counts, known, found, share)
    order = np.argsort(-each, kind="stable")
    rows = order[: options.worst_samples]
    start = jnp.asarray(candidate_spectra(counts, found @ known, order, options), jnp.float32)
    own = None if share is None else share[rows]
    given = None if own is None else jnp.asarray(own)
    new, moved = _update_candidates(
        jnp.asarray(counts[rows]), jnp.asarray(signatures), jnp.asarray(found[rows]), start, options, given
    )
    spectra, row_exposures = np.asarray(new), np.asarray(moved)
    saved = np.array(
        [
            each[rows] - deviances(counts[rows], np.vstack([known, s[None]]), e, own) - np.log(counts.shape[1])
            for s, e in zip(spectra, row_exposures, strict=True)
        ]
    )
    gains = np.maximum(saved, 0).sum(1)  # a sample that is no better off does without the candidate
    best = int(np.argmax(gains))
    better = saved[best] > 0
    exposures = np.pad(found, ((0, 0), (0, 1)))
    exposures[rows[better]] = row_exposures[best][better]
    return CandidateSignature(spectra[best], float(gains[best]), exposures)
