"""What korkic2021 asks for next: fewer latents, more hidden layers, another optimizer, repeats, other models.

    VAEBENCH_DATA=data python experiments/korkic2021_extensions.py --data metagsca --out runs/korkic2021_extensions
    python experiments/korkic2021_extensions.py --preset smoke --out runs/smoke

Each is varied by itself from the study's network with 20 latents, learning rate 1e-3, Adam, ten seeds (each with its own
initialisation and split): latents 3, 5, 10, 20; hidden 256, 512-256, 1024-512-256; the study's optimizers, AdamW, and
optax's Lion, Nadam and AdaBelief, each of these three in a compiled program of its own; initialisations; beta-VAE, MIWAE and
SWAE (the last two by their papers' equations, as no code is released). Batch chosen for 9 steps an epoch, data in [0, 1].
Other data: `--data`. Models are compared by the mean squared error of all samples, since their own losses are no like
quantities.
Machine: 2 CPU cores, about 280 trainings; ask `--dry-run`. Expected: nothing is printed to compare with.

Writes OUT/DATA-extensions/rows/*.parquet, OUT/extensions.csv (means, intervals over seeds, failures) and OUT/extensions.png.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scripts import Parser, add_training, data_of, described, entry, protocol_points, title, trained_rows, write

from vaebench.analysis.settings import is_baseline, usable, value_text
from vaebench.analysis.uncertainty import intervals
from vaebench.figures.boxes import box_panels
from vaebench.nn.initialisation import INITS
from vaebench.nn.optimizers import OPTIMIZERS
from vaebench.space import Point, chain
from vaebench.types import Dataset

PROTOCOL = "korkic2021_scaled"
BASE = {"variant": ["vae"], "latent": [20], "learning_rate": [1e-3], "optimizer": ["adam"]}
PARTS = {
    "static/latent": {"latent": [3, 5, 10, 20]},
    "static/hidden": {"hidden": [(256,), (512, 256), (1024, 512, 256)]},
    "traced/optimizer": {"optimizer": [*OPTIMIZERS, "lion", "nadam", "adabelief"]},
    "traced/init": {"init": list(INITS)},
    "static/variant": {"variant": ["vae", "iwae", "info_vae", "logcosh_vae", "beta_vae", "miwae", "swae"]},
}
TEXTBOOK_ONLY = ("miwae", "swae")
SMOKE_BASE = {"latent": [5], "hidden": [(16,)], "epochs": [3]}
SMOKE_PARTS = {name: PARTS[name] for name in ("traced/optimizer", "traced/init")}
SCORES = ("metric/reconstruction/mse", "run/epochs")


def planned_points(data: Dataset, seeds: int, smoke: bool) -> list[Point]:
    """The points of all parts, each once."""
    base = {**BASE, **(SMOKE_BASE if smoke else {}), "seed": list(range(seeds))}
    made = []
    for part in (SMOKE_PARTS if smoke else PARTS).values():
        axes = {**base, **part}
        for name in axes.pop("variant"):
            own = {"variant": [name], **axes} | ({"recipe": ["textbook"]} if name in TEXTBOOK_ONLY else {})
            made += protocol_points(PROTOCOL, own, data)
    return chain(made)


def part_of(rows: pd.DataFrame, name: str, first: pd.Series) -> pd.DataFrame:
    """The rows that differ from the base setting in one column only."""
    others = [c for c in (*PARTS, "traced/learning_rate") if c != name]
    return rows[np.logical_and.reduce([rows[c] == first[c] for c in others])]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/korkic2021_extensions")
    add_training(parser)
    options = parser.parse_args(arguments)
    smoke = options.preset == "smoke"
    data = data_of(options, "unit")
    planned = planned_points(data, options.seeds or (2 if smoke else 10), smoke)
    rows = trained_rows(planned, data, ["reconstruction"], options.out / f"{data.name}-extensions", options)
    if rows is None:
        return
    models = rows[~is_baseline(rows)]
    latent, hidden = (5, "16") if smoke else (20, "256")
    base = pd.Series({"static/variant": "vae", "static/latent": latent, "static/hidden": hidden})
    base = pd.concat(
        [base, pd.Series({"traced/optimizer": "adam", "traced/init": "default", "traced/learning_rate": 1e-3})]
    )
    panels, lines = {}, []
    for name in SMOKE_PARTS if smoke else PARTS:
        panels[title(name)] = {}
        rank = {value_text(level): i for i, level in enumerate(PARTS[name][name.rpartition("/")[2]])}
        groups = [(value_text(level), group) for level, group in part_of(models, name, base).groupby(name)]
        for level, group in sorted(groups, key=lambda item: rank.get(item[0], len(rank))):
            panels[title(name)][level] = usable(group, SCORES[0]).to_numpy()
            line = {"varied": name, "level": level, "seeds": len(group)}
            line |= {"failed": int((group["status"] != "OK").sum())}
            for score in SCORES:
                values = usable(group, score).dropna().to_numpy()
                low, high = intervals(values[None])
                line |= {
                    score: values.mean() if len(values) else np.nan,
                    f"{score} low": low[0],
                    f"{score} high": high[0],
                }
            lines.append(line)
    write(options.out, "extensions", pd.DataFrame(lines))
    note = "One thing varied at a time; data in [0, 1]. " + described(models)
    write(options.out, "extensions", figure=box_panels(panels, title(SCORES[0]), notes=(note,)))


if __name__ == "__main__":
    sys.exit(entry(main))
