"""A row and its way back to a point; part files that every reader of Parquet takes as one table."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

import vaebench as vb
from vaebench.errors import InputError
from vaebench.metrics import METRICS
from vaebench.results import read_rows, write_rows
from vaebench.rows import column_types, point_of, row_of_point
from vaebench.space import Point, point, point_id
from vaebench.space.identity import earlier_ids
from vaebench.types import SCHEMA
from vaebench.variants import VARIANTS

DIGEST = "0123456789abcdef"


def forms(shape):
    """Every combination of a shape's choices and switches, as keywords of a point."""
    if shape is None:
        return [{}]
    switches = {f.name: (False, True) for f in dataclasses.fields(shape) if isinstance(f.default, bool)}
    choices = switches | getattr(shape, "choices", {})
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


POINTS = [
    point(Point(), variant=name, recipe=recipe, latent=20, hidden=(16, 8), seed=3, learning_rate=0.01, **form)
    for name, variant in VARIANTS.items()
    for recipe in variant.recipes
    for form in forms(variant.shape(recipe))
]


def row_of(p: Point) -> dict:
    return row_of_point(p) | {"point": point_id(p, DIGEST), "data/digest": DIGEST, "status": "OK"}


@pytest.mark.parametrize("p", POINTS, ids=lambda p: f"{p.variant} {p.recipe} {dict(p.shape)}")
def test_a_row_gives_its_point_back(p):
    assert point_of(row_of(p)) == p


def test_rows_give_their_points_back_from_a_folder_of_all_variants(tmp_path):
    """Through Parquet and pandas, where baselines leave holes that turn integers into floats."""
    baseline = {"point": "pca", "status": "OK", "static/variant": "pca", "static/latent": 5}
    write_rows([baseline, *map(row_of, POINTS)], tmp_path, column_types())
    rows = read_rows(tmp_path).set_index("point")
    for p in POINTS:
        row = rows.loc[point_id(p, DIGEST)].to_dict() | {"point": point_id(p, DIGEST)}
        assert point_of(row) == p


@pytest.mark.parametrize("whole", [("learning_rate",), ("weight_decay", "decay"), ("min_delta",)])
def test_rows_of_before_1_and_1_0_were_the_same_setting_give_their_points(whole):
    """Identities of versions 0.2 and before had whole numbers as they were given."""
    p = point(Point(), learning_rate=1)
    fields = {name: value for name, value in dataclasses.asdict(p).items() if name not in ("likelihood", "kl_warmup")}
    fields |= {name: int(fields[name]) for name in whole}
    content = json.dumps([SCHEMA, fields, DIGEST], sort_keys=True, separators=(",", ":"))
    earlier = hashlib.sha256(content.encode()).hexdigest()[:16]
    assert earlier in set(earlier_ids(p, DIGEST)) - {point_id(p, DIGEST)}
    assert point_of(row_of(p) | {"point": earlier}) == p


def test_a_row_of_another_version_is_refused():
    with pytest.raises(InputError, match="another version"):
        point_of(row_of(Point()) | {"traced/seed": 99})


def test_every_row_column_has_a_type():
    types = column_types(tuple(METRICS.values()))
    for p in POINTS:
        row = row_of(p)
        assert set(row) <= set(types)
        for name, value in row.items():
            kind = types[name]
            assert isinstance(value, (int, float) if kind is float else kind), name


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny):
    """Two runs into one folder: other variants, other learning rates, a diverged lane, PCA, kept embeddings."""
    out = tmp_path_factory.mktemp("rows") / "run"
    base = {"hidden": (8,), "batch": 8, "epochs": 2, "latent": 2}
    for variant, rate in (("vae", [1, 1e-3]), ("beta_vae", [1e9])):
        points = vb.space.product(variant=variant, learning_rate=rate, **base)
        vb.run(points, tiny, metrics=["leiden", "cox", "latent_use"], out=out, lanes=1, quiet=True)
    return out


@pytest.mark.slow
def test_parts_have_the_same_columns_and_types(folder):
    schemas = {str(pq.read_schema(path).remove_metadata()) for path in (folder / "rows").glob("*.parquet")}
    assert len(list((folder / "rows").glob("*.parquet"))) > 1
    assert len(schemas) == 1


@pytest.mark.slow
def test_pandas_polars_and_duckdb_read_a_folder_as_it_stands(folder):
    ours = read_rows(folder).set_index("point").sort_index()
    score = "metric/leiden/ari"
    readers = {
        "pandas": pd.read_parquet(folder / "rows"),
        "polars": pl.read_parquet(folder / "rows" / "*.parquet").to_pandas(),
        "duckdb": duckdb.sql(f"select * from '{folder}/rows/*.parquet'").df(),
    }
    for name, frame in readers.items():
        frame = frame.set_index("point").sort_index()
        assert list(frame.index) == list(ours.index), name
        for column in (
            score,
            "loss/valid",
            "static/latent",
            "traced/learning_rate",
            "run/epochs",
            "metric/leiden/clusters",
        ):
            np.testing.assert_array_equal(frame[column].to_numpy(float), ours[column].to_numpy(float), err_msg=name)
        assert (frame["static/variant"] == ours["static/variant"]).all()
    # a score that was not computed is null, so that a mean in SQL is not NaN
    mean = duckdb.sql(f"select avg(\"{score}\") from '{folder}/rows/*.parquet'").fetchall()[0][0]
    assert mean == pytest.approx(ours[score].mean())


@pytest.mark.slow
def test_only_columns_with_a_value_are_read_and_scores_in_any_case(folder):
    rows = read_rows(folder)
    assert not {"hyper/lambda_sw", "shape/kernel"} & set(rows.columns)
    diverged = rows[rows["status"] == "DIVERGED"]
    assert len(diverged) == 1
    assert diverged["metric/leiden/ari"].isna().all()


def test_folders_of_before_are_read_with_new_rows(tmp_path):
    """Without types, as older versions wrote: whole numbers in one part, floats in another."""
    write_rows([{"point": "a", "traced/learning_rate": 1, "status": "OK"}], tmp_path)
    write_rows([{"point": "b", "traced/learning_rate": 0.5, "status": "OK"}], tmp_path)
    write_rows([row_of(Point())], tmp_path, column_types())
    assert list(read_rows(tmp_path)["traced/learning_rate"]) == [1.0, 0.5, 1e-3]
