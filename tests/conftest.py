"""Strict settings for every test: no silent broadcasting between ranks, and one fixed key."""

from __future__ import annotations

import gc

import jax
import numpy as np
import pytest

from vaebench.data.scaling import dataset_from_arrays
from vaebench.train import make_train
from vaebench.types import Dataset, Survival

jax.config.update("jax_numpy_rank_promotion", "raise")
# the commands would turn the user's cache on for the rest of the process; tests compile for themselves
jax.config.update("jax_enable_compilation_cache", False)


@pytest.fixture(autouse=True, scope="module")
def programs_forgotten():
    """Compiled programs go with their module: kept, they exhaust the memory maps that Linux allows a process (65,530)."""
    yield
    make_train.cache_clear()
    jax.clear_caches()
    gc.collect()


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(0)


def tiny_dataset() -> Dataset:
    """60 samples x 20 genes, three well separated types, survival and covariates."""
    rng = np.random.default_rng(0)
    labels = np.repeat(["A", "B", "C"], 20)
    centres = 2 * rng.normal(size=(3, 20))
    x = centres[np.repeat([0, 1, 2], 20)] + rng.normal(size=(60, 20))
    survival = Survival(rng.exponential(500, 60), rng.random(60) < 0.6)
    covariates = {"age": rng.normal(60, 10, 60), "gender": rng.choice(["FEMALE", "MALE"], 60)}
    return dataset_from_arrays(x, labels=labels, survival=survival, covariates=covariates, name="tiny")


@pytest.fixture(scope="session")
def tiny() -> Dataset:
    return tiny_dataset()
