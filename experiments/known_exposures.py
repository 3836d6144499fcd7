"""Tables of what published exposures say of each signature in each tumour type, and of which signatures occur together.

    python experiments/known_exposures.py --genomes published_exposures.csv --exomes tcga_factors.csv.gz \\
        --types pancan_eb.csv.gz metagsca.csv.gz porpoise.csv.gz --out runs/known_exposures
    python experiments/known_exposures.py --preset smoke --out runs/smoke                     # simulated exposures, a second

Data: exposures that SigProfiler published for PCAWG's genomes (columns `Cancer Types`, `Sample Names`, `SBS1` ...; Alexandrov
et al. 2020) and for TCGA's exomes (`sample`, `SBS1` ...). The second has no tumour types: tables with TCGA barcodes and types
give those of the tissue source sites (the second part of a barcode), each of which collected one type.

Machine: one CPU core, a minute.
Expected: 37 types of genomes and 32 or 33 of exomes, about 1,000 rows; SBS1 in 95% of the genomes of breast cancer.

Writes OUT/known_exposures.csv, which is the package's vaebench/signatures/known_exposures.csv: a row for each type and signature
that was found in it, with the samples of the type, those with the signature, mean and standard deviation of ln(share) there, and
of ln(size) relative to the tumour's burden (vaebench/signatures/sizes.py), which the prior is made of. OUT/known_pairs.csv,
the package's vaebench/signatures/known_pairs.csv: log odds ratios of pairs of signatures in genomes, correlations of their sizes
(vaebench/signatures/cooccurrence.py). And OUT/known_changes.csv, the package's vaebench/signatures/known_changes.csv: signatures
of genomes that are smaller where another is present. What pairs are worth on genomes that are held back is printed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scripts import Parser, entry

from vaebench.errors import InputError
from vaebench.signatures.cooccurrence import fitted_log_odds, log_loss, pair_table, type_presence
from vaebench.signatures.published import growth_of
from vaebench.signatures.sizes import relative_sizes, size_changes

SOURCE = "Alexandrov et al. 2020"
JOINED = ("COADREAD", "GBMLGG")
"""Labels that join two types: used for a site only if there is no other."""
LEAST = 5
"""Samples that a type must have."""


def change_table(exposures: pd.DataFrame, types: pd.Series) -> pd.DataFrame:
    """One row for each signature whose ln(size) the presence of another changes, from ``exposures`` in mutations."""
    names = list(exposures.columns)
    found = size_changes(exposures.to_numpy(float), types.to_numpy(), growth_of(names))
    rows = [(names[v.of], names[v.by], v.change, v.spread, v.gain) for v in found]
    return pd.DataFrame(rows, columns=["signature", "other", "change", "spread", "log_likelihood_gain"])


def facts(exposures: pd.DataFrame, types: pd.Series, assay: str, changed: pd.DataFrame) -> pd.DataFrame:
    """One row for each type and each signature in it, from ``exposures`` [samples, signatures] in mutations.

    Sizes are beside none of the signatures that change them, which ``changed`` says (:func:`change_table`).
    """
    rows = []
    for kind, own in exposures.groupby(types):
        own = own[own.sum(axis=1) > 0]
        if len(own) < LEAST:
            continue
        own = own.loc[:, (own > 0).any()]
        shares = own.div(own.sum(axis=1), axis=0)
        names = list(own.columns)
        both = {kind: pd.DataFrame(0.0, names, names) for kind in ("change", "spread")}
        for name, other, *values in changed[["signature", "other", *both]].itertuples(index=False):
            if {name, other} <= set(names):
                for table, value in zip(both.values(), values, strict=True):
                    table.loc[name, other] = value
        changes, spreads = (table.to_numpy(float) for table in both.values())
        sizes = relative_sizes(own.to_numpy(float), loading=growth_of(names), changes=changes, spreads=spreads)
        for k, name in enumerate(own.columns):
            logs = np.log(shares[name][shares[name] > 0])
            sd = float(logs.std(ddof=1)) if len(logs) > 1 else np.nan
            size = (float(sizes.log_mean[k]), float(np.sqrt(sizes.variance[k])) if len(logs) > 1 else np.nan)
            rows.append((kind, assay, name, len(own), len(logs), float(logs.mean()), sd, *size))
    columns = ["type", "assay", "signature", "samples", "present", "log_share_mean", "log_share_sd"]
    columns += ["log_size_mean", "log_size_sd"]
    return pd.DataFrame(rows, columns=columns)


def site_types(tables: Sequence[Path]) -> pd.Series:
    """Type of each tissue source site, from tables with TCGA barcodes: the type of most of its patients."""
    pairs = []
    for path in tables:
        header = pd.read_csv(path, nrows=3)
        barcode = next((c for c in header if str(header[c].iloc[0]).startswith("TCGA-")), None)
        kind = next((c for c in ("cancer_type", "cohort", "type") if c in header), None)
        if barcode is None or kind is None:
            raise InputError(f"{path} must have a column of TCGA barcodes and one named cancer_type, cohort or type")
        table = pd.read_csv(path, usecols=[barcode, kind])
        pairs.append(pd.DataFrame({"site": table[barcode].str[5:7], "type": table[kind].astype(str).str.upper()}))
    both = pd.concat(pairs)
    fine = both[~both["type"].isin(JOINED)]
    both = pd.concat([fine, both[~both["site"].isin(fine["site"])]])
    return both.groupby("site")["type"].agg(lambda kinds: kinds.value_counts().index[0])


def tables(genomes: Path, exomes: Path, types: Sequence[Path]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Facts of genomes and exomes, pairs of signatures in genomes, and signatures that change the sizes of others there."""
    g, e = pd.read_csv(genomes), pd.read_csv(exomes)
    e = e[e["SBS1"].notna()]
    sites = site_types(types)
    amounts = g.filter(regex=r"^SBS\d")
    changed = change_table(amounts, g["Cancer Types"])
    parts = [
        facts(amounts, g["Cancer Types"], "genome", changed),
        facts(e.filter(regex=r"^SBS\d"), e["sample"].str[5:7].map(sites), "exome", changed),
    ]
    pairs = pair_table(amounts, g["Cancer Types"], growth_of(list(amounts.columns)))
    found, pairs, changed = (table.assign(source=SOURCE) for table in (pd.concat(parts), pairs, changed))
    return found, pairs, changed


