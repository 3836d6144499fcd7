"""Exposures on the scales of a target and of the genome, against mutations that are drawn in a genome one by one."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from vaebench.cli.main import main
from vaebench.data.mutations.channel_names import CHANNELS
from vaebench.data.mutations.opportunities import Opportunities, read_opportunities
from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.data.mutations.tables import read_exposures, read_signatures, write_catalogue, write_signatures
from vaebench.errors import InputError
from vaebench.signatures.calibration import calibrate
from vaebench.signatures.decomposition import decompose
from vaebench.signatures.detection import PowerOptions, power
from vaebench.signatures.extraction import extract
from vaebench.signatures.kept import read_extraction
from vaebench.signatures.matching import matches
from vaebench.signatures.opportunities import ExomeCheck, at_genome, at_target, exome_notes
from vaebench.signatures.refitting import refit
from vaebench.signatures.sampler.options import SamplerOptions

EXOME = read_opportunities("exome", build="GRCh37")


@pytest.fixture(scope="module")
def truth():
    return simulate_catalogue(seed=2, tumours=30, signatures=3, types=1)[1]


@pytest.fixture(scope="module")
def exomes(truth):
    """Counts of exomes, and the mutations of the genomes that they are of."""
    genomes = truth.exposures * 100
    rng = np.random.default_rng(0)
    # every mutation of the genome falls on one of the places of its channel; a share of the places is in the exome
    everywhere = rng.poisson(genomes.to_numpy() @ truth.signatures.to_numpy())
    inside = rng.binomial(everywhere, (EXOME.target / EXOME.genome).to_numpy())
    return pd.DataFrame(inside, genomes.index, list(CHANNELS)), genomes


def test_yields_and_spectra_by_brute_force(truth):
    rng = np.random.default_rng(3)
    places = pd.DataFrame({"genome": rng.integers(5, 40, 96)}, list(CHANNELS))
    places["target"] = rng.binomial(places["genome"], 0.3)
    panel = Opportunities("SBS96", places["target"].astype(float), places["genome"].astype(float), "panel")
    signatures = truth.signatures
    scaled = at_target(signatures, panel)
    draws = 400_000
    for name, spectrum in signatures.iterrows():
        channel = rng.choice(96, draws, p=spectrum / spectrum.sum())
        place = rng.random(draws) * places["genome"].to_numpy()[channel]  # a place of that channel, any alike
        hit = channel[place < places["target"].to_numpy()[channel]]
        assert len(hit) / draws == pytest.approx(scaled.yields[name], abs=4 * 0.5 / draws**0.5)
        seen = np.bincount(hit, minlength=96) / len(hit)
        np.testing.assert_allclose(seen, scaled.signatures.loc[name], atol=4 * 0.5 / len(hit) ** 0.5)
    back = at_genome(scaled.signatures, panel)
    there = (panel.target > 0).to_numpy()
    kept = signatures.loc[:, there].div(signatures.loc[:, there].sum(axis=1), axis=0)
    np.testing.assert_allclose(back.signatures.loc[:, there], kept, rtol=1e-12)
    assert not back.signatures.loc[:, ~there].to_numpy().any()
    whole = at_genome(at_target(signatures, EXOME).signatures, EXOME)
    np.testing.assert_allclose(whole.signatures, signatures, rtol=1e-12)
    np.testing.assert_allclose(whole.yields, at_target(signatures, EXOME).yields, rtol=1e-12)


@pytest.mark.slow
def test_a_refit_of_exomes_is_right_on_both_scales(exomes, truth, tmp_path):
    counts, genomes = exomes
    fit = refit(counts, truth.signatures, intervals="profile_likelihood", opportunities=EXOME)
    total = genomes.sum()
    np.testing.assert_allclose(fit.genome_exposures().sum(), total, rtol=0.06)
    np.testing.assert_allclose(fit.exposures.sum(), total * at_target(truth.signatures, EXOME).yields, rtol=0.06)
    assert fit.intervals is not None
    np.testing.assert_allclose(
        fit.intervals["genome_upper"], fit.intervals["upper"] / fit.yields[fit.intervals["signature"]].to_numpy()
    )
    assert "mutations in the target" in fit.notes[0]
    fit.save(tmp_path / "r")
    assert (tmp_path / "r" / "exposures_genome.csv").is_file()
    # as if they were genomes, shares are wrong: the reason for all this
    plain = refit(counts, truth.signatures)
    shares, right = (table.sum() / table.to_numpy().sum() for table in (plain.exposures, fit.genome_exposures()))
    true = total / total.sum()
    assert abs(shares - true).max() > 2 * abs(right - true).max()


def test_exomes_are_asked_about(exomes, truth):
    counts, _ = exomes
    few = pd.DataFrame(np.random.default_rng(1).binomial(counts.astype(int), 0.3), counts.index, counts.columns)
    (note,) = exome_notes(few.astype(float), truth.signatures)
    assert "--opportunities exome" in note
    rng = np.random.default_rng(2)
    genomes = pd.DataFrame(rng.poisson(truth.exposures @ truth.signatures * 0.2), counts.index, counts.columns)
    assert exome_notes(genomes.astype(float), truth.signatures) == []
    assert exome_notes(genomes.astype(float) * 100, truth.signatures) == []
    # few mutations that say nothing: asked of COSMIC's signatures only
    named = truth.signatures.set_axis(["SBS1", "SBS5", "SBS7a"])
    rare = pd.DataFrame(rng.poisson(truth.exposures @ truth.signatures * 0.01), counts.index, counts.columns)
    enough = ExomeCheck(least=20, gain=1e6)
    assert exome_notes(rare.astype(float), truth.signatures, enough) == []
    assert "few mutations" in exome_notes(rare.astype(float), named, enough)[0]
    assert exome_notes(genomes.astype(float), named, ExomeCheck(few=1e9, mutations=1e9)) == []


def test_extraction_from_exomes_has_both_scales(exomes, truth, tmp_path):
    counts, genomes = exomes
    found = extract(counts, k=3, method="nmf", restarts=2, reference=truth.signatures, opportunities=EXOME)
    assert found.genome is not None
    assert found.matches is not None
    converted = at_target(truth.signatures, EXOME).signatures  # matched on the scale of the counts
    pd.testing.assert_frame_equal(found.matches, matches(found.signatures, converted))
    assert not found.matches["cosine"].equals(matches(found.signatures, truth.signatures)["cosine"])
    total = (found.exposures / found.genome.yields).to_numpy().sum()
    assert total == pytest.approx(genomes.to_numpy().sum(), rel=0.1)
    found.save(tmp_path / "e")
    names = {path.name for path in (tmp_path / "e").iterdir()}
    assert {"signatures_genome.csv", "exposures_genome.csv"} <= names


def test_what_does_not_fit_is_refused(exomes, truth):
    counts, _ = exomes
    target = EXOME.target.copy()
    target[["A[C>A]A", "A[C>G]A", "A[C>T]A"]] = 0
    panel = EXOME._replace(target=target, name="panel.bed")
    with pytest.raises(InputError, match=r"has mutations in 'A\[C>"):
        refit(counts, truth.signatures, opportunities=panel)
    only = EXOME._replace(target=target * 0)
    with pytest.raises(InputError, match="has none of its channels"):
        at_target(truth.signatures, only)
    pd.testing.assert_frame_equal(
        refit(counts, truth.signatures, intervals="none").exposures, refit(counts, truth.signatures).exposures
    )


def loop_yield(spectrum, places):
    """Mutations in the target for one in the genome, channel by channel."""
    return sum(spectrum[c] * places.target[c] / places.genome[c] for c in places.target.index)


@pytest.mark.slow
def test_calibration_is_that_of_the_targets_signatures_on_both_scales(exomes, truth):
    counts = exomes[0].head(12)
    asked = {
        "intervals": "profile_likelihood",
        "draws": 1,
        "sources": ["neighbours"],
        "sampler": SamplerOptions(learning=20, draws=40),
    }
    table = calibrate(counts, truth.signatures, opportunities=EXOME, **asked)
    plain = calibrate(counts, at_target(truth.signatures, EXOME).signatures, **asked)
    pd.testing.assert_frame_equal(table[plain.columns], plain)
    assert set(table.columns) - set(plain.columns) == {"genome_width", "genome_upper"}
    rows = table[(table["kind"] == "signature") & (table["count"] > 0)]
    assert len(rows) >= 2
    for row in rows.to_dict("records"):
        own = loop_yield(truth.signatures.loc[row["group"]], EXOME)
        assert row["genome_width"] == pytest.approx(row["width"] / own, rel=1e-9)
        assert row["genome_upper"] == pytest.approx(row["upper"] / own, rel=1e-9)


def test_detection_limits_are_those_of_the_targets_signatures_on_both_scales(truth):
    few = PowerOptions(samples=10, halvings=2)
    limits = power(truth.signatures, mutations=[300], options=few, opportunities=EXOME)
    plain = power(at_target(truth.signatures, EXOME).signatures, mutations=[300], options=few)
    pd.testing.assert_frame_equal(limits[plain.columns], plain)
    genome = power(truth.signatures, mutations=[300], options=few)
    assert (limits["cosine"] - genome["cosine"]).abs().max() > 1e-4  # an exome's spectra, not the genome's
    for row in limits.to_dict("records"):
        expected = row["least_mutations"] / loop_yield(truth.signatures.loc[row["signature"]], EXOME)
        assert row["genome_least_mutations"] == pytest.approx(expected, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("command", [pytest.param("calibrate", marks=pytest.mark.slow), "power"])
def test_the_commands_take_opportunities(command, exomes, truth, tmp_path, capsys):
    write_signatures(truth.signatures, tmp_path / "s.csv")
    write_catalogue(exomes[0].head(6), tmp_path / "x.csv")
    own = ["--draws=1", "--sources=neighbours", "--intervals=profile_likelihood"]
    given = [str(tmp_path / "x.csv")] if command == "calibrate" else []
    more = own if command == "calibrate" else ["--mutations=100", "--samples=5"]
    words = [
        command,
        *given,
        str(tmp_path / "s.csv"),
        *more,
        "--opportunities",
        "exome",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "those of the target" in said
    assert "those of GRCh37: nothing names another build" in said
    assert "exposures_genome.csv" not in said
    table = pd.read_csv(tmp_path / "out" / ("coverage.csv" if command == "calibrate" else "power.csv"))
    assert any(name.startswith("genome_") for name in table.columns)
    assert main([*words[:-1], str(tmp_path / "other"), "--opportunities", "nothing"]) == 2
    assert capsys.readouterr().err.count("\n") <= 3


@pytest.fixture(scope="module")
def kept(exomes, truth, tmp_path_factory):
    """A folder with an extraction from exomes, its counts, and the signatures of the genome."""
    folder = tmp_path_factory.mktemp("kept")
    write_signatures(truth.signatures, folder / "s.csv")
    write_catalogue(exomes[0], folder / "x.csv")
    extract(exomes[0], k=3, method="nmf", restarts=2, opportunities=EXOME).save(folder / "e")
    return folder


@pytest.mark.parametrize("named", [[], ["--opportunities", "exome"]])
def test_signatures_of_an_extraction_from_exomes_are_converted_once(kept, exomes, named, tmp_path, capsys):
    words = ["refit", f"{kept}/x.csv", f"{kept}/e", "--intervals", "none", "--out", str(tmp_path / "r"), *named]
    assert main(words) == 0
    assert ("taken to have them too" in capsys.readouterr().out) == (not named)
    right = refit(exomes[0], read_signatures(kept / "e" / "signatures.csv"))
    found = read_exposures(tmp_path / "r" / "exposures.csv", samples_in="rows")
    np.testing.assert_allclose(found, right.exposures, rtol=1e-6, atol=1e-6)
    assert (tmp_path / "r" / "exposures_genome.csv").is_file()
    # genomes, and signatures of exomes
    assert main([*words[:5], "--opportunities", "genome", "--out", str(tmp_path / "g")]) == 0
    genome = refit(exomes[0], read_signatures(kept / "e" / "signatures_genome.csv"))
    found = read_exposures(tmp_path / "g" / "exposures.csv", samples_in="rows")
    np.testing.assert_allclose(found, genome.exposures, rtol=1e-6, atol=1e-6)


def test_an_extraction_from_exomes_is_decomposed_on_its_own_scale(kept, truth, tmp_path, capsys):
    assert main(["decompose", f"{kept}/e", f"{kept}/s.csv", "--out", str(tmp_path / "d")]) == 0
    assert "converted to exome (GRCh37)" in capsys.readouterr().out
    right = decompose(
        read_signatures(kept / "e" / "signatures.csv"), at_target(truth.signatures, EXOME).signatures, mutations=1e5
    )
    found = pd.read_csv(tmp_path / "d" / "decomposition.csv")
    np.testing.assert_allclose(found["cosine"], right.signatures["cosine"], rtol=1e-6)
    read = read_extraction(kept / "e")
    np.testing.assert_allclose(
        read.genome_signatures(), read_signatures(kept / "e" / "signatures_genome.csv"), atol=1e-12
    )
    older = tmp_path / "older"
    shutil.copytree(kept / "e", older)
    (older / "opportunities.csv").unlink()
    with pytest.raises(InputError, match="extract again"):
        read_extraction(older)


def test_tables_that_are_of_a_target_already_are_not_converted_again_without_a_word(kept, tmp_path, capsys):
    own = f"{kept}/e/signatures.csv"
    out = ["--out", str(tmp_path / "out"), "--opportunities", "exome"]
    assert main(["refit", f"{kept}/x.csv", own, "--intervals", "none", *out]) == 2
    assert "signatures_genome.csv" in capsys.readouterr().err
    assert main(["match", own, f"{kept}/s.csv"]) == 0
    assert "signatures_genome.csv" in capsys.readouterr().out
    called = tmp_path / "COSMIC_SBS_GRCh37_exome.txt"
    shutil.copy(kept / "s.csv", called)
    assert main(["refit", f"{kept}/x.csv", str(called), "--intervals", "none", *out]) == 0
    assert "is called one of an exome" in capsys.readouterr().out
