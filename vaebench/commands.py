"""What the commands do: options in, files and a summary out."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaebench.cli import Common, Quickstart, Report, Run
from vaebench.data import DATASETS, load
from vaebench.data.expression import read_table
from vaebench.protocols import Protocol, protocol
from vaebench.space import Point, product
from vaebench.types import Dataset, InputError

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 15


def execute(options: Common, command: str) -> dict[str, Any]:
    """Carry out one command; returns its summary as JSON values."""
    if options.compilation_cache:
        use_compilation_cache()
    if isinstance(options, Quickstart):
        from vaebench.quickstart import quickstart_data, quickstart_points

        data, points = quickstart_data(options.seed), quickstart_points(options.seed)
        _check_out(options.out)
        from vaebench.sweep import run

        run(points, data, out=options.out, quiet=options.quiet, command=command)
        return _report(options.out, options)
    if isinstance(options, Run):
        chosen = protocol(options.protocol)
        points = run_points(options, chosen)
        data = run_data(options, chosen)
        return _dry_run(points, data, options) if options.dry_run else _run(points, data, options, chosen, command)
    assert isinstance(options, Report)
    return _report(options.folder, options)


def use_compilation_cache() -> None:
    """Keep compiled programs between processes, in the user's cache folder unless JAX was told another one."""
    import jax
    import platformdirs

    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        jax.config.update("jax_compilation_cache_dir", platformdirs.user_cache_dir("vaebench", appauthor=False))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def run_data(options: Run, chosen: Protocol) -> Dataset:
    """The data set that ``vaebench run`` was asked for."""
    if not options.data:
        raise InputError(f"--data is missing; give a table or one of: {', '.join(DATASETS)}")
    if options.data in DATASETS:
        return load(options.data)
    if not Path(options.data).exists():
        near = difflib.get_close_matches(options.data, DATASETS, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InputError(f"--data {options.data}: no such file, and no data set of that name{hint}")
    read = _reader(options, options.scaling or chosen.data["scaling"])
    if options.top is not None:
        return read(options.top)
    # the protocol's number of features is a wish: a smaller table is taken whole
    data = read(None)
    return data if data.x.shape[1] <= chosen.data["top"] else read(chosen.data["top"])


def _reader(options: Run, scaling: str) -> Any:
    def read(top: int | None) -> Dataset:
        return read_table(
            options.data,
            label=options.label,
            event=options.event,
            time=options.time,
            covariates=_names(options.covariates),
            factors=_names(options.factors),
            where=options.where,
            ignore=_names(options.ignore),
            samples_in=options.samples_in,
            top=top,
            deviation=options.deviation,
            scaling=scaling,
            transform=options.transform,
            missing=options.missing,
        )

    return read


def run_points(options: Run, chosen: Protocol) -> list[Point]:
    """All combinations of the options; axes that are not named come from the protocol's grid."""
    axes: dict[str, Any] = dict(chosen.grid)
    named = {
        "variant": _names(options.variants),
        "latent": _numbers("latent", options.latent, int),
        "learning_rate": _numbers("learning-rate", options.learning_rate, float),
        "init": _names(options.init),
        "optimizer": _names(options.optimizer),
        "activation": _names(options.activation),
        "recipe": _names(options.recipe),
        "seed": tuple(range(options.seed, options.seed + options.seeds)) if options.seeds else (),
    }
    axes |= {name: values for name, values in named.items() if values}
    if "seed" not in axes:
        axes["seed"] = (options.seed,)
    for setting in options.set:
        name, equals, values = setting.partition("=")
        if not equals or not values:
            raise InputError(f"--set {setting}: it must be NAME=VALUE or NAME=VALUE,VALUE")
        axes[name.replace("-", "_")] = _setting(name.replace("-", "_"), values)
    return product(chosen.base, **axes)


def _setting(name: str, text: str) -> list[Any]:
    if name == "hidden":  # widths are joined by "-": hidden=512,512-256 are two networks
        return [tuple(_numbers("set hidden", widths.replace("-", ","), int)) for widths in text.split(",")]
    return [_value(part) for part in text.split(",")]


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(option: str, text: str, kind: type) -> tuple[Any, ...]:
    try:
        return tuple(kind(part) for part in _names(text))
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise InputError(f"--{option} is {text!r}; it must be {what} separated by commas") from None


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: a file stands there; give a folder")


def _run(points: list[Point], data: Dataset, options: Run, chosen: Protocol, command: str) -> dict[str, Any]:
    from vaebench.sweep import run

    _check_out(options.out)
    run(
        points,
        data,
        _names(options.metrics),
        options.out,
        lanes=_lanes(options.lanes),
        workers=options.workers,
        evaluators=options.evaluators,
        shard=_shard(options.shard),
        embedding=options.embedding or chosen.embedding,
        label_covariate=options.label_covariate,
        keep_embeddings=options.keep_embeddings,
        keep_models=options.keep_models,
        checkpoint_minutes=options.checkpoint_minutes,
        quiet=options.quiet,
        command=command,
    )
    return _report(options.out, options)


def _lanes(text: str) -> int | None:
    if text != "auto" and not text.isdigit():
        raise InputError(f"--lanes is {text!r}; it must be 'auto' or a whole number of at least 1")
    return None if text == "auto" else int(text)


def _shard(text: str) -> tuple[int, int]:
    number, _, shards = text.partition("/")
    if not (number.isdigit() and shards.isdigit()):
        raise InputError(f"--shard is {text!r}; it must be i/n, such as 1/4")
    return int(number), int(shards)


def _dry_run(points: list[Point], data: Dataset, options: Run) -> dict[str, Any]:
    """Print what a run would cost."""
    from vaebench.cost import estimated
    from vaebench.progress import duration

    estimate = estimated(points, data, _lanes(options.lanes))
    longest = max(program.epochs for program in estimate.programs)
    lines = [f"{len(points)} points in {len(estimate.programs)} compiled programs of {estimate.lanes} lanes"]
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
    if not options.quiet:
        print("\n".join(lines))
    return {
        "points": len(points),
        "programs": len(estimate.programs),
        "lanes": estimate.lanes,
        "bytes": estimate.bytes,
        "seconds_per_epoch": estimate.seconds_per_epoch,
        "compile_seconds": compiling,
    }


def _report(folder: Path, options: Common) -> dict[str, Any]:
    from vaebench.analysis import failure_table, settings_table
    from vaebench.report import write_report
    from vaebench.results import read_costs, read_rows, read_run_json

    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of a run")
    rows, record = read_rows(folder), read_run_json(folder)
    page = write_report(folder, rows, run_info(record, read_costs(folder)))
    headline = next((c for c in ("metric/leiden/ari", "metric/cox/aic") if c in rows), "loss/valid")
    table = settings_table(rows, by=headline)
    failures = failure_table(rows)
    if not options.quiet:
        _print_table(table)
        for _, line in failures.iterrows():
            print(f"failed: {line['count']} of {line['of']} ({line['source']}): {line['reason']}")
        print(f"{len(rows)} rows in {folder / 'rows'}, report in {page}")
    return {
        "rows": len(rows),
        "failed": int((rows["status"] != "OK").sum()),
        "failures": {f"{f['source']}: {f['reason']}": int(f["count"]) for _, f in failures.iterrows()},
        "best": _json_values({str(name): value for name, value in table.iloc[0].items()}) if len(table) else None,
        "report": str(page),
        "out": str(folder),
    }


def run_info(record: Mapping[str, Any], costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``run.json`` as the report wants it: cost summed over the processes that filled the folder."""
    computed = sum(cost["computed_epochs"] for cost in costs)
    return {
        **{
            k: record[k]
            for k in ("command", "version", "versions", "started", "lanes", "device", "digest", "provenance")
        },
        "metrics": record["metrics"],
        "labels": record["data"]["labels"],
        "seconds": round(sum(cost["seconds"] for cost in costs), 1),
        "trainings": sum(cost["trainings"] for cost in costs),
        "programs": max((cost["programs"] for cost in costs), default=0),
        "lane efficiency": round(sum(cost["epochs"] for cost in costs) / computed, 3) if computed else None,
    }


def _json_values(values: Mapping[str, Any]) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        value = value.item() if hasattr(value, "item") else value
        return None if isinstance(value, float) and value != value else value

    return {name: plain(value) for name, value in values.items()}


def _print_table(table: pd.DataFrame) -> None:
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
    print(f"best {len(lines) - 1} of {len(table)} settings, mean ± sd over seeds:")
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _mean_sd(mean: float, sd: float) -> str:
    if mean != mean:
        return "-"
    digits = 3 if abs(mean) < 10 else 1
    return f"{mean:.{digits}f}" + (f" ± {sd:.{digits}f}" if sd == sd else "")
