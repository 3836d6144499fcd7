"""The identity of a row: a hash of its point and of the data."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from vaebench.space.points import Point
from vaebench.types import SCHEMA

_LATER = {"likelihood": "own", "kl_warmup": 0}
"""Settings that identities name only where they differ from these defaults, since they were added later."""


def point_id(point: Point, digest: str) -> str:
    """Return the identity of a row: 16 hex digits of a hash of schema, point and data digest, equal on every machine."""
    fields = dataclasses.asdict(point)
    # points without these settings keep the identity that they had before there were any
    fields = {name: value for name, value in fields.items() if name not in _LATER or value != _LATER[name]}
    content = json.dumps([SCHEMA, fields, digest], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:16]
