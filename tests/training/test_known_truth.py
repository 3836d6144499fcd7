"""Variants that are told something, on data with known factors: found where the theory says so, and not where it says not."""

from __future__ import annotations

import numpy as np
import pytest

from vaebench.analysis.identifiability import mean_correlation_coefficient, seed_agreement
from vaebench.data.dataset import dataset_from_arrays
from vaebench.space import Point
from vaebench.training.model import fit

pytestmark = pytest.mark.slow
FIELDS = {"hidden": (32,), "batch": 64, "learning_rate": 3e-3, "stopping": "fixed", "norm": "layer"}


def correlation(one: np.ndarray, two: np.ndarray) -> float:
    return abs(float(np.corrcoef(one, two)[0, 1]))


def test_a_factor_told_of_half_of_the_samples_is_found_in_the_other_half_under_its_name():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(400, 3))
    x = np.tanh(factors @ rng.normal(size=(3, 20))) @ rng.normal(size=(20, 20)) + 0.3 * rng.normal(size=(400, 20))
    hidden = rng.random(400) < 0.5
    told = {"immune": np.where(hidden, np.nan, factors[:, 0])}
    data = dataset_from_arrays(x, auxiliary=told)
    model = fit(data, point=Point(latent=3, epochs=60, **FIELDS), variant="semi_supervised_vae")
    assert model.latents == ["immune", "z2", "z3"]
    assert correlation(model.embed(data.x)[hidden, 0], factors[hidden, 0]) > 0.9
    # told nonsense, it finds nothing in the samples that were not told
    nonsense = dataset_from_arrays(x, auxiliary={"immune": np.where(hidden, np.nan, rng.normal(size=400))})
    model = fit(nonsense, point=Point(latent=3, epochs=60, **FIELDS), variant="semi_supervised_vae")
    assert correlation(model.embed(data.x)[hidden, 0], factors[hidden, 0]) < 0.5


def test_a_batch_that_the_decoder_is_told_leaves_the_latents():
    rng = np.random.default_rng(0)
    batch = np.array(["b1", "b2"])[rng.integers(0, 2, 400)]
    x = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 20)) + 0.3 * rng.normal(size=(400, 20))
    x[:, :10] += 3 * (batch == "b2")[:, None]
    data = dataset_from_arrays(x, auxiliary={"batch": batch})
    seen = {}
    for variant in ("conditional_vae", "vae"):
        z = fit(data, point=Point(latent=3, epochs=60, **FIELDS), variant=variant).embed(data.x, data.auxiliary)
        design = np.column_stack([z, np.ones(400)])
        fitted = design @ np.linalg.lstsq(design, (batch == "b2").astype(float), rcond=None)[0]
        seen[variant] = correlation(fitted, (batch == "b2").astype(float))
    assert seen["vae"] > 0.9
    assert seen["conditional_vae"] < 0.3


def test_segments_that_change_the_spread_identify_the_sources_and_shuffled_ones_do_not():
    """Two sources of equal variance, each with its own spread in every segment, mixed: without u any rotation fits as well."""
    rng = np.random.default_rng(1)
    segment = rng.integers(0, 10, 2000)
    spread = np.exp(rng.normal(0, 1, (10, 2)))
    sources = spread[segment] * rng.normal(size=(2000, 2))
    sources /= sources.std(0)  # or the larger one would be the first principal axis
    turn = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    lifted = sources @ turn @ np.linalg.qr(rng.normal(size=(10, 10)))[0][:2] * 3
    x = lifted + 0.3 * rng.normal(size=(2000, 10))
    found = {}
    for name, known in (("told", segment), ("shuffled", rng.permutation(segment))):
        data = dataset_from_arrays(x, scaling="none", auxiliary={"segment": np.char.add("u", known.astype(str))})
        points = [Point(latent=2, epochs=60, seed=seed, **FIELDS) for seed in range(2)]
        z = [fit(data, point=p, variant="identifiable_vae").embed(data.x, data.auxiliary) for p in points]
        found[name] = np.mean([mean_correlation_coefficient(sources, one, "spearman").mcc for one in z])
        found[f"{name} seeds"] = seed_agreement(z, "spearman")
    assert found["told"] > 0.9, found
    assert found["told seeds"] > 0.9, found
    assert found["shuffled"] < 0.9, found
