"""Plain text printed by commands: ranked settings, scores, protocols and the cost of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vaebench.analysis.settings import column, few_seeds_note, setting_ids, usable, value_text
from vaebench.data.wording import count_of
from vaebench.protocols import scaled_batch
from vaebench.sweep.progress import duration

if TYPE_CHECKING:
    from vaebench.protocols import Protocol
    from vaebench.space import Point
    from vaebench.training.cost import Estimate

_SHOWN = 15


def estimate_text(points: int, estimate: Estimate) -> str:
    """Return the estimated cost of a run of ``points`` points as text."""
    longest = max(program.epochs for program in estimate.programs)
    programs = count_of(len(estimate.programs), "compiled program")
    lines = [f"{count_of(points, 'point')} in {programs} of {count_of(estimate.lanes, 'lane')}"]
    lines += [
        f"  {p.variant} latent {p.latent}: {count_of(p.points, 'point')}, {count_of(p.parameters, 'weight')}, "
        f"{count_of(p.steps, 'step')} an epoch"
        for p in estimate.programs
    ]
    limit = f" of {estimate.bytes_limit / 2**30:.1f}" if estimate.bytes_limit else ""
    lines.append(f"memory of the largest program: {estimate.bytes / 2**30:.2f}{limit} GiB")
    compiling = estimate.compile_seconds * len(estimate.programs)
    lines.append(f"compiling: about {duration(compiling)} (once; later starts read the cache)")
    lines.append(f"training: about {duration(estimate.seconds_per_epoch)} for one epoch of every point, that is")
    means = [epochs for epochs in (10, 40, 100, 400, 1000) if epochs < longest] + [longest]
    lines += [
        f"  {duration(compiling + epochs * estimate.seconds_per_epoch)} at a mean of {count_of(epochs, 'epoch')}"
        for epochs in means
    ]
    lines.append("evaluation runs at the same time and is not counted")
    return "\n".join(lines)


def protocol_text(chosen: Protocol, points: int, programs: int, samples: int | None) -> str:
    """Return a protocol as a table of its fixed settings, its grid and its size; ``samples`` is N where known."""
    base = chosen.base
    lines = [
        ("protocol", chosen.name),
        ("source", chosen.reference),
        ("recipe", base.recipe),
        ("features", f"{chosen.data['top']} of largest {chosen.data['deviation']} absolute deviation"),
        ("scaling", f"{chosen.data['scaling']}, by {base.scaling_from} samples"),
        ("split", _split_text(base)),
        ("batch", _batch_text(chosen, samples)),
        ("drop last", "yes: the last partial batch of an epoch is dropped"),
        ("schedule", f"learning rate x {base.decay:g} after every epoch"),
        ("stopping", _stopping_text(base)),
        ("epochs", f"at most {base.epochs}" if base.stopping != "fixed" else str(base.epochs)),
        ("network", _network_text(base)),
        ("embedding", f"posterior {chosen.embedding}"),
    ]
    held = ("latent", "learning_rate", "init", "optimizer", "activation")
    lines += [(name, f"{getattr(base, name)}") for name in held if name not in chosen.grid]
    for variant, own in chosen.per_variant.items():
        lines.append((f"only {variant}", ", ".join(f"{name} {value:g}" for name, value in own.items())))
    for name, values in chosen.grid.items():
        lines.append((f"{name} ({len(values)})", ", ".join(map(str, values))))
    lines += [("points", f"{points:,}"), ("compiled programs", str(programs))]
    return _aligned([list(line) for line in lines])


def _split_text(base: Point) -> str:
    kind = "stratified by label" if base.stratified else "not stratified"
    whole = "as one batch" if base.validation == "whole" else "in batches"
    return f"{base.valid_fraction:.0%} held out, {kind}, redrawn for every seed; validated {whole}"


def _batch_text(chosen: Protocol, samples: int | None) -> str:
    steps = chosen.steps_per_epoch
    if samples is None:
        return f"chosen for {steps} steps an epoch" if steps else str(chosen.base.batch)
    train = samples - round(samples * chosen.base.valid_fraction)
    batch = scaled_batch(train, steps) if steps else chosen.base.batch
    wanted = f", chosen for {steps}" if steps else ""
    return f"{batch}: {count_of(train // batch, 'step')} an epoch of {count_of(train, 'training sample')}{wanted}"


def _stopping_text(base: Point) -> str:
    return {
        "patience": f"validation loss not improved by more than {base.min_delta:g} for {count_of(base.patience, 'epoch')}",
        "relative": f"validation loss improved and its reconstruction term changed by at most {base.min_delta:.0%}",
        "fixed": "none",
    }[base.stopping] + (f", not before epoch {base.min_epochs}" if base.stopping != "fixed" else "")


def _network_text(base: Point) -> str:
    norm = {"batch": "batch normalisation", "layer": "layer normalisation", "none": "no normalisation"}[base.norm]
    return f"hidden {'-'.join(map(str, base.hidden))}, {norm}, output {base.output.replace('_', ' ')}"


def scores_text(rows: pd.DataFrame) -> str:
    """Return a table of scores with a column per row of ``rows``, and one for the covariates alone if there is one."""
    columns = [c for c in rows.columns if c.startswith("metric/") and not c.endswith(("_covariates", "/seconds"))]
    lines = [["", *rows["static/variant"], "covariates alone"]]
    lines.append(["latents", *_latents(rows), ""])
    for score in columns:
        alone = f"{score}_covariates"
        other = value_text(rows[alone].iloc[0]) if alone in rows.columns else ""
        lines.append([score.removeprefix("metric/"), *map(value_text, rows[score]), other])
    return _aligned(lines)


def _latents(rows: pd.DataFrame) -> list[str]:
    """Return the number of latents of each row; of PCA "59 of 80" where the data have no more than 59 components."""
    asked = column(rows, "static/latent")
    found = column(rows, "run/components").fillna(asked)
    return [f"{n:.0f} of {m:.0f}" if n < m else f"{m:.0f}" for n, m in zip(found, asked, strict=True)]


def _aligned(lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join(padded)


def table_text(table: pd.DataFrame) -> str:
    """Return the best settings as fixed-width text: settings, seeds, failures, mean ± sd of every score.

    The score used for ranking also has the interval of its mean, and the paired difference from the first setting over seeds,
    which a sentence below explains.
    """
    set_columns = [c for c in table.columns if c.split("/")[0] in ("static", "shape", "traced", "hyper", "data", "run")]
    scores = [c.removesuffix("/mean") for c in table.columns if c.endswith("/mean")]
    # scores of metrics without a headline have the metric's name: several metrics have a score "mean"
    names = {"ari": "ARI", "aic": "Cox AIC", "delta_aic": "ΔAIC", "valid": "validation loss"}
    by = next(c.removesuffix("/behind") for c in table.columns if c.endswith("/behind"))
    head = [c.split("/")[-1] for c in set_columns] + ["n", "failed"]
    head += [names.get(s.split("/")[-1], s.removeprefix("metric/")) + (" [95%]" if s == by else "") for s in scores]
    head += ["behind the first [95%]"]
    lines = [head]
    for _, row in table.head(_SHOWN).iterrows():
        settings = [
            "" if row[c] != row[c] else f"{row[c]:g}" if isinstance(row[c], float) else str(row[c]) for c in set_columns
        ]
        cells = [
            _mean_sd(row[f"{s}/mean"], row[f"{s}/sd"]) + (_interval(row, s, "low", "high") if s == by else "")
            for s in scores
        ]
        gap = row[f"{by}/behind"]
        cells.append(_mean_sd(gap, np.nan) + _interval(row, by, "behind_low", "behind_high"))
        lines.append([*settings, str(row["n"]), str(row["failures"]), *cells])
    text = f"best {len(lines) - 1} of {count_of(len(table), 'setting')}, mean ± sd over seeds:\n{_aligned(lines)}"
    if len(lines) > 2:
        text += "\nbehind the first: paired by seed; where its interval includes 0, the order is not settled"
        note = few_seeds_note(table.head(_SHOWN), by)
        text += f"; {note}" if note else ""
    return text


def with_asked_scores(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return a table of settings with the mean and sd of one score of every metric that has no headline, such as ``probe``."""
    from vaebench.report.ranked import further_scores

    firsts = {name.split("/")[1]: name for name in reversed(further_scores(rows))}
    ids = setting_ids(rows)
    columns = {}
    for score in (name for name in reversed(firsts.values()) if f"{name}/mean" not in table):
        groups = usable(rows, score).groupby(ids)
        columns |= {f"{score}/mean": groups.mean(), f"{score}/sd": groups.std(ddof=1)}
    more = pd.DataFrame({name: found.reindex(table["setting"]).to_numpy() for name, found in columns.items()})
    return pd.concat([table, more.set_index(table.index)], axis=1) if columns else table


def _interval(row: pd.Series, score: str, low: str, high: str) -> str:
    ends = [row[f"{score}/{end}"] for end in (low, high)]
    if any(end != end for end in ends):
        return ""
    digits = 3 if max(map(abs, ends)) < 10 else 1
    return f" [{ends[0]:z.{digits}f}, {ends[1]:z.{digits}f}]"


def _mean_sd(mean: float, sd: float) -> str:
    if mean != mean:
        return "-"
    digits = 3 if abs(mean) < 10 else 1
    return f"{mean:z.{digits}f}" + (f" ± {sd:.{digits}f}" if sd == sd else "")
