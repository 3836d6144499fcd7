"""Measure signatures beside the programs that users would otherwise take, on one catalogue and in one run.

    python benchmarks/peers.py catalogue.csv --signatures 11                        # KL-NMF beside scikit-learn's
    python benchmarks/peers.py catalogue.csv --signatures 11 --reference COSMIC_v3.4_SBS_GRCh37.txt   # and a refit

KL-NMF: CPU milliseconds of one update of one restart, from the same starts; the divergences must agree. Refit: CPU seconds of
all samples by maximum likelihood and with intervals, and beside them SigProfilerAssignment's where it is installed (`pip install
SigProfilerAssignment`). Sides take turns; each number is the least of the repeats, since the machine may be shared.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import numpy as np
import pandas as pd

from vaebench.data.mutations.tables import read_catalogue, read_signatures
from vaebench.signatures.kl_nmf import factorise, random_starts
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.refitting import refit

Call = Callable[[], object]


def cpu_seconds() -> float:
    """Of this process and of those that it started and that have ended."""
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def least_seconds(calls: Mapping[str, Call], repeats: int) -> dict[str, tuple[float, float]]:
    """Least CPU and wall seconds of each call over repeats that take turns, after one call that compiles."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            cpu, wall = cpu_seconds(), time.perf_counter()
            call()
            found[name].append((cpu_seconds() - cpu, time.perf_counter() - wall))
    return {name: (min(c for c, _ in times), min(w for _, w in times)) for name, times in found.items()}


def nmf(x: np.ndarray, signatures: int, restarts: int, updates: int) -> dict[str, Call]:
    """Ours and scikit-learn's updates from the same starts."""
    from sklearn.decomposition import NMF

    starts = random_starts(jax.random.key(0), x, signatures, restarts)
    how = {"init": "custom", "solver": "mu", "beta_loss": "kullback-leibler", "max_iter": updates, "tol": 0}

    def ours() -> np.ndarray:
        return factorise(x, *starts, iterations=updates, tolerance=0).divergence

    def theirs() -> np.ndarray:
        found = []
        for s, e in zip(*starts, strict=True):
            model = NMF(signatures, **how)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it has not converged
                model.fit_transform(x, W=e.astype(float, order="C"), H=s.astype(float, order="C"))
            found.append(model.reconstruction_err_**2 / 2)
        return np.array(found)

    np.testing.assert_allclose(ours(), theirs(), rtol=1e-4)
    return {"vaebench": ours, "scikit-learn": theirs}


def refits(counts: pd.DataFrame, reference: pd.DataFrame) -> dict[str, Call]:
    """A refit of all samples with all signatures of the reference."""
    x, spectra = counts.to_numpy(), reference.to_numpy()
    calls: dict[str, Call] = {
        "vaebench, maximum likelihood": lambda: maximum_likelihood(x, spectra),
        "vaebench, spike_slab with intervals": lambda: refit(counts, reference, intervals="spike_slab"),
    }
    if importlib.util.find_spec("SigProfilerAssignment"):
        from joblib.externals.loky import get_reusable_executor
        from SigProfilerAssignment import Analyzer

        folder = Path(tempfile.mkdtemp(prefix="peers-"))
        counts.T.astype(int).rename_axis("MutationType").to_csv(folder / "counts.txt", sep="\t")
        reference.T.rename_axis("Type").to_csv(folder / "reference.txt", sep="\t")

        def theirs() -> None:
            Analyzer.cosmic_fit(
                samples=str(folder / "counts.txt"),
                output=str(folder / "out"),
                input_type="matrix",
                signature_database=str(folder / "reference.txt"),
                make_plots=False,
                verbose=False,
            )
            # its processes stay for the next call, and only those that have ended are counted
            get_reusable_executor().shutdown(wait=True)

        calls["SigProfilerAssignment"] = theirs
    return calls


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalogue")
    parser.add_argument("--reference", help="signatures to refit; none without")
    parser.add_argument("--signatures", type=int, default=11)
    parser.add_argument("--restarts", type=int, default=4)
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    counts = read_catalogue(options.catalogue)
    print(f"{len(counts)} samples x {counts.shape[1]} channels, least of {options.repeats}\n")
    print("| | CPU | wall | CPU / vaebench's |\n|---|---|---|---|")
    each = 1000 / options.restarts / options.updates
    times = least_seconds(
        nmf(counts.to_numpy(float), options.signatures, options.restarts, options.updates), options.repeats
    )
    for name, (cpu, wall) in times.items():
        ratio = cpu / times["vaebench"][0]
        print(f"| KL-NMF, ms an update and restart, {name} | {cpu * each:.3f} | {wall * each:.3f} | {ratio:.2f}x |")
    if options.reference:
        times = least_seconds(refits(counts, read_signatures(options.reference)), options.repeats)
        first = next(iter(times.values()))[0]
        for name, (cpu, wall) in times.items():
            print(f"| refit, s, {name} | {cpu:.2f} | {wall:.2f} | {cpu / first:.2f}x |")


if __name__ == "__main__":
    main()
