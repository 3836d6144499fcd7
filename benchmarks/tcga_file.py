"""Make files in the format of TCGA's pan-cancer expression matrix and survival table, of any size, and measure their loading.

    python benchmarks/tcga_file.py make FOLDER [--genes 20531] [--samples 11060]
    /usr/bin/time -v python benchmarks/tcga_file.py load FOLDER --cache FOLDER/cache      # twice: the second is from the cache

Expected on 2 cores, at full size (1.9 GB of text): the first load below 120 seconds and 4 GB, the second below 2 seconds.
``load`` prints one line of JSON: seconds, peak memory of its process in GB, shape, digest.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

EXPRESSION = "EB++AdjustPANCAN_IlluminaHiSeq_RNASeqV2.geneExp.xena"
SURVIVAL = "Survival_SupplementalTable_S1_20171025_xena_sp"
_COLUMNS = (
    "sample",
    "_PATIENT",
    "cancer type abbreviation",
    "age_at_initial_pathologic_diagnosis",
    "gender",
    "birth_days_to",
    "OS",
    "OS.time",
    "new_tumor_event_dx_days_to",
)


def barcodes(samples: int) -> list[str]:
    """Sample barcodes of 15 characters, one in 15 of them normal tissue."""
    return [f"TCGA-{i // 1296:02X}-{i % 1296:04X}-{11 if i % 15 == 14 else 1:02d}" for i in range(samples)]


def write_survival(path: Path, samples: int, untyped: int, seed: int = 0) -> None:
    """A survival table of all samples but the last ``untyped``, 33 types in uneven numbers."""
    rng = np.random.default_rng([seed, 1])
    names = barcodes(samples)[: samples - untyped]
    types = np.minimum(rng.geometric(0.08, len(names)) - 1, 32)
    days = rng.exponential(1500, len(names)).round().astype(int)
    dead = rng.random(len(names)) < 0.3
    recurred = rng.random(len(names)) < 0.15
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write("\t".join(_COLUMNS) + "\n")
        for i, name in enumerate(names):
            age = int(np.clip(rng.normal(60, 13), 15, 90))
            known = rng.random() > 0.01
            row = [name, name[:12], f"TYPE{types[i]:02d}", age, "FEMALE" if rng.random() < 0.5 else "MALE", -365 * age]
            row += [int(dead[i]), days[i], days[i] // 2 if recurred[i] else ""] if known else ["", "#N/A", ""]
            file.write("\t".join(map(str, row)) + "\n")


def write_expression(path: Path, genes: int, samples: int, seed: int = 0) -> None:
    """Genes in rows, log2(x + 1) with 5 decimals; NA for a block of samples in one gene of 20, as after batch correction."""
    rng = np.random.default_rng([seed, 2])
    names = barcodes(samples)
    # All values that can occur, as text, so that writing is copying.
    texts = np.array([f"{value / 100_000:.5f}" for value in range(2_000_000)], dtype="S8")
    tab = np.frombuffer(b"\t", dtype="S1")
    with open(path, "wb") as file:
        file.write(("\t".join(["sample", *names]) + "\n").encode())
        for gene in range(genes):
            values = rng.normal(rng.uniform(1, 14), rng.uniform(0.3, 2.5), samples)
            cells = texts[np.clip(values * 100_000, 0, 1_999_999).astype(np.int64)]
            row = np.char.add(tab, cells)
            if gene % 20 == 7:
                start = rng.integers(0, samples)
                row[start : start + samples // 50] = b"\tNA"
            file.write(f"GENE{gene + 1:05d}".encode() + b"".join(row.tolist()) + b"\n")


def make(folder: Path, genes: int, samples: int) -> None:
    """Writes both files; one sample in 240 has no type, as in the real table."""
    folder.mkdir(parents=True, exist_ok=True)
    write_expression(folder / EXPRESSION, genes, samples)
    write_survival(folder / SURVIVAL, samples, samples // 240)


def load(folder: Path, cache: Path, top: int) -> dict[str, object]:
    """Time and peak memory of reading, selecting and scaling, imports left out of the time but not of the memory."""
    from vaebench.data.public import tcga

    start = time.perf_counter()
    data = tcga(folder, top=top, cache=cache)
    seconds = time.perf_counter() - start
    unit = 2**30 if sys.platform == "darwin" else 2**20  # bytes there, kilobytes elsewhere
    return {
        "seconds": round(seconds, 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 2),
        "shape": data.x.shape,
        "digest": data.digest,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["make", "load"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--genes", type=int, default=20_531)
    parser.add_argument("--samples", type=int, default=11_060)
    parser.add_argument("--top", type=int, default=5_000)
    parser.add_argument("--cache", type=Path, default=None)
    options = parser.parse_args()
    if options.action == "make":
        make(options.folder, options.genes, options.samples)
    else:
        print(json.dumps(load(options.folder, options.cache or options.folder / "cache", options.top)))


if __name__ == "__main__":
    main()
