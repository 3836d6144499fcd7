"""A model treats raw tables as its training data were treated, whatever their layout, also after saving and loading."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

from vaebench.data import dataset_from_arrays, preprocessed, read_table
from vaebench.data.public import gtex, tcga
from vaebench.data.sources import source
from vaebench.errors import InputError
from vaebench.space import Point
from vaebench.training.checkpoint import MODELS, keep_part
from vaebench.training.model import fit, kept_models, load_model
from vaebench.training.trained import arrays_of, card_of

N, D, KEPT = 40, 15, 12
POINT = Point(latent=2, hidden=(4,), batch=8, epochs=1)
SAMPLES = [f"TCGA-{i:02d}-{1000 + i}-01" for i in range(N)]
GENES = [f"GENE{j}" for j in range(D)]
TCGA, GTEX = (list(source(name).files) for name in ("tcga", "gtex"))


def raw(missing: float = 0.05, names=GENES) -> pd.DataFrame:
    """Counts whose genes differ a thousandfold in size, some missing."""
    rng = np.random.default_rng(0)
    values = rng.gamma(1.0, 10.0 ** rng.uniform(0, 3, len(names)), (N, len(names)))
    values[rng.random(values.shape) < missing] = np.nan
    return pd.DataFrame(values, SAMPLES, names)


def clinical() -> pd.DataFrame:
    columns = {"type": ["A", "B"] * (N // 2), "age": np.arange(40.0, 40 + N), "note": [f"n {i}" for i in range(N)]}
    return pd.DataFrame(columns, SAMPLES)


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return frame.iloc[rng.permutation(len(frame)), rng.permutation(frame.shape[1])]


def agree(model, data, *tables) -> None:
    """Every source gives the samples of the data set the z that they had in training."""
    wanted = model.embed(data.x)
    assert np.std(wanted) > 1e-3
    for table in tables:
        z = model.embed_table(table)
        assert list(z.columns) == ["z1", "z2"]
        np.testing.assert_allclose(z.loc[data.samples.tolist()], wanted, rtol=1e-5, atol=1e-5)


OPTIONS = {"label": "type", "transform": "log2", "missing": "impute", "top": KEPT}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A file, its data set and a model that was saved and loaded."""
    folder = tmp_path_factory.mktemp("cohort")
    table = raw().join(clinical()).rename_axis("sample")
    table.loc[SAMPLES[3], "type"] = None  # a sample without a label is not trained on, and can be embedded
    table.to_csv(folder / "cohort.csv")
    data = read_table(folder / "cohort.csv", covariates=["age"], **OPTIONS)
    assert data.x.shape == (N - 1, KEPT)
    return folder / "cohort.csv", data, load_model(fit(data, point=POINT).save(folder / "model"))


@pytest.mark.parametrize("scaling", ["zscore", *(pytest.param(v, marks=pytest.mark.slow) for v in ("unit", "none"))])
def test_a_table_and_its_file(cohort, scaling, tmp_path):
    path, data, model = cohort
    if scaling != "zscore":
        data = read_table(path, covariates=["age"], scaling=scaling, **OPTIONS)
        model = fit(data, point=POINT)
    indexed, plain = pd.read_csv(path, index_col=0), pd.read_csv(path)
    agree(model, data, path, str(path), indexed, plain, shuffled(indexed), shuffled(indexed).assign(other="text"))
    turned = shuffled(indexed).T
    turned.to_csv(tmp_path / "turned.csv")
    agree(model, data, turned, pd.read_csv(tmp_path / "turned.csv"), tmp_path / "turned.csv")
    indexed.to_parquet(tmp_path / "cohort.parquet")
    agree(model, data, tmp_path / "cohort.parquet", indexed.convert_dtypes(), indexed.astype(object))
    everyone = model.embed_table(indexed)
    assert everyone.index.tolist() == SAMPLES
    assert np.isfinite(everyone.loc[SAMPLES[3]]).all()
    one = model.embed_table(indexed.loc[SAMPLES[5]])
    np.testing.assert_allclose(one, everyone.loc[[SAMPLES[5]]], rtol=1e-4, atol=1e-5)


