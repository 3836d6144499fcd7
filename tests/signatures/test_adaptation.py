"""Factors of channels that all samples of a cohort share: found where they are, and only there, in cohorts by plain NumPy."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from vaebench.data.mutations.channels import CHANNELS
from vaebench.errors import InputError
from vaebench.signatures.adaptation import ADAPTATION, KNOWN, adaptation_of, adapted
from vaebench.signatures.channel_factors import factors_table, given_factors, read_channel_factors, with_factors
from vaebench.signatures.dispersion import scatter
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.refitting import refit
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.sampler.shared_factors import FactorErrors
from vaebench.signatures.type_grounds import published_ground

NAMES = ["SBS1", "SBS2", "SBS5", "SBS12", "SBS18", "SBS21", "SBS28", "SBS40a"]
PRESENT = ("SBS1", "SBS5", "SBS40a")
QUICK = SamplerOptions(learning=60, draws=120, longest=1)
RNG = np.random.default_rng(4)
FACTORS = np.exp(RNG.normal(0, 0.3, 96))
SIGNATURES = pd.DataFrame(RNG.dirichlet(np.full(96, 2.0), len(NAMES)), NAMES, list(CHANNELS))


def cohort(kind: str, samples: int = 40) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts and true exposures of tumours with three signatures, about spectra that deviate as ``kind`` says."""
    rng = np.random.default_rng([len(kind), samples])
    exposures = pd.DataFrame(0.0, [f"T{i}" for i in range(samples)], NAMES)
    for name in PRESENT:
        exposures[name] = rng.lognormal(7, 0.6, samples) * (rng.random(samples) < 0.8)
    exposures["SBS5"] += 300
    spectra = SIGNATURES.to_numpy()
    if kind == "shared":
        spectra = spectra * FACTORS
        spectra /= spectra.sum(1, keepdims=True)
    mean = exposures.to_numpy() @ spectra
    if kind == "own":  # spectra vary from tumour to tumour
        mean = np.array([e @ np.array([rng.dirichlet(300 * s + 1e-9) for s in spectra]) for e in exposures.to_numpy()])
    if kind == "overdispersed":
        mean = mean * rng.gamma(20, 1 / 20, mean.shape)
    return pd.DataFrame(rng.poisson(mean).astype(float), exposures.index, list(CHANNELS)), exposures


def found(counts: pd.DataFrame):
    x, s = counts.to_numpy(), SIGNATURES.to_numpy()
    ground = published_ground(x, SIGNATURES)[0]
    assert ground is not None
    return adaptation_of(x, s, ground, scatter(x, s, maximum_likelihood(x, s).exposures))


@pytest.mark.parametrize(
    "kind", ["right", *(pytest.param(v, marks=pytest.mark.slow) for v in ("own", "overdispersed"))]
)
def test_signatures_stay_where_samples_do_not_deviate_alike(kind):
    counts, _ = cohort(kind)
    assert found(counts) is None
    x, s = counts.to_numpy(), SIGNATURES.to_numpy()
    scattered = scatter(x, s, maximum_likelihood(x, s).exposures).dispersion
    assert (scattered >= ADAPTATION.scatter) == (kind != "right")  # so that the halves have decided, not the first look


@pytest.mark.slow
def test_shared_factors_are_found():
    adaptation = found(cohort("shared")[0])
    assert adaptation is not None
    assert adaptation.gain > 0.6
    # exposures take up a common factor; the spectra of the present signatures tell
    rows = [NAMES.index(name) for name in PRESENT]
    truth, guess = (
        with_factors(SIGNATURES, pd.Series(f, list(CHANNELS))).to_numpy()[rows] for f in (FACTORS, adaptation.factors)
    )
    before = np.abs(SIGNATURES.to_numpy()[rows] - truth).sum(1)
    assert (np.abs(guess - truth).sum(1) < 0.4 * before).all()


@pytest.mark.slow
def test_a_refit_of_such_a_cohort_is_nearer_to_the_truth_and_says_so(tmp_path):
    counts, truth = cohort("shared")
    plain, changed = (
        refit(counts, SIGNATURES, intervals="spike_slab", options=QUICK, adapt=adapt) for adapt in ("none", "auto")
    )
    errors = [(fit.exposures - truth).abs().to_numpy().sum() for fit in (plain, changed)]
    assert errors[1] < 0.8 * errors[0]
    assert changed.dispersion < 1.3 < 3 < plain.dispersion
    assert plain.channel_factors is None
    assert not any("adapted" in note for note in plain.notes)
    assert [note for note in changed.notes if "same channels in all samples" in note and KNOWN not in note]
    changed.save(tmp_path / "refit")
    gain = json.loads((tmp_path / "refit" / "fit.json").read_text())["adaptation_gain"]
    assert gain == changed.adaptation_gain > 0.5
    assert plain.adaptation_gain is None
    assert changed.channel_factors is not None
    assert changed.signatures is not None
    table = pd.read_csv(tmp_path / "refit" / "channel_factors.csv", index_col="channel")
    pd.testing.assert_frame_equal(table, changed.channel_factors, check_names=False)
    spread = np.sqrt(np.square(table.filter(like="error_")).sum(1))
    assert spread.between(0.001, ADAPTATION.sd).all()
    np.testing.assert_allclose(
        changed.signatures, with_factors(SIGNATURES, pd.Series(table["factor"].to_numpy(), list(CHANNELS)))
    )


