"""Commands on expression data. Each calls one documented function of the library and returns a summary."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaebench.cli.options import Common, Describe, Evaluate, Quickstart, Report, Run
from vaebench.cli.parsing import check_out, decimal_commas_named, listed, metric_options, run_axes, run_data, whole
from vaebench.data.covariates import run_notes
from vaebench.data.described import dataset_text
from vaebench.data.simulate import simulate_cohort
from vaebench.errors import InputError
from vaebench.metrics import metric
from vaebench.metrics.leiden import LeidenOptions
from vaebench.protocols import plan, protocol
from vaebench.space import Point, group_by_static, product
from vaebench.types import Dataset
from vaebench.variants import VARIANTS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def quickstart(options: Quickstart, command: str) -> dict[str, Any]:
    """Train 24 points on a simulated cohort and report on them."""
    from vaebench.sweep.runner import run

    data = quickstart_data(options.seed)
    check_out(options.out)
    run(
        quickstart_points(options.seed, options.seeds, options.epochs),
        data,
        out=options.out,
        quiet=options.quiet,
        command=command,
    )
    return _reported(options.out, options, data)


def quickstart_data(seed: int = 0) -> Dataset:
    """Return a simulated pan-cancer cohort of 1,200 samples x 1,000 genes."""
    dataset, _ = simulate_cohort(seed)
    return dataset


def quickstart_points(seed: int = 0, seeds: int = 3, epochs: int = 60) -> list[Point]:
    """Return 24 points: two variants, two numbers of latents, two learning rates, three seeds."""
    if not 1 <= seeds <= 1000:
        raise InputError(f"--seeds is {seeds}; it must be from 1 to 1000")
    return product(
        variant=["vae", "beta_vae"],
        latent=[10, 50],
        learning_rate=[1e-3, 1e-2],
        seed=range(seed, seed + seeds),
        hidden=(128,),
        epochs=epochs,
        patience=10,
        study="quickstart",
    )


def run(options: Run, command: str) -> dict[str, Any]:
    """Train and evaluate every combination of the options and write a report; a dry run only prints the estimate."""
    from vaebench.evaluation.scores import allowed_metrics
    from vaebench.sweep.folder import check_continued, check_run_folder, fixed_options
    from vaebench.sweep.runner import check_options, check_points, neighbours_notes, prior_notes
    from vaebench.sweep.runner import run as sweep

    chosen, axes, metrics = protocol(options.protocol), run_axes(options), listed(options.metrics)
    # wrong settings and options are reported before a large table is read, also by a dry run
    with decimal_commas_named(options.set):
        plan(chosen, axes, samples=10**6)
    own = metric_options(options.metric_option, options.label_covariate)
    for name in metrics:
        metric(name)
    how: dict[str, Any] = {
        "lanes": _lanes(options.lanes),
        "workers": _workers(options.workers),
        "evaluators": options.evaluators,
        "shard": _shard(options.shard),
        "embedding": options.embedding or chosen.embedding,
        "keep_models": options.keep_models,
        "checkpoint_minutes": options.checkpoint_minutes,
        "matmul_precision": options.matmul_precision,
    }
    check_options(**how)
    check_out(options.out)
    check_run_folder(options.out)
    data = run_data(options, chosen)
    planned, notes = plan(chosen, axes, samples=data.x.shape[0])
    if not options.quiet:
        print(dataset_text(data, []), flush=True)  # its notes are shown with those of the run
    if options.dry_run:
        metrics, left_out = allowed_metrics(metrics, data, own)
        check_points(planned, data, metrics, own, how["lanes"])
        fixed = fixed_options(metrics, how["embedding"], options.label_covariate, options.matmul_precision, own)
        check_continued(options.out, data, fixed, how["lanes"])
        found, more = run_notes(data, metrics, own, options.label_covariate), neighbours_notes(data, metrics, own)
        return _dry_run(planned, data, options, [*found, *notes, *left_out, *prior_notes(planned, metrics), *more])
    sweep(
        planned,
        data,
        metrics,
        options.out,
        metric_options=own,
        label_covariate=options.label_covariate,
        keep_embeddings=options.keep_embeddings,
        quiet=options.quiet,
        command=command,
        notes=notes,
        **how,
    )
    return _reported(options.out, options, data, own.get("leiden"))


def _workers(text: str) -> int | str:
    return text if text == "auto" else whole("workers", text, "a whole number from 1 to 1024, or 'auto'")


def _lanes(text: str) -> int | None:
    return None if text == "auto" else whole("lanes", text, "'auto' or a whole number from 1 to 65536")


def _shard(text: str) -> tuple[int, int]:
    number, _, shards = text.partition("/")
    if not all(re.fullmatch(r"[0-9]{1,9}", part) for part in (number, shards)):
        raise InputError(f"--shard is {text[:60]!r}; it must be i/n, such as 1/4")
    return int(number), int(shards)


def _dry_run(planned: list[Point], data: Dataset, options: Run, notes: list[str]) -> dict[str, Any]:
    from vaebench.cli.text import estimate_text
    from vaebench.sweep.progress import show_notes
    from vaebench.training.cost import estimated
    from vaebench.training.engine import Engine

    if not options.quiet:
        show_notes(notes)
    estimate = estimated(planned, data, _lanes(options.lanes), Engine(matmul_precision=options.matmul_precision))
    if not options.quiet:
        print(estimate_text(len(planned), estimate))
    return {"points": len(planned), "notes": notes, **_estimate_values(estimate)}


def _estimate_values(estimate: Any) -> dict[str, Any]:
    return {**estimate._asdict(), "programs": [program._asdict() for program in estimate.programs]}


def evaluate(options: Evaluate, command: str) -> dict[str, Any]:
    """Score an embedding of another program and PCA, and print the scores."""
    from vaebench.cli.text import scores_text
    from vaebench.evaluation.external import checked_embedding_name, evaluated_embedding
    from vaebench.results import read_rows, read_run_json
    from vaebench.sweep.progress import show_notes

    if options.embedding is None:
        raise InputError("--embedding is missing; give a table with one line per sample, or a .npy file")
    checked_embedding_name(options.embedding, options.name)
    check_out(options.out)
    data = run_data(options, protocol(options.protocol))
    if not options.quiet:
        print(dataset_text(data, []), flush=True)  # its notes are shown with those of the run
    rows = evaluated_embedding(
        options.embedding,
        data,
        listed(options.metrics),
        options.out,
        name=options.name,
        options=metric_options(options.metric_option, options.label_covariate),
        label_covariate=options.label_covariate,
        command=command,
    )
    notes = read_run_json(options.out)["notes"]
    if not options.quiet:
        show_notes(notes)
        print(scores_text(rows))
        print(f"{len(rows)} rows written, {len(read_rows(options.out))} rows in {options.out / 'rows'}")
    return {
        "out": str(options.out),
        "notes": notes,
        "rows": [_json_values({str(k): v for k, v in row.items()}) for row in rows.to_dict("records")],
    }


def describe(options: Describe, command: str) -> dict[str, Any]:
    """Print a protocol and, with data, its estimated cost."""
    from vaebench.cli.text import estimate_text, protocol_text

    if options.protocol == "settings":
        from vaebench.cli.listing import settings_text

        if not options.quiet:
            print(settings_text())
        return {"settings": [field.name for field in dataclasses.fields(Point)]}
    if options.protocol in VARIANTS:
        raise InputError(
            f"{options.protocol} is a variant, and protocols are described; see: vaebench describe settings"
        )
    chosen, lanes = protocol(options.protocol), _lanes(options.lanes)
    data = run_data(options, chosen) if options.data else None
    # the number of programs does not depend on the data; a batch size chosen for them does
    samples = 10**4 if data is None else data.x.shape[0]
    planned, notes = plan(chosen, samples=samples)
    programs = len(group_by_static(planned, 1))
    text = protocol_text(chosen, len(planned), programs, None if data is None else samples)
    summary = {"protocol": chosen.name, "points": len(planned), "programs": programs}
    if data is not None:
        from vaebench.training.cost import estimated

        try:
            estimate = estimated(planned, data, lanes)
        except InputError as error:  # a protocol that does not fit the data is still described
            text += f"\n\non {data.name}: {error}"
        else:
            text += f"\n\non {data.name}: {estimate_text(len(planned), estimate)}"
            summary |= _estimate_values(estimate)
    if not options.quiet:
        print("\n".join([text, *(f"note: {note}" for note in notes)]))
    return summary


def report(options: Report, command: str) -> dict[str, Any]:
    """Write the report of a run again, and print its ranked settings."""
    from vaebench.report.runs import folder_info, survival_note
    from vaebench.results import read_rows

    summary = _reported(options.folder, options)
    missing = survival_note(read_rows(options.folder), folder_info(options.folder))
    if not options.quiet:
        for note in [*summary["notes"], *filter(None, [missing])]:
            print(f"note: {note}")
    return summary


def _reported(
    folder: Path, options: Common, data: Dataset | None = None, leiden: LeidenOptions | None = None
) -> dict[str, Any]:
    """Write the report of a run, print its ranked settings, and return its summary as JSON values."""
    from vaebench.analysis.failures import failure_table
    from vaebench.analysis.settings import LOSS, ranking_score, settings_table
    from vaebench.cli.text import table_text, with_asked_scores
    from vaebench.report.runs import write_report
    from vaebench.results import joined_notes, read_rows, read_run_json

    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of a run")
    rows = read_rows(folder)
    page = write_report(folder, rows, dataset=data, embedding=_best_embedding(folder, rows, data), leiden=leiden)
    table = with_asked_scores(settings_table(rows, by=ranking_score(rows) or LOSS), rows)
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
        "notes": joined_notes(read_run_json(folder)),
    }


def _best_embedding(folder: Path, rows: pd.DataFrame, data: Dataset | None) -> np.ndarray | None:
    """Return z [N, L] of the best row; ``None`` without data or if embeddings were not kept."""
    from vaebench.report.runs import best_point
    from vaebench.training.model import kept_embedding

    best = best_point(rows) if data is not None else None
    return None if best is None else kept_embedding(folder, best)


def _json_values(values: Mapping[str, Any]) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        value = value.item() if hasattr(value, "item") else value
        return None if isinstance(value, float) and value != value else value

    return {name: plain(value) for name, value in values.items()}
