"""Report of a run as one offline HTML page: settings ranked, figures, failures, Cox models, survival, cost, provenance."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vaebench import figures
from vaebench.analysis import settings as analysis
from vaebench.analysis.failures import training_facts
from vaebench.analysis.settings import AIC, ARI, DELTA_AIC, DIRECTIONS, LOSS, column, is_baseline, span, value_text
from vaebench.data.wording import count_of
from vaebench.errors import InputError, user_path
from vaebench.figures.style import NO_LABEL
from vaebench.metrics.leiden import LeidenOptions, clustering_problem, leiden_clusters
from vaebench.report.drawn import figure_html
from vaebench.report.maps import latent_map
from vaebench.report.notes import failures_html, notes_html
from vaebench.report.page import definitions, write_page
from vaebench.report.ranked import mean_text, ranked_settings, score_name
from vaebench.results import read_costs, read_rows, read_run_json
from vaebench.types import Dataset
from vaebench.types.frames import in_order

GAP = 0.05
"""The report gives likely reasons if the best mean ARI is this much below PCA's."""

_COST = ("seconds", "trainings", "programs", "lanes", "lane_efficiency", "workers", "device")


def _summary(rows: pd.DataFrame, table: pd.DataFrame, info: Mapping[str, Any], by: str) -> str:
    models = rows[~is_baseline(rows)]
    settings = table[table["kind"] == "model"]
    names = (
        " and ".join(dict.fromkeys(rows["data/name"].dropna().astype(str))) if "data/name" in rows else "unnamed data"
    )
    labels = info.get("labels", dict(info.get("provenance") or {}).get("labels"))
    labels = len(labels) if isinstance(labels, list | tuple | dict) else labels
    size = f"{span(column(rows, 'data/samples'))} samples × {span(column(rows, 'data/features'))} features"
    size += f", labels: {labels}" if labels else ""
    text = _trained(rows, models, len(settings), f"{names} ({size})", info)
    by = ARI if by in (AIC, DELTA_AIC, LOSS) else by  # these have sentences of their own, or are not comparable
    best, pca = (analysis.best_setting(table, by, kind) for kind in ("model", "baseline"))
    if best:
        text += f"The best setting, {analysis.setting_text(best, analysis.setting_columns(rows))}, has a mean "
        text += f"{score_name(by)} of {mean_text(best, by)}"
        text += f" over {count_of(int(best[f'{by}/n_used']), 'seed')}" if "traced/seed" in rows else ""
        end = ("highest", "high") if DIRECTIONS[by] else ("lowest", "low")
        text += f" (the {end[0]} of {len(settings):,} settings, so rather too {end[1]})" if len(settings) > 1 else ""
        text += f"; the best PCA (L={value_text(pca['static/latent'])}) has {mean_text(pca, by)}. " if pca else ". "
    found = analysis.best_setting(table, DELTA_AIC)
    if found:
        text += f"The best mean ΔAIC of a setting against the covariates alone is {mean_text(found, DELTA_AIC)}"
        worse = "; lower is better" if found[f"{DELTA_AIC}/mean"] < 0 else ": no trained setting improves on them"
        text += f" ({analysis.setting_text(found, analysis.setting_columns(rows))}){worse}"
        pca = analysis.best_setting(table, DELTA_AIC, "baseline")
        text += (
            f"; the best PCA (L={value_text(pca['static/latent'])}) has {mean_text(pca, DELTA_AIC)}." if pca else "."
        )
    return f"<p>{escape(text.strip())}</p>"


def _trained(rows: pd.DataFrame, models: pd.DataFrame, settings: int, on: str, info: Mapping[str, Any]) -> str:
    """Return sentences on what was trained ``on`` the data, what failed and, of an interrupted run, what is left."""
    # before the first training, a run has rows of PCA alone, which have no seed either
    if not info.get("trained", "traced/seed" in rows):
        return f"{count_of(len(models), 'embedding')} of {on}, made elsewhere. "
    if len(models):
        text = f"{count_of(len(models), 'point')} ({count_of(settings, 'setting')} of "
        text += f"{count_of(models['static/variant'].nunique(), 'variant')}) trained on {on}. "
        failed = int((rows["status"] != "OK").sum())
        text += f"{count_of(failed, 'row')} failed. " if failed else "No training failed. "
    else:
        text = f"No model is trained on {on} yet. "
    planned = int(info.get("points") or 0)
    left = f"{len(models):,} of {count_of(planned, 'point')} are done; the same command continues. "
    return text + (left if len(models) < planned else "")


