"""Peak memory of an extraction or a refit of a large cohort, by its number of samples.

    python benchmarks/memory.py extract 1000 2000 4000
    python benchmarks/memory.py refit 1000 2000 4000 --signatures 60

Each size is a process of its own. The last line is the straight line through the peaks, at 10,000 samples x 96 channels for an
extraction and at 20,000 samples x 60 signatures for a refit. Minutes on 2 CPU cores: see the printed seconds.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

LARGE = {"extract": 10_000, "refit": 20_000}


def tables(samples: int, signatures: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulated counts [samples, 96] and the signatures [signatures, 96] that made them; a sample has about a fifth of them."""
    import vaebench as vb

    known, _ = vb.data.simulate_catalogue(seed=0, tumours=20, signatures=3, types=1)
    rng = np.random.default_rng(0)
    spectra = rng.dirichlet(np.full(96, 0.2), signatures)
    exposures = rng.gamma(1, 2000, (samples, signatures)) * (rng.random((samples, signatures)) < 0.2)
    counts = pd.DataFrame(rng.poisson(exposures @ spectra), [f"t{i}" for i in range(samples)], known.columns)
    return counts, pd.DataFrame(spectra, [f"A{i}" for i in range(signatures)], known.columns)


def one(job: str, samples: int, signatures: int, method: str) -> None:
    """Do the job once and print seconds and peak memory."""
    import vaebench as vb

    counts, known = tables(samples, signatures)
    started = time.perf_counter()
    if job == "extract":
        vb.signatures.extract(counts, k=signatures, method=method or "sparse")
    else:
        vb.signatures.refit(counts, known, intervals=method or "spike_slab")
    seconds = time.perf_counter() - started
    print(samples, round(seconds, 1), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, flush=True)


def main() -> None:
    """Measure every size in a process of its own, and print the line through the peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=LARGE)
    parser.add_argument("samples", type=int, nargs="+")
    parser.add_argument("--signatures", type=int, default=10)
    parser.add_argument("--method", default="")
    parser.add_argument("--one", action="store_true")
    options = parser.parse_args()
    if options.one:
        one(options.job, options.samples[0], options.signatures, options.method)
        return
    peaks = []
    for size in options.samples:
        command = [sys.executable, __file__, options.job, str(size), "--signatures", str(options.signatures)]
        command += ["--method", options.method, "--one"]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split()
        peaks.append(float(found[2]))
        print(
            f"{options.job} {size} samples, {options.signatures} signatures: {found[1]} s, {peaks[-1]:.2f} GiB",
            flush=True,
        )
    slope, start = np.polyfit(options.samples, peaks, 1)
    large = LARGE[options.job]
    print(f"{start:.2f} GiB + {1000 * slope:.3f} GiB per 1,000 samples: {start + large * slope:.1f} GiB at {large:,}")


if __name__ == "__main__":
    main()
