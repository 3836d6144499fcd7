"""What commands print: the ranked settings and the cost of a run, as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaebench.progress import duration

if TYPE_CHECKING:
    import pandas as pd

    from vaebench.cost import Estimate

_SHOWN = 15


def estimate_text(points: int, estimate: Estimate) -> str:
    """What a run of that many points would cost."""
    longest = max(program.epochs for program in estimate.programs)
    lines = [f"{points} points in {len(estimate.programs)} compiled programs of {estimate.lanes} lanes"]
    lines += [
        f"  {p.variant} latent {p.latent}: {p.points} points, {p.parameters:,} weights, {p.steps} steps an epoch"
        for p in estimate.programs
    ]
    limit = f" of {estimate.bytes_limit / 2**30:.1f}" if estimate.bytes_limit else ""
    lines.append(f"memory of the largest program: {estimate.bytes / 2**30:.2f}{limit} GiB")
    compiling = estimate.compile_seconds * len(estimate.programs)
    lines.append(f"compiling: about {duration(compiling)} (once; later starts read the cache)")
    lines.append(f"training: about {duration(estimate.seconds_per_epoch)} for one epoch of every point, that is")
    means = [epochs for epochs in (10, 40, 100, 400, 1000) if epochs < longest] + [longest]
    lines += [
        f"  {duration(compiling + epochs * estimate.seconds_per_epoch)} at a mean of {epochs} epochs"
        for epochs in means
    ]
    lines.append("evaluation runs beside the training and is not counted")
    return "\n".join(lines)


def table_text(table: pd.DataFrame) -> str:
    """The best settings as fixed-width text: what was set, seeds, failures, mean ± sd of every score."""
    set_columns = [c for c in table.columns if c.split("/")[0] in ("static", "shape", "traced", "hyper", "data", "run")]
    scores = [c.removesuffix("/mean") for c in table.columns if c.endswith("/mean")]
    names = {"ari": "ARI", "aic": "Cox AIC", "delta_aic": "ΔAIC", "valid": "validation loss"}
    head = [c.split("/")[-1] for c in set_columns] + ["n", "failed"] + [names[s.split("/")[-1]] for s in scores]
    lines = [head]
    for _, row in table.head(_SHOWN).iterrows():
        settings = [
            "" if row[c] != row[c] else f"{row[c]:g}" if isinstance(row[c], float) else str(row[c]) for c in set_columns
        ]
        cells = [_mean_sd(row[f"{score}/mean"], row[f"{score}/sd"]) for score in scores]
        lines.append([*settings, str(row["n"]), str(row["failures"]), *cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([f"best {len(lines) - 1} of {len(table)} settings, mean ± sd over seeds:", *padded])


def _mean_sd(mean: float, sd: float) -> str:
    if mean != mean:
        return "-"
    digits = 3 if abs(mean) < 10 else 1
    return f"{mean:.{digits}f}" + (f" ± {sd:.{digits}f}" if sd == sd else "")
