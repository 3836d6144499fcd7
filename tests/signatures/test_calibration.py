"""The coverage a user is told to expect, where it is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from vaebench.data.mutations.channels import CHANNELS
from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.errors import InputError
from vaebench.signatures import calibration, truths
from vaebench.signatures.calibration import SOURCES, calibrate, worst_sentence
from vaebench.signatures.published import published_exposures, published_facts
from vaebench.signatures.sampler.options import SamplerOptions

SHORT = SamplerOptions(learning=60, draws=200)


@pytest.mark.slow
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
        sources=["fit"],
        progress=lambda what, done, total: told.append((done, total)),
    )
    groups = table.set_index("group")
    assert list(table["group"][:5]) == ["all", "zero", "non-zero", "small", "large"]
    assert list(table["group"][5:]) == list(truth.signatures.index)
    assert groups.loc["all", "count"] == 2 * 150 * 3
    assert groups.loc["non-zero", "coverage"] == pytest.approx(0.9, abs=0.045)
    assert told[-1] == (2, 2)


@pytest.mark.slow
def test_a_method_that_covers_too_little_is_found_out():
    catalogue, truth = simulate_catalogue(1, tumours=150, signatures=3, types=1)
    table = calibrate(
        catalogue, truth.signatures, intervals="bootstrap", draws=1, sampler=SHORT, sources=["fit"]
    ).set_index("group")
    assert table.loc["non-zero", "coverage"] < 0.945


def test_types_are_of_all_samples_by_name_or_in_their_order():
    catalogue, truth = simulate_catalogue(1, tumours=20, signatures=2, types=2)
    few = catalogue.iloc[[0, 1, 2, 11, 12, 13]].set_axis(range(6))
    few.iloc[2] = 0
    how = {"intervals": "profile_likelihood", "draws": 1, "sampler": SHORT, "sources": ["fit"]}
    listed = list("aaabbb")
    named = [listed, dict(enumerate(listed)), pd.Series(listed)]
    first, *others = [calibrate(few, truth.signatures, types=types, **how) for types in named]
    for other in others:
        pd.testing.assert_frame_equal(first, other)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"intervals": None}, "intervals=None is not allowed; a calibration counts"),
        ({"sources": 3}, "sources=3 is not allowed; give one or more of fit"),
        ({"sources": ["f"]}, "unknown source 'f'"),
        ({"sampler": 3}, "sampler=3 is not allowed; it must be of the class SamplerOptions"),
        ({"truths": None}, "truths=None is not allowed; it must be of the class TruthOptions"),
    ],
)
def test_options_of_other_classes_are_said(options, words):
    catalogue, truth = simulate_catalogue(1, tumours=30, signatures=2, types=1)
    with pytest.raises(InputError, match=words):
        calibrate(catalogue, truth.signatures, **options)


@pytest.mark.parametrize("draws", [0, 201, 2.5])
def test_number_of_cohorts_is_limited(draws):
    catalogue, truth = simulate_catalogue(1, tumours=30, signatures=2, types=1)
    with pytest.raises(InputError, match="draws"):
        calibrate(catalogue, truth.signatures, draws=draws)


@pytest.fixture
def blind(monkeypatch):
    """Intervals that hold the exposures of the first signature only, and posterior draws that have no other."""

    class Found:
        def __init__(self, intervals):
            self.intervals = intervals

    def refitted(catalogue, signatures, **_):
        names = [(sample, name) for sample in catalogue.index for name in signatures.index]
        rows = pd.DataFrame(names, columns=["sample", "signature"])
        first = rows["signature"] == signatures.index[0]
        return Found(rows.assign(exposure=0.0, lower=0.0, upper=np.where(first, 1e9, 0.0), presence=0.5))

    class Posterior:
        kept = np.zeros((10, 40, 3))

    Posterior.kept[:, :, 0] = 100.0
    monkeypatch.setattr(calibration, "refit", refitted)
    monkeypatch.setattr(truths, "sampled", lambda *_, **__: Posterior)


@pytest.mark.usefixtures("blind")
def test_what_the_fit_does_not_know_is_seen_from_other_sources():
    catalogue, truth = simulate_catalogue(1, tumours=40, signatures=3, types=1)
    table = calibrate(catalogue, truth.signatures, draws=2).set_index("group")
    assert [name for name in table.columns if name.startswith("coverage_")] == [f"coverage_{name}" for name in SOURCES]
    row = table.loc["non-zero"]
    assert row["coverage"] == row["coverage_fit"] == row["coverage_spectra"] == 1
    assert row["coverage_prior"] < 0.8
    assert row["worst"] == min(row[f"coverage_{source}"] for source in SOURCES)
    text = worst_sentence(table.reset_index(), 0.95)
    assert text.startswith(f"At worst {row['worst']:.0%} of the exposures above 0 are held")
    assert "0% of" in text
    assert "cannot see this" in text


def test_truths_are_what_the_sources_say():
    catalogue, truth = simulate_catalogue(2, tumours=400, signatures=8, types=1)
    x, s = catalogue.to_numpy(), truth.signatures.to_numpy()
    cohort = truths.FittedCounts(x, s, truth.exposures.to_numpy()[None], None, truths.TruthOptions(concentration=50))
    made = {name: SOURCES[name](cohort, 0, np.random.default_rng(0)) for name in SOURCES}
    for name in ("fit", "neighbours", "prior"):
        np.testing.assert_allclose(made[name][1], made[name][0] @ s)
    np.testing.assert_allclose(made["prior"][0].sum(1), x.sum(1))
    assert (made["prior"][0] > 0).mean() == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(made["neighbours"][0].sum(1), x.sum(1), rtol=0.5)
    assert not made["neighbours"][0][truth.exposures.to_numpy() == 0].any()
    e, mean = made["spectra"]
    np.testing.assert_array_equal(e, truth.exposures)
    expected = (e**2) @ (s * (1 - s)) / 51
    assert ((mean - e @ s) ** 2).sum() / expected.sum() == pytest.approx(1, abs=0.1)


def test_samples_of_few_mutations_have_no_neighbours():
    catalogue, truth = simulate_catalogue(2, tumours=10, signatures=3, types=1)
    x, s = catalogue.to_numpy(), truth.signatures.to_numpy()
    assert (x.sum(1) >= 200).all()
    x[:2] = np.random.default_rng(0).multinomial(199, x[:2] / x[:2].sum(1, keepdims=True))
    draws = np.where(truth.exposures.to_numpy() > 0, 3.25, 0.0)[None]
    cohort = truths.FittedCounts(x, s, draws, None, truths.TruthOptions())
    made, mean = SOURCES["neighbours"](cohort, 0, np.random.default_rng(0))
    np.testing.assert_array_equal((made == draws[0]).all(1), np.arange(10) < 2)
    np.testing.assert_allclose(mean, made @ s)
    assert truths.speaking(list(SOURCES), cohort) == (list(SOURCES), [])
    few = cohort._replace(counts=x[:2])
    assert truths.speaking(list(SOURCES), few)[0] == ["fit", "prior", "spectra"]


@pytest.mark.usefixtures("blind")
def test_a_source_that_says_nothing_is_said():
    catalogue, truth = simulate_catalogue(1, tumours=40, signatures=3, types=1)
    few = catalogue.clip(upper=1).where(catalogue.cumsum(axis=1) > 0, 0)
    few.iloc[:, 19:] = 0
    table = calibrate(few, truth.signatures, draws=2)
    assert table["coverage_neighbours"].isna().all()
    row = table.set_index("group").loc["non-zero"]
    assert row["worst"] == row[["coverage_fit", "coverage_prior", "coverage_spectra"]].min()
    assert "No sample has 200 mutations" in table.attrs["notes"][-1]
    with pytest.raises(InputError, match="'neighbours' is not possible here"):
        calibrate(few, truth.signatures, draws=2, sources="neighbours")


def test_simulated_cohorts_deviate_as_the_cohort_does():
    rng = np.random.default_rng(3)
    catalogue, truth = simulate_catalogue(3, tumours=30, signatures=3, types=1)
    signatures = truth.signatures.set_axis(["SBS1", "SBS5", "SBS18"])
    changed = signatures * np.exp(rng.normal(0, 0.25, 96))
    changed = changed.div(changed.sum(axis=1), axis=0)
    given = (np.ones((30, 1)), "spike_slab", "auto", None, 0.95, 0, SamplerOptions(draws=200, learning=50))
    for true, said in ((signatures, 0), (changed, 1)):
        x = pd.DataFrame(rng.poisson(truth.exposures.to_numpy() @ true.to_numpy()), catalogue.index, catalogue.columns)
        cohort, _, _, notes = truths.fitted_counts(x, signatures, *given, truths.TRUTHS)
        assert len(notes) == said
        far, near = (np.abs(cohort.signatures - v.to_numpy()).sum() for v in (signatures, changed))
        assert (near < 0.5 * far) if said else far == 0
    assert truths.fitted_counts(x, signatures, given[0], "bootstrap", *given[2:], truths.TRUTHS)[3] == ()


def test_published_exposures_are_the_prior_of_signatures_that_are_cosmics():
    names = ["SBS1", "SBS4", "SBS5", "SBS7a"]
    catalogue, truth = simulate_catalogue(2, tumours=400, signatures=4, types=1)
    x, signatures = catalogue.to_numpy(), truth.signatures.set_axis(names)
    found = published_facts(x, signatures, "Lung-SCC")
    assert found is not None
    types = (list(found.types.values()), found.shares, found.within)
    cohort = truths.FittedCounts(x, signatures.to_numpy(), x[None], None, truths.TruthOptions(), types)
    made, mean = SOURCES["prior"](cohort, 0, np.random.default_rng(0))
    np.testing.assert_allclose(made.sum(1), x.sum(1))
    np.testing.assert_allclose(mean, made @ signatures.to_numpy())
    # as PCAWG found them: SBS4 in most squamous lung cancers and as large as SBS5, SBS7a in none
    rows = published_exposures().set_index(["type", "signature"]).loc["Lung-SCC"]
    there = (made > 0).mean(0)
    assert there[1] == pytest.approx(rows.loc["SBS4", "present"] / rows.loc["SBS4", "samples"], abs=0.1)
    assert there[3] < 0.02
    both = made[(made[:, 1] > 0) & (made[:, 2] > 0)]
    assert np.mean(np.log(both[:, 1] / both[:, 2])) == pytest.approx(
        rows.loc["SBS4", "log_share_mean"] - rows.loc["SBS5", "log_share_mean"], abs=0.08
    )


def test_tumours_of_the_prior_have_pairs_of_signatures_together():
    names = ["SBS1", "SBS2", "SBS13", "SBS5"]
    catalogue, truth = simulate_catalogue(2, tumours=1500, signatures=4, types=1)
    x, signatures = catalogue.to_numpy(), truth.signatures.set_axis(names)
    found = published_facts(x, signatures, "Bladder-TCC")
    facts = [v._replace(presence=np.array([0.9, 0.4, 0.4, 0.999])) for v in found.types.values()]
    both = {}
    for pairs in (found.within, None):
        cohort = truths.FittedCounts(x, signatures, x[None], None, truths.TruthOptions(), (facts, found.shares, pairs))
        there = SOURCES["prior"](cohort, 0, np.random.default_rng(0))[0] > 0
        np.testing.assert_allclose(there.mean(0), facts[0].presence, atol=0.04)
        both[pairs is None] = np.mean(there[:, 1] & there[:, 2])
    assert both[True] == pytest.approx(0.16, abs=0.03)
    assert both[False] > 0.28  # at an odds ratio of 20


@pytest.mark.usefixtures("blind")
def test_a_tissue_leaves_out_what_was_never_seen_in_it():
    catalogue, truth = simulate_catalogue(1, tumours=40, signatures=4, types=1)
    signatures = truth.signatures.set_axis(["SBS1", "SBS22a", "SBS5", "SBS4"])
    table = calibrate(catalogue, signatures, draws=1, tissue="Lung-SCC", sources=["prior"])
    assert "SBS22a" not in set(table["group"])
    assert {"SBS1", "SBS4", "SBS5"} <= set(table["group"])
    assert any("have not seen them in Lung-SCC" in note and "SBS22a" in note for note in table.attrs["notes"])
    assert not any("--include" in note for note in table.attrs["notes"])


def test_cohorts_side_by_side_have_the_intervals_that_a_refit_of_each_has():
    quick = SamplerOptions(learning=60, draws=3000, chain=20, longest=1)
    rng = np.random.default_rng(3)
    names = ["SBS1", "SBS4", "SBS5", "SBS7a"]
    signatures = pd.DataFrame(rng.dirichlet(np.full(96, 0.3), 4), pd.Index(names), list(CHANNELS))
    cohorts = []
    for samples, size, present, dispersion in (
        (3, 20.0, [1, 1, 1, 0], 1),
        (5, 10.0, [1, 0, 1, 0], 1),
        (1, 300.0, [1, 0, 1, 1], 4),
    ):
        mean = rng.gamma(9, size, (samples, 4)) * present @ signatures.to_numpy()
        counts = dispersion * rng.poisson(mean / dispersion).astype(float)
        cohorts.append(pd.DataFrame(counts, pd.Index([f"T{i}" for i in range(samples)]), signatures.columns))
    cohorts[1].iloc[2] = 0.0  # a sample without mutations
    facts = published_facts(np.concatenate([v.to_numpy() for v in cohorts]), signatures)
    named = {"level": 0.95, "tissue": None, "options": quick}
    together = calibration._side_by_side(cohorts, signatures, facts, 0, lambda *_: None, **named)
    each = calibration._one_by_one(
        cohorts, signatures, 0, lambda *_: None, named | {"intervals": "spike_slab", "noise": "poisson", "types": None}
    )
    for a, b in zip(together, each, strict=True):
        np.testing.assert_array_equal(a[["sample", "signature"]], b[["sample", "signature"]])
        # ends of 3,000 draws are known to about a twentieth of the interval
        width = (b["upper"] - b["lower"]).to_numpy() + 1
        for name in ("exposure", "lower", "upper"):
            assert np.abs(a[name] - b[name]).max() < 0.15 * width.max()
            assert (np.abs(a[name] - b[name]) / width).mean() < 0.05
        assert np.nanmax(np.abs(a["presence"] - b["presence"])) < 0.12
    silent = together[1][together[1]["sample"] == "T2"]
    assert not silent["exposure"].any()
    np.testing.assert_allclose(silent["upper"], -np.log(0.05))


def test_few_samples_are_simulated_as_often_as_gives_a_hundred_tumours(monkeypatch):
    asked = []

    def counted(cohorts, known, *_, **__):
        asked.append((len(cohorts), len(cohorts[0])))
        names = [(sample, name) for sample in cohorts[0].index for name in known.index]
        rows = pd.DataFrame(names, columns=["sample", "signature"])
        return [rows.assign(exposure=0.0, lower=0.0, upper=1e9, presence=0.5)] * len(cohorts)

    monkeypatch.setattr(calibration, "_side_by_side", counted)
    monkeypatch.setattr(calibration, "_one_by_one", counted)
    for samples, cohorts in ((1, 100), (7, 15), (30, 5)):
        catalogue, truth = simulate_catalogue(1, tumours=30, signatures=2, types=1)
        table = calibrate(catalogue.iloc[:samples], truth.signatures, sources=["fit"], sampler=SHORT)
        assert asked.pop() == (cohorts, samples)
        calibrate(catalogue.iloc[:samples], truth.signatures, draws=3, sources=["fit"], sampler=SHORT)
        assert asked.pop() == (3, samples)
        assert table["count"].iloc[0] == 2 * samples * cohorts


def test_more_cohorts_than_the_sampler_has_draws_are_drawn():
    catalogue, truth = simulate_catalogue(1, tumours=30, signatures=2, types=1)
    few = dataclasses.replace(SHORT, draws=20, chain=10)
    asked = {"intervals": "profile_likelihood", "noise": "poisson"}
    table = calibrate(catalogue.iloc[:2], truth.signatures, draws=40, sources=["fit"], sampler=few, **asked)
    assert table["count"].iloc[0] == 2 * 2 * 40


def test_an_unknown_source_is_said():
    catalogue, truth = simulate_catalogue(1, tumours=30, signatures=2, types=1)
    with pytest.raises(InputError, match="unknown source 'fits'"):
        calibrate(catalogue, truth.signatures, sources=["fits"])
