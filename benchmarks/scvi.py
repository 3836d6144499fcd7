"""Counts by our VAEs, scvi-tools and PCA: ARI on a simulated cohort at equal epochs and at equal CPU seconds.

    python benchmarks/scvi.py --out results/scvi                          # 3 seeds, 1,200 samples x 1,000 genes
    python benchmarks/scvi.py --look --out results/scvi                   # why few epochs are not enough
    python benchmarks/scvi.py --python other/bin/python                   # scvi-tools in an environment of its own
    python benchmarks/scvi.py --table counts.csv --label type --out ...   # any table of raw counts
    VAEBENCH_DATA=data python benchmarks/scvi.py --metagsca --out results/scvi/metagsca        # 602 tumours of 11 cohorts

Every model has 10 latents, one hidden layer of 128 units, and 90% of the samples in training. Its score is the ARI of the types
with Leiden clusters of its posterior means (15 neighbours, modularity). Seconds are CPU seconds of training, all threads
together, without imports and compilation. ``equal seconds`` trains ours for as long as scvi-tools took for ``--epochs``.

Needs scvi-tools for its rows, which are left out without: pip install '.[bench]'.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

LATENT, HIDDEN = 10, 128
SCVI_WARMUP = 400
"""Epochs of the KL warm-up of scvi-tools by default: in 20 epochs its weight grows from 0 to 0.05."""
LOOK_SEEDS = 100
"""First seed of ``--look``, so that no setting is chosen by the cohorts that are reported."""
COLUMNS = ("model", "settings", "epochs", "seed", "ari", "cpu_seconds")
Row = tuple[str, str, int, int, float, float]
Done = set[tuple[str, str, int]]
"""Model, settings and seed of the rows that are there already."""


def simulated_counts(seed: int, samples: int, genes: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts [N, D] of the simulated cohort, Poisson with mean depth (2^x - 1), log depth of N(0, 0.3), and its types [N]."""
    import vaebench as vb

    data, _ = vb.data.simulate_cohort(seed, samples=samples, genes=genes, scaling="none")
    rng = np.random.default_rng(seed)
    depth = np.exp(rng.normal(0, 0.3, (samples, 1)))
    counts = rng.poisson(depth * (np.exp2(data.x.astype(np.float64)) - 1))
    return counts, np.array(data.label_names)[data.labels]