def test_a_frame_of_polars(cohort):
    polars = pytest.importorskip("polars")
    path, data, model = cohort
    agree(model, data, polars.from_pandas(pd.read_csv(path)))


@pytest.mark.slow
def test_samples_in_columns(tmp_path):
    table = pd.concat([raw(), clinical()[["type"]]], axis=1).T
    table.to_csv(tmp_path / "turned.csv")
    data = read_table(tmp_path / "turned.csv", samples_in="columns", **OPTIONS)
    agree(fit(data, point=POINT), data, tmp_path / "turned.csv", table, shuffled(table), shuffled(table).T)


@pytest.mark.parametrize("duplicates", ["apart", "sum"])
def test_repeated_names(tmp_path, duplicates):
    """Two columns GENE0 and three GENE1; pandas reads them as GENE0, GENE0.1, ..."""
    others = KEPT - 5 if duplicates == "apart" else KEPT - 2
    table = raw(missing=0.0, names=["GENE0", "GENE1", "GENE0", "GENE1", "GENE1", *GENES[2 : 2 + others]])
    table = table.rename_axis("sample")
    table.to_csv(tmp_path / "twice.csv")
    data = read_table(tmp_path / "twice.csv", duplicates=duplicates, transform="log2")
    assert data.x.shape[1] == KEPT
    model = load_model(fit(data, point=POINT).save(tmp_path / "model"))
    reordered = table.iloc[::-1, [*range(5, 5 + others), *range(5)]]
    agree(model, data, tmp_path / "twice.csv", table, pd.read_csv(tmp_path / "twice.csv"), reordered, table.T)


def test_matrices_with_annotation(tmp_path):
    """A matrix is read as float32, and a ``.gct`` has two columns of gene names."""
    table = raw(missing=0.0)
    table.T.rename_axis("gene").to_csv(tmp_path / "matrix.tsv", sep="\t")
    clinical().rename_axis("sample").to_csv(tmp_path / "clinical.csv")
    gct = table.T
    gct.insert(0, "Description", [f"SYMBOL{j}" for j in range(D)])
    text = gct.rename_axis("Name").to_csv(sep="\t")
    (tmp_path / "cohort.gct").write_text(f"#1.2\n{D}\t{N}\n{text}")
    for name, more in (("matrix.tsv", {}), ("cohort.gct", {"genes": "symbol"})):
        data = read_table(tmp_path / name, annotation=tmp_path / "clinical.csv", **OPTIONS, **more)
        model = fit(data, point=POINT)
        frame = table if not more else gct
        agree(model, data, tmp_path / name, frame, frame.reset_index())


