"""Malformed tables: each is read or refused in one short sentence, within seconds, whatever was broken.

Three hundred of them run by default; ``VAEBENCH_FUZZ=3000`` runs more.
"""

from __future__ import annotations

import bz2
import gzip
import os
import random
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from vaebench.data import checked, read_catalogue, read_exposures, read_signatures, read_table
from vaebench.data.mutations.channels import CHANNELS
from vaebench.errors import InputError

COUNT = int(os.environ.get("VAEBENCH_FUZZ", "300"))
SPICE = [
    *(b"", b"NA", b"nan", b"inf", b"-inf", b"1e39", b"1e400", b"1_0", b"1,5", b"1.234,5", b"0x1f", b"--", b"1e", b"+", b"-"),
    *(b'"', b'""', b'"a', b"'", b"\t", b",", b";", b" ", b"\n", b"\r", b"\r\n", b"\0", b"#", b"!", b"\xff", b"\xef\xbb\xbf"),
    *(b"\xe2\x80\xa8", "١٢".encode(), "１２".encode(), b"true", b"x" * 300, b"y" * 200_000, b"\x1b[31m", b"=1+1", b"None"),
    *(b"1" * 400, b"\x1a", b"TCGA-AA-0001-01", b"__no_feature", b"Length", b"sample", b"2024-01-01"),
]  # fmt: skip


def expression(rng: random.Random) -> bytes:
    mark = rng.choice([",", "\t", ";", " "])
    genes, samples = rng.randint(1, 6), rng.randint(1, 8)
    head = ["sample", "type", *(f"G{i}" for i in range(genes))]
    rows = [[f"s{i}", rng.choice("ab"), *(f"{rng.gauss(5, 2):.3f}" for _ in range(genes))] for i in range(samples)]
    if rng.random() < 0.4:
        head, *rows = ([row[j] for row in [head, *rows]] for j in range(len(head)))
    return "".join(mark.join(row) + "\n" for row in [head, *rows]).encode()


def gct(rng: random.Random) -> bytes:
    samples, genes = rng.randint(1, 4), rng.randint(1, 4)
    lines = [
        f"#1.{rng.choice('23')}",
        f"{genes}\t{samples}",
        "\t".join(["Name", "D", *(f"s{i}" for i in range(samples))]),
    ]
    lines += ["\t".join([f"g{i}", "d", *(str(rng.random()) for _ in range(samples))]) for i in range(genes)]
    return "\n".join(lines).encode()


def catalogue(rng: random.Random) -> bytes:
    mark = rng.choice([",", "\t", ";"])
    rows = [["Type", "S1", "S2"], *([name, str(rng.randint(0, 99)), str(rng.randint(0, 9))] for name in CHANNELS)]
    if rng.random() < 0.3:
        rows = [list(column) for column in zip(*rows, strict=True)]
    return "".join(mark.join(row) + "\n" for row in rows).encode()


def broken(content: bytes, rng: random.Random) -> bytes:
    """The content after one to four changes."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(content) + 1)
        kind = rng.randrange(8)
        if kind < 3:
            content = content[:at] + rng.choice(SPICE) + content[at:]
        elif kind == 3:
            content = content[:at] + content[at + rng.randint(1, 9) :]
        elif kind == 4:
            lines = content.split(b"\n")
            line = rng.randrange(len(lines))
            lines[line : line + 1] = rng.choice([[], [lines[line]] * 2, [lines[line], rng.choice(SPICE)]])
            content = b"\n".join(lines)
        elif kind == 5:
            fields = content.split(b",") if b"," in content else content.split(b"\t")
            fields[rng.randrange(len(fields))] = rng.choice(SPICE)
            content = (b"," if b"," in content else b"\t").join(fields)
        elif kind == 6:
            content = content[:at]
        else:
            pack: Callable[[bytes], bytes] = rng.choice([gzip.compress, bz2.compress, zlib.compress, _utf16])
            content = pack(content)
    return content


def _utf16(content: bytes) -> bytes:
    return content.decode("utf-8", "replace").encode("utf-16")


def calls(path: Path, annotation: Path, rng: random.Random) -> list[Callable[[], object]]:
    where = rng.choice(["rows", "columns"])
    return [
        lambda: read_table(path, samples_in=where, missing="impute", duplicates=rng.choice(["refuse", "apart", "sum"])),
        lambda: read_table(path, annotation=annotation, label="type", duplicates="sum"),
        lambda: read_table(path, label="type", where="type==a"),
        lambda: checked(path, samples_in=rng.choice(["auto", where])),
        lambda: read_catalogue(path),
        lambda: read_signatures(path),
        lambda: read_exposures(path),
    ]


@pytest.mark.filterwarnings("default")
def test_malformed_tables(tmp_path):
    annotation = tmp_path / "annotation.csv"
    annotation.write_text("sample,type\n" + "".join(f"s{i},{'ab'[i % 2]}\n" for i in range(8)))
    read = 0
    for seed in range(COUNT):
        rng = random.Random(seed)
        content = broken(rng.choice([expression, expression, gct, catalogue])(rng), rng)
        path = tmp_path / ("t.gct" if content.startswith(b"#1.") else f"t{seed % 7}.csv")
        path.write_bytes(content)
        for number, call in enumerate(calls(path, annotation, rng)):
            started = time.perf_counter()
            try:
                call()
                read += 1
            except InputError as error:
                message = str(error)
                assert len(message.splitlines()) == 1, (seed, number, message)
                assert len(message) - len(str(tmp_path)) <= 300, (seed, number, message)
            except Exception as error:
                raise AssertionError(f"seed {seed}, call {number}") from error
            assert time.perf_counter() - started < 10, (seed, number)
    assert read > COUNT / 10  # some changes do no harm
