"""The command ``doctor``: what an issue should say about a machine, and a test of a few seconds that it works."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaebench.errors import RunError
from vaebench.version import version_text

if TYPE_CHECKING:
    from vaebench.cli.options import Doctor

_PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "leidenalg",
    "lifelines",
    "pyarrow",
)
_EXTRAS = ("anndata", "python-calamine", "pyfaidx", "py2bit", "dask", "scanpy")


def examine(options: Doctor, command: str) -> dict[str, Any]:
    """Print the machine as vaebench sees it, and train and refit a little on its device.

    Raises:
        RunError: the self-test fails; everything else has been printed before.
    """
    facts = machine_facts()
    if not options.quiet:
        print("\n".join(f"{name:<12}{value}" for name, value in facts.items()), flush=True)
    if options.self_test:
        found = self_test()
        facts |= found
        if not options.quiet:
            print("\n".join(f"{name:<12}{value}" for name, value in found.items()))
    return facts


def machine_facts() -> dict[str, str]:
    """Return versions, devices, cores, memory and the cache of compiled programs, each as a line of text."""
    import jax
    from platformdirs import user_cache_dir

    devices = jax.devices()
    kinds = sorted({device.device_kind for device in devices})
    facts = {
        "vaebench": version_text(),
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": _versions(_PACKAGES),
        "extras": _versions(_EXTRAS) or "none",
        "devices": f"{len(devices)} x {', '.join(kinds)} ({devices[0].platform})",
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        facts["memory"] = f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB"
    cache = Path(getattr(jax.config, "jax_compilation_cache_dir", None) or user_cache_dir("vaebench", appauthor=False))
    files = [path.stat().st_size for path in cache.glob("*-cache")] if cache.is_dir() else []
    facts["cache"] = f"{cache}: {len(files)} programs, {sum(files) / 2**20:.0f} MiB"
    set_here = [
        name
        for name in ("JAX_PLATFORMS", "XLA_FLAGS", "CUDA_VISIBLE_DEVICES", "VAEBENCH_MAX_GIB")
        if name in os.environ
    ]
    facts["set"] = ", ".join(f"{name}={os.environ[name]}" for name in set_here) or "nothing"
    if accelerator := _idle_accelerator(devices[0].platform):
        facts["note"] = accelerator
    return facts


def _versions(packages: tuple[str, ...]) -> str:
    found = []
    for name in packages:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def _idle_accelerator(used: str) -> str:
    """Return a sentence if there is an accelerator that JAX does not use; ``""`` if not."""
    places = {"cuda": Path("/proc/driver/nvidia/version"), "tpu": Path("/dev/accel0")}
    there = [name for name, path in places.items() if path.exists()]
    if used != "cpu" or not there or os.environ.get("JAX_PLATFORMS") == "cpu":
        return ""
    return f"this machine has an accelerator that JAX does not use; install it with: pip install 'vaebench[{there[0]}]'"


def self_test() -> dict[str, str]:
    """Train two lanes and refit ten samples, and return the seconds of both and whether the results are finite.

    The programs run for milliseconds, so they are compiled without optimization, which would take most of the time.

    Raises:
        RunError: a training diverged, or exposures do not add up to the mutations.
    """
    import jax

    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        return _tested()
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


def _tested() -> dict[str, str]:
    import numpy as np

    from vaebench.data.mutations.simulate import simulate_catalogue
    from vaebench.signatures.refitting import refit

    importlib.import_module("vaebench.training.pool")  # what is timed is the work, not the reading of files
    began = time.perf_counter()
    stops = _two_lanes()
    if not set(stops) <= {"converged", "out_of_epochs"}:
        raise RunError(f"self-test: two trainings ended as {', '.join(stops)}")
    trained = time.perf_counter()
    catalogue, truth = simulate_catalogue(0, tumours=10, signatures=3, types=1)
    found = refit(catalogue, truth.signatures, intervals="none")
    mutations = catalogue.sum(axis=1).to_numpy()
    if not np.allclose(found.exposures.sum(axis=1).to_numpy(), mutations, rtol=0.05):
        raise RunError("self-test: the exposures of ten refitted samples do not add up to their mutations")
    refitted = time.perf_counter()
    return {
        "self-test": f"passed: two lanes trained in {trained - began:.1f} s, ten samples refitted in {refitted - trained:.1f} s"
    }


def _two_lanes() -> list[str]:
    """Train two lanes side by side for three epochs, embed their samples, and return how each ended.

    The engine's own start, epochs and embedding, but as one program in place of the six of a pool: compiling is all of the time.
    """
    import jax
    import jax.numpy as jnp

    from vaebench.data.simulate import simulate_cohort
    from vaebench.space import product, static_of
    from vaebench.training.engine import Engine
    from vaebench.training.lane import DIVERGED, STOP_NAMES, Split, scaled
    from vaebench.training.pool import lane_inputs
    from vaebench.training.train import make_epoch, make_start
    from vaebench.types import Traced
    from vaebench.variants import variant

    data, _ = simulate_cohort(0, samples=60, genes=50, types=3)
    # a network without normalisation has a third fewer arrays to compile programs for
    points = product(hidden=(8,), latent=2, norm="none", batch=16, epochs=3, learning_rate=[1e-3, 1e-2])
    static = static_of(points[0], data.x.shape[1], data.auxiliary_widths)
    engine = Engine(flat_optimizer=True)  # one kernel for the update of all weights: the program is smaller
    start, epoch = engine.precise(make_start(static, engine)), engine.precise(make_epoch(static, engine))
    model = variant(static.variant).build(static)

    def lane(traced: Traced, split: Split, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        trained = jax.lax.fori_loop(0, points[0].epochs, lambda _, lane: epoch(lane, x), start(traced, split))
        return trained.status, model.embed(trained.variables, scaled(x, split), traced.activation)

    inputs = jax.tree.map(lambda *lanes: jnp.stack(lanes), *(lane_inputs(point, data) for point in points))
    lowered = jax.jit(jax.vmap(lane, in_axes=(0, 0, None))).lower(*inputs, jnp.asarray(data.x))
    # XLA's older emitters of CPU kernels compile in half the time; other devices have no such option
    quick: dict[str, str | bool] | None = (
        {"xla_cpu_use_fusion_emitters": False} if jax.default_backend() == "cpu" else None
    )
    try:
        program = lowered.compile(quick)
    except jax.errors.JaxRuntimeError:  # a version of JAX that has no such option any more
        program = lowered.compile()
    status, z = program(*inputs, jnp.asarray(data.x))
    finite = jnp.isfinite(z).all(axis=(1, 2))
    return [STOP_NAMES[int(code) if ok else DIVERGED] for code, ok in zip(status, finite, strict=True)]
