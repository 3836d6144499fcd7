"""Prior of a refit: what was published, or what an extraction has learned of its own signatures.

An extraction keeps ``prior.csv``: for all of its samples, and for each cancer type, how many have each signature, and mean and
standard deviation of ln(size) relative to the sample's burden in these (:mod:`vaebench.signatures.sizes`). A refit of new samples
takes it as the ground of its own prior (:class:`vaebench.signatures.sampler.grounds.Ground`), with the weight of the samples that
it was learned from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vaebench.errors import InputError, unknown_name
from vaebench.signatures.names import checked_name
from vaebench.signatures.published import PRIORS
from vaebench.signatures.sampler.grounds import Ground, weak_ground
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sizes import relative_sizes
from vaebench.signatures.tables import types_of
from vaebench.signatures.type_grounds import published_ground

ALL = "all"
"""Type of the rows that hold for all samples."""
COLUMNS = ("type", "signature", "samples", "present", "log_size_mean", "log_size_sd", "source")
"""Columns of a learned prior."""

_LEAST_SHARE = (
    0.01  # of an exposure that has no probability of presence; fits give small ones to signatures that are absent
)
_UNLIKELY = 0.05  # presence below which the size of an exposure says nothing
_POSSIBLE = 1e-3  # least P(present) and P(absent): the counts of a sample must be able to say otherwise


def learned_prior(
    exposures: pd.DataFrame, *, intervals: pd.DataFrame | None = None, types: pd.Series | None = None
) -> pd.DataFrame:
    """Learn from exposures [T, S] how often each signature is present in a sample, and how large it is.

    Args:
        exposures: in mutations. Without ``intervals``, one below 1% of the sample's mutations counts as absent.
        intervals: the table of :class:`vaebench.signatures.refitting.RefitResult`, for its exposures and presence.
        types: cancer type by sample; each has rows of its own, beside those of all samples.

    Returns:
        One row for each type and signature: ``type, signature, samples, present, log_size_mean, log_size_sd, source``.
    """
    amounts = exposures.to_numpy(np.float64)
    total = np.maximum(amounts.sum(1, keepdims=True), 1e-12)
    presence, source = (amounts >= _LEAST_SHARE * total) & (amounts >= 1), "exposures"
    if intervals is not None and intervals["presence"].notna().any():
        wide = intervals.pivot(index="sample", columns="signature", values=["exposure", "presence"])
        wide = wide.reindex(exposures.index)
        presence = wide["presence"][exposures.columns].fillna(0.0).to_numpy(np.float64)
        presence = np.where(presence >= _UNLIKELY, presence, 0.0)
        mean = wide["exposure"][exposures.columns].fillna(0.0).to_numpy(np.float64)
        amounts, source = mean / np.maximum(presence, _UNLIKELY), "intervals"
    presence = presence * (amounts > 0)
    some = exposures.to_numpy().sum(1) > 0
    groups = {ALL: some}
    if types is not None:
        kinds = types_of(types, exposures.index).to_numpy()
        if ALL in kinds:
            raise InputError(f"cancer type {ALL!r} is not allowed: the table calls all samples together so")
        groups |= {str(kind): some & (kinds == kind) for kind in np.unique(kinds)}
    rows = []
    for kind, mine in groups.items():
        count = presence[mine].sum(0)
        mean, variance, _ = relative_sizes(amounts[mine], presence[mine], mutations=total[mine, 0])
        parts = zip(exposures.columns, count, mean, np.sqrt(variance), strict=True)
        rows += [(kind, name, int(mine.sum()), *numbers, source) for name, *numbers in parts]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def learned_ground(
    x: np.ndarray,
    names: Sequence[str],
    prior: pd.DataFrame,
    tissue: str | None = None,
    options: SamplerOptions = SAMPLER,
) -> Ground:
    """Ground of the prior of samples with counts x [T, M], from a table of :func:`learned_prior`.

    Every part weighs as many samples as it was learned from, beside the weak prior's own weight. Sizes become mutations by the
    mean of ln(mutations) of x; how they vary with the mutations is the burden's part. A signature that the table does not have
    keeps the weak prior.

    Args:
        x: counts.
        names: of the signatures, [S].
        prior: the table.
        tissue: a type of the table; ``None`` for all samples.
        options: constants of the sampler.

    Raises:
        InputError: for a table without the columns of a learned prior, or a type that it does not have.
    """
    missing = [name for name in COLUMNS[:6] if name not in prior.columns]
    if missing:
        older = "; it is of an older version, extract again" if "log_share_mean" in prior.columns else ""
        raise InputError(f"the learned prior has no column {missing[0]!r}; it needs {', '.join(COLUMNS[:6])}{older}")
    kind = _kind(prior, tissue)
    table = prior[prior["type"].astype(str) == kind].copy()
    if table.empty or table["signature"].duplicated().any():
        raise InputError(f"the learned prior needs one row of type {kind!r} for each signature")
    numbers = table.set_index(table["signature"].astype(str))[list(COLUMNS[2:6])].apply(pd.to_numeric, errors="coerce")
    values = numbers.to_numpy(np.float64)
    if not np.isfinite(values).all() or (values[:, [0, 1, 3]] < 0).any():
        raise InputError("the learned prior has a value that is no number, or a negative number of samples")
    facts = numbers.reindex(list(names)).fillna(0.0)
    samples, present, mean, sd = facts.to_numpy(np.float64).T
    weak = weak_ground(x, len(names), options)
    burden = float(np.log(np.maximum(x.sum(1), 1.0)).mean())
    few = [np.asarray(v, np.float64) for v in weak[:6]]
    presence = (present + few[3] * few[0]) / (samples + few[3])
    log_mean = (present * (mean + burden) + few[4] * few[1]) / (present + few[4])
    variance = (present * sd**2 + few[5] * few[2]) / (present + few[5])
    return Ground(
        np.clip(presence, _POSSIBLE, 1 - _POSSIBLE),
        log_mean,
        np.maximum(variance, options.least_sd**2),
        samples + few[3],
        present + few[4],
        present + few[5],
        weak.burden,
    )


def _kind(prior: pd.DataFrame, tissue: str | None) -> str:
    """The type of a learned prior that ``tissue`` names; the published ones are none of its."""
    kinds = list(dict.fromkeys(prior["type"].astype(str)))
    return ALL if tissue is None else checked_name("tissue of the extraction", tissue, kinds)


def prior_ground(
    x: np.ndarray, signatures: pd.DataFrame, intervals: str | None, tissue: str | None, prior: str | pd.DataFrame
) -> tuple[Ground | None, dict[str, float]]:
    """Ground of the prior of ``spike_slab``, and the tumour types that the samples resemble where these make it.

    The ground is ``None`` for the weak one, and for methods without a prior.

    Raises:
        InputError: for a prior that is not known, or a tissue beside ``"none"``.
    """
    if not isinstance(prior, pd.DataFrame) and prior not in PRIORS:
        raise unknown_name("prior", prior, PRIORS)
    if isinstance(prior, pd.DataFrame):
        found = learned_ground(x, list(map(str, signatures.index)), prior, tissue)
        return (found if intervals == "spike_slab" else None), {}
    if tissue is not None and prior == "none":
        raise InputError(f'tissue={tissue!r} is not allowed with prior="none"; it is a prior of its own')
    if prior == "none" or intervals != "spike_slab":
        return None, {}
    return published_ground(x, signatures, tissue)


def learned_sentence(prior: pd.DataFrame, tissue: str | None) -> str:
    """A sentence on where a learned prior is from."""
    kind = _kind(prior, tissue)
    mine = prior[prior["type"].astype(str) == kind]
    source = f" (from its {mine['source'].iloc[0]})" if "source" in mine else ""
    which = "" if tissue is None else f" of {kind}"
    return f"The prior is what the extraction learned from {int(mine['samples'].max())} samples{which}{source}."
