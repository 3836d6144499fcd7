"""Can extractions be trusted? Signatures found in simulated cohorts of one cancer type, of genomes and of exomes.

    python experiments/trust_extraction.py --exposures PCAWG_EXPOSURES --catalogue PCAWG_CATALOGUE --cosmic COSMIC --out runs/x
    ... --cohorts genome_100,exome_100 --types Liver-HCC --methods sparse,sparse_known,nmf --draws 1
    python experiments/trust_extraction.py --preset smoke --out runs/smoke                  # made-up signatures, a minute

Data and simulator: those of experiments/trust.py, which share nothing with the package. A cohort is ASSAY_SAMPLES of each type,
or ASSAY_SAMPLES_mixed: so many tumours of the three types together, a third of each. Methods: `sparse`; `sparse_known`, with all
signatures of COSMIC as a prior of weight 100; `nmf`; `refit`, the signatures that a refit of all of COSMIC by `spike_slab` finds.
Two to --k-max signatures, --restarts random starts, Poisson counts.

`true` counts the signatures with exposures in the cohort, `common` those in at least 5% of its tumours, `shown` those without
which the log likelihood of the cohort is lower by 10 or more, all others being known: nobody can find the rest. Cosines are
those of found signatures with the nearest true one (`cosine`; `false`: those below 0.9), and of true ones with the nearest found
one (`recall`: the share from 0.9).

Machine: 1 CPU core, one to five minutes a cohort and method.
Measured: results/trust/README.md.

Writes OUT/rows.csv, a row a (cohort, type, method, draw); finished rows are not repeated. The seed of a draw is its number.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from real_extraction import cosines
from scipy.stats import poisson
from scripts import Parser, comma, entry, keep
from trust import Drawn, Field, add_files, drawn, made_up_field, real_field

from vaebench.errors import InputError
from vaebench.signatures.extraction import extract
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.refitting import refit

COHORTS = ("genome_100", "genome_30", "exome_100", "exome_300_mixed")
TYPES = ("Breast-AdenoCA", "Liver-HCC", "Skin-Melanoma")
METHODS: dict[str, dict[str, Any]] = {
    "sparse": {"method": "sparse"},
    "sparse_known": {"method": "sparse", "prior_weight": 100.0},
    "nmf": {"method": "nmf"},
    "refit": {},
}
SHOWN = 10.0
"""Log likelihood that a signature has to add, in nats."""
KEYS = ["cohort", "type", "method", "draw"]
Key = tuple[str, str, str, int]


def cohort_of(field: Field, name: str, kinds: Sequence[str], draw: int) -> Drawn:
    """The cohort of a name; its random numbers do not depend on which others are made."""
    assay, samples, *mixed = name.split("_")
    if not samples.isdigit() or mixed not in ([], ["mixed"]):
        raise InputError(f"--cohorts {name[:60]!r} is not ASSAY_SAMPLES or ASSAY_SAMPLES_mixed; see --help")
    rng = np.random.default_rng([draw, *f"{name} {'+'.join(kinds)}".encode()])
    parts = [drawn(field, f"{assay}_{int(samples) // len(kinds)}_all", kind, rng) for kind in kinds]
    return Drawn(pd.concat([p.counts for p in parts]), pd.concat([p.truth for p in parts]), parts[0].offered)


def found_by(cohort: Drawn, method: str, options: argparse.Namespace, draw: int) -> pd.DataFrame:
    """Signatures [S, M] that a method finds in a cohort."""
    if method == "refit":
        return cohort.offered.loc[list(refit(cohort.counts, cohort.offered, intervals="spike_slab", seed=draw).found)]
    settings = METHODS[method]
    return extract(
        cohort.counts,
        k=range(2, options.k_max + 1),
        restarts=options.restarts,
        seed=draw,
        reference=cohort.offered if "prior_weight" in settings else None,
        **settings,
    ).signatures


def shown(cohort: Drawn, true: pd.DataFrame) -> int:
    """Number of the ``true`` signatures [S, M] that the counts show; see the module's docstring."""
    counts, spectra = cohort.counts.to_numpy(float), true.to_numpy()

    def best(signatures: np.ndarray) -> np.ndarray:
        mean = maximum_likelihood(counts, signatures).exposures @ signatures
        return poisson.logpmf(counts, np.maximum(mean, 1e-12)).sum(axis=1)

    whole, there = best(spectra), (cohort.truth[true.index] > 0).to_numpy()
    lost = [(whole - best(np.delete(spectra, k, 0)))[there[:, k]].sum() for k in range(len(spectra))]
    return int((np.array(lost) >= SHOWN).sum())


