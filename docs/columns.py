"""Write the page of a run's columns from `vaebench/rows.py`, the metrics and the settings of a point.

Names and types come from `column_types`, settings from the docstring of `Point`; units and meanings of the rest are below. A
column without a meaning is a `KeyError`, so the pages cannot be built before it has one.
"""

from __future__ import annotations

import inspect
import re

from vaebench.metrics import METRICS
from vaebench.rows import column_of, column_types
from vaebench.space import Point
from vaebench.variants import VARIANTS

_KINDS = {bool: "true or false", int: "whole number", float: "number", str: "text", list: "list of numbers"}

_UNITS = {
    "traced/epochs": "epochs",
    "traced/min_epochs": "epochs",
    "traced/patience": "epochs",
    "static/batch": "samples",
    "data/valid_fraction": "0 to 1",
}

_ROWS: dict[str, tuple[str, str]] = {
    "schema": ("", "version of the layout of the rows"),
    "point": ("", "identity of the row: of a training, a hash of its settings and of the data"),
    "status": ("", '"OK", or what went wrong: "DIVERGED", ...'),
    "data/name": ("", "name of the data set"),
    "data/digest": ("", "hash of the data set's values and names"),
    "data/samples": ("samples", "N, all that were used"),
    "data/features": ("features", "D, after selection"),
    "data/scaling": ("", "of each feature: zscore, unit or none"),
    "data/train": ("samples", "training part"),
    "data/valid": ("samples", "validation part"),
    "data/steps": ("steps", "training steps in an epoch"),
    "run/embedding": ("", '"mean" or "sample" of the posterior, as the metrics saw it'),
    "run/matmul_precision": ("", "precision of matrix products in training"),
    "run/version": ("", "version of vaebench"),
    "run/device": ("", "platform and kind of the device"),
    "run/lanes": ("models", "trained side by side in one program"),
    "run/stop": ("", "reason of the end; `out_of_epochs` had not converged"),
    "run/epochs": ("epochs", "trained"),
    "run/best_epoch": ("epochs", "the one with the lowest validation loss"),
    "run/components": ("latents", "of PCA, at most as many as the data have"),
    "loss/train": ("the variant's own", "training loss after the last epoch"),
    "loss/valid": ("the variant's own", "validation loss after the last epoch"),
    "loss/best_valid": ("the variant's own", "lowest validation loss"),
    "history/valid": ("the variant's own", "validation loss of each epoch"),
}

