"""Claims 15 to 17 of eltager2023 on real tumours: do latents tell age, gender, immune cells, metastasis and signatures apart?

    VAEBENCH_DATA=data python experiments/tumour_factors.py --out results/tumour_factors/metagsca
    python experiments/tumour_factors.py --preset smoke --out runs/smoke                  # simulated tumours; nothing to conclude

Known features of the study: age, gender, days to metastasis, immune infiltration (here the leukocyte fraction), and the shares of
SBS1, 2, 5, 13, 15 and 40 in a tumour's exome mutations. They are joined by sample name from `expression/tcga_factors.csv.gz`, by
the code behind `vaebench run --factors FILE --factor-columns ...`. Models: the study's six, at its recommended setting (learning
rate 1e-3, Kaiming uniform, Adam, tanh), 10 and 50 latents, three seeds, 128 hidden units, 500 genes, batch 64, 100 epochs.
`--recipes textbook,benchmarked`, `--latents` and `--hidden` train more.

A feature is disentangled if one or two latents correlate with it, |rho| at least 0.1, as in the study. Since |rho| = 0.1 is
p = 0.05 only at 385 samples, the same count is taken after permuting the samples of the features (`null`, the mean of 20). `rule`
counts with shares only of tumours with more than 300 mutations, the study's rule. `weighted` uses all tumours, and weights the
ranks of a share by m / (m + 300) with m mutations: a share of few mutations is mostly noise.

Machine: one CPU core, about 5 minutes; a run that is stopped continues.
Expected: RMIG below 0.1 in every setting, and counts no larger than those of the null.

Writes OUT/table.csv (a line for each recipe, model and number of latents: means and standard deviations over seeds, and
`excess`, the count minus its null, with its 95% interval), OUT/rows.csv (a line a training) and OUT/shared.csv (of
each two features, latents that go with both, as eltager2023_fig8_correlations.py). OUT/run and shared.csv are evidence for
claims.py (`--features`, `--shared`).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from cohorts import cohort
from eltager2023_fig8_correlations import chosen_rows, pairs_table, shared_latents
from scipy.stats import rankdata
from scripts import Parser, comma, entry, keep
from verdicts import mean_range

import vaebench as vb
from vaebench.analysis.settings import is_baseline
from vaebench.data.dataset import dataset_from_arrays
from vaebench.errors import InputError
from vaebench.metrics.rmig import RmigOptions
from vaebench.training.model import kept_embeddings
from vaebench.types import Dataset

MODELS = ("vae", "beta_vae", "beta_tc_vae", "dip_vae", "iwae", "categorical_vae")
SIGNATURES = ("SBS1", "SBS2", "SBS5", "SBS13", "SBS15", "SBS40")
FEATURES = ("age", "gender", "days_to_metastasis", "leukocyte_fraction", *SIGNATURES)
LEAST, THRESHOLD, PERMUTATIONS = 300, 0.1, 20
WEIGHT = "weight"
"""Factor with the weight of a tumour's shares; it is taken out again before anything is scored."""
Part = tuple[Dataset, np.ndarray | None]
"""Samples with their features, and the weights of their shares."""
PAIRS = ("SBS2", "SBS13", "both", "either", "by_chance")
SCORES = {
    "metric/leiden/ari": "ari",
    "metric/rmig/rmig": "rmig",
    "metric/rmig/null_rmig": "rmig_null",
    "metric/dci/disentanglement": "dci",
}


def factor_table(data: Dataset, least: int, folder: Path) -> Path:
    """Write the features as a table for ``--factors``; shares of tumours with at most ``least`` mutations are empty."""
    if data.name.startswith("simulated"):
        table = pd.DataFrame(dict(data.factors)).rename(columns={"immune": "leukocyte_fraction"})
        table.insert(0, "sample", data.samples)
        table["mutations"] = np.random.default_rng(0).integers(100, 600, len(table))
    else:
        source = Path(os.environ["VAEBENCH_DATA"]) / "expression" / "tcga_factors.csv.gz"
        table = pd.read_csv(source).drop(columns="patient")
        table[list(SIGNATURES)] = table[list(SIGNATURES)].div(table["mutations"], axis=0)
    few = ~(table["mutations"] > least)
    table.loc[few, list(SIGNATURES)] = np.nan
    table[WEIGHT] = table["mutations"] / (table["mutations"] + LEAST)
    path = folder / f"factors_above_{least}.csv"
    keep(table, path)
    return path


