"""CPU seconds, memory, mixing and coverage of `spike_slab` on simulated tumours with a few of COSMIC's signatures.

    python benchmarks/refit.py COSMIC_v3.4_SBS_GRCh37.txt --samples 100                 # genomes: about a minute
    python benchmarks/refit.py COSMIC_v3.4_SBS_GRCh37.txt --samples 100 --scale 0.03    # exomes

The table is COSMIC's own, from its download page. A tumour has each signature of ``SIGNATURES`` with the probability there,
and a log-normal exposure. Prints one JSON line; CPU seconds are those of the refit alone, its compilation included.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np
import pandas as pd

SIGNATURES = {
    "SBS1": (0.9, 300, 0.7),
    "SBS5": (0.9, 1500, 0.7),
    "SBS40": (0.4, 1500, 0.8),
    "SBS2": (0.4, 300, 1.0),
    "SBS13": (0.4, 300, 1.0),
    "SBS3": (0.2, 2500, 0.6),
    "SBS8": (0.2, 600, 0.7),
    "SBS18": (0.3, 500, 0.8),
    "SBS4": (0.15, 5000, 1.0),
    "SBS17a": (0.15, 500, 1.0),
    "SBS17b": (0.15, 800, 1.0),
    "SBS12": (0.1, 2000, 0.7),
    "SBS7a": (0.1, 8000, 1.0),
    "SBS7b": (0.1, 3000, 1.0),
    "SBS6": (0.05, 5000, 0.8),
    "SBS44": (0.05, 5000, 0.8),
    "SBS9": (0.1, 1500, 0.6),
    "SBS22": (0.03, 6000, 1.0),
    "SBS16": (0.1, 1000, 0.7),
    "SBS30": (0.05, 800, 0.7),
}
"""P(present), median mutations of a genome, standard deviation of their logarithm; of SBS40 and SBS22 also as SBS40a, SBS22a."""


def cohort(signatures: pd.DataFrame, samples: int, scale: float, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """Counts and true exposures [T, S] of tumours with mutations."""
    rng = np.random.default_rng(seed)
    truth = pd.DataFrame(0.0, [f"t{i}" for i in range(samples)], signatures.index)
    for name, (presence, median, spread) in SIGNATURES.items():
        name = name if name in truth else name + "a"
        on = rng.random(samples) < presence
        truth[name] = np.where(on, median * scale * np.exp(spread * rng.standard_normal(samples)), 0.0)
    counts = pd.DataFrame(rng.poisson(truth @ signatures), truth.index, signatures.columns)
    some = counts.sum(axis=1) > 0
    return counts[some], truth[some].to_numpy()


def main() -> None:
    """Refit one cohort."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cosmic")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    import vaebench as vb

    signatures = pd.read_csv(options.cosmic, sep="\t", index_col=0).T
    signatures = signatures.div(signatures.sum(axis=1), axis=0)
    counts, truth = cohort(signatures, options.samples, options.scale)
    started, used = time.perf_counter(), time.process_time()
    fit = vb.signatures.refit(counts, signatures, intervals="spike_slab")
    cost = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - used}
    assert fit.intervals is not None
    lower, upper, presence = (fit.intervals[v].to_numpy().reshape(truth.shape) for v in ("lower", "upper", "presence"))
    covered, on = (lower <= truth) & (truth <= upper), truth > 0
    doubtful = (presence > 0.7) & (presence < 0.98)
    cost |= {
        "GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "coverage": covered[on].mean(),
        "width": (upper - lower)[on].mean(),
        "presence said": presence[doubtful].mean(),
        "presence found": on[doubtful].mean(),
        **{name: fit.diagnostics[name] for name in ("sweeps", "r_hat_99", "effective_draws_1")},
    }
    print(json.dumps({name: round(float(value), 3) for name, value in cost.items()}))


if __name__ == "__main__":
    main()
