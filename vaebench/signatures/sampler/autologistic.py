"""Signatures that tumours have together, or hardly ever: the prior of presence, given the other signatures of a sample.

Presence z_k of 0 or 1 has the joint prior of the autologistic model (Besag 1974),

    P(z) ~ exp(sum_k a_k z_k + sum_{j<k} w_jk z_j z_k)

so that the log odds of z_k given the others are a_k + sum_j w_jk z_j. The a_k are those with which each signature is present as
often as P(present) p_k says. For a single sample p is as expected, and so are the a_k
(:func:`vaebench.signatures.cooccurrence.pairs_of`). A cohort draws p in every sweep, and the a_k follow: tumours without counts
are drawn beside each chain, and show how often signatures would be present (:func:`followed`).

Deviates: p is drawn from Beta given the numbers of samples with each signature, as if signatures were independent. The likelihood
of p has the normalising constant of P(z), which nothing but these tumours knows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from scipy.special import expit, logit


class Cooccurrence(NamedTuple):
    """Signatures that occur together.

    Attributes:
        log_odds: w [S, S], symmetric, zeros on the diagonal.
        shifts: a [S], or [G, S] of each cohort, less the log odds of P(present); ``None`` where they follow P(present).
        changes: [S, S], what the presence of the second signature is expected to add to the mean of ln e of the first
            (:mod:`vaebench.signatures.sampler.versions`); a scalar where sizes do not depend on what else is present.
        spreads: [S, S], what it is expected to add to ln of its standard deviation, where it changes the mean.
    """

    log_odds: ArrayLike
    shifts: ArrayLike | None
    changes: ArrayLike = 0.0
    spreads: ArrayLike = 0.0


class Tumours(NamedTuple):
    """Tumours without counts, of any number of cohorts.

    Attributes:
        there: [S, ..., n], which signatures each has, 0 or 1.
        shifts: [..., S], a less the log odds of P(present).
    """

    there: np.ndarray
    shifts: np.ndarray


_SWEEPS = 60  # of Gibbs sampling until tumours are as they should be; in the first half shifts move freely
# P(present) below which a signature hardly tells of the others, and is drawn in every sixth sweep only
_RARE, _SELDOM = 0.01, 6
_POSSIBLE = (1e-9, 1 - 1e-9)  # P(present) with a logarithm


def matched(rng: np.random.Generator, chance: np.ndarray, log_odds: np.ndarray, n: int) -> Tumours:
    """Tumours, ``n`` for each row of ``chance`` [..., S], and the shifts with which signatures are present as often as it says.

    By stochastic approximation (Robbins and Monro 1951) along Gibbs sampling of the tumours; the shifts are as exact as these
    are many. Signatures that are always or never there stay so.
    """
    first = rng.random((chance.shape[-1], *chance.shape[:-1], n)) < np.moveaxis(chance, -1, 0)[..., None]
    tumours = Tumours(first.astype(np.float32), -chance @ log_odds)
    every, common = log_odds.any(1), (chance > _RARE).reshape(-1, chance.shape[-1]).any(0)
    for sweep in range(_SWEEPS):
        own = every if sweep % _SELDOM == 0 else every & common
        step = 1 / (1 + max(0, sweep - _SWEEPS // 2))
        steps = np.where(common, step, min(1.0, _SELDOM * step))
        tumours = followed(rng, tumours, chance, log_odds, steps, np.flatnonzero(own))
    return tumours


def followed(
    rng: np.random.Generator,
    tumours: Tumours,
    chance: np.ndarray,
    log_odds: np.ndarray,
    steps: ArrayLike = 1.0,
    drawn: np.ndarray | None = None,
) -> Tumours:
    """Tumours after one sweep, and their shifts after a step towards those with which P(present) is ``chance`` [..., S].

    By Newton's method. With smaller steps shifts lag behind P(present), and both drift: signatures that occur together would
    become common in samples that do not show them.

    Args:
        rng: of the draws.
        tumours: before.
        chance: P(present) [..., S] as it is drawn now.
        log_odds: [S, S], of pairs.
        steps: scalar or [S], 1 for Newton's.
        drawn: numbers of the signatures that are drawn; ``None`` for all that occur together with others.
    """
    there, shifts = tumours.there.copy(), tumours.shifts.copy()
    possible, u = np.clip(chance, *_POSSIBLE), rng.random(there.shape, np.float32)
    alone, weights = logit(possible), log_odds.astype(np.float32)
    steps = np.broadcast_to(np.asarray(steps), len(log_odds))
    for k in np.flatnonzero(log_odds.any(1)) if drawn is None else drawn:
        given = expit((alone + shifts)[..., k, None].astype(np.float32) + np.tensordot(weights[k], there, 1))
        moves = ((chance > 0) & (chance < 1))[..., k, None]
        there[k] = np.where(moves, u[k] < given, there[k])
        # of the mean of ``given`` and not of its logarithm, in which the noise of few tumours would have a bias
        short = (possible[..., k] - given.mean(-1, dtype=np.float64)) / (possible[..., k] * (1 - possible[..., k]))
        shifts[..., k] += steps[k] * np.clip(short, -1, 1)
    return Tumours(there, shifts)
