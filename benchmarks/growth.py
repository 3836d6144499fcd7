"""How CPU seconds and peak memory grow with the work, in log-log slopes.

    python benchmarks/growth.py run --sizes 1000x2000,1000x6000,1000x20000,3000x2000,11014x2000     # samples x features
    python benchmarks/growth.py extract --sizes 100x5,300x5,1000x5,300x10,300x20                    # samples x signatures
    python benchmarks/growth.py refit --sizes 100x20,100x40,100x80,300x40,1000x40                   # samples x signatures
    python benchmarks/growth.py evaluate --sizes 1000x50,3000x50,11014x50,3000x10,3000x200          # samples x latents

Each size is a process of its own. Its seconds are those of all its threads in the second of two equal calls, so without
compilation; its memory is the peak of the whole process:

* run       one `vae` of 128 hidden units and 10 latents, two epochs, no metrics;
* extract   one number of signatures, one random start (`--method`, `sparse` by default);
* refit     with intervals (`--method`, `spike_slab` by default);
* evaluate  Leiden, Cox with the label, and probe of an embedding with eight groups.

The lines below the table are the slopes between sizes that differ in one number only: 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

SIZES = {
    "run": "1000x2000,1000x6000,1000x20000,3000x2000,11014x2000",
    "extract": "100x5,300x5,1000x5,300x10,300x20",
    "refit": "100x20,100x40,100x80,300x40,1000x40",
    "evaluate": "1000x50,3000x50,11014x50,3000x10,3000x200",
}


def catalogue(samples: int, signatures: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulated counts [samples, 96] and the signatures [signatures, 96] that made them; a sample has about a fifth of them."""
    import vaebench as vb

    known, _ = vb.data.simulate_catalogue(seed=0, tumours=20, signatures=3, types=1)
    rng = np.random.default_rng(0)
    spectra = rng.dirichlet(np.full(96, 0.2), signatures)
    exposures = rng.gamma(1, 2000, (samples, signatures)) * (rng.random((samples, signatures)) < 0.2)
    exposures[:, 0] += 100  # no sample is empty
    counts = pd.DataFrame(rng.poisson(exposures @ spectra), [f"t{i}" for i in range(samples)], known.columns)
    return counts, pd.DataFrame(spectra, [f"A{i}" for i in range(signatures)], known.columns)


def cohort(samples: int, features: int) -> tuple[np.ndarray, list[str], tuple[np.ndarray, np.ndarray]]:
    """Eight groups of samples, their labels, and survival times and events."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 8, samples)
    x = rng.normal(size=(8, features))[group] + 2 * rng.normal(size=(samples, features))
    return x, [f"g{g}" for g in group], (rng.exponential(1 + group), rng.random(samples) < 0.5)


def prepared(job: str, samples: int, second: int, method: str) -> Callable[[], object]:
    """The work, its data made."""
    import vaebench as vb
    from vaebench.types import Survival

    if job in ("extract", "refit"):
        counts, known = catalogue(samples, second)
        if job == "extract":
            return lambda: vb.signatures.extract(counts, k=second, restarts=1, method=method or "sparse")
        return lambda: vb.signatures.refit(counts, known, intervals=method or "spike_slab")
    x, labels, (duration, event) = cohort(samples, second)
    dataset = vb.data.dataset_from_arrays(x, labels=labels, survival=Survival(duration, event))
    if job == "evaluate":
        return lambda: vb.evaluate(x, dataset, metrics=["leiden", "cox", "probe"])
    return lambda: vb.fit(dataset, variant="vae", latent=10, hidden=(128,), epochs=2)


def slopes(rows: pd.DataFrame) -> list[str]:
    """A line for each run of sizes that differ in one number: slopes of seconds and memory between neighbours."""
    lines = []
    for moving, fixed in (("samples", "second"), ("second", "samples")):
        for value, part in rows.groupby(fixed):
            part = part.sort_values(moving)
            for a, b in zip(part.to_dict("records"), part.to_dict("records")[1:], strict=False):
                step = math.log(b[moving] / a[moving])
                time_slope, memory = (math.log(b[name] / a[name]) / step for name in ("seconds", "gib"))
                lines.append(
                    f"{moving} {a[moving]} to {b[moving]} at {value}: seconds ^{time_slope:.2f}, memory ^{memory:.2f}"
                )
    return lines


def measured(job: str, sizes: Sequence[str], method: str) -> pd.DataFrame:
    """A row a size, printed as it is found."""
    rows = []
    print(f"| {job} | CPU s | wall s | GiB |\n|---|---|---|---|", flush=True)
    for size in sizes:
        samples, second = map(int, size.split("x"))
        command = [sys.executable, __file__, job, "--sizes", size, "--method", method, "--one"]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        rows.append({"samples": samples, "second": second} | found)
        print(f"| {size} | {found['seconds']:.1f} | {found['wall']:.1f} | {found['gib']:.2f} |", flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    """Measure every size in a process of its own, and print the slopes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=SIZES)
    parser.add_argument("--sizes", help="pairs of numbers, with an x between them")
    parser.add_argument("--method", default="", help="of an extraction, or of a refit's intervals")
    parser.add_argument("--one", action="store_true", help="measure one size in this process")
    options = parser.parse_args()
    sizes = (options.sizes or SIZES[options.job]).split(",")
    if not options.one:
        print("\n".join(slopes(measured(options.job, sizes, options.method))))
        return
    work = prepared(options.job, *map(int, sizes[0].split("x")), options.method)
    work()  # compiles
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    used = {"seconds": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    print(json.dumps(used | {"gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))


if __name__ == "__main__":
    main()
