"""Detection limits, against the likelihood of two signatures computed by hand and against limits that are plain."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from vaebench.cli.main import main
from vaebench.data.mutations.channels import CHANNELS
from vaebench.data.mutations.tables import write_signatures
from vaebench.errors import InputError
from vaebench.signatures.detection import (
    PowerOptions,
    _limit,
    detection_threshold,
    deviance_rises,
    drawn_samples,
    power,
)

FEW = PowerOptions(samples=20, halvings=3)


@pytest.fixture(scope="module")
def table():
    """Two peaked signatures, a flat one, and one that is nearly the flat one."""
    flat = np.full(96, 1 / 96)
    twin = flat * np.where(np.arange(96) % 2, 1.08, 0.92)
    peaks = np.full((2, 96), 0.1 / 94)
    peaks[0, :2] = peaks[1, 40:42] = 0.45
    rows = np.vstack([peaks, flat, twin])
    return pd.DataFrame(rows / rows.sum(1, keepdims=True), ["A", "B", "flat", "twin"], list(CHANNELS))


def test_the_statistic_is_that_of_a_line_search(table):
    spectra = table.to_numpy()[[0, 2]]
    rng = np.random.default_rng(0)
    counts = rng.poisson(200 * (0.2 * spectra[0] + 0.8 * spectra[1]), (6, 96)).astype(float)
    found = deviance_rises(counts, spectra, 0)

    def loss(share, x):  # at the maximum the exposures sum to the mutations
        return -float(x @ np.log(x.sum() * (share * spectra[0] + (1 - share) * spectra[1])))

    best = [
        minimize_scalar(loss, bounds=(0, 1), args=(x,), method="bounded", options={"xatol": 1e-9}).fun for x in counts
    ]
    expected = [2 * (loss(0.0, x) - value) for x, value in zip(counts, best, strict=True)]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_samples_hold_the_share_and_a_few_others(table):
    rng = np.random.default_rng(0)
    options = PowerOptions(samples=400, others=2)
    counts = drawn_samples(table.to_numpy(), 0, 300, 0.5, rng, options)
    assert counts.sum(1).mean() == pytest.approx(300, rel=0.02)
    none = drawn_samples(table.to_numpy(), 0, 300, 0.0, rng, options)
    peak = (counts[:, :2].sum() - 0.5 * none[:, :2].sum()) / counts.sum()
    assert peak == pytest.approx(0.5 * 0.9, abs=0.02)


def test_peaks_are_found_at_small_shares_and_twins_at_none(table):
    limits = power(table, mutations=[100, 2000], options=FEW).set_index(["signature", "mutations"])
    assert limits.loc[("A", 2000), "least_share"] <= limits.loc[("A", 100), "least_share"] < 0.35
    assert limits.loc[("A", 2000), "least_share"] < 0.05
    assert np.isnan(limits.loc[("flat", 100), "least_share"])
    assert limits.loc[("flat", 100), "power"] < 0.8
    assert limits.loc[("flat", 100), "similar"] == "twin"
    known = limits["least_share"].notna()
    assert (limits.loc[known, "power"] > 0.5).all()  # of 20 further samples, not those by which the limit was chosen
    shares = limits.reset_index().loc[known.to_numpy()]
    np.testing.assert_allclose(shares["least_mutations"], shares["least_share"] * shares["mutations"])
    pd.testing.assert_frame_equal(
        limits, power(table, mutations=[100, 2000], options=FEW).set_index(["signature", "mutations"])
    )


@pytest.mark.slow
def test_calls_are_as_rare_and_as_frequent_as_is_said(table):
    """Many limits against fresh samples, with the signature and without it; the quantile of 50 samples is exceeded by 7%."""
    spectra, options, trials = table.to_numpy(), PowerOptions(samples=20, halvings=3), 40
    false, beyond = [], []
    for trial in range(trials):
        share, said = _limit(spectra, 0, 100, np.random.default_rng(trial), options)
        threshold = detection_threshold(spectra, 0, 100, np.random.default_rng(trial), options)
        fresh, many = np.random.default_rng([trial, 1]), dataclasses.replace(options, samples=150)
        without, there = (
            np.mean(deviance_rises(drawn_samples(spectra, 0, 100, f, fresh, many), spectra, 0) > threshold)
            for f in (0.0, share)
        )
        false.append(without)
        beyond.append(said - there)
    assert abs(np.mean(false) - 0.05) < 3 * np.std(false) / np.sqrt(trials)
    assert abs(np.mean(beyond)) < 3 * np.std(beyond) / np.sqrt(trials)


def test_the_command_writes_the_table(table, tmp_path, capsys):
    path = tmp_path / "signatures.csv"
    write_signatures(table.iloc[:2], path)
    out = ["--out", str(tmp_path / "out")]
    assert main(["power", str(path), "--mutations", "60", "--samples", "8", *out]) == 0
    assert "Smallest share" in capsys.readouterr().out
    assert list(pd.read_csv(tmp_path / "out" / "power.csv")["signature"]) == ["A", "B"]
    assert main(["power", str(path), "--mutations", "60,-3", *out]) == 2
    assert "--mutations '60,-3'" in capsys.readouterr().err


def test_what_cannot_be_simulated_is_said(table):
    with pytest.raises(InputError, match="options=3 is not allowed; it must be of the class PowerOptions"):
        power(table, options=3)
    with pytest.raises(InputError, match="holds 1 signature"):
        power(table.iloc[:1])
    with pytest.raises(InputError, match="mutations="):
        power(table, mutations=[0])
    with pytest.raises(InputError, match="false=1"):
        PowerOptions(false=1.0)


def test_one_number_of_mutations_is_a_list_of_one():
    s = pd.DataFrame(np.random.default_rng(0).dirichlet(np.full(96, 0.3), 2), ["A", "B"], list(CHANNELS))
    quick = PowerOptions(samples=4, without=1, others=1, halvings=1)
    pd.testing.assert_frame_equal(power(s, mutations=100, options=quick), power(s, mutations=[100], options=quick))
    for wrong in (100.0, "100", None):
        with pytest.raises(InputError, match="whole numbers from 1"):
            power(s, mutations=wrong)
