"""Rows -> one offline HTML page: what was run, what came out, what failed, what it cost and where it came from."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vaebench import analysis, figures
from vaebench.analysis import AIC, ARI, DELTA_AIC, column, is_baseline, span, value_text
from vaebench.types import InputError

GAP = 0.05
"""The report explains itself when the best mean ARI is this much below PCA's."""

FIRST = 50
"""Settings shown before "show all"."""

_HEADS = {ARI: "ARI", AIC: "Cox AIC", DELTA_AIC: "ΔAIC", "loss/valid": "validation loss"}
_FORMATS = {ARI: ".3f", AIC: ".1f", DELTA_AIC: "+.1f"}
_COST = ("seconds", "trainings", "programs", "lanes", "lane_efficiency", "device")

_CSS = """
:root{color-scheme:light}*{box-sizing:border-box}
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:#1d2329;margin:0 auto;max-width:70rem;
padding:1.5rem 1rem 4rem;background:#fff}h1{font-size:1.6rem;line-height:1.25;margin:0 0 .6rem}h2{font-size:1.15rem;
margin:2.4rem 0 .6rem;border-bottom:1px solid #d5dbe1;padding-bottom:.25rem}p{max-width:46rem;margin:.5rem 0;
overflow-wrap:anywhere}.explain{border-left:4px solid #d55e00;background:#fdf6f1;padding:.6rem .9rem;max-width:48rem}
.wide{overflow-x:auto;border:1px solid #d5dbe1;border-radius:4px}table{border-collapse:collapse;font-size:.875rem;
width:100%;font-variant-numeric:tabular-nums}th,td{padding:.35rem .6rem;text-align:left;vertical-align:top;
border-bottom:1px solid #e8ecef;white-space:nowrap}th{background:#f4f6f8;font-weight:600}td.n,th.n{text-align:right}
td.wrap{white-space:normal;overflow-wrap:anywhere;min-width:14rem}td small{display:block;color:#5a6570;
font-size:.75rem}tr.baseline td{background:#f7f7f4}tr.baseline td:first-child{box-shadow:inset 3px 0 #000}
th[aria-sort]{cursor:pointer}th[aria-sort=ascending]::after{content:" ▲"}
th[aria-sort=descending]::after{content:" ▼"}
figure{margin:1.2rem 0}figure img{max-width:100%;width:750px;height:auto;display:block}figcaption,.note{color:#4a545e;
font-size:.875rem;max-width:46rem}dl{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.25rem 1rem;
font-size:.9rem}dt{color:#4a545e}dd{margin:0;overflow-wrap:anywhere;min-width:0}button{font:inherit;margin:.6rem 0;
padding:.3rem .8rem;border:1px solid #aab4bd;border-radius:4px;background:#f4f6f8}
@media (max-width:36rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}h1{font-size:1.35rem}}
@media print{body{max-width:none;padding:0;font-size:10pt}.wide{overflow:visible;border:0}button{display:none}
table{font-size:7.5pt}th,td{padding:.15rem .3rem;white-space:normal}figure,tr{break-inside:avoid}h2{break-after:avoid}}
"""

