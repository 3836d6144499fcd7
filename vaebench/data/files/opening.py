"""Opening files: packed or not, in UTF-8 or UTF-16, or a sheet of Excel; always read as UTF-8 bytes.

:func:`refusing_broken` is the boundary of all readers: every failure to read becomes an
:class:`~vaebench.errors.InputError` of one sentence that names the file and says what to do.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from vaebench.data.files.excel import sheet_text
from vaebench.data.files.limits import FORESEEN, MEMORY, RATIO, refuse_oversized, shown_size, unpacked_limit
from vaebench.errors import InputError, shortened

DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)
"""Errors of reading and unpacking a file that is cut off or damaged."""

_CELLS = 8  # bytes of memory for a byte of a sheet: 16 million cells of 240 MB took 2.1 GB
_OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_R = 'an R object (.rds or .RData); in R write its table with write.csv(x, "table.csv") and read that'
_OTHER = "of MATLAB, SPSS, Stata or SAS; write it as CSV"
_FOREIGN = (
    (0, (b"X\n\0\0", b"A\n2\n", b"A\n3\n", b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n"), _R),
    (0, (b"\x89HDF\r\n",), "an HDF5 file; if it is AnnData, its name must end in .h5ad, else write it as a table"),
    (0, (b"\x93NUMPY",), "a NumPy array, which has no names; write it as a table with a header"),
    (
        0,
        (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
        "a Python pickle; write it with to_csv() or to_parquet()",
    ),
    (0, (b"ARROW1", b"FEA1"), "a Feather file; write it with to_parquet() or as CSV"),
    (0, (b"(\xb5/\xfd",), "packed with zstd; unpack it first: unzstd FILE"),
    (0, (b"7z\xbc\xaf", b"Rar!"), "a 7z or RAR archive; unpack it first"),
    (0, (b"\x1f\x9d", b"\x04\x22\x4d\x18", b"]\0\0"), "packed with compress, lz4 or lzma; unpack it first"),
    (0, (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0"), "an image; a table is needed"),
    (0, (b"MATLAB 5.0", b"$FL2", b"<stata_dta", b"HEADER RECORD*"), _OTHER),
    (0, tuple(bytes((version, order, 1, 0)) for version in range(0x69, 0x74) for order in (1, 2)), _OTHER),  # old Stata
    (12, (b"\xc2\xea\x81\x60\xb3\x14\x11\xcf",), _OTHER),  # SAS
    (0, (b"%PDF",), "a PDF; save its table as CSV"),
    (0, (b"SQLite format 3",), "an SQLite database; write its table as CSV"),
    (0, (b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0", b"PK\x03\x04"), "packed twice; unpack it once first"),
    (0, (b"%%MatrixMarket",), "a sparse MatrixMarket file; write it, with its names, as a table or as .h5ad"),
    (0, (b"BCF\2",), "a BCF file; convert it to VCF with bcftools view"),
    (
        0,
        (b"BAM\1", b"CRAM\1", b"CRAM\2", b"CRAM\3"),
        "a file of aligned reads (BAM or CRAM); call variants first",
    ),
    (257, (b"ustar",), "a tar archive; unpack it first: tar -xf FILE"),
)
"""Offset, marks, and what a file with one of these marks there is."""
_VCF = b"##fileformat=VCF"


WINDOWS = "windows-1252"
"""The encoding of text that is not UTF-8, as Excel writes it in western Europe and America."""


@contextmanager
def opened(file: Path, *, variants: bool = False, encoding: str = "") -> Iterator[IO[bytes]]:
    """Opens a file for reading as UTF-8 bytes, by its content and whatever its name.

    gzip, bzip2, xz and a zip archive of one file are unpacked, UTF-16 is recoded, and the first sheet of an Excel file
    becomes text with tabs.

    Args:
        file: the file.
        variants: a VCF is welcome.
        encoding: of text that is neither UTF-8 nor UTF-16, ``""`` to leave its bytes as they are.

    Raises:
        InputError: the file is of a kind that is no table, or unpacks to far more than its size.
        UnicodeDecodeError: later, from reading: a byte is not of the ``encoding``.
    """
    with ExitStack() as stack:
        plain = stack.enter_context(open(file, "rb"))
        stream = _unpacked(file, plain, stack)
        head = stream.peek(512)
        _refuse_foreign(file, head)
        if head.startswith(_VCF) and not variants:
            raise InputError(f"{file} is a VCF file of variants; vaebench count makes a catalogue of them")
        if encoding := _other_encoding(head) or encoding:
            stream = io.BufferedReader(_Recoded(stream, encoding))
        yield stream


def _unpacked(file: Path, plain: io.BufferedReader, stack: ExitStack) -> io.BufferedReader:
    head = plain.peek(8)
    if head.startswith(b"\x1f\x8b"):
        stream: Any = gzip.GzipFile(fileobj=plain)
    elif head.startswith(b"BZh") and head[3:4].isdigit():
        stream = bz2.BZ2File(plain)
    elif head.startswith(b"\xfd7zXZ\0"):
        stream = lzma.LZMAFile(plain)  # noqa: SIM115
    elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        stream = _from_zip(file, stack.enter_context(zipfile.ZipFile(plain)), stack)
    elif head.startswith(_OLD_EXCEL):
        return io.BufferedReader(io.BytesIO(sheet_text(file)))  # pyright: ignore[reportArgumentType]
    else:
        return plain
    return io.BufferedReader(_Limited(file, stack.enter_context(stream), plain), 1 << 16)


def _from_zip(file: Path, archive: zipfile.ZipFile, stack: ExitStack) -> Any:
    """The one file of an archive, or the first sheet if the archive is an Excel or OpenDocument file."""
    held = [entry for entry in archive.infolist() if not entry.is_dir()]
    names = {entry.filename for entry in held}
    refuse_oversized(file, sum(entry.file_size for entry in held), "its content")
    if names & {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}:
        refuse_oversized(file, _CELLS * sum(entry.file_size for entry in held), "its cells")
        return io.BytesIO(sheet_text(file))
    if any(name.endswith(".npy") for name in names):
        raise InputError(f"{file} is a NumPy archive (.npz); save one array with numpy.save, or write a table")
    if "word/document.xml" in names:
        raise InputError(f"{file} is a Word document; save its table as CSV")
    held = [e for e in held if not e.filename.startswith("__MACOSX/") and not Path(e.filename).name.startswith(".")]
    if len(held) != 1:
        shown = ", ".join(shortened(entry.filename) for entry in held[:2]) + (", ..." if len(held) > 2 else "")
        raise InputError(f"{file} is a zip archive of {len(held)} files ({shown}); unpack it and name the one to read")
    if held[0].flag_bits & 1:
        raise InputError(f"{file} is a zip archive with a password; unpack it first")
    return stack.enter_context(archive.open(held[0]))


def _refuse_foreign(file: Path, head: bytes) -> None:
    for offset, marks, kind in _FOREIGN:
        if head[offset:].startswith(marks):
            raise InputError(f"{file} is {kind}")
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(f"{file} is a web page or XML, not a table; was it downloaded from the right address?")
    if text.startswith((b'{"', b"[{", b"{\n", b"{ ")):
        raise InputError(f"{file} is JSON; write it as a table, for example with pandas.read_json(...).to_csv(...)")


def _other_encoding(head: bytes) -> str | None:
    """``utf-16`` or ``utf-32`` with or without a byte-order mark, else ``None``."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    first, second = head[0:64:2], head[1:64:2]
    if len(second) > 1 and not any(second) and all(first):
        return "utf-16-le"
    return "utf-16-be" if len(second) > 1 and not any(first) and all(second) else None


