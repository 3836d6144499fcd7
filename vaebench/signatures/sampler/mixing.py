"""Chains that go on: those of samples whose exposures have not mixed, while the others keep the draws that they have.

Chains end when the worst hundredth of all exposures has mixed. In a cohort a few samples mix slowly. Their chains alone are
continued; the prior of each sweep is then drawn given their exposures and, of the samples whose chains have ended, one of their
draws after the other. So the prior is still drawn from its posterior, up to what a few slow samples tell of it: a cancer type
with fewer than ``options.independent`` samples goes on as a whole. Burdens are not kept with the draws; those of the samples that
have ended are drawn again, given the exposures and the mean of the priors so far.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vaebench.signatures.sampler.autologistic import Tumours
from vaebench.signatures.sampler.burdens import drawn_burdens, shifts_of
from vaebench.signatures.sampler.chains import BLOCK, ChainData, cohort_of, with_timetable
from vaebench.signatures.sampler.draws import Draws
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.priors import log_sums
from vaebench.signatures.sampler.problem import Prior, Problem
from vaebench.signatures.sampler.summary import ExposurePosterior
from vaebench.signatures.sampler.versions import split, versions_of

_LEAST = 32  # samples that go on: fewer take as long
_SURE = 2.0  # times the effective draws of the worst hundredth that each exposure has when its sample ends
_ROWS = 128  # rows of a block of those that go on, whatever their number, so that one program is compiled


class Moving(NamedTuple):
    """Chains that go on.

    Attributes:
        cohort: their data.
        rows: [t], their samples, in increasing order.
        exposures: [C, t, S], their state.
        draws: those kept of them.
        burdens: [C, t, B], ``None`` at the start.
        tumours: without counts, ``None`` at the start or where the prior needs none.
    """

    cohort: ChainData
    rows: np.ndarray
    exposures: np.ndarray
    draws: Draws
    burdens: np.ndarray | None = None
    tumours: Tumours | None = None


def mixing(
    found: ExposurePosterior, options: SamplerOptions = SAMPLER, rows: np.ndarray | slice = slice(None)
) -> tuple[float, float]:
    """R-hat and effective draws of the worst hundredth of the exposures whose P(present) is ``options.judged`` or more.

    ``rows`` are the samples that are asked about, all by default.
    """
    judged = found.presence[rows] >= options.judged
    if not judged.any():
        return 1.0, float(found.draws)
    worst = np.quantile(found.r_hat[rows][judged], 0.99, method="higher")
    return float(worst), float(np.quantile(found.effective[rows][judged], 0.01))


def has_mixed(
    found: ExposurePosterior, options: SamplerOptions = SAMPLER, rows: np.ndarray | slice = slice(None)
) -> bool:
    """True if the worst hundredth of the exposures that are judged reaches the R-hat and effective draws of ``options``."""
    worst, effective = mixing(found, options, rows)
    return worst <= options.r_hat and effective >= options.effective


def slow_samples(found: ExposurePosterior, groups: np.ndarray, options: SamplerOptions = SAMPLER) -> np.ndarray:
    """Samples [T] whose chains have not mixed, as booleans.

    In cancer types (``groups`` [T, G]) with ``options.independent`` samples and more, those with an exposure that misses the
    R-hat of ``options`` or twice their effective draws; of smaller ones all samples, if the worst hundredth of their exposures
    has not mixed.
    """
    judged = found.presence >= options.judged
    missed = (found.r_hat > options.r_hat) | (found.effective < _SURE * options.effective)
    slow = np.asarray(np.any(judged & missed, axis=1))
    for own in groups.T.astype(bool):
        if own.sum() < options.independent:
            slow[own] = not has_mixed(found, options, own)
    return slow


def rows_to_continue(
    found: ExposurePosterior, slow: np.ndarray, rows: np.ndarray, groups: np.ndarray, options: SamplerOptions = SAMPLER
) -> np.ndarray:
    """The samples that go on, of those in ``rows``: the ``slow`` [T] ones, or all if the others would save little.

    Their number is a power of two where it can be, so that few programs are compiled: the next slowest go on with them, but
    for those of the small cancer types that have ended.
    """
    judged = found.presence >= options.judged
    least = np.where(judged, found.effective, np.inf).min(1)
    large = (groups @ (groups.sum(0) >= options.independent)) > 0
    able = rows[(slow | large)[rows]]
    number = max(_LEAST, 1 << int(slow.sum() - 1).bit_length())
    if 2 * number > len(rows):
        return rows
    order = np.lexsort((least[able], ~slow[able]))
    return np.sort(able[order[:number]])


def narrowed(
    moving: Moving,
    rows: np.ndarray,
    draws: Draws,
    problem: Problem,
    presence: np.ndarray,
    groups: np.ndarray,
    prior: Prior,
    options: SamplerOptions = SAMPLER,
) -> Moving:
    """The chains of the samples in ``rows`` alone.

    Args:
        moving: chains of more samples.
        rows: [t], in increasing order.
        draws: of all samples.
        problem: of all samples.
        presence: [T, S], P(present) from which the timetable is made.
        groups: [T, G], cancer types of all samples.
        prior: [G, S + V], mean of those drawn so far, given which the burdens of the samples that have ended are drawn.
        options: constants of the sampler.
    """
    before, chains = moving.cohort, draws.shape[0]
    x, variance, dispersion = problem.x, problem.variance, np.broadcast_to(problem.dispersion, len(problem.x))
    own = problem._replace(x=np.asarray(x)[rows], variance=np.asarray(variance)[rows], dispersion=dispersion[rows])
    cohort = cohort_of(own, before.noise, groups[rows], before.ground, before.seed, chains, BLOCK, _ROWS)
    ended = np.setdiff1d(np.arange(len(groups)), rows)
    rng, each = np.random.default_rng([before.seed, 2]), Prior(*(np.repeat(v[None], chains, 0) for v in prior))
    others = []
    for place in range(draws.shape[1]):
        still = split(draws.at(place)[:, ended].astype(np.float64), versions_of(before.ground.pairs))
        burdens = drawn_burdens(rng, still, each, groups[ended], before.ground)
        others.append(log_sums(still, groups[ended], shifts_of(burdens, groups[ended], before.ground)))
    cohort = with_timetable(cohort, presence[rows], options.learning, options)
    cohort = cohort._replace(separate=before.separate, others=others)
    own = np.searchsorted(moving.rows, rows)
    burdens = None if moving.burdens is None else moving.burdens[:, own]
    return Moving(cohort, rows, moving.exposures[:, own], draws.of(rows), burdens, moving.tumours)
