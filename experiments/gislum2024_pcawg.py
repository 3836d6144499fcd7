"""The real genomes of PCAWG: signatures extracted from all of them and from each half, compared with the published ones.

    VAEBENCH_DATA=data python experiments/gislum2024_pcawg.py --out runs/pcawg
    python experiments/gislum2024_pcawg.py --preset smoke --out runs/smoke          # simulated cohort, by NMF, seconds

Data: 2,780 whole genomes of 37 cancer types (Alexandrov et al. 2020), DATA/signatures/pcawg, with the published signatures
(2019-05) and exposures. The published ones are estimates by another program, not the truth, so agreement is no proof and
disagreement no error. Every cancer type is divided in two at random (seed), and each half is extracted by itself. What both
halves show again does not depend on single samples. `sparse`, 2 to 45 signatures, ten restarts.

An extraction decides by counts alone which genomes have a signature. So all genomes are refitted to the signatures found, by
`spike_slab`, with the cancer types as classes of its prior; an exposure counts where P(present) is 0.5 or more.

Machine: 2 CPU cores with other work; all genomes under an hour, each half 10 minutes, the refit 4 to 8.
Expected: signatures of many genomes are found in all three and match a published one; flat ones separate last.

Writes OUT/signatures_PART.csv, OUT/exposures_PART.csv and OUT/selection_PART.csv (`all`, `first`, `second`), each when it is
done; finished parts are not repeated. Then OUT/table.csv, a row a signature of all genomes: the published signature next to
it, the genomes it is in, the share of them that need it (in 200 genomes: without it the deviance rises by more than ln 96),
its mutations, and the cosine of its match in each half; the genomes that have it after the refit; and of the genomes of types in
which the nearest published signature was never published (`unseen`), the share that has it, extracted and refitted;
OUT/exposures_refit.csv; OUT/samples.csv, a row a genome: mutations and the cosine of counts
and their fit, by these and by the published signatures and exposures; OUT/stability.png.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from gislum2024_extraction import cohort
from gislum2024_pictures import stability_dots
from scripts import Parser, entry, keep

from vaebench.data.mutations.tables import (
    cancer_types,
    read_catalogue,
    read_exposures,
    read_signatures,
    write_exposures,
    write_signatures,
)
from vaebench.errors import InputError
from vaebench.figures import save
from vaebench.signatures.extraction import extract
from vaebench.signatures.likelihood import deviance, maximum_likelihood
from vaebench.signatures.matching import fit_cosines, matches
from vaebench.signatures.refitting import refit

PARTS = ("all", "first", "second")
NUMBERS = {"smoke": range(3, 4), "cpu": range(2, 46)}
RESTARTS = {"smoke": 2, "cpu": 10}
METHOD = {"smoke": "nmf", "cpu": "sparse"}
"""NMF compiles in a third of the time."""
REFIT = {"smoke": None, "cpu": "spike_slab"}
ASKED = 200
"""Genomes that are asked which signatures they need."""


def genomes(preset: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The catalogue [T, 96], the published signatures [S, 96] and exposures [T, S]."""
    if preset == "smoke":
        return cohort(0)
    if "VAEBENCH_DATA" not in os.environ:
        raise InputError("the genomes are files; set VAEBENCH_DATA to the folder with signatures/pcawg")
    folder = Path(os.environ["VAEBENCH_DATA"]) / "signatures" / "pcawg"
    catalogue, signatures = read_catalogue(folder / "catalogue.csv"), read_signatures(folder / "signatures_2019_05.csv")
    table = pd.read_csv(folder / "published_exposures.csv")
    table.index = pd.Index(table["Cancer Types"] + "::" + table["Sample Names"])
    # signatures that no genome was given (SBS84 and SBS85, of lymphoid exomes) have no column
    exposures = table.loc[catalogue.index].reindex(columns=signatures.index, fill_value=0).astype(float)
    return catalogue, signatures, exposures


def halves(catalogue: pd.DataFrame, seed: int) -> np.ndarray:
    """[T] whether a sample is in the first half, drawn within each cancer type."""
    order = np.random.default_rng(seed).permutation(len(catalogue))
    named = cancer_types(catalogue.index)
    types = pd.Series(["" if named is None else named.iloc[i] for i in order])
    rank = types.groupby(types).cumcount().to_numpy()
    first = np.empty(len(catalogue), bool)
    first[order] = rank % 2 == 0
    return first


