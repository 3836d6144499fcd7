"""Chains of a whole cohort, advanced sweep by sweep: exposures given the prior, then the prior given the exposures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.sampler.autologistic import Cooccurrence, Tumours, followed, matched
from vaebench.signatures.sampler.burdens import drawn_burdens, first_burdens, shifts_of
from vaebench.signatures.sampler.companions import companions_of
from vaebench.signatures.sampler.grounds import Ground
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.priors import LogSums, drawn_prior, log_sums
from vaebench.signatures.sampler.problem import Held, Prior, Problem, held
from vaebench.signatures.sampler.proposals import Slab, shifted, slab_of
from vaebench.signatures.sampler.versions import columns_of, split, versions_of, with_versions
from vaebench.signatures.sampler.visits import Timetable, timetable, visited

_SLAB_OF = jax.jit(slab_of)
BLOCK = 500
"""Rows drawn at once: 96 channels of them fit the cache."""
_ALONE = 64  # rows that are one block: below it threads cost more than they save


class ChainData(NamedTuple):
    """Data of the chains, in blocks of rows that are drawn at once; made by :func:`cohort_of`.

    A row is one sample in one chain.

    Attributes:
        blocks: the data of each block, as many rows each.
        rows: [blocks, rows] numbers of the rows; the last block is filled up with the first rows.
        groups: [T, G], cancer types as 0 and 1.
        ground: of the prior, with columns for versions of signatures (:mod:`vaebench.signatures.sampler.versions`).
        noise: a name in :data:`vaebench.signatures.sampler.problem.NOISES`.
        seed: of the chains.
        similarity: [S, S], cosines of the signatures.
        tables: the visits of each block.
        separate: the groups are cohorts that share nothing, and the ground is [G, S].
        others: sums of samples of the cohort whose chains have ended, by draw; the prior of a sweep is drawn from one of them
            and the exposures of those that go on.
    """

    blocks: list[Held]
    rows: np.ndarray
    groups: np.ndarray
    ground: Ground
    noise: str
    seed: int
    similarity: np.ndarray
    tables: list[Timetable]
    separate: bool = False
    others: Sequence[LogSums] = ()


class ChainRun(NamedTuple):
    """A stretch of all chains.

    Attributes:
        exposures: [C, T, S] at its end.
        draws: [C, n, T, S] in float32, those kept and not taken elsewhere.
        prior: [G, S + V], mean over chains and sweeps of the drawn priors.
        presence: [T, S], mean probability with which a visited exposure was drawn above 0; of stretches without draws.
        burdens: [C, T, B] at its end (:func:`vaebench.signatures.sampler.burdens.burden_moments`).
        tumours: without counts, [S, C, G, n] at its end; ``None`` for a prior that needs none.
    """

    exposures: np.ndarray
    draws: np.ndarray
    prior: Prior
    presence: np.ndarray
    burdens: np.ndarray
    tumours: Tumours | None = None


def cohort_of(
    problem: Problem,
    noise: str,
    groups: np.ndarray,
    ground: Ground,
    seed: int,
    chains: int,
    most: int,
    size: int | None = None,
) -> ChainData:
    """Lay out ``problem`` [T, ...] for ``chains`` chains, at most ``most`` rows to a block, or ``size`` rows if that is given.

    All blocks have the same number of rows, so that one program is compiled. Their layout does not depend on the machine:
    the same seed gives the same draws.
    """
    samples = len(problem.x)
    total = chains * samples
    size = size or (total if total <= min(_ALONE, most) else min(most, -(-total // 2)))
    rows = np.resize(np.arange(total), (-(-total // size), size))
    blocks = blocks_of(problem, noise, rows)
    whitened = np.asarray(problem.signatures) / np.sqrt(np.mean(problem.variance, 0))
    unit = whitened / np.linalg.norm(whitened, axis=1, keepdims=True)
    cohort = ChainData(blocks, rows, groups, with_versions(ground), noise, seed, unit @ unit.T, [])
    return with_timetable(cohort, None, 0)


def blocks_of(problem: Problem, noise: str, rows: np.ndarray, heat: float = 1.0) -> list[Held]:
    """The data of each block of ``rows`` [blocks, rows], with log likelihoods divided by ``heat``."""
    x, signatures, variance, dispersion, size = (np.asarray(v, np.float64) for v in problem)
    variance, dispersion = heat * variance, np.broadcast_to(heat * dispersion, len(x))
    with jax.enable_x64(True):
        blocks = [held(Problem(x[i], signatures, variance[i], dispersion[i], size)) for i in rows % len(x)]
        if noise != "gaussian":  # float32 is exact to 1e-7 of the counts, which scatter by far more
            blocks = [jax.tree.map(lambda v: v.astype(jnp.float32), block) for block in blocks]
    return blocks


def with_timetable(
    cohort: ChainData, presence: np.ndarray | None, sweep: int, options: SamplerOptions = SAMPLER
) -> ChainData:
    """``cohort`` with visits by P(present) [T, S] as found until ``sweep``; ``None`` for all signatures in every sweep."""
    rng = np.random.default_rng([cohort.seed, sweep, 1])
    table = timetable(rng, presence, cohort.similarity, options)
    singles, firsts, seconds = (np.asarray(v) for v in table[:3])
    rows = cohort.rows % singles.shape[1]
    return cohort._replace(
        tables=[Timetable(singles[:, own], firsts[:, own], seconds[:, own], table.steps) for own in rows]
    )


def chain_run(
    cohort: ChainData,
    exposures: np.ndarray,
    first: int,
    n: int,
    keep: int = 0,
    options: SamplerOptions = SAMPLER,
    progress: Callable[[int], None] = lambda done: None,
    into: Callable[[int, np.ndarray], None] | None = None,
    burdens: np.ndarray | None = None,
    tumours: Tumours | None = None,
) -> ChainRun:
    """Run ``n`` sweeps of all chains.

    Args:
        cohort: data.
        exposures: [C, T, S] at the start.
        first: number of the first sweep; the random numbers of a sweep follow from the seed and its number.
        n: number of sweeps.
        keep: every so many sweeps the draw is kept; 0 to keep none.
        options: constants of the sampler.
        progress: called with the number of sweeps done.
        into: takes the number and the exposures [C, T, S] of each draw that is kept; ``None`` to return the draws.
        burdens: [C, T, B] at the start; ``None`` for those of the exposures.
        tumours: without counts, at the start; ``None`` to draw them if the prior needs some.
    """
    chains, samples, count = exposures.shape
    flat = exposures.reshape(-1, count).astype(cohort.blocks[0].x.dtype)
    draws = np.empty((chains, n // keep if keep and into is None else 0, samples, count), np.float32)
    keys = [jax.random.fold_in(jax.random.key(cohort.seed), b) for b in range(len(cohort.blocks))]
    types = cohort.groups.argmax(1)
    own = (np.arange(chains)[:, None] * cohort.groups.shape[1] + types).ravel()  # each row's prior
    tables = [jax.tree.map(jnp.asarray, table) for table in cohort.tables]
    sums = [np.zeros(()) for _ in Prior._fields]
    chances, visits = np.zeros((2, *flat.shape), np.float32)

    if burdens is None:
        burdens = first_burdens(exposures, cohort.groups, cohort.ground)

    pairs = cohort.ground.pairs
    companions, columns = companions_of(pairs), columns_of(versions_of(pairs), count)
    with ThreadPoolExecutor(max(1, min(len(keys), os.cpu_count() or 1))) as pool:
        for i in range(first, first + n):
            prior, burdens = _prior(cohort, flat.reshape(exposures.shape), burdens, i, options)
            tumours = _followed(cohort, tumours, prior, i, options)
            slabs = _slabs(prior, flat.dtype, tumours or pairs, columns)
            shift = shifts_of(burdens, cohort.groups, cohort.ground)
            shift = shift.reshape(len(flat), -1).astype(flat.dtype)

            def drawn(
                b: int, i: int = i, flat: np.ndarray = flat, slabs: Slab = slabs, shift: np.ndarray = shift
            ) -> tuple[np.ndarray, np.ndarray]:
                rows = cohort.rows[b]
                with jax.enable_x64(True):
                    mine = shifted(Slab(*(v[own[rows]] for v in slabs)), shift[rows])
                    state = visited(keys[b], i, flat[rows], cohort.blocks[b], mine, tables[b], cohort.noise, companions)
                return np.asarray(state.exposures), np.asarray(state.presence)

            found = list(pool.map(drawn, range(len(keys))) if len(keys) > 1 else [drawn(0)])
            flat, chance = (np.concatenate(parts)[: len(flat)] for parts in zip(*found, strict=True))
            if not keep:
                chances += chance
                visits += chance > 0
            sums = [total + part.mean(0) / n for total, part in zip(sums, prior, strict=True)]
            if keep and (i - first + 1) % keep == 0:
                place, kept = (i - first) // keep, flat.reshape(exposures.shape)
                if into is None:
                    draws[:, place] = kept
                else:
                    into(place, kept)
            progress(i - first + 1)
    chances, visits = (v.reshape(exposures.shape).sum(0) for v in (chances, visits))
    chances /= np.maximum(visits, 1)
    return ChainRun(flat.reshape(exposures.shape), draws, Prior(*sums), chances, burdens, tumours)


def _followed(
    cohort: ChainData, tumours: Tumours | None, prior: Prior, sweep: int, options: SamplerOptions
) -> Tumours | None:
    """Tumours without counts of a sweep, whose shifts follow the ``prior`` [C, G, S]; ``None`` where it needs none."""
    pairs = cohort.ground.pairs
    if pairs is None or pairs.shifts is not None:
        return None
    rng, log_odds = np.random.default_rng([cohort.seed, sweep, 3]), np.asarray(pairs.log_odds)
    chance = np.asarray(prior.presence)[..., : len(log_odds)]
    if tumours is None:
        tumours = matched(rng, chance, log_odds, max(options.tumours // chance.shape[1], options.least_tumours))
    return followed(rng, tumours, chance, log_odds)


def _slabs(prior: Prior, dtype: np.dtype, pairs: Tumours | Cooccurrence | None, columns: np.ndarray) -> Slab:
    """Slabs [C G, S + V] of a ``prior`` [C, G, S + V] with the shifts of ``pairs``; their logarithms are taken in float64."""
    with jax.enable_x64(True):
        parts = _SLAB_OF(*(jnp.asarray(v) for v in prior))
        if pairs is not None:
            shifts = np.asarray(pairs.shifts)
            shifts = shifts[..., columns] if shifts.ndim else shifts
            shifts = np.broadcast_to(shifts, parts.log_present.shape)
            parts = parts._replace(log_present=parts.log_present + shifts)
    return Slab(*(np.asarray(v, dtype).reshape(-1, v.shape[-1]) for v in parts))  # type: ignore[arg-type]


def _prior(
    cohort: ChainData, exposures: np.ndarray, burdens: np.ndarray, sweep: int, options: SamplerOptions
) -> tuple[Prior, np.ndarray]:
    """The prior [C, G, S + V] and burdens [C, T, B] of a sweep: at first as expected, then drawn given exposures [C, T, S]."""
    exposures = split(exposures, versions_of(cohort.ground.pairs))
    if sweep >= options.ignored:
        rng = np.random.default_rng([cohort.seed, sweep])
        sums = log_sums(exposures, cohort.groups, shifts_of(burdens, cohort.groups, cohort.ground))
        if cohort.others:
            ended = cohort.others[sweep % len(cohort.others)]
            sums = LogSums(*(moving + still for moving, still in zip(sums, ended, strict=True)))
        prior = drawn_prior(rng, sums, cohort.ground, options, cohort.separate)
        return prior, drawn_burdens(rng, exposures, prior, cohort.groups, cohort.ground)
    ground = cohort.ground
    shape = (len(exposures), cohort.groups.shape[1], exposures.shape[2])
    parts = (ground.presence, ground.log_mean, np.sqrt(ground.variance))
    return Prior(*(np.broadcast_to(np.asarray(v, np.float64), shape) for v in parts)), burdens
