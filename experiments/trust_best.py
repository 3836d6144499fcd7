"""How well can single samples be known at best? Bayes' rule with all other real tumours as the prior, beside the refits.

    python experiments/trust_best.py --exposures PCAWG_EXPOSURES --catalogue PCAWG_CATALOGUE --cosmic COSMIC \\
        --measured results/trust/now/rows.csv --first-draw 802 --draws 7 --out runs/best
    ... --regimes exome_1_all --types Liver-HCC
    python experiments/trust_best.py --preset smoke --out runs/smoke

Data, simulator, regimes and draws: those of experiments/trust.py, single samples only. Their exposures are those of a real
tumour, scaled; so the true prior of a sample is the set of all real tumours (tissue not named) or those of its type (named).
The tumour itself is left out, for no prior knows it. Each of the others is weighed by the multinomial likelihood of the sample's
counts under its mixture of signatures, and the weighted mean of their shares, times the sample's mutations, is the estimate;
P(present) is the weight of those that have a signature. No method that knows no more than these tumours is better on average.

Machine: 1 CPU core, a minute.
Measured: results/trust/README.md.

Writes OUT/rows.csv, a row for each regime and type, with and without the tissue, and for the refits of --measured: the shares of
the mutations on absent signatures, of all estimates and of those shown (P(present) above 0.5), precision and recall of P(present)
above 0.5, the sum of errors in shares of all mutations, and, not of refits, the expected calibration error of P(present) and the
largest error of a tenth of its range with 100 cases.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scripts import Parser, comma, entry, keep
from trust import Drawn, Field, add_files, binned, calibration, cohorts_of, counted, made_up_field, parts_of, real_field

from vaebench.errors import InputError

REGIMES = ("few_1_all", "exome_1_tissue", "exome_1_all", "panel_1_tissue")
PRIORS = ("all tumours", "its type")
LEAST = 1e-6  # probability of a channel that no signature of a tumour has


def weights_of(field: Field, cohort: Drawn, allowed: np.ndarray) -> np.ndarray:
    """Weights [T] of the tumours of ``field`` given the only sample of ``cohort``; of those not ``allowed`` [T] they are 0."""
    shares = _shares(field)
    spectra = shares @ field.signatures.loc[field.exposures.columns].to_numpy()
    logs = np.log(spectra + LEAST) @ cohort.counts.to_numpy()[0]
    true = cohort.truth.to_numpy()[0]
    itself = np.abs(shares - true / true.sum()).sum(1) < 1e-9
    logs = np.where(allowed & ~itself, logs, -np.inf)
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _shares(field: Field) -> np.ndarray:
    """Exposures [T, S] in shares; a tumour without any has none."""
    exposures = field.exposures.to_numpy()
    return exposures / np.maximum(exposures.sum(1, keepdims=True), 1e-12)


def best(field: Field, regime: str, kind: str, draws: Sequence[int], named: bool) -> dict[str, float]:
    """Scores of the samples of a regime and type, all draws together."""
    shares, tables = _shares(field), []
    allowed = (field.exposures.to_numpy().sum(1) > 0) & ((field.types == kind) | (not named))
    for draw in draws:
        for cohort, _ in cohorts_of(field, regime, kind, draw, {}):
            weights = weights_of(field, cohort, allowed)
            total = float(cohort.counts.to_numpy().sum())
            estimate = {"exposure": weights @ shares * total, "presence": weights @ (shares > 0)}
            tables.append(pd.DataFrame(estimate | {"true": cohort.truth.to_numpy()[0]}))
    table = pd.concat(tables).assign(held=True, upper=np.inf)
    return scores(pd.Series(counted(table))) | calibration(binned(table))


def scores(sums: pd.Series) -> dict[str, float]:
    """Shares from the sums of :func:`trust.counted`."""
    return {
        "absent": sums["estimate_absent"] / sums["estimate"],
        "absent_shown": sums["shown_absent"] / sums["shown"],
        "precision": sums["called_right"] / sums["called"],
        "recall": sums["called_right"] / sums["nonzero"],
        "error": sums["error"] / sums["true"],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = Parser(__doc__, "runs/trust_best")
    add_files(parser)
    parser.add_argument("--measured", type=Path, default=None, help="rows.csv of experiments/trust.py")
    parser.add_argument("--regimes", type=comma(), default=list(REGIMES), help="of single samples")
    parser.add_argument("--types", type=comma(), default=["Breast-AdenoCA", "Liver-HCC"], help="cancer types of PCAWG")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first-draw", type=int, default=0, help="its number, which is its seed")
    options = parser.parse_args(arguments)
    if options.preset == "smoke":
        options.regimes, options.types, options.draws = ["exome_1_all"], ["Breast-AdenoCA"], 1
    for regime in options.regimes:
        if parts_of(regime)[1] != 1:
            raise InputError(f"--regimes {regime[:60]}: only regimes of single samples, such as exome_1_all")
    print(table_of(options, made_up_field() if options.preset == "smoke" else real_field(options)).to_string())


def table_of(options: argparse.Namespace, field: Field) -> pd.DataFrame:
    """Write and return OUT/rows.csv."""
    draws = range(options.first_draw, options.first_draw + options.draws)
    measured = None if options.measured is None else pd.read_csv(options.measured)
    rows = []
    for regime in options.regimes:
        for kind in options.types:
            key = {"regime": regime, "type": kind}
            rows += [key | {"prior": name} | best(field, regime, kind, draws, name == "its type") for name in PRIORS]
            if measured is not None:
                own = measured[
                    (measured["regime"] == regime) & (measured["type"] == kind) & measured["draw"].isin(draws)
                ]
                rows.append(key | {"prior": "refit"} | scores(own.drop(columns=["regime", "type"]).sum()))
    keep(pd.DataFrame(rows), options.out / "rows.csv")
    return pd.DataFrame(rows)


if __name__ == "__main__":
    sys.exit(entry(main))