def table_counts(path: str, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Counts and labels of a table."""
    import vaebench as vb

    data = vb.data.read_table(path, label=label, counts=True)
    return data.counts.values, np.array(data.label_names)[data.labels]


def tumour_counts() -> tuple[np.ndarray, np.ndarray]:
    """Normalised counts of the 602 tumours of `metagsca`, 2^x - 1 to the nearest whole number, 1,000 genes, and their cohorts."""
    import vaebench as vb

    path = Path(os.environ["VAEBENCH_DATA"]) / "expression" / "metagsca_11_cohorts.csv.gz"
    data = vb.data.read_table(path, label="cohort", where="tumor==1", scaling="none", top=1000)
    return np.rint(np.maximum(np.exp2(data.x.astype(np.float64)) - 1, 0)), np.array(data.label_names)[data.labels]


def ari_of(z: np.ndarray, data) -> float:
    import vaebench as vb

    return vb.evaluate(z, data, metrics=["leiden"])["leiden"]["ari"]


def trained(data, point, logvar: float | None = None) -> tuple[np.ndarray, float]:
    """z [N, L] of one training and its CPU seconds; the program must be compiled already.

    Args:
        data: the data set.
        point: the settings.
        logvar: initial log-variance of every posterior; ``None`` for that of the initialisation.
    """
    import jax
    import jax.numpy as jnp

    from vaebench.training.pool import lane_inputs, trained_points

    def begin(program, point):
        lane = program.start(*lane_inputs(point, data))
        if logvar is None:
            return lane
        params = dict(lane.variables["params"])
        head = params["logvar_head"]
        params["logvar_head"] = {"kernel": 0.01 * head["kernel"], "bias": jnp.full_like(head["bias"], logvar)}
        return lane._replace(variables={**lane.variables, "params": params})

    x = jnp.asarray(data.x)
    started = time.process_time()
    (item,) = [item for tick in trained_points([point], data, x, 1, begin=begin) for item in tick.finished]
    jax.block_until_ready(x)
    return item.z if item.z is not None else np.full((len(x), point.latent), np.nan), time.process_time() - started


def ours(options: argparse.Namespace, seeds: range, seconds: float | None, done: Done) -> Iterator[Row]:
    """Our models at ``--epochs``, and for ``seconds`` each where that is known; then PCA."""
    import vaebench as vb
    from vaebench.data.dataset import dataset_from_arrays

    base = {"latent": LATENT, "hidden": (HIDDEN,), "stopping": "fixed", "valid_fraction": 0.1}
    count, chosen = {"likelihood": "negative_binomial"}, {"learning_rate": 3e-3, "kl_warmup": SCVI_WARMUP}
    models = {
        "gaussian, log2 counts": {},
        "gaussian, log2 counts, rate 0.003, KL warm-up over 400 epochs": chosen,
        "negative binomial": count,
        "negative binomial, rate 0.003, KL warm-up over 400 epochs": {**count, **chosen},
    }
    for seed in seeds:
        counts, types = cohort(options, seed)
        data = dataset_from_arrays(counts, labels=types, counts=True)
        if ("PCA", "log2 counts", seed) not in done:
            yield "PCA", "log2 counts", 0, seed, ari_of(vb.evaluation.pca_embedding(data.x, LATENT), data), 0.0
        for name, settings in models.items():
            point = vb.space.point(**base, **settings, seed=seed, epochs=options.epochs)
            wanted = [kind for kind in ("equal epochs", "equal seconds") if (name, kind, seed) not in done]
            if not wanted:
                continue
            trained(data, dataclasses.replace(point, epochs=1))  # compiles
            z, spent = trained(data, point)
            if "equal epochs" in wanted:
                yield name, "equal epochs", options.epochs, seed, ari_of(z, data), spent
            if seconds and "equal seconds" in wanted:
                epochs = max(1, round(options.epochs * seconds / spent))
                z, spent = trained(data, dataclasses.replace(point, epochs=epochs))
                yield name, "equal seconds", epochs, seed, ari_of(z, data), spent


def look(options: argparse.Namespace, seeds: range, done: Done) -> Iterator[Row]:
    """Both likelihoods at ``--epochs``: one setting changed at a time, and those together that help."""
    import vaebench as vb
    from vaebench.data.dataset import dataset_from_arrays

    slow, fast, faster = {"kl_warmup": SCVI_WARMUP}, {"learning_rate": 3e-3}, {"learning_rate": 1e-2}
    settings = {
        "as it is (rate 0.001, batch 64, tanh)": ({}, None),
        "rate 0.003": (fast, None),
        "rate 0.01": (faster, None),
        "rate 0.01, times 0.9 an epoch": ({**faster, "decay": 0.9}, None),
        "batch 32": ({"batch": 32}, None),
        "batch 128": ({"batch": 128}, None),
        "initial log-variance -2": ({}, -2.0),
        "initial log-variance -4": ({}, -4.0),
        "KL warm-up over all epochs": ({"kl_warmup": options.epochs}, None),
        "KL warm-up over 400 epochs": (slow, None),
        "relu": ({"activation": "relu"}, None),
        "relu, batch 128, KL warm-up over 400 epochs": ({"activation": "relu", "batch": 128, **slow}, None),
        "rate 0.003, KL warm-up over 400 epochs": ({**fast, **slow}, None),
        "rate 0.01, KL warm-up over 400 epochs": ({**faster, **slow}, None),
        "batch 32, rate 0.003, KL warm-up over 400 epochs": ({"batch": 32, **fast, **slow}, None),
        "rate 0.01, relu, KL warm-up over 400 epochs": ({**faster, "activation": "relu", **slow}, None),
        "75 epochs": ({"epochs": 75}, None),
        "75 epochs, KL warm-up over 400 epochs": ({"epochs": 75, **slow}, None),
    }
    base = {"latent": LATENT, "hidden": (HIDDEN,), "stopping": "fixed", "valid_fraction": 0.1, "epochs": options.epochs}
    for seed in seeds:
        counts, types = cohort(options, seed)
        data = dataset_from_arrays(counts, labels=types, counts=True)
        for model, likelihood in (("negative binomial", "negative_binomial"), ("gaussian, log2 counts", "own")):
            for name, (changed, logvar) in settings.items():
                if (model, name, seed) in done:
                    continue
                point = vb.space.point(**(base | changed), likelihood=likelihood, seed=seed)
                trained(data, dataclasses.replace(point, epochs=1))  # compiles
                z, spent = trained(data, point, logvar)
                yield model, name, point.epochs, seed, ari_of(z, data), spent


def rivals(options: argparse.Namespace, seeds: range, done: Done) -> Iterator[Row]:
    """scvi-tools with its defaults but 10 latents, trained in a process of its own; nothing where it is not installed."""
    from vaebench.data.dataset import dataset_from_arrays

    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            counts, types = cohort(options, seed)
            data = dataset_from_arrays(counts, labels=types, counts=True)
            np.save(f"{folder}/counts.npy", counts.astype(np.float32))
            for likelihood in ("nb", "normal"):
                if (f"scvi-tools, {likelihood}", "equal epochs", seed) in done:
                    continue
                how = [folder, str(options.epochs), str(seed), likelihood]
                ended = subprocess.run(
                    [options.python, __file__, "--worker", *how], capture_output=True, text=True, check=False
                )
                if ended.returncode:
                    reason = ended.stderr.strip().splitlines()[-1:] or ["no message"]
                    print(f"no rows of scvi-tools ({reason[0][:150]}); install it with: pip install '.[bench]'")
                    return
                z, spent = np.load(f"{folder}/z.npy"), float(ended.stdout.split()[-1])
                yield f"scvi-tools, {likelihood}", "equal epochs", options.epochs, seed, ari_of(z, data), spent


def worker(folder: str, epochs: str, seed: str, likelihood: str) -> None:
    """Train scvi-tools on FOLDER/counts.npy, write FOLDER/z.npy and print the CPU seconds; imports nothing of ours."""
    import anndata
    import scvi as package
    import torch

    torch.set_num_threads(1)  # threads that wait for each other spend CPU seconds too
    package.settings.seed = int(seed)
    counts = np.load(f"{folder}/counts.npy")
    cells = anndata.AnnData(counts if likelihood == "nb" else np.log2(counts + 1))
    package.model.SCVI.setup_anndata(cells)
    model = package.model.SCVI(cells, n_latent=LATENT, n_hidden=HIDDEN, gene_likelihood=likelihood)
    how = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False, "train_size": 0.9}
    model.train(max_epochs=1, **how)  # what the first call alone costs
    model = package.model.SCVI(cells, n_latent=LATENT, n_hidden=HIDDEN, gene_likelihood=likelihood)
    started = time.process_time()
    model.train(max_epochs=int(epochs), **how)
    spent = time.process_time() - started
    np.save(f"{folder}/z.npy", model.get_latent_representation())
    print(spent)


def cohort(options: argparse.Namespace, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts and types: of ``--table``, or simulated."""
    if options.table:
        return table_counts(options.table, options.label)
    if options.metagsca:
        return tumour_counts()
    return simulated_counts(seed, options.samples, options.genes)


def main() -> int:
    """Write OUT/scvi.csv or OUT/look.csv and print means and standard deviations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/scvi"))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=1200)
    parser.add_argument("--genes", type=int, default=1000)
    parser.add_argument("--table", default="")
    parser.add_argument("--label", default="type")
    parser.add_argument(
        "--metagsca", action="store_true", help="tumours of 11 TCGA cohorts, from the folder VAEBENCH_DATA"
    )
    parser.add_argument("--look", action="store_true")
    parser.add_argument("--seconds", type=float, help="CPU seconds of scvi-tools, where it was measured elsewhere")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has scvi-tools")
    options = parser.parse_args()
    first = LOOK_SEEDS if options.look else 0
    seeds = range(first, first + options.seeds)
    import pandas as pd

    path = options.out / ("look.csv" if options.look else "scvi.csv")
    kept = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=list(COLUMNS))
    done = {tuple(row) for row in kept[["model", "settings", "seed"]].itertuples(index=False)}
    options.out.mkdir(parents=True, exist_ok=True)

    def added(rows: Iterator[Row]) -> None:
        """Write every row as soon as it is there, so that a run that is stopped continues."""
        nonlocal kept
        for row in rows:
            new = pd.DataFrame([row], columns=list(COLUMNS))
            kept = pd.concat([kept, new], ignore_index=True) if len(kept) else new
            kept.to_csv(path, index=False, float_format="%.4g")
            print(*row, flush=True)

    if options.look:
        added(look(options, seeds, done))
    else:
        added(rivals(options, seeds, done))
        measured = kept.loc[kept["model"] == "scvi-tools, nb", "cpu_seconds"]
        seconds = options.seconds or (float(measured.mean()) if len(measured) else None)
        added(ours(options, seeds, seconds, done))
    shown = kept.groupby(["model", "settings"], sort=False)[["ari", "cpu_seconds"]].agg(["mean", "std"])
    print(shown.round(3).to_string())
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        sys.path.pop(0)  # this file's folder, in which this file has the name of the package
        worker(*sys.argv[2:])
    else:
        sys.exit(main())
