"""Data sets from arrays in memory."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from vaebench.data import dataset_from_arrays
from vaebench.data.cache import cached
from vaebench.data.digest import content_digest
from vaebench.data.files.writing import KINDS, write_frame
from vaebench.errors import InputError
from vaebench.types import Survival


def test_a_data_set_shows_its_sizes_not_its_arrays(tiny):
    shown = repr(tiny)
    events = int(tiny.survival.event.sum())
    assert f"'tiny': 60 samples x 20 features; 3 labels; {events} events; covariates age, gender" in shown
    assert tiny.digest in shown


def test_a_data_frame_brings_its_names_along():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(4, 3)), index=["a", "b", "c", "d"], columns=["TP53", "KRAS", "MYC"])
    data = dataset_from_arrays(frame)
    assert data.samples.tolist() == list("abcd")
    assert data.features.tolist() == ["TP53", "KRAS", "MYC"]
    assert dataset_from_arrays(frame, samples=list("wxyz")).samples.tolist() == list("wxyz")
    with pytest.raises(InputError, match="duplicate sample name 'a'"):
        dataset_from_arrays(frame.set_axis(["a", "a", "c", "d"]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_table_gives_the_same_bytes_and_comes_back(tmp_path, kind):
    frame = pd.DataFrame({"sample": ["a", "b"], "text": ["x, y", 'z "quoted"'], "value": [0.1, 1e-300]})
    first, second = (write_frame(frame, tmp_path / f"{name}{kind}") for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    read = pd.read_parquet if kind == ".parquet" else lambda path: pd.read_csv(path, sep="\t" if "tsv" in kind else ",")
    pd.testing.assert_frame_equal(read(first), frame)


def test_the_package_loads_nothing_heavy_before_a_function_is_used():
    code = "import sys, vaebench.data as d; d.DATASETS, dir(d); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"jax", "numpy", "pandas", "scipy"} & set(loaded)


def test_a_digest_is_of_values_not_of_their_bits(tiny):
    """0 and -0 are equal, and a NaN is a NaN whatever made it."""
    x = tiny.x.copy()
    x[0, 0] = 0.0
    known = {"a": np.full(len(x), np.nan)}
    other = {"a": np.full(len(x), 0xFFF8000000000001, np.uint64).view(np.float64)}
    one = dataclasses.replace(tiny, x=x, factors=known)
    x = x.copy()
    x[0, 0] = -0.0
    assert np.isnan(other["a"]).all()
    assert content_digest(one) == content_digest(dataclasses.replace(tiny, x=x, factors=other))
    x[0, 0] = 1e-30
    assert content_digest(one) != content_digest(dataclasses.replace(tiny, x=x, factors=known))


def test_a_data_set_that_another_process_caches_meanwhile_stays(tmp_path, tiny):
    """Its workers are reading it; one that is damaged is replaced."""
    inodes = []

    def slow():
        cached(tmp_path, {"name": "a"}, lambda: tiny)
        inodes.extend(path.stat().st_ino for path in tmp_path.glob("*/rest.json"))
        return tiny

    cached(tmp_path, {"name": "a"}, slow)
    (rest,) = tmp_path.glob("*/rest.json")
    assert [rest.stat().st_ino] == inodes
    rest.write_text("{}")
    with pytest.warns(UserWarning, match="was damaged and has been built again"):
        cached(tmp_path, {"name": "a"}, lambda: tiny)
    assert cached(tmp_path, {"name": "a"}, lambda: pytest.fail("it is intact")).digest == tiny.digest
    assert [path.name for path in tmp_path.iterdir()] == [rest.parent.name]


def test_many_differences_of_data_are_cut():
    from vaebench.data.digest import data_difference

    made = dataset_from_arrays(np.arange(6.0).reshape(3, 2))
    record = {"provenance": {"options": {f"option{i}": i for i in range(9)}}}
    said = data_difference(record, made)
    assert said.startswith("option0 0, now None; option1 1, now None; option2 2, now None; and ")
    assert said.endswith(" more")


X = np.random.default_rng(0).normal(size=(4, 3))


@pytest.mark.parametrize(
    "ages",
    [[63, None, 71.5, 50], pd.array([63, None, 71.5, 50], "Float64"), np.array([63, np.nan, 71.5, 50], object)],
)
def test_numbers_with_missing_ones_among_them_are_numbers(ages):
    """In a list with ``None`` they were text, and each age a category of a Cox model."""
    options = {"covariates": {"age": ages}, "factors": {"age": ages}, "auxiliary": {"age": ages}}
    data = dataset_from_arrays(X, survival=Survival(ages, [1, 0, 0, 1]), **options)
    for held in (data.covariates["age"], data.factors["age"], data.auxiliary.values["age"], data.survival.time):
        np.testing.assert_array_equal(held, [63, np.nan, 71.5, 50])


def test_missing_texts_of_any_kind():
    for missing in (None, np.nan, pd.NA):
        found = dataset_from_arrays(X, covariates={"site": np.array(["a", missing, "1", "b"], object)}).covariates
        assert found["site"].tolist() == ["a", "", "1", "b"]
        with pytest.raises(InputError, match="1 of 4 samples have no label"):
            dataset_from_arrays(X, labels=["a", missing, "a", "a"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"labels": np.zeros((4, 2))}, r"labels of shape \(4, 2\) are given for 4 samples"),
        ({"labels": "type!"}, r"labels of shape \(\) are given for 4 samples"),
        ({"survival": (X[:, 0], [1, 0, 1, 0])}, r"survival is a tuple; it must be a Survival\(time, event\)"),
        ({"survival": Survival(["soon"] * 4, [1, 0, 1, 0])}, "the survival time holds text"),
        ({"covariates": [1, 2, 3, 4]}, "covariates are a list; they must be a mapping"),
    ],
)
def test_parts_of_another_type(given, message):
    with pytest.raises(InputError, match=message):
        dataset_from_arrays(X, **given)


def test_one_note_is_one():
    assert dataset_from_arrays(X, notes="as it is").notes == ("as it is",)
