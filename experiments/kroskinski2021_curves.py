"""The six curve figures of kroskinski2021: validation loss over epochs by initialisation, mean and spread over ten seeds.

    VAEBENCH_DATA=data python experiments/kroskinski2021_curves.py --kind scaled --data metagsca --out runs/kroskinski2021
    python experiments/kroskinski2021_curves.py --preset smoke --out runs/smoke

Six experiments: one hidden layer on data in [0, 1] with VAE, IWAE, InfoVAE and LogCosh VAE; the VAE on z-scores (identity
output, since a sigmoid cannot reach them); the VAE with hidden layers 1024-512-256. Five initialisations, ten seeds each with
its own split, 50 epochs, 100 latents, learning rate 0.005; the first epoch is not drawn, as in the study. `--kind literal`
is its batch of 1,000, `scaled` the batch that gives its 8 steps an epoch. `--part` runs one of the three protocols.
Machine: 1 CPU core, 300 trainings of pancan_eb in about 20 minutes.
Expected from the study: uniform fastest and lowest for VAE and InfoVAE, default and Xavier for IWAE and LogCosh; normal last
except for InfoVAE; all meet after 40 to 50 epochs except for the VAE; three layers: uniform far worse, and varied.

Writes OUT/DATA-PROTOCOL/rows/*.parquet, OUT/curves_PROTOCOL_MODEL.png and OUT/curves.csv: the loss after the last epoch
(mean, standard deviation, interval over seeds), the epochs until within 5% of the way to the floor, failures.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scripts import KINDS, Parser, add_training, data_of, described, entry, protocol_points, trained_rows, write

from vaebench.analysis.settings import is_baseline
from vaebench.analysis.uncertainty import intervals
from vaebench.errors import InputError
from vaebench.figures import style
from vaebench.nn.initialisation import INITS
from vaebench.protocols import protocol

PARTS = ("kroskinski2021", "kroskinski2021_zscore", "kroskinski2021_deep")
SMOKE = {"variant": ["vae"], "init": ["default", "uniform"], "hidden": [(16,)], "latent": [5], "epochs": [5]}
SMOKE_DEEP = {**SMOKE, "hidden": [(16, 8)]}
REACHED = 0.05
"""Share of the way from the second epoch to the floor that may be left when a curve has arrived."""


def curves(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Initialisation -> validation losses [seeds, epochs] of the trainings that did not diverge, first epoch dropped."""
    good = rows[rows["status"] == "OK"]
    return {
        init: np.stack([np.asarray(h, float)[1:] for h in good.loc[good["traced/init"] == init, "history/valid"]])
        for init in INITS
        if (good["traced/init"] == init).any()
    }


def epochs_until_floor(curve: np.ndarray) -> int:
    """The epoch (from 1) from which a curve [epochs] stays within 5% of its way from the first value to its lowest."""
    limit = curve.min() + REACHED * (curve[0] - curve.min())
    above = np.flatnonzero(curve > limit)
    return int(above[-1] + 2 if len(above) else 1) + 1


def line_of(found: np.ndarray) -> dict[str, float]:
    """Numbers of the curves [seeds, epochs] of one initialisation."""
    last = found[:, -1]
    low, high = intervals(last[None])
    line = {"final": last.mean(), "final_sd": last.std(ddof=1) if len(last) > 1 else np.nan}
    line |= {"final_low": low[0], "final_high": high[0], "lowest": found.min(axis=1).mean()}
    return line | {"epochs": float(np.median([epochs_until_floor(curve) for curve in found]))}


def curves_figure(found: dict[str, np.ndarray], name: str, note: str) -> Figure:
    """Mean over seeds with a band of one standard deviation; on the right the last half, where curves are close."""
    figure, axes = style.new_figure(4.2, 1, 2)
    for ax, start in zip(axes, (0.0, 0.5), strict=True):
        for place, (init, values) in enumerate(found.items()):
            first = int(start * values.shape[1])
            at, part = np.arange(first, values.shape[1]) + 2, values[:, first:]
            mean, spread = part.mean(axis=0), part.std(axis=0)
            ax.plot(at, mean, color=style.PALETTE[place], linewidth=1.6, label=init)
            low = np.maximum(mean - spread, part.min(axis=0))
            ax.fill_between(at, low, mean + spread, color=style.PALETTE[place], alpha=0.18, linewidth=0)
        style.wide_scale(ax, np.concatenate([v[:, int(start * v.shape[1]) :].ravel() for v in found.values()]))
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        ax.set_xlabel("epoch")
        ax.set_title("from epoch 2" if start == 0 else "last half", loc="left", fontsize=10)
    axes[0].set_ylabel("validation loss")
    figure.suptitle(name, x=0.01, ha="left", fontsize=12)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=style.SMALL, frameon=False)
    key = "Line: mean over seeds; band: one standard deviation, not below the lowest. First epoch not drawn."
    style.add_footnote(figure, key, note)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/kroskinski2021")
    add_training(parser)
    parser.add_argument("--kind", choices=KINDS, default="scaled")
    parser.add_argument("--part", choices=PARTS, default=None, help="one of the three protocols (default: all)")
    options = parser.parse_args(arguments)
    smoke = options.preset == "smoke"
    seeds, lines = options.seeds or (2 if smoke else 10), []
    parts = [options.part] if options.part else [p for p in PARTS if not (smoke and p.endswith("zscore"))]
    for part in parts:
        name = f"{part}{KINDS[options.kind]}"
        data = data_of(options, str(protocol(part).data["scaling"]))
        if options.kind in ("literal", "textbook") and data.x.shape[0] < 1300:
            raise InputError(
                f"--kind {options.kind} trains on batches of 1,000, and {data.name} has {data.x.shape[0]} samples: take scaled"
            )
        axes = ({**(SMOKE_DEEP if part.endswith("deep") else SMOKE)} if smoke else {}) | {"seed": list(range(seeds))}
        if part.endswith("zscore"):
            axes["variant"] = ["vae"]
        planned = protocol_points(name, axes, data)
        rows = trained_rows(planned, data, ["reconstruction"], options.out / f"{data.name}-{name}", options)
        if rows is None:
            continue
        for model, group in rows[~is_baseline(rows)].groupby("static/variant"):
            found = curves(group)
            for init in group["traced/init"].unique():
                mine = group[group["traced/init"] == init]
                line = {"protocol": name, "model": model, "init": init, "seeds": len(mine)}
                line |= {"failed": int((mine["status"] != "OK").sum())}
                lines.append(line | (line_of(found[init]) if init in found else {}))
            if found:
                figure = curves_figure(found, f"{model}, {name}", described(group))
                write(options.out, f"curves_{name}_{model}", figure=figure)
    if lines:
        write(options.out, "curves", pd.DataFrame(lines))


if __name__ == "__main__":
    sys.exit(entry(main))
