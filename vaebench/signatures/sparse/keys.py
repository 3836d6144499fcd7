"""Random keys derived on the host: JAX's own split is a program to compile for each number of keys, half a second each."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np


def split_key(key: jax.Array, count: int = 2) -> tuple[jax.Array, ...]:
    """Return ``count`` keys that are independent of each other and of ``key``, as :func:`jax.random.split` does."""
    return tuple(_derived(key, i) for i in range(count))


def folded_key(key: jax.Array, number: int) -> jax.Array:
    """Return the key of ``number`` under ``key``, as :func:`jax.random.fold_in` does; none of :func:`split_key`."""
    return _derived(key, number, 1)


def _derived(key: jax.Array, *path: int) -> jax.Array:
    """Key at ``path`` of numpy's tree of seeds with the words of ``key`` as its root."""
    words = np.asarray(jax.random.key_data(key)).ravel().tolist()
    drawn = np.random.SeedSequence(words, spawn_key=path).generate_state(2, np.uint32)
    return jax.random.wrap_key_data(jnp.asarray(drawn), impl="threefry2x32")
