"""Write the largest difference between each metric and an independent oracle, on the same input, as a Markdown table.

    python benchmarks/oracle_agreement.py                     # a simulated cohort and lifelines' own data: a minute
    VAEBENCH_DATA=data python benchmarks/oracle_agreement.py  # and the real cohorts of `experiments/cohorts.py`
    python benchmarks/oracle_agreement.py --out results/oracle_agreement.md

The oracle is another library where one has the quantity, else a loop over the definition in numpy and scipy. Embeddings
are PCA with 20 components; factors are age and gender (simulated: the cohort's own); posteriors have random variances.
The tests compare more cases, odd ones included. This table shows the differences on data of real size.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import kneighbors_graph

from vaebench.data.simulate import simulate_cohort
from vaebench.evaluation.baseline import pca_embedding
from vaebench.metrics.correlation import correlations
from vaebench.metrics.cox import cox_fit
from vaebench.metrics.dci import dci_scores
from vaebench.metrics.latent_use import latent_kl
from vaebench.metrics.leiden import fuzzy_edges, knn_edges, leiden_scores
from vaebench.metrics.probe import discriminant
from vaebench.metrics.reconstruction import reconstruction_scores
from vaebench.metrics.rmig import RmigOptions, rmig_scores
from vaebench.metrics.sap import sap_scores
from vaebench.metrics.shared.communities import leiden_membership
from vaebench.metrics.shared.factors import classes, information_matrix, usable_factors
from vaebench.metrics.survival.cohort import survival_cohort
from vaebench.metrics.total_correlation import total_correlation_scores
from vaebench.metrics.wsepin import WsepinOptions, sepin
from vaebench.types import Dataset, Given, Posterior

LIFELINES = {
    "rossi": ("load_rossi", "week", "arrest"),
    "larynx": ("load_larynx", "time", "death"),
    "lung": ("load_lung", "time", "status"),
    "gbsg2": ("load_gbsg2", "time", "cens"),
    "leukemia": ("load_leukemia", "t", "status"),
    "kidney_transplant": ("load_kidney_transplant", "time", "death"),
    "waltons": ("load_waltons", "T", "E"),
}
Line = tuple[str, str, str, float]
"""Metric, oracle, data set, largest difference."""


def cox_lines(name: str, x: np.ndarray, time: np.ndarray, event: np.ndarray) -> Iterator[Line]:
    from lifelines import CoxPHFitter

    # units of one: lifelines stops on the step's size, which then is the same for all columns
    x = (x - x.mean(0)) / x.std(0)
    table = pd.DataFrame(x, columns=pd.Index([f"x{i}" for i in range(x.shape[1])])).assign(time=time, event=event)
    precise = {"precision": 1e-12, "r_precision": 1e-14}
    theirs = CoxPHFitter().fit(table, "time", "event", fit_options=precise)
    ours = cox_fit(x, time, event)
    oracle = "lifelines"
    yield "Cox AIC", oracle, name, abs(ours.aic - theirs.AIC_partial_)
    yield "Cox coefficients", oracle, name, float(np.abs(ours.coefficients - theirs.params_.to_numpy()).max())
    yield "Cox standard errors", oracle, name, float(np.abs(ours.errors - theirs.standard_errors_.to_numpy()).max())
    yield "Cox concordance", oracle, name, abs(ours.concordance - theirs.concordance_index_)


def of_lifelines() -> Iterator[Line]:
    from lifelines import datasets

    for name, (loader, time, event) in LIFELINES.items():
        table = pd.get_dummies(getattr(datasets, loader)().dropna(), drop_first=True, dtype=float).astype(float)
        columns = table.drop(columns=[time, event]).to_numpy()
        yield from cox_lines(f"lifelines {name}", columns, table[time].to_numpy(), table[event].to_numpy() > 0)


def graph_lines(z: np.ndarray, data: Dataset) -> Iterator[Line]:
    near = kneighbors_graph(z.astype(np.float64), 14)
    theirs = ((near + near.T) > 0).toarray()
    ours = np.zeros(theirs.shape, bool)
    source, target = knn_edges(z)
    ours[source, target] = ours[target, source] = True
    yield "k-NN graph, edges that differ", "sklearn", data.name, float((ours != theirs).sum() / 2)
    member, modularity = leiden_membership(source, target, len(z))
    degree = ours.sum(1)
    inside = sum(ours[np.ix_(member == c, member == c)].sum() for c in np.unique(member))
    expected = sum(degree[member == c].sum() ** 2 for c in np.unique(member)) / degree.sum()
    yield "modularity", "its definition", data.name, abs(modularity - (inside - expected) / degree.sum())
    scores = leiden_scores(z, data.labels) if data.labels is not None else {}
    yield (
        "label silhouette",
        "sklearn",
        data.name,
        abs(scores["label_silhouette"] - float(metrics.silhouette_score(z.astype(np.float64), data.labels))),
    )
    yield from scanpy_lines(z, data)


def scanpy_lines(z: np.ndarray, data: Dataset) -> Iterator[Line]:
    try:
        import scanpy
    except ImportError:
        print("scanpy is not installed: its lines are left out", file=sys.stderr)
        return
    cells = scanpy.AnnData(z)
    scanpy.pp.neighbors(cells, n_neighbors=15, use_rep="X", transformer="sklearn")
    source, target, weight = fuzzy_edges(z)
    ours = np.zeros((len(z), len(z)))
    ours[source, target] = ours[target, source] = weight
    yield "fuzzy weights", "scanpy", data.name, float(np.abs(ours - cells.obsp["connectivities"].toarray()).max())
    ari = []
    for seed in range(20):
        scanpy.tl.leiden(cells, flavor="leidenalg", n_iterations=-1, random_state=seed, directed=False)
        found = leiden_membership(source, target, len(z), weights=weight, seed=seed)[0]
        theirs = cells.obs["leiden"].astype(int).to_numpy()
        ari.append([metrics.adjusted_rand_score(data.labels, m) for m in (found, theirs)])
    yield "mean Leiden ARI of 20 seeds", "scanpy", data.name, abs(float(np.diff(np.mean(ari, axis=0))[0]))


def factor_lines(z: np.ndarray, posterior: Posterior, data: Dataset) -> Iterator[Line]:
    factors = usable_factors(data)
    found, name = correlations(z, factors), data.name
    gaps = {"spearman": [0.0], "pearson": [], "mi": []}
    information, _ = information_matrix(z, factors, 20, 10)
    for f, factor in enumerate(factors):
        code = classes(factor.values, factor.kind, 10)
        for i, column in enumerate(z.T):
            known = column[factor.known]
            if factor.kind == "continuous":
                gaps["spearman"].append(abs(found.strength[i, f] - stats.spearmanr(known, factor.values)[0]))
            edges = np.histogram_bin_edges(column, 20)[1:-1]
            gaps["mi"].append(abs(information[i, f] - metrics.mutual_info_score(np.digitize(known, edges), code)))
    yield "Spearman", "scipy, pair by pair", name, max(gaps["spearman"])
    yield "mutual information (MIG, modularity)", "sklearn", name, max(gaps["mi"])
    if all(factor.kind == "continuous" for factor in factors):
        squares = [[stats.pearsonr(c[f.known], f.values)[0] ** 2 for c in z.T] for f in factors]
        expected = np.mean([np.sort(row)[-1] - np.sort(row)[-2] for row in squares])
        yield "SAP", "scipy", name, abs(sap_scores(z, data)["sap"] - expected)
    if len(factors) > 1 and all(factor.kind == "continuous" for factor in factors):
        explained = [LinearRegression().fit(z[f.known], f.values).score(z[f.known], f.values) for f in factors]
        yield "DCI informativeness", "sklearn", name, abs(dci_scores(z, data)["informativeness"] - np.mean(explained))
    ours = rmig_scores(z, data, Given(posterior), options=RmigOptions(bins=50, span="fixed"))["rmig"]
    yield "RMIG", "a loop over bins", name, abs(ours - looped_rmig(z, posterior, factors))


def looped_rmig(z: np.ndarray, posterior: Posterior, factors: Any) -> float:
    """Relative gap of mutual information by its definition: shares of bins from scipy's densities."""
    centres = -4 + 0.16 * (np.arange(50) + 0.5)
    gaps = []
    for factor in factors:
        code, each = classes(factor.values, factor.kind, 10), []
        for mean, deviation in zip(z.T, np.exp(0.5 * posterior.logvar).T, strict=True):
            log = stats.norm.logpdf(centres[None], mean[:, None], deviation[:, None])
            q = np.exp(log - log.max(1, keepdims=True))
            q = (q / q.sum(1, keepdims=True))[factor.known]
            joint = np.stack([q[code == c].sum(0) for c in np.unique(code)], axis=1) / len(code)
            each.append(stats.entropy(joint.sum(0)) + stats.entropy(joint.sum(1)) - stats.entropy(joint.ravel()))
        second, best = np.sort(each)[-2:]
        gaps.append((best - second) / stats.entropy(np.bincount(code)))
    return float(np.mean(gaps))


