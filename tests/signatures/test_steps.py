"""A long extraction that is interrupted continues, to the same result."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
import pandas as pd
import pytest

from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.signatures import restarts, steps
from vaebench.signatures.extraction import extract
from vaebench.signatures.sparse import pipeline
from vaebench.signatures.steps import keeping_steps, kept


class Found(NamedTuple):
    spectra: np.ndarray
    error: float
    inner: tuple[np.ndarray, int] | None


calls = []


@kept
def found(x: jax.Array, key: jax.Array, k: int, done) -> Found:
    calls.append(k)
    return Found(np.asarray(x) * k, float("nan"), (np.arange(k, dtype=np.int32), k) if k > 1 else None)


def test_a_step_is_computed_once_for_equal_arguments(tmp_path):
    x, key = jax.numpy.arange(6.0).reshape(2, 3), jax.random.key(0)
    calls.clear()
    with keeping_steps(tmp_path):
        for _ in range(2):
            for k in (1, 2):
                step = found(x, key, k, lambda: None)
                np.testing.assert_array_equal(step.spectra, np.asarray(x) * k)
                assert step.spectra.dtype == np.float32
                assert step.spectra.flags.writeable
                assert np.isnan(step.error)
                if k == 2:
                    assert step.inner is not None
                    np.testing.assert_array_equal(step.inner[0], np.arange(2, dtype=np.int32))
        assert calls == [1, 2]
        found(x, jax.random.key(1), 1, None)
        found(x + 1, key, 1, None)
        found(x.reshape(3, 2), key, 1, None)
        assert calls == [1, 2, 1, 1, 1]
        for path in tmp_path.iterdir():
            path.write_bytes(path.read_bytes()[:-3])
        found(x, key, 1, None)
        assert calls == [1, 2, 1, 1, 1, 1]
        for path in tmp_path.iterdir():  # one bit of a number, which can be decoded
            data = bytearray(path.read_bytes())
            data[data.index(np.float32(4).tobytes())] ^= 1
            path.write_bytes(data)
        np.testing.assert_array_equal(found(x, key, 1, None).spectra, np.asarray(x))
        assert calls == [1, 2, 1, 1, 1, 1, 1]
    found(x, key, 1, None)
    assert len(calls) == 8


def test_a_folder_that_another_command_has_swapped_away_is_made_again(tmp_path, monkeypatch):
    real, gone = steps.replacing, []

    def swapped(path):
        if not gone:
            gone.append(path)
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return real(path)

    monkeypatch.setattr(steps, "replacing", swapped)
    with keeping_steps(tmp_path / "steps"):
        found(jax.numpy.arange(6.0), jax.random.key(0), 1, None)
    assert len(list((tmp_path / "steps").iterdir())) == 1


@pytest.mark.parametrize(
    ("method", "module", "name"),
    [
        ("nmf", restarts, "_factorised"),
        pytest.param("sparse", pipeline, "best_fit", marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_extraction_continues_to_the_same_result(tmp_path, monkeypatch, method, module, name):
    catalogue, _ = simulate_catalogue(3, tumours=20, signatures=2, types=1)
    options = {"k": range(2, 4), "method": method, "restarts": 2}
    whole = extract(catalogue, **options)
    real, seen = getattr(module, name), []

    def interrupting(*arguments):
        seen.append(arguments)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, interrupting)
        with pytest.raises(KeyboardInterrupt):
            extract(catalogue, **options, steps=tmp_path)
    steps = f"{name.strip('_')}-*"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob(steps)}
    assert len(before) == 1
    again = extract(catalogue, **options, steps=tmp_path)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob(steps)}
    assert len(after) == 2
    assert before.items() <= after.items()  # read, not computed again
    pd.testing.assert_frame_equal(again.signatures, whole.signatures, check_exact=True)
    pd.testing.assert_frame_equal(again.exposures, whole.exposures, check_exact=True)
    pd.testing.assert_frame_equal(again.selection, whole.selection, check_exact=True)
