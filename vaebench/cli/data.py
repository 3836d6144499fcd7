"""The ``data`` commands without their options: each returns text for a person and the same as JSON values."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from vaebench.data import DATASETS
from vaebench.data.downloads import fetch, recorded
from vaebench.data.files.writing import table_columns, write_table
from vaebench.data.simulate import simulate_cohort
from vaebench.data.sources import SOURCES, data_folder
from vaebench.data.summary import Summary, summary_text
from vaebench.errors import InputError

Told = tuple[str, dict[str, Any]]


def listed_sets(folder: Path | None) -> Told:
    """The data sets that have a name, and which files of the public ones are in ``folder`` or the user's cache."""
    lines, found = [], {}
    for name in sorted({*DATASETS, *SOURCES}):
        if name not in SOURCES:
            lines.append(f"{name}: made in memory, nothing to fetch")
            found[name] = {"files": {}}
            continue
        place = data_folder(name, folder)
        files = {f: any((place / g).is_file() for g in (f, f.removesuffix(".gz"))) for f in SOURCES[name].files}
        lines.append(f"{name}: {SOURCES[name].about}")
        lines += [f"  {'here   ' if here else 'missing'} {place / file}" for file, here in files.items()]
        found[name] = {"folder": str(place), "files": files}
    return "\n".join(lines), found


def fetched_set(name: str, folder: Path | None, mirror: str | None, timeout: float, retries: int, quiet: bool) -> Told:
    """The files of a public data set, fetched, with their digests."""
    if not name:
        raise InputError(f"data fetch needs a NAME: {', '.join(SOURCES)}")
    files = fetch(name, folder, mirror=mirror, timeout=timeout, retries=retries, quiet=quiet)
    known = recorded(files[0].parent)
    lines = [f"{file}: {known[file.name]['bytes']} bytes, sha256 {known[file.name]['sha256']}" for file in files]
    return "\n".join(lines), {"files": {str(file): known[file.name] for file in files}}


def told_summary(summary: Summary) -> Told:
    """A summary as text and as JSON values, ``None`` for what is not a number."""
    values = {
        k: None if isinstance(v, float) and abs(v) == float("inf") else v for k, v in summary.values._asdict().items()
    }
    return summary_text(summary), dataclasses.asdict(summary) | {"values": values}


def simulated_table(path: Path, seed: int, samples: int, genes: int, types: int) -> Told:
    """A simulated cohort written to ``path``, and the command that trains on it."""
    data, _ = simulate_cohort(seed, samples=samples, genes=genes, types=types, scaling="none")
    write_table(data, path)
    columns = {option: ",".join(names) for option, names in table_columns(data).items() if names}
    command = f"vaebench run --data {path} " + " ".join(f"--{option} {names}" for option, names in columns.items())
    found = {"out": str(path), "samples": len(data.samples), "features": len(data.features), "columns": columns}
    return f"{path}: {len(data.samples)} samples x {len(data.features)} genes\ntrain on it: {command}", found