def extracted(part: str, catalogue: pd.DataFrame, options: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Signatures [S, 96] and exposures [T, S] of a part, made once and kept."""
    paths = [options.out / f"{what}_{part}.csv" for what in ("exposures", "signatures")]
    if not paths[1].exists():
        first = halves(catalogue, options.seed)
        rows = {"all": np.ones(len(catalogue), bool), "first": first, "second": ~first}[part]

        def tell(what: str, done: int, total: int) -> None:
            print(f"{part}: {what} ({done}/{total})", file=sys.stderr, flush=True)

        found = extract(
            catalogue[rows],
            k=NUMBERS[options.preset],
            method=METHOD[options.preset],
            restarts=RESTARTS[options.preset],
            seed=options.seed,
            progress=tell,
        )
        options.out.mkdir(parents=True, exist_ok=True)
        keep(found.selection, options.out / f"selection_{part}.csv")
        write_exposures(found.exposures, paths[0])
        write_signatures(found.signatures, paths[1])
    return read_signatures(paths[1]), read_exposures(paths[0])


def needed(catalogue: pd.DataFrame, signatures: pd.DataFrame, exposures: pd.DataFrame, seed: int) -> np.ndarray:
    """[S] share of the genomes with a signature, among :data:`ASKED` drawn at random, whose deviance rises without it.

    By more than ln 96, what the criterion of the extraction charges for an exposure; both fits of maximum likelihood.
    """
    rows = np.random.default_rng(seed).permutation(len(catalogue))[:ASKED]
    x, e, s = catalogue.to_numpy()[rows], exposures.to_numpy()[rows], signatures.to_numpy()

    def least(which: np.ndarray, free: np.ndarray) -> np.ndarray:
        begin = np.where(free, np.maximum(e[which], 1.0), 0.0)
        return deviance(x[which], maximum_likelihood(x[which], s, start=begin, free=free).exposures @ s)

    with_all, shares = least(np.arange(len(x)), e > 0), np.full(len(s), np.nan)
    for k in range(len(s)):
        which = np.flatnonzero(e[:, k] > 0)
        if len(which):
            rise = least(which, (e[which] > 0) & (np.arange(len(s)) != k)) - with_all[which]
            shares[k] = np.mean(rise > np.log(x.shape[1]))
    return shares


def table(found: dict[str, pd.DataFrame], exposures: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """One line a signature of all genomes."""
    lines = matches(found["all"], published).rename(columns={"extracted": "signature", "reference": "published"})
    lines["samples"] = (exposures > 0).sum().reindex(lines["signature"]).to_numpy()
    lines["mutations"] = exposures.sum().reindex(lines["signature"]).to_numpy()
    for part in PARTS[1:]:
        pairs = matches(found["all"], found[part]).set_index("extracted")
        lines[f"cosine_{part}"] = pairs["cosine"].reindex(lines["signature"]).to_numpy()
    return lines


def refitted(catalogue: pd.DataFrame, signatures: pd.DataFrame, options: argparse.Namespace) -> pd.DataFrame:
    """Exposures [T, S] of a refit with the cancer types as classes of the prior, made once and kept."""
    path = options.out / "exposures_refit.csv"
    if not path.exists():
        types = cancer_types(catalogue.index)
        found = refit(catalogue, signatures, intervals=REFIT[options.preset], types=types, seed=options.seed)
        write_exposures(found.exposures, path)
    return read_exposures(path)


def unseen(lines: pd.DataFrame, extracted: pd.DataFrame, again: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """``lines`` with the genomes of types that never had the nearest published signature, and how many of them have this one.

    ``extracted``, ``again`` (by the refit) and ``published`` are exposures [T, S].
    """
    types = cancer_types(extracted.index)
    classes = np.zeros(len(extracted)) if types is None else types.to_numpy()
    held = published.groupby(classes).sum() > 0
    lines["samples_refit"] = (again > 0).sum().reindex(lines["signature"]).to_numpy()
    never = [~held[name].reindex(classes).to_numpy() for name in lines["nearest"]]
    lines["unseen"] = [int(rows.sum()) for rows in never]
    for name, exposures in (("unseen_extracted", extracted), ("unseen_refit", again)):
        has = exposures[lines["signature"]].to_numpy(float) > 0
        lines[name] = [has[rows, k].mean() if rows.any() else np.nan for k, rows in enumerate(never)]
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = Parser(__doc__, "runs/pcawg")
    parser.add_argument("--preset", choices=tuple(NUMBERS), default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    catalogue, published, theirs = genomes(options.preset)
    made = {part: extracted(part, catalogue, options) for part in PARTS}
    found, ours, counts = {part: pair[0] for part, pair in made.items()}, made["all"][1], catalogue.to_numpy()
    lines = table(found, ours, published)
    lines.insert(6, "needed", needed(catalogue, found["all"], ours, options.seed))
    lines = unseen(lines, ours, refitted(catalogue, found["all"], options), theirs)
    samples = pd.DataFrame({"sample": catalogue.index, "mutations": counts.sum(1)})
    samples["cosine"] = fit_cosines(counts, ours.to_numpy() @ found["all"].to_numpy())
    samples["cosine_published"] = fit_cosines(counts, theirs.to_numpy() @ published.to_numpy())
    keep(lines, options.out / "table.csv")
    keep(samples, options.out / "samples.csv")
    save(stability_dots(lines), options.out / "stability.png")
    print(lines.to_string(index=False, float_format="{:.3f}".format, na_rep=""))
    print({part: len(signatures) for part, signatures in found.items()}, "signatures")
    print(samples[["mutations", "cosine", "cosine_published"]].describe().to_string(float_format="{:.3f}".format))


if __name__ == "__main__":
    sys.exit(entry(main))
