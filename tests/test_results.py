from __future__ import annotations

import errno
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vaebench.atomic import replacing
from vaebench.errors import InputError
from vaebench.results import (
    compact,
    finished,
    missing,
    read_costs,
    read_rows,
    read_run_json,
    tidy,
    write_cost,
    write_rows,
    write_run_json,
)
from vaebench.types import SCHEMA


def row(point, **more):
    return {"point": point, "status": "OK", "loss/valid": 0.5, "static/latent": 10} | more


def test_rows_come_back_in_the_order_written(tmp_path):
    write_rows([row("b"), row("a")], tmp_path)
    write_rows([row("c")], tmp_path)
    frame = read_rows(tmp_path)
    assert frame["point"].tolist() == ["b", "a", "c"]
    assert (frame["schema"] == SCHEMA).all()
    assert frame["static/latent"].dtype == np.int64


def test_columns_are_the_union_and_keep_their_types(tmp_path):
    write_rows([row("a", only_a="text"), row("b", n=3, flag=True)], tmp_path)
    write_rows([row("c", n=2.5, **{"loss/valid": float("nan")}), row("d", only_a=None)], tmp_path)
    frame = read_rows(tmp_path).set_index("point")
    assert frame["only_a"].tolist() == ["text", None, None, None]
    assert frame.loc["b", "n"] == 3
    assert frame.loc["c", "n"] == 2.5
    assert np.isnan(frame.loc["d", "n"])
    assert np.isnan(frame.loc["c", "loss/valid"])
    assert frame.loc["b", "flag"] is True


def test_lists_and_numpy_values_make_the_round_trip(tmp_path):
    history = [0.1, 2.0, float("nan")]
    write_rows(
        [row("a", history=history, seed=np.int64(3), loss=np.float32(0.25), zero=np.array(1)), row("b", history=[])],
        tmp_path,
    )
    write_rows([row("c", history=np.array([1, 2])), row("d", history=(1.5,)), row("e")], tmp_path)
    frame = read_rows(tmp_path).set_index("point")
    np.testing.assert_array_equal(frame.loc["a", "history"], history)
    assert len(frame.loc["b", "history"]) == 0
    np.testing.assert_array_equal(frame.loc["c", "history"], [1.0, 2.0])
    np.testing.assert_array_equal(frame.loc["d", "history"], [1.5])
    assert frame.loc["e", "history"] is None
    assert (frame.loc["a", "seed"], frame.loc["a", "loss"], frame.loc["a", "zero"]) == (3, 0.25, 1)


def test_the_first_row_of_a_point_wins(tmp_path):
    write_rows([row("a", n=1), row("a", n=2)], tmp_path)
    write_rows([row("b", n=3), row("a", n=4)], tmp_path)
    assert read_rows(tmp_path)[["point", "n"]].to_numpy().tolist() == [["a", 1], ["b", 3]]


def test_missing_is_planned_minus_present(tmp_path):
    assert finished(tmp_path / "new") == set()
    assert missing(["b", "a"], tmp_path / "new") == ["b", "a"]
    write_rows([row("a")], tmp_path)
    write_rows([row("c", status="DIVERGED")], tmp_path)
    assert finished(tmp_path) == {"a", "c"}
    assert missing(["d", "a", "b", "c"], tmp_path) == ["d", "b"]


def test_what_a_stopped_process_left_is_not_read(tmp_path, monkeypatch):
    part = write_rows([row("a")], tmp_path)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            write_rows([row("b")], tmp_path)
    assert list((tmp_path / "rows").iterdir()) == [part]
    # what a process leaves that was killed while it wrote
    with replacing(part.with_name("part-0-killed.parquet")) as unfinished:
        unfinished.write_bytes(b"PAR1 half")
        left = unfinished.name
    os.replace(part.with_name("part-0-killed.parquet"), part.with_name(left))
    assert read_rows(tmp_path)["point"].tolist() == ["a"]
    assert missing(["a", "b"], tmp_path) == ["b"]


