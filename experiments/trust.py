"""Can exposures be trusted? Refits of cohorts of every kind, from a simulator that shares nothing with the package.

    python experiments/trust.py --exposures PCAWG_EXPOSURES --catalogue PCAWG_CATALOGUE --cosmic COSMIC --out runs/trust
    ... --regimes 'exome_*,panel_*' --types Liver-HCC --draws 3                     # a part of the table
    ... --set prior=pcawg tissue=TYPE                           # options of the refit; TYPE is the cancer type of the cohort
    ... --types made-up-1,made-up-2                             # exposures that no real type has, with a prior that is wrong
    python experiments/trust.py --preset smoke --out runs/smoke                     # made-up signatures, under a minute

Data: the exposures that PCAWG published (a row a tumour, columns `Cancer Types`, `Sample Names`, `SBS1`, ...), its catalogue,
and COSMIC v3.4's signatures. A cohort is drawn in plain NumPy: tumours of one cancer type, with replacement, each with its
published exposures (SBS40 and SBS22 are SBS40a and SBS22a in v3.4), scaled to the assay; counts are Poisson about their mean.

A regime is ASSAY_SAMPLES_OFFERED or ASSAY_SAMPLES_OFFERED_NOISE.
ASSAY: `genome`; `exome`, `few` and `panel`, scaled so that the median tumour of the type has 80, 50 and 8 mutations in the
catalogue's counts. SAMPLES: tumours that are refitted together. OFFERED: `true`, the signatures of the cohort; `tissue`, those
published in its cancer type, filled up to 25 with the most frequent ones; `all` of COSMIC. NOISE: `nb`, counts negative binomial
of size 20 in each channel; `vary`, the spectrum of each signature in each tumour is Dirichlet with concentration 1,000; `shift`,
the spectra of all signatures are multiplied by factors of the channels, log-normal with 0.2, alike in all tumours of a cohort;
`earlier`, as `shift`, and single tumours are given the channel factors that were learned from 24 others of their cohort.

Cohorts of one tumour are drawn 10 times a draw, of five twice. The seed of a draw is its number; no constant was chosen by it.
Machine: 1 CPU core. Ten single genomes with all 86 signatures took 140 seconds while other work shared the core; the whole table
takes hours.
Expected of intervals that can be trusted: non-zero exposures 93 to 97%, zeros at least 95%, no signature with 30 exposures below
90%, ECE of presence below 0.02, on absent signatures at most 3% of the mutations of a genome and 10% of an exome.
Measured: results/trust/README.md.

Writes OUT/rows.csv, a row a (regime, type, draw), OUT/signatures.csv, OUT/reliability.csv and OUT/notes.csv, all when a row is
done; finished rows are not repeated. Then OUT/table.csv and OUT/table.md, draws pooled: shares of non-zero and zero exposures
inside their 95% intervals, the least coverage of a signature with 30 exposures, the share of the estimates on absent signatures
(of those that are shown, P(present) above 0.5, and of non-negative least squares too), precision and recall of
P(present) above 0.5, expected calibration error (ECE) and worst bin with 100 cases, the largest ratio of a sample's exposures to
its mutations, the share of cohorts with a note, seconds. In brackets what chance alone does one time in twenty: the least
signature where each is held in 95%, the worst bin where P(present) is right, and as sure as the draws of a cohort say together.
"""

from __future__ import annotations

import argparse
import fnmatch
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import nnls
from scripts import Parser, comma, entry, keep

from vaebench.data.mutations.tables import read_catalogue, read_signatures
from vaebench.errors import InputError
from vaebench.signatures.refit_notes import RefitChecks
from vaebench.signatures.refitting import RefitResult, refit
from vaebench.signatures.sampler.options import SamplerOptions