def posterior_lines(posterior: Posterior, name: str) -> Iterator[Line]:
    mean, logvar = (part.astype(np.float64) for part in posterior)
    ours = sepin(posterior, WsepinOptions(draws=2000))
    # other draws than ours, so the difference is compared with its Monte Carlo error
    rng = np.random.default_rng(1)
    own = np.tile(np.arange(len(mean)), -(-2000 // len(mean)))[:2000]
    z = mean[own] + np.exp(0.5 * logvar[own]) * rng.standard_normal((2000, mean.shape[1]))
    every, rest = np.empty(2000), np.empty((2000, mean.shape[1]))
    for s, one in enumerate(z):
        logs = stats.norm.logpdf(one[None], mean, np.exp(0.5 * logvar))
        total = logs.sum(1)
        every[s] = total[own[s]] - np.log(np.exp(total - total.max()).mean()) - total.max()
        left = total[:, None] - logs
        rest[s] = left[own[s]] - np.log(np.exp(left - left.max(0)).mean(0)) - left.max(0)
    error = np.sqrt(2) * ours.information_error
    yield "I(x; z), in standard errors", "float64 loop, other draws", name, abs(ours.information - every.mean()) / error
    gap = np.abs(ours.sepin - (every[:, None] - rest).mean(0)).max()
    yield "SEPIN, nats (other draws)", "float64 loop, other draws", name, float(gap)
    expected = np.mean(0.5 * (mean**2 + np.exp(logvar) - 1 - logvar), axis=0)
    yield "KL of a latent", "closed form, float64", name, float(np.abs(latent_kl(posterior) - expected).max())


def other_lines(z: np.ndarray, data: Dataset) -> Iterator[Line]:
    assert data.labels is not None
    total = total_correlation_scores(z, data)["total_correlation"]
    expected = -0.5 * np.linalg.slogdet(np.corrcoef(z.T.astype(np.float64)))[1]
    yield "Gaussian total correlation", "numpy", data.name, abs(total - expected)
    model = LinearDiscriminantAnalysis().fit(z[::2], data.labels[::2])
    ours = discriminant(z[::2], data.labels[::2], z[1::2], int(data.labels.max()) + 1)
    differ = float((ours != model.predict(z[1::2])).sum())
    yield "linear probe, predictions that differ", "sklearn LDA", data.name, differ
    noisy = data.x + np.random.default_rng(0).normal(size=data.x.shape).astype(np.float32)
    r2 = reconstruction_scores(z, data, Given(reconstruction=noisy))["r2"]
    each = metrics.r2_score(data.x, noisy, multioutput="raw_values")
    yield "reconstruction R2", "sklearn", data.name, abs(r2 - float(np.mean(each)))


def of_cohort(data: Dataset) -> Iterator[Line]:
    z = pca_embedding(data.x, 20)
    # rotated, so that latents depend on each other
    z = (z / z.std(0)) @ stats.ortho_group.rvs(20, random_state=0) @ np.diag(np.linspace(0.5, 1.5, 20))
    z = (z + 0.3 * z[:, :1]).astype(np.float32)
    logvar = np.random.default_rng(0).normal(0, 0.5, z.shape).astype(np.float32)
    yield from graph_lines(z, data)
    if data.survival is not None:
        cohort = survival_cohort(data, True)
        yield from cox_lines(data.name, np.hstack([z[cohort.keep], cohort.covariates]), cohort.time, cohort.event)
    if usable_factors(data):
        yield from factor_lines(z, Posterior(z, logvar), data)
    yield from posterior_lines(Posterior(z, logvar), data.name)
    yield from other_lines(z, data)


def cohorts() -> Iterator[Callable[[], Dataset]]:
    yield lambda: simulate_cohort(0, samples=600, genes=300, types=8)[0]
    if "VAEBENCH_DATA" in os.environ:
        sys.path.insert(0, str(Path(__file__).parent.parent / "experiments"))
        from cohorts import FILES, cohort

        for name in FILES:
            yield lambda name=name: cohort(name)


def table(lines: list[Line]) -> str:
    """Markdown: a line a metric and oracle, the largest difference of all data sets and where it was."""
    frame = pd.DataFrame(lines, columns=pd.Index(["metric", "oracle", "data", "difference"]))
    text = ["| metric | oracle | data sets | largest difference | on |", "|---|---|---|---|---|"]
    for (metric, oracle), group in frame.groupby(["metric", "oracle"], sort=False):
        assert group["difference"].notna().all(), f"{metric} could not be computed"
        worst = group.loc[group["difference"].idxmax()]
        text.append(f"| {metric} | {oracle} | {len(group)} | {worst['difference']:.2g} | {worst['data']} |")
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the table here too")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of the libraries compared with, about their own future
    lines = list(of_lifelines())
    for load in cohorts():
        lines += of_cohort(load())
        print(f"{lines[-1][2]} done", file=sys.stderr, flush=True)
    text = table(lines)
    print(text)
    if options.out:
        options.out.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
