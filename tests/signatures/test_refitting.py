"""Refits of simulated cohorts: coverage, flags, alignment by label, and what is refused."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from vaebench.data.mutations.channels import CHANNELS
from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.errors import InputError
from vaebench.signatures.coverage import coverage_summary, presence_scores
from vaebench.signatures.intervals.methods import METHODS
from vaebench.signatures.intervals.options import BootstrapOptions
from vaebench.signatures.refit_tables import found_signatures
from vaebench.signatures.refitting import refit
from vaebench.signatures.sampler import posterior as sampling
from vaebench.signatures.sampler import summary
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.sampler.summary import read_off
from vaebench.signatures.sampler.visits import visited

FAST = [name for name, method in METHODS.items() if "gislum" not in method.reference and name != "conformal"]


SHORT = SamplerOptions(learning=80, draws=240)
"""Shorter chains than the defaults."""


@pytest.fixture(scope="module")
def cohort():
    return simulate_catalogue(3, tumours=240, signatures=4, types=2)


@pytest.mark.slow
def test_intervals_of_the_sampler_hold_the_truth(cohort):
    catalogue, truth = cohort
    fit = refit(catalogue, truth.signatures, intervals="spike_slab", types=truth.types, options=SHORT)
    found = coverage_summary(fit.intervals, truth.exposures)
    assert 0.92 < found["non_zero"] < 0.985
    assert found["zero"] > 0.97
    plain = refit(catalogue, truth.signatures)
    assert found["mse"] <= ((plain.exposures - truth.exposures) ** 2).to_numpy().mean()
    assert presence_scores(fit.intervals, truth.exposures)["auc"] > 0.95
    assert fit.dispersion == pytest.approx(1, abs=0.06)
    assert fit.psi == 0
    assert [note[:33] for note in fit.notes] == ["No published exposures are the pr"]  # S1, S2, ... are not COSMIC's
    assert fit.diagnostics["r_hat_99"] < 1.1
    assert fit.diagnostics["effective_draws_1"] > 50
    assert len(fit.diagnostics["prior"]["presence"]) == 2


@pytest.mark.parametrize("samples", [1, *(pytest.param(v, marks=pytest.mark.slow) for v in (30, 31))])
def test_one_program_learns_and_draws(samples):
    """Each row gets its own sample's draws, and a small cohort, even or odd, compiles one sweep."""
    catalogue, truth = simulate_catalogue(4, tumours=60, signatures=3, types=1)
    sums = catalogue.sum(axis=1).nlargest(samples).index
    visited.clear_cache()
    fit = refit(catalogue.loc[sums], truth.signatures, intervals="spike_slab", options=SHORT)
    assert visited._cache_size() == 1  # type: ignore[attr-defined]
    assert fit.intervals is not None
    middle = fit.intervals.pivot(index="sample", columns="signature", values="exposure")
    middle = middle.loc[sums, fit.exposures.columns]
    np.testing.assert_allclose(middle.sum(axis=1), catalogue.loc[sums].sum(axis=1), rtol=0.15)
    # entry by entry: sums of equal numbers may differ in the last digit, by how they are added
    presence = fit.intervals.pivot(index="sample", columns="signature", values="presence").loc[sums, middle.columns]
    np.testing.assert_array_equal(middle.where(presence >= 0.5, 0.0), fit.exposures)


@pytest.mark.slow
def test_blocks_of_a_larger_cohort_are_its_own_rows(monkeypatch):
    # of 31 samples: three blocks, and seven that are filled up, of the chain and of its draws
    monkeypatch.setattr(sampling, "BLOCK", 8)
    monkeypatch.setattr("vaebench.signatures.sampler.draws._ROWS", 8)
    catalogue, truth = simulate_catalogue(4, tumours=31, signatures=3, types=1)
    fit = refit(catalogue, truth.signatures, intervals="spike_slab", options=SHORT)
    np.testing.assert_allclose(fit.exposures.sum(axis=1), catalogue.sum(axis=1), rtol=0.15)


