"""Recipe ``benchmarked`` against values that the studies' released code returned (tests/variants/golden/released_losses.json)."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaebench.nn.autoencoder import Gaussian, Outputs
from vaebench.types import Context
from vaebench.variants import (
    VARIANTS,
    beta_tc_vae,
    beta_vae,
    categorical_vae,
    dip_vae,
    info_vae,
    iwae,
    logcosh_vae,
    vae,
)

GOLDEN = json.loads((Path(__file__).parent / "golden" / "released_losses.json").read_text())["cases"]


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def outputs_of(case, kind: str) -> Outputs:
    given = {name: jnp.asarray(np.array(value), jnp.float64) for name, value in case["inputs"].items()}
    if kind == "categorical":
        return Outputs(
            given["x"], given["reconstruction"], categorical_vae.Categorical(given["logits"][:, None]), given["logits"]
        )
    q = Gaussian(given["mu"], given["logvar"])
    if kind == "draws":  # there [B, K, .], here [K, B, .]
        return Outputs(given["x"], given["reconstruction_k"].swapaxes(0, 1), q, given["z_k"].swapaxes(0, 1))
    return Outputs(given["x"], given["reconstruction"], q, given["z"], given["prior_z"])


TC = {"kl": None, "dimension_kl": "KLD", "total_correlation": "TC_Loss", "mutual_information": "MI_Loss"}


def with_shape(objective, shape):
    """The objective at one shape, as a built model calls it."""
    return lambda outputs, hyper, context: objective(outputs, hyper, context._replace(shape=shape))


stratified = with_shape(beta_tc_vae.benchmarked, beta_tc_vae.Shape("stratified"))
RELEASED = {
    "vae": (vae.benchmarked, vae.Hyper(), "", {}, {}),
    "beta_vae_plain_beta10": (beta_vae.benchmarked, beta_vae.PlainHyper(10.0), "", {}, {}),
    "beta_vae_capacity_gamma10_C25_iter5000of10000": (
        beta_vae.benchmarked,
        beta_vae.CapacityHyper(10.0, 25.0, 10_000.0),
        "",
        {"iteration": 5000},
        {},
    ),
    "beta_tc_vae_1_6_1_eval": (stratified, beta_tc_vae.AnnealHyper(), "", {"training": False, "iteration": 3}, TC),
    "beta_tc_vae_1_6_1_train_iter2500of10000": (stratified, beta_tc_vae.AnnealHyper(), "", {"iteration": 2500}, TC),
    "dip_vae_ld0.05_lod0.1": (
        with_shape(dip_vae.benchmarked, dip_vae.Shape("ii")),
        dip_vae.Hyper(),
        "",
        {},
        {"covariance": "DIP_Loss"},
    ),
    "iwae": (iwae.benchmarked, iwae.Hyper(), "draws", {}, {}),
    "categorical_vae_C": (categorical_vae.benchmarked, None, "categorical", {}, {}),
    "logcosh_vae_a10_b1": (logcosh_vae.benchmarked, logcosh_vae.Hyper(), "", {}, {}),
    "info_vae_imq_-9_10.5_110_zvar2": (
        with_shape(info_vae.benchmarked, info_vae.Shape("imq")),
        info_vae.Hyper(),
        "",
        {},
        {"mmd": "MMD"},
    ),
}


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"seed {case['seed']}")
@pytest.mark.parametrize("name", RELEASED)
def test_benchmarked_equals_the_released_loss_and_terms(case, name):
    objective, hyper, kind, where, names = RELEASED[name]
    if hyper is None:
        name, hyper = f"{name}{case['C']}", categorical_vae.BenchmarkedHyper(categories=float(case["C"]))
    context = Context(True, case["N"], case["B"], 0)._replace(**where)
    outputs = outputs_of(case, kind)
    loss, terms = jax.jit(lambda: objective(outputs, hyper, context))()  # one program takes a third of many small ones
    expected = case["losses"][name]
    np.testing.assert_allclose(float(loss), expected["loss"], rtol=1e-12)
    names = {"reconstruction": "Reconstruction_Loss", "kl": "KLD", **names}
    assert set(terms) == set(names)
    assert {"loss", *names.values()} - {None} == set(expected)
    for ours, theirs in names.items():
        if theirs == "KLD":
            # the released code stores this term with either sign
            np.testing.assert_allclose(abs(float(terms[ours])), abs(expected[theirs]), rtol=1e-11)
        elif theirs:
            np.testing.assert_allclose(float(terms[ours]), expected[theirs], rtol=1e-11)


def test_weights_that_grow_with_the_batches_stop_at_their_end():
    outputs, context = outputs_of(GOLDEN[0], ""), Context(True, 60, 6, 0)
    cases = (
        (stratified, beta_tc_vae.AnnealHyper()),
        (beta_vae.benchmarked, beta_vae.CapacityHyper(10.0, 0.1, 10_000.0)),
    )
    for objective, hyper in cases:
        before, end, after = (
            float(objective(outputs, hyper, context._replace(iteration=i))[0]) for i in (9_000, 10_000, 40_000)
        )
        assert before != end == after


def test_every_released_variant_and_value_is_compared():
    # those for counts are compared with plain numpy in test_counts.py: nobody's code was at hand to run
    assert {name for name, v in VARIANTS.items() if "benchmarked" in v.recipes and v.domain == "expression"} == {
        next(v for v in sorted(VARIANTS, key=len, reverse=True) if name.startswith(v)) for name in RELEASED
    }
    for case in GOLDEN:
        names = {name + str(case["C"]) if name.endswith("_C") else name for name in RELEASED}
        assert names == set(case["losses"])


def test_recipes_differ_as_stated():
    """benchmarked = 2/D (nll - const + D M / 2 KL): the effective beta of the docstring."""
    outputs, features = outputs_of(GOLDEN[0], ""), 7
    context = Context(True, 60, 6, 0)
    released, _ = vae.benchmarked(outputs, vae.Hyper(), context)
    plain, _ = beta_vae.textbook(outputs, beta_vae.PlainHyper(features * 0.1 / 2), context)
    constant = 0.5 * features * np.log(2 * np.pi)
    np.testing.assert_allclose(released, 2 / features * (plain - constant), rtol=1e-12)


def test_released_weights_count_once_per_latent_and_belong_to_two_samples():
    weights = np.exp(np.asarray(beta_tc_vae.released_log_weights(6, 60)))
    odd = 55 / (60 * 5)
    np.testing.assert_allclose(weights[:, 0], [1 / 60] * 4 + [odd] + [1 / 60])
    np.testing.assert_allclose(weights[:, 1], odd)
    np.testing.assert_allclose(weights[:, 2:], 1 / 5)


def test_released_iwae_puts_most_weight_on_the_worst_draw():
    """The loss lies above the mean over draws; the bound's sign would put it below."""
    outputs, context = outputs_of(GOLDEN[0], "draws"), Context(True, 60, 6, 0)
    loss, terms = iwae.benchmarked(outputs, iwae.Hyper(), context)
    assert loss > terms["reconstruction"] + 0.1 * terms["kl"]


