"""The identity of a point's row."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from vaebench.space.points import Point
from vaebench.types import LATER, SCHEMA

_LATER = {column.partition("/")[2]: value for column, value in LATER.items()}


def point_id(point: Point, digest: str) -> str:
    """Return the identity of a row: 16 hex digits of a hash of schema, point and data digest, equal on every machine."""
    return _hashed(dataclasses.asdict(point), digest)


def earlier_ids(point: Point, digest: str) -> Iterator[str]:
    """Yield the identities that a row of the point may have from a version in which 1 and 1.0 were different settings."""
    fields = dataclasses.asdict(point)
    whole = [name for name, value in fields.items() if isinstance(value, float) and value.is_integer()]
    for count in range(1, len(whole) + 1):
        for names in itertools.combinations(whole, count):
            yield _hashed(fields | {name: int(fields[name]) for name in names}, digest)


def _hashed(fields: Mapping[str, Any], digest: str) -> str:
    # points without these settings keep the identity that they had before there were any
    fields = {name: value for name, value in fields.items() if name not in _LATER or value != _LATER[name]}
    content = json.dumps([SCHEMA, fields, digest], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:16]
