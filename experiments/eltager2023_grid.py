"""The grid of eltager2023: 6 models x 6 latents x 6 learning rates x 5 initialisations x 3 optimizers x 2 activations.

    VAEBENCH_DATA=data python experiments/eltager2023_grid.py --protocol eltager2023_scaled --data pancan_eb --out runs/grid
    VAEBENCH_DATA=data python experiments/eltager2023_grid.py --data gtex --dry-run
    VAEBENCH_DATA=data python experiments/eltager2023_grid.py --recommended --seeds 5 --metrics wsepin,rmig,correlation
    python experiments/eltager2023_grid.py --preset smoke --out runs/smoke

Only this script of the study trains; the figures (eltager2023_fig*.py) read its rows. Protocols: `eltager2023`
as benchmarked (batch 64), `_scaled` (the batch that gives the study's 120 steps an epoch), `_textbook`, `_scaled_textbook`.
Presets: `cpu` is the complete grid, 6,480 settings, one seed; `full` ten seeds, for a GPU; `smoke` 12 settings of two tiny
models on simulated data, two seeds, some of which diverge. `--latent 10,50` and the like select a part of the grid, which is
then no longer the study's.
`--recommended` keeps models and latents and fixes learning rate 1e-3, Kaiming uniform, Adam and tanh: 36 settings, for
costly metrics (WSEPIN of 200 latents: seconds each).

Machine: 2 CPU cores, scaled: pancan_eb 2 h 20 min, gtex 2 h; literal: 80 and 45 min. `--dry-run` estimates others. The
same command continues a stopped run; several processes share a folder with `--shard 1/2`, `--shard 2/2`.
Expected: diverged trainings are rows with a status; RMSprop and learning rate 0.1 have most of them.

Writes OUT/DATA-PROTOCOL/rows/*.parquet and run.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts import (
    Parser,
    add_training,
    comma,
    data_of,
    entry,
    metrics_for,
    protocol_points,
    trained_rows,
)

from vaebench.metrics.wsepin import WsepinOptions

PROTOCOLS = ("eltager2023", "eltager2023_scaled", "eltager2023_textbook", "eltager2023_scaled_textbook")
AXES = {
    "variants": ("variant", str),
    "latent": ("latent", int),
    "learning_rate": ("learning_rate", float),
    "init": ("init", str),
    "optimizer": ("optimizer", str),
    "activation": ("activation", str),
}
"""Option -> axis of the grid, and its type."""
RECOMMENDED = {"learning_rate": [1e-3], "init": ["kaiming_uniform"], "optimizer": ["adam"], "activation": ["tanh"]}
SMOKE = {
    "variant": ["vae", "categorical_vae"],
    "latent": [5, 10],
    "learning_rate": [1e5, 1e-3],
    "init": ["kaiming_uniform"],
    "optimizer": ["adam", "sgd"],
    "activation": ["tanh"],
    "hidden": [(16,)],
    "epochs": [3],
}
SMOKE_METRICS = ("leiden", "cox", "wsepin", "rmig", "correlation")


def grid_axes(options: argparse.Namespace) -> dict[str, Any]:
    """What replaces axes of the protocol's grid."""
    smoke = options.preset == "smoke"
    axes: dict[str, Any] = dict(SMOKE) if smoke else dict(RECOMMENDED) if options.recommended else {}
    seeds = options.seeds or {"smoke": 2, "cpu": 1, "full": 10}[options.preset]
    axes["seed"] = list(range(seeds))
    given = {axis: getattr(options, name) for name, (axis, _) in AXES.items()}
    return axes | {axis: values for axis, values in given.items() if values}


def smoke_run(folder: Path, data: str = "simulated") -> Path:
    """The folder of the tiny run, trained where it is not there yet."""
    main(["--preset", "smoke", "--data", data, "--out", str(folder)])
    return folder / f"{data}-eltager2023"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/eltager2023")
    add_training(parser)
    parser.add_argument("--protocol", choices=PROTOCOLS, default="eltager2023")
    parser.add_argument("--metrics", type=comma(), default=None, help="default: leiden,cox")
    parser.add_argument("--recommended", action="store_true", help="the recommended setting of every model and latent")
    parser.add_argument("--clamp", action="store_true", help="WSEPIN with the released code's clamp at 1e-8")
    for name, (axis, kind) in AXES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=comma(kind), default=None, help=f"values of {axis}")
    options = parser.parse_args(arguments)
    data = data_of(options)
    planned = protocol_points(options.protocol, grid_axes(options), data)
    smoke = options.preset == "smoke"
    if smoke:  # a missing corner, and one program less to compile
        planned = [p for p in planned if p.latent == 5 or p.variant == "vae"]
    metrics = metrics_for(options.metrics or (SMOKE_METRICS if smoke else ("leiden", "cox")), data)
    own = {"wsepin": WsepinOptions(draws=200 if smoke else 10_000, clamp=options.clamp)} if "wsepin" in metrics else {}
    folder = options.out / f"{data.name}-{options.protocol}{'-clamp' if options.clamp else ''}"
    rows = trained_rows(planned, data, metrics, folder, options, embedding="sample", metric_options=own)
    if rows is not None:
        print(f"{folder}: {len(rows)} rows, {int((rows['status'] != 'OK').sum())} trainings failed")


if __name__ == "__main__":
    sys.exit(entry(main))
