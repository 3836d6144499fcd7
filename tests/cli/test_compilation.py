"""Compiled programs between processes: half-written ones are replaced, and the folder does not grow without end."""

from __future__ import annotations

import os
import warnings

from vaebench.cli.compilation import _Repair, prune


def test_old_and_empty_programs_go(tmp_path):
    for i, size in enumerate((10, 10, 0, 10)):
        path = tmp_path / f"jit_f-{i}-cache"
        path.write_bytes(b"x" * size)
        os.utime(path, (i, i))
    (tmp_path / "datasets").mkdir()
    (tmp_path / "other").write_bytes(b"x" * 99)
    prune(tmp_path, 20)
    assert {path.name for path in tmp_path.iterdir()} == {"jit_f-1-cache", "jit_f-3-cache", "datasets", "other"}


def test_damaged_programs_are_deleted_when_they_are_met_and_said_once(tmp_path, monkeypatch, capsys):
    names = ["jit_f-1-cache", "jit_f-2-cache", "jit_g-1-cache"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    shown = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", _Repair(tmp_path, lambda *given: shown.append(str(given[0]))))
        warnings.warn("Error reading persistent compilation cache entry for 'jit_f': RuntimeError: bad", stacklevel=1)
        warnings.warn("Error reading persistent compilation cache entry for 'jit_h': RuntimeError: bad", stacklevel=1)
        warnings.warn("another", stacklevel=1)
    assert [path.name for path in tmp_path.iterdir()] == ["jit_g-1-cache"]
    assert shown == ["another"]
    assert capsys.readouterr().err.count("\n") == 1
