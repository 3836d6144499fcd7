"""Sample names in the first column of a frame of new samples, by the rule of the reader of files."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from vaebench.data.sample_columns import INDEX_COLUMN, SAMPLE_COLUMNS
from vaebench.types.frames import is_numbered


def first_names(frame: pd.DataFrame, others: Collection[str]) -> tuple[list[str] | None, int]:
    """Returns the sample names in the first column of a frame whose rows are only numbered, and the columns to leave out.

    Args:
        frame: with samples in rows.
        others: names of columns that are something else, such as features.

    Returns:
        The names [N], and 1, or more where columns of row numbers stand before them. ``None`` and 0 without names.
    """
    if getattr(frame.index.dtype, "kind", "O") not in "iu" or not frame.shape[1]:
        return None, 0
    before = 0
    while _counts_rows(frame.iloc[:, before:]):
        before += 1
    if before and (names := _names(frame.iloc[:, before:], others)) and len(set(names)) == len(names):
        return names, before + 1
    names = _names(frame, others)
    return names, 0 if names is None else 1


def _counts_rows(frame: pd.DataFrame) -> bool:
    if frame.shape[1] < 2 or not INDEX_COLUMN.fullmatch(str(frame.columns[0]).strip()):
        return False
    column = frame.iloc[:, 0]
    return column.dtype.kind in "iuf" and any(
        np.array_equal(column, np.arange(len(column)) + start) for start in (0, 1)
    )


def _names(frame: pd.DataFrame, others: Collection[str]) -> list[str] | None:
    column, title = frame.iloc[:, 0], str(frame.columns[0]).strip()
    # rows that were chosen or shuffled keep their numbers, which may also be the samples' own
    if title in others or not (is_numbered(frame.index) or title.lower() in SAMPLE_COLUMNS):
        return None
    text = getattr(column.dtype, "kind", "O") not in "fiub"
    mostly_different = text and column.nunique() * 2 > len(column)
    if mostly_different or title.startswith("Unnamed:") or title.lower() in SAMPLE_COLUMNS or not title:
        return [str(value).strip() for value in column]
    return None