_SCORES: dict[str, tuple[str, str]] = {
    "leiden/ari": ("-1 to 1", "adjusted Rand index of clusters and labels; 0 by chance"),
    "leiden/ami": ("up to 1", "adjusted mutual information; 0 by chance"),
    "leiden/nmi": ("0 to 1", "mutual information by the mean of both entropies; above 0 by chance"),
    "leiden/homogeneity": ("0 to 1", "1 if each cluster has one label"),
    "leiden/clusters": ("clusters", "their number"),
    "leiden/modularity": ("up to 1", "of the clusters in the graph, whatever the labels"),
    "leiden/silhouette": ("-1 to 1", "of the clusters in z"),
    "leiden/label_silhouette": ("-1 to 1", "of the labels in z"),
    "leiden/seeds": ("seeds", "of Leiden over which scores are means"),
    "cox/aic": ("nats x 2", "of latents and covariates; lower is better"),
    "cox/aic_covariates": ("nats x 2", "of the covariates alone"),
    "cox/delta_aic": ("nats x 2", "the first less the second; below 0 the latents help"),
    "cox/log_likelihood": ("nats", "partial, of latents and covariates"),
    "cox/likelihood_ratio_p": ("0 to 1", "p of all latents against none"),
    "cox/concordance": ("0 to 1", "Harrell's C on the samples of the fit; 0.5 is chance"),
    "cox/concordance_covariates": ("0 to 1", "the same of the covariates alone"),
    "cox/parameters": ("coefficients", "k of the AIC"),
    "cox/events": ("deaths", "in the fit"),
    "cox/samples": ("samples", "in the fit"),
    "cox/left_out_missing": ("samples", "without survival or a covariate"),
    "cox/left_out_no_event_labels": ("samples", "of labels at which no one has an event"),
    "cox/labels_left_out": ("labels", "at which no one has an event"),
    "cox/constant_latents": ("latents", "that do not vary"),
    "cox/redundant_latents": ("latents", "that the others determine"),
    "cox/iterations": ("steps", "of Newton's method"),
    "cox/ph_p": ("0 to 1", "smallest adjusted p of proportional hazards; empty unless asked for"),
    "cox/ph_violations": ("latents", "whose adjusted p is below 0.05; empty unless asked for"),
    "cox_heldout/concordance": ("0 to 1", "Harrell's C on the validation part; 0.5 is chance"),
    "cox_heldout/concordance_covariates": ("0 to 1", "the same of the covariates alone"),
    "cox_heldout/log_likelihood": ("nats", "on the validation part"),
    "cox_heldout/log_likelihood_covariates": ("nats", "the same of the covariates alone"),
    "cox_heldout/gain_per_event": ("nats an event", "difference of the two; above 0 the latents help"),
    "cox_heldout/parameters": ("coefficients", "of the model"),
    "cox_heldout/train_events": ("deaths", "in the training part"),
    "cox_heldout/valid_events": ("deaths", "in the validation part"),
    "cox_heldout/valid_samples": ("samples", "in the validation part"),
    "wsepin/wsepin": ("nats", "information that a latent has and the others lack, weighted mean"),
    "wsepin/wsepin_error": ("nats", "its standard error over the draws"),
    "wsepin/information": ("nats", "I(x; z), at most ln N"),
    "wsepin/information_error": ("nats", "its standard error"),
    "wsepin/information_share": ("0 to 1", "I(x; z) / ln N; near 1 the ceiling, near 0 empty"),
    "wsepin/sepin_largest": ("nats", "of one latent"),
    "wsepin/indin_largest": ("nats", "information of one latent independent of the others"),
    "wsepin/draws": ("draws", "of the Monte Carlo estimate"),
    "rmig/rmig": ("0 to 1", "gap of the two best latents by the factor's entropy, mean over factors"),
    "rmig/largest": ("0 to 1", "of one factor"),
    "rmig/jemmig": ("0 to 1", "joint-entropy gap, mean; high is good"),
    "rmig/null_rmig": ("0 to 1", "mean over permutations of the factors"),
    "rmig/null_quantile": ("0 to 1", "their 95% quantile"),
    "rmig/p": ("0 to 1", "share of permutations that reach rmig"),
    "rmig/posterior": ("0 or 1", "1 if the posterior was used"),
    "correlation/disentangled": ("factors", "that go with 1 or 2 latents"),
    "correlation/correlated": ("factors", "that go with at least 1 latent"),
    "correlation/disentangled_significant": ("factors", "by adjusted p below 0.05"),
    "correlation/latents_per_factor": ("latents", "mean; low: each factor is in few"),
    "correlation/largest": ("0 to 1", "absolute Spearman correlation"),
    "correlation/significant_pairs": ("pairs", "of latent and factor"),
    "mig/mig": ("0 to 1", "gap of the two best latents, mean over factors"),
    "mig/largest": ("0 to 1", "of one factor"),
    "sap/sap": ("0 to 1", "gap of the two best latents' accuracy, mean over factors"),
    "sap/largest": ("0 to 1", "of one factor"),
    "dci/disentanglement": ("0 to 1", "1: each latent predicts one factor"),
    "dci/completeness": ("0 to 1", "1: each factor is predicted by one latent"),
    "dci/informativeness": ("0 to 1", "1: factors are linear in z"),
    "modularity/modularity": ("0 to 1", "1: each latent knows one factor"),
    "modularity/informative_latents": ("latents", "that know any factor"),
    "total_correlation/total_correlation": ("nats", "0 for uncorrelated latents"),
    "total_correlation/largest_correlation": ("0 to 1", "absolute, of a pair"),
    "total_correlation/latents": ("latents", "that vary"),
    "latent_use/active_units": ("latents", "whose posterior mean has a variance above 0.01"),
    "latent_use/kl": ("nats", "from N(0, 1), also where the prior is trained; summed over latents"),
    "latent_use/kl_largest": ("nats", "of one latent"),
    "latent_use/kl_smallest": ("nats", "of one latent"),
    "latent_use/collapsed_latents": ("latents", "below 0.01 nats"),
    "latent_use/collapsed": ("0 or 1", "1 if all are"),
    "reconstruction/mse": ("scaled units squared", "mean over samples and features"),
    "reconstruction/r2": ("up to 1", "mean over features; 0 is what their means reach"),
    "reconstruction/r2_median": ("up to 1", "median over features"),
    "reconstruction/r2_smallest": ("up to 1", "of one feature"),
    "reconstruction/features": ("features", "that vary"),
    "probe/linear_accuracy": ("0 to 1", "of a linear classifier, cross-validated"),
    "probe/linear_balanced_accuracy": ("0 to 1", "mean over labels"),
    "probe/knn_accuracy": ("0 to 1", "of nearest neighbours, cross-validated"),
    "probe/knn_balanced_accuracy": ("0 to 1", "mean over labels"),
    "probe/chance": ("0 to 1", "share of the most frequent label"),
    "probe/classes": ("labels", "their number"),
}
_EVERYWHERE = {
    "status": ("", '"OK", or why there is no score'),
    "seconds": ("seconds", "spent on the metric"),
    "factors": ("factors", "that were used"),
    "factors_left_out": ("factors", "constant, or known for too few samples"),
}