@pytest.mark.slow
def test_chains_that_stand_apart_are_noted(cohort, monkeypatch):
    catalogue, truth = cohort
    monkeypatch.setattr(summary, "r_hat", lambda draws: np.full(draws.shape[2:], np.inf))
    once = dataclasses.replace(SHORT, longest=1)
    fit = refit(catalogue, truth.signatures, intervals="spike_slab", types=truth.types, options=once)
    assert fit.diagnostics["r_hat_99"] == np.inf
    assert "mixes slowly: R-hat inf" in fit.notes[0]


@pytest.mark.slow
def test_overdispersed_counts_are_covered_under_the_negative_binomial(cohort):
    _, truth = cohort
    catalogue, _ = simulate_catalogue(3, tumours=240, signatures=4, types=2, noise="negative_binomial", size=10.0)
    fit = refit(
        catalogue, truth.signatures, intervals="spike_slab", noise="negative_binomial", types=truth.types, options=SHORT
    )
    assert fit.size == pytest.approx(10, rel=0.15)
    assert 0.91 < coverage_summary(fit.intervals, truth.exposures)["non_zero"] < 0.985
    assert "negative binomial" in fit.notes[0]
    assert refit(catalogue, truth.signatures).dispersion > 1.5


@pytest.mark.slow
def test_rounded_means_are_recognised_and_fitted_closely(cohort):
    _, truth = cohort
    catalogue, _ = simulate_catalogue(3, tumours=240, signatures=4, types=2, noise="exact")
    fit = refit(catalogue, truth.signatures, intervals="spike_slab", options=SHORT)
    assert fit.psi == pytest.approx(1 / 12)
    assert "without sampling noise" in fit.notes[0].replace("\n", " ")
    found = coverage_summary(fit.intervals, truth.exposures)
    assert found["mse"] < 10
    assert found["non_zero"] > 0.9


@pytest.mark.parametrize("name", [n for n in FAST if n != "spike_slab"])
def test_other_methods_give_the_same_table(cohort, name):
    catalogue, truth = cohort
    few = catalogue.iloc[::8]
    fit = refit(few, truth.signatures, intervals=name, level=0.9)
    assert list(fit.intervals.columns) == ["sample", "signature", "exposure", "lower", "upper", "presence"]
    assert len(fit.intervals) == few.shape[0] * 4
    assert (fit.intervals["lower"] <= fit.intervals["upper"]).all()
    assert fit.intervals["presence"].isna().all()
    np.testing.assert_array_equal(fit.intervals["exposure"].to_numpy().reshape(-1, 4), fit.exposures.to_numpy())
    found = coverage_summary(fit.intervals, truth.exposures.loc[few.index])
    assert 0.75 < found["non_zero"] <= 1
    # Poisson counts of one signature alone would have intervals 3.3 standard deviations wide
    width = (fit.intervals["upper"] - fit.intervals["lower"]).to_numpy().reshape(-1, 4)
    true = truth.exposures.loc[few.index].to_numpy()
    assert np.median(width[true > 50] / np.sqrt(true[true > 50])) < 10
    assert (fit.method, fit.level) == (name, 0.9)


def test_columns_are_aligned_by_label_and_seeds_repeat(cohort):
    catalogue, truth = cohort
    few = catalogue.iloc[::8]
    fit = refit(few, truth.signatures, intervals="bootstrap", seed=5)
    shuffled = few.sample(frac=1, axis=1, random_state=0)
    again = refit(shuffled, truth.signatures.T.sample(frac=1, random_state=1).T, intervals="bootstrap", seed=5)
    pd.testing.assert_frame_equal(fit.intervals, again.intervals, rtol=1e-4)
    other = refit(few, truth.signatures, intervals="bootstrap", seed=6)
    assert not np.allclose(fit.intervals["upper"], other.intervals["upper"])


def test_samples_without_mutations_are_kept_and_flagged(cohort):
    catalogue, truth = cohort
    few = catalogue.iloc[::8].copy()
    few.iloc[3] = 0.0
    fit = refit(few, truth.signatures, intervals="profile_likelihood")
    name = few.index[3]
    assert (fit.exposures.loc[name] == 0).all()
    assert fit.samples.loc[name, "flag"] == "no mutations"
    rows = fit.intervals[fit.intervals["sample"] == name]
    assert rows["lower"].eq(0).all()
    np.testing.assert_allclose(rows["upper"], -np.log(0.05))
    assert "has no mutations. Its exposures are 0" in fit.notes[-1]
    assert fit.draws is None