def with_features(
    data: Dataset, least: int, folder: Path, top: str | None = "<=500", scaling: str = "zscore"
) -> Dataset:
    """The tumours with the study's features; those that are the same for all of them are left out."""
    own = {"age": data.covariates["age"], "gender": (data.covariates["gender"] == data.covariates["gender"][0]) * 1.0}
    labels = np.array(data.label_names)[data.labels]
    about = {"samples": data.samples, "features": data.features, "labels": labels, "covariates": data.covariates}
    about |= {"survival": data.survival, "name": data.name}
    bare = dataset_from_arrays(data.x, **about, factors=own, top=top, scaling=scaling)
    path = factor_table(data, least, folder)
    known, held = bare, [name for name in FEATURES if name not in own]
    for name in held:
        try:
            known = vb.data.with_factors(known, path, [name])
        except InputError as error:
            print(f"note: {error}")
    return known


def weights_of(tumours: Dataset, folder: Path) -> np.ndarray:
    """[N] weight of a tumour's shares, m / (m + 300); 0 where the mutations m are unknown."""
    held = vb.data.with_factors(tumours, factor_table(tumours, 0, folder), [WEIGHT]).factors[WEIGHT]
    return np.nan_to_num(held)


class Ranking(NamedTuple):
    """Latents in the order of their values, so that the ranks among any samples are a cumulative count.

    Attributes:
        order: [L, N], the samples of every latent from its lowest value to its highest.
        ends: [L, N] each, the first place with the same value and the place after the last one.
    """

    order: np.ndarray
    ends: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, z: np.ndarray) -> Ranking:
        """Of an embedding [N, L]."""
        latents = np.ascontiguousarray(z.T)
        order = np.argsort(latents, axis=1)
        ordered = np.take_along_axis(latents, order, axis=1)
        first, after = (np.stack([np.searchsorted(z, z, side) for z in ordered]) for side in ("left", "right"))
        return cls(order, (first, after))

    def among(self, known: np.ndarray) -> np.ndarray:
        """[L, N] ranks among the samples where ``known`` [N], ties by their mean as ``scipy.stats.rankdata``; 0 elsewhere."""
        below = np.zeros((len(self.order), len(known) + 1), np.int32)
        np.cumsum(known[self.order], axis=1, out=below[:, 1:])
        first, after = (np.take_along_axis(below, places, axis=1) for places in self.ends)
        found = np.empty(self.order.shape)
        np.put_along_axis(found, self.order, (first + 1 + after) / 2, axis=1)
        return found * known


def correlated(z: Ranking, parts: Sequence[Part], permutation: np.ndarray | None = None) -> list[dict[str, np.ndarray]]:
    """Of every part, feature -> [L], true where |Spearman's rho| of a latent with it is at least the threshold.

    ``permutation`` [N] moves the features, and the weights with them, to other samples.
    """
    ranks: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}  # features that are known of the same samples share them
    found: list[dict[str, np.ndarray]] = [{} for _ in parts]
    for held, (data, weights) in zip(found, parts, strict=True):
        for name, values in data.factors.items():
            weight = np.ones(len(values)) if weights is None or name not in SIGNATURES else weights
            if permutation is not None:
                values, weight = values[permutation], weight[permutation]
            known = ~np.isnan(values)
            if known.sum() < 10:
                continue
            if known.tobytes() not in ranks:
                a = z.among(known)
                ranks[known.tobytes()] = a, a**2
            a, squares = ranks[known.tobytes()]
            w = np.where(known, weight, 0) / weight[known].sum()
            b = np.zeros(len(values))
            b[known] = rankdata(values[known])
            b = b - w @ b
            scale = np.sqrt(np.maximum(squares @ w - (a @ w) ** 2, 0) * (w @ b**2))
            held[name] = np.abs(a @ (w * b)) >= THRESHOLD * np.where(scale > 0, scale, np.inf)
    return found


def disentangled(correlations: dict[str, np.ndarray]) -> int:
    """Number of features that one or two latents correlate with."""
    return sum(1 <= held.sum() <= 2 for held in correlations.values())


def with_null(
    z: np.ndarray, parts: Sequence[Part], permutations: int
) -> tuple[list[dict[str, np.ndarray]], list[float]]:
    """Correlated latents of every part, and the mean of its disentangled features when samples are permuted."""
    rng, ranking = np.random.default_rng(0), Ranking.of(z)
    orders = [rng.permutation(len(z)) for _ in range(permutations)]
    counts = [[disentangled(part) for part in correlated(ranking, parts, order)] for order in orders]
    return correlated(ranking, parts), np.mean(counts, axis=0).tolist()


