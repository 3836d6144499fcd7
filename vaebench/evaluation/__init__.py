"""Evaluation of embeddings: scores by all metrics, and the PCA baseline."""

from __future__ import annotations

from vaebench.evaluation.baseline import pca_embedding, pca_reconstruction
from vaebench.evaluation.scores import (
    DEFAULT_METRICS,
    allowed_metrics,
    check_metrics,
    evaluate,
    evaluate_flat,
    light,
    prepared_metrics,
    skipped_scores,
)
from vaebench.rows import score_columns as flat_scores

__all__ = [
    "DEFAULT_METRICS",
    "allowed_metrics",
    "check_metrics",
    "evaluate",
    "evaluate_flat",
    "flat_scores",
    "light",
    "pca_embedding",
    "pca_reconstruction",
    "prepared_metrics",
    "skipped_scores",
]
__dir__ = __all__.copy
