"""Networks against an independent numpy forward pass; initialisations against their moments."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from vaebench.nn.autoencoder import ACTIVATIONS, Outputs, activate, autoencoder_model
from vaebench.nn.initialisation import INITS, initial_kernel
from vaebench.types import Context, Static
from vaebench.variants import variant
from vaebench.variants.vae import textbook

NUMPY_ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "gelu": lambda x: x * 0.5 * (1 + special.erf(x / np.sqrt(2))),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "softplus": lambda x: np.logaddexp(0, x),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_equals_numpy_and_stays_finite(name):
    x = np.array([-200.0, -3.0, -0.1, 0.0, 0.1, 3.0, 200.0], np.float32)
    index = jnp.array(ACTIVATIONS.index(name))
    np.testing.assert_allclose(activate(jnp.array(x), index), NUMPY_ACTIVATIONS[name](x), rtol=1e-5, atol=1e-6)
    # side by side, lanes compute every activation: the gradient of none may spoil another's
    many = jax.vmap(jax.grad(lambda x, i: activate(x, i)), in_axes=(0, None))
    for other in range(len(ACTIVATIONS)):
        gradients = jax.vmap(many, in_axes=(None, 0))(jnp.array(x), jnp.array([other, ACTIVATIONS.index(name)]))
        assert np.isfinite(gradients).all()


@pytest.mark.parametrize(
    ("name", "mean", "variance", "low", "high"),
    [
        ("default", 0, 1 / 3 / 400, -1 / 20, 1 / 20),
        ("normal", 0, 1, -np.inf, np.inf),
        ("uniform", 0.5, 1 / 12, 0, 1),
        ("xavier_normal", 0, 2 / 700, -np.inf, np.inf),
        ("xavier_uniform", 0, 2 / 700, -np.sqrt(6 / 700), np.sqrt(6 / 700)),
        ("kaiming_uniform", 0, 2 / 400, -np.sqrt(6 / 400), np.sqrt(6 / 400)),
        ("kaiming_normal", 0, 2 / 400, -np.inf, np.inf),
    ],
)
def test_initial_kernel_has_the_scheme_moments(key, name, mean, variance, low, high):
    normal, unit = jax.random.normal(key, (400, 300)), jax.random.uniform(key, (400, 300))
    w = np.asarray(initial_kernel(normal, unit, jnp.array(INITS.index(name))))
    assert abs(w.mean() - mean) < 4 * np.sqrt(variance / w.size)
    assert abs(w.var() / variance - 1) < 0.02
    assert low <= w.min()
    assert w.max() <= high
    if np.isfinite(high):  # uniform: it reaches its bounds
        assert w.max() > high - 0.01 * (high - low)


def test_init_touches_all_weights_in_textbook_and_two_in_benchmarked(key):
    normal, default = jnp.array(INITS.index("normal")), jnp.array(INITS.index("default"))
    changed = {}
    for recipe in ("textbook", "benchmarked"):
        model = autoencoder_model(Static("vae", 30, 4, hidden=(16, 8), recipe=recipe), textbook)
        init = jax.jit(model.init)
        one, other = init(key, normal)["params"], init(key, default)["params"]
        differs = jax.tree_util.tree_map_with_path(
            lambda path, a, b: ("/".join(k.key for k in path), not np.array_equal(a, b)), one, other
        )
        pairs = jax.tree.leaves(differs, is_leaf=lambda leaf: isinstance(leaf, tuple))
        changed[recipe] = {name for name, different in pairs if different}
    assert changed["benchmarked"] == {"encoder/linear_0/kernel", "decoder/linear_0/kernel"}
    assert changed["textbook"] == {
        *changed["benchmarked"],
        "encoder/linear_1/kernel",
        "decoder/linear_1/kernel",
        "mean_head/kernel",
        "logvar_head/kernel",
        "output_layer/kernel",
    }


def numpy_norm(params, stats, x, norm, training):
    if norm == "none":
        return x
    if norm == "batch":
        mean, var = (x.mean(0), x.var(0)) if training else (stats["mean"], stats["var"])
    else:
        mean, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
    return (x - mean) / np.sqrt(var + 1e-5) * params["scale"] + params["bias"]


def numpy_linear(layer, x):
    return x @ layer["kernel"] + layer["bias"]


def numpy_hidden(params, stats, x, widths, norm, activation, training):
    for i in range(len(widths)):
        x = numpy_linear(params[f"linear_{i}"], x)
        x = numpy_norm(params.get(f"norm_{i}"), (stats or {}).get(f"norm_{i}"), x, norm, training)
        x = NUMPY_ACTIVATIONS[activation](x)
    return x


@pytest.mark.parametrize(
    ("norm", "output", "activation", "draws", "extra"),
    [
        pytest.param("batch", "identity", "tanh", None, 0, marks=pytest.mark.slow),
        pytest.param("batch", "normalised_sigmoid", "relu", None, 0, marks=pytest.mark.slow),
        ("batch", "sigmoid", "tanh", 3, 6),
        ("layer", "identity", "relu", None, 0),
        pytest.param("none", "normalised_sigmoid", "tanh", None, 0, marks=pytest.mark.slow),
    ],
)
def test_network_equals_numpy_forward_pass(key, norm, output, activation, draws, extra):
    """Both halves, in training and not; K draws are decoded as K*B rows; the extra layer is linear."""
    widths = (16, 8)
    static = Static("vae", 30, 4, hidden=widths, norm=norm, output=output)

    # the outputs themselves as terms
    def objective(outputs, hyper, context):
        return 0.0, outputs._replace(key=None)._asdict()

    model = autoencoder_model(static, objective, draws=draws, extra=extra)
    variables = jax.jit(model.init)(key, jnp.array(INITS.index("xavier_normal")))
    # scales and offsets other than 1 and 0, so that their use is tested
    variables["params"] = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf + 0.3 if path[-1].key in ("scale", "bias") else leaf, variables["params"]
    )
    x = jax.random.normal(jax.random.key(5), (12, 30))
    index = jnp.array(ACTIVATIONS.index(activation))
    params, stats = jax.tree.map(np.asarray, (variables["params"], variables["batch_stats"]))

    def close(got, expected):
        np.testing.assert_allclose(got, expected, rtol=5e-4, atol=5e-5)

    for training in (True, False):
        loss = jax.jit(lambda v, training=training: model.loss(v, x, key, (), index, Context(training, 12, 12, 0))[1])
        aux = loss(variables)
        got = Outputs(**aux.terms)
        h = numpy_hidden(params["encoder"], stats.get("encoder"), np.asarray(x), widths, norm, activation, training)
        h = numpy_linear(params["extra_layer"], h) if extra else h
        close(got.posterior.mean, numpy_linear(params["mean_head"], h))
        close(got.posterior.logvar, numpy_linear(params["logvar_head"], h))
        assert got.z.shape == ((draws, 12, 4) if draws else (12, 4))
        z = np.asarray(got.z).reshape(-1, 4)
        hidden = numpy_hidden(params["decoder"], stats.get("decoder"), z, widths, norm, activation, training)
        out = numpy_linear(params["output_layer"], hidden)
        if output == "normalised_sigmoid":
            out = numpy_norm(params.get("output_norm"), stats.get("output_norm"), out, norm, training)
        out = out if output == "identity" else special.expit(out)
        close(got.reconstruction, out.reshape(*got.z.shape[:-1], 30))
        if norm != "batch":
            continue
        first = numpy_linear(params["encoder"]["linear_0"], np.asarray(x))
        back = numpy_linear(params["decoder"]["linear_0"], z)
        for half, values in (("encoder", first), ("decoder", back)):  # a tenth of the batch's, the variance unbiased
            running = aux.statistics[half]["norm_0"]
            close(running["mean"], 0.1 * values.mean(0) if training else 0 * values[0])
            close(running["var"], 0.9 + 0.1 * values.var(0, ddof=1) if training else 1 + 0 * values[0])


@pytest.mark.slow
def test_benchmarked_embeds_by_the_batch_and_textbook_by_running_statistics(key):
    x, tanh = jax.random.normal(key, (9, 30)), jnp.array(1)
    for recipe in ("textbook", "benchmarked"):
        model = variant("vae").build(Static("vae", 30, 4, hidden=(8,), recipe=recipe))
        variables = jax.jit(model.init)(key, jnp.array(0))
        params, stats = jax.tree.map(np.asarray, (variables["params"], variables["batch_stats"]["encoder"]))
        h = numpy_hidden(params["encoder"], stats, np.asarray(x), (8,), "batch", "tanh", recipe == "benchmarked")
        expected = numpy_linear(params["mean_head"], h)
        z = jax.jit(model.embed)(variables, x, tanh)
        np.testing.assert_allclose(z, expected, rtol=1e-3, atol=1e-5)
        # sigma of a draw aside, the sample has the same mean
        logvar = numpy_linear(params["logvar_head"], h)
        noise = (np.asarray(model.sample(variables, x, key, tanh)) - expected) / np.exp(0.5 * logvar)
        np.testing.assert_allclose(noise, jax.random.normal(key, (9, 4)), rtol=1e-2, atol=1e-3)
        running = numpy_hidden(params["encoder"], stats, np.asarray(x), (8,), "batch", "tanh", False)
        q = model.posterior(variables, x, tanh)
        np.testing.assert_allclose(q.mean, numpy_linear(params["mean_head"], running), rtol=1e-3, atol=1e-5)


def test_beta_tc_vae_has_one_more_layer_in_benchmarked_alone(key):
    found = {}
    for recipe in ("textbook", "benchmarked"):
        v = variant("beta_tc_vae")
        static = Static("beta_tc_vae", 30, 4, hidden=(512,), recipe=recipe, shape=v.shape(recipe))
        found[recipe] = jax.eval_shape(v.build(static).init, key, jnp.array(0))["params"]
    assert "extra_layer" not in found["textbook"]
    assert found["textbook"]["mean_head"]["kernel"].shape == (512, 4)
    assert found["benchmarked"]["extra_layer"]["kernel"].shape == (512, 256)
    assert found["benchmarked"]["mean_head"]["kernel"].shape == (256, 4)
    assert found["benchmarked"]["decoder"]["linear_0"]["kernel"].shape == (4, 512)


def test_deviation_of_posterior_draw_is_its_sigma(key):
    model = autoencoder_model(Static("vae", 5, 2, hidden=(4,), norm="none"), textbook)
    variables = jax.jit(model.init)(key, jnp.array(0))
    x = jnp.ones((20_000, 5))
    z = np.asarray(model.sample(variables, x, key, jnp.array(0)))
    q = model.posterior(variables, x[:1], jnp.array(0))
    np.testing.assert_allclose(z.mean(0), q.mean[0], atol=0.05)
    np.testing.assert_allclose(z.std(0), np.exp(0.5 * np.asarray(q.logvar[0])), rtol=0.03)


def test_biases_are_the_framework_default_and_weights_are_independent(key):
    model = autoencoder_model(Static("vae", 400, 50, hidden=(300,)), textbook)
    params = jax.jit(model.init)(key, jnp.array(INITS.index("normal")))["params"]
    for layer, fan_in in ((params["encoder"]["linear_0"], 400), (params["output_layer"], 300)):
        bound = fan_in**-0.5
        assert 0.9 * bound < np.abs(layer["bias"]).max() <= bound
        assert abs(np.mean(layer["bias"])) < 4 * bound / np.sqrt(3 * layer["bias"].size)
    kernels = np.concatenate([np.ravel(params["mean_head"]["kernel"]), np.ravel(params["logvar_head"]["kernel"])])
    assert len(np.unique(kernels)) > 0.99 * kernels.size  # equal draws would halve it; float32 ties are rare
