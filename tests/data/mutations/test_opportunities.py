"""Opportunities of exomes and panels: facts, BED files counted, and signatures on both scales, checked by brute force."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from vaebench.data.mutations import read_opportunities
from vaebench.data.mutations.bed import outside_note, read_bed
from vaebench.data.mutations.channel_names import CHANNELS, CONTEXTS, reverse_complement
from vaebench.data.mutations.genome import open_genome
from vaebench.data.mutations.opportunities import counted_opportunities
from vaebench.data.mutations.records import Variants, records_frame
from vaebench.errors import InputError

RNG = np.random.default_rng(1)
GENOME = {
    "chr1": "".join(RNG.choice(list("ACGTN"), 3000, p=[0.3, 0.2, 0.2, 0.28, 0.02])),
    "chr2": "".join(RNG.choice(list("ACGT"), 500)).lower(),
    "chrM": "A" * 40,
}
BED = "track name=x\nbrowser position\n#c\nchrom\tstart\tend\n1\t100\t400\tname\nchr1\t350\t600\n2\t0\t20\nchr2\t480\t500\n"


def places(inside) -> dict[str, int]:
    """Channel -> places of it, counted base by base."""
    found = dict.fromkeys(CHANNELS, 0)
    for name in ("chr1", "chr2"):
        text = GENOME[name].upper()
        for i in range(1, len(text) - 1):
            bases = text[i - 1 : i + 2]
            bases = bases if bases[1] in "CT" else reverse_complement(bases)
            for alt in "ACGT":
                channel = f"{bases[0]}[{bases[1]}>{alt}]{bases[2]}"
                if channel in found and inside(name, i):
                    found[channel] += 1
    return found


def in_bed(name: str, i: int) -> bool:
    return 100 <= i < 600 if name == "chr1" else i < 20 or i >= 480


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    file = tmp_path_factory.mktemp("bed") / "panel.bed.gz"
    file.write_bytes(gzip.compress(BED.encode()))
    return read_opportunities(file, reference_genome=open_genome(GENOME))


def test_a_bed_file_is_counted_base_by_base(panel):
    assert panel.target.to_dict() == places(in_bed)
    assert panel.genome.to_dict() == places(lambda name, i: True)
    assert "4 intervals were merged to 3" in panel.notes[0]


def test_a_genome_is_counted_in_blocks(monkeypatch):
    genome = open_genome(GENOME)
    whole = {context: counted_opportunities(genome, context) for context in ("SBS96", "DBS78")}
    monkeypatch.setattr("vaebench.data.mutations.opportunities._BLOCK", 7)
    for context, numbers in whole.items():
        pd.testing.assert_series_equal(counted_opportunities(genome, context), numbers)


def test_doublets_are_counted():
    found = counted_opportunities(open_genome({"1": "ACGTNTTA"}), "DBS78")
    by_bases = {name[:2]: number for name, number in found.items()}
    # AC and GT are one, CG is its own complement, TT, TA
    assert {bases: number for bases, number in by_bases.items() if number} == {"AC": 2, "CG": 1, "TA": 1, "TT": 1}
    inside = counted_opportunities(open_genome({"1": "ACGTNTTA"}), "DBS78", {"1": [(0, 2), (3, 8)]})
    assert {name[:2]: n for name, n in inside.items() if n} == {"AC": 1, "TA": 1, "TT": 1}


def test_the_facts():
    for build, genome, exome in (("GRCh37", 2858656777, 54376443), ("GRCh38", 2934856610, 48772235)):
        for context, each in (("SBS96", 3), ("DBS78", None)):
            found = read_opportunities("exome", context, build=build)
            assert list(found.target.index) == list(CONTEXTS[context])
            assert (found.target < found.genome / 10).all()
            if each:
                assert (found.genome.sum(), found.target.sum()) == (each * genome, each * exome)
    # CpG are rare in the genome and less so in the exome
    exome = read_opportunities("exome", build="GRCh37")
    ratio = exome.target / exome.genome * exome.genome.sum() / exome.target.sum()
    assert ratio[[name for name in CHANNELS if name[2] == "C" and name[6] == "G"]].min() > 1.9
    assert "GRCh37" in read_opportunities("exome").notes[0]
    same = read_opportunities("Genome", "ID83")
    assert same.target.equals(same.genome)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty|no interval"),
        ("track x\n#\n\n", "holds no interval"),
        ("@HD\tVN:1\nchr1\t1\t5\n", "interval list"),
        ("chr1\t5\n", "line 1 of .* is 'chr1 5'"),
        ("chr1\t1\t9\nchr1\tx\t9\n", "line 2 .* whole numbers"),
        ("chr1\t1.5\t9\n", "whole numbers"),
        ("chr1\t9\t9\n", "the end must be larger"),
        ("chr1\t-3\t9\n", "whole numbers"),
        ("chr1\t2990\t3001\n", "ends at 3001 of 'chr1', past its end.*3000 bases|ends at 3001 of chr1, past its end"),
        ("chr9\t1\t5\n", "chromosome that .* lacks"),
    ],
)
def test_odd_bed_files(tmp_path, content, said):
    (tmp_path / "x.bed").write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        read_opportunities(tmp_path / "x.bed", reference_genome=open_genome(GENOME))
    assert len(str(caught.value).replace(str(tmp_path), "")) < 300


def test_substitutions_outside_of_a_bed_file_are_said(tmp_path):
    bed = tmp_path / "panel.bed"
    bed.write_text("chr1\t4\t6\nchr1\t10\t12\n2\t0\t3\n")
    places = [("1", pos) for pos in range(1, 15)] + [("chr2", 3), ("2", 4), ("3", 1)]
    fields = {"sample": "T", "ref": "C", "alt": "T", "chrom": [c for c, _ in places], "pos": [p for _, p in places]}
    records = records_frame(fields, len(places))
    # by hand: positions 5, 6, 11 and 12 of chromosome 1, and 3 of chromosome 2 are inside
    (note,) = outside_note(Variants(records, ["T"], [], []), bed)
    assert note.startswith("12 of 17 substitutions lie outside of panel.bed")
    inside = records[(records["chrom"] == "1") & records["pos"].isin([5, 6, 11, 12])]
    indel = records.iloc[:1].assign(ref="CA")
    assert outside_note(Variants(pd.concat([inside, indel]), ["T"], [], []), bed) == ()


def test_what_is_not_known_is_refused(tmp_path, panel):
    with pytest.raises(InputError, match="unknown context 'XX'"):
        read_opportunities("genome", "XX")
    (tmp_path / "x.bed").write_text("chr1 1 5\n")
    assert read_bed(tmp_path / "x.bed").bases == 4
    with pytest.raises(InputError, match="reference_genome="):
        read_opportunities(tmp_path / "x.bed")
    with pytest.raises(InputError, match="neither 'genome' nor 'exome'"):
        read_opportunities("exom")
    with pytest.raises(InputError, match="opportunities are known of SBS96 and DBS78"):
        read_opportunities("exome", "ID83")
    with pytest.raises(InputError, match="is of neither; name a BED file"):
        read_opportunities("exome", reference_genome=open_genome(GENOME))
    with pytest.raises(InputError, match="build='mm10'"):
        read_opportunities("exome", build="mm10")
    with pytest.raises(InputError, match="of SBS96, and the counts of DBS78"):
        read_opportunities(panel, "DBS78")
    assert read_opportunities(panel) is panel
    assert isinstance(panel.target, pd.Series)