def test_draws_are_of_all_samples_together(cohort):
    catalogue, truth = cohort
    few = catalogue.iloc[::8].copy()
    few.iloc[3] = 0.0
    options = BootstrapOptions(replicates=60)
    fit = refit(few, truth.signatures, intervals="bootstrap", options=options)
    assert fit.draws.shape == (60, *fit.exposures.shape)
    assert not fit.draws[:, 3].any()
    ends = fit.intervals.pivot(index="sample", columns="signature")[["lower", "upper"]]
    for name, share in (("lower", 0.025), ("upper", 0.975)):
        wanted = ends[name].loc[few.index, truth.signatures.index].to_numpy()
        np.testing.assert_allclose(np.delete(np.quantile(fit.draws, share, axis=0) - wanted, 3, axis=0), 0, atol=1)


def test_a_missing_signature_is_flagged(cohort):
    catalogue, truth = cohort
    right = refit(catalogue, truth.signatures)
    assert (right.samples["flag"] == "").all()
    clock = truth.signatures.drop(index=truth.signatures.index[0])
    fit = refit(catalogue, clock)
    assert (fit.samples["flag"] == "misfit").mean() > 0.2
    mean = fit.exposures.to_numpy() @ clock.to_numpy()
    expected = np.diag(cosine_similarity(catalogue.to_numpy(), mean))
    np.testing.assert_allclose(fit.samples["cosine"], expected)
    assert fit.samples["cosine"].mean() < right.samples["cosine"].mean() - 0.01
    assert any("do not fit" in note for note in fit.notes)
    assert fit.dispersion > 1.1


@pytest.mark.slow
def test_samples_are_flagged_where_the_whole_cohort_does_not_fit():
    """Scatter is judged relative to the cohort, and a cohort that lacks a signature has the same scatter everywhere."""
    rng = np.random.default_rng(3)
    known, missing = rng.dirichlet(np.full(96, 0.3), (2, 2))
    signatures = pd.DataFrame(known, ["A", "B"], list(CHANNELS))
    right, wrong = (
        pd.DataFrame(rng.poisson(rng.uniform(500, 2000, (6, 2)) @ spectra), [f"T{i}" for i in range(6)], list(CHANNELS))
        for spectra in (known, 0.3 * known + 0.7 * missing)
    )
    assert set(refit(right, signatures).samples["flag"]) == {""}
    found = refit(wrong, signatures)
    assert set(found.samples["flag"]) == {"misfit"}
    assert any("6 of 6 samples do not fit" in note for note in found.notes)
    few = pd.DataFrame(rng.poisson(3 * known), ["a", "b"], list(CHANNELS))
    assert set(refit(few, signatures).samples["flag"]) == {""}


def test_a_sample_that_is_the_sum_of_the_others_is_said(cohort):
    catalogue, truth = cohort
    some = catalogue.iloc[:5]
    for name, extra in (("Gesamt", some.sum()), ("Average", some.mean())):
        table = pd.concat([some, extra.to_frame(name).T])
        (note,) = (n for n in refit(table, truth.signatures, fractions=True).notes if "of all others" in n)
        assert name in note
    assert not any("of all others" in note for note in refit(some, truth.signatures).notes)


@pytest.mark.parametrize(("whole", "what"), [(1, "shares"), (100, "per cent")])
def test_shares_are_no_counts(cohort, whole, what):
    catalogue, truth = cohort
    shares = whole * catalogue.div(catalogue.sum(axis=1), axis=0)
    with pytest.raises(InputError, match=f"the catalogue holds {what}, which sum to {whole} in all samples"):
        refit(shares, truth.signatures, fractions=True)


