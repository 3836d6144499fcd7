"""Signatures and exposures where mutations were looked for in a part of the genome only: an exome, a panel.

A signature s [M] of the genome causes mutations in proportion to s_c / g_c for each of the g_c places in the genome where channel
c can mutate. Of one mutation of the genome, the target with o_c such places has s_c o_c / g_c, so that

    yield             y = sum_c s_c o_c / g_c
    in the target     t_c = s_c (o_c / g_c) / y
    exposures         N mutations in the genome are e = N y in the target, and N = e / y

For a signature t that was extracted from the target, s_c = t_c (g_c / o_c) / w with w = sum_c t_c g_c / o_c = 1 / y.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.mutations.channels import context_of
from vaebench.data.mutations.opportunities import BUILDS, Opportunities, read_opportunities
from vaebench.errors import InputError
from vaebench.signatures.kl_nmf import updated_exposures
from vaebench.signatures.likelihood import deviance
from vaebench.signatures.offered import assay_notes, offered

Given = str | Path | Opportunities
"""Opportunities as users give them: ``"genome"``, ``"exome"``, the path of a BED file, or those that were read."""


class Scaled(NamedTuple):
    """Signatures [S, M] on another scale, of sum 1, and their yields [S]: mutations in the target for one in the genome."""

    signatures: pd.DataFrame
    yields: pd.Series


@dataclasses.dataclass(frozen=True)
class ExomeCheck:
    """Thresholds from which a note asks whether counts are of exomes.

    Attributes:
        mutations: largest median of the samples' mutations with which spectra are compared; genomes of most cancers have more.
        few: median up to which a cohort of ``samples`` is asked about unless its spectra are those of genomes: exomes of most
            cancers have fewer, genomes of few.
        samples: fewest samples of such a cohort.
        least: fewest mutations in all, below which spectra say little.
        gain: least difference of the deviances of all counts together, of the order of 20 for a likelihood ratio of 20,000;
            times their dispersion.
        iterations: of EM for the two fits.
    """

    mutations: float = 1000.0
    few: float = 300.0
    samples: int = 20
    least: float = 300.0
    gain: float = 20.0
    iterations: int = 1000


EXOME = ExomeCheck()
"""The defaults."""


def known_opportunities(given: Given | None, catalogue: pd.DataFrame) -> Opportunities | None:
    """Reads opportunities for a checked catalogue [T, M]; ``None`` for ``None``.

    Raises:
        InputError: as :func:`vaebench.data.mutations.opportunities.read_opportunities`, or a sample has mutations in a channel
            that the target has no place for.
    """
    if given is None:
        return None
    found = read_opportunities(given, context_of(catalogue))
    absent = (found.target == 0).to_numpy()
    bad = np.argwhere(catalogue.to_numpy()[:, absent] > 0)
    if len(bad):
        sample, channel = catalogue.index[bad[0, 0]], catalogue.columns[absent][bad[0, 1]]
        raise InputError(
            f"sample {str(sample)!r} has mutations in {channel!r}, whose bases do not occur in {found.name}; "
            "are the counts of other regions?"
        )
    return found


def at_target(signatures: pd.DataFrame, opportunities: Opportunities) -> Scaled:
    """Converts signatures of the genome [S, M] to the target's opportunities.

    Raises:
        InputError: a signature can cause no mutation in the target.
    """
    ratio = _ratio(opportunities)
    scaled = signatures.mul(ratio, axis=1)
    yields = scaled.sum(axis=1)
    if (yields == 0).any():
        name = str(yields.index[(yields == 0).to_numpy()][0])
        raise InputError(f"signature {name!r} has none of its channels in {opportunities.name}; leave it out")
    return Scaled(scaled.div(yields, axis=0), yields)


def at_genome(signatures: pd.DataFrame, opportunities: Opportunities) -> Scaled:
    """Converts signatures [S, M] that were extracted from counts in the target to the genome.

    Channels without a place in the target are 0: the counts say nothing about them.
    """
    ratio = _ratio(opportunities)
    scaled = signatures.div(ratio.where(ratio > 0), axis=1).fillna(0.0)
    weights = scaled.sum(axis=1)
    return Scaled(scaled.div(weights, axis=0), 1 / weights)


def _ratio(opportunities: Opportunities) -> pd.Series:
    """o_c / g_c [M]."""
    return opportunities.target / opportunities.genome.where(opportunities.genome > 0, 1.0)


class Conversion(NamedTuple):
    """Signatures [S, M] for the counts, their yields [S] (``None`` without opportunities), and sentences on both."""

    signatures: pd.DataFrame
    yields: pd.Series | None
    notes: list[str]


def converted(given: Given | None, counts: pd.DataFrame, signatures: pd.DataFrame) -> Conversion:
    """Converts checked signatures of the genome to the opportunities of checked counts; without any, asks if some are missing.

    Raises:
        InputError: as :func:`known_opportunities` and :func:`at_target`.
    """
    target = known_opportunities(given, counts)
    if target is None:
        return Conversion(signatures, None, exome_notes(counts, signatures))
    scaled = at_target(signatures, target)
    return Conversion(*scaled, scale_notes(target, scaled.yields))


def at_counts(given: Given | None, counts: pd.DataFrame, signatures: pd.DataFrame) -> pd.DataFrame:
    """Converts checked signatures of the genome, of which there may be none, to the opportunities of checked counts.

    Signatures without a channel in the target stay 0 throughout.
    """
    target = known_opportunities(given, counts)
    if target is None or not len(signatures):
        return signatures
    scaled = signatures.mul(_ratio(target), axis=1)
    total = scaled.sum(axis=1)
    return scaled.div(total.where(total > 0, 1.0), axis=0)


def both_scales(intervals: pd.DataFrame, yields: pd.Series | None) -> pd.DataFrame:
    """Adds the columns of the genome's scale to a long table of intervals; without yields the table stays as it is."""
    if yields is None:
        return intervals
    own = yields.loc[intervals["signature"]].to_numpy()
    columns = {f"genome_{name}": intervals[name].to_numpy() / own for name in ("exposure", "lower", "upper")}
    return intervals.assign(**columns)