UNCHECKED = RefitChecks(checked=0)  # simulations of simulated cohorts would only take time
DRAWN: dict[str, Any] = {"checks": UNCHECKED, "options": SamplerOptions(kept=250)}  # which changes no interval
KEYS = ["regime", "type", "draw"]
MEDIANS = {"genome": None, "exome": 80, "few": 50, "panel": 8}
"""Mutations of the median tumour in an assay; genomes stay as they are."""
OFFERED = ("true", "tissue", "all")
NOISES = ("poisson", "nb", "vary", "shift", "earlier")
SIZE, CONCENTRATION, SHIFT = 20.0, 1000.0, 0.2
EARLIER = 24
"""Tumours that factors were learned from."""
TISSUE = 25
"""Signatures offered for a tissue."""
REGIMES = (
    *(f"genome_200_{offered}" for offered in OFFERED),
    *(f"genome_{samples}_{offered}" for samples in (1, 5, 20) for offered in ("tissue", "all")),
    "few_1_all",
    *(f"exome_200_{offered}" for offered in OFFERED),
    "exome_20_tissue",
    "exome_1_tissue",
    "exome_1_all",
    *(f"panel_200_{offered}" for offered in OFFERED),
    "panel_1_tissue",
    "genome_200_tissue_nb",
    "genome_200_tissue_vary",
    "genome_1_tissue_vary",
)
RENAMED = {"SBS40": "SBS40a", "SBS22": "SBS22a"}
"""Published names (2019) -> names of COSMIC v3.4 for what was divided since."""
SIMULATED = 4000
"""Of what chance alone does."""
BINS, CASES = 10, 100
"""Of P(present); cases from which one counts as the worst."""
MADE_UP = 8
"""Signatures of a made-up type."""


class Field(NamedTuple):
    """What cohorts are drawn from: exposures [T, S] and types [T] of real tumours, their mutations [T], signatures [S', 96]."""

    exposures: pd.DataFrame
    types: np.ndarray
    mutations: np.ndarray
    signatures: pd.DataFrame


class Drawn(NamedTuple):
    """A cohort: counts [T, 96], true exposures [T, S'], the signatures [S, 96] that are offered to the refit."""

    counts: pd.DataFrame
    truth: pd.DataFrame
    offered: pd.DataFrame


def add_files(parser: Parser) -> None:
    """Options for the files of real tumours, or a preset without them."""
    parser.add_argument("--preset", choices=("smoke", "cpu"), default="cpu")
    for name, what in (("exposures", "PCAWG's published"), ("catalogue", "PCAWG's"), ("cosmic", "COSMIC v3.4's")):
        parser.add_argument(f"--{name}", type=Path, default=None, help=f"file of {what} {name}")


def given_files(options: argparse.Namespace) -> dict[str, Path]:
    """The files that were given, by option."""
    paths = {name: getattr(options, name) for name in ("exposures", "catalogue", "cosmic")}
    for name, path in paths.items():
        if path is None or not path.exists():
            raise InputError(f"--{name} {path}: there is no such file; give a path, or --preset smoke")
    return paths


def real_field(options: argparse.Namespace) -> Field:
    """The field of the files that were given."""
    paths = given_files(options)
    signatures = read_signatures(paths["cosmic"])
    table = pd.read_csv(paths["exposures"]).rename(columns=RENAMED)
    known = [name for name in signatures.index if name in table.columns]
    table.index = pd.Index(table["Cancer Types"] + "::" + table["Sample Names"])
    catalogue = read_catalogue(paths["catalogue"])
    table = table.loc[[name for name in table.index if name in catalogue.index]]
    mutations = catalogue.loc[table.index].to_numpy().sum(1)
    return Field(table[known].astype(float), table["Cancer Types"].to_numpy(str), mutations, signatures)


