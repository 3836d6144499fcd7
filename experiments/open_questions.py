"""Do models that know something disentangle real tumours, and at what price? The open questions of eltager2023.

    VAEBENCH_DATA=data python experiments/open_questions.py --out results/open_questions
    python experiments/open_questions.py --preset smoke --out runs/smoke              # simulated; nothing to conclude

Data: the simulated cohort (600 samples x 500 genes, 8 types), `metagsca`, `pancan_eb` and (`--data porpoise`) the 5,240 tumours
of `porpoise`, with the ten features of `tumour_factors.py`. Features: age, gender and, on real tumours, days to metastasis,
leukocyte fraction and shares of SBS1, 2, 5, 13, 15 and 40; on simulated ones also proliferation and hypoxia.

Models, 20 latents each: vae, beta_vae (beta 4), vae with correlated errors, constrained_vae, mixture_vae (mixture,
VampPrior), which are told nothing; conditional_vae and identifiable_vae, told the type of every sample; semi_supervised_vae
and identifiable_vae, told the features of a random half of the samples. PCA beside them. Setting: the studies' recommended
one, 128 hidden units, 500 genes, 100 epochs, ten seeds, fixed before anything was trained.

Scores of disentanglement are taken on the other half, for which no model was told a feature: RMIG (bins over each latent's
range) and its null, DCI, features tied to one or two latents (|rho| >= 0.1) and their null, and `matched`: every feature
gets a latent of its own, and |rho| is averaged. Nulls permute the samples of the features. MCC is that of two trainings with
different seeds, and `mcc_rotated` that of one of them and the other turned at random, which keeps the subspace and loses the
axes. ARI, Cox AIC and R2 of the reconstruction are those of all samples.

Machine: one CPU core, about 4 minutes for three seeds of one data set, 31 for ten of `porpoise`; a run that is stopped
continues.
Expected: told features are matched better than by `vae` in samples for which they were not told; models that are told
nothing are not ahead of it, as the theorem of Locatello et al. 2019 says.

Writes OUT/rows.csv (a line a training; those of other data sets stay), OUT/table.csv (means, and differences to `vae` paired by
seed with 95% intervals), OUT/matched.png and OUT/price.png.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from cohorts import cohort
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata, t
from scripts import Parser, comma, entry, keep, write
from tumour_factors import disentangled, with_features, with_null

import vaebench as vb
from vaebench.analysis.identifiability import mean_correlation_coefficient
from vaebench.analysis.settings import is_baseline
from vaebench.analysis.uncertainty import paired_difference
from vaebench.data.dataset import dataset_from_arrays
from vaebench.metrics.rmig import RmigOptions
from vaebench.training.model import kept_embeddings
from vaebench.types import Dataset


class Model(NamedTuple):
    """A model of the comparison: its settings, and what it is told (``""``, ``"type"`` or ``"features"``)."""

    settings: dict[str, Any]
    told: str = ""


MODELS = {
    "vae": Model({"variant": "vae"}),
    "beta_vae": Model({"variant": "beta_vae", "beta": 4}),
    "vae, correlated errors": Model({"variant": "vae", "output": "correlated"}),
    "constrained_vae": Model({"variant": "constrained_vae"}),
    "mixture_vae": Model({"variant": "mixture_vae"}),
    "mixture_vae, VampPrior": Model({"variant": "mixture_vae", "prior": "vamp"}),
    "conditional_vae, told the type": Model({"variant": "conditional_vae"}, "type"),
    "identifiable_vae, told the type": Model({"variant": "identifiable_vae"}, "type"),
    "identifiable_vae, told features": Model({"variant": "identifiable_vae"}, "features"),
    "semi_supervised_vae, told features": Model({"variant": "semi_supervised_vae"}, "features"),
}
LATENTS, PERMUTATIONS = 20, 20
SCORES = ("rmig", "dci", "tied", "matched", "mcc", "ari", "aic", "r2")
"""The scores of the table; higher is better but for the AIC."""
NOTE = "Mean and standard deviation over seeds; grey line: vae."
CROSS = " Cross: features of permuted samples; for the MCC, one of the two embeddings turned at random."
TITLES = {
    "rmig": "RMIG",
    "matched": "|rho| of a feature with its own latent",
    "mcc": "MCC of two seeds",
    "ari": "Leiden ARI",
    "aic": "Cox AIC",
    "r2": "R2 of the reconstruction",
}


def tumours(name: str, smoke: bool, folder: Path) -> Dataset:
    """The data set with its features as factors, labels and survival."""
    if name == "simulated":
        size = {"samples": 160, "genes": 60, "types": 4} if smoke else {"samples": 600, "genes": 500, "types": 8}
        return vb.data.simulate_cohort(seed=0, **size)[0]
    return with_features(cohort(name), 0, folder)


def telling(data: Dataset, told: dict[str, np.ndarray]) -> Dataset:
    """The same values with auxiliary variables."""
    return dataset_from_arrays(
        data.x,
        samples=data.samples,
        features=data.features,
        labels=np.array(data.label_names)[data.labels],
        survival=data.survival,
        covariates=data.covariates,
        factors=data.factors,
        auxiliary=told,
        scaling="none",
        name=data.name,
    )


def half_of(data: Dataset) -> np.ndarray:
    """[N] bool: the samples whose features are told; half of each type as it falls, the same for all models and seeds."""
    return np.random.default_rng(0).random(len(data.samples)) < 0.5


def with_told(data: Dataset, told: str, half: np.ndarray) -> Dataset:
    """The data set with what a model is told as auxiliary variables; features that are known for fewer than 40 are left out."""
    if not told:
        return data
    if told == "type":
        return telling(data, {"type": np.array(data.label_names)[data.labels]})
    values = {name: np.where(half, column, np.nan) for name, column in data.factors.items()}
    enough = {name: column for name, column in values.items() if (~np.isnan(column)).sum() >= 40}
    return telling(data, enough)


def strengths(z: np.ndarray, factors: dict[str, np.ndarray]) -> np.ndarray:
    """|Spearman's rho| of every feature with every latent, [F, L]; a constant latent has 0."""
    rows = []
    for values in factors.values():
        known = ~np.isnan(values)
        a, b = rankdata(z[known], axis=0), rankdata(values[known])
        a, b = a - a.mean(0), b - b.mean()
        scale = np.sqrt((a**2).sum(0) * (b**2).sum())
        rows.append(np.abs(b @ a) / np.where(scale > 0, scale, np.inf))
    return np.array(rows)