def _settings() -> dict[str, str]:
    """Field of a point -> its line in the docstring."""
    attributes = (inspect.getdoc(Point) or "").split("Attributes:")[1].split("Raises:")[0]
    lines = re.findall(r"    (\w+): (.*?)(?=\n    \w+: |\Z)", attributes, re.S)
    return {name: " ".join(text.split()) for name, text in lines}


def _weights(name: str) -> str:
    """Variants that have a weight or choice."""
    having = []
    for variant in VARIANTS.values():
        for recipe in variant.recipes:
            shape = variant.shape(recipe)
            fields = {*variant.hyper(shape)._fields, *(vars(shape) if shape is not None else ())}
            if name in fields and variant.name not in having:
                having.append(variant.name)
    return ", ".join(f"`{variant}`" for variant in having) or "a form of one variant"


def meaning(column: str) -> tuple[str, str]:
    """Unit and meaning of a column.

    Raises:
        KeyError: nothing is known about it.
    """
    group, _, name = column.partition("/")
    if column in _ROWS:
        return _ROWS[column]
    for field, text in _settings().items():
        if column_of(field) == column:
            return _UNITS.get(column, ""), text
    if group in ("shape", "hyper"):
        return "", f"{'choice' if group == 'shape' else 'weight'} of {_weights(name)}"
    if group == "loss":
        return "the variant's own", f"term of the validation loss: {name.removeprefix('valid_').replace('_', ' ')}"
    metric, _, score = name.partition("/")
    if score.endswith("_spread") and score.removesuffix("_spread") in METRICS[metric].scores:
        return _SCORES[f"{metric}/{score.removesuffix('_spread')}"][0], "standard deviation over Leiden's seeds"
    return _SCORES.get(f"{metric}/{score}") or _EVERYWHERE[score]


def columns_text() -> str:
    """A table for each group of columns."""
    tables: dict[str, list[str]] = {}
    for column, kind in {"schema": int, **column_types(tuple(METRICS.values()))}.items():  # the store adds the first
        group = column.split("/")[1] if column.startswith("metric/") else column.split("/")[0]
        title = f"`metric/{group}/`" if column.startswith("metric/") else f"`{group}/`" if "/" in column else "The row"
        unit, text = (part.replace("|", r"\|").removesuffix(".") for part in meaning(column))
        line = f"| `{column}` | {_KINDS[kind]} | {unit} | {text.replace('``', '`')} |"
        tables.setdefault(title, ["| Column | Type | Unit | Meaning |", "|---|---|---|---|"]).append(line)
    text = "\n\n".join(f"### {title}\n\n" + "\n".join(lines) for title, lines in tables.items())
    return re.sub(r":data:`([^`]*)`", lambda found: f"`{found[1].split('.')[-1]}`", text)