@pytest.mark.parametrize("keep", [0, 10, -20])
def test_a_broken_part_is_named(tmp_path, keep):
    write_rows([row("a")], tmp_path)
    part = write_rows([row("b")], tmp_path)
    part.write_bytes(part.read_bytes()[:keep])
    for reader in (read_rows, finished):
        with pytest.raises(InputError, match=f"{part.name} cannot be read .* delete it and resume"):
            reader(tmp_path)


def test_another_schema_is_refused_with_the_way_out(tmp_path):
    part = write_rows([row("a")], tmp_path)
    pq.write_table(pa.table({"schema": [SCHEMA + 1], "point": ["x"]}), part)
    for reader in (read_rows, finished):
        with pytest.raises(
            InputError, match=f"schema {SCHEMA + 1}, this version reads {SCHEMA}: read it with the version"
        ):
            reader(tmp_path)
    pq.write_table(pa.table({"x": [1]}), part)
    for reader in (read_rows, finished):
        with pytest.raises(InputError, match="no columns 'schema' and 'point'"):
            reader(tmp_path)
    with pytest.raises(InputError, match="has schema 7"):
        write_rows([row("a", schema=7)], tmp_path)


def test_trainings_of_an_earlier_version_have_the_defaults_of_later_settings(tmp_path):
    trained = {"static/recipe": "textbook"}
    write_rows([row("a", **trained), row("pca")], tmp_path)
    assert "static/likelihood" not in read_rows(tmp_path)
    write_rows([row("b", **trained, **{"static/likelihood": "negative_binomial", "traced/kl_warmup": 5})], tmp_path)
    rows = read_rows(tmp_path).set_index("point")
    assert list(rows.loc[["a", "b"], "static/likelihood"]) == ["own", "negative_binomial"]
    assert list(rows.loc[["a", "b"], "traced/kl_warmup"]) == [0, 5]
    assert rows.loc["pca", ["static/likelihood", "traced/kl_warmup"]].isna().all()


def test_compaction_keeps_rows_order_and_types(tmp_path):
    parts = [write_rows([row(p, n=i, history=[float(i)])], tmp_path) for i, p in enumerate("abcd")]
    write_rows([row("e")], tmp_path)
    before = read_rows(tmp_path)
    merged = compact(tmp_path, parts[:3])
    assert sorted(p.name for p in (tmp_path / "rows").iterdir())[0] == merged.name
    assert len(list((tmp_path / "rows").iterdir())) == 3
    after = read_rows(tmp_path)
    assert after["point"].tolist() == list("abcde")
    assert after.drop(columns="history").equals(before.drop(columns="history"))
    assert pq.read_schema(merged).field("n").type == pa.int64()


def test_a_compaction_that_stops_halfway_loses_and_doubles_nothing(tmp_path, monkeypatch):
    parts = [write_rows([row(p)], tmp_path) for p in "abc"]

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(parts[0]), "unlink", stop)
        with pytest.raises(KeyboardInterrupt):
            compact(tmp_path, parts)
    assert len(list((tmp_path / "rows").iterdir())) == 4
    assert sorted(read_rows(tmp_path)["point"]) == list("abc")
    compact(tmp_path, list((tmp_path / "rows").iterdir()))
    assert sorted(read_rows(tmp_path)["point"]) == list("abc")


@pytest.mark.slow
def test_two_processes_write_at_once(tmp_path):
    code = (
        "import sys; from vaebench.results import write_rows\n"
        "for i in range(20): write_rows([{'point': sys.argv[2] + str(i)}], sys.argv[1])"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], env=environment) for name in "ab"]
    seen = 0
    while any(run.poll() is None for run in runs):
        now = len(finished(tmp_path))
        assert now >= seen
        seen = now
    assert [run.returncode for run in runs] == [0, 0]
    assert finished(tmp_path) == {f"{name}{i}" for name in "ab" for i in range(20)}


