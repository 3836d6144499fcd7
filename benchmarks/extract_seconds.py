"""Measure how long `sparse` takes for 100 samples: the first call of a process, compilation included, and later ones.

    JAX_ENABLE_COMPILATION_CACHE=false python benchmarks/extract_seconds.py
    python benchmarks/extract_seconds.py --signatures 11 --catalogues 2

Simulated catalogues, 2 to 12 signatures, ten restarts, two seeds each. Prints wall and CPU seconds of each call, and their means.
To compare two versions run both in turn, for the machine's own speed changes from minute to minute.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import vaebench as vb


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--signatures", type=int, default=6, help="true ones of each catalogue")
    parser.add_argument("--catalogues", type=int, default=6)
    given = parser.parse_args()
    calls = []
    for catalogue in range(given.catalogues):
        counts, _ = vb.data.simulate_catalogue(seed=catalogue, tumours=given.samples, signatures=given.signatures)
        for seed in (0, 1):
            wall, cpu = time.perf_counter(), time.process_time()
            found = vb.signatures.extract(counts, k=range(2, 13), seed=seed)
            calls.append((time.perf_counter() - wall, time.process_time() - cpu))
            print(f"{len(found.signatures)} signatures, {calls[-1][0]:.2f} s, {calls[-1][1]:.2f} CPU s", flush=True)
    first, (wall, cpu) = calls[0], np.mean(calls[1:], axis=0)
    print(
        f"first call {first[0]:.1f} s ({first[1]:.1f} CPU s); {len(calls) - 1} later ones {wall:.2f} s ({cpu:.2f} CPU s)"
    )


if __name__ == "__main__":
    main()
