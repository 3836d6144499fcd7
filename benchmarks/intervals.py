"""Measure the seconds of each interval method, and of a bootstrap that loops over samples and redraws, in one run.

    python benchmarks/intervals.py                                  # 1,000 samples x 11 and x 79 signatures: about 10 minutes
    python benchmarks/intervals.py --samples 100 --signatures 5 --methods spike_slab

Wall-clock seconds with all cores, for the first call of each method, so that compilation counts as it does for a user. The
catalogue is simulated with three cancer types; signatures are Dirichlet draws. The rival refits each redraw of each sample by
scipy's non-negative least squares, as bootstraps of exposures commonly do. Its seconds are those of 20 samples, scaled to all.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from vaebench.data.mutations.channels import CHANNELS
from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.data.mutations.tables import cancer_types
from vaebench.signatures.intervals.options import BOOTSTRAP
from vaebench.signatures.refitting import refit

SHARE = 20
"""Samples the rival is timed on."""


def loop_seconds(catalogue: pd.DataFrame, signatures: pd.DataFrame) -> float:
    """Seconds of a parametric bootstrap by one refit after another, scaled from :data:`SHARE` samples."""
    rng, s = np.random.default_rng(0), signatures.to_numpy().T
    x = catalogue.to_numpy()[:SHARE]
    started = time.perf_counter()
    for row in x:
        mean = s @ nnls(s, row)[0]
        found = [nnls(s, counts)[0] for counts in rng.poisson(mean, (BOOTSTRAP.replicates, len(mean))).astype(float)]
        np.quantile(found, [0.025, 0.975], axis=0)
    return (time.perf_counter() - started) * len(catalogue) / len(x)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--signatures", type=lambda text: [int(n) for n in text.split(",")], default=[11, 79])
    methods = ["spike_slab", "profile_likelihood", "bootstrap", "conformal"]
    parser.add_argument("--methods", type=lambda text: text.split(","), default=methods)
    options = parser.parse_args()
    for number in options.signatures:
        rows = np.random.default_rng(number).dirichlet(np.full(96, 0.2), number)
        given = pd.DataFrame(rows, pd.Index([f"S{k + 1}" for k in range(number)], name="signature"), list(CHANNELS))
        catalogue, _ = simulate_catalogue(0, tumours=options.samples, signatures=given, types=3)
        rival = loop_seconds(catalogue, given)
        print(f"{options.samples} samples x {number} signatures; bootstrap as a loop: {rival:.1f} s", flush=True)
        for method in options.methods:
            started = time.perf_counter()
            refit(catalogue, given, intervals=method, types=cancer_types(catalogue.index))
            print(f"  {method:20} {time.perf_counter() - started:8.1f} s", flush=True)


if __name__ == "__main__":
    main()
