"""Run all experiments at their smallest size: every script's preset `smoke`, the readers sharing one tiny run.

    python experiments/smoke.py --out runs/smoke

Machine: one CPU core, about two minutes. The scripts of gislum2024 and recommended_setting.py have smoke presets of their
own. Nothing here says anything about cancer: simulated data, networks of 16 units, three epochs.

Writes the files of every script into OUT/NAME and prints its seconds. Exit code 1 if one of them failed.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scripts import Parser, comma, entry

from vaebench.errors import RunError, unknown_name

RUN = "simulated-eltager2023"
READERS = (
    "eltager2023_fig2_losses",
    "eltager2023_fig2cd_maps",
    "eltager2023_fig3_models",
    "eltager2023_fig4_hyperparameters",
    "eltager2023_fig5_failures",
    "eltager2023_fig6b_datasets",
    "eltager2023_fig7_wsepin",
    "eltager2023_fig8_correlations",
    "eltager2023_fig9_rmig",
    "eltager2023_s6_agreement",
)
"""Scripts that read rows of the grid."""
TRAINERS = ("korkic2021_dots", "korkic2021_extensions", "kroskinski2021_curves", "sweeps_of_weights")
"""Scripts that train for themselves."""


def claims_arguments(out: Path) -> list[str]:
    """All evidence that the scripts before have made."""
    theses = {
        "korkic": out / "korkic2021_dots" / "simulated-korkic2021_scaled",
        "kroskinski": out / "kroskinski2021_curves" / "simulated-kroskinski2021_scaled",
        "kroskinski-zscore": out / "kroskinski2021_curves" / "simulated-kroskinski2021_zscore_scaled",
        "kroskinski-deep": out / "kroskinski2021_curves" / "simulated-kroskinski2021_deep_scaled",
    }
    grids = {"grid": out / "grid" / RUN, "grid-gtex": out / "grid" / "simulated_b-eltager2023"}
    grids |= {"disentangled": out / "grid" / RUN, "shared": out / "eltager2023_fig8_correlations" / "shared.csv"}
    return [text for name, path in (grids | theses).items() if path.exists() for text in (f"--{name}", str(path))]


def arguments_of(name: str, out: Path) -> list[str]:
    """The arguments of one script."""
    own = [] if name in TRAINERS else ["--rows", str(out / "grid" / RUN)]
    if name == "eltager2023_fig6b_datasets":
        own += ["--other", str(out / "grid" / "simulated_b-eltager2023")]
    if name == "claims":
        own = claims_arguments(out)
    return ["--preset", "smoke", *own, "--out", str(out / name)]


def main(arguments: Sequence[str] | None = None) -> None:
    names = (*READERS, *TRAINERS, "claims")
    parser = Parser(__doc__, "runs/smoke")
    parser.add_argument("--only", type=comma(), default=list(names), help="names of scripts")
    options = parser.parse_args(arguments)
    for name in options.only:
        if name not in names:
            raise unknown_name("script", name, names)
    seconds, failed = {}, []
    grid = importlib.import_module("eltager2023_grid")
    for name in ("eltager2023_grid", *options.only):
        started = time.perf_counter()
        if name == "eltager2023_grid":
            for data in ("simulated", "simulated_b"):
                grid.smoke_run(options.out / "grid", data)
        elif entry(importlib.import_module(name).main, arguments_of(name, options.out)):
            failed.append(name)
        seconds[name] = time.perf_counter() - started
    for name, took in seconds.items():
        print(f"{took:6.1f} s  {name}{'  FAILED' if name in failed else ''}")
    print(f"{sum(seconds.values()):6.1f} s  together")
    if failed:
        raise RunError(f"{len(failed)} experiments failed: {', '.join(failed)}")


if __name__ == "__main__":
    sys.exit(entry(main))
