"""Sheets of Excel and OpenDocument files as text with tabs; needs the extra ``excel``."""

from __future__ import annotations

import csv
import datetime
import io
from pathlib import Path

from vaebench.errors import InputError

_DATES = (datetime.date, datetime.datetime)


def sheet_text(file: Path) -> bytes:
    """Returns the first sheet with cells as UTF-8 text, its columns separated by tabs.

    Whole numbers have no decimal point, and dates are written as 2024-01-31.

    Raises:
        InputError: the extra is not installed, the file cannot be read or holds no cell, or a name in the first row or
            column has become a date.
    """
    try:
        import python_calamine
    except ImportError:
        raise InputError(
            f"{file} is an Excel file, which needs another package: pip install 'vaebench[excel]' (or save it as CSV)"
        ) from None
    try:
        book = python_calamine.load_workbook(file)
        sheets = (book.get_sheet_by_name(name) for name in book.sheet_names)
        rows = next((rows for sheet in sheets if (rows := sheet.to_python(skip_empty_area=False))), None)
    except Exception as error:  # the package raises errors of many kinds
        raise InputError(f"{file} is not an Excel file that can be read ({str(error)[:60]})") from error
    if rows is None:
        raise InputError(f"{file} has no sheet with cells; a header and at least one line are needed")
    for line, row in enumerate(rows, start=1):
        for cell in row if line == 1 else row[:1]:
            if isinstance(cell, _DATES):
                raise InputError(
                    f"line {line} of {file} holds the date {cell:%Y-%m-%d} in place of a name; Excel turns gene names such as "
                    "SEPT2 and MARCH1 into dates: restore the name"
                )
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows([[_cell(cell) for cell in row] for row in rows])
    return text.getvalue().encode()


def _cell(cell: object) -> str:
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        cell = cell.date()
    return repr(cell) if isinstance(cell, float) else str(cell)