def held_back(exposures: pd.DataFrame, types: pd.Series, folds: int = 5) -> tuple[float, float]:
    """Log loss of presence, of tumours held back in turn, with independent signatures and with log odds of pairs."""
    present, kinds = exposures.to_numpy() > 0, types.to_numpy()
    fold = np.random.default_rng(0).integers(0, folds, len(present))
    losses = np.zeros(2)
    for i in range(folds):
        kept, own = fold != i, fold == i
        chance = type_presence(present[kept], kinds[kept], kinds[own])
        fitted = fitted_log_odds(present[kept], kinds[kept])
        losses += [log_loss(present[own], chance, log_odds) for log_odds in (0 * fitted, fitted)]
    return float(losses[0]), float(losses[1])


def smoke(folder: Path) -> tuple[Path, Path, list[Path]]:
    """Small files of the same formats."""
    rng = np.random.default_rng(0)
    e = pd.DataFrame(rng.poisson(30, (20, 2)) * (rng.random((20, 2)) < 0.7), columns=["SBS1", "SBS40"])
    kinds = ["Liver-HCC"] * 10 + ["Panc-AdenoCA"] * 10
    barcodes = [f"TCGA-{'DD' if i < 10 else 'IB'}-A{i:03}-01" for i in range(20)]
    paths = (folder / "genomes.csv", folder / "exomes.csv", folder / "types.csv")
    e.assign(**{"Cancer Types": kinds, "Sample Names": barcodes}).to_csv(paths[0], index=False)
    e.assign(sample=barcodes).to_csv(paths[1], index=False)
    pd.DataFrame({"sample": barcodes, "cancer_type": ["LIHC"] * 10 + ["PAAD"] * 10}).to_csv(paths[2], index=False)
    return paths[0], paths[1], [paths[2]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table."""
    parser = Parser(__doc__, "runs/known_exposures")
    parser.add_argument("--genomes", type=Path)
    parser.add_argument("--exomes", type=Path)
    parser.add_argument("--types", type=Path, nargs="+")
    parser.add_argument("--preset", choices=("full", "smoke"), default="full")
    options = parser.parse_args(arguments)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    if options.preset == "smoke":
        paths = smoke(folder)
    elif options.genomes and options.exomes and options.types:
        paths = (options.genomes, options.exomes, options.types)
        for path in (*paths[:2], *paths[2]):
            if not path.is_file():
                raise InputError(f"{path}: there is no such file")
    else:
        raise InputError("--genomes, --exomes and --types are needed; see the header of the script")
    found, pairs, changed = tables(*paths)
    found.to_csv(folder / "known_exposures.csv", index=False, float_format="%.4g")
    pairs.to_csv(folder / "known_pairs.csv", index=False, float_format="%.3g")
    changed.to_csv(folder / "known_changes.csv", index=False, float_format="%.3g")
    print(f"{found['type'].nunique()} types, {len(found)} rows, {len(pairs)} pairs, {len(changed)} changes of sizes")
    genomes = pd.read_csv(paths[0])
    alone, together = held_back(genomes.filter(regex=r"^SBS\d"), genomes["Cancer Types"])
    print(f"log loss of presence in genomes held back: {alone:.0f} independent, {together:.0f} with pairs")


if __name__ == "__main__":
    sys.exit(entry(main))
