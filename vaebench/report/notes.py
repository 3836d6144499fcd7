"""Notes on a report page: the sentence, and below it what it means for the reader and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

import pandas as pd

from vaebench.analysis.failures import failure_table
from vaebench.analysis.settings import is_baseline
from vaebench.report.page import whole_options

_NAME = re.compile(r"`([^`]+)`")

ADVICE = {
    "is the largest that was tried": "The true number may be higher. Extract again with a larger --k-max (k in Python).",
    "number of signatures is doubtful": "Compare the spectra of the numbers beside it, and extract again with more restarts.",
    "No mutations in sample": "Nothing can be said about these samples. Check their files, or leave them out.",
    "has no mutations. Its": "Nothing can be said about this sample. Check its file, or leave it out.",
    "have no mutations": "Nothing can be said about these samples. Check their files, or leave them out.",
    "cannot separate them": "Read the exposures of these signatures with care, and compare their spectra with the reference.",
    "are near none": "Before you call one new, look for it in another cohort or by another method.",
    "published exposures of all tumour types": "If all samples are of one type, name it with --tissue (tissue in Python).",
    "that these counts resemble": "If all samples are of one type, name it with --tissue (tissue in Python).",
    "more or less often than the prior expects": "Look at their spectra and residuals. Leave out, with --exclude, what cannot "
    "occur in this tissue.",
    "cannot tell": "Quote the sum (sums.csv) instead of the parts, or leave one out with --exclude if it cannot occur.",
    "nearly the same spectrum": "Exposures of the two are interchangeable here. Quote their sum.",
    "that was left out": "If it can occur in these samples, offer it to them again: --include, or without --exclude.",
    "does not fit. A": "Look at its residuals (plot_sample in Python): a peak names what is missing.",
    "do not fit": "Look at their residuals (plot_sample in Python): a peak names what is missing.",
    "rounded means": "The counts are no plain counts of mutations. Refit the original counts if you have them.",
    "look like": "If they are on another scale, say so with --transform, and run again into a new folder.",
    "begins with": "Import the column as text in a spreadsheet program.",
}
"""Words of a note -> what the reader can do. Notes that already say it are not listed."""


def advice(note: str) -> str:
    """Return what a reader can do about a note; "" where the note says it or nothing is to be done."""
    return next((text for words, text in ADVICE.items() if words in note), "")


def notes_html(notes: Iterable[str]) -> str:
    """Return HTML of the notes, each once, with what to do."""
    parts = []
    for note in dict.fromkeys(str(note) for note in notes):
        found = advice(note)
        todo = f"<small><b>What to do:</b> {escape(found)}</small>" if found else ""
        words = f"<p>{escape(note)}</p>{todo}"
        named = _NAME.sub(r"<code>\1</code>", whole_options(words))
        parts.append(f'<div class="hint">{named}</div>')
    return "".join(parts)


def failures_html(rows: pd.DataFrame) -> str:
    """Return HTML of the failures of rows by cause."""
    failed = failure_table(rows)
    if failed.empty and is_baseline(rows).all():
        return "<p>Nothing failed, and no model is trained yet.</p>"
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
