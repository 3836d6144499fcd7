"""The coverage to expect of intervals on a cohort of one's own: cohorts like it are simulated and refitted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from vaebench.signatures.coverage import coverage_table
from vaebench.signatures.intervals.ends import redrawn
from vaebench.signatures.likelihood import maximum_likelihood, negative_binomial, scatter
from vaebench.signatures.refitting import checked_options, checked_tables, refit
from vaebench.signatures.sampler.posterior import KEPT, sampled
from vaebench.types import InputError


def calibrate(
    catalogue: pd.DataFrame,
    signatures: pd.DataFrame,
    *,
    intervals: str = "spike_slab",
    noise: str = "poisson",
    level: float = 0.95,
    draws: int = 5,
    seed: int = 0,
    types: pd.Series | None = None,
    fractions: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> pd.DataFrame:
    """Coverage by size and by signature, as :func:`vaebench.signatures.coverage.coverage_table`, over simulated cohorts.

    The true exposures of a simulated cohort are one draw of their posterior given the catalogue, by the spike-and-slab
    model whatever the method: some are 0, as in tumours. Counts have the noise estimated from the catalogue. That the
    signatures, the noise or this model are wrong cannot be seen here: look at the notes of a refit for that.

    Args:
        catalogue: counts [T, 96].
        signatures: [S, 96].
        intervals: a name in :data:`vaebench.signatures.intervals.methods.METHODS`.
        noise: as in :func:`vaebench.signatures.refitting.refit`, as are ``level``, ``types`` and ``fractions``.
        level: nominal coverage.
        draws: number of simulated cohorts, from 1 to 10.
        seed: of everything random.
        types: cancer type by sample.
        fractions: allow counts that are not whole numbers.
        progress: called with what is done, the steps done and the steps in all.

    Raises:
        InputError: for a table or an option that is not allowed.
    """
    checked_options(intervals, noise, level, seed)
    if not 1 <= draws <= KEPT or int(draws) != draws:
        raise InputError(f"draws={draws!r} is not allowed; it must be a whole number from 1 to {KEPT}")
    counts, known, groups, some = checked_tables(catalogue, signatures, types, fractions)
    x, s, names = counts.to_numpy()[some], known.to_numpy(), counts.index[some]
    tell = progress or (lambda what, done, total: None)
    fit = maximum_likelihood(x, s)
    found = scatter(x, s, fit.exposures)
    if noise == "negative_binomial":
        fit, found = negative_binomial(x, s)
    posterior = sampled(x, s, fit.exposures, found, groups=groups[some], level=level, seed=seed)
    tables, truths = [], []
    for i in range(draws):
        tell("simulating and refitting", i, draws)
        truth = posterior.kept[i].astype(np.float64)
        mean = truth @ s
        rng = np.random.default_rng([seed, i])
        drawn = np.round(mean) if found.rounding else redrawn(rng, mean, found)
        again = refit(
            pd.DataFrame(drawn, names, counts.columns),
            known,
            intervals=intervals,
            noise=noise,
            level=level,
            seed=seed + i + 1,
            types=types,
            fractions=True,
        )
        labels = pd.Index([f"{i}/{name}" for name in names])
        assert again.intervals is not None
        tables.append(again.intervals.assign(sample=[f"{i}/{name}" for name in again.intervals["sample"]]))
        truths.append(pd.DataFrame(truth, labels, known.index))
    tell("simulating and refitting", draws, draws)
    return coverage_table(pd.concat(tables), pd.concat(truths))
