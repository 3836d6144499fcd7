"""Baseline of every VAE: principal components of all samples, and their reconstruction."""

from __future__ import annotations

import numpy as np

from vaebench.errors import InputError
from vaebench.types.frames import Values, column_names, in_order, named_like, numeric, row_names


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

    given, x = x, numeric(in_order(x, "x"), "x").astype(np.float64)
    if x.ndim != 2 or x.shape[0] < 2 or not x.shape[1]:
        raise InputError(f"PCA needs a matrix of at least 2 samples and 1 feature, got shape {x.shape}")
    if latent < 1:
        raise InputError(f"PCA needs latent >= 1, got {latent}")
    if not np.isfinite(x).all():
        raise InputError("PCA needs finite values, x has NaN or infinite ones")
    samples, features = x.shape
    latent = min(latent, samples - 1, features)
    x = x - x.mean(axis=0)
    gram = x @ x.T if samples < features else x.T @ x
    values, vectors = eigh(gram, subset_by_index=(len(gram) - latent, len(gram) - 1))
    vectors = vectors[:, ::-1]
    if samples < features:
        z = vectors * np.sqrt(np.clip(values[::-1], 0, None))
        loadings = x.T @ vectors
    else:
        z = x @ vectors
        loadings = vectors
    largest = np.take_along_axis(loadings, np.abs(loadings).argmax(axis=0)[None], axis=0)
    z = z * np.where(largest < 0, -1.0, 1.0)
    return named_like(z, given, [f"PC{i + 1}" for i in range(z.shape[1])])


def pca_reconstruction(x: Values, z: Values) -> Values:
    """Reconstruct x [N, D] from principal component scores z [N, L]: mean plus least squares fit on z, float32.

    Frames are matched by row names, and the result of a DataFrame x has its names.
    """
    given, samples = x, row_names(x)
    x = numeric(in_order(x, "x"), "x").astype(np.float64)
    z = numeric(in_order(z, "z", samples=samples), "z")
    mean = x.mean(axis=0)
    # scores are orthogonal; a component without variance contributes nothing
    size = np.einsum("nl,nl->l", z, z)
    loadings = (z.T @ (x - mean)) / np.where(size > 0, size, np.inf)[:, None]
    return named_like((mean + z @ loadings).astype(np.float32), given, column_names(given))