def test_a_saved_refit_is_read_again(cohort, tmp_path):
    catalogue, truth = cohort
    few = catalogue.iloc[::8]
    fit = refit(few, truth.signatures, noise="negative_binomial", intervals="bootstrap", options=BootstrapOptions(20))
    fit = fit._replace(size=np.inf, notes=("One.",))
    page = fit.save(tmp_path / "new" / "folder", types=truth.types, info={"cohort": "A"})
    assert "One." in page.read_text(encoding="utf-8")
    written = pd.read_csv(page.with_name("exposures.csv"), index_col="Samples")
    np.testing.assert_allclose(written, fit.exposures, rtol=1e-12)
    written = pd.read_csv(page.with_name("intervals.csv"))
    np.testing.assert_allclose(written["upper"], fit.intervals["upper"], rtol=1e-12)
    assert pd.read_csv(page.with_name("samples.csv"))["Samples"].tolist() == list(few.index)
    values = json.loads(page.with_name("fit.json").read_text())
    assert values.pop("dispersion") == fit.dispersion
    assert values == {
        "method": "bootstrap", "level": 0.95, "noise": "negative_binomial", "psi": 0, "size": None, "notes": ["One."],
        "cohort": "A", "found": list(truth.signatures.index),
    }  # fmt: skip
    fit._replace(intervals=None).save(tmp_path / "plain", types=dict(truth.types))
    with pytest.raises(InputError, match="no cancer type for sample"):
        fit.save(tmp_path / "lacking", types={"a": "b"})
    assert not (tmp_path / "plain" / "intervals.csv").exists()


@pytest.mark.parametrize(("level", "said"), [(0.99, False), (0.999, True)])
def test_intervals_of_more_than_their_draws_can_hold_are_said(cohort, level, said):
    catalogue, truth = cohort
    fit = refit(catalogue.iloc[:5], truth.signatures, intervals="bootstrap", level=level, options=BootstrapOptions(200))
    assert ("99.9% intervals need 1,999 draws, and bootstrap has 200" in " ".join(fit.notes)) == said
    fit = refit(catalogue.iloc[:5], truth.signatures, intervals="profile_likelihood", level=level)
    assert "draws" not in " ".join(fit.notes)


def test_options_of_a_method_are_used(cohort):
    catalogue, truth = cohort
    done = []
    few, options = catalogue.iloc[::40], BootstrapOptions(3)
    refit(few, truth.signatures, intervals="bootstrap", options=options, progress=lambda *step: done.append(step))
    assert done == [("resampling", 1, 3), ("resampling", 2, 3), ("resampling", 3, 3)]


def test_upper_ends_are_of_exposures_that_are_there():
    rng = np.random.default_rng(0)
    draws = np.where(rng.random((20_000, 1, 2)) < [0.02, 0.6], rng.gamma(20, 5, (20_000, 1, 2)), 0.0)
    lower, upper, presence = read_off(draws, 0.9)
    np.testing.assert_allclose(presence[0], [0.02, 0.6], atol=0.01)
    np.testing.assert_array_equal(lower[0], 0)
    for k in range(2):
        some = draws[:, 0, k][draws[:, 0, k] > 0]
        assert upper[0, k] == pytest.approx(np.quantile(some, 0.95), rel=0.01)
    rare = np.zeros((1000, 1, 1))
    rare[:3] = 9.0
    assert read_off(rare, 0.9)[1] == 0


def test_quantiles_of_few_draws_hold_a_new_one_as_often_as_they_say():
    rng = np.random.default_rng(0)
    draws, new = rng.exponential(size=(39, 20_000, 1)), rng.exponential(size=(20_000, 1))
    lower, upper, _ = read_off(draws, 0.95)
    assert ((lower <= new) & (new <= upper)).mean() == pytest.approx(0.95, abs=0.006)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"intervals": "spike_slap"}, "spike_slab"),
        ({"noise": "gaussian"}, "poisson"),
        ({"level": 95}, "below 1"),
        ({"level": "0.9"}, "must be a number above 0"),
        ({"opportunities": pd.DataFrame()}, "opportunities of class DataFrame are not allowed"),
        ({"seed": -1}, "whole number"),
        ({"types": pd.Series({"a": "b"})}, "no cancer type"),
        ({"settings": {"beta": 1}, "intervals": "bootstrap"}, "posterior_percentile"),
        ({"settings": {"beta": 1}}, "with intervals=None"),
        ({"options": SHORT, "intervals": "bootstrap"}, "SamplerOptions .* give BootstrapOptions"),
        ({"options": SHORT}, "with intervals=None; give None"),
        ({"intervals": ["spike_slab"]}, "unknown intervals"),
        ({"tissue": ["Liver-HCC"]}, "it must be a name, such as 'ACC'"),
        ({"include": 3}, "include=3 is not allowed; it must hold names"),
        ({"settings": "beta"}, "settings='beta' is not allowed; it must be of the class Mapping"),
        ({"checks": None}, "checks=None is not allowed; it must be of the class RefitChecks"),
    ],
)
def test_options_that_are_not_allowed_are_refused_in_a_sentence(cohort, options, words):
    catalogue, truth = cohort
    with pytest.raises(InputError, match=words):
        refit(catalogue, truth.signatures, **options)


