"""Reports on signatures, exposures and intervals: figures, and one HTML page that works offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from vaebench.figures import save
from vaebench.figures.exposures import (
    coverage_bars,
    exposures_by_type,
    interval_panels,
    reconstruction_quality,
    sample_map,
)
from vaebench.figures.spectra import k_selection, similarity, spectra
from vaebench.report.page import cell, definitions, head, picture, sortable, write_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIRST = 50
"""Rows of a table that are shown before "show all" is pressed."""


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
    return sortable(heads, rows, FIRST)


def _short(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def _word(value: object) -> str:
    return ("yes" if value else "") if isinstance(value, bool | np.bool_) else str(value)


def _drawn(folder: Path, name: str, figure: Figure, caption: str) -> str:
    return picture(save(figure, folder / "figures" / f"{name}.png"), caption)


def _notes(sentences: Sequence[str]) -> str:
    return "".join(f'<p class="explain">{escape(sentence)}</p>' for sentence in sentences)


def _matched(matches: pd.DataFrame | None) -> dict[str, str]:
    if matches is None:
        return {}
    return {
        str(line["extracted"]): f"closest: {line['nearest']}, cosine {line['nearest_cosine']:.3f}"
        for line in matches.to_dict("records")
    }


def tsne(shares: np.ndarray, seed: int) -> np.ndarray:
    """t-SNE [T, 2] of the samples' shares [T, S], by scikit-learn from a PCA start."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, max(2.0, (len(shares) - 1) / 3))
    return TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(shares.astype(np.float32))


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
) -> Path:
    """Write ``folder/report.html`` and ``folder/figures/*.png`` for an extraction; returns the page's path.

    Args:
        folder: any folder.
        catalogue: counts [T, 96].
        result: the extraction.
        types: cancer type by sample.
        reference: signatures [S', 96] for the heat map.
        info: provenance, shown at the end.
        notes: warnings, shown on top.
        seed: of the t-SNE.
        intervals: of the exposures; see :class:`vaebench.signatures.joint.intervals.DeNovo`.
        level: nominal coverage of the intervals.
    """
    s, e = result.signatures, result.exposures
    sections = {
        "Signatures": _drawn(folder, "signatures", spectra(s, _matched(result.matches)), "Extracted signatures."),
        "How many": _drawn(folder, "selection", k_selection(result.selection), "Choice of the number of signatures.")
        + table(result.selection),
        "Exposures": _drawn(folder, "exposures", exposures_by_type(e, types), "Exposures by cancer type.")
        + _drawn(folder, "reconstruction", reconstruction_quality(result.samples), "How well each sample is rebuilt."),
    }
    if intervals is not None:
        drawn = _drawn(folder, "intervals", interval_panels(intervals, level), "The first samples of the table.")
        sections["Exposures with intervals"] = drawn + table(intervals[intervals["upper"] > 0])
    shares = e.div(e.sum(axis=1).where(e.sum(axis=1) > 0, 1.0), axis=0).to_numpy()
    if len(e) >= 10 and len(np.unique(shares.round(6), axis=0)) > 2:  # a map of equal samples would show noise
        drawn = sample_map(tsne(shares, seed), types, "t-SNE of the samples' shares of each signature")
        sections["Map of the samples"] = _drawn(folder, "map", drawn, "Samples with similar exposures lie together.")
    if reference is not None and result.matches is not None:
        drawn = _drawn(folder, "similarity", similarity(s, reference), "Extracted signatures against the reference.")
        sections["Matches"] = drawn + table(result.matches)
    sections["Provenance"] = definitions(info)
    chosen = f"{len(s)} signatures in {len(catalogue):,} samples, {catalogue.to_numpy().sum():,.0f} mutations."
    return write_page(folder, "Mutational signatures", f"<p>{escape(chosen)}</p>{_notes(notes)}", sections)


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
    e = fit.exposures
    sections = {}
    if fit.intervals is not None:
        drawn = interval_panels(fit.intervals, fit.level)
        sections["Exposures with intervals"] = _drawn(folder, "intervals", drawn, "The first samples of the table.")
        sections["All intervals"] = table(fit.intervals[fit.intervals["upper"] > 0])
    drawn = _drawn(folder, "exposures", exposures_by_type(e, types), "Exposures by cancer type.")
    quality = reconstruction_quality(fit.samples)
    sections["Exposures"] = drawn + _drawn(folder, "reconstruction", quality, "How well each sample is rebuilt.")
    flagged = fit.samples[fit.samples["flag"] != ""]
    if len(flagged):
        sections["Samples to look at"] = table(flagged.rename_axis("sample").reset_index())
    sections["Provenance"] = definitions(info)
    text = f"{e.shape[1]} signatures in {len(e):,} samples. Dispersion {fit.dispersion:.2f} (1: Poisson)."
    return write_page(folder, "Exposures of known signatures", f"<p>{escape(text)}</p>{_notes(notes)}", sections)


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
    drawn = _drawn(folder, "coverage", coverage_bars(coverage, level), "Expected coverage by signature and size.")
    sections = {"Coverage": drawn + table(coverage), "Provenance": definitions(info)}
    text = (
        "Cohorts were simulated and refitted. Coverage is the share of their true exposures inside the interval, nominal "
        f"{level:.0%}. Truths come from the fit, from its neighbours, from a prior that knows nothing of this catalogue, and "
        "from spectra that vary between tumours, each in a column of its own. Signatures that are missing show nowhere here."
    )
    return write_page(folder, "What to expect of these intervals", f"<p>{escape(text)}</p>{_notes(notes)}", sections)
