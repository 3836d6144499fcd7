"""Frames are put in order by name or refused, by every public function that takes arrays."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import vaebench as vb
from vaebench.data import dataset_from_arrays
from vaebench.errors import InputError
from vaebench.evaluation import pca_embedding, pca_reconstruction
from vaebench.figures import survival_curves
from vaebench.metrics import METRICS
from vaebench.signatures.tables import groups_of
from vaebench.space import Point
from vaebench.training.model import fit
from vaebench.types import Given, Posterior, Survival
from vaebench.types.frames import in_order

POINT = Point(latent=2, hidden=(4,), batch=8, epochs=1)


@pytest.fixture(scope="module")
def named(tiny):
    """The tiny data set with names of its own."""
    names = np.array([f"patient {i}" for i in range(60)])
    return dataclasses.replace(tiny, samples=names)


@pytest.fixture(scope="module")
def model(named):
    return fit(named, point=POINT)


def shuffled(frame):
    rng = np.random.default_rng(0)
    return frame.iloc[rng.permutation(len(frame)), rng.permutation(frame.shape[1])]


def frame_of(data):
    return pd.DataFrame(data.x, data.samples, data.features)


def refused(words, function, *arguments, **options):
    with pytest.raises(InputError, match=words) as found:
        function(*arguments, **options)
    assert len(str(found.value)) < 300


def test_an_embedding_in_another_order_has_the_same_scores(named):
    z = pca_embedding(named.x, 3)
    wanted = vb.evaluate(z, named, ["leiden"])["leiden"]["ari"]
    assert wanted > 0.9
    frame = pd.DataFrame(z, named.samples)
    again = frame.sample(frac=1, random_state=0)
    titled = again.reset_index(names="sample")
    for given in (frame, again, titled, pd.concat([again, again.head(2).set_axis(["x", "y"])]), pd.DataFrame(z)):
        assert vb.evaluate(given, named, ["leiden"])["leiden"]["ari"] == wanted
    assert METRICS["leiden"].compute(again, named, Given())["ari"] == wanted
    refused(
        "1 of 60 samples are missing from the embedding: patient 7 ", vb.evaluate, frame.drop(index="patient 7"), named
    )
    refused("60 of 60 samples are missing", vb.evaluate, frame.set_axis(range(1, 61)), named)
    refused("'patient 3' more than once", vb.evaluate, pd.concat([frame, frame.loc[["patient 3"]]]), named)
    refused("must be", vb.evaluate, pd.DataFrame(z[:59]), named)


def test_a_frame_of_polars_has_its_names_in_the_first_column(named):
    polars = pytest.importorskip("polars")
    z = pca_embedding(named.x, 3)
    wanted = vb.evaluate(z, named, ["leiden"])["leiden"]["ari"]
    given = polars.from_pandas(pd.DataFrame(z, named.samples).sample(frac=1, random_state=0).reset_index(names="name"))
    assert vb.evaluate(given, named, ["leiden"])["leiden"]["ari"] == wanted


def test_what_else_is_known_of_an_embedding_is_put_in_order(named):
    z = pca_embedding(named.x, 3)
    frame, back = (
        pd.DataFrame(z, named.samples),
        pd.DataFrame(pca_reconstruction(named.x, z), named.samples, named.features),
    )
    variance = pd.DataFrame(np.zeros_like(z), named.samples)
    wanted = vb.evaluate(
        z, named, ["reconstruction", "latent_use"], Given(Posterior(z, variance.to_numpy()), back.to_numpy())
    )
    mixed = Given(Posterior(frame[::-1], variance), shuffled(back))
    found = vb.evaluate(frame.sample(frac=1), named, ["reconstruction", "latent_use"], mixed)
    for name in wanted:
        for score in wanted[name].keys() - {"seconds", "status"}:
            np.testing.assert_allclose(found[name][score], wanted[name][score], rtol=1e-6)


@pytest.mark.slow
def test_a_model_finds_genes_and_latents_by_name(model, named):
    wanted = model.embed(named.x)
    frame = frame_of(named)
    z = model.embed(shuffled(frame))
    assert z.columns.tolist() == ["z1", "z2"]
    np.testing.assert_allclose(z.loc[named.samples], wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.embed(pd.DataFrame(named.x)), wanted)
    np.testing.assert_allclose(model.posterior(shuffled(frame).loc[named.samples]).mean, wanted, rtol=1e-5, atol=1e-6)
    back = model.decode(z[["z2", "z1"]])
    np.testing.assert_allclose(back.loc[named.samples, named.features], model.decode(wanted), rtol=1e-5, atol=1e-5)
    assert model.reconstruct(frame.head(3)).shape == (3, 20)
    refused(f"1 of 20 features are missing from x: {named.features[0]}", model.embed, frame.iloc[:, 1:])
    refused("2 of 2 latents are missing from z", model.decode, z.set_axis(["a", "b"], axis=1))
    text = frame.astype(object)
    text.iloc[0, 0] = "high"
    refused("holds text", model.embed, text)
    np.testing.assert_array_equal(model.embed(frame.convert_dtypes()), wanted)


def test_principal_components_keep_the_names(named):
    frame = frame_of(named).sample(frac=1, random_state=1)
    z = pca_embedding(frame, 3)
    np.testing.assert_allclose(z.loc[named.samples], pca_embedding(named.x, 3), rtol=1e-6, atol=1e-8)
    back = pca_reconstruction(frame, z[::-1])
    np.testing.assert_allclose(
        back.loc[named.samples], pca_reconstruction(named.x, pca_embedding(named.x, 3)), atol=1e-5
    )


def test_annotations_of_a_data_set_are_put_in_order(named):
    frame, order = frame_of(named), np.random.default_rng(2).permutation(60)
    label = pd.Series([named.label_names[i] for i in named.labels], named.samples)
    age, time = (pd.Series(values, named.samples) for values in (named.covariates["age"], named.survival.time))
    event = pd.Series(named.survival.event, named.samples)
    wanted = dataset_from_arrays(
        frame, labels=label, survival=Survival(time, event), covariates={"age": age}, factors={"f": age}
    )
    parts = {"labels": label.iloc[order], "survival": Survival(time.iloc[order], event.iloc[order[::-1]])}
    parts |= {"covariates": pd.DataFrame({"age": age.iloc[order]}), "factors": {"f": age.iloc[order[::-1]]}}
    assert dataset_from_arrays(frame, **parts).digest == wanted.digest
    new = [f"s{i}" for i in range(60)]
    renamed = dataset_from_arrays(frame, samples=new, **parts)
    np.testing.assert_array_equal(renamed.labels, wanted.labels)
    plain = dataset_from_arrays(frame.to_numpy(), labels=label.reset_index(drop=True))
    np.testing.assert_array_equal(plain.labels, wanted.labels)
    numbered = dataset_from_arrays(frame.reset_index(drop=True), labels=label)
    np.testing.assert_array_equal(numbered.labels, wanted.labels)
    refused("samples are missing from the labels", dataset_from_arrays, frame, labels=label.set_axis(range(5, 65)))


def test_figures_and_cancer_types_by_name(named):
    pytest.importorskip("lifelines")
    survival = Survival(pd.Series(named.survival.time, named.samples), pd.Series(named.survival.event, named.samples))
    groups = pd.Series(np.where(np.arange(60) < 30, "first", "second"), named.samples)
    title = survival_curves(groups, survival).axes[0].get_title(loc="left")
    assert survival_curves(groups.sample(frac=1), survival).axes[0].get_title(loc="left") == title
    samples = pd.Index(["a", "b", "c"])
    for types in (pd.Series(["X", "Y", "X"], ["c", "b", "a"]), {"a": "X", "b": "Y", "c": "X"}, ["X", "Y", "X"]):
        np.testing.assert_array_equal(groups_of(types, samples), [[1, 0], [0, 1], [1, 0]])
    refused(r"types has shape \(2,\)", groups_of, ["X", "Y"], samples)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of anndata about itself
def test_anndata_in_place_of_a_data_set(named):
    anndata = pytest.importorskip("anndata")
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"type": np.repeat(["A", "B", None], 20), "age": rng.normal(60, 5, 60)}, named.samples)
    held = anndata.AnnData(frame_of(named), obs=obs)
    held.layers["twice"] = 2 * held.X
    z = pca_embedding(named.x, 3)
    read = vb.data.read_table(held, label="type", covariates=["age"])
    wanted = vb.evaluate(z[:40], read, ["leiden"])["leiden"]["ari"]
    for given in (z, pd.DataFrame(z, named.samples)[::-1]):
        assert vb.evaluate(given, held, ["leiden"], label="type", covariates=["age"])["leiden"]["ari"] == wanted
    model = fit(held, label="type", layer="twice", scaling="none", latent=2, hidden=(4,), batch=8, epochs=1)
    assert (model.point.epochs, model.digest) == (
        1,
        vb.data.read_table(held, label="type", layer="twice", scaling="none").digest,
    )
    refused("the embedding is an AnnData object", vb.evaluate, held, named)
    refused("unknown setting 'epohcs'; did you mean 'epochs'", fit, held, epohcs=3)
    refused("unknown option 'lable'; did you mean 'label'", vb.evaluate, z, held, lable="type")
    refused("label is given with a Dataset", vb.evaluate, z, named, label="type")
    cells = vb.data.to_anndata(named, {"pca": pd.DataFrame(z, named.samples)[::-1]})
    np.testing.assert_array_equal(cells.obsm["X_pca"], z)


@pytest.mark.slow
def test_settings_of_a_fit_by_name(named):
    model = vb.fit(named, point=POINT, variant="beta_vae", beta=3, seed=2)
    assert dict(model.point.hyper)["beta"] == 3
    assert (model.point.seed, model.point.latent, model.point.epochs) == (2, 2, 1)
    seen = []
    other = vb.fit(named, latent=2, hidden=(4,), epochs=3, batch=8, progress=lambda *step: seen.append(step))
    assert seen[-1] == ("training", other.epochs, other.epochs)
    refused("unknown setting 'epohcs'; did you mean 'epochs'", vb.fit, named, epohcs=3)
    refused("the data are a DataFrame", vb.fit, frame_of(named), epochs=3)


def test_arrays_and_numbered_axes_are_taken_in_their_order():
    values = np.arange(6.0).reshape(3, 2)
    assert in_order(values, "x", samples=["a", "b", "c"]) is values
    np.testing.assert_array_equal(
        in_order(pd.DataFrame(values), "x", samples=["a", "b", "c"], columns=["p", "q"]), values
    )
    counted = pd.DataFrame(values).iloc[[2, 0, 1]]  # names that were shuffled are names
    np.testing.assert_array_equal(in_order(counted, "x", samples=["0", "1", "2"]), values)
    refused("3 of 3 samples are missing from x", in_order, counted, "x", samples=["a", "b", "c"])