def _explanation(rows: pd.DataFrame, table: pd.DataFrame) -> str:
    """Return a paragraph on likely reasons for variants behind PCA, as far as the rows show them; "" if they are not."""
    best, pca = (analysis.best_setting(table, ARI, kind) for kind in ("model", "baseline"))
    if "traced/seed" not in rows or not best or not pca or pca[f"{ARI}/mean"] - best[f"{ARI}/mean"] <= GAP:
        return ""
    text = f"The best setting's mean ARI is {pca[f'{ARI}/mean'] - best[f'{ARI}/mean']:.3f} below PCA's best. "
    text += f"What these rows say about it: {'; '.join(training_facts(rows))}."
    return f'<p class="explain">{escape(text)}</p>'


def _pictures(rows: pd.DataFrame, folder: Path) -> str:
    parts = []
    for name, kind in figures.FIGURES.items():
        if not set(kind.needs) <= set(rows.columns):
            continue
        parts.append(figure_html(folder, name, kind.draw(rows), kind.caption))
    night = '<p class="note night">In the dark, what a caption calls black is drawn white.</p>'
    return "".join([night, *parts]) if parts else "<p>These rows have no column that a figure needs.</p>"


def _map(rows: pd.DataFrame, folder: Path, dataset: Dataset, embedding: np.ndarray | None) -> str:
    """t-SNE of the best model's latent space, coloured by label; "" where there is none to draw."""
    if embedding is None:
        return '<p class="note">A map of the latent space needs an embedding: run with --keep-embeddings.</p>'
    labels = None
    if dataset.labels is not None:
        labels = pd.Series(np.array([*dataset.label_names, NO_LABEL], dtype=object)[dataset.labels])
    coordinates, labels, method = latent_map(np.asarray(embedding, float), labels)
    if not len(coordinates):
        return ""
    figure = figures.sample_map(coordinates, labels, method)
    coloured = ", coloured by label" if labels is not None else ""
    caption = f"Latent space of the best trained model ({_best_text(rows)}){coloured}."
    return figure_html(folder, "latent_map", figure, caption, colours=True)


def _best_text(rows: pd.DataFrame) -> str:
    (line,) = rows[rows["point"] == best_point(rows)].head(1).to_dict("records") or [{}]
    seed = value_text(line.get("traced/seed"))
    return analysis.setting_text(line, analysis.setting_columns(rows)) + (f", seed {seed}" if seed else "")


def _cox(rows: pd.DataFrame) -> str:
    if AIC not in rows.columns:
        return "<p>The Cox metric was not computed.</p>"
    names = {
        "samples in the fits": "samples",
        "events": "events",
        "samples left out: no one with their label had an event": "left_out_no_event_labels",
        "labels left out for that": "labels_left_out",
        "samples left out: survival or a covariate is missing": "left_out_missing",
        "AIC of the covariates alone": "aic_covariates",
    }
    values = {text: span(column(rows, f"metric/cox/{name}")) for text, name in names.items()}
    text = "ΔAIC is the AIC with the latents minus that of the covariates alone, on the same samples: below 0, the latents help."
    return f'<p class="note">{text}</p>{definitions(values)}'


def _cost(info: Mapping[str, Any]) -> str:
    heads = {"seconds": "wall seconds", "programs": "compiled programs", "lane_efficiency": "lane efficiency"}
    heads |= {"workers": "training processes"}
    known = {heads.get(k, k): info[k] for k in _COST if info.get(k) is not None}
    if "device" in known:  # platform and kind, which are the same word on a CPU
        known["device"] = " ".join(dict.fromkeys(str(known["device"]).split()))
    if info.get("seconds") and info.get("trainings"):
        known["seconds per training"] = float(info["seconds"]) / float(info["trainings"])
    return definitions(known) if known else "<p>Not recorded.</p>"


