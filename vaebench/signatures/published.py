"""Prior of exposures from what was published: tumour type -> all types -> weak.

``known_exposures.csv`` beside this file holds, for each tumour type and signature, how many samples were analysed, how many had
the signature, and mean and standard deviation of ln(share of the sample's mutations) in these. The facts are those of PCAWG's
genomes (types like ``Liver-HCC``) and TCGA's exomes (types like ``LIHC``), Alexandrov et al. 2020;
``experiments/known_exposures.py`` makes the table.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.errors import InputError
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.priors import Ground, weak_ground

PRIORS = ("published", "none")
"""Names of priors: what was published of the signatures, or the same for each of them."""

_SAME: dict[str, str] = {
    "Biliary-AdenoCA": "CHOL",
    "Bladder-TCC": "BLCA",
    "Breast-AdenoCA": "BRCA",
    "Breast-LobularCA": "BRCA",
    "CNS-GBM": "GBM",
    "CNS-Oligo": "LGG",
    "Cervix-SCC": "CESC",
    "ColoRect-AdenoCA": "COAD READ COADREAD",
    "Eso-AdenoCA": "ESCA",
    "Head-SCC": "HNSC",
    "Kidney-ChRCC": "KICH",
    "Kidney-RCC": "KIRC KIRP",
    "Liver-HCC": "LIHC",
    "Lung-AdenoCA": "LUAD",
    "Lung-SCC": "LUSC",
    "Lymph-BNHL": "DLBC",
    "Myeloid-AML": "LAML",
    "Ovary-AdenoCA": "OV",
    "Panc-AdenoCA": "PAAD",
    "Prost-AdenoCA": "PRAD",
    "Skin-Melanoma": "SKCM",
    "SoftTissue-Leiomyo": "SARC",
    "SoftTissue-Liposarc": "SARC",
    "Stomach-AdenoCA": "STAD",
    "Thy-AdenoCA": "THCA",
    "Uterus-AdenoCA": "UCEC",
}  # type of PCAWG -> types of TCGA of the same tissue

_FLOOR = 1e-3  # least expected P(present): published tables err, and a sample's counts must be able to say so
_UNSEEN = 0.01  # of a signature that was not known when the table was made: rare, or it would have been
_BORROWED = 3.0  # samples that all types count for in a type's facts, so that a type of ten samples rules nothing out


class _Belief(NamedTuple):
    """Expected P(present), mean and variance of ln(share), arrays [S], and which signatures [S] the table knows."""

    presence: np.ndarray
    log_mean: np.ndarray
    variance: np.ndarray
    known: np.ndarray


@functools.cache
def published_exposures() -> pd.DataFrame:
    """The table: ``type, assay, signature, samples, present, log_share_mean, log_share_sd, source``."""
    with files("vaebench.signatures").joinpath("known_exposures.csv").open() as stream:
        return pd.read_csv(stream)


def tissues() -> list[str]:
    """Names of the tumour types of the table."""
    return sorted(published_exposures()["type"].unique())


def seen_in(tissue: str, names: Sequence[str]) -> tuple[set[str], list[str]]:
    """Those of ``names`` that PCAWG or TCGA have seen in a tissue, and the types of the table that are this tissue.

    Names that are not COSMIC's count as seen: nobody can have looked for them.

    Raises:
        InputError: for a tissue that the table does not have, or if it knows none of the names.
    """
    table = published_exposures()
    tissue = checked_name("tissue", tissue, tissues())
    also = [other for own, others in _SAME.items() for other in others.split() if own == tissue]
    also += [own for own, others in _SAME.items() if tissue in others.split()]
    types = [tissue, *also]
    every = pd.Index(table["signature"].unique())
    if not any(_parents(name, every) for name in names):
        raise _says_nothing(tissue, names)
    seen = set(table.loc[table["type"].isin(types) & (table["present"] > 0), "signature"])
    own = {name for name in names if seen.intersection(_parents(name, every))}
    return own | {name for name in names if not re.fullmatch(r"SBS\d+[a-z]?", name)}, types


def _says_nothing(tissue: str, names: Sequence[str]) -> InputError:
    return InputError(
        f"tissue={tissue!r} says nothing of {names[0]!r}: only exposures of COSMIC's SBS1, SBS2 and so on are published"
    )


def checked_name(option: str, name: str, known: list[str]) -> str:
    """The one of ``known`` that ``name`` is, upper and lower case apart.

    Raises:
        InputError: for another name; with the nearest of a long list, which would not fit a sentence.
    """
    by_lower = {other.lower(): other for other in known}
    if name in known:
        return name
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    near = [by_lower[v] for v in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.4)] or known[:3]
    raise InputError(f"{option}={name[:60]!r} is not known; the nearest of {len(known)} names are {', '.join(near)}")


def _parents(name: str, table: pd.Index) -> list[str]:
    """Signatures of the table that ``name`` inherits from: itself, or that which was split into SBS40a, SBS40b, ..."""
    if name in table:
        return [name]
    base = re.sub(r"[a-z]$", "", name)
    if base in table:
        return [base]
    # SBS10c beside SBS10a and SBS10b, or SBS7 of an older version
    return (
        [other for other in table if re.fullmatch(re.escape(base) + "[a-z]", other)] if base.startswith("SBS") else []
    )


def _belief(rows: pd.DataFrame, names: list[str], ground: _Belief, few: float) -> _Belief:
    """``ground`` updated by the facts ``rows`` of one type or of all; it counts as ``few`` samples."""
    samples = float(rows.groupby("type")["samples"].first().sum())
    sums = rows.assign(
        total=rows["present"] * rows["log_share_mean"],
        squares=rows["present"] * (rows["log_share_mean"] ** 2 + rows["log_share_sd"].fillna(1.0) ** 2),
    )
    by_name = sums.groupby("signature")[["present", "total", "squares"]].sum()
    every = pd.Index(published_exposures()["signature"].unique())
    presence, log_mean, variance = (v.copy() for v in ground[:3])
    for k, name in enumerate(names):
        parents = _parents(name, every)
        if not parents:
            continue
        there, total, squares = by_name.reindex(parents).fillna(0.0).mean().to_numpy()
        presence[k] = (there + few * ground.presence[k]) / (samples + few)
        log_mean[k] = (total + few * ground.log_mean[k]) / (there + few)
        second = squares + few * (ground.variance[k] + ground.log_mean[k] ** 2)
        variance[k] = max(second / (there + few) - log_mean[k] ** 2, 0.05)
    return _Belief(presence, log_mean, variance, np.array([bool(_parents(name, every)) for name in names]))


def published_ground(
    x: np.ndarray, names: list[str], tissue: str | None = None, options: SamplerOptions = SAMPLER
) -> Ground | None:
    """Ground of the prior of the signatures ``names`` in samples with counts x [T, M], from published exposures.

    All types together make the prior of any sample. It counts as little as types differ. The facts of ``tissue`` count as
    ``options.few`` samples, however many they come from: laboratories and methods differ more than samples. A cohort outweighs
    either as it grows. Signatures that the table does not know keep the weak prior. Shares become mutations by mean and variance
    of ln(mutations) of x.

    Args:
        x: counts.
        names: of the signatures.
        tissue: a tumour type of :func:`tissues`; ``None`` for all types.
        options: constants of the sampler.

    Returns:
        The ground of the prior, arrays [S]; ``None`` if fewer than half of the names are known and there is no tissue.

    Raises:
        InputError: for a tissue that the table does not have, or for names that it does not know beside a tissue.
    """
    table = published_exposures()
    if tissue is not None:
        tissue = checked_name("tissue", tissue, tissues())
    weak = weak_ground(x, len(names), options)
    burden = np.log(np.maximum(x.sum(1), 1.0))
    start = _Belief(
        np.asarray(weak.presence),
        np.asarray(weak.log_mean) - burden.mean(),
        np.asarray(weak.variance),
        np.zeros(len(names), bool),
    )
    assay = table.loc[table["type"] == tissue, "assay"].iloc[0] if tissue else "genome"
    found = _belief(table[table["assay"] == assay], names, start, _BORROWED)
    if tissue is None and 2 * found.known.sum() < len(names):
        return None
    if not found.known.any():
        raise _says_nothing(str(tissue), names)
    weights = np.array([weak.presence_weight[0], 1.0, 4.0])  # type: ignore[index]
    if tissue is not None:
        found = _belief(table[table["type"] == tissue], names, found, _BORROWED)
        weights = np.full(3, options.few)
    unseen = ~found.known
    presence = np.where(unseen, np.minimum(found.presence, _UNSEEN), np.maximum(found.presence, _FLOOR))
    variance = np.where(unseen, found.variance, found.variance + burden_variance(x))
    parts = (np.minimum(presence, 1 - _FLOOR), found.log_mean + burden.mean(), variance)
    return Ground(*parts, *(np.full(len(names), w) for w in weights))


def burden_variance(x: np.ndarray) -> float:
    """Variance of ln(mutations) between samples with counts x [T, M], beyond that of Poisson counts.

    Published spreads are those of shares; a prior of mutations needs that of the samples' totals as well.
    """
    total = np.maximum(x.sum(1), 1.0)
    return max(float(np.var(np.log(total)) - np.mean(1 / total)), 0.0)


def disagreements(ground: Ground, names: list[str], presence: np.ndarray) -> list[tuple[str, float, float]]:
    """Signatures found much more or less often than expected: (name, expected, found share of the samples), worst first.

    Args:
        ground: of the prior, arrays [S].
        names: of the signatures.
        presence: [T, S], P(present) in each sample.
    """
    from scipy.stats import betabinom

    n = len(presence)
    found = np.rint(presence.sum(0)).astype(int)
    p, weight = np.asarray(ground.presence), np.asarray(ground.presence_weight)
    given = betabinom(n, weight * p, weight * (1 - p))
    tail = np.minimum(given.cdf(found), given.sf(found - 1))
    order = [k for k in np.argsort(tail) if tail[k] < 0.01]
    return [(names[k], float(p[k]), float(found[k] / n)) for k in order]
