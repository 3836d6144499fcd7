"""Initial state of the joint sampler: extracted signatures with the part they may share with others removed."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from vaebench.signatures.joint.chain import known_of
from vaebench.signatures.joint.options import JOINT, JointOptions
from vaebench.signatures.sparse.annealing import sparse_exposures
from vaebench.signatures.sparse.options import SparseOptions


class SharedPart(NamedTuple):
    """Part of a signature that may belong to another one.

    Attributes:
        signature: row of the signature.
        other: row of the other one.
        most: largest share of the signature that the data allow the other one to have.
    """

    signature: int
    other: int
    most: float


def starting_exposures(x: np.ndarray, signatures: np.ndarray) -> np.ndarray:
    """Sparse exposures [T, S] of x [T, M] at which a chain starts."""
    options = SparseOptions()
    found = np.asarray(sparse_exposures(jnp.asarray(x, jnp.float32), jnp.asarray(signatures, jnp.float32), options))
    return np.where(found > options.present, found, 0.0)


def remove_shared_part(
    x: np.ndarray, signatures: np.ndarray, dispersion: float = 1.0, options: JointOptions = JOINT
) -> tuple[np.ndarray, list[SharedPart]]:
    """Take out of every peaked signature the largest share of another that the data allow.

    Where nearly all samples have S_k, the data hardly distinguish S_j from S_j + a S_k. A chain that starts at a large a has
    to undo it exposure by exposure: many e_k are 0 there although they are not at a = 0. So the largest a is taken out that
    leaves no entry of S_j more than one standard deviation below 0, once for each pair, the largest first.

    Args:
        x: counts [T, M].
        signatures: [S, M], as extracted.
        dispersion: of the counts about the fit, 1 or more.
        options: constants of the joint sampler.

    Returns:
        Signatures [S, M], and the parts taken out.
    """
    found = np.array(signatures, np.float64)
    done, taken = np.eye(len(found), dtype=bool), []
    while True:
        # the exposures, and with them the errors of the entries, change with every part that is taken out
        step = np.asarray(known_of(x, found, starting_exposures(x, found), np.ones((len(x), 1)), dispersion).step)
        peaked = np.log(np.maximum(found, options.smallest)).std(1) > options.peaks
        shares = np.min((found + step)[:, None, :] / np.maximum(found, 1e-9)[None, :, :], 2)
        shares = np.where(done | ~peaked[:, None], 0.0, np.minimum(shares, options.most_share))
        j, k = (int(v) for v in np.unravel_index(int(np.argmax(shares)), shares.shape))
        if shares[j, k] < options.least_share:
            return found, taken
        done[j, k] = True
        taken.append(SharedPart(j, k, float(shares[j, k])))
        left = np.maximum(found[j] - shares[j, k] * found[k], 0.0)
        found[j] = left / left.sum()