def test_few_samples_unknown_signatures_and_wrong_names():
    counts, _ = cohort("shared")
    assert adapted(counts.to_numpy(), SIGNATURES, None).factors is None
    few = counts.iloc[: ADAPTATION.samples - 1].to_numpy()
    small = adapted(few, SIGNATURES, published_ground(few, SIGNATURES)[0])
    assert small.factors is None
    assert small.gain is None
    assert [len(note) < 300 and "from 20 samples on, and here are 19" in note for note in small.notes] == [True]
    assert adapted(few, SIGNATURES, published_ground(few, SIGNATURES)[0], "none").notes == ()
    right = cohort("right", 12)[0].to_numpy()
    assert adapted(right, SIGNATURES, published_ground(right, SIGNATURES)[0]).notes == ()
    with pytest.raises(InputError, match="unknown adapt 'always'"):
        refit(counts, SIGNATURES, adapt="always")


TRUE = pd.Series(FACTORS, list(CHANNELS), name="factor")


def test_a_sample_can_be_given_the_factors_of_an_earlier_cohort(tmp_path):
    counts, truth = cohort("shared", 5)
    plain, given = (refit(counts, SIGNATURES, adapt=adapt) for adapt in ("none", TRUE[::-1]))
    np.testing.assert_allclose(given.signatures, with_factors(SIGNATURES, TRUE))
    pd.testing.assert_frame_equal(given.channel_factors, TRUE.to_frame())
    assert given.adaptation_gain is None
    errors = [(fit.exposures - truth).abs().to_numpy().sum() for fit in (plain, given)]
    assert errors[1] < 0.5 * errors[0]
    said = [note for note in given.notes if "factors of another cohort" in note]
    assert len(said) == 1
    assert f"is {given.dispersion:.2f}, without {plain.dispersion:.2f}." in said[0]
    assert "leave the factors out" not in said[0]
    other = refit(cohort("right", 5)[0], SIGNATURES, adapt=TRUE)
    assert any("leave the factors out (adapt none)" in note and KNOWN in note for note in other.notes)
    given.save(tmp_path / "refit")
    for path in (tmp_path / "refit", tmp_path / "refit" / "channel_factors.csv"):
        pd.testing.assert_frame_equal(read_channel_factors(path), TRUE.rename_axis("channel").to_frame())


def test_a_sample_is_given_the_factors_with_their_errors():
    """Errors that make one signature look more like another leave open how much there is of each."""
    errors = FactorErrors(np.full(96, 0.02), np.random.default_rng(0).normal(0, 0.02, (96, 40)))
    table = factors_table(TRUE, errors)
    factors, found = given_factors(table.iloc[::-1].astype(str), TRUE.index)
    pd.testing.assert_series_equal(factors, TRUE, check_names=False)
    np.testing.assert_allclose(found.mean, errors.mean)
    np.testing.assert_allclose(found.root, errors.root)
    small = errors._replace(root=errors.root * np.where(np.arange(40) < 30, 1, 1e-4))
    assert list(factors_table(TRUE, small)) == ["factor", "shift", *(f"error_{k + 1}" for k in range(30))]
    counts, _ = cohort("shared", 3)
    alike = np.log(SIGNATURES.loc["SBS1"] / SIGNATURES.loc["SBS5"]).to_numpy()
    tilted = factors_table(TRUE, FactorErrors(np.zeros(96), 0.1 * alike[:, None] / alike.std()))
    known, open_ = (
        refit(counts, SIGNATURES, intervals="spike_slab", options=QUICK, adapt=given) for given in (TRUE, tilted)
    )
    widths = [
        (fit.intervals["upper"] - fit.intervals["lower"])[fit.intervals["presence"] > 0.9] for fit in (known, open_)
    ]
    assert widths[1].median() > 1.2 * widths[0].median()
    assert sum(KNOWN in note for note in known.notes) == 1 + sum(KNOWN in note for note in open_.notes)
    with pytest.raises(InputError, match=re.escape("errors that are no numbers for channel 'A[C>A]A'")):
        refit(counts, SIGNATURES, adapt=table.assign(error_3=np.where(np.arange(96) == 0, np.nan, 1.0)))
    with pytest.raises(InputError, match="have no column 'factor'"):
        refit(counts, SIGNATURES, adapt=table.drop(columns="factor"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (TRUE.iloc[1:], "no positive number for channel 'A[C>A]A'"),
        (TRUE.where(TRUE.index != "T[T>G]T", 0.0), "no positive number for channel 'T[T>G]T'"),
        (TRUE.astype(object).where(TRUE.index != "A[C>A]C", "x"), "no positive number for channel 'A[C>A]C'"),
        (pd.concat([TRUE, TRUE.iloc[:1]]), "have channel 'A[C>A]A' twice"),
    ],
)
def test_factors_that_are_not_of_these_channels_are_one_sentence(wrong, said):
    with pytest.raises(InputError, match=re.escape(said)):
        refit(cohort("right", 2)[0], SIGNATURES, adapt=wrong)


def test_files_that_hold_no_factors_are_one_sentence(tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    for path, said in (
        (tmp_path, "has no channel_factors.csv"),
        (tmp_path / "table.csv", "has no column 'channel'"),
        (tmp_path / "empty.csv", "cannot be read"),
        (tmp_path / "none.csv", "No such file"),
    ):
        with pytest.raises(InputError, match=said):
            read_channel_factors(path)