def with_made_up(field: Field, types: Sequence[str]) -> Field:
    """``field`` with 300 tumours of each type ``made-up-SEED``: eight signatures, of gamma exposures, as no real type has."""
    for kind in types:
        if re.fullmatch(r"made-up-\d+", kind):
            rng = np.random.default_rng(int(kind[8:]))
            names = rng.choice(field.signatures.index, MADE_UP, replace=False)
            shape, share = rng.uniform(0.5, 3.0, MADE_UP), rng.lognormal(0.0, 0.7, MADE_UP)
            there = rng.random((300, MADE_UP)) < rng.uniform(0.05, 0.95, MADE_UP)
            own = 1000 * there * rng.gamma(shape, share / shape, (300, MADE_UP))
            new = pd.DataFrame(own, [f"{kind}::{i}" for i in range(300)], names)
            exposures = pd.concat([field.exposures, new]).fillna(0.0)
            kinds = np.concatenate([field.types, np.full(300, kind)])
            field = field._replace(
                exposures=exposures, types=kinds, mutations=np.concatenate([field.mutations, own.sum(1)])
            )
    return field


def made_up_field() -> Field:
    """A field of eight random signatures and 60 random tumours of two types, for the preset smoke."""
    from vaebench.data.mutations.channels import CHANNELS

    rng = np.random.default_rng(0)
    names = [f"SBS{i + 1}" for i in range(8)]
    signatures = pd.DataFrame(rng.dirichlet(np.full(96, 0.3), 8), names, list(CHANNELS))
    exposures = rng.gamma(1, 500, (60, 8)) * (rng.random((60, 8)) < 0.4)
    exposures[:, 0] += 100
    types = np.repeat(["Breast-AdenoCA", "Liver-HCC"], 30)
    return Field(pd.DataFrame(exposures, columns=pd.Index(names)), types, exposures.sum(1), signatures)


def parts_of(regime: str) -> tuple[str, int, str, str]:
    """Assay, samples, offered signatures and noise of a regime's name."""
    assay, samples, offered, noise = ([*regime.split("_"), "poisson"] + [""] * 4)[:4]
    if assay not in MEDIANS or not samples.isdigit() or offered not in OFFERED or noise not in NOISES:
        raise InputError(f"regime {regime!r} is not ASSAY_SAMPLES_OFFERED or ASSAY_SAMPLES_OFFERED_NOISE; see --help")
    return assay, int(samples), offered, noise


def drawn(field: Field, regime: str, kind: str, rng: np.random.Generator) -> Drawn:
    """A cohort of a regime and a cancer type; samples without mutations are drawn again."""
    assay, samples, offered, noise = parts_of(regime)
    own = np.flatnonzero((field.types == kind) & (field.exposures.to_numpy().sum(1) > 0))
    if not len(own):
        raise InputError(f"--types: there are no tumours of type {kind[:60]!r}")
    wanted = MEDIANS[assay]
    scale = 1.0 if wanted is None else wanted / float(np.median(field.mutations[own]))
    spectra = field.signatures.loc[field.exposures.columns].to_numpy()
    if noise in ("shift", "earlier"):
        spectra = spectra * rng.lognormal(0.0, SHIFT, spectra.shape[1])
        spectra = spectra / spectra.sum(1, keepdims=True)
    truth, counts = [], []
    while len(counts) < samples:
        exposures = scale * field.exposures.to_numpy()[rng.choice(own)]
        used = spectra
        if noise == "vary":
            used = np.array([rng.dirichlet(CONCENTRATION * row + 1e-9) for row in spectra])
        mean = exposures @ used
        if noise == "nb":
            mean = mean * rng.gamma(SIZE, 1 / SIZE, mean.shape)
        row = rng.poisson(mean)
        if row.sum():
            truth.append(exposures)
            counts.append(row)
    labels = pd.Index([f"{kind}::{i}" for i in range(samples)])
    true = pd.DataFrame(np.array(truth), labels, field.exposures.columns)
    table = pd.DataFrame(np.array(counts, float), labels, field.signatures.columns)
    return Drawn(table, true, field.signatures.loc[offered_names(field, true, own, offered)])


def offered_names(field: Field, truth: pd.DataFrame, own: np.ndarray, offered: str) -> list[str]:
    """Names of the signatures that the refit is given, in the order of the table of signatures."""
    if offered == "all":
        return list(field.signatures.index)
    present = set(truth.columns[(truth > 0).any()])
    if offered == "tissue":
        present |= set(field.exposures.columns[(field.exposures.iloc[own] > 0).any()])
        frequent = (field.exposures > 0).sum().sort_values(ascending=False, kind="stable").index
        present |= set([name for name in frequent if name not in present][: max(0, TISSUE - len(present))])
    return [name for name in field.signatures.index if name in present]


