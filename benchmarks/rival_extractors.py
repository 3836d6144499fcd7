"""Extract signatures by another program; run by benchmarks/extractors.py with the interpreter of the program's own environment.

    python rival_extractors.py PROGRAM COUNTS.csv OUT.csv --least 11 --most 11 --replicates 1

Needs pandas and the program alone, not vaebench, for the programs ask for other versions of pandas. COUNTS: one row a sample.
Writes OUT: one row a signature, with its number of signatures in the column ``k``; of several replicates the last.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd


def sklearn_nmf(counts: pd.DataFrame, numbers: range, replicates: int) -> dict[int, np.ndarray]:
    """scikit-learn's KL-NMF from random starts, by multiplicative updates; of several starts the one of least divergence."""
    from sklearn.decomposition import NMF

    found = {}
    for k in numbers:
        fits = []
        for seed in range(replicates):
            how = {"init": "random", "solver": "mu", "beta_loss": "kullback-leibler", "max_iter": 2000}
            model = NMF(k, random_state=seed, **how)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it has not converged
                model.fit(counts.to_numpy(float))
            fits.append((model.reconstruction_err_, model.components_))
        found[k] = min(fits, key=lambda fit: fit[0])[1]
    return found


def salamander(counts: pd.DataFrame, numbers: range, replicates: int) -> dict[int, np.ndarray]:
    """salamander's KL-NMF from its default start, at its defaults."""
    import anndata
    from salamander.models.klnmf import KLNMF

    data = anndata.AnnData(counts.astype(float))
    found = {}
    for k in numbers:
        for _ in range(replicates):
            model = KLNMF(k)
            model.fit(data)
            found[k] = np.asarray(model.signatures.X if hasattr(model.signatures, "X") else model.signatures)
    return found


def sigprofiler(counts: pd.DataFrame, numbers: range, replicates: int) -> dict[int, np.ndarray]:
    """SigProfilerExtractor's signatures of each number, at its defaults; its choice needs many replicates and is not made."""
    from SigProfilerExtractor import sigpro

    folder = Path(tempfile.mkdtemp(prefix="sigprofiler-"))
    table = folder / "counts.txt"
    counts.T.astype(int).rename_axis("MutationType").to_csv(table, sep="\t")
    os.chdir(folder)
    sigpro.sigProfilerExtractor(
        "matrix",
        "out",
        str(table),
        minimum_signatures=numbers[0],
        maximum_signatures=numbers[-1],
        nmf_replicates=replicates,
        cpu=1,
        stop_after_extraction=True,
        make_decomposition_plots=False,
        get_all_signature_matrices=True,
    )
    found = {}
    for path in folder.glob("out/**/*_S*_Signatures.txt"):
        signatures = pd.read_csv(path, sep="\t", index_col=0)
        found[signatures.shape[1]] = signatures.reindex(counts.columns).T.to_numpy()
    return found


PROGRAMS = {"scikit-learn": sklearn_nmf, "salamander": salamander, "SigProfilerExtractor": sigprofiler}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", choices=tuple(PROGRAMS))
    parser.add_argument("counts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--least", type=int, required=True)
    parser.add_argument("--most", type=int, required=True)
    parser.add_argument("--replicates", type=int, default=1)
    options = parser.parse_args()
    counts, out = pd.read_csv(options.counts, index_col=0), options.out.absolute()
    found = PROGRAMS[options.program](counts, range(options.least, options.most + 1), options.replicates)
    each = [pd.DataFrame(rows, columns=counts.columns).assign(k=k) for k, rows in found.items()]
    pd.concat(each).to_csv(out, index=False)


if __name__ == "__main__":
    main()
