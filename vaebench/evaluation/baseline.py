"""Baseline of every VAE: principal components of all samples, and their reconstruction."""

from __future__ import annotations

import numpy as np

from vaebench.errors import InputError
from vaebench.types.frames import Values, column_names, in_order, named_like, numeric, row_names

_NOISE = 1e-7
"""Singular values below this share of the largest are rounding noise."""


def pca_embedding(x: Values, latent: int) -> Values:
    """Return the principal component scores z [N, min(latent, N - 1, D)], float64, of x [N, D].

    z of a DataFrame is a DataFrame with its row names and the columns ``PC1, PC2, ...``.

    They are computed from the eigenvectors of the smaller Gram matrix of the centred x, which is faster than a singular
    value decomposition. Components whose singular value is below about 1e-7 of the largest are rounding noise. The sign of
    a component makes its largest loading positive, so that the order of samples does not matter.

    Args:
        x: [N, D] finite, at least two samples.
        latent: L, at least 1.

    Raises:
        InputError: latent < 1, fewer than two samples, or values that are not finite.
    """
    from scipy.linalg import eigh

    held = numeric(in_order(x, "x"), "x").astype(np.float64)
    if held.ndim != 2 or held.shape[0] < 2 or not held.shape[1]:
        raise InputError(f"PCA needs a matrix of at least 2 samples and 1 feature, got shape {held.shape}")
    if latent < 1:
        raise InputError(f"PCA needs latent >= 1, got {latent}")
    if not np.isfinite(held).all():
        raise InputError("PCA needs finite values, x has NaN or infinite ones")
    samples, features = held.shape
    latent = min(latent, samples - 1, features)
    held = held - held.mean(axis=0)
    gram = held @ held.T if samples < features else held.T @ held
    values, vectors = eigh(gram, subset_by_index=(len(gram) - latent, len(gram) - 1))
    vectors = vectors[:, ::-1]
    if samples < features:
        z = vectors * np.sqrt(np.clip(values[::-1], 0, None))
        loadings = held.T @ vectors
    else:
        z = held @ vectors
        loadings = vectors
    largest = np.take_along_axis(loadings, np.abs(loadings).argmax(axis=0)[None], axis=0)
    z = z * np.where(largest < 0, -1.0, 1.0)
    return named_like(z, x, [f"PC{i + 1}" for i in range(z.shape[1])])


def pca_reconstruction(x: Values, z: Values) -> Values:
    """Reconstruct x [N, D] from principal component scores z [N, L]: mean plus least squares fit on z, float32.

    Frames are matched by row names, and the result of a DataFrame x has its names.
    """
    held = numeric(in_order(x, "x"), "x").astype(np.float64)
    scores = numeric(in_order(z, "z", samples=row_names(x)), "z")
    mean = held.mean(axis=0)
    # scores are orthogonal, but for components of rounding noise, as of a feature that is there twice: these contribute nothing
    size = np.einsum("nl,nl->l", scores, scores)
    loadings = (scores.T @ (held - mean)) / np.where(size > _NOISE**2 * size.max(), size, np.inf)[:, None]
    return named_like((mean + scores @ loadings).astype(np.float32), x, column_names(x))
