"""Prior of exposures from what was published: a tumour type, or those that the counts resemble -> all types -> weak.

``known_exposures.csv`` beside this file holds, for each tumour type and signature, how many samples were analysed, how many had
the signature, and in these mean and standard deviation of ln(share of the sample's mutations), and of ln(size), of which the
prior is made: relative to the sample's burden, beside none of the signatures that change it (:mod:`vaebench.signatures.sizes`).
The facts are those of PCAWG's genomes (types like ``Liver-HCC``) and TCGA's exomes (types like ``LIHC``), Alexandrov et al. 2020.
``experiments/known_exposures.py`` makes it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.errors import InputError
from vaebench.signatures.cooccurrence import Together, changes_of, log_odds_of, shared_sizes
from vaebench.signatures.names import checked_name, cosmic_names
from vaebench.signatures.resemblance import Facts, evidence, looked_at, speaking, weights_of
from vaebench.signatures.sampler.grounds import BURDENS, Ground, weak_ground
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sizes import LEAST_VARIANCE

ALL_TYPES = "all types"
"""Name of the facts of all types together, among those that a cohort may resemble."""

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

# of SBS40 that SBS40b and c inherit beside SBS40a, the one of the three that tumours of most types have (Senkin et al. 2024)
_LATER = 0.1
# slopes of ln(exposure) on ln(mutations) in PCAWG's types with 20 genomes: medians of 0.53 and 0.82, of the others 0.9 to 1.3
_GROWTH = {"SBS1": 0.5, "SBS5": 0.8}
_OTHER = 0.05  # of samples that are of no published type
_BORROWED = 3.0  # samples that all types count for in a type's facts, so that a type of ten samples rules nothing out


class KnownTypes(NamedTuple):
    """Tumour types that samples may be of.

    Attributes:
        types: facts of each, arrays [S], sizes relative to the burden.
        shares: of the samples that are of each type, [K].
        common: how common each type is, [K]: as among the published genomes.
        known: signatures [S] of which something is published.
        growth: [S] or scalar, how each signature grows with a tumour's mutations: 1 as these do.
        within: how signatures go together in tumours of a type; ``None`` where they are independent.
        evidence: log likelihood [T, K] of each sample under each type; ``None`` for a named tissue.
    """

    types: dict[str, Facts]
    shares: np.ndarray
    common: np.ndarray
    known: np.ndarray
    growth: np.ndarray | float = 1.0
    within: Together | None = None
    evidence: np.ndarray | None = None

    def drawable(self) -> list[Facts]:
        """Return the facts of each type for tumours to be drawn, whose burdens make shares differ if signatures grow unlike."""
        more = np.square(1 - self.growth) * BURDENS
        return [v._replace(variance=v.variance + more) for v in self.types.values()]

    def without_unknown(self) -> list[Facts]:
        """Return these with signatures of which nothing is published absent: nothing can be drawn of them."""
        return [v._replace(presence=np.where(self.known, v.presence, 0.0)) for v in self.drawable()]


@functools.cache
def published_exposures() -> pd.DataFrame:
    """The table: ``type, assay, signature, samples, present``, mean and sd of ln(share) and of ln(size), and ``source``."""
    with files("vaebench.signatures").joinpath("known_exposures.csv").open() as stream:
        return pd.read_csv(stream)


def tissues() -> list[str]:
    """Names of the tumour types of the table."""
    return sorted(published_exposures()["type"].unique())


def growth_of(names: Sequence[str]) -> np.ndarray:
    """Return how the exposure to each of ``names`` [S] grows with a tumour's mutations: 1 as these do."""
    return np.array([_GROWTH.get(name, 1.0) for name in names])


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
    plain = dict(zip(names, cosmic_names(names), strict=True))
    if not any(_parents(name, every) for name in plain.values()):
        raise _says_nothing(tissue, names)
    seen = set(table.loc[table["type"].isin(types) & (table["present"] > 0), "signature"])
    own = {name for name in names if seen.intersection(_parents(plain[name], every))}
    return own | {name for name in names if not re.fullmatch(r"SBS\d+[a-z]?", plain[name])}, types


def usual(types: Mapping[str, float]) -> pd.Series:
    """Share of the tumours of ``types``, weights by type, in which each signature was found; :data:`ALL_TYPES` is any genome."""
    table = published_exposures()
    total = pd.Series(0.0, table["signature"].unique())
    for kind, weight in types.items():
        rows = table[table["assay"] == "genome"] if kind == ALL_TYPES else table[table["type"] == kind]
        samples = rows.groupby("type")["samples"].first().sum()
        total = total.add(weight * rows.groupby("signature")["present"].sum() / samples, fill_value=0.0)
    return total


