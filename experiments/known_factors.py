"""Models that may know something, on data with known factors: recovered where the theory says so, and not where it says not.

    VAEBENCH_DATA=data python experiments/known_factors.py --preset cpu --out results/open_questions
    python experiments/known_factors.py --preset smoke --out runs/smoke              # two trainings of each, nothing to conclude

Four questions, three on simulated data:
* identified: sources whose spread depends on a segment u (Khemakhem et al. 2020, section 5.1), mixed by a random network. MCC of
  latents and sources, and between seeds, of identifiable_vae, of vae, and of identifiable_vae with u shuffled.
* batch: a simulated cohort in which half of the samples have other values of half of the genes. ARI of Leiden clusters with
  the batch and with the cancer type, and the share of neighbourhoods with the batches' frequencies (kBET).
* guided: the proliferation of a simulated cohort, told for half of the samples. Correlation with it in the other half, of the
  latent of semi_supervised_vae and of the best latent of vae.
* cohorts: COAD and STAD of `metagsca`, tumours and paired normals, whose values come from two cohorts with other floors. The
  scores of `batch`, with the cohort as the batch and tumour or normal as the type. Only with VAEBENCH_DATA.

Machine: one CPU core; `--preset cpu --questions cohorts,batch` takes two minutes, smoke one. A run that is stopped continues.
Expected: conditional_vae mixes a batch (0.8 of the neighbourhoods; vae 0) and keeps types. The others were not run at full size;
the theory says that MCC is higher with u than with u shuffled.

Writes OUT/known_factors.csv: one row for each question, model, seed and score.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from cohorts import FILES
from scipy import stats
from scripts import Parser, comma, entry, keep

import vaebench as vb
from vaebench.analysis.identifiability import mean_correlation_coefficient, seed_agreement
from vaebench.metrics.shared.neighbours import nearest
from vaebench.types import Dataset

Row = tuple[str, str, int, str, float]


class Size(NamedTuple):
    """Size of the data and trainings: samples, features, epochs, seeds."""

    samples: int
    features: int
    epochs: int
    seeds: int


SIZES = {"smoke": Size(240, 60, 2, 2), "cpu": Size(1000, 200, 100, 5), "full": Size(2000, 200, 200, 5)}
NEIGHBOURS, LEVEL = 30, 0.05
"""Size of a neighbourhood, and level of the test of its batches."""


def sources(size: Size, count: int = 3, segments: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x [N, D], sources [N, count] whose mean and spread depend on the segment, and the segment's name [N]."""
    rng = np.random.default_rng(0)
    segment = rng.integers(0, segments, size.samples)
    mean, spread = rng.normal(0, 2, (segments, count)), rng.uniform(0.2, 2, (segments, count))
    z = mean[segment] + spread[segment] * rng.normal(size=(size.samples, count))
    hidden = np.tanh(z / 3 @ rng.normal(size=(count, 2 * count)))
    x = hidden @ rng.normal(size=(2 * count, size.features)) + 0.1 * rng.normal(size=(size.samples, size.features))
    return x, z, np.char.add("u", segment.astype(str))


def trained(data: Dataset, variant: str, size: Size, seed: int, **settings: Any) -> np.ndarray:
    """z [N, L] of one training."""
    model = vb.fit(data, variant=variant, seed=seed, epochs=size.epochs, hidden=(64,), **settings)
    return np.asarray(model.embed(data.x, data.auxiliary))


def identified(size: Size) -> Iterator[Row]:
    """MCC with the truth and between seeds."""
    x, truth, segment = sources(size)
    shuffled = np.random.default_rng(1).permutation(segment)
    for name, variant, known in (
        ("identifiable_vae", "identifiable_vae", segment),
        ("identifiable_vae, u shuffled", "identifiable_vae", shuffled),
        ("vae", "vae", segment),
    ):
        data = vb.data.dataset_from_arrays(x, auxiliary={"segment": known})
        found = [trained(data, variant, size, seed, latent=truth.shape[1]) for seed in range(size.seeds)]
        for seed, z in enumerate(found):
            yield "identified", name, seed, "mcc_truth", mean_correlation_coefficient(truth, z).mcc
        yield "identified", name, -1, "mcc_seeds", seed_agreement(found)


def mixing(z: np.ndarray, batch: np.ndarray) -> float:
    """Share of samples whose neighbours have the batches' frequencies, by a chi-squared test; kBET of Buettner et al. 2019."""
    names, codes = np.unique(batch, return_inverse=True)
    index, _ = nearest(z, NEIGHBOURS)
    seen = np.stack([(codes[index] == place).sum(1) for place in range(len(names))], axis=1)
    expected = NEIGHBOURS * np.bincount(codes) / len(codes)
    return float((stats.chi2.sf(((seen - expected) ** 2 / expected).sum(1), len(names) - 1) > LEVEL).mean())


