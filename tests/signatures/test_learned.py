"""New samples of an old extraction: what it learned is kept, read again, and makes few mutations say more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vaebench.data.mutations.channel_names import CONTEXTS
from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.errors import InputError
from vaebench.signatures.extraction import Extraction
from vaebench.signatures.kept import read_extraction, write_draws
from vaebench.signatures.learned import learned_ground, learned_prior
from vaebench.signatures.refitting import refit
from vaebench.signatures.sampler.grounds import weak_ground
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.sizes import relative_sizes

QUICK = SamplerOptions(learning=30, draws=160, chain=10, longest=1)
CATALOGUE, TRUTH = simulate_catalogue(11, tumours=120, signatures=5, types=2)


def extraction(rows: slice = slice(None)) -> Extraction:
    fits = pd.DataFrame({"mutations": CATALOGUE[rows].sum(axis=1), "cosine": 1.0})
    selection = pd.DataFrame({"k": [5], "chosen": [True]})
    return Extraction(TRUTH.signatures, TRUTH.exposures[rows], fits, selection, None, "nmf", ())


def test_the_prior_holds_frequency_mean_and_spread_by_type():
    exposures = pd.DataFrame([[90.0, 10, 0], [50, 50, 0], [0, 99.9, 0.1]], ["X::a", "X::b", "Y::c"], ["S1", "S2", "S3"])
    table = learned_prior(exposures, types=pd.Series(["X", "X", "Y"], exposures.index)).set_index(["type", "signature"])
    assert table.loc[("all", "S1"), ["samples", "present"]].tolist() == [3, 2]
    assert table.loc[("all", "S3"), "present"] == 0  # 0.1% is none
    sizes = relative_sizes(exposures.to_numpy()[:2])
    assert table.loc[("X", "S1"), "log_size_mean"] == sizes.log_mean[0]
    assert sizes.log_mean[0] == pytest.approx(np.log([0.9, 0.5]).mean(), abs=0.1)  # burdens hardly differ
    assert table.loc[("X", "S1"), "log_size_sd"] == np.sqrt(sizes.variance[0])
    assert table.loc[("Y", "S1"), "present"] == 0


def test_a_type_cannot_have_the_name_of_all_samples():
    exposures = pd.DataFrame([[90.0, 10]], ["a"], ["S1", "S2"])
    with pytest.raises(InputError, match="cancer type 'all' is not allowed"):
        learned_prior(exposures, types=pd.Series(["all"], ["a"]))


def test_intervals_count_by_their_probability_of_presence():
    exposures = pd.DataFrame([[50.0, 50.0], [100.0, 0.0]], ["a", "b"], ["S1", "S2"])
    long = pd.DataFrame(
        [("a", "S1", 50, 1.0), ("a", "S2", 50, 1.0), ("b", "S1", 99, 1.0), ("b", "S2", 1, 0.25)],
        columns=["sample", "signature", "exposure", "presence"],
    )
    table = learned_prior(exposures, intervals=long).set_index("signature")
    assert table.loc["S2", "present"] == 1.25
    mean = (np.log(0.5) + 0.25 * np.log(4 / 100)) / 1.25  # a quarter of a mutation's presence: 1 / 0.25 where present
    assert table.loc["S2", "log_size_mean"] == pytest.approx(mean, abs=0.1)
    assert set(table["source"]) == {"intervals"}


def test_the_ground_weighs_as_many_samples_as_it_was_learned_from():
    x = np.full((4, 96), 20.0)
    table = learned_prior(TRUTH.exposures, types=TRUTH.types)
    ground, weak = learned_ground(x, ["S1", "S2", "other"], table), weak_ground(x, 3)
    assert ground.presence[0] > 0.99
    np.testing.assert_allclose(np.asarray(ground.presence_weight), [121, 121, 1])
    share = TRUTH.exposures["S1"] / TRUTH.exposures.sum(axis=1)
    assert ground.log_mean[0] == pytest.approx(np.log(share).mean() + np.log(1920), abs=0.02)
    assert ground.log_mean[2] == weak.log_mean[2]
    one = learned_ground(x, ["S1"], table, "type01")
    np.testing.assert_allclose(one.presence_weight, 61)
    with pytest.raises(InputError, match=r"tissue of the extraction='Liver-HCC' is not known; .* all") as caught:
        learned_ground(x, ["S1"], table, "Liver-HCC")
    assert "list tissues" not in str(caught.value)  # which has the published ones
    with pytest.raises(InputError, match="TYPE01"):
        learned_ground(x, ["S1"], table, "liver")
    with pytest.raises(InputError, match="present"):
        learned_ground(x, ["S1"], table.drop(columns="present"))
    with pytest.raises(InputError, match=r"'log_size_mean'; .* of an older version"):
        learned_ground(x, ["S1"], table.rename(columns={"log_size_mean": "log_share_mean"}))


def test_an_extraction_is_read_again(tmp_path):
    extraction().save(tmp_path)
    kept = read_extraction(tmp_path)
    np.testing.assert_allclose(kept.signatures, TRUTH.signatures, atol=1e-9)
    assert list(dict.fromkeys(kept.prior["type"])) == ["all", "TYPE01", "TYPE02"]
    assert (kept.draws, kept.notes) == (None, ())
    older = pd.read_csv(tmp_path / "prior.csv").rename(columns={"log_size_mean": "log_share_mean"})
    older.to_csv(tmp_path / "prior.csv", index=False)
    again = read_extraction(tmp_path)
    assert again.notes == (
        f"{tmp_path} has a prior.csv of an earlier version: the prior was learned from its exposures.",
    )
    pd.testing.assert_frame_equal(again.prior, kept.prior, rtol=1e-6)
    np.testing.assert_allclose(kept.mutations, TRUTH.exposures.sum(), rtol=1e-6)
    draws = np.random.default_rng(0).dirichlet(np.ones(96), (3, 5))
    write_draws(tmp_path / "signature_draws.npz", draws[:, ::-1], TRUTH.signatures[::-1])
    np.testing.assert_allclose(read_extraction(tmp_path).draws, draws, rtol=1e-6)
    (tmp_path / "prior.csv").unlink()
    older = read_extraction(tmp_path)
    pd.testing.assert_frame_equal(older.prior, kept.prior, check_exact=False)
    assert "prior.csv" in older.notes[0]
    (tmp_path / "signature_draws.npz").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"signature_draws\.npz"):
        read_extraction(tmp_path)
    with pytest.raises(InputError, match=r"signatures\.csv"):
        read_extraction(tmp_path / "none")


def test_draws_of_other_contexts_are_read_again(tmp_path):
    rng, channels = np.random.default_rng(1), list(CONTEXTS["ID83"])
    spectra = pd.DataFrame(rng.dirichlet(np.ones(83), 2), ["ID_A", "ID_B"], channels)
    exposures = pd.DataFrame(rng.gamma(2.0, 100.0, (6, 2)), [f"T{i}" for i in range(6)], spectra.index)
    fits = pd.DataFrame({"mutations": exposures.sum(axis=1), "cosine": 1.0})
    Extraction(spectra, exposures, fits, pd.DataFrame({"k": [2], "chosen": [True]}), None, "nmf", ()).save(tmp_path)
    draws = rng.dirichlet(np.ones(83), (3, 2))
    shuffled = rng.permutation(83)
    write_draws(tmp_path / "signature_draws.npz", draws[:, :, shuffled], spectra.iloc[:, shuffled])
    kept = read_extraction(tmp_path)
    np.testing.assert_allclose(kept.draws, draws, rtol=1e-6)
    assert list(kept.signatures.columns) == channels


@pytest.mark.slow
def test_one_new_sample_of_the_cohort_gets_nearer_exposures_with_the_prior():
    """Truth known: samples that the prior has not seen, each refitted alone with a fortieth of its mutations."""
    rng = np.random.default_rng(5)
    _, truth = simulate_catalogue(11, tumours=120, signatures=5, types=1)
    order = rng.permutation(120)
    prior = learned_prior(truth.exposures.iloc[order[:100]])
    errors, notes = {"learned": 0.0, "none": 0.0}, ()
    for t in order[100:104]:
        e = truth.exposures.iloc[t].to_numpy() / 40
        x = rng.poisson(e @ truth.signatures.to_numpy()).astype(float)
        one = pd.DataFrame([x], ["new"], truth.signatures.columns)
        for name, given in (("none", "none"), ("learned", prior)):
            fit = refit(one, truth.signatures, intervals="spike_slab", prior=given, options=QUICK, noise="poisson")
            errors[name] += np.abs(fit.exposures.to_numpy()[0] - e).sum() / e.sum()
            notes = fit.notes
    assert errors["learned"] < 0.9 * errors["none"]
    assert any("learned from 100 samples" in note for note in notes)
