"""What is kept of finished points, written, joined and read by several processes at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vaebench.errors import InputError
from vaebench.training import checkpoint
from vaebench.training.checkpoint import (
    forget_lanes,
    keep_part,
    kept,
    kept_array,
    load_lanes,
    merge_parts,
    save_lanes,
    write_arrays,
)
from vaebench.training.pool import Saved


def keep(folder, point, loss=0.0):
    keep_part(folder, point, {"z": np.full((2, 2), loss, np.float32)}, {"losses": {"valid": loss}})


def test_what_another_process_joins_meanwhile_is_not_lost(tmp_path, monkeypatch):
    group = tmp_path / "group"
    keep(group, "a", 1.0)
    keep(group, "b", 2.0)

    def other(*arguments):
        monkeypatch.setattr(checkpoint, "write_arrays", write_arrays)
        keep(group, "c", 3.0)
        merge_parts(group)
        write_arrays(*arguments)

    monkeypatch.setattr(checkpoint, "write_arrays", other)
    merge_parts(group)
    assert set(kept(tmp_path)) == set("abc")
    merge_parts(group)
    assert len(list(group.iterdir())) == 1
    for point, loss in zip("abc", (1.0, 2.0, 3.0), strict=True):
        arrays, card = kept(tmp_path)[point]
        assert card == {"losses": {"valid": loss}}
        np.testing.assert_array_equal(arrays["z"], np.full((2, 2), loss, np.float32))


def test_an_array_is_found_though_its_file_is_joined_while_it_is_looked_for(tmp_path, monkeypatch):
    import safetensors

    real = safetensors.safe_open
    keep(tmp_path / "group", "a", 1.0)
    keep(tmp_path / "group", "b", 2.0)

    def joined_first(*arguments, **keywords):
        monkeypatch.setattr(safetensors, "safe_open", real)
        merge_parts(tmp_path / "group")
        return real(*arguments, **keywords)

    monkeypatch.setattr(safetensors, "safe_open", joined_first)
    np.testing.assert_array_equal(kept_array(tmp_path, "b", "z"), np.full((2, 2), 2.0, np.float32))
    assert kept_array(tmp_path, "c", "z") is None


def test_many_join_at_once_while_one_reads(tmp_path):
    group = tmp_path / "group"

    def process(name):
        for i in range(25):
            keep(group, f"{name}{i}")
            if i % 3 == 2:
                merge_parts(group)

    with ThreadPoolExecutor(4) as executor:
        runs = [executor.submit(process, name) for name in "abcd"]
        seen = set()
        while not all(run.done() for run in runs):
            now = set(kept(tmp_path))
            assert now >= seen
            seen = now
        for run in runs:
            run.result()
    assert set(kept(tmp_path)) == {f"{name}{i}" for name in "abcd" for i in range(25)}


def test_the_best_of_two_that_join_at_once_stays(tmp_path, monkeypatch):
    for point, loss in (("a", 2.0), ("b", 1.0), ("c", 3.0)):
        keep(tmp_path / "group", point, loss)

    def other(*arguments):
        monkeypatch.setattr(checkpoint, "write_arrays", write_arrays)
        keep(tmp_path / "group", "d", 0.5)
        merge_parts(tmp_path / "group", best=True)
        write_arrays(*arguments)

    monkeypatch.setattr(checkpoint, "write_arrays", other)
    merge_parts(tmp_path / "group", best=True)
    assert set(kept(tmp_path)) == {"b", "d"}
    merge_parts(tmp_path / "group", best=True)
    assert set(kept(tmp_path)) == {"d"}


def test_a_checkpoint_that_another_process_removes_is_no_error(tmp_path, monkeypatch):
    lanes = {"a": Saved({"w": np.zeros(3)}, [1.0])}
    real = checkpoint.read_arrays

    def removed_first(path):
        path.unlink(missing_ok=True)
        return real(path)

    for work in (lambda: forget_lanes(tmp_path, {"a"}), lambda: load_lanes(tmp_path), lambda: kept(tmp_path)):
        save_lanes(tmp_path / "one.safetensors", lanes)
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "read_arrays", removed_first)
            assert not work()


def test_the_longest_lane_of_a_point_is_read(tmp_path):
    """A killed run leaves its file beside that of the run that went on from it."""
    for name, epochs in (("a", 2), ("b", 5), ("c", 3)):
        save_lanes(tmp_path / f"{name}.safetensors", {"p": Saved({"w": np.full(3, epochs)}, [1.0] * epochs)})
    weights, history = load_lanes(tmp_path)["p"]
    assert (weights.tolist(), len(history)) == ([5, 5, 5], 5)


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "half.safetensors").write_bytes(b"half")
    for work in (lambda: forget_lanes(tmp_path, set()), lambda: load_lanes(tmp_path), lambda: kept(tmp_path)):
        with pytest.raises(InputError, match=r"half\.safetensors cannot be read"):
            work()
