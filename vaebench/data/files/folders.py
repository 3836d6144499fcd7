"""Folders of results that are replaced as a whole: what a command made is there, and nothing of an earlier one.

The files are written to a hidden folder beside the old one, with a manifest that names them, and the two are swapped in one step.
Files that no manifest names belong to the user: they are never deleted, and then the new files are moved in one by one.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from vaebench.atomic import STRICT_JSON, check_writable, read_json, sweep_unfinished, unfinished_path, write_json
from vaebench.errors import InputError, user_path
from vaebench.version import __version__

MANIFEST = "manifest.json"
"""File of a folder of results: the command that made it, and its files."""
STEPS = "steps"
"""Subfolder with finished steps of a computation under way; it goes when the results come."""

_OLD: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "extract": (
        "run.json",
        (
            *("run.json", "signatures.csv", "exposures.csv", "samples.csv", "selection.csv", "matches.csv"),
            *("intervals.csv", "correlations.csv", "anchored.csv", "report.html"),
        ),
    ),
    "refit": ("fit.json", ("exposures.csv", "samples.csv", "intervals.csv", "sums.csv", "fit.json", "report.html")),
    "calibrate": ("calibration.json", ("coverage.csv", "calibration.json", "report.html")),
    "match": ("matches.csv", ("matches.csv",)),
    "power": ("power.json", ("power.csv", "power.json")),
    "count": (
        "counts.json",
        (
            "counts.json",
            "dropped.csv",
            *(f"{name}.csv" for name in ("SBS96", "SBS288", "SBS384", "SBS1536", "DBS78", "ID83")),
        ),
    ),
}
"""Command -> the file by which its folders of before there were manifests are known, and all its files but the figures."""
_FIGURES = ("signatures", "selection", "exposures", "reconstruction", "intervals", "map", "similarity", "coverage")


def check_folder(*folders: Path) -> None:
    """Raise :class:`InputError` unless files can be written to each of ``folders``; those that do not exist are not created."""
    for folder in folders:
        try:
            check_writable(folder)
        except NotADirectoryError as error:
            raise InputError(f"{error.filename} is a file; give a folder to write to") from error
        except OSError as error:
            raise InputError(
                f"{folder} cannot be written to: {error.filename}: {error.strerror}; choose another folder"
            ) from error


def check_results_folder(folder: Path, command: str) -> None:
    """Raise :class:`InputError` unless a command may write its results to ``folder``, and can; delete what killed ones left.

    Args:
        folder: need not exist.
        command: name of the command, such as ``"extract"``.
    """
    check_folder(folder, folder / "figures")
    files = _recorded(folder, command)
    if not (folder / MANIFEST).exists():
        own = [name for name in _OLD.get(command, ("", ()))[1] if name not in files and (folder / name).exists()]
        if own:
            raise InputError(
                f"{folder} holds {own[0]}, which was not made by vaebench {command}; choose another --out, or move the file"
            )
    sweep_unfinished(folder)
    _SEEN[Path(os.path.realpath(folder))] = _stamp(folder)


_SEEN: dict[Path, int] = {}
"""Folder -> time of its manifest when a command of this process began."""


def _stamp(folder: Path) -> int:
    try:
        return (folder / MANIFEST).stat().st_mtime_ns
    except OSError:
        return 0


@contextmanager
def whole_folder(folder: str | Path, command: str) -> Iterator[Path]:
    """Yield an empty folder to write to; when the block ends, its files replace those that the manifest of ``folder`` names.

    If the block raises, or the process is killed, ``folder`` stays as it was. Files that no manifest names stay too, unless one
    has the name of a new file.

    Args:
        folder: need not exist.
        command: recorded in the manifest.

    Raises:
        InputError: ``folder`` is a file, cannot be written to, or holds results of another command.
        OSError: a file cannot be written.
    """
    folder = user_path(folder)
    check_folder(folder)
    target = Path(os.path.realpath(folder))
    old = _recorded(folder, command)
    stage = _stage(target)
    try:
        yield stage
        if _stamp(target) not in (0, _SEEN.get(target, _stamp(target))):
            warnings.warn(
                f"another vaebench {command} has written to {folder} in the meantime; its results are replaced by these",
                stacklevel=3,
            )
        made = sorted(
            p.relative_to(stage).as_posix() for p in stage.rglob("*") if p.is_file() and p != stage / MANIFEST
        )
        _write_manifest(stage, command, made)
        _swap(stage, target, command, old, made)
    except OSError as error:
        name = error.filename
        if not (isinstance(name, str) and name.startswith(str(stage)) and error.errno):
            raise
        raise OSError(error.errno, error.strerror, str(folder) + name[len(str(stage)) :]) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def add_files(folder: str | Path, command: str, made: Iterable[str], gone: Iterable[str] = ()) -> None:
    """Record files that were written into a folder of results, and delete files of an earlier result of their kind.

    Args:
        folder: the folder.
        command: whose results it holds.
        made: names of the new files.
        gone: names of files that must not stay beside them; those that the manifest names are deleted.
    """
    folder = user_path(folder)
    old = _recorded(folder, command)
    for name in old & set(gone):
        (folder / name).unlink(missing_ok=True)
    _write_manifest(folder, command, sorted((old - set(gone)) | set(made)))


def _write_manifest(folder: Path, command: str, files: list[str]) -> None:
    record = {"made_by": f"vaebench {command}", "version": __version__, "files": files}
    write_json(folder / MANIFEST, record, **STRICT_JSON)


def _recorded(folder: Path, command: str) -> set[str]:
    """Return the names of the files that this command made in a folder; raise :class:`InputError` for those of another one."""
    if any((folder / "rows").glob("part-*.parquet")):
        raise InputError(f"{folder} holds the rows of a run; vaebench {command} needs another folder (--out)")
    if (folder / MANIFEST).exists():
        record = read_json(folder / MANIFEST) or {}
        maker, files = str(record.get("made_by")), record.get("files")
        if not maker.startswith("vaebench ") or not isinstance(files, list) or not all(map(_inside, files)):
            raise InputError(f"{folder / MANIFEST} is not a manifest of vaebench; choose another folder (--out)")
        if maker != f"vaebench {command}":
            raise InputError(f"{folder} holds the results of {maker}; vaebench {command} needs another folder (--out)")
        return set(files)
    for name, (mark, files) in _OLD.items():
        if _made_before(folder / mark, name, command):
            if name != command:
                raise InputError(
                    f"{folder} holds the results of vaebench {name}; vaebench {command} needs another folder (--out)"
                )
            names = [*files, *(f"figures/{figure}.png" for figure in _FIGURES)]
            return {name for name in names if (folder / name).exists()}
    return set()


def _inside(name: object) -> bool:
    """Return whether a name is a relative path that stays in its folder; a damaged manifest must not delete other files."""
    return (
        isinstance(name, str) and name != "" and not PurePosixPath(name).is_absolute() and ".." not in name.split("/")
    )


def _made_before(mark: Path, maker: str, command: str) -> bool:
    """Return whether a file shows that ``maker`` made its folder for ``command``, before there were manifests."""
    if maker == "match":
        with suppress(OSError, ValueError):
            return command == maker and mark.read_text(encoding="utf-8").startswith("extracted,")
        return False
    record = read_json(mark) or {}
    if maker == "extract":
        return str(record.get("command", "")).startswith("vaebench extract")
    if maker == "count":
        return {"mutations", "dropped", "samples"} <= set(record)
    return {"method", "level"} <= set(record)


def _stage(target: Path) -> Path:
    """Make the folder to write to: beside the target, or in it where that is not possible or another file system."""
    stage = unfinished_path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir() and target.stat().st_dev != target.parent.stat().st_dev:
            raise OSError
        stage.mkdir()
    except OSError:
        target.mkdir(parents=True, exist_ok=True)
        stage = unfinished_path(target / "results")
        stage.mkdir()
    return stage


def _swap(stage: Path, target: Path, command: str, old: set[str], made: list[str]) -> None:
    """Put the files of ``stage`` in place of the ``old`` ones."""
    known = {*old, MANIFEST}
    folders = {str(parent) for name in known for parent in PurePosixPath(name).parents}
    here = {path.relative_to(target).as_posix() for path in target.rglob("*")} if target.is_dir() else set()
    own = all(name in known or name in folders or name.split("/")[0] == STEPS for name in here)
    # a folder that is swapped is another one: whoever stands in it would stand in the deleted one
    if own and stage.parent == target.parent and Path.cwd() != target:
        if target.is_dir():
            shutil.copymode(target, stage)
        with suppress(OSError):
            if not here:
                if os.name == "nt" and target.exists():
                    target.rmdir()
                os.replace(stage, target)
                return
            if _exchanged(stage, target):
                return
    # if the process is killed from here on, the next command knows the files of both
    target.mkdir(parents=True, exist_ok=True)
    _write_manifest(target, command, sorted(old | set(made)))
    for name in made:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(stage / name, target / name)
    for name in old - set(made):
        (target / name).unlink(missing_ok=True)
        for parent in list(PurePosixPath(name).parents)[:-1]:
            with suppress(OSError):
                (target / parent).rmdir()
    os.replace(stage / MANIFEST, target / MANIFEST)
    shutil.rmtree(target / STEPS, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, where the system can; return whether it did."""
    if sys.platform != "linux":
        return False
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return call is not None and call(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0
