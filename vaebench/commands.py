"""What the commands do: options in, files and a summary out."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaebench.data import DATASETS, load
from vaebench.data.expression import read_table
from vaebench.options import Common, DataCheck, DataFetch, DataList, DataSimulate, Quickstart, Report, Run
from vaebench.protocols import Protocol, points, protocol
from vaebench.space import Point
from vaebench.types import Dataset, InputError

if TYPE_CHECKING:
    pass


def execute(options: Common, command: str) -> dict[str, Any]:
    """Carry out one command; returns its summary as JSON values."""
    if isinstance(options, DataList | DataFetch | DataCheck | DataSimulate):
        text, summary = _data(options)
        if not options.quiet:
            print(text)
        return summary
    if options.compilation_cache:
        use_compilation_cache()
    if isinstance(options, Quickstart):
        from vaebench.quickstart import quickstart_data, quickstart_points

        data, planned = quickstart_data(options.seed), quickstart_points(options.seed)
        _check_out(options.out)
        from vaebench.sweep import run

        run(planned, data, out=options.out, quiet=options.quiet, command=command)
        return _report(options.out, options)
    if isinstance(options, Run):
        chosen = protocol(options.protocol)
        axes = run_axes(options)
        points(chosen, axes, samples=10**6)  # wrong settings are said before a large table is read
        data = run_data(options, chosen)
        planned = points(chosen, axes, samples=data.x.shape[0])
        return _dry_run(planned, data, options) if options.dry_run else _run(planned, data, options, chosen, command)
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


def run_axes(options: Run) -> dict[str, Any]:
    """The axes that the options name, to be replaced or added in the protocol's grid."""
    axes: dict[str, Any] = {}
    named = {
        "variant": _names(options.variants),
        "latent": _numbers("latent", options.latent, int),
        "learning_rate": _numbers("learning-rate", options.learning_rate, float),
        "init": _names(options.init),
        "optimizer": _names(options.optimizer),
        "activation": _names(options.activation),
        "recipe": _names(options.recipe),
        "seed": tuple(range(options.seed, options.seed + max(1, options.seeds)))
        if options.seeds or options.seed
        else (),
    }
    axes |= {name: values for name, values in named.items() if values}
    for setting in options.set:
        name, equals, values = setting.partition("=")
        if not equals or not values:
            raise InputError(f"--set {setting}: it must be NAME=VALUE or NAME=VALUE,VALUE")
        axes[name.replace("-", "_")] = _setting(name.replace("-", "_"), values)
    return axes


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


def _run(planned: list[Point], data: Dataset, options: Run, chosen: Protocol, command: str) -> dict[str, Any]:
    from vaebench.sweep import run

    _check_out(options.out)
    run(
        planned,
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


def _dry_run(planned: list[Point], data: Dataset, options: Run) -> dict[str, Any]:
    from vaebench.cost import estimated
    from vaebench.texts import estimate_text

    estimate = estimated(planned, data, _lanes(options.lanes))
    if not options.quiet:
        print(estimate_text(len(planned), estimate))
    programs = [program._asdict() for program in estimate.programs]
    return {"points": len(planned), **estimate._asdict(), "programs": programs}


def _report(folder: Path, options: Common) -> dict[str, Any]:
    from vaebench.analysis import failure_table, settings_table
    from vaebench.report import write_report
    from vaebench.results import read_costs, read_rows, read_run_json
    from vaebench.texts import table_text

    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of a run")
    rows, record = read_rows(folder), read_run_json(folder)
    page = write_report(folder, rows, run_info(record, read_costs(folder)))
    headline = next((c for c in ("metric/leiden/ari", "metric/cox/aic") if c in rows), "loss/valid")
    table = settings_table(rows, by=headline)
    failures = failure_table(rows)
    if not options.quiet:
        print(table_text(table))
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


def _data(options: DataList | DataFetch | DataCheck | DataSimulate) -> tuple[str, dict[str, Any]]:
    """One ``data`` command: text for a person, and the same as JSON values."""
    from vaebench.data import actions
    from vaebench.data.summary import checked

    if isinstance(options, DataList):
        return actions.listed_sets(options.folder)
    if isinstance(options, DataFetch):
        o = options
        return actions.fetched_set(o.name, o.folder, o.mirror, o.timeout, o.retries, o.quiet)
    if isinstance(options, DataSimulate):
        return actions.simulated_table(options.out, options.seed, options.samples, options.genes, options.types)
    if not options.path:
        raise InputError("data check needs a PATH: a file, or the folder or name of a public data set")
    chosen = protocol(options.protocol)
    found = checked(
        options.path,
        label=options.label,
        event=options.event,
        time=options.time,
        covariates=_names(options.covariates),
        factors=_names(options.factors),
        ignore=_names(options.ignore),
        where=options.where,
        samples_in=options.samples_in,
        scaling=chosen.data["scaling"],
        valid_fraction=chosen.base.valid_fraction,
    )
    return actions.told_summary(found)
