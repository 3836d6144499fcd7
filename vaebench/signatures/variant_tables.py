"""Variants with the probability that each signature caused them: a table, and VCF files with a field of their INFO."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from vaebench.data.files.opening import opened
from vaebench.data.mutations.channel_names import CONTEXTS
from vaebench.data.mutations.variant_channels import variant_channels
from vaebench.errors import InputError

FIELD = "SIGNATURES"
"""Name of the INFO field."""
_OWN_FIELD, _EARLIER = f"{FIELD}=".encode(), f"##INFO=<ID={FIELD},".encode()
_SHOWN = 0.01  # probability from which a signature is in the INFO field
_OWN = ("sample", "chrom", "pos", "ref", "alt", "channel", "reason", "file", "line")
_LAST = (b"QUAL", b"FILTER", b"INFO")  # columns that short files leave out
_CODES = {
    "%": "%25",
    ":": "%3A",
    ";": "%3B",
    "=": "%3D",
    ",": "%2C",
    "|": "%7C",
    " ": "%20",
    "\t": "%09",
}  # VCF 4.3, 1.2


def variant_table(
    variants: str | Path | Iterable[str | Path],
    probabilities: pd.DataFrame,
    reference_genome: str | Path | None = None,
) -> pd.DataFrame:
    """One row for each variant, with the probability of each signature.

    Channels are of the context of ``probabilities``. In SBS96 a substitution of two neighbouring bases in one record has two
    rows, one for each base; in DBS78 a doublet of two records has a row for each. Variants that the context does not count
    have no channel and no probabilities, but a reason.

    Args:
        variants: VCF, MAF or plain tables, or folders of them.
        probabilities: table of :func:`vaebench.signatures.attribution.per_mutation` for their samples.
        reference_genome: FASTA or 2bit file; not needed for MAF files with a column ``CONTEXT``.

    Returns:
        ``sample, chrom, pos, ref, alt, channel, reason, file, line``, ``signature`` (the most probable one), and the columns of
        the signatures as in ``probabilities``, in the order of the files.

    Raises:
        InputError: a file cannot be read, or the table is of other samples.
    """
    missing = [name for name in ("sample", "channel", "mutations") if name not in probabilities.columns]
    if missing:
        raise InputError(f"the probabilities have no column {missing[0]!r}; give the table of per_mutation")
    found = variant_channels(variants, reference_genome, _context(probabilities))
    columns = [name for name in probabilities.columns if name not in ("sample", "channel", "mutations")]
    names = _signature_names(columns)
    keys = probabilities.set_index(["sample", "channel"])[columns]
    counted = found["channel"] != ""
    lacking = found.loc[counted & ~found["sample"].isin(probabilities["sample"]), "sample"]
    if len(lacking):
        raise InputError(f"the probabilities lack the sample {str(lacking.iloc[0])!r} of the variants")
    values = keys.reindex(pd.MultiIndex.from_frame(found[["sample", "channel"]])).to_numpy(np.float64)
    only = values[:, [columns.index(name) for name in names]]
    known = ~np.isnan(only).all(axis=1)
    best = np.full(len(found), "", object)
    best[known] = np.array(names, object)[np.nanargmax(only[known], axis=1)]
    own = found[list(_OWN)].assign(signature=best)
    return pd.concat([own, pd.DataFrame(values, own.index, columns)], axis=1)


def _context(probabilities: pd.DataFrame) -> str:
    """The context whose channels the table holds; SBS96 for an empty table."""
    held = set(probabilities["channel"])
    found = next((name for name, channels in CONTEXTS.items() if held <= set(channels)), None)
    if found is None:
        raise InputError("the probabilities hold channels of no one context; give the table of one catalogue")
    return found


def _signature_names(columns: list[str]) -> list[str]:
    """The columns that are signatures, not ends of their intervals."""
    ends = {f"{name}{end}" for name in columns for end in ("_lower", "_upper")}
    return [name for name in columns if name not in ends]


def annotate_vcf(table: pd.DataFrame, folder: str | Path) -> list[Path]:
    """Write a copy of each VCF of ``table`` into ``folder``, with the field ``SIGNATURES`` in its INFO.

    The field lists ``SAMPLE|ALT|NAME:P|NAME:P...`` for each sample and allele, the signatures with a probability of 0.01 or more,
    the largest first; that of an earlier annotation is replaced. Reserved characters in names are written as the VCF standard
    says, ``%3B`` for a semicolon. Everything else stays as it was, and gzipped files stay gzipped (copies of other
    archives are not packed). Files that are no VCF are left out.

    Args:
        table: of :func:`variant_table`.
        folder: made if needed.

    Returns:
        The paths written.

    Raises:
        InputError: two files have the same name.
    """
    columns = [name for name in table.columns if name not in (*_OWN, "signature")]
    names = _signature_names(columns)
    files = [Path(name) for name in dict.fromkeys(table["file"])]
    vcfs = [path for path in files if _is_vcf(path)]
    doubled = [path.name for path in vcfs if [other.name for other in vcfs].count(path.name) > 1]
    if doubled:
        raise InputError(f"two VCF files are called {doubled[0]!r}; their annotated copies need names of their own")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    written = []
    for path in vcfs:
        mine = table[(table["file"] == str(path)) & (table["signature"] != "")]
        values = mine[names].to_numpy(np.float64)
        entries: dict[int, list[str]] = {}
        for line, sample, alt, p in zip(mine["line"], mine["sample"], mine["alt"], values, strict=True):
            order = [k for k in np.argsort(-p, kind="stable") if p[k] >= _SHOWN]
            parts = [f"{_coded(names[k])}:{p[k]:.3f}" for k in order]
            entries.setdefault(int(line), []).append("|".join([_coded(str(sample)), str(alt), *parts]))
        written.append(_copied(path, place / path.name, entries))
    return written


def _is_vcf(path: Path) -> bool:
    with opened(path, variants=True) as stream:
        start = stream.read(64).lstrip(b"\xef\xbb\xbf")
    return start.startswith((b"##fileformat=VCF", b"#CHROM", b"##")) and not start.startswith(b"##maf")


def _coded(text: str) -> str:
    return "".join(_CODES.get(letter, letter) for letter in text)


def _copied(source: Path, target: Path, entries: Mapping[int, list[str]]) -> Path:
    """Copy a VCF line by line; records in ``entries`` (by line, from 1) get the field."""
    with open(source, "rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
    if not zipped and target.suffix in (".bz2", ".xz", ".zip"):
        target = target.with_suffix("")
    about = (
        f'##INFO=<ID={FIELD},Number=.,Type=String,Description="Probability of each mutational signature: '
        f'sample|allele|signature:probability|..., from {_SHOWN}">'
    ).encode()
    with opened(source, variants=True) as read, gzip.open(target, "wb") if zipped else open(target, "wb") as write:
        for number, raw in enumerate(read, 1):
            end = b"\r\n" if raw.endswith(b"\r\n") else b"\n"
            if raw.startswith(_EARLIER):
                continue
            if raw.removeprefix(b"\xef\xbb\xbf").startswith(b"#CHROM"):
                write.write(about + end)
                fields = raw.rstrip(b"\r\n").split(b"\t")
                raw = b"\t".join([*fields, *_LAST[len(fields) - 5 :]]) + end if len(fields) < 8 else raw
            write.write(_with_field(raw, entries.get(number), end))
    return target


def _with_field(raw: bytes, entries: list[str] | None, end: bytes) -> bytes:
    """A line of a VCF with ``entries`` in its INFO, in place of those of an earlier annotation; others as they are."""
    if entries is None and (raw.startswith(b"#") or FIELD.encode() not in raw):
        return raw
    fields = raw.rstrip(b"\r\n").split(b"\t")
    fields += [b"."] * (8 - len(fields))
    info = [part for part in fields[7].split(b";") if part not in (b"", b".") and not part.startswith(_OWN_FIELD)]
    info += [f"{FIELD}={','.join(entries)}".encode()] if entries else []
    fields[7] = b";".join(info) or b"."
    return b"\t".join(fields) + end