def scale_notes(opportunities: Opportunities, yields: pd.Series) -> list[str]:
    """Sentences about the scale of exposures."""
    if np.allclose(yields, 1.0):
        return list(opportunities.notes)
    least, most = (f"{times:.3g}" for times in (1 / yields.max(), 1 / yields.min()))
    times = least if least == most else f"{least} to {most}"
    return [
        *opportunities.notes,
        f"Opportunities of {opportunities.name}: exposures are mutations in the target. The genome has {times} times as many, by "
        "signature (exposures_genome.csv).",
    ]


def exome_notes(counts: pd.DataFrame, signatures: pd.DataFrame, checks: ExomeCheck = EXOME) -> list[str]:
    """Asks whether checked counts [T, M] are of exomes, where signatures [S, M] of the genome are fitted to them.

    The sum of all samples is fitted with the signatures as they are and as those of an exome. A note asks if the latter are
    better, or if neither is and a cohort has as few mutations as exomes do; this is asked of COSMIC's signatures only.
    """
    sizes = counts.to_numpy().sum(axis=1)
    some = sizes[sizes > 0]
    if context_of(counts) != "SBS96" or some.sum() < checks.least or np.median(some) > checks.mutations:
        return []
    total = counts.to_numpy().sum(axis=0, keepdims=True)
    as_exome = at_target(signatures, read_opportunities("exome", build=BUILDS[0])).signatures
    plain, exome = (_deviance(total, known.to_numpy(), checks.iterations) for known in (signatures, as_exome))
    limit = checks.gain * max(1.0, min(plain, exome) / total.size)
    do = "add --opportunities exome, or a BED file; if not, --opportunities genome (in Python, opportunities=)."
    if plain - exome >= limit:
        return [
            f"These may be counts of exomes: signatures with an exome's opportunities fit better (deviance {exome:,.0f}, not "
            f"{plain:,.0f}). If so, {do}"
        ]
    named = any(re.fullmatch(r"SBS\d+[a-z]*", str(name)) for name in signatures.index)
    few = len(some) >= checks.samples and np.median(some) <= checks.few
    if named and few and exome - plain < limit:
        return [f"The samples have few mutations (median {np.median(some):,.0f}). If they are exomes or panels, {do}"]
    return []


def _deviance(x: np.ndarray, signatures: np.ndarray, iterations: int) -> float:
    """Poisson deviance of the likeliest exposures to x [1, M], by EM."""
    start = np.full((1, len(signatures)), x.sum() / len(signatures))
    likeliest = np.asarray(updated_exposures(x, signatures, start, 1.0, iterations))
    return float(deviance(x, likeliest @ signatures)[0])


def offered_at(
    counts: pd.DataFrame,
    known: pd.DataFrame,
    include: Sequence[str] | None,
    exclude: Sequence[str] | None,
    tissue: str | None,
    opportunities: Given | None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series | None, list[str]]:
    """Signatures to fit (:func:`vaebench.signatures.offered.offered`), those left out, yields of the former, and notes.

    All are on the scale of the counts.
    """
    every = list(map(str, known.index))
    known, left_out, gone = offered(known, include, exclude, tissue)
    gone += assay_notes(counts, tissue, every) if opportunities is None else []
    known, yields, scales = converted(opportunities, counts, known)
    return known, at_counts(opportunities, counts, left_out), yields, [*scales, *gone]
