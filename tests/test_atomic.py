"""Files are whole under their names, or not there."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vaebench import atomic
from vaebench.atomic import create, read_json, replacing, sweep_unfinished, unfinished_path, write_json


@pytest.mark.parametrize("durable", [False, True])
def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path, durable):
    path = tmp_path / "new" / "file.txt"
    with replacing(path, durable) as unfinished:
        unfinished.write_text("first")
        assert not path.exists()
        # no pattern for the file, nor for files of its kind, finds the unfinished one
        assert not [*path.parent.glob("file*"), *path.parent.glob("*.txt")]
    assert path.read_text() == "first"
    with replacing(path, durable) as unfinished:
        unfinished.write_text("second")
        assert path.read_text() == "first"
    assert path.read_text() == "second"
    assert os.listdir(path.parent) == ["file.txt"]


@pytest.mark.parametrize("stop", [OSError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, stop):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def half():
        with replacing(path) as unfinished:
            unfinished.write_text("half")
            raise stop

    with pytest.raises(stop):
        half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_durable_content_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    path, seen = tmp_path / "file.txt", []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append(path.exists()), real(handle)))
    with replacing(path, durable=True) as unfinished:
        unfinished.write_text("x")
    assert seen == [False, True]
    with replacing(path) as unfinished:
        unfinished.write_text("y")
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, '{"a": [1, NaN], "b": "\\u00e9"}'),
        ({"newline": True, "durable": True}, '{"a": [1, NaN], "b": "\\u00e9"}\n'),
        ({"indent": 1}, '{\n "a": [\n  1,\n  NaN\n ],\n "b": "\\u00e9"\n}'),
    ],
)
def test_json_is_written_as_asked_and_read_back(tmp_path, options, text):
    path = tmp_path / "new" / "file.json"
    write_json(path, {"a": [1, float("nan")], "b": "é"}, **options)
    assert path.read_bytes() == text.encode()
    assert os.listdir(path.parent) == ["file.json"]
    found = read_json(path)
    assert found is not None
    assert found["b"] == "é"


@pytest.mark.parametrize(("value", "error"), [({"a": float("inf")}, ValueError), ({"a": object()}, TypeError)])
def test_what_is_not_json_leaves_the_old_file_and_nothing_else(tmp_path, value, error):
    path = tmp_path / "file.json"
    write_json(path, {"old": 1})
    with pytest.raises(error):
        write_json(path, value, allow_nan=False)
    with pytest.raises(error):
        write_json(tmp_path / "folder" / "file.json", value, allow_nan=False)
    assert read_json(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["file.json"]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"\xff", b"[" * 9999])
def test_json_that_cannot_be_read_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / "file.json").write_bytes(content)
    assert read_json(tmp_path / "file.json") is None


def test_leftovers_of_killed_processes_are_swept(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    here = unfinished_path(folder / "a.csv").name.split(".")[3].split("-")[0]
    token = "0123456789abcdef.unfinished"
    dead, living, far = (
        f".a.csv.{here}-999999999-{token}",
        f".b.csv.{here}-{os.getpid()}-{token}",
        f".c.00000000-7-{token}",
    )
    old = ".d.csv.0123456789abcdef.unfinished"  # of earlier versions, which tell no process
    (folder / "rows").mkdir(parents=True)
    for name in (dead, living, far, old, "kept.unfinished", ".kept"):
        (folder / "rows" / name).touch()
    (tmp_path / f".run.{here}-999999999-{token}").mkdir()
    (tmp_path / f".another.{here}-999999999-{token}").mkdir()
    assert sweep_unfinished(folder) == 2
    assert set(os.listdir(tmp_path)) == {"run", f".another.{here}-999999999-{token}"}
    assert set(os.listdir(folder / "rows")) == {living, far, old, "kept.unfinished", ".kept"}
    monkeypatch.setattr(atomic, "LEFT_SECONDS", -1.0)
    assert sweep_unfinished(folder) == 2
    assert set(os.listdir(folder / "rows")) == {living, "kept.unfinished", ".kept"}
    assert sweep_unfinished(tmp_path / "absent") == 0


@pytest.mark.parametrize("links", [True, False])
def test_of_several_that_create_a_file_one_succeeds(tmp_path, monkeypatch, links):
    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    barrier = threading.Barrier(8)

    def attempt(number):
        barrier.wait()
        try:
            create(tmp_path / "run.json", str(number).encode() * 100)
        except FileExistsError:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        (won,) = [number for number in pool.map(attempt, range(8)) if number is not None]
    assert (tmp_path / "run.json").read_text() == str(won) * 100
    assert os.listdir(tmp_path) == ["run.json"]


def test_an_error_has_the_name_of_the_file(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as caught, replacing(tmp_path / "folder") as unfinished:
        unfinished.write_text("x")
    assert caught.value.filename == str(tmp_path / "folder")
    with pytest.raises(OSError, match="No space left") as caught, replacing(tmp_path / "full.csv"):
        raise OSError(errno.ENOSPC, "no name")
    assert caught.value.filename == str(tmp_path / "full.csv")
    assert os.listdir(tmp_path) == ["folder"]