def test_the_public_cohorts(tmp_path):
    """Made-up files in the layout of TCGA's, with a gene that is listed twice and summed on the linear scale, and GTEx's."""
    logged = np.log2(raw(names=["GENE0", *GENES]) + 1).round(4)
    logged.T.rename_axis("sample").to_csv(tmp_path / TCGA[0], sep="\t")
    columns = {"sample": SAMPLES, "cancer type abbreviation": ["A", "B"] * (N // 2), "OS": 1, "OS.time": 5}
    columns |= {"age_at_initial_pathologic_diagnosis": 50, "gender": "MALE", "new_tumor_event_dx_days_to": np.nan}
    pd.DataFrame(columns).to_csv(tmp_path / TCGA[1], sep="\t", index=False)
    for duplicates in ("sum", "apart"):
        data = tcga(tmp_path, top=KEPT, duplicates=duplicates, cache=tmp_path / "cache")
        again = tcga(tmp_path, top=KEPT, duplicates=duplicates, cache=tmp_path / "cache")  # from the cache
        assert again.digest == data.digest
        for held in (data, again):
            agree(fit(held, point=POINT), held, tmp_path / TCGA[0], logged, logged.T)
    samples = [f"GTEX-{i}" for i in range(N)]
    tpm = raw(missing=0.0).set_axis(samples)
    gct = tpm.T
    gct.insert(0, "Description", GENES)
    text = gct.set_axis([f"ENSG{j}.1" for j in range(D)]).rename_axis("Name").to_csv(sep="\t")
    (tmp_path / GTEX[0]).write_text(f"#1.2\n{D}\t{N}\n{text}")
    attributes = pd.DataFrame({"SAMPID": samples, "SMTS": ["A", "B"] * (N // 2)})
    attributes.to_csv(tmp_path / GTEX[1], sep="\t", index=False)
    data = gtex(tmp_path, top=KEPT, genes="symbol", cache=False)
    agree(fit(data, point=POINT), data, tmp_path / GTEX[0], tpm, gct)


@pytest.mark.filterwarnings("ignore")  # of anndata about itself
def test_anndata(tmp_path):
    anndata = pytest.importorskip("anndata")
    held = anndata.AnnData(raw(missing=0.0).astype(np.float32), obs=clinical())
    held.layers["tpm"] = held.X * 2
    held.write_h5ad(tmp_path / "cells.h5ad")
    options = {"label": "type", "transform": "log2", "top": KEPT}
    data = read_table(tmp_path / "cells.h5ad", layer="tpm", **options)
    model = load_model(fit(data, point=POINT).save(tmp_path / "model"))
    agree(model, data, held, tmp_path / "cells.h5ad", held[::-1, ::-1], 2 * held.to_df())


def test_kept_models_of_a_run_treat_tables_alike(cohort, tmp_path):
    path, data, model = cohort
    keep_part(tmp_path / MODELS / "group", "id", arrays_of(model), card_of(model))
    agree(kept_models(tmp_path)["id"], data, path)


def test_new_samples_that_cannot_be_used(cohort, tmp_path):
    path, data, model = cohort
    table = pd.read_csv(path, index_col=0)
    gene = str(data.features[4])
    for change, words in (
        (
            lambda t: t.drop(columns=gene),
            rf"1 of {KEPT} features that the model needs are missing from the table: {gene}",
        ),
        (lambda t: t.rename(columns=str.lower), rf"{KEPT} of {KEPT} features .* it has gene0, gene1, gene2, \.\.\."),
        (lambda t: t.astype({gene: object}).assign(**{gene: "high"}), f"{gene}'.*is the text 'high'"),
        (lambda t: t.assign(**{gene: np.inf}), f"'{gene}' of sample .* is infinite"),
        (lambda t: t.to_numpy(), "the table is a ndarray; it must be a DataFrame"),
        (lambda t: t.iloc[:0], "has no sample"),
        (lambda t: pd.concat([t, t[[gene]]], axis=1), f"duplicate feature name '{gene}'"),
    ):
        with pytest.raises(InputError, match=words) as found:
            model.embed_table(change(table))
        assert len(str(found.value)) < 300
    strict = dataset_from_arrays(raw(missing=0.0)[GENES[:KEPT]])
    with pytest.raises(InputError, match=r"'GENE\d+' of sample 'TCGA.*' is missing .*trained without missing values"):
        fit(strict, point=POINT).embed_table(raw())


def test_models_of_earlier_versions_refuse_tables(cohort):
    path, data, model = cohort
    arrays, card = arrays_of(model), card_of(model)
    del arrays["data/fill"], card["preprocessing"]
    from vaebench.training.model import model_from

    old = model_from(arrays, card, "old")
    np.testing.assert_array_equal(old.embed(data.x), model.embed(data.x))
    with pytest.raises(InputError, match="does not know how its raw data were transformed"):
        old.embed_table(path)


def saved(model, folder):
    model.save(folder)
    return folder / "model.json", folder / "weights.safetensors"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda card: card | {"mood": 1}, "has the unknown field 'mood'"),
        (lambda card: {k: v for k, v in card.items() if k != "losses"}, "lacks the field 'losses'"),
        (lambda card: card | {"point": card["point"] | {"depth": 3}}, "unknown setting 'depth'"),
        (lambda card: card | {"point": card["point"] | {"latent": 0}}, "a setting that is not allowed: latent is 0"),
        (lambda card: card | {"point": card["point"] | {"latent": 3}}, "its settings need"),
        (lambda card: card | {"features": card["features"][:-1]}, "its settings need"),
        (lambda card: card | {"features": 5}, "features=5 in its card; it must be a list"),
        (lambda card: card | {"preprocessing": card["preprocessing"] | {"colour": 1}}, "unknown setting 'colour'"),
        (lambda card: card | {"features": [1] * len(card["features"])}, "the feature 1, which is no name"),
        (lambda card: card | {"features": ["a"] * len(card["features"])}, "a feature twice"),
        (lambda card: card | {"preprocessing": card["preprocessing"] | {"transform": 7}}, "has transform '7'"),
        (lambda card: card | {"preprocessing": card["preprocessing"] | {"precision": "float7"}}, "precision 'float7'"),
        (lambda card: card | {"losses": {"valid": "x"}}, "has 'x' in its card"),
        (lambda card: card | {"history": ["x"]}, "has 'x' in its card"),
        (lambda card: card | {"epochs": -5}, "has '-5' in its card"),
        (lambda card: [1], "holds a list"),
    ],
)
def test_broken_cards(cohort, tmp_path, change, words):
    card, _ = saved(cohort[2], tmp_path)
    card.write_text(json.dumps(change(json.loads(card.read_text()))))
    with pytest.raises(InputError, match=words) as found:
        load_model(tmp_path)
    assert str(tmp_path) in str(found.value)


def test_broken_files(cohort, tmp_path):
    from vaebench.training.checkpoint import write_arrays

    card, weights = saved(cohort[2], tmp_path)
    whole = card.read_text()
    for text, words in (
        (whole[:100], "may be cut off"),
        ("", "may be cut off"),
        ("[" * 100_000, "may be cut off"),
        (whole.replace('"schema"', '"scheme"'), "schema None"),
    ):
        card.write_text(text)
        with pytest.raises(InputError, match=words):
            load_model(tmp_path)
    card.write_text(whole)
    arrays = arrays_of(cohort[2])
    name = next(name for name, value in arrays.items() if value.ndim == 2)
    for change, words in (
        ({name: None}, f"lacks '{name}'"),
        ({"params/more": np.zeros(2)}, "unknown array 'params/more'"),
        ({name: arrays[name][:-1]}, f"'{name}' of shape"),
        ({name: np.full_like(arrays[name], np.nan)}, f"is damaged: '{name}' holds {arrays[name].size} values"),
        ({"data/scale": arrays["data/scale"] * 0}, "a scale is 0"),
    ):
        write_arrays(weights, {k: v for k, v in (arrays | change).items() if v is not None})
        with pytest.raises(InputError, match=words):
            load_model(tmp_path)
    weights.write_bytes(weights.read_bytes()[:-50])
    with pytest.raises(InputError, match="cannot be read"):
        load_model(tmp_path)


def test_a_diverged_model_keeps_its_weights(cohort, tmp_path):
    variables = jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), cohort[2].variables)
    bad = dataclasses.replace(cohort[2], status="DIVERGED", stop="diverged", variables=variables)
    assert load_model(bad.save(tmp_path)).status == "DIVERGED"


