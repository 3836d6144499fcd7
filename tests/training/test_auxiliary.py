"""Auxiliary variables end to end: coded, gathered beside x, kept with a model, asked for when new samples are embedded."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from vaebench.data.auxiliary import with_auxiliary
from vaebench.data.cache import cached
from vaebench.data.dataset import dataset_from_arrays
from vaebench.data.digest import content_digest
from vaebench.errors import InputError
from vaebench.space import Point, point
from vaebench.training.model import fit, load_model
from vaebench.training.pool import trained_points
from vaebench.types import Dataset

POINT = Point(latent=6, hidden=(8,), batch=8, epochs=15, learning_rate=1e-2, stopping="fixed")


def arrays(seed: int = 0, samples: int = 60):
    """Two programmes, and a batch that moves half of the genes."""
    rng = np.random.default_rng(seed)
    batch = np.array(["b1", "b2"])[np.arange(samples) % 2]
    factors = rng.normal(size=(samples, 2))
    x = factors @ np.random.default_rng(7).normal(size=(2, 12)) + 0.2 * rng.normal(size=(samples, 12))
    x[:, :6] += 3.0 * (batch == "b2")[:, None]
    age = np.where(np.arange(samples) % 5 == 0, np.nan, 50 + 10 * factors[:, 0])
    return x, {"batch": batch, "age": age}


@pytest.fixture(scope="module")
def data() -> Dataset:
    x, auxiliary = arrays()
    return dataset_from_arrays(x, auxiliary=auxiliary, name="two")


@pytest.fixture(scope="module")
def model(data):
    return fit(data, point=point(POINT, variant="conditional_vae"))


@pytest.mark.slow
def test_a_model_tells_its_decoder_the_batch_and_embeds_what_it_is_told(model, data):
    z = model.embed(data.x, data.auxiliary)
    assert z.shape == (60, 6)
    frame = pd.DataFrame(dict(data.auxiliary.values))
    np.testing.assert_array_equal(model.embed(data.x, frame), z)
    # the other batch decodes to other values, mostly of the genes that the batch moves
    other = {**data.auxiliary.values, "batch": np.where(data.auxiliary.values["batch"] == "b1", "b2", "b1")}
    moved = np.abs(model.decode(z, other) - model.decode(z, data.auxiliary)).mean(0)
    assert moved[:6].mean() > 3 * moved[6:].mean()
    assert model.reconstruct(data.x, data.auxiliary).shape == data.x.shape
    with pytest.raises(InputError, match=r"the model uses the auxiliary variables batch, age; give their values"):
        model.embed(data.x)


def test_the_engine_gathers_the_same_rows_as_the_model(data):
    chosen = point(POINT, variant="conditional_vae")
    ticks = trained_points([chosen], data, jnp.asarray(data.x), 1, keep=lambda p: True)
    item = next(item for tick in ticks for item in tick.finished)
    from vaebench.training.trained import trained

    np.testing.assert_allclose(trained(item, data).embed(data.x, data.auxiliary), item.z, rtol=1e-5, atol=1e-6)


def test_saved_models_know_their_auxiliary_variables(model, data, tmp_path):
    loaded = load_model(model.save(tmp_path / "model"))
    assert loaded.auxiliary == model.auxiliary == data.auxiliary.variables
    np.testing.assert_array_equal(loaded.embed(data.x, data.auxiliary), model.embed(data.x, data.auxiliary))
    raw = pd.DataFrame(data.x * data.scale + data.centre, columns=data.features).assign(**data.auxiliary.values)
    raw.index = [f"s{i}" for i in range(60)]
    z = loaded.embed_table(raw)  # its own columns
    np.testing.assert_allclose(z, model.embed(data.x, data.auxiliary), rtol=1e-3, atol=1e-4)
    raw.rename_axis("sample").to_csv(tmp_path / "new.csv")
    np.testing.assert_allclose(loaded.embed_table(tmp_path / "new.csv"), z, rtol=1e-3, atol=1e-4)
    turned = raw[["batch", "age"]].iloc[::-1]  # matched by name
    np.testing.assert_allclose(loaded.embed_table(raw.drop(columns=["batch", "age"]), turned), z, rtol=1e-6)
    with pytest.raises(InputError, match="'batch' is missing; the model needs batch, age"):
        loaded.embed_table(raw.drop(columns="batch"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch": ["b9"] * 60}, "'b9', a level that the model does not know; it must be one of b1, b2"),
        ({"batch": [""] * 60}, "'batch' is missing in 60 of 60 samples"),
        ({"age": ["old"] * 60}, "'age' holds the text 'old'; the model needs numbers"),
        ({"age": [1.0]}, r"auxiliary variable 'age' has shape \(1,\); it must be \(60,\)"),
    ],
)
def test_values_that_a_model_cannot_use(model, data, changed, message):
    with pytest.raises(InputError, match=message):
        model.embed(data.x, {**data.auxiliary.values, **changed})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batch": ["b1"] * 60}, "'batch', which is 'b1' in all 60 samples that have it, and tells nothing"),
        ({"age": [np.nan] * 60}, "'age', which has no value in any of the 60 samples"),
        ({"batch": [f"s{i}" for i in range(60)]}, "'batch', which has 60 different texts in 60 samples"),
        ({"age": [1e308, -1e308] * 30}, r"'age', which goes from -1e\+308 to 1e\+308: too far"),
        ({"age": [np.inf] * 60}, "auxiliary variable 'age' has 60 infinite values"),
    ],
)
def test_variables_that_tell_nothing_are_refused(given, message):
    with pytest.raises(InputError, match=message) as error:
        dataset_from_arrays(arrays()[0], auxiliary=given)
    assert len(str(error.value)) < 300


def test_data_without_auxiliary_variables_are_refused_by_name(tiny):
    with pytest.raises(InputError, match="'conditional_vae' uses auxiliary variables, and the data set has none"):
        fit(tiny, point=point(POINT, variant="conditional_vae"))


def test_the_digest_changes_with_them_and_only_with_them(data):
    plain = dataclasses.replace(data, auxiliary=None)
    assert content_digest(plain) == dataset_from_arrays(arrays()[0]).digest != data.digest


def test_numbers_with_few_whole_values_are_pointed_out_and_can_be_categories(tmp_path):
    from vaebench.data.auxiliary import with_auxiliary
    from vaebench.data.expression import read_table

    x, _ = arrays()
    frame = pd.DataFrame(x, columns=[f"G{i}" for i in range(12)]).assign(plate=np.arange(60) % 3 + 1)
    frame.to_csv(tmp_path / "t.csv", index=False)
    read = read_table(tmp_path / "t.csv", auxiliary=["plate"])
    assert read.auxiliary.widths == (1,)
    assert any(
        "plate: 3 whole numbers from 1 to 3 are taken as a quantity; give plate:category" in n for n in read.notes
    )
    coded = read_table(tmp_path / "t.csv", auxiliary=["plate:category"])
    assert coded.auxiliary.variables[0].levels == ("1", "2", "3")
    assert "plate" not in coded.features
    again = with_auxiliary(read_table(tmp_path / "t.csv", covariates=["plate"]), "plate:category")
    assert again.auxiliary.variables == coded.auxiliary.variables
    with pytest.raises(InputError, match="did you mean 'plate'"):
        read_table(tmp_path / "t.csv", auxiliary=["plat"])


def test_the_cache_keeps_them(data, tmp_path):
    kept = [cached(tmp_path, {"digest": data.digest}, lambda: data) for _ in range(2)][1]
    assert kept.auxiliary.variables == data.auxiliary.variables
    assert kept.digest == data.digest
    np.testing.assert_array_equal(kept.auxiliary.values["age"], data.auxiliary.values["age"])


def test_a_run_trains_and_evaluates_with_them(data, tmp_path):
    from vaebench.sweep.runner import run

    chosen = point(POINT, variant="conditional_vae", epochs=2)  # epochs are traced: the program of the model above
    rows = run([chosen], data, ["reconstruction"], tmp_path, lanes=1, quiet=True, keep_models="all")
    row = rows[rows["static/variant"] == "conditional_vae"].iloc[0]
    assert row["status"] == row["metric/reconstruction/status"] == "OK"
    assert 0 < row["metric/reconstruction/mse"] < 10
    from vaebench.training.model import kept_models

    (kept,) = kept_models(tmp_path).values()
    assert kept.auxiliary == data.auxiliary.variables


def test_the_command_line_names_them_for_files_and_named_data_sets():
    from vaebench.cli.options import Run
    from vaebench.cli.parsing import column_options
    from vaebench.data import load

    given = column_options(Run(auxiliary="label, age"))
    assert given == {"auxiliary": ("label", "age")}
    simulated = load("simulated", given | {"samples": 240, "types": 4})
    assert simulated.auxiliary.widths == (4, 1)
    assert "auxiliary label, age" in repr(simulated)
    with pytest.raises(InputError, match=r"unknown auxiliary variable \(--auxiliary\) 'lable'; did you mean 'label'"):
        load("simulated", {"auxiliary": ("lable",), "samples": 240, "types": 4})


@pytest.fixture(scope="module")
def named(data, model):
    """New samples by name: x, their variables in another order, and the z of each."""
    samples = [f"TCGA-02-{i:04d}-01A-11R" for i in range(60)]
    x = pd.DataFrame(data.x, samples, data.features)
    about = pd.DataFrame(dict(data.auxiliary.values), samples).rename_axis("sample").iloc[::-1]
    return x, about, model.embed(data.x, data.auxiliary)


def test_variables_are_matched_by_the_names_of_the_samples(model, data, named, tmp_path):
    x, about, z = named
    by_patient = about.set_axis([name[:12] for name in about.index], axis=0)
    about.T.to_csv(tmp_path / "turned.csv")
    by_patient.reset_index(names="patient").to_csv(tmp_path / "patients.csv")
    for given in (
        about.reset_index(),  # names in the first column, as of a file
        about.reset_index().sample(frac=1, random_state=0),
        {name: about[name] for name in about},  # columns with names
        about.T,
        tmp_path / "turned.csv",
        tmp_path / "patients.csv",
        dataclasses.replace(data.auxiliary, samples=x.index.to_numpy()),
    ):
        np.testing.assert_array_equal(model.embed(x, given), z)
        np.testing.assert_array_equal(model.embed(x.iloc[::-1], given), z[::-1])


def test_variables_of_other_samples_are_refused(model, data, named):
    x, about, _ = named
    others = about.set_axis([f"S{i}" for i in range(60)], axis=0)
    for given in (others.reset_index(names="sample"), {name: others[name] for name in others}):
        with pytest.raises(InputError, match="60 of 60 samples are missing from the auxiliary variable 'batch'"):
            model.embed(x, given)
    with pytest.raises(InputError, match="'batch' is there 2 times; give it once"):
        model.embed(x, pd.concat([about, about[["batch"]]], axis=1))


def test_the_variables_of_a_data_set_know_its_samples(data, tmp_path):
    x, auxiliary = arrays()
    assert data.auxiliary.samples is None  # of an array without names
    samples = [f"s{i}" for i in range(60)]
    made = dataset_from_arrays(pd.DataFrame(x, samples), auxiliary=auxiliary)
    assert made.auxiliary.samples.tolist() == samples
    assert with_auxiliary(made, []).auxiliary is None
    kept = [cached(tmp_path, {"a": 1}, lambda: made) for _ in range(2)]
    assert kept[1].auxiliary.samples.tolist() == samples


def test_a_table_without_the_variables_says_so(model, data, tmp_path):
    genes = pd.DataFrame(data.x * data.scale + data.centre, [f"s{i}" for i in range(60)], data.features).T
    genes.to_csv(tmp_path / "genes.csv")
    with pytest.raises(
        InputError, match="'batch' is missing; the model needs batch, age of every sample: give a table"
    ):
        model.embed_table(tmp_path / "genes.csv")


@pytest.mark.parametrize(
    ("key", "samples", "message"),
    [
        (0, 5, "key is 0; it must be a key such as"),
        (jax.random.key(0), -1, "samples=-1"),
        (jax.random.key(0), 2.5, "2.5"),
    ],
)
def test_draws_that_cannot_be_made(model, data, key, samples, message):
    with pytest.raises(InputError, match=message):
        model.sample(key, samples, data.auxiliary)
