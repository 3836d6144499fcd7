"""Where a joint chain of signatures and exposures begins: extracted signatures without what they may owe to others."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from vaebench.signatures.joint.chain import known_of
from vaebench.signatures.sparse.annealing import sparse_exposures
from vaebench.signatures.sparse.options import SparseOptions

PEAKS = 1.3
"""Standard deviation of ln S_k from which a signature is one of peaks, whose other entries are nearly 0."""

_SMALLEST = 1e-5  # entry: of smaller ones the logarithm tells nothing
_LEAST = 0.02  # share that is taken out
_MOST = 0.9


class Share(NamedTuple):
    """At most so much of the signature in this row is that of another row."""

    signature: int
    other: int
    most: float


def begun(x: np.ndarray, signatures: np.ndarray) -> np.ndarray:
    """Sparse exposures [T, S] of x [T, 96] to begin with."""
    options = SparseOptions()
    found = np.asarray(sparse_exposures(jnp.asarray(x, jnp.float32), jnp.asarray(signatures, jnp.float32), options))
    return np.where(found > options.present, found, 0.0)


def unmixed(x: np.ndarray, signatures: np.ndarray, dispersion: float = 1.0) -> tuple[np.ndarray, list[Share]]:
    """Signatures [S, 96] to start from, and the shares of others that were taken out of those of peaks.

    Where nearly all samples have S_k, they tell little between S_j and S_j + a S_k. A chain that starts at a large a has
    to undo, one by one, exposures e_k of 0 that are right only there. The largest a is taken out that leaves no entry of
    S_j more than one standard deviation below 0, once for each pair, the largest first.
    """
    found = np.array(signatures, np.float64)
    done, taken = np.eye(len(found), dtype=bool), []
    while True:
        step = np.asarray(known_of(x, found, begun(x, found), np.ones((len(x), 1)), dispersion).step)
        peaked = np.log(np.maximum(found, _SMALLEST)).std(1) > PEAKS
        shares = np.min((found + step)[:, None, :] / np.maximum(found, 1e-9)[None, :, :], 2)
        shares = np.where(done | ~peaked[:, None], 0.0, np.minimum(shares, _MOST))
        j, k = (int(v) for v in np.unravel_index(int(np.argmax(shares)), shares.shape))
        if shares[j, k] < _LEAST:
            return found, taken
        done[j, k] = True
        taken.append(Share(j, k, float(shares[j, k])))
        left = np.maximum(found[j] - shares[j, k] * found[k], 0.0)
        found[j] = left / left.sum()
