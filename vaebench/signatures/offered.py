"""Signatures that a refit offers: those named, without those excluded or never seen in the tissue; and samples that miss one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2

from vaebench.errors import InputError
from vaebench.signatures.cosmic_groups import named_signatures
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.published import published_exposures, seen_in

_LISTED = 8  # names in a note
_EXOMES, _GENOMES = 2000, 200  # median mutations of samples that exomes hardly reach, and genomes hardly stay below
KEEP = " --include NAME keeps one."
"""End of the note on signatures that a tissue does not have, of the commands that take them nevertheless."""
_PLACES = 3  # samples in a note


class Offered(NamedTuple):
    """Signatures to fit, and those that are left out.

    Attributes:
        signatures: [S, M], to fit.
        left_out: [S', M], of the table but not offered.
        notes: sentences on what was left out, and why.
    """

    signatures: pd.DataFrame
    left_out: pd.DataFrame
    notes: list[str]


def offered(
    signatures: pd.DataFrame,
    include: Sequence[str] | str | None = None,
    exclude: Sequence[str] | str | None = None,
    tissue: str | None = None,
) -> Offered:
    """The rows of ``signatures`` [S, M] to fit.

    Args:
        signatures: the whole table.
        include: names of signatures or groups (:func:`vaebench.signatures.cosmic_groups.subgroups`); ``None`` for all. With a
            tissue they are offered beside those seen in it.
        exclude: names of signatures or groups to leave out.
        tissue: a tumour type; signatures that PCAWG and TCGA have not seen in it are left out.

    Raises:
        InputError: for a name that is neither a signature nor a group, or if no signature is left.
    """
    every = [str(name) for name in signatures.index]
    wanted = None if include is None else named_signatures("include", include, every)
    unwanted = named_signatures("exclude", exclude or (), every)
    named = {name for names in (wanted or {}).values() for name in names}
    kept = every if wanted is None or tissue is not None else [name for name in every if name in named]
    notes = []
    for asked, names in unwanted.items():
        gone = [name for name in kept if name in names]
        kept = [name for name in kept if name not in names]
        if names != [asked]:
            left = f"Left out as {asked[:40]}: {_listed(gone)}." if gone else ""
            notes.append(left or f"The table has no signature of the group {asked[:40]}; nothing was left out for it.")
        elif gone:
            notes.append(f"Left out: {gone[0]}.")
    if tissue is not None:
        seen, types = seen_in(tissue, kept)
        gone = [name for name in kept if name not in seen and name not in named]
        kept = [name for name in kept if name not in gone]
        if gone:
            notes.append(
                f"Left out, since PCAWG and TCGA have not seen them in {' and '.join(types)}: {_listed(gone)}." + KEEP
            )
    if not kept:
        raise InputError("include, exclude and tissue leave no signature; at least one is needed")
    singles = [note for note in notes if note.startswith("Left out: ")]
    if len(singles) > 1:
        names = [note.removeprefix("Left out: ")[:-1] for note in singles]
        notes = [f"Left out: {_listed(names)}.", *(note for note in notes if note not in singles)]
    inside = np.isin(every, kept)
    return Offered(signatures.loc[inside], signatures.loc[~inside], notes)


def assay_notes(counts: pd.DataFrame, tissue: str | None, names: Sequence[str]) -> list[str]:
    """Sentence about counts [T, M] that have the size of genomes beside a type of exomes, or the reverse."""
    if tissue is None:
        return []
    types, table = seen_in(tissue, names)[1], published_exposures()
    assays = dict(zip(table["type"], table["assay"], strict=True))
    others = [kind for kind in types if assays[kind] != assays[types[0]]]
    sums = counts.sum(axis=1)
    middle, exomes = float(sums[sums > 0].median()), assays[types[0]] == "exome"
    if not others or (middle < _EXOMES if exomes else middle > _GENOMES):
        return []
    own, other = ("exomes", "genomes") if exomes else ("genomes", "exomes")
    return [
        f"{types[0]} is of {own}, and these samples have as many mutations as {other} ({middle:,.0f} in the median); of "
        f"{other}: {', '.join(others)}."
    ]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(str, names[:_LISTED])) + more


class Missed(NamedTuple):
    """Signatures that were left out and that samples need, arrays [T].

    Attributes:
        signature: name of the one that helps most, "" where none is needed.
        mutations: its exposure.
        p_value: of the likelihood-ratio test, times the number of tests; 1 where none is needed.
    """

    signature: np.ndarray
    mutations: np.ndarray
    p_value: np.ndarray


def missed(
    x: np.ndarray, kept: np.ndarray, left_out: pd.DataFrame, dispersion: np.ndarray, unusual: float = 0.001
) -> Missed:
    """Test for each sample whether one of the signatures that were left out explains what the others cannot.

    For every sample t and signature k that was left out, the likelihood ratio is 2 (ln L with k added - ln L without) over
    the dispersion. Without k it is 0 or chi-squared with 1 degree of freedom, each half of the time, for an exposure cannot be
    negative (Chernoff 1954). Bonferroni: the smallest p of all samples and signatures has to be below ``unusual`` / (T S').

    Args:
        x: counts [T, M].
        kept: [S, M], signatures of the fit.
        left_out: [S', M].
        dispersion: [T], of the counts.
        unusual: probability that any sample is named although none needs one.
    """
    samples, others = len(x), left_out.to_numpy()
    tests = max(samples * len(others), 1)
    name, amount, least = np.full(samples, "", object), np.zeros(samples), np.ones(samples)
    if not len(others):
        return Missed(name, amount, least)
    cut = float(chi2.isf(2 * unusual / tests, 1))
    alone = maximum_likelihood(x, kept).log_likelihood
    # all of them together gain at least as much as any one does: few samples are left to test one by one
    both = maximum_likelihood(x, np.concatenate([kept, others])).log_likelihood
    rows = np.flatnonzero(2 * (both - alone) / dispersion > cut)
    best = np.full(len(rows), cut)
    for k in range(len(others)) if len(rows) else ():
        fit = maximum_likelihood(x[rows], np.concatenate([kept, others[k : k + 1]]))
        ratio = 2 * (fit.log_likelihood - alone[rows]) / dispersion[rows]
        better = ratio > best
        best = np.where(better, ratio, best)
        name[rows[better]], amount[rows[better]] = str(left_out.index[k]), fit.exposures[better, -1]
        least[rows[better]] = np.minimum(0.5 * chi2.sf(ratio[better], 1) * tests, 1.0)
    return Missed(name, amount, least)


def missed_note(found: Missed, samples: Sequence[str]) -> list[str]:
    """A sentence that names the samples which need a signature that was left out; none if no sample does."""
    rows = np.flatnonzero(found.signature != "")
    if not len(rows):
        return []
    rows = rows[np.argsort(found.p_value[rows], kind="stable")]
    first = ", ".join(
        f"{str(samples[t])[:40]} ({found.signature[t]}, {found.mutations[t]:,.0f} mutations)" for t in rows[:_PLACES]
    )
    more = f" and {len(rows) - _PLACES} more" if len(rows) > _PLACES else ""
    fit = "does not fit" if len(rows) == 1 else "do not fit"
    of = "1 sample" if len(samples) == 1 else f"{len(samples)} samples"
    return [f"{len(rows)} of {of} {fit} without a signature that was left out: {first}{more}."]