@pytest.mark.parametrize("other", [lambda name: name.split(".")[0], lambda name: name.split(".")[0] + ".99"])
def test_ids_of_another_version_are_named(tmp_path, other):
    table = raw(0, [f"ENSG{j:011d}.{j + 1}" for j in range(D)])
    table.to_csv(tmp_path / "t.csv")
    known = read_table(tmp_path / "t.csv").preprocessing
    assert preprocessed(table, known).shape == (N, D)
    with pytest.raises(InputError) as caught:
        preprocessed(table.rename(columns=other), known)
    message = str(caught.value)
    first = known.features[0]
    assert f"{other(first)} for {first}; give genes the versions that the model knows" in message
    assert len(message) < 300


def test_raw_values_are_no_input_of_embed():
    table = np.log2(raw(0) + 1)
    data = dataset_from_arrays(table)
    model = fit(data, point=POINT)
    z = model.embed_table(table)  # without a warning, which tests take for an error
    np.testing.assert_allclose(z, model.embed(data.x), atol=1e-5)
    with pytest.warns(UserWarning, match=r"lie far from .* scaled as Dataset\.x, and embed_table raw ones"):
        model.embed(table)


def test_values_on_another_scale_are_said(tmp_path):
    table = raw(0)
    table.to_csv(tmp_path / "t.csv")
    known = read_table(tmp_path / "t.csv", transform="log2").preprocessing
    wanted = preprocessed(table, known)  # without a warning, which tests take for an error
    with pytest.warns(UserWarning, match=r"lie far from .* raw values, of which the model takes log2\(x \+ 1\)"):
        preprocessed(1e6 * table, known)
    logs = np.log2(table + 1)
    with pytest.warns(UserWarning, match=r"look like logs, and the model takes log2\(x \+ 1\) of raw values"):
        preprocessed(logs, known)
    logged = read_table(tmp_path / "t.csv").preprocessing
    preprocessed(table, logged)  # trained on values as they are
    with pytest.raises(InputError, match=r"values that the model needs are negative, and it takes log2"):
        preprocessed(table - table.max(), known)
    one = table.copy()
    one.iloc[0, 0] = -1.0
    with pytest.warns(UserWarning, match="1 of 600 values are below 0 and count as 0"):
        found = preprocessed(one, known)
    np.testing.assert_array_equal(found.iloc[1:], wanted.iloc[1:])


