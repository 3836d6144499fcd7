"""Raw counts end to end: read, kept through selection, trained on, saved with a model; and what a warm-up does in training."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import vaebench as vb
from vaebench.data.cache import cached
from vaebench.data.dataset import dataset_from_arrays
from vaebench.data.digest import content_digest
from vaebench.data.expression import read_table
from vaebench.errors import InputError
from vaebench.results import read_rows
from vaebench.rows import point_of, row_of_point
from vaebench.space import Point, point, point_id, traced_of
from vaebench.sweep.runner import check_points
from vaebench.training.auxiliary import count_rows
from vaebench.training.lane import RUNNING, Lane, scaled, stopped
from vaebench.training.pool import make_split
from vaebench.types.auxiliary import AuxiliaryRows

POINT = Point(latent=3, hidden=(16,), batch=8, epochs=12, learning_rate=1e-2, stopping="fixed")
COUNTED = point(POINT, likelihood="negative_binomial")
N, D = 80, 24


def raw(seed: int = 0) -> np.ndarray:
    """Counts [N, D] of two groups of samples at library sizes that differ by far."""
    rng = np.random.default_rng(seed)
    mean = 10 * np.exp(rng.normal(0, 1, D)) * np.where(np.arange(N)[:, None] % 2, np.exp(rng.normal(0, 1, D)), 1.0)
    return rng.negative_binomial(5, 5 / (5 + mean * np.exp(rng.normal(0, 0.7, (N, 1)))))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    frame = pd.DataFrame(raw(), index=[f"s{i}" for i in range(N)], columns=[f"g{i}" for i in range(D)])
    frame.insert(0, "type", ["a", "b"] * (N // 2))
    path = tmp_path_factory.mktemp("counts") / "counts.csv"
    frame.to_csv(path, index_label="sample")
    return path


@pytest.fixture(scope="module")
def data(table):
    return read_table(table, label="type", top=10, counts=True, where="g0>=0")


@pytest.fixture(scope="module")
def model(data):
    return vb.fit(data, point=COUNTED)


def test_the_digest_is_of_the_library_too(data):
    """Features that were not selected count in it, and in what is trained."""
    other = dataclasses.replace(data.counts, library=data.counts.library + 1)
    assert content_digest(data) == data.digest != content_digest(dataclasses.replace(data, counts=other))


def test_counts_are_kept_beside_log_values_through_the_selection(data, table):
    held = {name: column for column, name in enumerate(f"g{i}" for i in range(D)) if name != "g0"}
    chosen = [held[name] for name in data.features]
    np.testing.assert_array_equal(data.counts.values, raw()[:, chosen])
    # the library is that of all genes read; g0 is a column of a condition, not a gene
    np.testing.assert_array_equal(data.counts.library, raw()[:, 1:].sum(1))
    np.testing.assert_allclose(data.x * data.scale + data.centre, np.log2(raw()[:, chosen] + 1), atol=1e-5)
    plain = read_table(table, label="type", top=10, transform="log2", where="g0>=0")
    np.testing.assert_array_equal(plain.x, data.x)
    assert plain.digest != data.digest
    assert plain.counts is None
    assert any("raw counts are kept" in note for note in data.notes)
    assert data.provenance["options"]["transform"] == "log2"
    assert "counts" not in plain.provenance["options"]


def test_a_matrix_with_an_annotation_and_its_cache_keep_them_too(tmp_path, data):
    names = [f"s{i}" for i in range(N)]
    pd.DataFrame(raw().T, index=[f"g{i}" for i in range(D)], columns=names).to_csv(
        tmp_path / "m.csv", index_label="gene"
    )
    about = pd.DataFrame({"sample": names[2:], "type": (["a", "b"] * N)[2:N]})
    about.to_csv(tmp_path / "about.csv", index=False)
    options = {"annotation": tmp_path / "about.csv", "label": "type", "counts": True, "cache": tmp_path / "cache"}
    first, second = (read_table(tmp_path / "m.csv", **options) for _ in range(2))
    np.testing.assert_array_equal(first.counts.values, raw()[2:])
    np.testing.assert_array_equal(second.counts.values, first.counts.values)
    np.testing.assert_array_equal(second.counts.library, first.counts.library)
    assert content_digest(second) == first.digest == second.digest
    kept = next(tmp_path.glob("cache/*/counts.npy"))
    np.save(kept, np.load(kept) + 1)
    with pytest.warns(UserWarning, match="damaged"):
        again = read_table(tmp_path / "m.csv", **options)
    np.testing.assert_array_equal(again.counts.values, raw()[2:])
    assert cached(None, {}, lambda: data) is data


def test_anndata_gives_counts_from_a_layer():
    anndata = pytest.importorskip("anndata")
    cells = anndata.AnnData(np.log1p(raw()).astype(np.float32), layers={"counts": raw().astype(np.float32)})
    read = read_table(cells, layer="counts", counts=True)
    np.testing.assert_array_equal(read.counts.values, raw())
    with pytest.raises(InputError, match="needs raw counts"):
        read_table(cells, counts=True)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (2.5, "is 2.5, which"),
        (-1.0, "is -1, which"),
        (np.nan, "is missing, which"),
        (np.inf, "is inf, which"),
        (3e9, "is 3e+09; it must be at most 2147483647"),
    ],
)
def test_what_is_no_count_is_refused_in_a_sentence(value, words):
    x = raw().astype(float)
    x[4, 7] = value
    for missing in ("refuse", "impute"):
        with pytest.raises(InputError) as error:
            dataset_from_arrays(x, counts=True, missing=missing)
        assert words in str(error.value)
        assert "feature 'feature_8' of sample 'sample_5'" in str(error.value)
        assert len(str(error.value)) < 300


def test_an_empty_sample_and_data_without_counts_are_refused(data):
    x = raw()
    x[3] = 0
    with pytest.raises(InputError, match=r"sample 'sample_4' has no count at all \(1 such"):
        dataset_from_arrays(x, counts=True)
    bare = dataclasses.replace(data, counts=None)
    with pytest.raises(InputError, match="has no raw counts; read a table of counts with --counts"):
        check_points([POINT, COUNTED], bare, [], {})
    with pytest.raises(InputError, match="has no raw counts"):
        vb.fit(bare, point=COUNTED)


def test_a_model_of_counts_learns_is_saved_and_embeds_new_samples(model, data, table, tmp_path):
    assert model.history[-1] < model.history[0] - 1
    again = vb.load_model(model.save(tmp_path / "model"))
    z = again.embed_table(pd.read_csv(table, index_col=0))
    np.testing.assert_allclose(z.to_numpy(), model.embed(data.x), atol=1e-5)
    assert again.point.likelihood == "negative_binomial"
    # the decoder's output is on the scale of x, at the median library size: far nearer than no reconstruction
    depth = np.log2(data.counts.library / np.median(data.counts.library))[:, None] / data.scale
    assert np.mean((model.reconstruct(data.x) + depth - data.x) ** 2) < 0.8 * np.mean((depth - data.x) ** 2)


def test_a_scaling_of_a_lane_changes_no_expected_count(data):
    """The map to logarithms is moved with x, so that a lane with a scaling of its own has the same likelihood."""
    split = make_split(point(COUNTED, scaling_from="train"), data)
    rows = AuxiliaryRows(jnp.asarray(data.x), None, count_rows(data))
    own = scaled(rows, split)
    for held in (rows, own):
        logs = np.asarray(held.counts.log_centre) + np.asarray(held.counts.log_scale) * np.asarray(held.x)
        np.testing.assert_allclose(logs, np.log(data.counts.values + 1), atol=1e-4)


@pytest.mark.slow
def test_a_run_writes_the_settings_and_other_points_keep_their_rows(data, tmp_path):
    """Points of both likelihoods in one folder: those without have the scores and identities that they have alone."""
    points = [COUNTED, POINT]
    how = {"metrics": ["latent_use"], "lanes": 1, "evaluators": 0}
    both, alone = (vb.run(p, data, out=tmp_path / str(len(p)), **how) for p in (points, points[1:]))
    assert list(read_rows(tmp_path / "2")["point"]) == list(both["point"])
    held = both.set_index("point")
    for p in points:
        row = held.loc[point_id(p, data.digest)]
        assert (row["static/likelihood"], row["traced/kl_warmup"]) == (p.likelihood, p.kl_warmup)
        assert point_of(row.to_dict() | {"point": point_id(p, data.digest)}) == p
    same = alone[alone["static/variant"] == "vae"].iloc[0]
    assert point_id(POINT, data.digest) == same["point"]
    assert held.loc[same["point"], "loss/valid"] == same["loss/valid"]


def test_rows_of_a_version_without_the_settings_give_their_points_back():
    row = row_of_point(POINT) | {"point": point_id(POINT, "d"), "data/digest": "d"}
    later = ("static/likelihood", "traced/kl_warmup")
    assert point_of({name: value for name, value in row.items() if name not in later}) == POINT
    for nothing in (None, np.nan):
        assert point_of(row | dict.fromkeys(later, nothing)) == POINT


@pytest.mark.slow
def test_a_warm_up_lets_latents_into_use(data):
    kl = [vb.fit(data, point=point(POINT, kl_warmup=epochs, epochs=6)).losses["valid_kl"] for epochs in (1, 10_000)]
    assert kl[1] > 1.2 * kl[0]


@pytest.mark.parametrize(("warmup", "patience", "end"), [(0, 1, 2), (3, 1, 4), (6, 1, 7), (0, 3, 4), (6, 3, 9)])
def test_patience_begins_after_the_warm_up(warmup, patience, end):
    """A loss never improves after the first epoch: training ends when the warm-up, or that epoch, is past by the patience."""
    rule = traced_of(Point(kl_warmup=warmup, min_epochs=1, patience=patience, stopping="patience"))
    loss = jnp.array(5.0)
    lane = Lane(*[None] * len(Lane._fields))._replace(
        traced=rule, best_loss=jnp.inf, best_epoch=0, waited=0, train_loss=loss, valid_loss=loss
    )
    terms = {"reconstruction": loss}
    lane = lane._replace(terms=terms)
    for epoch in range(1, 20):
        lane = stopped(lane._replace(epoch=jnp.array(epoch)), lane, loss, terms)
        if lane.status != RUNNING:
            break
    assert epoch == end