def matched(z: np.ndarray, factors: dict[str, np.ndarray]) -> float:
    """Mean |rho| of the features with one latent each, chosen so that the sum is largest."""
    table = strengths(z, factors)
    return float(table[linear_sum_assignment(-table)].mean())


def untold_scores(z: np.ndarray, data: Dataset, untold: np.ndarray) -> dict[str, float]:
    """Scores of disentanglement of the samples for which no feature was told, and their nulls."""
    factors = {name: np.asarray(column)[untold] for name, column in data.factors.items()}
    factors = {name: column for name, column in factors.items() if (~np.isnan(column)).sum() >= 20}
    part = dataset_from_arrays(data.x[untold], factors=factors, scaling="none", name=data.name)
    found = vb.evaluate(
        z[untold], part, ["rmig", "dci"], options={"rmig": RmigOptions(span="data", permutations=PERMUTATIONS)}
    )
    rng = np.random.default_rng(0)
    orders = [rng.permutation(int(untold.sum())) for _ in range(PERMUTATIONS)]
    shuffled = [{name: column[order] for name, column in factors.items()} for order in orders]
    tied, tied_null = with_null(z[untold], [(part, None)], PERMUTATIONS)
    return {
        "features": len(factors),
        "rmig": found["rmig"]["rmig"],
        "rmig_null": found["rmig"]["null_rmig"],
        "dci": found["dci"]["disentanglement"],
        "tied": disentangled(tied[0]),
        "tied_null": tied_null[0],
        "matched": matched(z[untold], factors),
        "matched_null": float(np.mean([matched(z[untold], one) for one in shuffled])),
    }


