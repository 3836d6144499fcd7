"""The reference genome, one chromosome at a time, from a FASTA or 2bit file that the user names; needs the extra ``vcf``."""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from vaebench.data.files.opening import opened, refusing_broken
from vaebench.errors import InputError, shortened, user_path

BASES = np.full(256, 4, np.uint8)
"""Letter -> 0 to 3 for A, C, G, T in capitals or not, 4 for all others."""
BASES[np.frombuffer(b"ACGTacgt", np.uint8)] = [0, 1, 2, 3] * 2

_NEEDED = "a FASTA or 2bit file of the reference genome"
_FIRST = {
    247249719: "GRCh36 (hg18)", 249250621: "GRCh37 (hg19)", 248956422: "GRCh38 (hg38)", 248387328: "T2T-CHM13",
    197195432: "mm9", 195471971: "GRCm38 (mm10)", 195154279: "GRCm39 (mm39)", 282763074: "rn6", 260522016: "rn7",
}  # fmt: skip
"""Length of chromosome 1 -> build."""
_NAMED = (
    (r"hg18|ncbi36|grch36|\b36(\.\d)?$", "GRCh36 (hg18)"),
    (r"hg19|grch37|hs37|b37|\b37(\.\d)?$", "GRCh37 (hg19)"),
    (r"hg38|grch38|hs38|\b38$", "GRCh38 (hg38)"),
    (r"chm13|hs1\b", "T2T-CHM13"),
    (r"mm9|ncbim37", "mm9"),
    (r"mm10|grcm38", "GRCm38 (mm10)"),
    (r"mm39|grcm39", "GRCm39 (mm39)"),
)


class Genome(NamedTuple):
    """A reference genome.

    Attributes:
        name: the file, for messages.
        lengths: name of a chromosome -> number of bases.
        read: ``name -> bases`` as uint8 codes of :data:`BASES`.
        notes: sentences on how the file is read.
    """

    name: str
    lengths: dict[str, int]
    read: Callable[[str], np.ndarray]
    notes: list[str]


def open_genome(source: str | Path | Mapping[str, str] | Genome) -> Genome:
    """Opens a reference genome.

    Args:
        source: a FASTA (``.fa``, also gzipped) or 2bit file, or a dict of sequences by name. The index of a FASTA is read
            from ``.fai`` beside it, and made there, or in a temporary folder if nothing can be written, where it is missing.

    Raises:
        InputError: the file is missing or of another kind, or the extra ``vcf`` is not installed.
    """
    if isinstance(source, Genome):
        return source
    if isinstance(source, Mapping):
        texts = {str(name): text for name, text in source.items()}
        lengths = {name: len(text) for name, text in texts.items()}
        return Genome("the reference genome", lengths, lambda name: _codes(texts[name]), [])
    file = user_path(source)
    with refusing_broken(file, _NEEDED):
        with open(file, "rb") as stream:
            start = stream.read(4)
        if start in (b"\x43\x27\x41\x1a", b"\x1a\x41\x27\x43"):
            return _two_bit(file)
        with opened(file, variants=True) as text:
            first = text.read(1)
        if first != b">":
            raise InputError(f"{file} is not {_NEEDED}: a FASTA begins with '>'")
        return _fasta(file, packed=start[:1] != b">")


def _library(name: str) -> ModuleType:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(
            f"the reference genome needs the package {name}; install the extra: pip install '.[vcf]'"
        ) from None


def _two_bit(file: Path) -> Genome:
    try:
        opened_file = _library("py2bit").open(str(file))
    except RuntimeError as error:
        raise InputError(f"{file} is damaged: it begins as a 2bit file and cannot be opened ({error})") from None
    lengths = {str(name): int(length) for name, length in opened_file.chroms().items()}
    return Genome(str(file), lengths, lambda name: _codes(opened_file.sequence(name)), [])


def _fasta(file: Path, packed: bool) -> Genome:
    """Opens a FASTA by its index; a packed one is unpacked to a temporary file, since it cannot be read in places."""
    pyfaidx = _library("pyfaidx")
    place, index, notes = file, Path(f"{file}.fai"), []
    folder = Path(tempfile.mkdtemp(prefix="vaebench_genome_"))  # empty unless something has to be written there
    try:
        if packed:
            place = folder / "genome.fa"
            with opened(file, variants=True) as text, open(place, "wb") as plain:
                shutil.copyfileobj(text, plain, 1 << 22)
            index = folder / "genome.fa.fai"
            notes.append(f"{file.name} was unpacked to a temporary file; an unpacked FASTA starts sooner")
        elif not index.is_file() and not _writable(file.parent):
            index = folder / "genome.fai"
        faidx = pyfaidx.Faidx(str(place), indexname=str(index))
    except (pyfaidx.FastaIndexingError, pyfaidx.IndexNotFoundError, ValueError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        anew = f"; if it is one, delete {index.name}, its index" if index.parent == file.parent else ""
        raise InputError(f"{file} cannot be indexed as a FASTA ({shortened(str(error).strip())}){anew}") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(faidx, shutil.rmtree, str(folder), ignore_errors=True)
    lengths = {str(name): int(record.rlen) for name, record in faidx.index.items()}
    return Genome(str(file), lengths, lambda name: _codes(faidx.fetch(name, 1, lengths[name]).seq), notes)


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _codes(text: str) -> np.ndarray:
    return BASES[np.frombuffer(text.encode("ascii", "replace"), np.uint8)]


def plain_chromosome(name: str) -> str:
    """Returns the name of a chromosome without ``chr``, ``MT`` for the mitochondrion, and numbers for RefSeq accessions.

    Example:
        >>> [plain_chromosome(name) for name in ("chr1", "X", "chrM", "NC_000023.11", "7.0")]
        ['1', 'X', 'MT', 'X', '7']
    """
    text = re.sub(r"^chr(omosome)?[_ ]?", "", name.strip(), flags=re.IGNORECASE)
    if match := re.fullmatch(r"NC_0000(\d\d)\.\d+", text):
        number = int(match[1])
        return {23: "X", 24: "Y"}.get(number, str(number))
    text = re.sub(r"^(\d+)\.0$", r"\1", text)  # as pandas and R write a column of numbers
    if text.upper() in ("M", "MT", "MTDNA", "MITO") or text.startswith("NC_012920"):
        return "MT"
    return text.upper() if text.lower() in ("x", "y") else text


def matched_chromosomes(names: list[str], genome: Genome) -> dict[str, str]:
    """Finds chromosomes of a genome under the names of a list of mutations: name there -> name in the genome."""
    plain = {plain_chromosome(name): name for name in reversed(list(genome.lengths))}
    found = {}
    for name in names:
        text = plain_chromosome(name)
        for form in (text, {"23": "X", "24": "Y", "25": "MT"}.get(text, text)):
            if name in genome.lengths or form in plain:
                found[name] = name if name in genome.lengths else plain[form]
                break
    return found


def build_of(genome: Genome) -> str:
    """Returns the build that the length of chromosome 1 or the name of the file tells, or ``""``."""
    lengths = {plain_chromosome(name): length for name, length in genome.lengths.items()}
    return _FIRST.get(lengths.get("1", 0), "") or named_build(Path(genome.name).name)


def named_build(text: str) -> str:
    """Returns the build that a text names, such as ``hg19`` or ``##reference=.../GRCh38.fa``, or ``""``."""
    return next((build for pattern, build in _NAMED if re.search(pattern, text.strip(), re.IGNORECASE)), "")