def _provenance(rows: pd.DataFrame, info: Mapping[str, Any]) -> str:
    values: dict[str, Any] = {"date": info.get("started"), "command": info.get("command")}
    values |= {"vaebench": info.get("version"), "versions": info.get("versions"), "metrics": info.get("metrics")}
    values["data digest"] = info.get("digest")
    if not values["data digest"] and "data/digest" in rows:
        values["data digest"] = list(dict.fromkeys(rows["data/digest"].dropna().astype(str)))
    values |= {f"data: {name}": value for name, value in dict(info.get("provenance") or {}).items()}
    told = {"started", "command", "version", "versions", "metrics", "digest", "provenance", "notes", "labels"}
    told |= {"trained", "points", *_COST}
    return definitions(values | {str(k): v for k, v in info.items() if k not in told})


def best_point(rows: pd.DataFrame) -> str | None:
    """Return the ``point`` of the trained row with the best score of the ranking (ARI, else AIC, ...); ``None`` without one."""
    by = analysis.ranking_score(rows)
    if by is None or "point" not in rows:
        return None
    values = analysis.usable(rows, by)[~is_baseline(rows)].dropna()
    if values.empty:
        return None
    return str(rows["point"].loc[values.idxmax() if DIRECTIONS[by] else values.idxmin()])


def _survival(
    rows: pd.DataFrame, folder: Path, dataset: Dataset, embedding: np.ndarray | None, options: LeidenOptions
) -> str:
    """Curves by cluster of the best model, where its embedding is at hand, and by label."""

    def drawn(name: str, groups: np.ndarray, title: str, caption: str) -> str:
        figure = figures.survival_curves(groups, dataset.survival, title=title)
        return figure_html(folder, name, figure, caption, colours=True)

    parts = []
    if embedding is None:
        text = "No embedding of the best model was kept; run with --keep-embeddings to add the curves of its clusters."
        parts.append(f'<p class="note">{text}</p>')
    elif problem := clustering_problem(embedding, options):
        parts.append(f'<p class="note">The best model has no clusters: {escape(problem)}.</p>')
    else:
        names = np.array([f"cluster {number + 1}" for number in leiden_clusters(embedding, options)])
        caption = f"Survival of the Leiden clusters of the best trained model ({_best_text(rows)})."
        parts.append(drawn("survival_by_cluster", names, "Survival by Leiden cluster", caption))
    if dataset.labels is None:
        groups, title = np.repeat("all samples", len(dataset.samples)), "Survival"
    else:
        groups, title = np.array([*dataset.label_names, ""], dtype=object)[dataset.labels], "Survival by label"
    return "".join([*parts, drawn("survival_by_label", groups, title, f"{title}.")])


def survival_note(rows: pd.DataFrame, info: Mapping[str, Any]) -> str:
    """Return a sentence on the survival curves that a report without the data set leaves out; "" if there was no survival."""
    options = dict(info.get("provenance") or {}).get("options") or {}
    if "metric/cox/events" not in rows and not (isinstance(options, Mapping) and options.get("event")):
        return ""
    again = "run the same command again, which trains nothing twice, or "
    again = again if str(info.get("command", "")).startswith("vaebench run") else ""
    return f"Survival curves are left out, since they need the data set: {again}call write_report(folder, dataset=...) in Python."