def test_a_level_of_numpy_is_saved(cohort, tmp_path):
    catalogue, truth = cohort
    fit = refit(catalogue.iloc[:3], truth.signatures, intervals="profile_likelihood", level=np.float32(0.9))
    assert type(fit.level) is float
    with pytest.raises(InputError, match="3 is no path"):
        fit.save(3)


def test_fractions_are_refused_unless_asked_for(cohort):
    catalogue, truth = cohort
    few = catalogue.iloc[:20] + 0.25
    with pytest.raises(InputError, match="whole"):
        refit(few, truth.signatures)
    assert refit(few, truth.signatures, fractions=True).exposures.shape == (20, 4)


def test_a_catalogue_without_any_mutation_is_refused(cohort):
    catalogue, truth = cohort
    with pytest.raises(InputError, match="no mutations"):
        refit(catalogue.iloc[:3] * 0, truth.signatures)


@pytest.mark.slow
def test_chains_grow_until_they_have_mixed_or_to_the_limit(cohort, monkeypatch):
    catalogue, truth = cohort
    few = catalogue.iloc[::40]
    options = SamplerOptions(learning=20, draws=40, chain=10, longest=4)
    given = {"intervals": "spike_slab", "options": options}
    worst = iter([2.0, 1.0, 2.0, 2.0, 2.0])
    monkeypatch.setattr(summary, "r_hat", lambda draws: np.full(draws.shape[2:], next(worst)))
    monkeypatch.setattr(summary, "effective_size", lambda draws: np.full(draws.shape[2:], 99.0))
    sweeps = []
    fit = refit(few, truth.signatures, progress=lambda what, done, total: sweeps.append((done, total)), **given)
    assert fit.diagnostics["sweeps"] == 20 + 2 * 20  # of two chains; with the second stretch they had mixed
    assert fit.diagnostics["draws"] == 40
    assert sweeps[-1] == (60, 60)
    fit = refit(few, truth.signatures, **given)
    assert fit.diagnostics["sweeps"] == fit.diagnostics["sweeps_limit"] == 20 + 4 * 20
    assert any("at the limit of 100 sweeps" in note for note in fit.notes)


@pytest.mark.slow
def test_exposures_of_a_sample_of_few_mutations_sum_to_them():
    rng = np.random.default_rng(0)
    signatures = rng.dirichlet(np.full(96, 0.3), 12)
    x = rng.multinomial(50, 0.4 * signatures[0] + 0.6 * signatures[1]).astype(float)
    catalogue = pd.DataFrame([x], ["T"], list(CHANNELS))
    table = pd.DataFrame(signatures, [f"S{k}" for k in range(12)], list(CHANNELS))
    short = SamplerOptions(learning=40, draws=160, chain=10, longest=1)
    fit = refit(catalogue, table, intervals="spike_slab", options=short)
    assert fit.intervals["exposure"].sum() == pytest.approx(50, abs=8)
    assert not any("scatter" in note for note in fit.notes)


def test_found_signatures_are_surely_present_in_a_sample():
    exposures = pd.DataFrame([[5.0, 9.0, 0.0], [7.0, 8.0, 0.0]], ["a", "b"], ["S1", "S2", "S3"])
    table = exposures.stack().rename_axis(["sample", "signature"]).rename("exposure").reset_index()
    presence = {"S1": (0.2, 0.95), "S2": (0.8, 0.89), "S3": (0.1, 0.9)}
    known = table.assign(
        presence=[presence[s][t == "b"] for t, s in zip(table["sample"], table["signature"], strict=True)]
    )
    assert found_signatures(exposures, known) == ("S1", "S3")
    # without a probability, what has an exposure
    assert found_signatures(exposures, table.assign(presence=np.nan)) == ("S1", "S2")
    assert found_signatures(exposures, None) == ("S1", "S2")