def agreement(embeddings: dict[int, np.ndarray]) -> dict[int, dict[str, float]]:
    """Seed -> mean MCC of its embedding with those of the other seeds, as they are and turned at random."""
    found: dict[int, list[tuple[float, float]]] = {seed: [] for seed in embeddings}
    for one, two in itertools.combinations(embeddings, 2):
        a, b = embeddings[one], embeddings[two]
        turn = np.linalg.qr(np.random.default_rng([one, two]).normal(size=(b.shape[1], b.shape[1])))[0]
        pair = mean_correlation_coefficient(a, b).mcc, mean_correlation_coefficient(a, b @ turn).mcc
        for seed in (one, two):
            found[seed].append(pair)
    means = {seed: np.mean(pairs, axis=0) if pairs else (np.nan, np.nan) for seed, pairs in found.items()}
    return {seed: {"mcc": float(mcc), "mcc_rotated": float(turned)} for seed, (mcc, turned) in means.items()}


def rows_of_data(name: str, options: Any) -> pd.DataFrame:
    """A row for every training on one data set, and for PCA."""
    smoke = options.preset == "smoke"
    folder = (options.run or options.out / "run") / name
    data = tumours(name, smoke, folder)
    half = half_of(data)
    common = {"latent": LATENTS, "hidden": (128,), "epochs": 100, "batch": 64, "study": "open_questions"}
    common |= {"hidden": (16,), "epochs": 2, "batch": 16} if smoke else {}
    lines = []
    for model, (settings, told) in MODELS.items():
        used, where = with_told(data, told, half), folder / model.replace(", ", "-").replace(" ", "_")
        planned = vb.space.product(**settings, **common, seed=range(options.seeds))
        metrics = ["leiden", "cox", "reconstruction"]
        how: dict[str, Any] = {"evaluators": 0, "keep_embeddings": True, "quiet": True, "command": " ".join(sys.argv)}
        found = vb.run(planned, used, metrics, where, **how)
        kept, trained = kept_embeddings(where), found[~is_baseline(found)]
        trained = trained[trained["traced/seed"] < options.seeds]
        seeds = dict(zip(trained["point"], trained["traced/seed"].astype(int), strict=True))
        agreed = agreement({seed: kept[point] for point, seed in seeds.items() if point in kept})
        for row in trained.to_dict("records"):
            line = {"data": name, "model": model, "seed": int(row["traced/seed"]), "status": row["status"]}
            line |= {
                "ari": row["metric/leiden/ari"],
                "aic": row["metric/cox/aic"],
                "r2": row["metric/reconstruction/r2"],
            }
            line |= {"epochs": row["run/epochs"]}
            if row["point"] in kept:
                line |= untold_scores(kept[row["point"]], data, ~half) | agreed[int(row["traced/seed"])]
            lines.append(line)
        if model == "vae":
            pca = found[is_baseline(found)].iloc[0]
            z = vb.evaluation.pca_embedding(data.x, LATENTS)
            line = {"data": name, "model": "PCA", "seed": 0, "status": "OK", "ari": pca["metric/leiden/ari"]}
            line |= {"aic": pca["metric/cox/aic"], "r2": pca.get("metric/reconstruction/r2", np.nan)}
            lines.append(line | untold_scores(z, data, ~half))
        print(f"{name}, {model}: done", file=sys.stderr, flush=True)
    return pd.DataFrame(lines)


