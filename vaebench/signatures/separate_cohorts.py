"""Small cohorts that share nothing, drawn side by side at nearly the cost of one: for simulations of a refit of few samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vaebench.signatures.dispersion import Scatter
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.published import KnownTypes
from vaebench.signatures.resemblance import evidence, speaking, weights_of
from vaebench.signatures.sampler.grounds import Ground, TypeMixture, stacked, unstacked, weak_ground
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.posterior import sampled
from vaebench.signatures.sampler.summary import ExposurePosterior
from vaebench.signatures.tables import OnProgress, no_progress
from vaebench.signatures.type_grounds import ground_of_types


def separate_posteriors(
    cohorts: Sequence[np.ndarray],
    signatures: pd.DataFrame,
    scatters: Sequence[Scatter],
    found: KnownTypes | None,
    unsure: bool,
    *,
    level: float = 0.95,
    seed: int = 0,
    options: SamplerOptions = SAMPLER,
    progress: OnProgress = no_progress,
) -> ExposurePosterior:
    """Posterior of the exposures of all samples of ``cohorts``, each with the prior that its own counts would give it.

    Args:
        cohorts: counts [T, M] of each; every sample with some mutations.
        signatures: [S, M].
        scatters: noise of each cohort, of one model: they differ in the dispersion of Poisson counts alone.
        found: facts of the tumour types that samples may be of; ``None`` for a weak prior.
        unsure: true if nobody named the tissue.
        level: of the intervals.
        seed: of the chains.
        options: of the sampler.
        progress: see :data:`vaebench.signatures.tables.OnProgress`.
    """
    counts, s = np.concatenate(cohorts), signatures.to_numpy()
    ground, alone = (
        _ground_of(_grounds(cohorts, s, found, unsure, options), [len(x) for x in cohorts]),
        len(cohorts) == 1,
    )
    return sampled(
        counts,
        s,
        maximum_likelihood(counts, s).exposures,
        scatters[0],
        dispersion=np.concatenate([v.dispersion_of(x) for v, x in zip(scatters, cohorts, strict=True)]),
        groups=np.repeat(np.eye(len(cohorts)), [len(x) for x in cohorts], 0),
        ground=ground,
        separate=not alone,
        level=level,
        seed=seed,
        options=options,
        progress=progress,
    )


def _grounds(
    cohorts: Sequence[np.ndarray],
    signatures: np.ndarray,
    found: KnownTypes | None,
    unsure: bool,
    options: SamplerOptions,
) -> list[Ground]:
    """Ground of each cohort: from the types that its own counts resemble, or a weak one."""
    if found is None:
        grounds = [weak_ground(x, len(signatures), options) for x in cohorts]
    else:
        counts = np.concatenate(cohorts)
        clear = np.zeros((len(counts), 1))
        if unsure:
            clear = evidence(counts, signatures, found.without_unknown(), found.within)
        rows = np.split(clear, np.cumsum([len(x) for x in cohorts])[:-1])
        each = zip(rows, cohorts, strict=True)
        own = [found._replace(shares=weights_of(part, found.common, speaking(x)), evidence=part) for part, x in each]
        grounds = [ground_of_types(x, facts, unsure, options)[0] for x, facts in zip(cohorts, own, strict=True)]
    return grounds


def _ground_of(grounds: Sequence[Ground], sizes: Sequence[int]) -> Ground:
    """One ground of cohorts of ``sizes`` samples: arrays [G, S], or one mixture of the types of all their samples."""
    if len(grounds) == 1:
        return grounds[0]
    if not any(ground.mixture for ground in grounds):
        return stacked(grounds)
    rows, weights, groups, each, first = [], [], [], [], 0
    for ground, size in zip(grounds, sizes, strict=True):
        own = np.arange(first, first + size)
        if ground.mixture is None:
            parts, number, chance = [ground], np.zeros(size, int), np.ones(size)
        else:
            parts, number, chance = unstacked(ground.mixture.ground), ground.mixture.groups, ground.mixture.weights
            own = first + ground.mixture.rows
        rows, weights, groups = [*rows, own], [*weights, chance], [*groups, len(each) + number]
        each, first = [*each, *parts], first + size
    parts = (np.concatenate(v) for v in (rows, weights, groups))
    return grounds[0]._replace(mixture=TypeMixture(*parts, ground=stacked(each)))
