"""One trained lane: embed, reconstruct, sample, save, load, align."""

from __future__ import annotations

import json

import jax
import numpy as np
import pandas as pd
import pytest

from vaebench.errors import InputError
from vaebench.space import Point
from vaebench.training.model import fit, load_model

POINT = Point(latent=3, hidden=(8,), batch=8, epochs=20, learning_rate=1e-2)


@pytest.fixture(scope="module")
def model(tiny):
    return fit(tiny, point=POINT)


def raw(dataset):
    """The data set's values before scaling, as a table."""
    return pd.DataFrame(dataset.x.astype(np.float64) * dataset.scale + dataset.centre, columns=dataset.features)


@pytest.mark.slow
def test_embeds_reconstructs_and_samples(model, tiny):
    z = model.embed(tiny.x)
    assert z.shape == (60, 3)
    reconstruction = model.reconstruct(tiny.x)
    assert reconstruction.shape == tiny.x.shape
    assert np.mean((reconstruction - tiny.x) ** 2) < 0.9 * np.mean(tiny.x**2)
    assert model.sample(jax.random.key(0), 5).shape == (5, 20)
    assert model.status == "OK"


def test_saved_and_loaded_models_are_the_same(model, tiny, tmp_path):
    loaded = load_model(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.embed(tiny.x), model.embed(tiny.x))
    np.testing.assert_array_equal(loaded.embed_table(raw(tiny)), model.embed_table(raw(tiny)))
    assert loaded.point == model.point
    assert (loaded.epochs, loaded.losses, loaded.history) == (model.epochs, model.losses, model.history)
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert names == ["model.json", "weights.safetensors"]


def test_new_samples_are_aligned_by_name_and_scaled(model, tiny):
    table = raw(tiny).iloc[:7]
    shuffled = table[list(reversed(table.columns))].assign(EXTRA=1.0)
    np.testing.assert_allclose(model.embed_table(shuffled), model.embed(tiny.x[:7]), rtol=1e-3, atol=1e-4)
    with pytest.raises(InputError, match=str(tiny.features[3])):
        model.embed_table(table.drop(columns=tiny.features[3]))


def test_a_model_scaled_by_its_training_rows_scales_new_samples_alike(tiny):
    from vaebench.space import point

    model = fit(tiny, point=point(POINT, scaling_from="train"))
    assert not np.allclose(model.own_scale, 1)
    np.testing.assert_allclose(model.embed_table(raw(tiny)), model.embed(tiny.x), rtol=1e-3, atol=1e-4)
    assert np.mean((model.reconstruct(tiny.x) - tiny.x) ** 2) < 0.9 * np.mean(tiny.x**2)


def test_fit_embeds_as_the_lane_did(tiny):
    import jax.numpy as jnp

    from vaebench.training.pool import trained_points

    ticks = trained_points([POINT], tiny, jnp.asarray(tiny.x), 1)
    z = next(item.z for tick in ticks for item in tick.finished)
    np.testing.assert_allclose(fit(tiny, point=POINT).embed(tiny.x), z, rtol=1e-5, atol=1e-6)


def test_a_diverged_fit_is_returned_with_its_status(tiny):
    bad = Point(latent=3, hidden=(8,), batch=8, epochs=9, learning_rate=1e20, optimizer="sgd", activation="relu")
    assert fit(tiny, point=bad).status == "DIVERGED"


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((3, 19)), r"shape \(3, 19\).*embed_table"),
        (np.full((3, 20), np.nan), "60 values that are missing or not finite"),
    ],
)
def test_bad_samples(model, x, message):
    with pytest.raises(InputError, match=message):
        model.embed(x)


def test_data_that_are_no_data_set():
    with pytest.raises(InputError, match="the data are a ndarray; they must be a Dataset"):
        fit(np.zeros((20, 5)))


def test_bad_folders(model, tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/below"):
        with pytest.raises(InputError, match=r"file is a file; give a folder to write to"):
            model.save(tmp_path / place)
    with pytest.raises(InputError, match=r"model.json is missing"):
        load_model(tmp_path)
    folder = model.save(tmp_path / "m")
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**card, "schema": 99}))
    with pytest.raises(InputError, match="schema 99"):
        load_model(folder)
    with pytest.raises(InputError, match=r"z has shape \(2, 7\)"):
        model.decode(np.zeros((2, 7)))
