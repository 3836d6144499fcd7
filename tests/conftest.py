"""Strict settings for every test: no silent broadcasting between ranks, and one fixed key."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile

import jax
import numpy as np
import pytest

from vaebench.data.dataset import dataset_from_arrays
from vaebench.training.train import forget_programs
from vaebench.types import Dataset, Survival

jax.config.update("jax_numpy_rank_promotion", "raise")


def quick_to_compile() -> str:
    """XLA flags that compile in a third of the time: without the optimiser and, where this XLA knows it, another emitter.

    The tests are many small programs, most of whose time is the compiler's. What is promised bit by bit is also tested as
    users run it: the killed runs of test_engine.py, and CI with XLA_FLAGS empty.
    """
    least = "--xla_backend_optimization_level=0"
    more = f"{least} --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    # XLA ends the process at a flag that it does not know
    command = [sys.executable, "-c", "import jax; jax.devices()"]
    known = subprocess.run(command, env=os.environ | {"XLA_FLAGS": more}, capture_output=True).returncode == 0
    return more if known else least


if "XLA_FLAGS" not in os.environ:  # once: the processes of pytest-xdist inherit them
    os.environ["XLA_FLAGS"] = quick_to_compile()
# for the same processes: there is one a core, so more threads would only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")
# compiled programs in a folder of this process and those it starts, not in the user's: many tests need the same ones
COMPILED = tempfile.TemporaryDirectory(prefix="vaebench_tests_")
os.environ |= {"JAX_COMPILATION_CACHE_DIR": COMPILED.name, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3"}
jax.config.update("jax_compilation_cache_dir", COMPILED.name)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


def pytest_collection_modifyitems(config, items):
    """Files marked ``long`` begin first, so that no process is left with one of them at the end.

    ``VAEBENCH_PART=2/7`` keeps every seventh slow test, from the third on: CI runs a part of them each time.
    """
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    if "VAEBENCH_PART" in os.environ:
        part, parts = map(int, os.environ["VAEBENCH_PART"].split("/"))
        # one by one, and not by files, which take from seconds to many minutes
        kept = [item for item in items if item.get_closest_marker("slow")][part::parts]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


@pytest.fixture(autouse=True, scope="module")
def programs_forgotten():
    """Compiled programs go with their module: kept, they exhaust the memory maps that Linux allows a process (65,530)."""
    yield
    forget_programs()
    jax.clear_caches()
    gc.collect()


@pytest.fixture(autouse=True, scope="session")
def evaluated_in_a_thread():
    """Runs that do not ask for evaluation processes have none: starting them takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vaebench.sweep.runner.default_evaluators", lambda points=0: 0)
        yield


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
