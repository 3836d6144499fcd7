"""Peak memory and CPU seconds of reading large expression files, by the command line.

    python benchmarks/reading.py parquet csv.gz gct.gz --folder /tmp/reading

Makes each file (1.2, 0.4 and 1.6 GB) if it is not there, then runs ``vaebench data check`` and ``vaebench run --dry-run`` on
it, each in a process of its own, and prints the peak of its resident memory. ``--scale 0.1`` takes a tenth of the samples.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

SIZES = {"parquet": (11_014, 20_000), "csv.gz": (11_014, 20_000), "gct.gz": (17_382, 56_200)}
"""Format -> samples and genes: those of TCGA's pan-cancer cohort, and of GTEx version 8."""


def labels(samples: int) -> list[str]:
    """Return the class of each sample, of 33."""
    return [f"type{i % 33}" for i in range(samples)]


def write_parquet(file: Path, samples: int, genes: int, rng: np.random.Generator) -> None:
    """Write a table with samples in rows, in float64 as pandas does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"sample": pa.array([f"s{i}" for i in range(samples)]), "type": pa.array(labels(samples))}
    for gene in range(genes):
        columns[f"G{gene}"] = pa.array(np.round(rng.gamma(rng.gamma(2, 1.5), 1, samples), 4))
    pq.write_table(pa.table(columns), file, use_dictionary=False)


def write_lines(file: Path, lines: Iterator[str]) -> None:
    """Write packed lines."""
    with gzip.open(file, "wt", compresslevel=1) as stream:
        stream.writelines(f"{line}\n" for line in lines)


def table_lines(samples: int, genes: int, rng: np.random.Generator) -> Iterator[str]:
    """Yield the lines of a CSV table with samples in rows."""
    yield ",".join(["sample", "type", *(f"G{gene}" for gene in range(genes))])
    means = rng.gamma(2, 1.5, genes)
    for i, label in enumerate(labels(samples)):
        values = (rng.gamma(means, 1) * 10_000).astype(int).tolist()
        yield ",".join([f"s{i}", label, *(f"{v // 10_000}.{v % 10_000:04d}" for v in values)])


def matrix_lines(samples: int, genes: int, rng: np.random.Generator) -> Iterator[str]:
    """Yield the lines of a .gct with genes in rows; a third of the values are 0, as in TPM."""
    pool = [*(f"{value:.4g}" for value in rng.gamma(0.3, 5, 200_000)), *["0"] * 100_000]
    rng.shuffle(pool)
    yield from ("#1.2", f"{genes}\t{samples}")
    yield "\t".join(["Name", "Description", *(f"s{i}" for i in range(samples))])
    for gene in range(genes):
        start = int(rng.integers(0, len(pool) - samples))
        yield "\t".join([f"ENSG{gene:011d}.1", f"GENE{gene}", *pool[start : start + samples]])


def made(kind: str, folder: Path, scale: float) -> tuple[Path, list[str]]:
    """Make a file of a kind unless it is there, and return it with the options that read it."""
    samples, genes = round(SIZES[kind][0] * scale), SIZES[kind][1]
    file, rng = folder / f"large_{samples}.{kind}", np.random.default_rng(0)
    if not file.exists():
        if kind == "parquet":
            write_parquet(file, samples, genes, rng)
        else:
            write_lines(file, (table_lines if kind == "csv.gz" else matrix_lines)(samples, genes, rng))
    if kind != "gct.gz":
        return file, ["--label", "type"]
    annotation = folder / "annotation.csv"
    annotation.write_text("sample,type\n" + "".join(f"s{i},{name}\n" for i, name in enumerate(labels(samples))))
    return file, ["--annotation", str(annotation), "--label", "type"]


def measured(arguments: list[str]) -> tuple[float, float]:
    """Run the command line in a process of its own; returns its peak memory in GB and its CPU seconds."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execv(sys.executable, [sys.executable, "-m", "vaebench", *arguments])
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"vaebench {' '.join(arguments)} failed")
    return usage.ru_maxrss * 1024 / 1e9, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure each kind of file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", choices=SIZES, nargs="+")
    parser.add_argument("--folder", type=Path, default=Path("large_files"))
    parser.add_argument("--scale", type=float, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for kind in options.kinds:
        file, reading = made(kind, options.folder, options.scale)
        run = ["run", "--data", str(file), *reading, "--variants", "vae", "--metrics", "leiden", "--dry-run"]
        for name, arguments in (("data check", ["data", "check", str(file), *reading]), ("run --dry-run", run)):
            started = time.perf_counter()
            peak, seconds = measured(arguments)
            wall = time.perf_counter() - started
            print(f"{kind}: {name}: {peak:.2f} GB, {seconds:.0f} CPU s, {wall:.0f} s", flush=True)


if __name__ == "__main__":
    main()
