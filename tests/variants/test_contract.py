"""Contract of every variant in every recipe and form, from the registry."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaebench.errors import InputError
from vaebench.space import Point, group_by_static, point, product, static_of, traced_of
from vaebench.types import Context, Static
from vaebench.types.auxiliary import AuxiliaryRows
from vaebench.variants import VARIANTS, beta_vae, categorical_vae, variant

LATENT = 20
AUXILIARY = (1, 3)
"""A number and a category of 3 levels, for the variants that use auxiliary variables."""


def rows(name: str, x: jax.Array) -> jax.Array | AuxiliaryRows:
    """x [N, D], with auxiliary variables, some of them missing, if the variant takes them."""
    if not VARIANTS[name].auxiliary:
        return x
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.normal(size=(len(x), 1)), np.eye(3)[rng.integers(0, 3, len(x))]], axis=1)
    mask = np.repeat(rng.random((len(x), 2)) < 0.7, AUXILIARY, axis=1)
    return AuxiliaryRows(x, jnp.asarray(np.concatenate([values * mask, mask], axis=1), jnp.float32))


def forms(name: str, recipe: str) -> list[tuple[tuple[str, object], ...]]:
    """Every value of every choice, the other choices at their default."""
    default = VARIANTS[name].shape(recipe)
    choices = getattr(default, "choices", {})
    found = {
        tuple(sorted({**{k: getattr(default, k) for k in choices}, choice: value}.items()))
        for choice, values in choices.items()
        for value in values
    }
    return sorted(found, key=str) or [()]


FORMS = [(name, recipe, form) for name in VARIANTS for recipe in VARIANTS[name].recipes for form in forms(name, recipe)]
FIRST = {(name, recipe): forms(name, recipe)[0] for name, recipe, _ in FORMS}
FORM = pytest.mark.parametrize(
    ("name", "recipe", "form"),
    # a second of compiler each: one form of every recipe at once, the others with the slow tests
    [pytest.param(*f, marks=[] if FIRST[f[:2]] == f[2] else pytest.mark.slow) for f in FORMS],
)


@functools.cache
def built(name: str, recipe: str, form: tuple):
    """The model, its defaults, some variables, and its compiled loss with gradients as a function of key and hyper."""
    chosen = point(Point(), variant=name, recipe=recipe, latent=LATENT, hidden=(16,), batch=8, **dict(form))
    model, traced = variant(name).build(static_of(chosen, 10, AUXILIARY)), traced_of(chosen)
    activation = jnp.array(traced.activation)
    rng = np.random.default_rng(3)
    counts = VARIANTS[name].domain == "counts"
    x = jnp.asarray(rng.poisson(5, (8, 10)) if counts else rng.normal(size=(8, 10)), jnp.float32)
    x = rows(name, x)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.array(traced.init))
    # drawn here: compiling init for every form would double the time of this file
    params = jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.normal(size=leaf.shape), jnp.float32), shapes["params"])
    params = params if model.constrained is None else model.constrained(params)
    variables = {"params": params, "batch_stats": jax.tree.map(lambda s: jnp.ones(s.shape), shapes["batch_stats"])}

    @jax.jit
    def loss(key, hyper):
        def value(params):
            current = {**variables, "params": params}
            out, aux = model.loss(current, x, key, hyper, activation, Context(True, 80, 8, jnp.array(7)))
            return out, aux.terms

        return jax.value_and_grad(value, has_aux=True)(variables["params"])

    return model, traced, variables, loss


@FORM
def test_loss_is_a_finite_scalar_with_finite_gradients(key, name, recipe, form):
    _, traced, _, loss = built(name, recipe, form)
    (value, terms), grads = loss(key, traced.hyper)
    assert value.shape == ()
    assert "reconstruction" in terms
    assert "kl" in terms or name in ("swae", "muse_xae")
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((value, terms, grads)))
    leaves, _ = jax.tree_util.tree_flatten_with_path(grads)
    # a bias before a batch normalisation has no effect: every other parameter must have a gradient
    assert not [path for path, leaf in leaves if not np.any(leaf) and path[-1].key != "bias"]


@FORM
def test_same_key_same_value_and_another_key_another(key, name, recipe, form):
    _, traced, _, loss = built(name, recipe, form)
    assert loss(key, traced.hyper)[0][0] == loss(key, traced.hyper)[0][0]
    # MUSE-XAE draws nothing
    moved = loss(key, traced.hyper)[0][0] != loss(jax.random.key(9), traced.hyper)[0][0]
    assert moved == (name != "muse_xae")


@FORM
def test_every_hyper_field_moves_the_loss_in_one_program(key, name, recipe, form):
    _, traced, _, loss = built(name, recipe, form)
    base = loss(key, traced.hyper)[0][0]
    programs = loss._cache_size()
    for field, value in traced.hyper._asdict().items():
        assert loss(key, traced.hyper._replace(**{field: value * 0.5 + 0.1}))[0][0] != base, field
    assert loss._cache_size() == programs


@FORM
def test_shapes_of_embedding_sample_reconstruction_and_prior(key, name, recipe, form):
    model, traced, variables, _ = built(name, recipe, form)
    x, activation = rows(name, jnp.ones((5, 10))), jnp.array(traced.activation)
    known = (x.auxiliary,) if VARIANTS[name].auxiliary == "inputs" else ()
    assert jax.eval_shape(model.embed, variables, x, activation).shape == (5, LATENT)
    for hyper in (None, traced.hyper):
        z = jax.eval_shape(model.sample, variables, x, key, activation, hyper)
        assert z.shape == (5, LATENT)
    assert jax.eval_shape(model.decode, variables, z, activation, *known).shape == (5, 10)
    if dict(form).get("prior") in ("vamp", "learned", "mixture") or name in ("identifiable_vae", "vae_ms"):
        with pytest.raises(InputError, match="learned"):
            model.prior(key, 7)
        if VARIANTS[name].domain == "expression":  # it has draws once it is trained
            known = x.auxiliary if VARIANTS[name].auxiliary else None
            drawn = jax.eval_shape(lambda u: model.trained_prior(variables, key, 5, activation, u), known)
            assert drawn.shape == (5, LATENT)
            assert VARIANTS[name].trained_prior
    else:
        assert jax.eval_shape(lambda k: model.prior(k, 7), key).shape == (7, LATENT)
        assert not VARIANTS[name].trained_prior
    assert isinstance(jax.eval_shape(model.posterior, variables, x, activation), tuple)


def test_forms_change_the_program_and_defaults_are_the_studies():
    assert len({(name, recipe, form) for name, recipe, form in FORMS}) == len(FORMS) == 48
    assert dict(point(variant="beta_vae", recipe="benchmarked").shape) == {"form": "capacity"}
    assert dict(point(variant="beta_tc_vae", recipe="benchmarked").shape) == {"estimator": "stratified", "anneal": True}
    assert dict(point(variant="beta_tc_vae").hyper) == {"alpha": 1, "beta": 6, "gamma": 1}
    assert dict(point(variant="dip_vae").hyper) == {"lambda_od": 0.1, "lambda_d": 0.05}
    assert dict(point(variant="info_vae").hyper) == {"alpha": -9, "beta": 10.5, "lambda_mmd": 110, "z_var": 2}
    assert dict(point(variant="logcosh_vae").hyper) == {"a": 10, "beta": 1}
    assert dict(point(variant="iwae").shape) == {"draws": 5}


def test_points_of_all_variants_need_one_program_per_static():
    fields = {"latent": [20, 50], "learning_rate": [1e-3, 1e-4], "init": ["default", "normal"], "seed": range(2)}
    points = [p for name, v in VARIANTS.items() for p in product(variant=name, recipe=list(v.recipes), **fields)]
    assert len(group_by_static(points, 100)) == 2 * sum(len(v.recipes) for v in VARIANTS.values())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"variant": "swae", "recipe": "benchmarked"}, ("swae", "benchmarked", "textbook")),
        ({"variant": "miwae", "recipe": "benchmarked"}, ("miwae", "benchmarked", "textbook")),
        ({"variant": "categorical_vae", "latent": 25}, ("latent", "25", "categories", "10")),
        ({"variant": "categorical_vae", "categories": 1}, ("categories", "at least 2")),
        ({"variant": "iwae", "draws": 0}, ("draws", "iwae", "whole number")),
        ({"variant": "iwae", "draws": 2.5}, ("draws", "2.5")),
        ({"variant": "miwae", "bounds": True}, ("bounds", "True")),
        ({"variant": "dip_vae", "form": "iii"}, ("form of dip_vae", "ii")),
        ({"variant": "beta_tc_vae", "estimator": "stratify"}, ("stratified",)),
        ({"variant": "info_vae", "kernel": "rbff"}, ("rbf",)),
        ({"variant": "beta_tc_vae", "anneal_iterations": 5}, ("anneal_iterations",)),
    ],
)
def test_impossible_points_are_refused_by_name(fields, words):
    with pytest.raises(InputError) as error:
        point(**fields)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_static_shape_is_hashable_and_complete():
    for name, v in VARIANTS.items():
        for recipe in v.recipes:
            shape = v.shape(recipe)
            assert hash(Static(name, 10, 20, shape=shape)) == hash(Static(name, 10, 20, shape=v.shape(recipe)))
            if shape is not None:
                assert type(shape).__dataclass_params__.frozen
                assert all(field.default is not dataclasses.MISSING for field in dataclasses.fields(shape))
    assert Static("beta_vae", 10, 3, shape=beta_vae.Shape("plain")) != Static(
        "beta_vae", 10, 3, shape=beta_vae.Shape("capacity")
    )


@pytest.mark.parametrize(("recipe", "expected"), [("textbook", (9, 19)), ("benchmarked", (19,))])
def test_redundant_columns_are_determined_by_the_others(key, recipe, expected):
    model, _, variables, _ = built("categorical_vae", recipe, ())
    static = static_of(point(variant="categorical_vae", recipe=recipe, latent=LATENT), 10)
    assert VARIANTS["categorical_vae"].redundant(static) == expected
    x = jax.random.normal(key, (50, 10))
    for z in (model.embed(variables, x, 1), model.sample(variables, x, key, 1)):
        z = np.asarray(z, np.float64)
        kept = np.delete(z, expected, axis=1)
        assert np.linalg.matrix_rank(kept - kept.mean(0), tol=1e-4) == kept.shape[1]
        centred = z - z.mean(0)
        assert np.linalg.matrix_rank(centred, tol=1e-4) == kept.shape[1]
    for name, v in VARIANTS.items():
        if name != "categorical_vae":
            assert v.redundant(Static(name, 10, 20, shape=v.shape("textbook"))) == ()


def test_categorical_prior_and_draws_are_one_hot_blocks(key):
    model, _, variables, _ = built("categorical_vae", "textbook", ())
    prior = np.asarray(model.prior(key, 4000)).reshape(4000, 2, 10)
    assert set(np.unique(prior)) == {0.0, 1.0}
    np.testing.assert_array_equal(prior.sum(-1), 1)
    np.testing.assert_allclose(prior.mean(0), 0.1, atol=4 * np.sqrt(0.09 / 4000))
    x = jnp.ones((20_000, 10))
    cold = model.sample(variables, x, key, 1, categorical_vae.Hyper(1e-3)).reshape(-1, 2, 10)
    # the Gumbel trick: the largest entry is a draw from softmax(logits), whatever the temperature
    q = np.asarray(model.embed(variables, x[:1], 1)).reshape(2, 10)
    np.testing.assert_allclose(np.asarray(cold).mean(0), q, atol=0.015)


@pytest.mark.parametrize("name", VARIANTS)
def test_declared_terms_are_those_that_the_losses_report(name):
    """Over all recipes and forms: every term has its column, and every column a term."""
    reported = set()
    for recipe in VARIANTS[name].recipes:
        for form in forms(name, recipe):
            chosen = point(Point(), variant=name, recipe=recipe, latent=LATENT, hidden=(16,), batch=8, **dict(form))
            reported |= set(terms_of(chosen))
    if VARIANTS[name].domain == "counts":
        chosen = point(Point(), variant=name, latent=LATENT, hidden=(16,), batch=8, frozen=True)
        reported |= set(terms_of(chosen))
    assert reported == set(VARIANTS[name].terms)


def terms_of(chosen: Point) -> dict:
    """Shapes of the terms of a point's loss; nothing is computed."""
    model, traced = variant(chosen.variant).build(static_of(chosen, 10, AUXILIARY)), traced_of(chosen)
    context = Context(False, 80, 8, jnp.array(7))

    def terms(x):
        variables = model.init(jax.random.key(0), jnp.array(traced.init))
        return model.loss(
            variables, rows(chosen.variant, x), jax.random.key(1), traced.hyper, jnp.array(traced.activation), context
        )[1].terms

    return jax.eval_shape(terms, jax.ShapeDtypeStruct((8, 10), jnp.float32))
