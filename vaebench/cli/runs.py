"""What the commands do: options in, files and a summary out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vaebench.cli.options import (
    Common,
    Compiled,
    DataCheck,
    DataFetch,
    DataList,
    DataSimulate,
    Describe,
    Evaluate,
    Quickstart,
    Report,
    Run,
)
from vaebench.cli.parsing import column_options, listed, metric_options, run_axes, run_data
from vaebench.errors import InputError
from vaebench.metrics import metric
from vaebench.metrics.leiden import LeidenOptions
from vaebench.protocols import points, protocol
from vaebench.space import Point, group_by_static
from vaebench.types import Dataset


def execute(options: Common, command: str) -> dict[str, Any]:
    """Carry out one command; returns its summary as JSON values."""
    if isinstance(options, DataList | DataFetch | DataCheck | DataSimulate):
        text, summary = _data(options)
        if not options.quiet:
            print(text)
        return summary
    if isinstance(options, Compiled) and options.compilation_cache:
        use_compilation_cache()
    if isinstance(options, Quickstart):
        from vaebench.cli.quickstart import quickstart_data, quickstart_points

        data, planned = quickstart_data(options.seed), quickstart_points(options.seed)
        _check_out(options.out)
        from vaebench.sweep.runner import run

        run(planned, data, out=options.out, quiet=options.quiet, command=command)
        return _report(options.out, options, data)
    if isinstance(options, Evaluate):
        return _evaluate(options, command)
    if isinstance(options, Describe):
        return _describe(options)
    if isinstance(options, Run):
        return _run(options, command)
    assert isinstance(options, Report)
    return _report(options.folder, options)


def use_compilation_cache() -> None:
    """Keep compiled programs between processes, in the user's cache folder unless JAX was told another one."""
    import jax
    import platformdirs

    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        jax.config.update("jax_compilation_cache_dir", platformdirs.user_cache_dir("vaebench", appauthor=False))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: a file stands there; give a folder")


def _run(options: Run, command: str) -> dict[str, Any]:
    from vaebench.sweep.runner import check_options, check_points, run

    chosen, axes, metrics = protocol(options.protocol), run_axes(options), listed(options.metrics)
    # wrong settings and options are said before a large table is read, and by a dry run too
    points(chosen, axes, samples=10**6)
    own = metric_options(options.metric_option, options.label_covariate)
    for name in metrics:
        metric(name)
    how: dict[str, Any] = {
        "lanes": _lanes(options.lanes),
        "workers": options.workers,
        "evaluators": options.evaluators,
        "shard": _shard(options.shard),
        "embedding": options.embedding or chosen.embedding,
        "keep_models": options.keep_models,
        "checkpoint_minutes": options.checkpoint_minutes,
    }
    check_options(**how)
    _check_out(options.out)
    data = run_data(options, chosen)
    planned = points(chosen, axes, samples=data.x.shape[0])
    if options.dry_run:
        check_points(planned, data, metrics, own)
        return _dry_run(planned, data, options)
    run(
        planned,
        data,
        metrics,
        options.out,
        metric_options=own,
        label_covariate=options.label_covariate,
        keep_embeddings=options.keep_embeddings,
        quiet=options.quiet,
        command=command,
        **how,
    )
    return _report(options.out, options, data, own.get("leiden"))


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
    from vaebench.cli.text import estimate_text
    from vaebench.training.cost import estimated

    estimate = estimated(planned, data, _lanes(options.lanes))
    if not options.quiet:
        print(estimate_text(len(planned), estimate))
    return {"points": len(planned), **_estimate_values(estimate)}


def _estimate_values(estimate: Any) -> dict[str, Any]:
    return {**estimate._asdict(), "programs": [program._asdict() for program in estimate.programs]}


def _evaluate(options: Evaluate, command: str) -> dict[str, Any]:
    from vaebench.cli.text import scores_text
    from vaebench.evaluation.external import evaluated_embedding

    if options.embedding is None:
        raise InputError("--embedding is missing; give a table with a line a sample, or a .npy file")
    _check_out(options.out)
    rows = evaluated_embedding(
        options.embedding,
        run_data(options, protocol(options.protocol)),
        listed(options.metrics),
        options.out,
        name=options.name,
        options=metric_options(options.metric_option, options.label_covariate),
        label_covariate=options.label_covariate,
        command=command,
    )
    if not options.quiet:
        print(scores_text(rows))
        print(f"{len(rows)} rows in {options.out / 'rows'}")
    return {
        "out": str(options.out),
        "rows": [_json_values({str(k): v for k, v in row.items()}) for row in rows.to_dict("records")],
    }


def _describe(options: Describe) -> dict[str, Any]:
    from vaebench.cli.text import estimate_text, protocol_text

    chosen = protocol(options.protocol)
    data = run_data(options, chosen) if options.data else None
    # the number of programs does not depend on the data, a batch chosen for them does
    samples = 10**4 if data is None else data.x.shape[0]
    planned = points(chosen, samples=samples)
    programs = len(group_by_static(planned, 1))
    text = protocol_text(chosen, len(planned), programs, None if data is None else samples)
    summary = {"protocol": chosen.name, "points": len(planned), "programs": programs}
    if data is not None:
        from vaebench.training.cost import estimated

        try:
            estimate = estimated(planned, data, _lanes(options.lanes))
        except InputError as error:  # a protocol that does not fit the data is described all the same
            text += f"\n\non {data.name}: {error}"
        else:
            text += f"\n\non {data.name}: {estimate_text(len(planned), estimate)}"
            summary |= _estimate_values(estimate)
    if not options.quiet:
        print(text)
    return summary


def _report(
    folder: Path, options: Common, data: Dataset | None = None, leiden: LeidenOptions | None = None
) -> dict[str, Any]:
    from vaebench.analysis.settings import failure_table, settings_table
    from vaebench.cli.text import table_text
    from vaebench.report.runs import best_point, write_report
    from vaebench.results import read_costs, read_rows, read_run_json

    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of a run")
    rows, record = read_rows(folder), read_run_json(folder)
    best, z = best_point(rows), None
    if data is not None and best is not None:
        from vaebench.training.model import kept_embedding

        z = kept_embedding(folder, best)
    page = write_report(folder, rows, run_info(record, read_costs(folder)), dataset=data, embedding=z, leiden=leiden)
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
    told = ("command", "version", "versions", "started", "lanes", "device", "digest", "provenance", "metrics")
    info = {name: record[name] for name in told if name in record}  # an evaluated embedding has no lanes
    if "data" in record:
        info["labels"] = record["data"]["labels"]
    if not costs:
        return info
    computed = sum(cost["computed_epochs"] for cost in costs)
    return info | {
        "seconds": round(sum(cost["seconds"] for cost in costs), 1),
        "trainings": sum(cost["trainings"] for cost in costs),
        "programs": max(cost["programs"] for cost in costs),
        "lane_efficiency": round(sum(cost["epochs"] for cost in costs) / computed, 3) if computed else None,
    }


def _json_values(values: Mapping[str, Any]) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        value = value.item() if hasattr(value, "item") else value
        return None if isinstance(value, float) and value != value else value

    return {name: plain(value) for name, value in values.items()}


def _data(options: DataList | DataFetch | DataCheck | DataSimulate) -> tuple[str, dict[str, Any]]:
    """One ``data`` command: text for a person, and the same as JSON values."""
    from vaebench.cli import data as actions
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
        **column_options(options),
        scaling=chosen.data["scaling"],
        valid_fraction=chosen.base.valid_fraction,
    )
    return actions.told_summary(found)