def test_a_part_merged_while_reading_is_read_from_its_new_place(tmp_path, monkeypatch):
    import vaebench.results as results

    parts = [write_rows([row(p)], tmp_path) for p in "abc"]
    real, calls = results.read_part, []

    def merging(path, columns):
        if not calls:
            calls.append(path)
            with monkeypatch.context() as patch:
                patch.setattr(results, "read_part", real)
                compact(tmp_path, parts)
        return real(path, columns)

    monkeypatch.setattr(results, "read_part", merging)
    assert read_rows(tmp_path)["point"].tolist() == list("abc")
    assert calls


def test_parts_removed_one_by_one_while_they_are_listed(tmp_path, monkeypatch):
    """The slowest removal there is: one part goes before every single read."""
    import vaebench.results as results

    parts = [write_rows([row(f"p{i:02d}")], tmp_path) for i in range(30)]
    real, left = results.read_part, sorted(parts)

    def removing(path, columns):
        if left:
            if len(left) == len(parts):
                with monkeypatch.context() as patch:
                    patch.setattr(results, "read_part", real)
                    patch.setattr(type(path), "unlink", lambda self: None)
                    compact(tmp_path, parts)
            left.pop(0).unlink()
        return real(path, columns)

    monkeypatch.setattr(results, "read_part", removing)
    assert finished(tmp_path) == {f"p{i:02d}" for i in range(30)}


def test_a_full_disk_is_one_sentence_and_harms_nothing(tmp_path, monkeypatch):
    write_rows([row("a")], tmp_path)

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            OSError, match=r"could not write .*part-.*: No space left on device; what was .* intact"
        ) as e:
            write_rows([row("b")], tmp_path)
    assert e.value.errno == errno.ENOSPC
    assert len(list((tmp_path / "rows").iterdir())) == 1
    assert read_rows(tmp_path)["point"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "at least one row"),
        ([{"status": "OK"}], "text column 'point', got None"),
        ([row("a", v=1), row("b", v="x")], "column 'v' mixes types"),
        ([row("a", v={"x": 1})], "column 'v' holds a dict"),
        ([row("a", v=[[1.0]])], "column 'v' holds a nested list"),
        ([row("a", v=np.zeros((2, 2)))], "column 'v' holds a ndarray"),
    ],
)
def test_bad_rows_are_one_sentence_and_write_nothing(rows, message, tmp_path):
    with pytest.raises(InputError, match=message):
        write_rows(rows, tmp_path)
    assert not (tmp_path / "rows").exists()


def test_columns_that_cannot_be_joined_are_named(tmp_path):
    write_rows([row("a", v=1)], tmp_path)
    write_rows([row("b", v="x")], tmp_path)
    with pytest.raises(InputError, match=r"different types in different part files: .*v"):
        read_rows(tmp_path)
    last = write_rows([row("c", v=2)], tmp_path)
    pq.write_table(pa.table({"schema": [SCHEMA], "point": ["x"], "v": [[1.0]]}), last)
    with pytest.raises(InputError, match=rf"v is \S+ in {tmp_path}\S*, and \S+ in others; move that file away"):
        read_rows(tmp_path)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"schema": [SCHEMA], "point": [1]}, "a row with point 1, which must be a text"),
        ({"schema": [SCHEMA], "point": pa.array([None], pa.string())}, "a row with point None"),
        ({"schema": [str(SCHEMA)], "point": ["x"]}, f"has schema '{SCHEMA}', this version reads {SCHEMA}"),
        ({"schema": [SCHEMA], "point": ["x"], "data/digest": ["other"]}, r"rows of other data \(digest other\)"),
    ],
)
def test_a_part_of_something_else_is_named(tmp_path, columns, words):
    part = write_rows([row("a")], tmp_path)
    write_run_json({"digest": "own"}, tmp_path)
    pq.write_table(pa.table(columns), part)
    with pytest.raises(InputError, match=words) as found:
        read_rows(tmp_path)
    assert part.name in str(found.value)


