"""What does a refit say about real tumours? Signatures that were never seen in a cancer type, with and without adaptation.

    python experiments/real_tumours.py --exposures PCAWG_EXPOSURES --catalogue PCAWG_CATALOGUE --cosmic COSMIC --out runs/real
    ... --types Liver-HCC --first 0 --samples 100
    ... --alone 20                                                # and single genomes, given the factors of the others
    python experiments/real_tumours.py --preset smoke --out runs/smoke

Data: as for experiments/trust.py. The genomes FIRST to FIRST + SAMPLES of each type are refitted to all signatures of COSMIC by
`spike_slab`, in four ways: signatures as they are or adapted (adapt none and auto), without and with the tissue named.
`--alone N`: the N genomes that follow these are refitted each by itself, as they are (`alone`) and with the channel factors of
the genomes before them (`alone, earlier factors`), as a laboratory can that has had a cohort before.
There is no truth for real tumours. PCAWG's published attributions say which signatures were found in a type at all; a
signature that they found in none of its tumours, but that is present in most of them here, is likely a misfit with a name.

Machine: 1 CPU core, half a minute to a minute a row.
Expected: signatures that PCAWG never saw in a type present (P > 0.5) in at most 2% of its genomes.
Measured: results/trust/README.md.

Writes OUT/rows.csv: signatures present in a genome, mean and largest share of the genomes with a signature never seen in the
type, the share of the mutations on these, dispersion, R-hat, gain of the adaptation, seconds; finished rows are not repeated.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scripts import Parser, comma, entry, keep
from trust import RENAMED, UNCHECKED, add_files, given_files

from vaebench.data.mutations.tables import read_catalogue, read_signatures
from vaebench.errors import InputError
from vaebench.signatures.channel_factors import read_channel_factors
from vaebench.signatures.refitting import RefitResult, refit

TYPES = ("Liver-HCC", "Breast-AdenoCA", "Lung-AdenoCA", "Kidney-RCC", "Panc-AdenoCA")
KEYS = ["type", "tissue", "adapt"]
ALONE, EARLIER = "alone", "alone, earlier factors"


def made_up(out: Path) -> dict[str, Path]:
    """Files of 24 made-up tumours with eight made-up signatures, for the preset smoke."""
    from vaebench.data.mutations.channels import CHANNELS

    rng = np.random.default_rng(0)
    names = ["SBS1", "SBS2", "SBS4", "SBS5", "SBS12", "SBS18", "SBS29", "SBS40a"]
    signatures = pd.DataFrame(rng.dirichlet(np.full(96, 1.0), 8), names, list(CHANNELS))
    amounts = rng.gamma(1, 500, (24, 8)) * (rng.random((24, 8)) < 0.4)
    amounts[:, 0] += 100
    labels = [f"T{i}" for i in range(24)]
    exposures = pd.DataFrame(amounts, columns=pd.Index(names))
    exposures.insert(0, "Sample Names", labels)
    exposures.insert(0, "Cancer Types", "Liver-HCC")
    counts = pd.DataFrame(
        rng.poisson(amounts @ signatures.to_numpy()), [f"Liver-HCC::{v}" for v in labels], list(CHANNELS)
    )
    paths = {name: out / f"made_up_{name}.csv" for name in ("exposures", "catalogue", "cosmic")}
    exposures.to_csv(paths["exposures"], index=False)
    counts.T.to_csv(paths["catalogue"], index_label="Type")
    signatures.T.to_csv(paths["cosmic"], index_label="Type")
    return paths


def add_genomes(parser: Parser, types: Sequence[str]) -> None:
    """Options for the genomes of real tumours."""
    add_files(parser)
    parser.add_argument("--types", type=comma(), default=list(types), help="cancer types of PCAWG")
    parser.add_argument("--first", type=int, default=0, help="place of a type's first genome in the catalogue")
    parser.add_argument("--samples", type=int, default=100, help="genomes of a type")


def asked_for(options: argparse.Namespace) -> tuple[dict[str, Path], list[str]]:
    """Files and cancer types that were asked for; made-up ones for the preset smoke. Makes the folder."""
    options.out.mkdir(parents=True, exist_ok=True)
    if options.preset == "smoke":
        return made_up(options.out), ["Liver-HCC"]
    return given_files(options), options.types


def row_of(fit: RefitResult, seen: set[str], known: set[str]) -> dict[str, Any]:
    """Numbers of a refit, given the signatures ``seen`` in the type, and all those that the published table has."""
    assert fit.intervals is not None
    grouped = fit.intervals.assign(present=fit.intervals["presence"] > 0.5).groupby("signature")
    share, amounts = grouped["present"].mean(), grouped["exposure"].sum()
    never = [str(name) for name in amounts.index if name in known - seen]
    unknown = [str(name) for name in amounts.index if name not in known]
    total = float(amounts.sum())
    most = str(share[never].idxmax()) if never else ""
    return {
        "present": float(share.sum()),
        "never_mean": float(share[never].mean()) if never else np.nan,
        "never_most": float(share[most]) if never else np.nan,
        "never_name": most,
        "never_mutations": float(amounts[never].sum()) / total,
        "unknown_mutations": float(amounts[unknown].sum()) / total,
        "noise": fit.noise,
        "dispersion": fit.dispersion,
        "r_hat": fit.diagnostics["r_hat_99"],
        "effective": fit.diagnostics["effective_draws_1"],
        "gain": np.nan if fit.adaptation_gain is None else fit.adaptation_gain,
    }


def alone(counts: pd.DataFrame, signatures: pd.DataFrame, **named: Any) -> RefitResult:
    """Refits of the samples one by one, as one result with the intervals of all and the worst diagnostics."""
    fits = [
        refit(counts.iloc[[i]], signatures, intervals="spike_slab", checks=UNCHECKED, **named)
        for i in range(len(counts))
    ]
    worst = {"r_hat_99": max, "effective_draws_1": min}
    return fits[0]._replace(
        intervals=pd.concat([fit.intervals for fit in fits]),
        dispersion=float(np.median([fit.dispersion for fit in fits])),
        diagnostics={name: choose(fit.diagnostics[name] for fit in fits) for name, choose in worst.items()},
    )


def fit_of(
    options: argparse.Namespace, counts: pd.DataFrame, signatures: pd.DataFrame, tissue: str, adapt: str
) -> RefitResult | None:
    """The refit of a row; ``None`` if the genomes before have no factors. Those of an adapted cohort are kept in OUT."""
    kept, named = options.out / f"factors_{counts.index[0].split('::')[0]}_{tissue}.csv", tissue or None
    cohort, single = counts[: options.samples], counts[options.samples :]
    if adapt == EARLIER:
        return alone(single, signatures, adapt=read_channel_factors(kept), tissue=named) if kept.exists() else None
    if adapt == ALONE:
        return alone(single, signatures, adapt="none", tissue=named)
    fit = refit(cohort, signatures, intervals="spike_slab", adapt=adapt, tissue=named)
    if fit.channel_factors is not None:
        fit.channel_factors.rename_axis("channel").reset_index().to_csv(kept, index=False)
    return fit


def measured(options: argparse.Namespace, paths: dict[str, Path], kinds: Sequence[str]) -> pd.DataFrame:
    """A row a type, tissue and adaptation; rows of OUT/rows.csv are not made again."""
    table = pd.read_csv(paths["exposures"]).rename(columns=RENAMED)
    catalogue, signatures = read_catalogue(paths["catalogue"]), read_signatures(paths["cosmic"])
    known = {name for name in signatures.index if name in table.columns}
    out = options.out / "rows.csv"
    rows = pd.read_csv(out, keep_default_na=False) if out.exists() else pd.DataFrame(columns=pd.Index(KEYS))
    done = set(rows[KEYS].itertuples(index=False, name=None))
    ways = ("none", "auto", *((ALONE, EARLIER) if options.alone else ()))
    for kind, tissue, adapt in ((k, t, a) for k in kinds for t in ("", k) for a in ways):
        if (kind, tissue, adapt) in done:
            continue
        own = [name for name in catalogue.index if str(name).startswith(f"{kind}::")]
        counts = catalogue.loc[own[options.first : options.first + options.samples + options.alone]]
        if not len(counts):
            raise InputError(f"--types {kind[:60]}: there are no such genomes from place {options.first}")
        mine = table.loc[table["Cancer Types"] == kind, sorted(known)]
        started = time.perf_counter()
        fit = fit_of(options, counts, signatures, tissue, adapt)
        if fit is None:
            continue
        assert fit.intervals is not None
        row = {"type": kind, "tissue": tissue, "adapt": adapt, "genomes": fit.intervals["sample"].nunique()}
        row |= row_of(fit, set(mine.columns[(mine > 0).any()]), known) | {"seconds": time.perf_counter() - started}
        rows = pd.concat([rows, pd.DataFrame([row])], ignore_index=True)
        keep(rows, out)
        print(row, file=sys.stderr, flush=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = Parser(__doc__, "runs/real_tumours")
    add_genomes(parser, TYPES)
    parser.add_argument("--alone", type=int, default=0, help="genomes of a type that are refitted each by itself")
    options = parser.parse_args(arguments)
    print(measured(options, *asked_for(options)).to_string())


if __name__ == "__main__":
    sys.exit(entry(main))
