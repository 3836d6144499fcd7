"""Small cohorts that share nothing, drawn side by side at nearly the cost of one: for simulations of a refit of few samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vaebench.signatures.dispersion import Scatter
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.published import KnownTypes, ground_of_types
from vaebench.signatures.resemblance import evidence, weights_of
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.posterior import sampled
from vaebench.signatures.sampler.priors import Ground, weak_ground
from vaebench.signatures.sampler.summary import ExposurePosterior
from vaebench.signatures.tables import OnProgress, no_progress


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
    grounds = _grounds(cohorts, s, found, unsure, options)
    alone = len(cohorts) == 1
    return sampled(
        counts,
        s,
        maximum_likelihood(counts, s).exposures,
        scatters[0],
        dispersion=np.concatenate([v.dispersion_of(x) for v, x in zip(scatters, cohorts, strict=True)]),
        groups=np.repeat(np.eye(len(cohorts)), [len(x) for x in cohorts], 0),
        ground=grounds[0] if alone else _stacked(grounds),
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
        clear = evidence(counts, signatures, found.without_unknown()) if unsure else np.zeros((len(counts), 1))
        rows = np.split(clear, np.cumsum([len(x) for x in cohorts])[:-1])
        own = [found._replace(shares=weights_of(part)) for part in rows]
        grounds = [ground_of_types(x, facts, unsure, options)[0] for x, facts in zip(cohorts, own, strict=True)]
    loading = np.ones(len(signatures))
    return [ground._replace(loading=loading * ground.loading) for ground in grounds]


def _stacked(grounds: Sequence[Ground]) -> Ground:
    """One ground of all cohorts, arrays [G, S]; their log odds of pairs differ by the numbers of samples alone."""
    parts = [np.stack([np.asarray(v) for v in part]) for part in zip(*(g[:-1] for g in grounds), strict=True)]
    pairs = [ground.pairs for ground in grounds if ground.pairs is not None]
    follow = [own for own in pairs if own.shifts is None]  # cohorts of several samples, if one is
    return Ground(*parts, pairs=next(iter(follow or pairs), None))