def test_no_rows_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="no rows in"):
        read_rows(tmp_path)


def test_run_json_round_trip(tmp_path):
    with pytest.raises(InputError, match=r"run\.json does not exist: not the folder of a run"):
        read_run_json(tmp_path)
    write_run_json({"command": ["run"], "versions": {"jax": "0"}}, tmp_path / "new")
    write_run_json({"command": ["again"]}, tmp_path / "new")
    assert read_run_json(tmp_path / "new") == {"command": ["again"]}
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["run.json"]
    (tmp_path / "new" / "run.json").write_text("{half")
    with pytest.raises(InputError, match="cannot be read"):
        read_run_json(tmp_path / "new")
    for bad in (float("nan"), object()):
        with pytest.raises(InputError, match="JSON values only"):
            write_run_json({"x": bad}, tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", r"run\.json holds \[\]; it must be a JSON object"),
        ("null", "holds None"),
        ('"x"', "holds 'x'"),
        ("", "cannot be read"),
        ("[" * 9999, "cannot be read"),
        ('{"lanes": NaN}', "has lanes nan; it must be a whole number of at least 1"),
        ('{"lanes": 0}', "has lanes 0"),
        ('{"lanes": true}', "has lanes True"),
        ('{"lanes": {"a": [1]}}', "has lanes {'a'"),
        ('{"provenance": [[]]}', r"has provenance \[\[\]\]; it must be an object"),
        ('{"metrics": "leiden"}', "has metrics 'leiden'; it must be a list or an object"),
        ('{"metric_options": null}', "has metric_options None"),
        ('{"digest": 5}', "has digest 5; it must be a text"),
        ('{"label_covariate": 1}', "has label_covariate 1; it must be true or false"),
        ('{"versions": "' + "x" * 999 + '"}', r"has versions 'x{56}\.\.\."),
    ],
)
def test_a_wrong_run_json_is_one_sentence(tmp_path, text, said):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        read_run_json(tmp_path)
    assert len(str(caught.value).replace(str(tmp_path), "")) < 200
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"seconds": "1"}', '{"seconds": NaN}', '{"seconds": -1}', "[" * 9999]
)
def test_a_damaged_cost_is_named(tmp_path, text):
    cost = {"seconds": 1.5, "trainings": 2, "programs": 1, "epochs": 9, "computed_epochs": 10}
    write_cost(cost, tmp_path)
    assert read_costs(tmp_path) == [cost]
    (tmp_path / "costs" / "damaged.json").write_text(text)
    with pytest.raises(InputError, match=r"damaged\.json (cannot be read|holds|has)"):
        read_costs(tmp_path)


def test_the_first_record_of_a_folder_stays(tmp_path):
    for record in ({"lanes": 1}, {"lanes": 2}):
        write_run_json(record, tmp_path, first=True)
    assert read_run_json(tmp_path) == {"lanes": 1}
    assert os.listdir(tmp_path) == ["run.json"]


def test_tidy_shortens_names_and_keeps_them_apart():
    names = [
        "point",
        "status",
        "static/variant",
        "traced/seed",
        "hyper/beta",
        "metric/leiden/ari",
        "metric/leiden/status",
    ]
    names += ["metric/cox/aic", "metric/cox/status", "loss/valid", "history/valid", "data/name"]
    rows = pd.DataFrame([range(len(names))], columns=names)
    found = tidy(rows)
    assert list(found.columns) == [
        *("point", "status", "variant", "seed", "beta", "ari", "leiden_status", "aic", "cox_status"),
        *("loss_valid", "history_valid", "data_name"),
    ]
    assert found.iloc[0].tolist() == list(range(len(names)))
    assert list(rows.columns) == names