def without_heir(names: Sequence[str]) -> list[str]:
    """Signatures of the table that none of ``names`` is, or inherits from."""
    every = pd.Index(published_exposures()["signature"].unique())
    heirs = _inherited(tuple(cosmic_names(names)))
    return [str(name) for name, share in zip(every, heirs.T, strict=True) if not share.any()]


def _says_nothing(tissue: str, names: Sequence[str]) -> InputError:
    return InputError(
        f"tissue={tissue!r} says nothing of {names[0]!r}: only exposures of COSMIC's SBS1, SBS2 and so on are published"
    )


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


@functools.cache
def _inherited(names: tuple[str, ...]) -> np.ndarray:
    """[S, P]: the share of each of ``names`` that comes from each signature of the table; rows of 0 for unknown ones."""
    every = pd.Index(published_exposures()["signature"].unique())
    shares = np.zeros((len(names), len(every)))
    for k, name in enumerate(names):
        parents = _parents(name, every)
        base = re.sub("[b-z]$", "", name)
        later = name != base and parents == [base] and base + "a" in names
        shares[k, every.get_indexer(pd.Index(parents))] = _LATER if later else 1 / max(len(parents), 1)
    return shares


def _belief(rows: pd.DataFrame, names: list[str], ground: Facts, few: float) -> Facts:
    """``ground`` updated by the facts ``rows`` of one type or of all; it counts as ``few`` samples."""
    samples = float(rows.groupby("type")["samples"].first().sum())
    sums = rows.assign(
        total=rows["present"] * rows["log_size_mean"],
        squares=rows["present"] * (rows["log_size_mean"] ** 2 + rows["log_size_sd"].fillna(1.0) ** 2),
    )
    by_name = sums.groupby("signature")[["present", "total", "squares"]].sum()
    inherited = _inherited(tuple(names))
    every = pd.Index(published_exposures()["signature"].unique())
    there, total, squares = (inherited @ by_name.reindex(every).fillna(0.0).to_numpy()).T
    log_mean = (total + few * ground.log_mean) / (there + few)
    second = (squares + few * (ground.variance + ground.log_mean**2)) / (there + few)
    updated = (
        (there + few * ground.presence) / (samples + few),
        log_mean,
        np.maximum(second - log_mean**2, LEAST_VARIANCE),
    )
    return Facts(*(np.where(inherited.any(1), new, old) for new, old in zip(updated, ground, strict=True)))


def published_facts(
    x: np.ndarray, signatures: pd.DataFrame, tissue: str | None = None, options: SamplerOptions = SAMPLER
) -> KnownTypes | None:
    """Facts of the tumour types that samples with counts x [T, M] may be of, from published exposures.

    ``None`` if fewer than half of the names are known and there is no tissue. Arguments and errors are those of
    :func:`vaebench.signatures.type_grounds.published_ground`.
    """
    table, names = published_exposures(), cosmic_names(signatures.index)
    if tissue is not None:
        tissue = checked_name("tissue", tissue, tissues())
    weak = weak_ground(x, len(names), options)
    burden = float(np.log(np.maximum(x.sum(1), 1.0)).mean())
    start = (np.asarray(weak.presence), np.asarray(weak.log_mean) - burden, np.asarray(weak.variance))
    assay = table.loc[table["type"] == tissue, "assay"].iloc[0] if tissue else "genome"
    table = table[table["assay"] == assay]
    inherited, every_name = _inherited(tuple(names)), list(published_exposures()["signature"].unique())
    known = np.any(inherited, axis=1, keepdims=True)[:, 0]
    if tissue is None and 2 * known.sum() < len(names):
        return None
    if not known.any():
        raise _says_nothing(str(tissue), names)
    every = _belief(table, names, Facts(*start), _BORROWED)
    pairs, sizes = (of(inherited, every_name) for of in (log_odds_of, shared_sizes))
    together = Together(pairs, sizes, *changes_of(inherited, every_name))
    more = (growth_of(names), together)
    if tissue is not None:
        own = table[table["type"] == tissue]
        return KnownTypes({tissue: _belief(own, names, every, _BORROWED)}, np.ones(1), np.ones(1), known, *more)
    types = {ALL_TYPES: every}  # a cohort may be of none of the types
    types |= {str(kind): _belief(rows, names, every, _BORROWED) for kind, rows in table.groupby("type", sort=True)}
    samples = table.groupby("type", sort=True)["samples"].first().to_numpy(np.float64)
    common = np.append(_OTHER, (1 - _OTHER) * samples / samples.sum())
    found = KnownTypes(types, common, common, known, *more)
    counts = looked_at(x)
    seen = evidence(counts, signatures.to_numpy(), found.without_unknown(), found.within)
    return found._replace(shares=weights_of(seen, common, speaking(counts)), evidence=seen)


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
