"""Reading lists of mutations: VCF, MAF and plain tables, told apart by their content, from files and folders."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from vaebench.data.files.opening import DAMAGED, opened, refusing_broken, text_lines
from vaebench.data.mutations.maf import has_columns_of_mutations, read_table_of_mutations
from vaebench.data.mutations.records import NO_NAME, Variants, sample_of, shown
from vaebench.data.mutations.vcf import read_vcf
from vaebench.data.wording import count_of
from vaebench.errors import InputError, user_path

__all__ = ["ENDINGS", "Variants", "is_list_of_mutations", "read_variants"]

ENDINGS = (".vcf", ".vcf.gz", ".vcf.bgz", ".maf", ".maf.gz", ".maf.txt", ".maf.tsv")
"""Names of files that are read from a folder."""
_TEXT = re.compile(r"\.(txt|tsv|csv|tab)(\.gz)?$", re.IGNORECASE)
"""Names of files that may be tables of mutations."""
_NEEDED = "a VCF, a MAF or a table with sample, chrom, pos, ref and alt"


def read_variants(paths: str | Path | Iterable[str | Path], *, ignore_filter: bool = False) -> Variants:
    """Reads mutations from VCF, MAF or plain tables, packed or not, told apart by their content.

    Args:
        paths: files, or folders whose ``.vcf``, ``.vcf.gz``, ``.vcf.bgz``, ``.maf`` and ``.maf.gz`` files are read.
        ignore_filter: also count records that their ``FILTER`` does not pass.

    Returns:
        The records; a VCF without sample columns, or with one called ``TUMOR`` or the like, gives a sample with the name
        of its file.

    Raises:
        InputError: a file is missing, damaged or none of these, or lacks a column.

    Example::

        variants = vb.data.mutations.read_variants("calls/")
    """
    given = [user_path(path) for path in ([paths] if isinstance(paths, str | Path) else _several(paths))]
    found: list[Variants] = []
    files = [file for path in given for file in _files(path)]
    for file in files:
        with refusing_broken(file, _NEEDED):
            _refuse_kind(file)
            found.append((read_vcf if _is_vcf(file) else read_table_of_mutations)(file, ignore_filter))
    joined = _joined(_named_by_file(found))
    joined.notes.extend(note for path in given for note in _left_notes(path))
    empty = [file.name for file, part in zip(files, found, strict=True) if not len(part.records)]
    if empty:
        some = f"{len(empty)} files have no record of a mutation, such as {shown(empty[0])}; none is counted of them"
        joined.notes.append(f"{empty[0]} has no record of a mutation" if len(empty) == 1 else some)
    return joined


def _several(paths: object) -> list[str | Path]:
    """The paths of an iterable; ``InputError`` for what is none, or a table."""
    if not isinstance(paths, Iterable) or isinstance(paths, pd.DataFrame | pd.Series | bytes):
        raise InputError(f"mutations of class {type(paths).__name__} are not allowed; give paths of VCF or MAF files")
    return list(paths)


def is_list_of_mutations(path: str | Path) -> bool:
    """Returns true for a folder, for a VCF, and for a table whose columns are those of a list of mutations."""
    file = Path(path)
    if file.is_dir():
        return True
    try:
        return _is_vcf(file) or has_columns_of_mutations(file)
    except (*DAMAGED, ValueError, csv.Error):  # Parquet, whose bytes are no lines of text, or damaged
        return False  # the reader of tables says what is wrong


def _is_vcf(file: Path) -> bool:
    """Returns true for a file that says so in its first line, or whose header ends with the columns of a VCF."""
    for number, line in enumerate(text_lines(file)):
        if number == 0 and line.startswith("##fileformat=VCF"):
            return True
        if not line.startswith("##"):
            return line.startswith("#CHROM")
    return False


def _files(path: Path) -> list[Path]:
    """The file itself, or the files of a folder in the order of their names."""
    if not path.is_dir():
        return [path]
    seen = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    found = [file for file in seen if file.name.lower().endswith(ENDINGS)]
    if not found:
        others = f"{len(seen)} other files such as" if len(seen) > 1 else "the file"
        held = f"it holds {others} {seen[0].name}" if seen else "it holds no file"
        if table := _matrix_in(path):
            raise InputError(
                f"{path} has no VCF or MAF file, but tables of counts; give the table itself, such as {table}"
            )
        inner = sum(1 for inner in path.iterdir() if inner.is_dir())
        folders = "1 folder, which is" if inner == 1 else f"{inner} folders, which are"
        deeper = f" and {folders} not searched" if inner else ""
        raise InputError(f"{path} has no VCF or MAF file ({held}{deeper}); names must end in {', '.join(ENDINGS[:5])}")
    return found


def _left_notes(folder: Path) -> list[str]:
    """A note on lists of mutations in a folder that are not read, since their names say nothing or they lie deeper."""
    if not folder.is_dir():
        return []
    inner = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path.name for path in inner if path.is_file() and _is_left(path)]
    deeper = [path for path in inner if path.is_dir() for path in path.rglob("*") if path.is_file()]
    folders = list(dict.fromkeys(path.relative_to(folder).parts[0] for path in deeper if _may_hold(path)))
    if not files and not folders:
        return []
    some = [count_of(len(names), noun) for names, noun in ((files, "file"), (folders, "folder")) if names]
    were = "was" if len(files) + len(folders) == 1 else "were"
    return [
        f"{folder}: {' and '.join(some)} with mutations {were} not read, such as {shown([*files, *folders][0])}; of a folder, "
        f"files with names in {', '.join(ENDINGS[:5])} are read: name the others one by one"
    ]


def _may_hold(path: Path) -> bool:
    """Returns true for a name of a VCF, BCF or MAF."""
    return path.name.lower().endswith((*ENDINGS, ".bcf", ".vcf.bz2", ".vcf.xz", ".vcf.zip"))


def _is_left(path: Path) -> bool:
    """Returns true for a list of mutations whose name is not one that is read from a folder."""
    if path.name.lower().endswith(ENDINGS):
        return False
    return _may_hold(path) or (_TEXT.search(path.name) is not None and is_list_of_mutations(path))


def _matrix_in(folder: Path) -> Path | None:
    """A table of counts in SigProfilerMatrixGenerator's folders ``PROJECT/output/SBS``, or in one above; SBS96 if it is there."""
    for pattern in ("*.all", "*/*.all", "*/*/*.all"):
        if found := sorted(folder.glob(pattern)):
            return next((file for file in found if ".SBS96." in file.name), found[0])
    return None