class _Limited(io.RawIOBase):
    """A stream of unpacked bytes that refuses to become far larger than the packed file.

    Values take several times the memory of their text, so the size is foreseen from the part that is already unpacked.
    """

    def __init__(self, file: Path, stream: Any, packed: io.BufferedReader) -> None:
        self.file, self.stream, self.packed, self.count = file, stream, packed, 0
        self.most, self.size = unpacked_limit(file), os.path.getsize(file)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self.stream.read1(len(buffer))  # gives what comes before a damaged place
        self.count += len(part)
        total = self.foreseen() if self.count >= FORESEEN else self.count
        if total > self.most and total > RATIO * self.size:
            raise InputError(
                f"{self.file} unpacks to over {shown_size(self.most)}, more than {RATIO} times its size; if that is "
                f"right, set the environment variable {MEMORY} to the GiB that it may take"
            )
        buffer[: len(part)] = part
        return len(part)

    def foreseen(self) -> float:
        """Bytes to which the whole file unpacks, if its rest is packed as what has been read."""
        return self.count * max(1.0, self.size / max(self.packed.tell(), 1))


class _Recoded(io.RawIOBase):
    """A stream of text in another encoding, read as UTF-8."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self.stream, self.rest = stream, b""
        self.decoder = codecs.getincrementaldecoder(encoding)()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.rest:
            part = self.stream.read(1 << 16)
            self.rest = self.decoder.decode(part, final=not part).removeprefix("\ufeff").encode()
            if not part:
                break
        given = self.rest[: len(buffer)]
        self.rest = self.rest[len(given) :]
        buffer[: len(given)] = given
        return len(given)


def text_lines(file: Path) -> Iterator[str]:
    """Yields the lines of a list of variants, genes or the like, without their ends and without a byte-order mark.

    Comments of any encoding are no reason to refuse such a file: what is not UTF-8 becomes a replacement character.
    """
    with opened(file, variants=True) as stream:
        for raw in stream:
            yield raw.decode("utf-8", "replace").lstrip("\ufeff").rstrip("\r\n")


def starts_with(file: Path, mark: bytes) -> bool:
    """Returns true when the unpacked file begins with ``mark``."""
    with opened(file) as stream:
        return stream.read(len(mark)) == mark


@contextmanager
def refusing_broken(file: Path, needed: str) -> Iterator[None]:
    """Turns errors of reading ``file`` into an ``InputError`` of one sentence.

    For a file that is cut off, the message gives the last line that can still be read.

    Args:
        file: the file being read inside the block.
        needed: the kind of file expected, as a phrase: ``"a CSV, TSV or Parquet table"``.
    """
    refuse_unusable(file, needed)
    try:
        yield
    except InputError:
        raise
    except DAMAGED as error:
        lines = _readable_lines(file)
        after = f" after line {lines}" if lines else ""
        raise InputError(
            f"{file} cannot be read{after} ({shortened(error)}); is it cut off, damaged or protected?"
        ) from error
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x}" if isinstance(error.object, bytes) else "a byte"
        raise InputError(
            f"{file} is not {needed} in UTF-8 or windows-1252 (it holds {found}); save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise InputError(f"{file} is not {needed} ({shortened(error)})") from error
    except MemoryError as error:
        raise InputError(f"{file} does not fit into memory; keep fewer samples or features in it") from error
    except RecursionError as error:
        raise InputError(f"{file} is not {needed} (it is nested too deeply)") from error


def refuse_unusable(file: Path, needed: str) -> None:
    """Raises ``InputError`` for what is no regular file that exists."""
    try:
        mode = os.stat(file).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{file} does not exist; {needed} is needed") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{shortened(file)} cannot be opened ({reason}); {needed} is needed") from None
    refuse_cells(file)
    if stat.S_ISDIR(mode):
        raise InputError(f"{file} is a folder; {needed} is needed")
    if not stat.S_ISREG(mode):
        raise InputError(f"{file} is a pipe or device, which cannot be read twice; save its content to a file first")


def refuse_cells(folder: Path) -> None:
    """Raises ``InputError`` for a folder of 10x Genomics, with how to make a file of it."""
    if any((folder / name).exists() for name in ("matrix.mtx.gz", "matrix.mtx")):
        raise InputError(
            f"{folder} is a folder of 10x Genomics; make one file of it: scanpy.read_10x_mtx(folder).write_h5ad('cells.h5ad')"
        )


def _readable_lines(file: Path) -> int:
    """Number of lines before the place where reading fails; 0 when the whole file can be read."""
    lines = 0
    try:
        with opened(file, variants=True) as stream:
            while part := stream.read1(1 << 16):  # pyright: ignore[reportAttributeAccessIssue]
                lines += part.count(b"\n")
    except (*DAMAGED, InputError):
        return lines
    return 0