def folder_info(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what the report of a folder says about its run: ``run.json``, and the cost summed over all processes.

    Raises:
        InputError: the folder has no ``run.json`` that can be read.
    """
    record, costs = read_run_json(user_path(folder)), read_costs(user_path(folder))
    shown = ("command", "version", "versions", "started", "lanes", "device", "digest", "provenance", "metrics", "notes")
    info = {name: record[name] for name in shown if name in record}  # an evaluated embedding has no lanes
    if reason := record.get("workers", {}).get("reason"):
        info["workers"] = reason
    info["trained"] = "embeddings" not in record  # which ``vaebench evaluate`` writes
    workers = record.get("workers", {})
    info["points"] = workers.get("planned", workers.get("points"))
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


def write_report(
    folder: str | os.PathLike[str],
    rows: pd.DataFrame | None = None,
    run_info: Mapping[str, Any] | None = None,
    *,
    dataset: Dataset | None = None,
    embedding: np.ndarray | None = None,
    leiden: LeidenOptions | None = None,
) -> Path:
    """Write ``folder/report.html`` and ``folder/figures/*.png`` and return the page's path.

    The page is one file without any outside resource.

    Args:
        folder: where to write; created if it is not there.
        rows: of :func:`vaebench.results.read_rows`, at least one with a headline score; those of the folder by default.
        run_info: :func:`folder_info` by default. May hold command, version, versions, started, seconds, trainings,
            programs, lanes, workers, device, digest, provenance, metrics, labels, notes (sentences under the summary), trained
            (false for embeddings made elsewhere) and points (how many were to be trained); anything else is listed with the
            provenance, and what is absent is left out.
        dataset: data set of the run. If it has survival, the page has Kaplan-Meier curves by label and by cluster.
        embedding: z [N, L] of :func:`best_point`, in the order of ``dataset.samples``, for the curves by cluster; see
            :func:`vaebench.training.model.kept_embedding`.
        leiden: options of the clusters; those of the metric by default.

    Raises:
        InputError: rows without a score, ``run_info`` that is no mapping, or an embedding of other samples; without rows,
            a folder that is not of a run.

    Example:
        >>> import vaebench as vb
        >>> from vaebench.training.model import kept_embedding
        >>> vb.report.write_report("results/run")  # doctest: +SKIP
        >>> rows = vb.results.read_rows("results/run")  # doctest: +SKIP
        >>> z = kept_embedding("results/run", vb.report.best_point(rows))  # doctest: +SKIP
        >>> vb.report.write_report("results/run", rows, dataset=data, embedding=z)  # doctest: +SKIP
    """
    rows = read_rows(user_path(folder)) if rows is None else rows
    run_info = folder_info(folder) if run_info is None else run_info
    analysis.check_rows(rows)
    if not isinstance(run_info, Mapping):
        raise InputError(f"run_info must be a mapping, not {type(run_info).__name__}")
    if dataset is not None and embedding is not None:
        embedding = np.asarray(in_order(embedding, "the embedding", samples=dataset.samples))
    if dataset is not None and embedding is not None and len(embedding) != len(dataset.samples):
        raise InputError(
            f"the embedding has {len(embedding)} rows; data set {dataset.name!r} has {len(dataset.samples)}"
        )
    place, rows = user_path(folder), rows.reset_index(drop=True)
    by = analysis.ranking_score(rows)
    if by is None:
        raise InputError(f"the rows have no score to report (any of: {', '.join(analysis.SCORES)})")
    table = analysis.settings_table(rows, by=by)
    notes: Sequence[Any] = run_info.get("notes") or []
    sections = {
        "Settings, ranked": ranked_settings(rows, table, by),
        "Figures": _pictures(rows, place) + (_map(rows, place, dataset, embedding) if dataset is not None else ""),
        "Failures by cause": failures_html(rows),
        "Cox models": _cox(rows),
    }
    if dataset is not None and dataset.survival is not None:
        sections["Survival"] = _survival(rows, place, dataset, embedding, leiden or LeidenOptions())
    elif dataset is None and (missing := survival_note(rows, run_info)):
        sections["Survival"] = f'<p class="note">{escape(missing)}</p>'
    sections |= {"Cost": _cost(run_info), "Provenance": _provenance(rows, run_info)}
    introduction = _summary(rows, table, run_info, by) + _explanation(rows, table)
    introduction += notes_html(map(str, notes))
    return write_page(place, report_title(rows), introduction, sections)


def report_title(rows: pd.DataFrame) -> str:
    """Title that tells this report from others: the data, and how many variants were trained on it."""
    names = list(dict.fromkeys(rows["data/name"].dropna().astype(str))) if "data/name" in rows else []
    models = rows.loc[~is_baseline(rows), "static/variant"].astype(str)
    kinds = list(dict.fromkeys(models))
    what = kinds[0] if len(kinds) == 1 else count_of(len(kinds), "variant") if kinds else "baselines"
    return f"Run: {what} on {' and '.join(names) or 'unnamed data'}"