class Scored(NamedTuple):
    """Tables of one row: its numbers, coverage by signature, reliability by bin, and notes."""

    row: dict[str, Any]
    signatures: pd.DataFrame
    reliability: pd.DataFrame
    notes: pd.DataFrame


def cohorts_of(
    field: Field, regime: str, kind: str, draw: int, settings: dict[str, str]
) -> Iterator[tuple[Drawn, dict[str, Any]]]:
    """Yields the cohorts of a row, and the options of their refits."""
    assay, samples, offered, noise = parts_of(regime)
    # the name's bytes make regimes independent of each other and of their order
    rng = np.random.default_rng([draw, *f"{regime} {kind}".encode()])
    named: dict[str, Any] = {name: value.replace("TYPE", kind) for name, value in settings.items()}
    number = 10 if samples == 1 else max(1, 10 // samples)
    if noise != "earlier":
        yield from ((drawn(field, regime, kind, rng), named) for _ in range(number))
        return
    every = drawn(field, f"{assay}_{EARLIER + samples * number}_{offered}_{noise}", kind, rng)
    parts = [slice(0, EARLIER), *(slice(i, i + samples) for i in range(EARLIER, len(every.counts), samples))]
    first, *others = (every._replace(counts=every.counts[part], truth=every.truth[part]) for part in parts)
    learned = refit(first.counts, first.offered, intervals="spike_slab", seed=draw, checks=UNCHECKED, **named)
    adapt = {} if learned.channel_factors is None else {"adapt": learned.channel_factors}
    yield from ((cohort, adapt | named) for cohort in others)


def measured(field: Field, regime: str, kind: str, draw: int, settings: dict[str, str]) -> Scored:
    """Draw the cohorts of a row, refit them, and score what was said of them."""
    entries, bins, notes, given, seconds, rivals, ratios = [], [], [], 0, 0.0, np.zeros(2), []
    for i, (cohort, named) in enumerate(cohorts_of(field, regime, kind, draw, settings)):
        started = time.perf_counter()
        fit = refit(cohort.counts, cohort.offered, intervals="spike_slab", seed=draw, **(DRAWN | named))
        seconds += time.perf_counter() - started
        assert fit.intervals is not None
        assert fit.draws is not None
        entries.append(paired(fit.intervals, cohort.truth).assign(cohort=i))
        bins.append(reliability(entries[-1], in_order(fit, entries[-1])))
        notes += [re.sub(r"\d[\d.,]*", "#", note) for note in fit.notes]
        given += bool(fit.notes)
        rivals += least_squares(cohort)
        totals = fit.intervals.groupby("sample")["exposure"].sum()
        ratios.append(float((totals / cohort.counts.sum(axis=1)).max()))
    table = pd.concat(entries, ignore_index=True)
    key = {"regime": regime, "type": kind, "draw": draw}
    row: dict[str, Any] = {**key, "cohorts": len(entries), **counted(table), "largest_sum": max(ratios)}
    row |= {"nnls_absent": rivals[0], "nnls_estimate": rivals[1], "cohorts_with_notes": given}
    row |= {"seconds": round(seconds, 1)}
    listed = pd.DataFrame({"note": notes}).value_counts().reset_index(name="times") if notes else pd.DataFrame()
    summed = pd.concat(bins).groupby("bin").sum().reset_index()
    return Scored(row, by_signature(table).assign(**key), summed.assign(**key), listed.assign(**key))


def paired(intervals: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """The table of intervals with a column ``true``; a true signature that was not offered is held by [0, 0] only."""
    given = {name: intervals.pivot(index="sample", columns="signature", values=name) for name in COLUMNS}
    names = given["lower"].columns.union(truth.columns)
    flat = {"signature": np.tile(names, len(truth))}
    for name, wide in given.items():
        flat[name] = wide.reindex(truth.index).reindex(columns=names).fillna(0.0).to_numpy().ravel()
    flat["true"] = truth.reindex(columns=names).fillna(0.0).to_numpy().ravel()
    flat["held"] = (flat["lower"] <= flat["true"]) & (flat["true"] <= flat["upper"])
    return pd.DataFrame(flat)


COLUMNS = ("lower", "upper", "exposure", "presence")


def counted(table: pd.DataFrame) -> dict[str, float]:
    """Sums over all exposures of a row, so that draws can be pooled."""
    there, called = table["true"] > 0, table["presence"] > 0.5
    return {
        "nonzero": int(there.sum()),
        "nonzero_held": int(table.loc[there, "held"].sum()),
        "nonzero_above": int((table["true"] > table["upper"])[there].sum()),
        "zero": int((~there).sum()),
        "zero_held": int(table.loc[~there, "held"].sum()),
        "estimate": float(table["exposure"].sum()),
        "estimate_absent": float(table.loc[~there, "exposure"].sum()),
        "shown": float(table.loc[called, "exposure"].sum()),
        "shown_absent": float(table.loc[called & ~there, "exposure"].sum()),
        "error": float((table["exposure"] - table["true"]).abs().sum()),
        "true": float(table["true"].sum()),
        "called": int(called.sum()),
        "called_right": int((called & there).sum()),
    }


def by_signature(table: pd.DataFrame) -> pd.DataFrame:
    """Non-zero exposures of each signature, and how many of them were held."""
    there = table[table["true"] > 0]
    found = there.groupby("signature").agg(nonzero=("held", "size"), held=("held", "sum"))
    return found.join(there.groupby("signature")[["true", "exposure"]].sum()).reset_index()


def in_order(fit: RefitResult, table: pd.DataFrame) -> np.ndarray:
    """Draws [n, rows] of whether the exposures in ``table`` are above 0."""
    assert fit.draws is not None
    names = table["signature"].iloc[: len(table) // len(fit.exposures)]
    places = fit.exposures.columns.get_indexer(pd.Index(names))
    there = fit.draws[:, :, places] > 0
    there[:, :, places < 0] = False
    return there.reshape(len(there), -1)


def binned(table: pd.DataFrame) -> pd.DataFrame:
    """Sums of P(present) and of presence, and the number of exposures, in each bin of P(present)."""
    frame = pd.DataFrame({"bin": places(table), "predicted": table["presence"], "observed": table["true"] > 0})
    found = frame.groupby("bin").agg(predicted=("predicted", "sum"), observed=("observed", "sum"))
    return found.assign(count=frame.groupby("bin").size()).reset_index()


def places(table: pd.DataFrame) -> np.ndarray:
    """Return the bin of each P(present)."""
    return np.minimum((table["presence"].to_numpy() * BINS).astype(int), BINS - 1)


def reliability(table: pd.DataFrame, there: np.ndarray) -> pd.DataFrame:
    """Bins of a cohort, with a ``variance``.

    It is that of the sum of presence among the draws [n, rows] in ``there``: what all samples of a cohort share
    makes it larger than that of as many independent exposures.
    """
    sums = np.array([there[:, places(table) == i].sum(axis=1) for i in range(BINS)])
    found = binned(table)
    return found.assign(variance=sums.var(axis=1, ddof=1)[found["bin"]])


def least_squares(cohort: Drawn) -> np.ndarray:
    """Mutations that non-negative least squares gives to absent signatures, and to all."""
    spectra = cohort.offered.to_numpy().T
    truth = cohort.truth.reindex(columns=cohort.offered.index).fillna(0.0).to_numpy()
    found = np.array([nnls(spectra, row)[0] for row in cohort.counts.to_numpy()])
    return np.array([found[truth == 0].sum(), found.sum()])


def pooled(rows: pd.DataFrame, signatures: pd.DataFrame, bins: pd.DataFrame) -> pd.DataFrame:
    """One line a regime and type, draws pooled."""
    lines = []
    for key, mine in rows.groupby(KEYS[:2], sort=False):
        sums = mine.sum(numeric_only=True)
        own = signatures[(signatures["regime"] == key[0]) & (signatures["type"] == key[1])]
        each = own.groupby("signature")[["nonzero", "held"]].sum()
        each = each.loc[each["nonzero"] >= 30]
        shares = each["held"] / each["nonzero"]
        line: dict[str, Any] = {"regime": key[0], "type": key[1], "draws": len(mine)}
        line |= {"non_zero": sums["nonzero_held"] / sums["nonzero"], "exposures": int(sums["nonzero"])}
        line |= {"above": sums["nonzero_above"] / sums["nonzero"], "zero": _share(sums["zero_held"], sums["zero"])}
        line |= {"least": shares.min() if len(shares) else np.nan, "least_of": shares.idxmin() if len(shares) else ""}
        line |= {"least_by_chance": least_by_chance(each["nonzero"].to_numpy(int))}
        line |= {"absent": sums["estimate_absent"] / sums["estimate"]}
        line |= {"absent_shown": _share(sums.get("shown_absent", np.nan), sums.get("shown", np.nan))}
        line |= {"absent_nnls": sums["nnls_absent"] / sums["nnls_estimate"]}
        line |= {"error": sums["error"] / sums["true"]}
        line |= {"precision": _share(sums["called_right"], sums["called"])}
        line |= {"recall": _share(sums["called_right"], sums["nonzero"])}
        mine_bins = bins[(bins["regime"] == key[0]) & (bins["type"] == key[1])]
        summed = mine_bins.groupby("bin")[["count", "variance"]].sum()
        line |= calibration(mine_bins) | {"worst_by_chance": worst_by_chance(summed[summed["count"] >= CASES])}
        line |= {"largest_sum": mine["largest_sum"].max(), "noted": sums["cohorts_with_notes"] / sums["cohorts"]}
        lines.append(line | {"seconds": mine["seconds"].mean()})
    return pd.DataFrame(lines)


def calibration(bins: pd.DataFrame) -> dict[str, float]:
    """Expected calibration error of P(present), and the largest error of a bin with 100 cases."""
    sums = bins.groupby("bin")[["predicted", "observed", "count"]].sum()
    errors = (sums["predicted"] - sums["observed"]).abs() / sums["count"]
    many = sums["count"] >= CASES
    return {
        "ece": float((errors * sums["count"]).sum() / sums["count"].sum()),
        "worst_bin": float(errors[many].max()) if many.any() else np.nan,
    }


def least_by_chance(exposures: np.ndarray) -> float:
    """What the least share of signatures with so many ``exposures`` [S] falls below one time in twenty, where 95% are held."""
    if not len(exposures):
        return np.nan
    held = np.random.default_rng(0).binomial(exposures, 0.95, (SIMULATED, len(exposures)))
    return float(np.quantile((held / exposures).min(axis=1), 0.05))


def worst_by_chance(sums: pd.DataFrame) -> float:
    """What the largest error of these bins exceeds one time in twenty, where all that is said of a cohort together is right."""
    if not len(sums):
        return np.nan
    deviations = np.sqrt(sums["variance"].to_numpy(float)) / sums["count"].to_numpy(float)
    errors = np.random.default_rng(0).normal(size=(SIMULATED, len(sums))) * deviations
    return float(np.quantile(np.abs(errors).max(axis=1), 0.95))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else np.nan


def markdown(table: pd.DataFrame) -> str:
    """The table for people."""
    head = "| regime | type | draws | non-zero held | zeros held | least signature | on absent (shown; NNLS) | precision, recall "
    head += "| ECE, worst bin | exposures / mutations, at most | cohorts with a note | s |"
    lines = [head, "|" + "---|" * head.count("|", 1)]
    for row in table.to_dict("records"):
        least = "" if pd.isna(row["least"]) else f"{row['least_of']} {row['least']:.0%} ({row['least_by_chance']:.0%})"
        cells = [row["regime"], row["type"], row["draws"], f"{row['non_zero']:.1%} of {row['exposures']:,}"]
        cells += [
            f"{row['zero']:.1%}",
            least,
            f"{row['absent']:.1%} ({row['absent_shown']:.1%}; {row['absent_nnls']:.0%})",
        ]
        cells += [f"{row['precision']:.2f}, {row['recall']:.2f}"]
        cells += [f"{row['ece']:.3f}, {row['worst_bin']:.2f} ({row['worst_by_chance']:.2f})"]
        cells += [f"{row['largest_sum']:.2f}", f"{row['noted']:.0%}", f"{row['seconds']:.0f}"]
        lines.append("| " + " | ".join(str(cell).replace("nan", "-") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def run(options: argparse.Namespace, field: Field, regimes: Sequence[str]) -> list[pd.DataFrame]:
    """All rows, signatures, reliabilities and notes; new ones are added when a row is done."""
    options.out.mkdir(parents=True, exist_ok=True)
    paths = [options.out / f"{name}.csv" for name in ("rows", "signatures", "reliability", "notes")]
    tables: list[pd.DataFrame] = [pd.read_csv(path) if path.exists() else pd.DataFrame() for path in paths]
    done = set(tables[0][KEYS].itertuples(index=False, name=None)) if len(tables[0]) else set()
    for draw in range(options.first_draw, options.first_draw + options.draws):
        for regime in regimes:
            for kind in options.types:
                if (regime, kind, draw) in done:
                    continue
                row, *new = measured(field, regime, kind, draw, options.set)
                parts = [[old, more] for old, more in zip(tables, [pd.DataFrame([row]), *new], strict=True)]
                tables = [pd.concat([part for part in both if len(part)] or both[1:]) for both in parts]
                for path, frame in zip(paths, tables, strict=True):
                    keep(frame if frame.shape[1] else pd.DataFrame(columns=[*KEYS, "note", "times"]), path)
                print(row, file=sys.stderr, flush=True)
    return tables


def _settings(texts: Sequence[str]) -> dict[str, str]:
    """Options of the refit from NAME=VALUE."""
    wrong = [text for text in texts if "=" not in text]
    if wrong:
        raise InputError(f"--set {wrong[0][:60]}: it must be NAME=VALUE")
    return dict(text.split("=", 1) for text in texts)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = Parser(__doc__, "runs/trust")
    add_files(parser)
    parser.add_argument("--regimes", type=comma(), default=["*"], help="names, * for any: " + ", ".join(REGIMES))
    parser.add_argument(
        "--types",
        type=comma(),
        default=["Breast-AdenoCA", "Liver-HCC"],
        help="cancer types of PCAWG, or made-up-1, ...",
    )
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first-draw", type=int, default=0, help="its number, which is its seed")
    parser.add_argument("--set", nargs="*", default=[], help="options of the refit, NAME=VALUE")
    options = parser.parse_args(arguments)
    options.set = _settings(options.set)
    if options.preset == "smoke":
        options.draws, options.types = 1, options.types[:1]
        options.regimes = ["exome_20_true"] if options.regimes == ["*"] else options.regimes
    known = [name for name in REGIMES if any(fnmatch.fnmatchcase(name, one) for one in options.regimes)]
    regimes = list(dict.fromkeys([*known, *(one for one in options.regimes if "*" not in one)]))
    for regime in regimes:
        parts_of(regime)
    if not regimes:
        raise InputError(f"--regimes {','.join(options.regimes)[:60]}: no regime has such a name; see --help")
    field = made_up_field() if options.preset == "smoke" else real_field(options)
    rows, signatures, bins, _ = run(options, with_made_up(field, options.types), regimes)
    table = pooled(rows, signatures, bins)
    keep(table, options.out / "table.csv")
    text = markdown(table)
    (options.out / "table.md").write_text(text)
    print(text)


if __name__ == "__main__":
    sys.exit(entry(main))
