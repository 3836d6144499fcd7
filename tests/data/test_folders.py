"""Folders of results: what the last command made, nothing of earlier ones, and every file of the user."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pandas as pd
import pytest

from vaebench.data.files import folders
from vaebench.data.files.folders import MANIFEST, STEPS, add_files, check_folder, check_results_folder, whole_folder
from vaebench.data.files.writing import write_frame
from vaebench.errors import InputError


def make(folder: Path, files: dict[str, str], command: str = "extract") -> None:
    with whole_folder(folder, command) as new:
        for name, text in files.items():
            (new / name).parent.mkdir(exist_ok=True)
            (new / name).write_text(text)


def content(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


FIRST = {"signatures.csv": "4", "matches.csv": "4", "figures/map.png": "4"}
SECOND = {"signatures.csv": "2", "report.html": "2"}


@pytest.mark.parametrize("exchange", [True, False])
def test_a_second_result_replaces_the_first_whole(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(folders, "_exchanged", lambda one, other: False)
    out = tmp_path / "out"
    make(out, FIRST)
    assert content(out) == FIRST
    (out / STEPS).mkdir()
    (out / STEPS / "a.msgpack").write_text("")
    make(out, SECOND)
    assert content(out) == SECOND
    assert json.loads((out / MANIFEST).read_text())["files"] == sorted(SECOND)
    assert not (out / "figures").exists()
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("own", ["notes.txt", "figures/own.png", "data/x.csv", ".hidden"])
def test_files_of_the_user_stay(tmp_path, own):
    out = tmp_path / "out"
    make(out, FIRST)
    (out / own).parent.mkdir(exist_ok=True)
    (out / own).write_text("mine")
    make(out, SECOND)
    assert content(out) == SECOND | {own: "mine"}
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_a_stop_while_files_are_written_leaves_the_first_result(tmp_path, stop):
    out = tmp_path / "out"
    make(out, FIRST)

    def stopped():
        with whole_folder(out, "extract") as new:
            (new / "signatures.csv").write_text("2")
            raise stop

    with pytest.raises(type(stop) if isinstance(stop, OSError) else stop):
        stopped()
    assert content(out) == FIRST
    assert os.listdir(tmp_path) == ["out"]


def test_an_error_names_the_file_as_the_user_knows_it(tmp_path):
    with pytest.raises(OSError, match="No such file") as caught, whole_folder(tmp_path / "out", "refit") as new:
        (new / "absent" / "x.csv").write_text("")
    assert caught.value.filename == str(tmp_path / "out" / "absent" / "x.csv")
    assert not (tmp_path / "out").exists()


def test_a_kill_while_files_are_moved_one_by_one_is_mended_by_the_next_result(tmp_path, monkeypatch):
    out = tmp_path / "out"
    make(out, FIRST)
    (out / "notes.txt").write_text("mine")  # so that the folder cannot be exchanged
    real, moved = os.replace, []

    def killed(source, target):
        moved.append(target)
        if len(moved) > 3:
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            make(out, SECOND)
    make(out, {"selection.csv": "3"})
    assert content(out) == {"selection.csv": "3", "notes.txt": "mine"}


def test_the_working_directory_is_not_swapped_away(tmp_path, monkeypatch):
    make(tmp_path / "out", FIRST)
    monkeypatch.chdir(tmp_path / "out")
    make(Path(), SECOND)
    assert content(Path()) == content(tmp_path / "out") == SECOND


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    for files in (FIRST, SECOND):
        make(tmp_path / "out", files)
        assert (tmp_path / "out").is_symlink()
        assert content(tmp_path / "real") == files


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(InputError, match="file is a file; give a folder to write to"),
        whole_folder(tmp_path / "file", "refit"),
    ):
        pass
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_of_another_command_is_refused(tmp_path):
    make(tmp_path / "out", FIRST)
    for call in (
        lambda: make(tmp_path / "out", SECOND, "refit"),
        lambda: check_results_folder(tmp_path / "out", "refit"),
    ):
        with pytest.raises(
            InputError, match="holds the results of vaebench extract; vaebench refit needs another folder"
        ):
            call()
    assert content(tmp_path / "out") == FIRST
    (tmp_path / "run" / "rows").mkdir(parents=True)
    (tmp_path / "run" / "rows" / "part-1.parquet").touch()
    with pytest.raises(InputError, match="holds the rows of a run"):
        check_results_folder(tmp_path / "run", "extract")


def test_a_file_of_the_users_that_would_be_replaced_is_refused(tmp_path):
    (tmp_path / "samples.csv").write_text("mine")
    with pytest.raises(InputError, match=r"holds samples\.csv, which was not made by vaebench refit"):
        check_results_folder(tmp_path, "refit")
    check_results_folder(tmp_path, "calibrate")


@pytest.mark.parametrize(
    ("command", "mark", "record", "stale"),
    [
        ("extract", "run.json", {"command": "vaebench extract x.csv"}, "matches.csv"),
        ("refit", "fit.json", {"method": "bootstrap", "level": 0.9}, "intervals.csv"),
        ("calibrate", "calibration.json", {"method": "bootstrap", "level": 0.9}, "figures/coverage.png"),
    ],
)
def test_a_folder_of_before_manifests_is_known(tmp_path, command, mark, record, stale):
    out = tmp_path / "out"
    (out / stale).parent.mkdir(parents=True)
    (out / mark).write_text(json.dumps(record))
    (out / stale).write_text("old")
    (out / "mine.csv").write_text("mine")
    check_results_folder(out, command)
    make(out, {"report.html": "new"}, command)
    assert content(out) == {"report.html": "new", "mine.csv": "mine"}
    make(tmp_path / "other", {"a.csv": ""}, "match")


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"made_by": "me"}', '{"made_by": "vaebench extract", "files": ["../mine.csv"]}', "[" * 9999]
)
def test_a_damaged_manifest_deletes_nothing(tmp_path, text):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "mine.csv").write_text("mine")
    (out / MANIFEST).write_text(text)
    with pytest.raises(InputError, match="is not a manifest of vaebench"):
        make(out, FIRST)
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_added_files_are_in_the_manifest_and_go_with_the_next_result(tmp_path):
    make(tmp_path, FIRST)
    for name, other in (("anchored.csv", "correlations.csv"), ("correlations.csv", "anchored.csv")):
        (tmp_path / name).write_text("")
        add_files(tmp_path, "extract", ["intervals.csv", name], gone=[other])
    assert set(content(tmp_path)) == {*FIRST, "correlations.csv"}
    make(tmp_path, SECOND)
    assert content(tmp_path) == SECOND


def test_leftovers_of_killed_commands_go(tmp_path):
    out = tmp_path / "out"
    make(out, FIRST)
    dead = f".out.{folders.unfinished_path(out).name.split('.')[2].split('-')[0]}-999999999-0123456789abcdef.unfinished"
    for place in (tmp_path, out):
        (place / dead).mkdir()
        (place / dead / "x.csv").touch()
    check_results_folder(out, "extract")
    assert os.listdir(tmp_path) == ["out"]
    assert content(out) == FIRST


def test_a_folder_that_cannot_be_written_to_is_one_sentence_with_its_name(tmp_path, monkeypatch):
    check_folder(tmp_path / "new" / "deep")
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"file is a file; give a folder"):
            check_folder(out)
    with pytest.raises(InputError, match="File name too long"):
        check_folder(tmp_path / ("x" * 300))

    def read_only(self, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "open", read_only)
    monkeypatch.setattr(Path, "unlink", read_only)  # so says a disk of this kind even of a file that is not there
    words = rf"new cannot be written to: {tmp_path}: Read-only file system; choose another folder"
    with pytest.raises(InputError, match=words):
        check_folder(tmp_path / "new")


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-cmd", "@sum"])
def test_a_name_that_is_a_formula_elsewhere_is_said_and_kept(tmp_path, name):
    for frame in (pd.DataFrame({"sample": ["a", name], "x": [1, 2]}), pd.DataFrame({"a": [1], name: [2]})):
        with pytest.warns(UserWarning, match="begins with .* spreadsheet"):
            write_frame(frame, tmp_path / "x.csv")
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "x.csv"), frame)
    write_frame(pd.DataFrame({"sample": ["-1.5", "+.3", "a=b", None], "x": [-1, 2, 3, 4]}), tmp_path / "x.csv")


def test_formulas_are_quoted_when_asked_for(tmp_path, monkeypatch, recwarn):
    monkeypatch.setenv("VAEBENCH_QUOTE_FORMULAS", "1")
    frame = pd.DataFrame({"sample": ["=1+1", "-1.5", "@x", None], "+a": [-1.0, 2.0, 3.0, 4.0]})
    write_frame(frame, tmp_path / "x.csv")
    text = (tmp_path / "x.csv").read_text()
    assert text == "sample,'+a\n'=1+1,-1.0\n-1.5,2.0\n'@x,3.0\n,4.0\n"
    assert not recwarn
    write_frame(frame, tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), frame)


def test_results_of_another_command_at_the_same_time_are_said(tmp_path, recwarn):
    out = tmp_path / "out"
    make(out, FIRST)
    check_results_folder(out, "extract")
    make(out, SECOND)
    assert not recwarn.list
    check_results_folder(out, "extract")
    other = json.loads((out / MANIFEST).read_text())
    os.utime(out / MANIFEST, ns=(1, 1))
    with pytest.warns(UserWarning, match="another vaebench extract has written to .* in the meantime"):
        make(out, FIRST)
    assert content(out) == FIRST
    assert other["files"] == sorted(SECOND)
