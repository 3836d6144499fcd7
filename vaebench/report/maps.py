"""Two-dimensional maps of samples by t-SNE, for the pages of runs and of signatures."""

from __future__ import annotations

import numpy as np
import pandas as pd

MOST = 2000
"""Samples of a map; of more, this many are drawn at random, since t-SNE would take minutes."""
FEWEST = 10
"""Samples below which there is no map: it would show noise."""


def tsne(values: np.ndarray, seed: int) -> np.ndarray:
    """t-SNE [T, 2] of the rows of ``values`` [T, S], by scikit-learn from a PCA start."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, max(2.0, (len(values) - 1) / 3))
    start = "pca" if values.shape[1] > 1 else "random"
    return TSNE(init=start, perplexity=perplexity, random_state=seed).fit_transform(values.astype(np.float32))


def latent_map(z: np.ndarray, labels: pd.Series | None) -> tuple[np.ndarray, pd.Series | None, str]:
    """Return coordinates, labels, and what was drawn, of an embedding z [N, L] whose latents are scaled to equal spread.

    ``coordinates`` are empty where the map would show nothing: few samples, values that are not finite, or equal rows.
    """
    known = np.isfinite(z).all()
    scaled = z - z.mean(0) if known else z[:, :0]
    spread = scaled.std(0)
    scaled = scaled[:, spread > 0] / spread[spread > 0]
    if len(z) < FEWEST or not known or not scaled.size or len(np.unique(scaled.round(6), axis=0)) < 3:
        return np.empty((0, 2)), labels, ""
    rows = np.arange(len(z))
    note = "t-SNE of the posterior means"
    if len(z) > MOST:
        rows = np.sort(np.random.default_rng(0).choice(len(z), MOST, replace=False))
        note += f" of {MOST:,} random samples of {len(z):,}"
    return tsne(scaled[rows], 0), None if labels is None else labels.iloc[rows], note
