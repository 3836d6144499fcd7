"""AnnData in and out; scanpy clusters and draws what we wrote. Skipped without the extra."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from vaebench.data import checked, dataset_from_arrays, load, read_table, to_anndata, write_h5ad
from vaebench.errors import InputError
from vaebench.types import Survival

# Warnings of these packages about each other's versions are not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

N, D = 60, 20


@pytest.fixture(scope="module")
def anndata():
    return pytest.importorskip("anndata", reason="the extra 'anndata' is not installed")


def x() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(3, D)) * 3)[np.repeat([0, 1, 2], N // 3)] + rng.normal(size=(N, D))


def held(anndata, values=None):
    obs = pd.DataFrame(
        {
            "type": pd.Categorical(np.repeat(["A", "B", "C"], N // 3)),
            "dead": [0, 1] * (N // 2),
            "months": np.arange(N, dtype=float),
            "sex": ["F", "M", None] * (N // 3),
            "grade": np.arange(N) % 3,
        },
        index=[f"cell{i}" for i in range(N)],
    )
    var = pd.DataFrame(index=[f"G{j}" for j in range(D)])
    return anndata.AnnData(x() if values is None else values, obs=obs, var=var)


ROLES = {"label": "type", "event": "dead", "time": "months", "covariates": ["sex"], "factors": ["grade"]}


@pytest.mark.parametrize("kind", ["object", "file", "sparse", "layer"])
def test_in(anndata, tmp_path, kind):
    from scipy.sparse import csr_matrix

    source = held(anndata, csr_matrix(x()) if kind == "sparse" else np.zeros((N, D)) if kind == "layer" else None)
    options = {}
    if kind == "layer":
        source.layers["log"], options = x(), {"layer": "log"}
    if kind == "file":
        source.write_h5ad(tmp_path / "cells.h5ad")
        source = tmp_path / "cells.h5ad"
    data = read_table(source, where="type!=A", time_unit="months", **ROLES, **options)
    expected = dataset_from_arrays(x()[N // 3 :])
    np.testing.assert_allclose(data.x, expected.x, rtol=1e-5, atol=1e-5)
    assert data.features.tolist() == [f"G{j}" for j in range(D)]
    assert data.samples.tolist() == [f"cell{i}" for i in range(N // 3, N)]
    assert data.label_names == ("B", "C")
    np.testing.assert_allclose(data.survival.time, np.arange(N // 3, N) * 365.25 / 12)
    assert data.covariates["sex"][:3].tolist() == ["", "F", "M"]
    assert data.provenance["counts"]["samples_dropped_by_where"] == N // 3
    assert data.name == ("cells" if kind == "file" else "anndata")
    if kind == "file":
        assert data.provenance["files"][0]["name"] == "cells.h5ad"
        assert load(source, {"where": "type!=A", "time_unit": "months", **ROLES}, {"top": "<=50"}).digest == data.digest
        assert checked(source, label="type").labels == {"A": 20, "B": 20, "C": 20}


def test_object_is_left_as_it_is(anndata):
    source = held(anndata, np.abs(x()))
    read_table(source, transform="log2", **ROLES)
    np.testing.assert_array_equal(source.X, np.abs(x()))


def test_out_and_back(anndata, tmp_path):
    survival = Survival(np.arange(N) * 1.0, np.arange(N) % 2 == 0)
    data = dataset_from_arrays(
        x(),
        labels=np.repeat(["A", "B", "C"], N // 3),
        survival=survival,
        covariates={"age": np.arange(N), "sex": ["F", "M"] * (N // 2)},
        factors={"age": np.arange(N)},
        provenance={"source": "here", "options": {"none": None}},
    )
    z = np.random.default_rng(1).normal(size=(N, 4)).astype(np.float32)
    path = write_h5ad(tmp_path / "out.h5ad", data, {"vae": z, "beta_vae": z + 1})
    assert [p.name for p in tmp_path.iterdir()] == ["out.h5ad"]
    again = anndata.read_h5ad(path)
    np.testing.assert_array_equal(again.X, data.x)
    np.testing.assert_array_equal(again.obsm["X_beta_vae"], z + 1)
    np.testing.assert_array_equal(again.var["scale"], data.scale)
    assert again.uns["vaebench"]["digest"] == data.digest
    assert json.loads(again.uns["vaebench"]["provenance"])["options"]["none"] is None
    assert {"age", "age_factor", "sex"} <= set(again.obs)
    options = {
        "label": "label",
        "event": "event",
        "time": "time",
        "covariates": ["age", "sex"],
        "factors": ["age_factor"],
    }
    back = read_table(path, scaling="none", **options)
    np.testing.assert_array_equal(back.x, data.x)
    np.testing.assert_array_equal(back.labels, data.labels)
    np.testing.assert_array_equal(back.survival.event, data.survival.event)
    with pytest.raises(InputError, match=r"embedding 'vae' has shape \(3, 4\)"):
        to_anndata(data, {"vae": z[:3]})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layer": "raw"}, "unknown layer of AnnData 'raw'"),
        ({"label": "typ"}, "did you mean 'type'"),
        ({"event": "dead"}, "without time"),
        ({"scaling": "z"}, "unknown scaling 'z'"),
    ],
)
def test_refuses(anndata, options, words):
    with pytest.raises(InputError, match=words):
        read_table(held(anndata), **options)


def test_refuses_genes_in_obs(anndata):
    data = held(anndata)
    data.obs_names = [f"TCGA-A1-{1000 + i}-01A" for i in range(N)]
    with pytest.raises(InputError, match=r"genes in obs, such as 'G0'.*adata\.T"):
        read_table(data.T)


def test_refuses_what_is_no_file(anndata, tmp_path):
    (tmp_path / "bad.h5ad").write_bytes(b"not at all")
    with pytest.raises(InputError, match=r"bad\.h5ad"):
        read_table(tmp_path / "bad.h5ad")
    with pytest.raises(InputError, match="does not exist"):
        read_table(tmp_path / "no.h5ad")
    with pytest.raises(InputError, match="type dict"):
        read_table({})
    source = held(anndata)
    source.obs_names = ["same"] * N
    with pytest.raises(InputError, match="duplicate observation name 'same'"):
        read_table(source)


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "anndata", None)
    with pytest.raises(InputError, match=r"pip install '\.\[anndata\]'"):
        read_table("x.h5ad")


def test_scanpy_clusters_and_draws_our_embedding(anndata, tmp_path):
    scanpy = pytest.importorskip("scanpy", reason="scanpy is not installed")
    import matplotlib

    matplotlib.use("Agg")
    labels = np.repeat(["A", "B", "C"], N // 3)
    data = dataset_from_arrays(x(), labels=labels)
    u, s, _ = np.linalg.svd(data.x, full_matrices=False)
    path = write_h5ad(tmp_path / "z.h5ad", data, {"vae": (u * s)[:, :5]})
    cells = scanpy.read_h5ad(path)
    scanpy.pp.neighbors(cells, n_neighbors=10, use_rep="X_vae")
    scanpy.tl.leiden(cells, flavor="igraph", n_iterations=2, resolution=0.3)
    scanpy.tl.umap(cells, maxiter=30)
    assert pd.crosstab(cells.obs["label"], cells.obs["leiden"]).to_numpy().max(axis=1).sum() == N
    figure = scanpy.pl.umap(cells, color=["label", "leiden"], show=False, return_fig=True)
    figure.savefig(tmp_path / "umap.png")
    assert (tmp_path / "umap.png").stat().st_size > 5000


def test_annotation_is_joined_and_comes_first(anndata, tmp_path):
    source = held(anndata)
    lines = pd.DataFrame(
        {"cell": [f"cell{i}" for i in range(N - 1)], "dead": 1 - np.arange(N - 1) % 2, "new": ["x", "y"] * 29 + ["x"]}
    )
    lines.iloc[::-1].to_csv(tmp_path / "a.csv", index=False)
    options = {"annotation": tmp_path / "a.csv", "label": "new", "event": "dead", "time": "months"}
    data = read_table(source, **options)
    assert data.samples.tolist() == [f"cell{i}" for i in range(N - 1)]
    assert [data.label_names[i] for i in data.labels] == lines["new"].tolist()
    np.testing.assert_array_equal(data.survival.event, lines["dead"] == 1)
    np.testing.assert_allclose(data.x, dataset_from_arrays(x()[:-1]).x, rtol=1e-5, atol=1e-5)
    assert data.provenance["counts"]["samples_dropped_without_annotation"] == 1
    assert any("1 of 60 samples have no line" in note for note in data.notes)
    source.write_h5ad(tmp_path / "c.h5ad")
    summary = checked(tmp_path / "c.h5ad", **options)
    assert (summary.samples, summary.events) == (N - 1, data.survival.event.sum())
    lines.assign(cell="nobody" + lines["cell"]).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match="no column of AnnData"):
        read_table(source, **options)


def test_options_for_tables_are_refused(anndata):
    for option in ({"samples_in": "columns"}, {"genes": "symbol"}):
        with pytest.raises(InputError, match="does not apply to AnnData"):
            read_table(held(anndata), **option)


def test_repeated_genes_by_choice(anndata):
    source = held(anndata)
    source.var_names = ["G0", "G0", *source.var_names[2:]]
    with pytest.raises(InputError, match="duplicate feature name 'G0'"):
        read_table(source)
    apart, summed = (read_table(source, duplicates=how, scaling="none") for how in ("apart", "sum"))
    assert apart.features[:3].tolist() == ["G0", "G0_2", "G2"]
    assert summed.features[:2].tolist() == ["G0", "G2"]
    np.testing.assert_allclose(summed.x[:, 0], x()[:, :2].sum(axis=1), rtol=1e-5)
    assert summed.provenance["counts"]["features_with_a_repeated_name"] == 1


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.parametrize(("part", "value"), [("indices", 10**6), ("indices", -5), ("indptr", 10**7)])
def test_a_sparse_matrix_that_points_beyond_itself_is_refused(anndata, tmp_path, kind, part, value):
    import h5py
    from scipy import sparse

    held(anndata, getattr(sparse, f"{kind}_matrix")(x())).write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(tmp_path / "cells.h5ad", "a") as file:
        file[f"X/{part}"][3] = value
    with pytest.raises(InputError, match=r"X of cells.h5ad is damaged: it is no valid sparse matrix|damaged"):
        read_table(tmp_path / "cells.h5ad", label="type")


def test_the_sparse_matrix_of_an_object_stays_as_it_is(anndata):
    from scipy import sparse

    source = held(anndata, sparse.csr_matrix(x()))
    arrays = source.X.data, source.X.indices, source.X.indptr
    before = [part.copy() for part in arrays]
    read_table(source, label="type")
    assert all(a is b for a, b in zip(arrays, (source.X.data, source.X.indices, source.X.indptr), strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(before, arrays, strict=True))


def test_no_genes(anndata):
    with pytest.raises(InputError, match="no genes"):
        read_table(held(anndata)[:, :0].copy(), label="type")