def measured(cohort: Drawn, method: str, options: argparse.Namespace, draw: int) -> dict[str, Any]:
    """Numbers of one extraction."""
    started = time.process_time()
    signatures = found_by(cohort, method, options, draw)
    share = (cohort.truth > 0).mean()
    true = cohort.offered.loc[[name for name in cohort.offered.index if share.get(name, 0) > 0]]
    similar = cosines(signatures, true)
    return {
        "found": len(signatures),
        "true": len(true),
        "common": int((share >= 0.05).sum()),
        "shown": shown(cohort, true),
        "false": int((similar.max(axis=1) < 0.9).sum()),
        "cosine": float(similar.max(axis=1).mean()),
        "least": float(similar.max(axis=1).min()),
        "recall": float((similar.max(axis=0) >= 0.9).mean()),
        "cpu_seconds": time.process_time() - started,
    }


def rows_of(out: Path, planned: Iterable[Key], measure: Callable[[Key], dict[str, Any]]) -> pd.DataFrame:
    """A row a (cohort, type, method, draw) of ``planned``, kept in ``out`` when it is measured; rows there are not made again."""
    rows: list[dict[Any, Any]] = pd.read_csv(out).to_dict("records") if out.exists() else []
    done = {tuple(row[key] for key in KEYS) for row in rows}
    for key in planned:
        if key not in done:
            rows.append(dict(zip(KEYS, key, strict=True)) | measure(key))
            keep(pd.DataFrame(rows), out)
            print({name: v for name, v in rows[-1].items() if name != "notes"}, file=sys.stderr, flush=True)
    return pd.DataFrame(rows)


def run(options: argparse.Namespace, field: Field) -> pd.DataFrame:
    """A row a cohort, type, method and draw."""
    planned = [
        (name, "+".join(kinds), method, draw)
        for draw in range(options.first_draw, options.first_draw + options.draws)
        for name in options.cohorts
        for kinds in ([options.types] if name.endswith("mixed") else [[kind] for kind in options.types])
        for method in options.methods
    ]

    def measure(key: Key) -> dict[str, Any]:
        name, kinds, method, draw = key
        return measured(cohort_of(field, name, kinds.split("+"), draw), method, options, draw)

    return rows_of(options.out / "rows.csv", planned, measure)


def command(
    doc: str | None,
    out: str,
    defaults: tuple[Sequence[str], Sequence[str], Sequence[str]],
    allowed: Sequence[str],
    arguments: Sequence[str] | None = None,
) -> tuple[argparse.Namespace, Field]:
    """Options of a script that extracts, with its ``defaults`` of cohorts, types and methods, and the field to draw from."""
    cohorts, types, methods = defaults
    parser = Parser(doc, out)
    add_files(parser)
    parser.add_argument("--cohorts", type=comma(), default=list(cohorts), help="see above")
    parser.add_argument("--types", type=comma(), default=list(types), help="cancer types of PCAWG; see above")
    parser.add_argument("--methods", type=comma(), default=list(methods), help=", ".join(allowed))
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--first-draw", type=int, default=0)
    parser.add_argument("--k-max", type=int, default=15, help="largest number of signatures")
    parser.add_argument("--restarts", type=int, default=3, help="random starts for each number")
    options = parser.parse_args(arguments)
    wrong = [name for name in options.methods if name not in allowed]
    if wrong:
        raise InputError(f"--methods {wrong[0][:60]!r} is unknown; allowed: {', '.join(allowed)}")
    options.out.mkdir(parents=True, exist_ok=True)
    if options.preset == "smoke":
        options.cohorts, options.types, options.k_max, options.restarts = ["genome_20"], ["Breast-AdenoCA"], 3, 1
        return options, made_up_field()
    return options, real_field(options)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    defaults = (COHORTS, TYPES, ("sparse", "sparse_known"))
    print(run(*command(__doc__, "runs/trust_extraction", defaults, list(METHODS), arguments)).to_string())


if __name__ == "__main__":
    sys.exit(entry(main))
