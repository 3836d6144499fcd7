"""Keys derived on the host: all different, reproducible, and of draws that do not go together."""

from __future__ import annotations

import jax
import numpy as np

from vaebench.signatures.sparse.keys import folded_key, split_key


def words(key: jax.Array) -> tuple[int, ...]:
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


def test_no_two_paths_lead_to_the_same_key():
    seen = []
    for seed in range(3):
        root = jax.random.key(seed)
        keys = [root, *split_key(root, 5), *(folded_key(root, i) for i in range(5))]
        keys += [more for key in split_key(root, 5) for more in (*split_key(key, 3), folded_key(key, 0))]
        seen += [words(key) for key in keys]
    assert len(set(seen)) == len(seen)


def test_the_same_path_leads_to_the_same_key_and_more_keys_do_not_change_the_first():
    root = jax.random.key(7)
    assert words(split_key(root, 3)[1]) == words(split_key(root, 2)[1])
    assert words(folded_key(root, 4)) == words(folded_key(root, 4))


def test_draws_of_neighbouring_keys_do_not_go_together():
    drawn = np.stack([np.asarray(jax.random.uniform(key, (4000,))) for key in split_key(jax.random.key(0), 8)])
    assert np.abs(np.corrcoef(drawn) - np.eye(8)).max() < 0.08
    assert abs(drawn.mean() - 0.5) < 0.01