def test_rows_that_were_chosen_keep_their_names(tmp_path):
    frame = raw(0.0).rename_axis("sample").reset_index()
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = read_table(tmp_path / "t.csv")
    some = frame.sample(frac=0.5, random_state=0)  # its index holds the numbers of the rows
    x = preprocessed(some, data.preprocessing)
    assert x.index.tolist() == some["sample"].tolist()
    np.testing.assert_allclose(x, data.x[some.index], rtol=1e-5)


def test_weights_that_are_not_what_was_written(cohort, tmp_path):
    _, weights = saved(cohort[2], tmp_path)
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.write_bytes(data)
    with pytest.raises(InputError, match=r"weights.safetensors is damaged: .*; save the model again"):
        load_model(tmp_path)


def test_a_save_that_is_killed_leaves_no_card_of_an_earlier_model(cohort, tmp_path, monkeypatch):
    card, _ = saved(cohort[2], tmp_path)
    real = os.replace

    def killed(source, target):
        if Path(target) == card:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        cohort[2].save(tmp_path)
    monkeypatch.undo()
    with pytest.raises(InputError, match=r"model.json is missing"):
        load_model(tmp_path)
    assert len(os.listdir(tmp_path)) == 1


@pytest.mark.parametrize("columns", [1, 2])
def test_columns_of_row_numbers_are_no_names(tmp_path, columns):
    frame = raw(0.0).rename_axis("sample").reset_index()
    numbered = frame if columns == 1 else frame.reset_index()
    numbered.to_csv(tmp_path / "t.csv")
    data = read_table(tmp_path / "t.csv")
    for table in (tmp_path / "t.csv", pd.read_csv(tmp_path / "t.csv")):
        x = preprocessed(table, data.preprocessing)
        assert x.index.tolist() == data.samples.tolist() == SAMPLES
        np.testing.assert_allclose(x, data.x, rtol=1e-5)
