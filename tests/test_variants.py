"""Contract of every variant in both recipes, and the released numbers."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaebench.networks import Outputs
from vaebench.space import Point, point, static_of, traced_of
from vaebench.types import Context, Static
from vaebench.variants import VARIANTS, beta_vae, vae, variant

GOLDEN = json.loads((Path(__file__).parent / "golden" / "released_losses.json").read_text())["cases"]
CASES = [(name, recipe) for name in VARIANTS for recipe in ("textbook", "benchmarked")]
FORMS = [
    (name, recipe, form)
    for name, recipe in CASES
    for form in (getattr(VARIANTS[name].shape(recipe), "choices", {}).get("form") or (None,))
]


@functools.cache
def built(name: str, recipe: str, form: str | None):
    """The model, its defaults, and its compiled loss with gradients as a function of key and hyper."""
    extra = {"form": form} if form else {}
    chosen = point(Point(), variant=name, recipe=recipe, latent=3, hidden=(16,), batch=8, **extra)
    model, traced = variant(name).build(static_of(chosen, 10)), traced_of(chosen)
    activation = jnp.array(traced.activation)
    x = jax.random.normal(jax.random.key(3), (8, 10))
    variables = jax.jit(model.init)(jax.random.key(0), jnp.array(traced.init))

    @jax.jit
    def loss(key, hyper):
        def value(params):
            current = {**variables, "params": params}
            out, aux = model.loss(current, x, key, hyper, activation, Context(True, 80, 8, jnp.array(7)))
            return out, aux.terms

        return jax.value_and_grad(value, has_aux=True)(variables["params"])

    return model, traced, variables, loss


FORM = pytest.mark.parametrize(("name", "recipe", "form"), FORMS)


@FORM
def test_loss_is_a_finite_scalar_with_finite_gradients(key, name, recipe, form):
    _, traced, _, loss = built(name, recipe, form)
    (value, terms), grads = loss(key, traced.hyper)
    assert value.shape == ()
    assert "reconstruction" in terms
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((value, terms, grads)))
    leaves, _ = jax.tree_util.tree_flatten_with_path(grads)
    # a bias before a batch normalisation has no effect: every other parameter must have a gradient
    assert not [path for path, leaf in leaves if not np.any(leaf) and path[-1].key != "bias"]


@FORM
def test_same_key_same_value_and_another_key_another(key, name, recipe, form):
    _, traced, _, loss = built(name, recipe, form)
    assert loss(key, traced.hyper)[0][0] == loss(key, traced.hyper)[0][0]
    assert loss(key, traced.hyper)[0][0] != loss(jax.random.key(9), traced.hyper)[0][0]


@FORM
def test_every_hyper_field_moves_the_loss_in_one_program(key, name, recipe, form):
    _, traced, _, loss = built(name, recipe, form)
    base = loss(key, traced.hyper)[0][0]
    programs = loss._cache_size()
    for field, value in traced.hyper._asdict().items():
        assert loss(key, traced.hyper._replace(**{field: value * 0.5 + 0.1}))[0][0] != base, field
    assert loss._cache_size() == programs


@FORM
def test_shapes_of_embedding_sample_and_reconstruction(key, name, recipe, form):
    model, traced, variables, _ = built(name, recipe, form)
    x, activation = jnp.ones((5, 10)), jnp.array(traced.activation)
    assert jax.eval_shape(model.embed, variables, x, activation).shape == (5, 3)
    z = jax.eval_shape(model.sample, variables, x, key, activation)
    assert z.shape == (5, 3)
    assert jax.eval_shape(model.decode, variables, z, activation).shape == (5, 10)


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


def outputs_of(case) -> Outputs:
    given = {name: jnp.asarray(np.array(value), jnp.float64) for name, value in case["inputs"].items()}
    return Outputs(given["x"], given["reconstruction"], given["mu"], given["logvar"], given["z"])


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"seed {case['seed']}")
@pytest.mark.parametrize(
    ("objective", "hyper", "iteration", "released"),
    [
        (vae.benchmarked, vae.Hyper(), 0, "vae"),
        (beta_vae.benchmarked, beta_vae.PlainHyper(10.0), 0, "beta_vae_plain_beta10"),
        (
            beta_vae.benchmarked,
            beta_vae.CapacityHyper(10.0, 25.0, 10_000.0),
            5000,
            "beta_vae_capacity_gamma10_C25_iter5000of10000",
        ),
    ],
)
def test_benchmarked_equals_the_released_loss(double, case, objective, hyper, iteration, released):
    context = Context(True, case["N"], case["B"], iteration)
    loss, terms = objective(outputs_of(case), hyper, context)
    expected = case["losses"][released]
    np.testing.assert_allclose(float(loss), expected["loss"], rtol=1e-12)
    np.testing.assert_allclose(float(terms["reconstruction"]), expected["Reconstruction_Loss"], rtol=1e-12)
    # the released code stores this term with either sign
    np.testing.assert_allclose(float(terms["kl"]), abs(expected["KLD"]), rtol=1e-12)


def test_beta_one_is_the_vae(double):
    outputs = outputs_of(GOLDEN[0])
    context = Context(True, 60, 6, 0)
    for recipe in ("textbook", "benchmarked"):
        parent, _ = getattr(vae, recipe)(outputs, vae.Hyper(), context)
        child, _ = getattr(beta_vae, recipe)(outputs, beta_vae.PlainHyper(1.0), context)
        assert parent == child


def test_recipes_differ_as_stated(double):
    """benchmarked = 2/D (nll - const + D M / 2 KL): the effective beta of the docstring."""
    outputs, features = outputs_of(GOLDEN[0]), 7
    context = Context(True, 60, 6, 0)
    released, _ = vae.benchmarked(outputs, vae.Hyper(), context)
    plain, _ = beta_vae.textbook(outputs, beta_vae.PlainHyper(features * 0.1 / 2), context)
    constant = 0.5 * features * np.log(2 * np.pi)
    np.testing.assert_allclose(released, 2 / features * (plain - constant), rtol=1e-12)


def test_static_shape_is_hashable_and_complete():
    static = Static("beta_vae", 10, 3, shape=beta_vae.Shape("capacity"))
    assert hash(static) == hash(Static("beta_vae", 10, 3, shape=beta_vae.Shape("capacity")))
    assert static != Static("beta_vae", 10, 3, shape=beta_vae.Shape("plain"))