_JS = """
document.querySelectorAll("table.sortable").forEach(function (table) {
  var body = table.tBodies[0], heads = Array.from(table.tHead.rows[0].cells), limit = Number(table.dataset.first);
  function trim() { Array.from(body.rows).forEach(function (row, i) { row.hidden = i >= limit; }); }
  function value(row, i) {
    var v = row.cells[i].dataset.v;
    return v === undefined ? row.cells[i].textContent : v === "" ? NaN : Number(v);
  }
  function sort(head, i) {
    var now = head.getAttribute("aria-sort"), up = now === "none" ? !head.dataset.down : now === "descending";
    heads.forEach(function (h) { h.setAttribute("aria-sort", h === head ? up ? "ascending" : "descending" : "none"); });
    Array.from(body.rows).sort(function (a, b) {
      var x = value(a, i), y = value(b, i);
      if (x !== x || y !== y) return (x !== x) - (y !== y);
      return (typeof x === "number" ? x - y : x.localeCompare(y)) * (up ? 1 : -1);
    }).forEach(function (row) { body.appendChild(row); });
    trim();
  }
  heads.forEach(function (head, i) {
    head.tabIndex = 0; head.setAttribute("aria-sort", "none"); head.onclick = function () { sort(head, i); };
    head.onkeydown = function (e) { if (e.key === "Enter") sort(head, i); };
  });
  if (body.rows.length <= limit) return;
  var button = document.createElement("button"); button.textContent = "Show all " + body.rows.length + " settings";
  button.onclick = function () { limit = Infinity; trim(); button.remove(); };
  table.parentNode.after(button); trim();
});
"""

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>vaebench report</title><style>{css}</style></head><body><main>{body}</main><script>{js}</script></body></html>
"""


def _number(value: Any, score: str) -> str:
    text = format(value, _FORMATS.get(score, ".4g")) if np.isfinite(value) else "–"
    return text.replace("-", "−")


def _mean(line: Mapping[Any, Any], score: str) -> str:
    sd = line[f"{score}/sd"]
    return _number(line[f"{score}/mean"], score) + (f" ± {_number(sd, score).lstrip('+')}" if np.isfinite(sd) else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _summary(rows: pd.DataFrame, table: pd.DataFrame, info: Mapping[str, Any]) -> str:
    models = rows[~is_baseline(rows)]
    settings = table[table["kind"] == "model"]
    names = (
        " and ".join(dict.fromkeys(rows["data/name"].dropna().astype(str))) if "data/name" in rows else "unnamed data"
    )
    labels = info.get("labels", dict(info.get("provenance") or {}).get("labels"))
    labels = len(labels) if isinstance(labels, list | tuple | dict) else labels
    size = f"{span(column(rows, 'data/samples'))} samples × {span(column(rows, 'data/features'))} features"
    size += f", labels: {labels}" if labels else ""
    text = f"{_count(len(models), 'point')} ({_count(len(settings), 'setting')} of "
    text += f"{_count(models['static/variant'].nunique(), 'variant')}) trained on {names} ({size}). "
    failed = int((rows["status"] != "OK").sum())
    text += f"{_count(failed, 'row')} failed. " if failed else "No training failed. "
    best, pca = (analysis.best_setting(table, ARI, kind) for kind in ("model", "baseline"))
    if best:
        text += f"The best setting, {analysis.setting_text(best, analysis.setting_columns(rows))}, has a mean ARI of "
        text += f"{_mean(best, ARI)} over {_count(int(best[f'{ARI}/n_used']), 'seed')}"
        text += f" (the highest of {len(settings)} settings, so rather too high)" if len(settings) > 1 else ""
        text += f"; the best PCA (L={value_text(pca['static/latent'])}) has {_mean(pca, ARI)}. " if pca else ". "
    found = analysis.best_setting(table, DELTA_AIC)
    if found:
        text += f"The best mean ΔAIC of a setting against the covariates alone is {_mean(found, DELTA_AIC)}"
        worse = "; lower is better" if found[f"{DELTA_AIC}/mean"] < 0 else ": no setting improves on them"
        text += f" ({analysis.setting_text(found, analysis.setting_columns(rows))}){worse}."
    return f"<p>{escape(text.strip())}</p>"


def _explanation(rows: pd.DataFrame, table: pd.DataFrame) -> str:
    """Why the variants may be behind PCA, as far as the rows can tell; empty when they are not."""
    best, pca = (analysis.best_setting(table, ARI, kind) for kind in ("model", "baseline"))
    if not best or not pca or pca[f"{ARI}/mean"] - best[f"{ARI}/mean"] <= GAP:
        return ""
    text = f"The best setting's mean ARI is {pca[f'{ARI}/mean'] - best[f'{ARI}/mean']:.3f} below PCA's best. "
    text += f"What these rows say about it: {'; '.join(analysis.training_facts(rows))}."
    return f'<p class="explain">{escape(text)}</p>'


def _head(text: str, numeric: bool, down: bool = False) -> str:
    first = ' data-down="1"' if down else ""  # the first click puts the best on top
    kind = ' class="n"' if numeric else ""
    return f"<th{kind}{first}>{escape(text)}</th>"


def _cell(value: Any, numeric: bool, small: str = "") -> str:
    if not numeric:
        return f"<td>{escape(value_text(value))}</td>"
    key = "" if pd.isna(value) else repr(float(value))
    return f'<td class="n" data-v="{key}">{small or escape(value_text(value))}</td>'


def _score_cell(line: Mapping[Any, Any], score: str) -> str:
    low, high, used = (line[f"{score}/{part}"] for part in ("min", "max", "n_used"))
    reach = f"{_number(low, score)} … {_number(high, score)} " if used > 1 else ""
    return _cell(line[f"{score}/mean"], True, f"{_mean(line, score)}<small>{reach}(n {used})</small>")


def _settings(rows: pd.DataFrame, table: pd.DataFrame, by: str) -> str:
    names = analysis.setting_columns(rows)
    counts, scores = ["n", "failures"], analysis.present_scores(rows)
    numeric = {name: pd.api.types.is_numeric_dtype(table[name]) for name in names}
    heads = _head("#", True) + "".join(_head(n.rpartition("/")[2], numeric[n]) for n in names)
    heads += "".join(_head(name, True) for name in counts)
    heads += "".join(_head(_HEADS[score], True, analysis.SCORES[score]) for score in scores)
    body = []
    for place, line in enumerate(table.to_dict("records"), 1):
        cells = [_cell(place, True), *(_cell(line[n], numeric[n]) for n in names)]
        cells += [*(_cell(line[n], True) for n in counts), *(_score_cell(line, score) for score in scores)]
        body.append(f'<tr class="{line["kind"]}">{"".join(cells)}</tr>')
    note = (
        f"Ranked by mean {_HEADS[by]}. A cell has mean ± standard deviation over seeds, then lowest … highest and "
        "the number n of rows used. Lines with a black edge are baselines. Losses are comparable only within one variant "
        "and one latent width. Click a header to sort."
    )
    return (
        f'<p class="note">{note}</p><div class="wide"><table class="sortable" data-first="{FIRST}"><thead><tr>{heads}'
        f"</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _pictures(rows: pd.DataFrame, folder: Path) -> str:
    parts = []
    for name, draw in figures.FIGURES.items():
        if not set(figures.NEEDS[name]) <= set(rows.columns):
            continue
        path = figures.save(draw(rows), folder / "figures" / f"{name}.png")
        data = base64.b64encode(path.read_bytes()).decode()
        caption = escape(figures.CAPTIONS[name])
        image = f'<img src="data:image/png;base64,{data}" alt="{caption}" width="750">'
        parts.append(f"<figure>{image}<figcaption>{caption}</figcaption></figure>")
    return "".join(parts) or "<p>These rows have no column that a figure needs.</p>"


def _failures(rows: pd.DataFrame) -> str:
    failed = analysis.failure_table(rows)
    if failed.empty:
        return "<p>Nothing failed: every row trained and every metric was computed.</p>"
    body = "".join(
        f'<tr><td>{escape(line["source"])}</td><td class="wrap">{escape(line["reason"])}</td>'
        f'<td class="n">{line["count"]:,}</td><td class="n">{line["of"]:,}</td>'
        f'<td class="n">{line["share"]:.1%}</td></tr>'
        for line in failed.to_dict("records")
    )
    heads = '<th>where</th><th>cause</th><th class="n">rows</th><th class="n">of</th><th class="n">share</th>'
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


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
    text = (
        "ΔAIC is the AIC with the latents less that of the covariates alone, on the same samples: below 0, they help."
    )
    return f'<p class="note">{text}</p>{_definitions(values)}'


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e4 else str(value)


def _definitions(values: Mapping[str, Any]) -> str:
    lines = (
        f"<dt>{escape(str(k))}</dt><dd>{escape(_text(v))}</dd>" for k, v in values.items() if v not in (None, {}, [])
    )
    return f"<dl>{''.join(lines)}</dl>"


def _cost(info: Mapping[str, Any]) -> str:
    heads = {"seconds": "wall seconds", "programs": "compiled programs", "lane_efficiency": "lane efficiency"}
    known = {heads.get(k, k): info[k] for k in _COST if info.get(k) is not None}
    if info.get("seconds") and info.get("trainings"):
        known["seconds per training"] = float(info["seconds"]) / float(info["trainings"])
    return _definitions(known) if known else "<p>Not recorded.</p>"


def _provenance(rows: pd.DataFrame, info: Mapping[str, Any]) -> str:
    values: dict[str, Any] = {
        "date": info.get("started"),
        "command": info.get("command"),
        "vaebench": info.get("version"),
    }
    values |= {"versions": info.get("versions"), "metrics": info.get("metrics"), "data digest": info.get("digest")}
    if not values["data digest"] and "data/digest" in rows:
        values["data digest"] = list(dict.fromkeys(rows["data/digest"].dropna().astype(str)))
    values |= {f"data: {name}": value for name, value in dict(info.get("provenance") or {}).items()}
    told = {"started", "command", "version", "versions", "metrics", "digest", "provenance", "notes", "labels", *_COST}
    return _definitions(values | {str(k): v for k, v in info.items() if k not in told})


def write_report(folder: str | os.PathLike[str], rows: pd.DataFrame, run_info: Mapping[str, Any]) -> Path:
    """Write ``folder/report.html`` and ``folder/figures/*.png`` and return the page's path.

    The page is one file without any outside resource. ``run_info`` may hold command, version, versions, started,
    seconds, trainings, programs, lanes, device, digest, provenance, metrics, labels and notes (sentences shown under
    the summary); anything else is listed with the provenance, and what is absent is left out.
    """
    analysis.check_rows(rows)
    if not isinstance(run_info, Mapping):
        raise InputError(f"run_info must be a mapping, not {type(run_info).__name__}")
    place, rows = Path(folder), rows.reset_index(drop=True)
    scores = analysis.present_scores(rows)
    if not scores:
        raise InputError(f"the rows have no score to report (any of: {', '.join(analysis.SCORES)})")
    table = analysis.settings_table(rows, by=scores[0])
    notes: Sequence[Any] = run_info.get("notes") or []
    sections = {
        "Settings, ranked": _settings(rows, table, scores[0]),
        "Figures": _pictures(rows, place),
        "Failures by cause": _failures(rows),
        "Cox models": _cox(rows),
        "Cost": _cost(run_info),
        "Provenance": _provenance(rows, run_info),
    }
    head = _summary(rows, table, run_info) + _explanation(rows, table)
    head += "".join(f'<p class="note">{escape(str(note))}</p>' for note in notes)
    body = "".join(f"<section><h2>{name}</h2>{text}</section>" for name, text in sections.items())
    page = _PAGE.format(css=_CSS, js=_JS, body=f"<h1>Variational autoencoders, measured</h1>{head}{body}")
    target = place / "report.html"
    part = target.with_name(f".report.html.{os.getpid()}.part")
    try:
        part.write_text(page, encoding="utf-8")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target
