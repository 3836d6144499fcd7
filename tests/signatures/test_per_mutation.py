"""Probabilities of mutations: against enumeration and simulated assignments; variants one by one, and VCF files with a field."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from vaebench.data.mutations.channels import CHANNELS
from vaebench.data.mutations.counting import count
from vaebench.data.mutations.variant_channels import variant_channels
from vaebench.errors import InputError
from vaebench.signatures.attribution import per_mutation
from vaebench.signatures.refit_tables import probabilities_of
from vaebench.signatures.refitting import refit
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.tables import Estimates
from vaebench.signatures.variant_tables import annotate_vcf, variant_table

RNG = np.random.default_rng(0)
SIGNATURES = pd.DataFrame(RNG.dirichlet(np.full(96, 0.3), 3), ["A", "B", "C"], list(CHANNELS))
EXPOSURES = pd.DataFrame([[300.0, 100, 0], [0, 50, 500]], ["T1", "T2"], SIGNATURES.index)


def catalogue() -> pd.DataFrame:
    counts = RNG.poisson(EXPOSURES.to_numpy() @ SIGNATURES.to_numpy()).astype(float)
    return pd.DataFrame(counts, EXPOSURES.index, SIGNATURES.columns)


def test_probabilities_are_those_of_enumeration_and_of_simulated_assignments():
    x = catalogue()
    table = per_mutation(x, EXPOSURES, SIGNATURES)
    assert len(table) == int((x.to_numpy() > 0).sum())
    for row in table.sample(30, random_state=0).to_dict("records"):
        joint = {k: EXPOSURES.loc[row["sample"], k] * SIGNATURES.loc[k, row["channel"]] for k in SIGNATURES.index}
        for k, value in joint.items():
            assert row[k] == pytest.approx(value / sum(joint.values()), abs=1e-12)
        assert row["mutations"] == x.loc[row["sample"], row["channel"]]
    # mutations whose signature is known: of those of a channel, the share due to each signature
    who = RNG.choice(2, 400_000, p=EXPOSURES.loc["T1"][["A", "B"]] / 400)
    where = np.array([RNG.choice(96, 200_000, p=SIGNATURES.iloc[k]) for k in (0, 1)])[who, np.arange(400_000) % 200_000]
    first = table[table["sample"] == "T1"].sort_values("mutations").iloc[-1]
    share = np.mean(who[where == CHANNELS.index(first["channel"])] == 0)
    assert first["A"] == pytest.approx(share, abs=0.02)


def test_channels_that_no_signature_has_are_empty():
    lame = SIGNATURES.copy()
    lame.iloc[:, 0] = 0
    lame = lame.div(lame.sum(axis=1), axis=0)
    x = catalogue()
    x.iloc[0, 0] = 3
    row = per_mutation(x, EXPOSURES, lame).iloc[0]
    assert row["channel"] == CHANNELS[0]
    assert row[["A", "B", "C"]].isna().all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"level": 95}, "level=95 is not allowed"),
        ({"draws": [1, 2]}, r"draws has shape \(2,\)"),
        ({"draws": np.full((2, *EXPOSURES.shape), np.nan)}, "draws holds a value that is negative"),
        ({"draws": np.full((2, *EXPOSURES.shape), -1.0)}, "draws holds a value that is negative"),
        ({"spectra": np.ones((2, *SIGNATURES.shape))}, "spectra are draws of the signatures that belong to draws"),
        (
            {"draws": np.ones((2, *EXPOSURES.shape)), "spectra": np.ones((3, *SIGNATURES.shape))},
            r"spectra has shape \(3, 3, 96\); it must be \[2, 3, 96\]",
        ),
    ],
)
def test_draws_that_are_none_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        per_mutation((EXPOSURES @ SIGNATURES).round(), EXPOSURES, SIGNATURES, **options)


def test_intervals_are_quantiles_of_draws_of_exposures_and_signatures():
    draws = RNG.gamma(20, EXPOSURES.to_numpy() / 20, (400, 2, 3))
    spectra = RNG.dirichlet(np.full(96, 0.5), (400, 3))
    x = catalogue()
    for s in (None, spectra):
        table = per_mutation(x, EXPOSURES, SIGNATURES, draws=draws, spectra=s, level=0.9)
        row = table[table["sample"] == "T1"].iloc[5]
        c = CHANNELS.index(row["channel"])
        joint = draws[:, 0] * (SIGNATURES.to_numpy()[:, c] if s is None else s[:, :, c])
        low, high = np.quantile(joint[:, 0] / joint.sum(1), [0.05, 0.95])
        assert row["A"] == pytest.approx(np.mean([one[0] / one.sum() for one in joint]))
        assert row["A_lower"] == pytest.approx(min(low, row["A"]))
        assert row["A_upper"] == pytest.approx(max(high, row["A"]))
    with pytest.raises(InputError, match="draws has shape"):
        per_mutation(x, EXPOSURES, SIGNATURES, draws=draws[:, :1])
    with pytest.raises(InputError, match="T2"):
        per_mutation(x, EXPOSURES.iloc[:1], SIGNATURES)
    with pytest.raises(InputError, match="0 in all samples"):
        per_mutation(x, 0 * EXPOSURES, SIGNATURES)
    with pytest.raises(InputError, match="is a ndarray; it must be a DataFrame"):
        per_mutation(x, EXPOSURES.to_numpy(), SIGNATURES)


@pytest.mark.parametrize("drawn", [True, False])
def test_what_is_shown_as_absent_keeps_its_share(drawn):
    """Of three mutations P(present) is about a half: what is above it must not get all of a mutation."""
    x = catalogue().iloc[:1].clip(upper=0.0)
    x.iloc[0, :3] = 1.0
    there = np.array([[1.0, 0, 0]] * 53 + [[0, 1, 0]] * 47)[:, None] * 3
    presence = (there > 0).mean(0)
    estimates = Estimates(there.mean(0), *np.zeros((2, 1, 3)), presence, {}, draws=there if drawn else None)
    frame, some = pd.DataFrame(there.mean(0), x.index, SIGNATURES.index), np.ones(1, bool)
    table = probabilities_of(x, frame, SIGNATURES, some, estimates, 0.95)
    for row in table.to_dict("records"):
        s = SIGNATURES[row["channel"]].to_numpy()
        expected = [e * s / (e * s).sum() for e in there[:, 0]] if drawn else [frame.iloc[0] * s / (frame.iloc[0] @ s)]
        np.testing.assert_allclose([row[k] for k in "ABC"], np.mean(expected, axis=0), atol=1e-12)
    assert table["B"].min() > 0


@pytest.mark.slow
def test_a_refit_gives_them_with_intervals(tmp_path):
    x = catalogue()
    x.loc["T3"] = 0.0
    quick = SamplerOptions(learning=10, draws=40, chain=5, longest=1)
    given = {"intervals": "spike_slab", "prior": "none", "options": quick}
    fit = refit(x, SIGNATURES, **given, per_mutation=True)
    pd.testing.assert_frame_equal(fit.exposures, refit(x, SIGNATURES, **given).exposures)  # draws stay the same
    table = fit.per_mutation
    assert set(table["sample"]) == {"T1", "T2"}
    np.testing.assert_allclose(table[["A", "B", "C"]].sum(axis=1), 1)
    assert (table["A_lower"] <= table["A"]).all()
    assert (table["A_upper"] >= table["A"]).all()
    assert (table["A_upper"] > table["A_lower"]).any()
    fit.save(tmp_path)
    assert len(pd.read_csv(tmp_path / "per_mutation.csv")) == len(table)
    plain = refit(x, SIGNATURES, per_mutation=True)
    assert "A_lower" not in plain.per_mutation
    assert any("no intervals" in note for note in plain.notes)


GENOME = {"1": "ACGTTCAGGCTAACGTACCATGCATCGATTTGCA" * 3}
VCF = """##fileformat=VCFv4.2
##source=caller
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tT1\tT2
1\t6\t.\tC\tA\t.\tPASS\tDP=9\tGT\t0/1\t0/1
1\t9\t.\tG\tT\t.\tPASS\t.\tGT\t0/1\t0/0
1\t10\t.\tCT\tAA\t.\tPASS\tDP=3\tGT\t0/0\t0/1
1\t14\t.\tC\tCAG\t.\tPASS\t.\tGT\t0/1\t0/0
1\t20\t.\tA\tG\t.\tlow\t.\tGT\t0/1\t0/0
"""


@pytest.fixture
def calls(tmp_path):
    fasta = tmp_path / "genome.fa"
    fasta.write_text(f">1\n{GENOME['1']}\n")
    path = tmp_path / "calls.vcf.gz"
    with gzip.open(path, "wt") as stream:
        stream.write(VCF)
    return path, fasta


def test_channels_of_variants_are_those_that_are_counted(calls):
    path, fasta = calls
    found = variant_channels(path, fasta)
    counted = count(path, fasta, contexts=("SBS96",)).catalogues["SBS96"]
    table = found[found["channel"] != ""].groupby(["sample", "channel"]).size()
    for (sample, channel), number in table.items():
        assert counted.loc[sample, channel] == number
    assert table.sum() == counted.to_numpy().sum() == 5
    assert found["reason"].ne("").sum() == 2
    assert set(found.loc[found["reason"] != "", "pos"]) == {14, 20}
    pair = found[(found["line"] == 6) & (found["sample"] == "T2")]
    assert list(zip(pair["pos"], pair["ref"], pair["alt"], strict=True)) == [(10, "C", "A"), (11, "T", "A")]


def test_doublets_and_indels_have_their_channels(tmp_path):
    """One record of two bases, the same as two records, an insertion, and a single base that DBS78 and ID83 do not count."""
    fasta, path = tmp_path / "genome.fa", tmp_path / "calls.vcf"
    fasta.write_text(f">1\n{GENOME['1']}\n")
    changes = [(10, "CT", "AA"), (44, "C", "A"), (45, "T", "A"), (54, "A", "G"), (82, "C", "CAG")]
    lines = [f"1\t{pos}\t.\t{ref}\t{alt}\t.\tPASS\t." for pos, ref, alt in changes]
    path.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "\n".join(lines) + "\n")
    for context, rows, number in (("DBS78", [0, 1, 2], 2), ("ID83", [4], 1), ("SBS1536", [0, 1, 2, 3, 4], 5)):
        counts = count(path, fasta, contexts=(context,)).catalogues[context]
        assert counts.to_numpy().sum() == number
        spectra = pd.DataFrame(RNG.dirichlet(np.ones(counts.shape[1]), 2), ["A", "B"], counts.columns)
        shares = pd.DataFrame([[30.0, 10.0]], counts.index, ["A", "B"])
        table = variant_table(path, per_mutation(counts, shares, spectra), fasta)
        for row in table[table["channel"] != ""].to_dict("records"):
            joint = spectra[row["channel"]] * shares.iloc[0]
            assert row["A"] == pytest.approx(joint["A"] / joint.sum())
        if context == "SBS1536":
            continue
        assert np.flatnonzero(table["channel"] != "").tolist() == rows
        assert table.loc[table["channel"] == "", "reason"].ne("").all()
        info = [line.split("\t")[7] for line in annotate_vcf(table, tmp_path / context)[0].read_text().splitlines()[3:]]
        assert [k for k, field in enumerate(info) if field.startswith("SIGNATURES=")] == rows
        if context == "DBS78":
            assert table["channel"].tolist() == ["CT>AA", "CT>AA", "CT>AA", "", ""]
            assert table["alt"].tolist()[:3] == ["AA", "A", "A"]
        else:
            assert (table["ref"][4], table["alt"][4]) == ("C", "CAG")


def test_variants_and_vcf_files_carry_the_probabilities(calls, tmp_path):
    path, fasta = calls
    counted = count(path, fasta, contexts=("SBS96",)).catalogues["SBS96"]
    probabilities = per_mutation(counted, EXPOSURES, SIGNATURES)
    table = variant_table(path, probabilities, fasta)
    assert len(table) == 7
    for row in table[table["channel"] != ""].to_dict("records"):
        same = probabilities[(probabilities["sample"] == row["sample"]) & (probabilities["channel"] == row["channel"])]
        assert row["A"] == same["A"].iloc[0]
        assert row["signature"] == same[["A", "B", "C"]].iloc[0].idxmax()
    assert table.loc[table["channel"] == "", ["A", "B", "C"]].isna().all(axis=None)
    (copy,) = annotate_vcf(table, tmp_path / "annotated")
    with gzip.open(copy, "rt") as stream:
        lines = stream.read().splitlines()
    assert lines[2].startswith("##INFO=<ID=SIGNATURES,")
    info = lines[4].split("\t")[7]
    assert info.startswith("DP=9;SIGNATURES=T1|A|")
    assert ",T2|A|" in info
    entry = dict(part.split(":") for part in info.split("=")[-1].split(",")[0].split("|")[2:])
    first = table[(table["line"] == 4) & (table["sample"] == "T1")].iloc[0]
    assert float(entry["A"]) == pytest.approx(first["A"], abs=1e-3)
    assert lines[5].split("\t")[7].startswith("SIGNATURES=T1|T|")
    # without the header line and the field everything is as it was
    bare = [line.split("SIGNATURES=")[0] for line in (lines[4], lines[7], lines[8])]
    original = VCF.splitlines()
    assert [bare[1], bare[2]] == [original[6], original[7]]
    # a copy that is annotated again has the field once, and those of other probabilities are gone
    again = variant_table(copy, probabilities, fasta)
    lost = again.index[again["line"] == 5]
    again.loc[lost, "signature"] = ""
    (second,) = annotate_vcf(again, tmp_path / "again")
    with gzip.open(second, "rt") as stream:
        written = stream.read().splitlines()
    assert written[:4] == lines[:4]
    assert written[4].split("\t")[7] == "DP=9"
    assert written[5:] == lines[5:]
    with pytest.raises(InputError, match="T2"):
        variant_table(path, probabilities[probabilities["sample"] == "T1"], fasta)