def difference_of_pairs(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Mean and interval of a score of pairs of seeds, from each seed's mean [n] over its pairs; NaN with fewer than 4 seeds.

    Two seeds share a pair, so the means depend on each other. Without seed i the mean of all pairs is
    (n mean - 2 value_i) / (n - 2); its jackknife variance (Arvesen 1969) has Student's t with n - 1 degrees of freedom.
    """
    n, mean = len(values), float(values.mean()) if len(values) else np.nan
    if n < 4:
        return mean, np.nan, np.nan
    without = (n * mean - 2 * values) / (n - 2)
    error = np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))
    half = float(t.ppf(0.5 + level / 2, n - 1) * error)
    return mean, mean - half, mean + half


def table_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Means and standard deviations over seeds, and differences to ``vae`` paired by seed."""
    lines = []
    for (name, model), group in rows.groupby(["data", "model"], sort=False):
        base = rows[(rows["data"] == name) & (rows["model"] == "vae")].set_index("seed")
        line: dict[str, Any] = {"data": name, "model": model, "seeds": len(group)}
        for score in (*SCORES, "rmig_null", "tied_null", "matched_null", "mcc_rotated"):
            line |= {score: group[score].mean(), f"{score}_sd": group[score].std()}
        own = group.set_index("seed")
        both = own.index.intersection(base.index)
        if model not in ("vae", "PCA") and len(both) > 1:
            for score in SCORES:
                pair = own.loc[both, score].to_numpy(), base.loc[both, score].to_numpy()
                kept = np.isfinite(pair[0]) & np.isfinite(pair[1])
                if score == "mcc":
                    mean, low, high = difference_of_pairs(pair[0][kept] - pair[1][kept])
                else:
                    mean, low, high, *_ = paired_difference(pair[0][kept], pair[1][kept])
                line |= {f"{score}_difference": mean, f"{score}_low": low, f"{score}_high": high}
        lines.append(line)
    return pd.DataFrame(lines)


def panels(table: pd.DataFrame, scores: Sequence[str], null: dict[str, str], note: str) -> Figure:
    """Means and standard deviations by model: a row of panels a data set, a column a score; the null as a cross."""
    names, models = list(dict.fromkeys(table["data"])), list(dict.fromkeys(table["model"]))
    height = 0.24 * len(models) + 0.6
    figure = Figure(figsize=(3.2 + 2.2 * len(scores), height * len(names) + 0.6), layout="constrained")
    axes = figure.subplots(len(names), len(scores), squeeze=False, sharey=True)
    place = np.arange(len(models))
    for line, name in zip(axes, names, strict=True):
        part = table[table["data"] == name].set_index("model").reindex(models)
        for axis, score in zip(line, scores, strict=True):
            axis.axvline(part.loc["vae", score], color="0.75", lw=0.8, zorder=0)
            axis.errorbar(
                part[score], place, xerr=part[f"{score}_sd"].fillna(0), fmt="o", ms=4, lw=1.2, color="#1f4e79"
            )
            if score in null:
                axis.plot(part[null[score]], place, "x", ms=5, color="#b04a2f")
            axis.set_yticks(place, models)
            axis.xaxis.set_major_locator(MaxNLocator(4))
            axis.tick_params(labelsize=7)
            axis.spines[["top", "right"]].set_visible(False)
        line[0].set_title(name, loc="left", fontsize=9, fontweight="bold")
    axes[0][0].invert_yaxis()
    for axis, score in zip(axes[-1], scores, strict=True):
        axis.set_xlabel(TITLES[score], fontsize=8)
    figure.supxlabel(note, fontsize=7, color="0.35")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, score and write."""
    parser = Parser(__doc__, "runs/open_questions")
    parser.add_argument("--preset", choices=("smoke", "cpu"), default="cpu")
    parser.add_argument("--data", type=comma(), default=["simulated", "metagsca", "pancan_eb"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--run", type=Path, default=None, help="folder of the trainings (default: OUT/run)")
    options = parser.parse_args(arguments)
    if options.preset == "smoke":
        options.data, options.seeds = ["simulated"], 2
    kept = options.out / "rows.csv"
    before = pd.read_csv(kept) if kept.exists() else pd.DataFrame(columns=pd.Index(["data"]))
    parts = [part for name, part in before.groupby("data", sort=False) if name not in options.data]
    for name in options.data:
        parts.append(rows_of_data(name, options))
        keep(pd.concat(parts), kept)
    rows = pd.concat(parts, ignore_index=True)
    table = table_of(rows)
    write(options.out, "table", table)
    nulls = {"rmig": "rmig_null", "matched": "matched_null", "mcc": "mcc_rotated"}
    write(options.out, "matched", figure=panels(table, ["matched", "rmig", "mcc"], nulls, NOTE + CROSS))
    write(options.out, "price", figure=panels(table, ["ari", "aic", "r2"], {}, NOTE))
    print(table[["data", "model", "seeds", *SCORES]].round(3).to_string(index=False))


if __name__ == "__main__":
    sys.exit(entry(main))
