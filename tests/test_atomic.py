"""Files are whole under their names, or not there."""

from __future__ import annotations

import os

import pytest

from vaebench.atomic import replacing


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
