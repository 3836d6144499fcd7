"""Reports on signatures, exposures and intervals: figures, and one HTML page that works offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from vaebench.data.wording import count_of, per_cent
from vaebench.figures import style
from vaebench.figures.exposures import (
    SAMPLES_SHOWN,
    coverage_bars,
    exposures_by_type,
    interval_panels,
    intervals_by_size,
    reconstruction_quality,
    sample_map,
)
from vaebench.figures.samples import LEAST, present_by_size, stacked_exposures
from vaebench.figures.spectra import k_selection, sample_fit, sample_noise, similarity, spectra
from vaebench.report.drawn import figure_html
from vaebench.report.maps import FEWEST, tsne
from vaebench.report.notes import notes_html
from vaebench.report.page import cell, definitions, head, sortable, write_page

FIRST = 50
"""Rows of a table that are shown before "show all" is pressed."""
ROWS = 2000
"""Most rows of a table of intervals: the page stays small, and the file has them all."""


class ShownExtraction(Protocol):
    """The parts of :class:`vaebench.signatures.extraction.Extraction` that the page shows."""

    @property
    def signatures(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def exposures(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def samples(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def selection(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def matches(self) -> pd.DataFrame | None: ...  # noqa: D102


class ShownRefit(Protocol):
    """The parts of :class:`vaebench.signatures.refitting.RefitResult` that the page shows."""

    @property
    def exposures(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def intervals(self) -> pd.DataFrame | None: ...  # noqa: D102
    @property
    def samples(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def dispersion(self) -> float: ...  # noqa: D102
    @property
    def level(self) -> float: ...  # noqa: D102
    @property
    def catalogue(self) -> pd.DataFrame | None: ...  # noqa: D102
    @property
    def signatures(self) -> pd.DataFrame | None: ...  # noqa: D102


def table(frame: pd.DataFrame) -> str:
    """HTML of a sortable table of ``frame``; numbers are shortened, text is unchanged."""
    numeric = [frame.iloc[:, i].dtype.kind in "iuf" for i in range(frame.shape[1])]
    heads = "".join(head(str(name), number) for name, number in zip(frame.columns, numeric, strict=True))
    rows = []
    for line in frame.itertuples(index=False):
        cells = [
            cell(_short(value), float(value)) if number else cell(escape(_word(value)))
            for value, number in zip(line, numeric, strict=True)
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    words = [_word(frame.iloc[0, i]) for i, number in enumerate(numeric) if not number and len(frame) > FIRST]
    return sortable(heads, rows, FIRST, " ".join(words).replace("–", "")[:40])


def _short(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def _word(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else ""
    return "–" if value is None or value != value else str(value)  # NaN among text


def _matched(matches: pd.DataFrame | None) -> dict[str, str]:
    if matches is None:
        return {}
    return {
        str(line["extracted"]): f"closest: {line['nearest']}, cosine {line['nearest_cosine']:.3f}"
        for line in matches.to_dict("records")
    }


def _selection(folder: Path, selection: pd.DataFrame, rule: str) -> str:
    """The figure of the scores by number of signatures; a sentence where one number was tried."""
    if len(selection) == 1:
        return f"<p>Only {selection['k'].iloc[0]} was tried, so nothing was chosen.</p>"
    return figure_html(folder, "selection", k_selection(selection, rule), _RULES[rule])


def _exposures(folder: Path, exposures: pd.DataFrame, types: pd.Series | None, samples: pd.DataFrame) -> str:
    """Figures of the exposures and of the fit; one sample gets bars and a sentence instead of clouds of one dot."""
    if len(exposures) == 1:
        drawn = figure_html(folder, "exposures", stacked_exposures(exposures), "Exposures of the sample.")
        cosine = float(samples["cosine"].iloc[0])
        return drawn + (f"<p>Cosine of the counts and their fit: {cosine:.3f}.</p>" if np.isfinite(cosine) else "")
    kinds = "Exposures by cancer type." if types is not None else "Exposures."
    shares, counts = (stacked_exposures(exposures, types, shares=asked) for asked in (True, False))
    return (
        figure_html(folder, "exposures_stacked", shares, "Signatures of each sample, as shares.", colours=True)
        + figure_html(folder, "exposures_counts", counts, "Signatures of each sample, in mutations.", colours=True)
        + figure_html(folder, "exposures", exposures_by_type(exposures, types), kinds, colours=True)
        + figure_html(folder, "reconstruction", reconstruction_quality(samples), "How well each sample is rebuilt.")
    )


def interval_section(folder: Path, intervals: pd.DataFrame, level: float) -> str:
    """Panels of the first samples, and a table of what is there; what is small or absent is counted, not listed."""
    ordered = intervals_by_size(intervals)
    there = ordered["sample"].nunique()
    number = min(SAMPLES_SHOWN, there)
    caption = f"The first {number} samples of the table." if number < there else "Exposures of all samples."
    caption = "Exposures of the sample." if there == 1 else caption
    drawn = figure_html(folder, "intervals", interval_panels(ordered, level, least=LEAST), caption)
    share = ordered["exposure"] / ordered.groupby("sample")["exposure"].transform("sum").replace(0.0, np.nan)
    there = (ordered["upper"] > 0) & ((share > LEAST) | (ordered["lower"] > 0) | (ordered["presence"] >= 0.5))
    shown = ordered[there].head(ROWS)
    rest = len(ordered) - len(shown)
    note = (
        f'<p class="note">{rest:,} more lines are in intervals.csv: signatures at 1% of the sample or less with an interval '
        f"that reaches 0{', and lines past ' + format(ROWS, ',') if there.sum() > ROWS else ''}.</p>"
    )
    empty = shown["presence"].isna().all()  # a method without a probability of presence
    return drawn + table(shown.drop(columns="presence") if empty else shown) + (note if rest else "")


def _misfits(folder: Path, fit: ShownRefit, names: Sequence[str]) -> str:
    """Counts, fit and residuals of a few samples, where the result holds its counts."""
    if fit.catalogue is None or fit.signatures is None:
        return ""
    parts = []
    for place, name in enumerate(names, 1):
        exposures = fit.exposures.loc[name]
        if fit.intervals is not None:
            exposures = fit.intervals[fit.intervals["sample"] == name].set_index("signature")["exposure"]
        mean = exposures[fit.signatures.index].to_numpy() @ fit.signatures.to_numpy()
        counts = fit.catalogue.T[name]
        fitted = pd.Series(mean, fit.signatures.columns)
        figure = sample_fit(counts, fitted, **sample_noise(fit, float(counts.sum())))
        parts.append(
            figure_html(folder, f"sample_{place}", figure, f"Counts, fit and residuals of {name}.", colours=True)
        )
    return "".join(parts)


def extraction_page(
    folder: Path,
    catalogue: pd.DataFrame,
    result: ShownExtraction,
    *,
    types: pd.Series | None,
    reference: pd.DataFrame | None,
    info: Mapping[str, Any],
    notes: Sequence[str] = (),
    seed: int = 0,
    intervals: pd.DataFrame | None = None,
    level: float = 0.95,
    rule: str | None = None,
) -> Path:
    """Write ``folder/report.html`` and ``folder/figures/*.png`` for an extraction; returns the page's path.

    Args:
        folder: any folder; the page shows the ``decomposition.csv`` in it, if there is one.
        catalogue: counts [T, M].
        result: the extraction.
        types: cancer type by sample.
        reference: signatures [S', M] for the heat map.
        info: provenance, shown at the end.
        notes: warnings, shown on top.
        seed: of the t-SNE.
        intervals: of the exposures; see :class:`vaebench.signatures.joint.intervals.DeNovo`.
        level: nominal coverage of the intervals.
        rule: by which the number was chosen, ``"criterion"`` or ``"stability"``; by default that of the method.
    """
    rule = rule or ("criterion" if getattr(result, "method", "sparse") == "sparse" else "stability")
    s, e = result.signatures, result.exposures
    sections = {
        "Signatures": figure_html(
            folder, "signatures", spectra(s, _matched(result.matches)), "Extracted signatures.", colours=True
        ),
        "How many": _selection(folder, result.selection, rule) + table(result.selection),
        "Exposures": _exposures(folder, e, types, result.samples),
    }
    if intervals is not None:
        sections["Exposures with intervals"] = interval_section(folder, intervals, level)
    shares = e.div(e.sum(axis=1).where(e.sum(axis=1) > 0, 1.0), axis=0).to_numpy()
    if len(e) >= FEWEST and len(np.unique(shares.round(6), axis=0)) > 2:  # a map of equal samples would show noise
        figure = sample_map(tsne(shares, seed), types, "t-SNE of the samples' shares of each signature")
        sections["Map of the samples"] = figure_html(
            folder, "map", figure, "Samples with similar exposures lie together.", colours=True
        )
    if reference is not None and result.matches is not None:
        drawn = figure_html(
            folder, "similarity", similarity(s, reference), "Extracted signatures against the reference."
        )
        sections["Matches"] = drawn + table(result.matches)
    if (folder / "decomposition.csv").is_file():
        text = "<p>The few reference signatures that explain each one, with the probability of this combination.</p>"
        found = pd.read_csv(folder / "decomposition.csv", dtype={"references": str, "shares": str})
        sections["As known signatures"] = text + table(found[list(_EXPLAINED)])
    sections["Provenance"] = definitions(info)
    size = f"{count_of(len(s), 'signature')} in {count_of(len(catalogue), 'sample')}"
    total = round(float(catalogue.to_numpy().sum()))
    text = f"{size}, {count_of(total, 'mutation')}. Method: {getattr(result, 'method', 'not recorded')}."
    return write_page(folder, f"Extraction: {size}", f"<p>{escape(text)}</p>{notes_html(notes)}", sections)


_EXPLAINED = ("signature", "references", "shares", "cosine", "probability", "nearest", "nearest_cosine")
"""Columns of a decomposition that the page shows."""
_RULES = {
    "criterion": "Choice of the number of signatures: the lowest information criterion, on top. The rest did not decide.",
    "stability": "Choice of the number of signatures: of those whose restarts agree (mean silhouette of at least 0.7, none "
    "below 0.2), the one of lowest error, on top. The rest did not decide.",
}
"""Rule -> the sentence under the figure."""


def refit_page(
    folder: Path,
    fit: ShownRefit,
    *,
    types: pd.Series | None,
    info: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> Path:
    """Write ``folder/report.html`` and ``folder/figures/*.png`` for a refit; returns the page's path.

    Args:
        folder: any folder.
        fit: the refit.
        types: cancer type by sample.
        info: provenance, shown at the end.
        notes: warnings, shown on top.
    """
    e, one = fit.exposures, len(fit.exposures) == 1
    sections = {"Exposures": _exposures(folder, e, types, fit.samples)}
    if one:
        sections["Counts and fit"] = _misfits(folder, fit, [e.index[0]])
    if fit.intervals is not None:
        sections["Exposures with intervals"] = interval_section(folder, fit.intervals, fit.level)
    flagged = fit.samples[fit.samples["flag"] != ""]
    if len(flagged):
        worst = flagged[flagged["flag"] == "misfit"].sort_values("p_value").index[:2] if "p_value" in flagged else []
        drawn = "" if one else _misfits(folder, fit, [str(name) for name in worst])
        sections["Samples to look at"] = table(flagged.rename_axis("sample").reset_index()) + drawn
    sections = {name: body for name, body in sections.items() if body} | {"Provenance": definitions(info)}
    present = len(present_by_size(e)[0])
    who = style.plain(str(e.index[0])) if one else count_of(len(e), "sample")
    text = (
        f"{count_of(e.shape[1], 'signature')} offered to {'one sample' if one else who}; {present} of them with more "
    )
    text += f"than 1% of {'it' if one else 'some sample'}. Dispersion {fit.dispersion:.2f} (1: Poisson)."
    introduction = f"<p>{escape(text)}</p>{notes_html(notes)}"
    return write_page(folder, f"Refit: {who}, {count_of(e.shape[1], 'signature')}", introduction, sections)


_SOURCES = {
    "fit": "the fit of this catalogue",
    "neighbours": "fits of its resampled counts",
    "prior": "a prior that knows nothing of it",
    "spectra": "the fit, with spectra that vary between tumours",
}
"""Source of simulated truths -> its words in the page."""


def calibration_page(
    folder: Path, coverage: pd.DataFrame, level: float, info: Mapping[str, Any], notes: Sequence[str] = ()
) -> Path:
    """Write ``folder/report.html`` and its figure for a calibration; returns the page's path.

    Args:
        folder: any folder.
        coverage: columns ``group``, ``coverage``, ``count``, as from :func:`vaebench.signatures.calibration.calibrate`.
        level: nominal coverage.
        info: provenance, shown at the end.
        notes: warnings, shown on top.
    """
    drawn = figure_html(folder, "coverage", coverage_bars(coverage, level), "Expected coverage by signature and size.")
    sections = {"Coverage": drawn + table(coverage), "Provenance": definitions(info)}
    told = [str(c) for c in coverage.columns if coverage[c].notna().any()]
    named = [_SOURCES[n] for c in told if (n := c.removeprefix("coverage_")) in _SOURCES and n != c]
    own = ", each in a column of its own" if len(named) > 1 else ""
    whence = f" True exposures come from {'; '.join(named)}{own}." if named else ""
    text = (
        "Cohorts were simulated and refitted. Coverage is the share of their true exposures inside the interval, nominal "
        f"{per_cent(level)}.{whence} Small exposures are below 5% of their tumour's mutations. "
        "Signatures that are missing from the table show nowhere here."
    )
    return write_page(
        folder,
        f"Calibration: coverage of {per_cent(level)} intervals",
        f"<p>{escape(text)}</p>{notes_html(notes)}",
        sections,
    )
