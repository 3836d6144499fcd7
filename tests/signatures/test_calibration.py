"""The coverage a user is told to expect, where it is known."""

from __future__ import annotations

import pytest

from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.errors import InputError
from vaebench.signatures.coverage import calibrate
from vaebench.signatures.sampler.options import SamplerOptions

SHORT = SamplerOptions(learning=60, draws=200)


def test_the_samplers_intervals_are_expected_to_cover_what_they_say():
    catalogue, truth = simulate_catalogue(1, tumours=150, signatures=3, types=1)
    told = []
    table = calibrate(
        catalogue,
        truth.signatures,
        draws=2,
        level=0.9,
        sampler=SHORT,
        options=SHORT,
        progress=lambda what, done, total: told.append((done, total)),
    )
    groups = table.set_index("group")
    assert list(table["group"][:5]) == ["all", "zero", "non-zero", "small", "large"]
    assert list(table["group"][5:]) == list(truth.signatures.index)
    assert groups.loc["all", "count"] == 2 * 150 * 3
    assert groups.loc["non-zero", "coverage"] == pytest.approx(0.9, abs=0.045)
    assert told[-1] == (2, 2)


def test_a_method_that_covers_too_little_is_found_out():
    catalogue, truth = simulate_catalogue(1, tumours=150, signatures=3, types=1)
    table = calibrate(catalogue, truth.signatures, intervals="bootstrap", draws=1, sampler=SHORT).set_index("group")
    assert table.loc["non-zero", "coverage"] < 0.945


@pytest.mark.parametrize("draws", [0, 11])
def test_number_of_cohorts_is_limited(draws):
    catalogue, truth = simulate_catalogue(1, tumours=30, signatures=2, types=1)
    with pytest.raises(InputError, match="draws"):
        calibrate(catalogue, truth.signatures, draws=draws)
