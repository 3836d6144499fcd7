"""A quick check of a refit of few samples: intervals of simulated tumours like them, counted.

Where samples are few the prior decides much, and it is right only on average. So tumours of the types that the counts resemble
are drawn from published exposures, as many mutations in each as in the samples, and refitted as the samples were. Twenty tumours
are enough to see an interval that fails, not to tell 93% from 96%: that is :func:`vaebench.signatures.calibration.calibrate`.

Cohorts of the size of the one that is checked share nothing, but are drawn side by side.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import beta

from vaebench.data.wording import per_cent
from vaebench.signatures.dispersion import Scatter
from vaebench.signatures.intervals.ends import parametric_resample
from vaebench.signatures.intervals.methods import MethodOptions
from vaebench.signatures.published import published_facts
from vaebench.signatures.refit_notes import RefitChecks
from vaebench.signatures.resemblance import drawn_tumours
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.tables import OnProgress, no_progress

TUMOURS = 20
"""Samples that a check simulates, about."""
_KINDS = 4  # types whose priors are mixed for a simulated sample: more take longer and hardly differ


class SelfCheck(NamedTuple):
    """Exposures above 0 of simulated tumours, and how many of them are in their intervals."""

    exposures: int
    held: int
    tumours: int

    def interval(self) -> tuple[float, float]:
        """95% interval of the coverage (Clopper and Pearson 1934), as if exposures were independent."""
        low, high = beta.ppf(
            [0.025, 0.975], [self.held, self.held + 1], [self.exposures - self.held + 1, self.exposures - self.held]
        )
        return float(np.nan_to_num(low, nan=0.0)), float(np.nan_to_num(high, nan=1.0))


def self_check(
    x: np.ndarray,
    signatures: pd.DataFrame,
    scatter: Scatter,
    tissue: str | None = None,
    level: float = 0.95,
    seed: int = 0,
    options: SamplerOptions = SAMPLER,
    progress: OnProgress | None = None,
) -> SelfCheck:
    """Intervals by ``spike_slab`` of about :data:`TUMOURS` simulated tumours, in cohorts as large as x [T, M].

    Args:
        x: counts.
        signatures: [S, M], as they were fitted, of which exposures are published.
        scatter: of the counts.
        tissue: as in the refit; ``None`` for the types that the counts resemble.
        level: of the intervals.
        seed: of everything random.
        options: of the sampler; longer chains than twice the least are not run.
        progress: see :data:`vaebench.signatures.tables.OnProgress`.
    """
    found = published_facts(x, signatures, tissue)
    assert found is not None
    s, rng = signatures.to_numpy(), np.random.default_rng([seed, len(x), len(signatures)])
    cohorts = max(1, TUMOURS // len(x))
    totals = np.tile(x.sum(1), cohorts)
    truth = drawn_tumours(found.drawable(), found.shares, totals, rng, found.within)
    counts = parametric_resample(rng, truth @ s, scatter)
    for t in np.flatnonzero(~counts.any(1)):  # a refit has no samples without mutations
        counts[t] = rng.multinomial(1, truth[t] @ s / truth[t].sum())
    told = progress or no_progress
    # imported where it is needed, as it compiles
    from vaebench.signatures.separate_cohorts import separate_posteriors

    posterior = separate_posteriors(
        np.split(counts, cohorts),
        signatures,
        [scatter] * cohorts,
        found,
        tissue is None,
        level=level,
        seed=seed,
        options=dataclasses.replace(options, longest=min(options.longest, 2), kinds=min(options.kinds, _KINDS)),
        progress=lambda _, done, total: told("checking on simulated tumours", done, total),
    )
    there = truth > 0
    held = (posterior.lower <= truth) & (truth <= posterior.upper) & there
    return SelfCheck(int(there.sum()), int(held.sum()), len(truth))


def self_check_notes(
    published: bool,
    checks: RefitChecks,
    x: np.ndarray,
    signatures: pd.DataFrame,
    scatter: Scatter,
    tissue: str | None,
    level: float,
    seed: int,
    options: MethodOptions | None,
    progress: OnProgress | None,
) -> list[str]:
    """Sentence about a check, and what to do where intervals fail; none where samples are many, or the prior is no published one.

    Args:
        published: whether the prior is from published exposures, and nothing says that the samples do not fit or that the table
            lacks signatures of theirs, for else the simulated tumours are not like them.
        checks: says how many samples are few.
        x: and the rest: arguments of :func:`self_check`.
    """
    if not published or len(x) > checks.checked:
        return []
    assert isinstance(options, SamplerOptions)  # no other method has a published prior
    found = self_check(x, signatures, scatter, tissue, level, seed, options, progress)
    low, high = found.interval()
    said = (
        f"Checked on {found.tumours} tumours simulated from published exposures, with as many mutations: "
        f"{found.held / max(found.exposures, 1):.0%} [{low:.0%}, {high:.0%}] of their exposures above 0 are in their "
        f"{per_cent(level)} intervals."
    )
    if high >= level:
        return [said]
    do = (
        "add what signatures they miss, "
        + ("" if tissue else "name the tissue, ")
        + "or refit them in a larger cohort."
    )
    return [f"{said} So they are too narrow for these samples: {do}"]
