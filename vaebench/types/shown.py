"""Short texts for objects that hold arrays and tables: one line in a terminal, a small table in a notebook."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from vaebench.types import Dataset

_TEXT, _PART, _LINE = 40, 60, 300  # characters of a text, of one field, and of the whole line
_ROWS, _COLUMNS = 6, 8  # of a table in a notebook


def brief(value: object) -> str:
    """Returns a value in a few words: the kind and size of an array or a table, a number with 5 digits."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        kind = "column" if hasattr(value, "index") else str(getattr(value, "dtype", "array"))
        kind = "table" if hasattr(value, "columns") else kind
        return f"{kind} [{' x '.join(map(str, shape))}]"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, str):
        return repr(value if len(value) <= _TEXT else f"{value[: _TEXT - 3]}...")
    if isinstance(value, Mapping):
        return f"{{{', '.join(map(str, value))}}}" if len(str(list(value))) <= _PART else f"{{{len(value)} entries}}"
    if callable(value) and not isinstance(value, tuple):
        return getattr(value, "__name__", type(value).__name__)
    text = repr(value)
    if len(text) <= _PART:
        return text
    plain = type(value) in (tuple, list, set, frozenset, range)
    return (
        f"{len(value)} entries"
        if plain and isinstance(value, Sequence | set | frozenset)
        else f"{text[: _PART - 3]}..."
    )


def one_line(self: object) -> str:
    """Returns the fields of a dataclass that differ from their defaults, or those of a named tuple, in one line.

    Made to be the ``__repr__`` of such a class.
    """
    if dataclasses.is_dataclass(self):
        held = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.repr and not _is_default(field, getattr(self, field.name))
        }
    else:
        held = self._asdict()  # pyright: ignore[reportAttributeAccessIssue]
    line = f"{type(self).__name__}({', '.join(f'{name}={brief(value)}' for name, value in held.items())})"
    return line if len(line) <= _LINE else f"{line[: _LINE - 4]}...)"


def _is_default(field: dataclasses.Field, value: object) -> bool:
    plain = isinstance(value, str | int | float | tuple | None)
    return plain and type(value) is type(field.default) and value == field.default


def page(
    title: str, tables: Mapping[str, pd.DataFrame | Mapping[str, object] | None], notes: Sequence[str] = ()
) -> str:
    """Returns HTML for a notebook: a title, the first rows of some tables under their names, and notes.

    Args:
        title: in bold.
        tables: heading -> a DataFrame, or names and values; ``None`` is left out.
        notes: sentences below.
    """
    parts = [f"<div><b>{html.escape(title)}</b>"]
    for heading, table in tables.items():
        if isinstance(table, Mapping):
            cells = [f"<tr><th>{html.escape(str(k))}</th><td>{html.escape(str(v))}</td></tr>" for k, v in table.items()]
            parts.append(f"<table>{''.join(cells)}</table>")
        elif table is not None:
            parts.append(f"<div>{html.escape(f'{heading} [{table.shape[0]} x {table.shape[1]}]')}</div>")
            parts.append(table.to_html(max_rows=_ROWS, max_cols=_COLUMNS, float_format=lambda value: f"{value:.4g}"))
    parts += [f"<div>{html.escape(note)}</div>" for note in notes]
    return "".join([*parts, "</div>"])


def tables_page(self: object) -> str:
    """Returns a named tuple of tables and numbers for notebooks: the first rows of each table, then numbers and notes.

    Made to be the ``_repr_html_`` of such a class.
    """
    held = self._asdict()  # pyright: ignore[reportAttributeAccessIssue]
    tables = {name: value for name, value in held.items() if hasattr(value, "to_html")}
    plain = {k: brief(v) for k, v in held.items() if isinstance(v, str | float | int) and not isinstance(v, bool)}
    return page(type(self).__name__, tables | {"": plain}, list(held.get("notes", ())))


def dataset_line(self: Dataset) -> str:
    """Returns one line with the sizes of a data set: its ``__repr__``."""
    parts = [f"{self.x.shape[0]} samples x {self.x.shape[1]} features"]
    parts += [f"{len(self.label_names)} labels"] if self.labels is not None else []
    parts += [f"{int(self.survival.event.sum())} events"] if self.survival is not None else []
    for kind, held in (("covariates", self.covariates), ("factors", self.factors)):
        parts += [f"{kind} {', '.join(list(held)[:5])}{', ...' if len(held) > 5 else ''}"] if held else []
    if self.auxiliary is not None:
        names = list(self.auxiliary.values)
        parts += [f"auxiliary {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"]
    return f"<Dataset {self.name!r}: {'; '.join(parts)}; digest {self.digest}>"


def dataset_page(self: Dataset) -> str:
    """Returns the sizes of a data set as a small table for notebooks."""
    rows: dict[str, object] = {"samples": _some(self.samples.tolist()), "features": _some(self.features.tolist())}
    rows["scaling"] = self.scaling
    if self.labels is not None:
        counts = [f"{name} ({int((self.labels == place).sum())})" for place, name in enumerate(self.label_names)]
        rows["labels"] = _some(counts)
    if self.survival is not None:
        known = int((self.survival.time == self.survival.time).sum())
        rows["survival"] = f"{known} samples, {int(self.survival.event.sum())} events"
    rows |= {
        kind: _some(list(held)) for kind, held in (("covariates", self.covariates), ("factors", self.factors)) if held
    }
    if self.auxiliary is not None:
        rows["auxiliary"] = _some(list(self.auxiliary.values))
    return page(f"Dataset {self.name!r}", {"": rows | {"digest": self.digest}})


def _some(names: Sequence[str]) -> str:
    return f"{len(names)}: {', '.join(names[:_ROWS])}{', ...' if len(names) > _ROWS else ''}"