def test_released_categorical_prior_shifts_the_loss_and_no_gradient():
    outputs, context = outputs_of(GOLDEN[0], "categorical"), Context(True, 60, 6, 0)

    def loss(logits, categories):
        changed = outputs._replace(posterior=categorical_vae.Categorical(logits))
        return categorical_vae.benchmarked(changed, categorical_vae.BenchmarkedHyper(0.5, categories), context)[0]

    few, many = (jax.value_and_grad(loss)(outputs.posterior.logits, c) for c in (2.0, 33.0))
    np.testing.assert_allclose(many[0] - few[0], 0.1 * np.log(33 / 2), rtol=1e-4)
    np.testing.assert_allclose(few[1], many[1], atol=1e-15)


@pytest.mark.parametrize(("low", "finite"), [(-4.3, True), (-4.5, False)])
def test_released_logcosh_overflows_in_float32_where_textbook_does_not(low, finite):
    zeros = jnp.zeros((2, 1), jnp.float32)
    outputs = Outputs(zeros, jnp.full((2, 1), low, jnp.float32), Gaussian(zeros, zeros), zeros)
    context, hyper = Context(True, 20, 2, 0), logcosh_vae.Hyper()
    assert bool(jnp.isfinite(logcosh_vae.benchmarked(outputs, hyper, context)[0])) is finite

    def loss(reconstruction):
        return logcosh_vae.textbook(outputs._replace(reconstruction=reconstruction), hyper, context)[0]

    value, grads = jax.value_and_grad(loss)(1e4 * outputs.reconstruction)
    assert np.isfinite(value)
    np.testing.assert_allclose(grads, -0.5)
