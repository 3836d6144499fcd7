"""Draws without their zeros: what goes in comes out."""

from __future__ import annotations

import numpy as np
import pytest

from vaebench.signatures.sampler.draws import Draws


@pytest.mark.parametrize(("samples", "signatures"), [(7, 3), (13, 20)])
def test_draws_come_out_as_they_went_in(monkeypatch, samples, signatures):
    monkeypatch.setattr("vaebench.signatures.sampler.draws._ROWS", 5)
    rng = np.random.default_rng(0)
    whole = rng.gamma(1, 100, (2, 8, samples, signatures)).astype(np.float32)
    whole *= rng.random(whole.shape) < 0.2
    whole[:, :, 5:10] = 0  # a block without any
    draws = Draws(*whole.shape)
    for place in range(8):
        draws.put(place, whole[:, place].astype(np.float64))
    starts, blocks = zip(*draws.blocks(), strict=True)
    assert starts == tuple(range(0, samples, 5))
    np.testing.assert_array_equal(np.concatenate(blocks, 2), whole)
    np.testing.assert_array_equal(draws.every(3, 4), whole.reshape(16, samples, signatures)[::3][:4])
    draws.thin()
    for place in range(4, 8):
        draws.put(place, whole[:, place])
    wanted = np.concatenate([whole[:, 1::2], whole[:, 4:]], 1)
    np.testing.assert_array_equal(np.concatenate([block for _, block in draws.blocks()], 2), wanted)


def test_zeros_take_a_bit():
    exposures = np.zeros((2, 1000, 64), np.float32)
    exposures[:, :, :8] = 5
    draws = Draws(2, 4, 1000, 64)
    for place in range(4):
        draws.put(place, exposures)
    held = sum(part.nbytes for packed in draws.held.values() for part in packed)
    assert held < exposures.nbytes * 4 / 5
