"""Commands under ``data``: list, fetch, check and simulate data."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

from vaebench.cli.options import DataCheck, DataFetch, DataList, DataSimulate
from vaebench.cli.parsing import check_out, column_options
from vaebench.data import DATASETS
from vaebench.data.cosmic import chosen_source
from vaebench.data.downloads import fetch, recorded
from vaebench.data.files.writing import table_columns, write_table
from vaebench.data.simulate import simulate_cohort
from vaebench.data.sources import SOURCES, data_folder
from vaebench.data.summary import checked, summary_text
from vaebench.errors import InputError, shortened
from vaebench.protocols import protocol


def list_sets(options: DataList, command: str) -> dict[str, Any]:
    """Print the named data sets, and the files of the public ones in the folder or the user's cache."""
    lines, found = [], {}
    for name in sorted({*DATASETS, *SOURCES}):
        if name not in SOURCES:
            lines.append(f"{name}: made in memory, nothing to fetch")
            found[name] = {"files": {}}
            continue
        place = data_folder(name, options.folder)
        files = {f: any((place / g).is_file() for g in (f, f.removesuffix(".gz"))) for f in SOURCES[name].files}
        lines.append(f"{name}: {SOURCES[name].about}")
        lines += [f"  {'here   ' if here else 'missing'} {place / file}" for file, here in files.items()]
        found[name] = {"folder": str(place), "files": files}
    _say(options.quiet, lines)
    return found


def fetch_set(options: DataFetch, command: str) -> dict[str, Any]:
    """Download the files of a public data set and print their digests."""
    if not options.name:
        raise InputError(f"data fetch needs a NAME: {', '.join(SOURCES)}")
    how: dict[str, Any] = {
        "mirror": options.mirror,
        "timeout": options.timeout,
        "retries": options.retries,
        "quiet": options.quiet,
    }
    which: dict[str, Any] = {
        "version": options.version,
        "genome": options.genome,
        "context": options.context,
        "exome": options.exome,
    }
    files = fetch(options.name, options.folder, **how, **which)
    known = recorded(files[0].parent)
    lines = [f"{file}: {known[file.name]['bytes']} bytes, sha256 {known[file.name]['sha256']}" for file in files]
    published = chosen_source(options.name, **which).digests
    _say(options.quiet, lines)
    for note in _digest_notes({file.name: known[file.name]["sha256"] for file in files}, published):
        if not options.quiet:
            print(f"note: {note}", file=sys.stderr)
    return {"files": {str(file): known[file.name] for file in files}}


def _digest_notes(found: dict[str, str], published: dict[str, str]) -> list[str]:
    """Return a line on files whose digest nobody publishes, and one on files that have another than the published one."""
    unknown = [name for name in found if name not in published]
    other = [name for name, digest in found.items() if published.get(name, digest) != digest]
    notes = []
    if unknown:
        files = "this file" if len(found) == 1 else f"{len(unknown)} of these files"
        notes.append(
            f"nobody publishes a sha256 of {files}: the first download is trusted, and a later one must equal it"
        )
    if other:
        notes.append(f"{shortened(', '.join(other))} has another sha256 than the published file; was it packed anew?")
    return notes


def check_file(options: DataCheck, command: str) -> dict[str, Any]:
    """Print a summary of a data file; in the JSON values, infinite numbers are ``null``."""
    if not options.path:
        raise InputError("data check needs a PATH: a file, or the folder or name of a public data set")
    chosen = protocol(options.protocol)
    split = {"scaling": chosen.data["scaling"], "valid_fraction": chosen.base.valid_fraction}
    summary = checked(options.path, **column_options(options), **split)
    _say(options.quiet, [summary_text(summary)])
    values = summary.values._asdict().items()
    finite = {name: None if isinstance(v, float) and abs(v) == float("inf") else v for name, v in values}
    return dataclasses.asdict(summary) | {"values": finite}


def simulate_table(options: DataSimulate, command: str) -> dict[str, Any]:
    """Write a simulated cohort as a table, and print the command that trains on it."""
    check_out(options.out.parent)
    path, sizes = options.out, {"samples": options.samples, "genes": options.genes, "types": options.types}
    data, _ = simulate_cohort(options.seed, **sizes, scaling="none")
    write_table(data, path)
    columns = {option: ",".join(names) for option, names in table_columns(data).items() if names}
    train = f"vaebench run --data {path} " + " ".join(f"--{option} {names}" for option, names in columns.items())
    written = f"{path}: {len(data.samples)} samples x {len(data.features)} genes"
    _say(options.quiet, [written, f"train on it: {train}"])
    return {"out": str(path), "samples": len(data.samples), "features": len(data.features), "columns": columns}


def _say(quiet: bool, lines: list[str]) -> None:
    if not quiet:
        print("\n".join(lines))