def batch_removed(size: Size) -> Iterator[Row]:
    """ARI with batch and type, and mixing of the batches, of a simulated cohort."""
    cohort, _ = vb.data.simulate_cohort(seed=0, samples=size.samples, genes=size.features, types=6)
    rng = np.random.default_rng(0)
    batch = np.where(rng.random(size.samples) < 0.5, "b1", "b2")
    moved = rng.random(size.features) < 0.5
    x = cohort.x + 1.5 * (batch == "b2")[:, None] * moved[None]
    yield from _batch_rows("batch", x, np.array(cohort.label_names)[cohort.labels], batch, size)


def cohorts(size: Size) -> Iterator[Row]:
    """The same of two real cohorts, whose tissues and floors differ; nothing where the data are not there."""
    if "VAEBENCH_DATA" not in os.environ or size == SIZES["smoke"]:
        return
    path = Path(os.environ["VAEBENCH_DATA"]) / "expression" / FILES["metagsca"]
    data = vb.data.read_table(path, label="cohort", covariates=("tumor",), scaling="none")
    batch = np.array(data.label_names)[data.labels]
    two = np.isin(batch, ["COAD", "STAD"])
    tissue = np.where(np.asarray(data.covariates["tumor"], float) == 1, "tumour", "normal")
    yield from _batch_rows("cohorts", data.x[two], tissue[two], batch[two], size)


def _batch_rows(question: str, x: np.ndarray, types: np.ndarray, batch: np.ndarray, size: Size) -> Iterator[Row]:
    data = vb.data.dataset_from_arrays(x, labels=types, auxiliary={"batch": batch}, top="<=500")
    names, codes = np.unique(batch, return_inverse=True)
    by_batch = dataclasses.replace(data, labels=codes.astype(np.int32), label_names=tuple(names.tolist()))
    for variant in ("conditional_vae", "vae", "PCA"):
        for seed in range(1 if variant == "PCA" else size.seeds):
            pca = variant == "PCA"
            z = vb.evaluation.pca_embedding(data.x, 10) if pca else trained(data, variant, size, seed, latent=10)
            for score, against in (("ari_type", data), ("ari_batch", by_batch)):
                yield question, variant, seed, score, vb.evaluate(z, against, metrics=["leiden"])["leiden"]["ari"]
            yield question, variant, seed, "mixing", mixing(z, batch)


def guided(size: Size) -> Iterator[Row]:
    """Correlation with a factor in the samples for which it was not told."""
    cohort, _ = vb.data.simulate_cohort(seed=0, samples=size.samples, genes=size.features, types=6)
    factor = cohort.factors["proliferation"]
    hidden = np.random.default_rng(0).random(size.samples) < 0.5
    data = vb.data.dataset_from_arrays(cohort.x, auxiliary={"proliferation": np.where(hidden, np.nan, factor)})
    for variant in ("semi_supervised_vae", "vae"):
        for seed in range(size.seeds):
            z = trained(data, variant, size, seed, latent=10)[hidden]
            found = np.abs([stats.pearsonr(column, factor[hidden]).statistic for column in z.T])
            yield "guided", variant, seed, "correlation", float(found[0] if variant != "vae" else found.max())


QUESTIONS = {"identified": identified, "batch": batch_removed, "guided": guided, "cohorts": cohorts}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table."""
    parser = Parser(__doc__, "runs/known_factors")
    parser.add_argument("--preset", choices=tuple(SIZES), default="full")
    parser.add_argument("--questions", type=comma(), default=list(QUESTIONS), help="default: all")
    options = parser.parse_args(arguments)
    size, path = SIZES[options.preset], options.out / "known_factors.csv"
    columns = ["question", "model", "seed", "score", "value"]
    rows: list[Any] = pd.read_csv(path).to_numpy().tolist() if path.exists() else []
    for question, made in QUESTIONS.items():
        if question in options.questions and question not in {row[0] for row in rows}:
            rows += made(size)
            keep(pd.DataFrame(rows, columns=columns), path)
            print(f"{question}: done", file=sys.stderr, flush=True)
    table = pd.DataFrame(rows, columns=columns)
    print(table.groupby(["question", "model", "score"])["value"].agg(["mean", "std"]).round(3))


if __name__ == "__main__":
    sys.exit(entry(main))
