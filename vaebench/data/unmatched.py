"""Errors for a table of expression that has no sample of its annotation."""

from __future__ import annotations

from collections.abc import Sequence

from vaebench.errors import InputError


class TurnedError(InputError):
    """A matrix has its samples in rows: no column of it is a sample of the annotation, but rows are."""


def no_match(
    expression: str,
    samples: Sequence[str],
    rows: Sequence[str],
    known: Sequence[str],
    source: str,
    first: Sequence[str] = (),
) -> InputError:
    """Returns the error for a matrix without any sample of the annotation ``source``.

    The message says so if the matrix is transposed.

    Args:
        expression: name of the matrix.
        samples: names of its columns.
        rows: names of those of its rows that are samples of the annotation.
        known: sample names in the annotation.
        source: name of the annotation.
        first: name of its first row.
    """
    if rows:
        return TurnedError(
            f"no column of {expression} is a sample of {source}, but its rows are (such as {rows[0]!r}): the table has "
            f"samples in rows, and genes such as {samples[0]!r} in columns; genes must be in rows (transpose the table)"
        )
    row = f" and no row (such as {first[0]!r})" if first else ""
    return InputError(
        f"no column of {expression} (such as {samples[0]!r}){row} is a sample of {source} (such as {known[0]!r}); "
        "both files must use the same sample names"
    )