def _refuse_kind(file: Path) -> None:
    """Raises ``InputError`` for a binary or empty file."""
    with opened(file, variants=True) as stream:
        start = stream.read(4096)
    if b"\0" in start:
        raise InputError(f"{file} is not {_NEEDED} (it holds binary data)")
    if not start.strip():
        raise InputError(f"{file} is empty; {_NEEDED} is needed")


def _named_by_file(parts: list[Variants]) -> list[Variants]:
    """Files of one sample each that all call it ``TUMOR`` or the like (vcf2maf's default) give it the name of the file."""
    alone = [part.samples[0] if len(part.samples) == 1 and len(part.records) else "" for part in parts]
    often = [name for name, files in Counter(alone).items() if files > 1 and NO_NAME.fullmatch(name)]
    found = []
    for part, name in zip(parts, alone, strict=True):
        if name in often:
            file = sample_of(Path(str(part.records["file"].iloc[0])))
            records = part.records.assign(sample=part.records["sample"].where(part.records["sample"] != name, file))
            part = part._replace(records=records, samples=[file])
        found.append(part)
    for name in often[:1]:
        note = f"{alone.count(name)} files call their only sample {shown(name)}: it is called by the name of the file"
        found[0] = found[0]._replace(notes=[*found[0].notes, note])
    return found


def _joined(parts: Sequence[Variants]) -> Variants:
    """All files as one list; a sample of several files is one sample."""
    homes: dict[str, int] = {}
    for part in parts:
        for name in dict.fromkeys(part.samples):
            homes[name] = homes.get(name, 0) + 1
    notes = [note for part in parts for note in part.notes]
    several = [name for name, files in homes.items() if files > 1]
    if several:
        who = "1 sample is" if len(several) == 1 else f"{len(several)} samples are"
        notes.append(
            f"{who} in more than one file, such as {shown(several[0])}: records of all its files are counted together"
        )
    if not homes:
        raise InputError("the files name no sample; a MAF or table needs at least one row")
    filled = [part.records for part in parts if len(part.records)] or [parts[0].records]
    records = pd.concat(filled, ignore_index=True)
    builds = list(dict.fromkeys(build for part in parts for build in part.builds))
    return Variants(records, list(homes), builds, notes)