def counted(z: np.ndarray, data: Dataset, ruled: Dataset, weights: np.ndarray | None = None) -> dict[str, float]:
    """Counts of disentangled features of an embedding: all shares, with the study's rule, weighted; and their nulls."""
    counts, means = with_null(z, [(data, None), (ruled, None), (data, weights)], PERMUTATIONS)
    both = counts[0]
    two, thirteen = (both.get(name, np.zeros(z.shape[1], bool)) for name in ("SBS2", "SBS13"))
    found: dict[str, float] = {"features": len(both), "correlated": sum(bool(held.any()) for held in both.values())}
    for name, part, mean in zip(("disentangled", "rule", "weighted"), counts, means, strict=True):
        null = "null" if name == "disentangled" else f"{name}_null"
        found[name], found[null] = disentangled(part), mean
        found["excess" if name == "disentangled" else f"{name}_excess"] = found[name] - found[null]
    return found | {
        "SBS2": int(two.sum()),
        "SBS13": int(thirteen.sum()),
        "both": int((two & thirteen).sum()),
        "either": int((two | thirteen).sum()),
        "by_chance": float(two.sum() * thirteen.sum() / len(two)),
    }


def shared_by_model(models: pd.DataFrame, data: Dataset, folder: Path) -> pd.DataFrame:
    """Latents that two features share, of the training of lowest loss of every model at its smallest number of latents."""
    kept, chosen = kept_embeddings(folder), chosen_rows(models.reset_index())
    chosen = chosen[chosen["point"].isin(list(kept))]
    lines = zip(chosen["point"], chosen["static/variant"], strict=True)
    pairs = [pairs_table(kept[point], data, {"model": name, "point": point}) for point, name in lines]
    return shared_latents(pd.concat(pairs)).assign(data=data.name)


def planned(options: argparse.Namespace) -> list[vb.Point]:
    """The trainings."""
    axes = {"recipe": options.recipes, "latent": options.latents, "seed": range(options.seeds)}
    small = {"hidden": (options.hidden,), "epochs": 100, "batch": 64}
    small = {"hidden": (16,), "epochs": 3, "batch": 16} if options.preset == "smoke" else small
    return vb.space.product(variant=list(MODELS), **axes, **small, study="known_factors")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, count and write the tables."""
    parser = Parser(__doc__, "runs/tumour_factors")
    parser.add_argument("--preset", choices=("smoke", "cpu"), default="cpu")
    parser.add_argument("--data", choices=("metagsca", "pancan_eb", "porpoise"), default="metagsca")
    parser.add_argument("--latents", type=comma(int), default=[10, 50])
    parser.add_argument("--recipes", type=comma(), default=["textbook"])
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--run", type=Path, default=None, help="folder of the trainings (default: OUT/run)")
    options = parser.parse_args(arguments)
    if options.preset == "smoke":
        options.latents, options.seeds = [10], 1
    tumours = cohort("simulated" if options.preset == "smoke" else options.data)
    folder = options.run or options.out / "run"
    data, ruled = (with_features(tumours, least, folder) for least in (0, LEAST))
    weights = weights_of(tumours, folder)
    rows = vb.run(
        planned(options),
        data,
        ["leiden", "rmig", "dci", "correlation"],
        folder,
        metric_options={"rmig": RmigOptions(permutations=4)},  # their mean is reported, not a p
        evaluators=0,
        keep_embeddings=True,
        command=" ".join(sys.argv),
    )
    models = rows[~is_baseline(rows)].set_index("point")
    counts = pd.DataFrame({point: counted(z, data, ruled, weights) for point, z in kept_embeddings(folder).items()}).T
    table = models.join(counts, how="left").rename(columns=SCORES)
    by = table.groupby(["static/recipe", "static/variant", "static/latent"], sort=False)
    counts = [f"{name}{end}" for name in ("rule", "weighted") for end in ("", "_null", "_excess")]
    scores = [*SCORES.values(), "features", "disentangled", "null", "excess", "correlated", *counts]
    found = by[scores].agg(["mean", "std"])
    found.columns = [name if kind == "mean" else f"{name}_sd" for name, kind in found.columns]
    found.insert(0, "n", by["disentangled"].count())
    for name in (score for score in scores if score.endswith("excess")):
        ends = by[name].agg(lambda values: mean_range(values.to_numpy(float))[1:])
        found[f"{name}_low"], found[f"{name}_high"] = ends.str[0], ends.str[1]
    held = ["static/recipe", "static/variant", "static/latent", "traced/seed", *scores, *PAIRS]
    keep(table[held], options.out / "rows.csv")
    keep(found.reset_index(), options.out / "table.csv")
    keep(shared_by_model(models, data, folder), options.out / "shared.csv")
    print("\n".join(data.notes[-len(FEATURES) :]))
    print(found.round(3).to_string())


if __name__ == "__main__":
    sys.exit(entry(main))
