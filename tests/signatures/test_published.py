"""Prior from published exposures: tumour type over all types over weak; names that were split; cohorts that disagree."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest

from vaebench.data.mutations.channels import CHANNELS
from vaebench.errors import InputError
from vaebench.signatures.offered import offered
from vaebench.signatures.published import (
    ALL_TYPES,
    disagreements,
    published_exposures,
    published_facts,
    seen_in,
    tissues,
    usual,
    without_heir,
)
from vaebench.signatures.refit_notes import CHECKS, prior_notes, repeat_notes, usual_notes
from vaebench.signatures.refitting import refit
from vaebench.signatures.resemblance import drawn_shares
from vaebench.signatures.sampler.grounds import Ground, burden_variance, weak_ground
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.tables import Estimates
from vaebench.signatures.type_grounds import published_ground

X = np.full((4, 96), 20.0)
QUICK = SamplerOptions(learning=40, draws=400, chain=20, longest=1)
"""Short chains: one tumour has sixteen of them."""


def ground_of(x: np.ndarray, names: list[str], tissue: str | None = None) -> Ground | None:
    """The ground with flat spectra: counts then resemble no type more than another."""
    return published_ground(x, pd.DataFrame(1 / 96, pd.Index(names), list(CHANNELS)), tissue)[0]


def same(one: Ground, other: Ground) -> None:
    """Two grounds are equal in all their arrays."""
    leaves, others = (jax.tree.leaves(v) for v in (one, other))
    for a, b in zip(leaves, others, strict=True):
        np.testing.assert_allclose(a, b)


def test_the_table_holds_facts_of_genomes_and_exomes():
    table = published_exposures()
    assert {"Liver-HCC", "LIHC"} <= set(tissues())
    assert set(table["assay"]) == {"genome", "exome"}
    assert (table["present"] <= table["samples"]).all()
    assert (table["log_share_mean"] <= 0).all()
    assert not table.duplicated(["type", "signature"]).any()


def test_a_tissue_weighs_more_than_all_types_and_both_more_than_nothing():
    names = ["SBS4", "SBS7a", "SBS1", "SBS99"]
    lung, skin = (ground_of(X, names, tissue) for tissue in ("Lung-SCC", "Skin-Melanoma"))
    every = ground_of(X, names)
    assert lung.presence[0] > 0.85 > 0.3 > every.presence[0] > skin.presence[0]
    assert skin.presence[1] > 0.8
    assert lung.presence[1] < 0.01
    assert every.presence[2] > 0.8
    assert (np.asarray(lung.presence_weight) == 10).all()
    assert (np.asarray(every.presence_weight)[:3] < 5).all()  # types differ, so all of them say little
    assert [every.presence_weight[3], every.mean_weight[3], every.variance_weight[3]] == [1, 1, 4]
    assert every.presence[3] == 0.01
    np.testing.assert_allclose(every.log_mean[3], weak_ground(X, 4).log_mean[3])


def test_the_belief_of_a_tissue_is_the_average_of_its_samples_and_all_types():
    table = published_exposures()
    row = table[(table["type"] == "Liver-HCC") & (table["signature"] == "SBS4")].iloc[0]
    liver = ground_of(X, ["SBS4", "SBS5"], "Liver-HCC")
    # all types: 2 of the weak prior's 3 samples are put to the sums of the table
    whole = table[(table["assay"] == "genome")]
    samples, mine = whole.groupby("type")["samples"].first().sum(), whole[whole["signature"] == "SBS4"]
    presence = (mine["present"].sum() + 3 * 0.5) / (samples + 3)
    weak = np.log(1920 / 2) - np.log(1920)
    size = ((mine["present"] * mine["log_size_mean"]).sum() + 3 * weak) / (mine["present"].sum() + 3)
    assert liver.presence[0] == pytest.approx((row["present"] + 3 * presence) / (row["samples"] + 3))
    mean = (row["present"] * row["log_size_mean"] + 3 * size) / (row["present"] + 3)
    assert liver.log_mean[0] == pytest.approx(mean + np.log(1920))


def test_samples_of_unequal_burden_have_the_published_spread_of_shares():
    rng = np.random.default_rng(0)
    burden = np.exp(rng.normal(5, 0.6, 4000))
    x = rng.poisson(burden[:, None] * np.full(96, 1 / 96)).astype(float)
    assert burden_variance(x) == pytest.approx(0.36, abs=0.03)
    assert burden_variance(rng.poisson(np.full((4000, 96), 1.0)).astype(float)) < 0.002  # Poisson counts of one burden
    # one sample does not show how burdens differ, nor is its own total known better than Poisson counts tell
    assert burden_variance(x[:1]) == 0.6
    assert burden_variance(np.full((4, 96), 20.0)) == pytest.approx(0.15)
    # exposures = burden x share: what is published of shares stays as it is, and the burden is that of the samples
    names = ["SBS4", "SBS1", "SBS10a", "SBS99"]
    same, apart = (ground_of(v, names, "Liver-HCC") for v in (X, x))
    assert (same.burden, apart.burden) == (burden_variance(X), burden_variance(x))
    # but SBS1 grows more slowly, and of signatures never seen in the type, or anywhere, no share is known
    np.testing.assert_array_equal(apart.loading, [1, 0.5, 0, 0])
    np.testing.assert_allclose(apart.variance, same.variance, atol=0.1)  # a little weak prior is in all of them


def test_shares_of_drawn_tumours_vary_as_the_published_ones_do():
    """Standard deviation of ln(share): that of drawn tumours is a little larger, since most of their sizes are independent."""
    table = published_exposures()
    ratios = []
    for kind in ("Liver-HCC", "Panc-AdenoCA", "Prost-AdenoCA", "Breast-AdenoCA"):
        own = table[table["type"] == kind].set_index("signature")
        facts = published_facts(X, pd.DataFrame(1 / 96, own.index, list(CHANNELS)), kind)
        assert facts is not None
        shares = drawn_shares(facts.drawable()[0], 20_000, np.random.default_rng(1), facts.within)
        for name in own.index[own["present"] >= 50]:
            ln = np.log(shares[:, own.index.get_loc(name)][shares[:, own.index.get_loc(name)] > 0])
            ratios.append(ln.std() / own.loc[name, "log_share_sd"])
    assert len(ratios) > 15
    assert 1 < np.median(ratios) < 1.4
    assert 0.7 < min(ratios) < max(ratios) < 2.2


def test_split_signatures_inherit():
    old, new = ground_of(X, ["SBS40", "SBS22"]), ground_of(X, ["SBS40a", "SBS22b"])
    same(old, new)
    assert ground_of(X, ["SBS10c", "SBS1"]).presence[0] < 0.2
    # of three the first stands for what was published: it is not there three times
    three, one = ground_of(X, ["SBS40a", "SBS40b", "SBS40c"]), ground_of(X, ["SBS40"])
    assert three.presence[0] == pytest.approx(one.presence[0])
    assert three.presence[1:] == pytest.approx([0.1 * one.presence[0]] * 2, rel=0.2)
    np.testing.assert_allclose(three.log_mean, one.log_mean[0], atol=0.1)


def test_names_that_nobody_published_have_the_weak_prior():
    assert ground_of(X, ["S1", "S2"]) is None
    with pytest.raises(InputError, match="SBS1"):
        ground_of(X, ["S1", "S2"], "Liver-HCC")
    with pytest.raises(InputError, match="names are Lung-AdenoCA, LUAD, Lung-SCC, LUSC "):
        ground_of(X, ["SBS1"], "lung")
    for kind, written in (
        ("LIHC", "lihc"),
        ("LIHC", "TCGA-LIHC"),
        ("Liver-HCC", "liver hcc"),
        ("Liver-HCC", "liver_HCC"),
    ):
        same(ground_of(X, ["SBS1"], written), ground_of(X, ["SBS1"], kind))


@pytest.mark.parametrize("written", ["{}_GRCh37", "{}_GRCh38_exome", "sbs{1}", "SBS {1}", "Signature {1}"])
def test_names_as_people_write_them_have_the_published_prior(written):
    names = ["SBS4", "SBS1", "SBS7a"]
    other = [written.format(name, name.removeprefix("SBS")) for name in names]
    for x in (X, X[:1]):
        same(ground_of(x, other, "Liver-HCC"), ground_of(x, names, "Liver-HCC"))
    assert without_heir(other) == without_heir(names)
    assert seen_in("Liver-HCC", other)[0] == set(other[:2])
    spectra = pd.DataFrame(np.random.default_rng(0).dirichlet(np.ones(96), 3), other, list(CHANNELS))
    assert list(offered(spectra, exclude=["UV"]).left_out.index) == other[2:]


def test_a_weak_prior_in_place_of_the_published_one_is_said():
    spectra = pd.DataFrame(np.random.default_rng(0).dirichlet(np.ones(96), 3), ["A", "B", "SBS1"], list(CHANNELS))
    counts = pd.DataFrame(np.random.default_rng(1).poisson(5.0, (2, 96)), ["s", "t"], list(CHANNELS))
    short = SamplerOptions(learning=20, draws=100, chain=10, longest=1)
    said = [
        sum(
            "which is weak: fewer than half" in note
            for note in refit(counts, spectra, intervals="spike_slab", options=short, prior=prior).notes
        )
        for prior in ("published", "none")
    ]
    assert said == [1, 0]


def test_disagreement_is_found_where_the_data_are_clear():
    ground = ground_of(X, ["SBS1", "SBS4", "SBS5"], "Breast-AdenoCA")
    as_expected = np.tile([1.0, 0.0, 1.0], (50, 1))
    assert disagreements(ground, ["SBS1", "SBS4", "SBS5"], as_expected) == []
    smoking = np.tile([1.0, 1.0, 1.0], (50, 1))
    found = disagreements(ground, ["SBS1", "SBS4", "SBS5"], smoking)
    assert [name for name, _, _ in found] == ["SBS4"]


def test_signatures_that_most_such_tumours_have_and_the_table_lacks_are_said():
    tables = [pd.DataFrame(index=pd.Index(names)) for names in (["SBS1", "SBS2", "SBS40a"], ["SBS4"])]
    (note,) = usual_notes({"Eso-AdenoCA": 0.9, ALL_TYPES: 0.1}, *tables, CHECKS)
    table = published_exposures().query("type == 'Eso-AdenoCA' and signature == 'SBS5'").iloc[0]
    assert "SBS5 (" in note
    assert "SBS40" not in note  # SBS40a inherits from it
    assert len(note) < 300
    assert usual({"Eso-AdenoCA": 1.0})["SBS5"] == pytest.approx(table["present"] / table["samples"])
    genomes = published_exposures().query("assay == 'genome'")
    five = genomes[genomes["signature"] == "SBS5"]["present"].sum() / genomes.groupby("type")["samples"].first().sum()
    assert usual({ALL_TYPES: 1.0})["SBS5"] == pytest.approx(five)
    every = [*dict.fromkeys(genomes["signature"])]
    assert usual_notes({"Eso-AdenoCA": 1.0}, tables[0], pd.DataFrame(index=pd.Index(every)), CHECKS) == []
    assert usual_notes({}, *tables, CHECKS) == []  # no published prior


def test_samples_that_are_there_twice_are_said():
    rng = np.random.default_rng(1)
    counts = pd.DataFrame(rng.poisson(2.0, (5, 96)), [f"T{t}" for t in range(5)])
    assert repeat_notes(counts, CHECKS) == []
    counts.loc["T3"] = counts.loc["T1"]
    assert "1 sample has the counts of another one (first: T3 those of T1)" in repeat_notes(counts, CHECKS)[0]
    few = counts * 0
    few[0] = 1  # one mutation in each, which is chance
    assert repeat_notes(few, CHECKS) == []


def one_tumour(times: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    names = ["SBS1", "SBS5", "SBS4", "SBS40a"]
    signatures = pd.DataFrame(rng.dirichlet(np.full(96, 0.3), 4), names)
    signatures.columns = list(CHANNELS)
    x = rng.poisson(times * np.array([[30.0, 60, 0, 0]]) @ signatures.to_numpy()).astype(float)
    return pd.DataFrame(x, ["T1"], signatures.columns), signatures


def test_a_refit_says_which_prior_it_has_and_leaves_out_what_is_excluded():
    catalogue, signatures = one_tumour()
    fit = refit(catalogue, signatures, intervals="spike_slab", tissue="Liver-HCC", exclude=["SBS4"], options=QUICK)
    assert any("published exposures of Liver-HCC" in note for note in fit.notes)
    assert any("SBS12" in note and "not among the signatures" in note for note in fit.notes)
    assert list(fit.exposures.columns) == ["SBS1", "SBS5", "SBS40a"]
    absent = fit.intervals.set_index("signature")["presence"] < 0.5
    assert (fit.exposures.iloc[0][absent] == 0).all()
    assert (fit.exposures.iloc[0][~absent] > 0).all()
    plain = refit(
        catalogue, signatures, intervals="spike_slab", prior="none", include=["SBS1", "SBS5", "SBS4"], options=QUICK
    )
    assert not any("published" in note for note in plain.notes)


def test_without_a_tissue_the_types_that_the_counts_resemble_are_the_prior_and_are_said():
    # tumours with what PCAWG found in lungs (SBS4, 5) or livers (SBS12, 5), of spectra that nobody published
    rng = np.random.default_rng(3)
    names = ["SBS4", "SBS5", "SBS7a", "SBS12"]
    signatures = pd.DataFrame(rng.dirichlet(np.full(96, 0.2), 4), pd.Index(names), list(CHANNELS))
    lungs = ["Lung-SCC", "Lung-AdenoCA"]
    for tissue, alikes, shares in (
        ("Lung-SCC", lungs, [0.7, 0.3, 0, 0]),
        ("Liver-HCC", ["Liver-HCC"], [0, 0.7, 0, 0.3]),
    ):
        mean = rng.gamma(4, 20, (30, 1)) * (np.array(shares) @ signatures.to_numpy())
        x = rng.poisson(mean).astype(float)
        ground, alike = published_ground(x, signatures)
        assert ground is not None
        assert next(iter(alike)) in alikes
        assert sum(alike.values()) == pytest.approx(1)
        assert sum(alike[name] for name in alikes) > 0.75
        named, _ = published_ground(x, signatures, tissue)
        flat = ground_of(x, names)
        assert named is not None
        assert flat is not None
        apart = [np.abs(np.log(np.asarray(v.presence) / np.asarray(named.presence))).sum() for v in (ground, flat)]
        assert apart[0] < 0.5 * apart[1]
        differ = [0, 2, 3]  # between types; nearly all tumours have SBS5
        assert (np.asarray(ground.presence_weight) > np.asarray(flat.presence_weight))[differ].all()
    notes = prior_notes(ground, signatures.index, None, Estimates(*(np.ones((30, 4)),) * 4, {}), "published", alike)
    assert "these counts resemble (Liver-HCC" in notes[0]
    # a single sample has a mixture of the priors of the types that it may be of, each as if it were named
    one, weights = published_ground(x[:1], signatures)
    assert one is not None
    assert next(iter(weights)) == "Liver-HCC"
    mixture = one.mixture
    assert mixture is not None
    assert mixture.weights.sum() == pytest.approx(1)
    alone, _ = published_ground(x[:1], signatures, "Liver-HCC")
    np.testing.assert_array_equal(mixture.ground.presence[0], alone.presence)
    np.testing.assert_array_equal(mixture.ground.log_mean[0], alone.log_mean)
    said = prior_notes(one, signatures.index, None, Estimates(*(np.ones((1, 4)),) * 4, {}), "published", weights)
    assert "these counts resemble (Liver-HCC" in said[0]
    weights = {ALL_TYPES: 0.7, "Liver-HCC": 0.3}
    said = prior_notes(one, signatures.index, None, Estimates(*(np.ones((1, 4)),) * 4, {}), "published", weights)
    assert "exposures of all tumour types" in said[0]


def test_wrong_priors_are_refused_in_a_sentence():
    catalogue, signatures = one_tumour()
    for given, words in (
        ({"tissue": "Liver", "intervals": "bootstrap"}, "Liver-HCC"),
        ({"tissue": "Liver-HCC", "intervals": "spike_slab", "prior": "none"}, "not allowed"),
        ({"prior": "weak"}, "published"),
        ({"include": ["SBS2"]}, "SBS1"),
        ({"exclude": list(signatures.index)}, "no signature"),
    ):
        with pytest.raises(InputError, match=words):
            refit(catalogue, signatures, **given)


def test_two_equal_signatures_are_summed():
    catalogue, signatures = one_tumour(20)
    signatures = signatures.loc[["SBS1", "SBS5", "SBS5"]].set_axis(["SBS1", "SBS5", "SBS5b"])
    fit = refit(catalogue, signatures, intervals="bootstrap")
    for result in (fit, refit(catalogue, signatures)):
        assert any("nearly the same spectrum" in note for note in result.notes)
    spike = refit(catalogue, signatures, intervals="spike_slab", prior="none", options=QUICK)
    for result in (fit, spike):
        assert np.isfinite(result.intervals[["exposure", "lower", "upper"]]).all(axis=None)
    row = spike.sums.set_index("signatures").loc["SBS5+SBS5b"]
    assert row["lower"] < fit.exposures.iloc[0][["SBS5", "SBS5b"]].sum() < row["upper"]
    assert row["upper"] - row["lower"] < 400
    assert "cannot tell SBS5 from SBS5b" in " ".join(spike.notes)
