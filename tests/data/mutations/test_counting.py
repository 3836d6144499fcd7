"""Channels by construction: every channel of every context is made by hand, in every spelling, and counted."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from vaebench.data.files.folders import check_results_folder
from vaebench.data.mutations.channel_names import CONTEXTS, reverse_complement
from vaebench.data.mutations.counting import count
from vaebench.data.mutations.records import Variants
from vaebench.errors import InputError

SBS = ("SBS96", "SBS1536", "DBS78")


def variants(rows, samples=None, **columns) -> Variants:
    """Records from (sample, chrom, pos, ref, alt)."""
    frame = pd.DataFrame(rows, columns=["sample", "chrom", "pos", "ref", "alt"])
    frame = frame.assign(context="", file="made.vcf", line=range(1, len(frame) + 1), reason="").assign(**columns)
    return Variants(frame, samples or list(dict.fromkeys(frame["sample"])), [], [])


def channels(counted, context, sample) -> dict[str, int]:
    row = counted.catalogues[context].loc[sample]
    return {name: int(n) for name, n in row[row > 0].items()}


def other(*bases: str) -> str:
    """A base that is none of these."""
    return next(base for base in "ACGT" if base not in bases)


def test_arguments_of_other_kinds_are_said(tmp_path):
    file = tmp_path / "T1.vcf"
    file.write_text("#CHROM\tPOS\tID\tREF\tALT\n1\t5\t.\tC\tT\n")
    genome = {"1": "GATTCGACTTTTACG"}
    assert list(count(file, genome, contexts="SBS96").catalogues) == ["SBS96"]
    with pytest.raises(InputError, match="unknown context '96'"):
        count(file, genome, contexts=[96])
    with pytest.raises(InputError, match="mutations of class DataFrame are not allowed"):
        count(pd.DataFrame({"a": [1]}), genome)
    with pytest.raises(InputError, match="3 is no path"):
        count(file, 3)


def test_names_are_those_of_cosmic():
    assert {name: len(set(names)) for name, names in CONTEXTS.items()} == {
        "SBS96": 96, "SBS288": 288, "SBS384": 384, "SBS1536": 1536, "DBS78": 78, "ID83": 83,
    }  # fmt: skip
    assert CONTEXTS["ID83"][::12] == (
        "1:Del:C:0", "1:Ins:C:0", "2:Del:R:0", "4:Del:R:0", "2:Ins:R:0", "4:Ins:R:0", "2:Del:M:1",
    )  # fmt: skip
    # every change of two neighbouring bases, or its complement, is exactly one channel
    doublets = [a + b for a in "ACGT" for b in "ACGT"]
    for ref in doublets:
        for alt in doublets:
            if ref[0] != alt[0] and ref[1] != alt[1]:
                both = {f"{ref}>{alt}", f"{reverse_complement(ref)}>{reverse_complement(alt)}"}
                assert len(both & set(CONTEXTS["DBS78"])) == 1


def test_every_substitution_on_both_strands():
    """All 1,536 channels: five bases on a chromosome for each context, once as written and once as the complement."""
    names = CONTEXTS["SBS1536"]
    pentamers = [name[:2] + name[3] + name[7:] for name in names]
    genome = {
        "1": "N".join(pentamers),
        "2": "N".join(reverse_complement(text) for text in pentamers),
    }
    rows = [("plus", "chr1", 6 * i + 3, name[3], name[5]) for i, name in enumerate(names)]
    rows += [
        ("minus", "2", 6 * i + 3, reverse_complement(name[3]), reverse_complement(name[5]))
        for i, name in enumerate(names)
    ]
    counted = count(variants(rows), genome, contexts=("SBS96", "SBS1536"))
    for sample in ("plus", "minus"):
        assert channels(counted, "SBS1536", sample) == dict.fromkeys(names, 1)
        assert channels(counted, "SBS96", sample) == dict.fromkeys(CONTEXTS["SBS96"], 16)
    first = {name: i for i, name in enumerate(names)}["CA[T>G]GC"]
    one = count(variants([("s", "1", 6 * first + 3, "T", "G")]), genome, contexts=("SBS96", "SBS1536"))
    assert channels(one, "SBS1536", "s") == {"CA[T>G]GC": 1}
    assert channels(one, "SBS96", "s") == {"A[T>G]G": 1}


@pytest.mark.parametrize("turned", [False, True])
def test_every_doublet_as_one_record_and_as_two(turned):
    rows, text = [], ""
    for i, name in enumerate(CONTEXTS["DBS78"]):
        ref, alt = (reverse_complement(half) if turned else half for half in name.split(">"))
        at = len(text) + 3
        text += f"AC{ref}GT"
        rows.append((f"whole{i}", "1", at, ref, alt))
        rows += [(f"parts{i}", "1", at + 1, ref[1], alt[1]), (f"parts{i}", "1", at, ref[0], alt[0])]
    counted = count(variants(rows), {"1": text}, contexts=SBS)
    for i, name in enumerate(CONTEXTS["DBS78"]):
        assert channels(counted, "DBS78", f"whole{i}") == channels(counted, "DBS78", f"parts{i}") == {name: 1}
    # as with SigProfilerMatrixGenerator, the two substitutions stay in the other contexts
    assert (counted.catalogues["SBS96"].sum(axis=1) == 2).all()
    assert any("doublets" in note for note in counted.notes)


def indel_cases():
    """(channel, genome, ref, alt, position) for every channel and every place of the indel in its repeat."""
    left, right = "GATCAGGCTA", "TGCAAGCTTG"
    for name in CONTEXTS["ID83"]:
        size, kind, third, last = name.split(":")
        k, n = int(size), int(last)
        for length, number in {(k, n), *(((k + 2, n), (k, n + 2)) if k == 5 or n == 5 else ())}:
            if (length != k and k < 5) or (number != n and n < 5) or (third == "M" and number >= length):
                continue
            unit = "ACGGTCA"[:length] if length > 1 else third
            more = number if third == "M" else number * length
            period = (unit * (more // length + 2))[: (length if kind == "Del" else 0) + more]
            stop = other(unit[more % length])
            before = other(unit[-1])
            genome = left + before + period + stop + right
            start = len(left) + 1  # of the period, from 0
            for shift in range(more + 1):
                place = start + shift
                turned = unit[shift % length :] + unit[: shift % length]
                anchor = genome[place - 1]
                ref, alt = (anchor + turned, anchor) if kind == "Del" else (anchor, anchor + turned)
                yield name, genome, ref, alt, place


def test_every_indel_wherever_it_is_placed():
    cases = list(indel_cases())
    assert {case[0] for case in cases} == set(CONTEXTS["ID83"])
    starts = np.cumsum([0, *(len(case[1]) + 1 for case in cases)])
    rows = [(f"s{i}", "1", int(starts[i]) + place, ref, alt) for i, (_, _, ref, alt, place) in enumerate(cases)]
    counted = count(variants(rows), {"1": "N".join(case[1] for case in cases)})
    assert not len(counted.dropped)
    found = counted.catalogues["ID83"]
    names = found.columns[found.to_numpy().argmax(axis=1)]
    assert (found.sum(axis=1) == 1).all()
    assert [(*case, name) for case, name in zip(cases, names, strict=True) if case[0] != name] == []


def test_one_indel_in_three_spellings_is_counted_once():
    genome = {"1": "GATCTTTTTAGGAC"}
    rows = [("s", "1", 4, "CT", "C"), ("s", "1", 8, "TT", "T"), ("s", "1", 5, "T", ""), ("s", "1", 4, "CTTT", "CTT")]
    counted = count(variants(rows), genome)
    assert channels(counted, "ID83", "s") == {"1:Del:T:4": 1}
    assert counted.reasons() == {"duplicate of another record": 3}


def test_strand_of_transcription():
    """C at 3 (genes on both strands: see below), its complement G at 9."""
    from vaebench.data.mutations.strand import Genes

    text = "AACAAAAAGAAA" * 4
    ends = {("1", "+"): (np.array([1, 25]), np.array([12, 36])), ("1", "-"): (np.array([13, 25]), np.array([24, 36]))}
    genes = Genes(ends, [])
    rows = [("s", "1", 12 * i + at, *change) for i in range(4) for at, change in ((3, "CT"), (9, "GA"))]
    counted = count(variants(rows), {"chr1": text}, contexts=("SBS96", "SBS384", "SBS288"), genes=genes)
    # on the plus strand of a gene on the plus strand, C is untranscribed and the C opposite G is transcribed
    assert channels(counted, "SBS384", "s") == {
        "U:A[C>T]A": 1, "T:T[C>T]T": 1, "T:A[C>T]A": 1, "U:T[C>T]T": 1,
        "B:A[C>T]A": 1, "B:T[C>T]T": 1, "N:A[C>T]A": 1, "N:T[C>T]T": 1,
    }  # fmt: skip
    # an odd mutation in genes of both directions goes to T
    assert channels(counted, "SBS288", "s") == {
        "T:A[C>T]A": 2, "T:T[C>T]T": 2, "U:A[C>T]A": 1, "U:T[C>T]T": 1, "N:A[C>T]A": 1, "N:T[C>T]T": 1,
    }  # fmt: skip
    with pytest.raises(InputError, match="needs the strands of genes"):
        count(variants(rows), {"chr1": text}, contexts=("SBS384",))


REASONS = [
    (("s", "1", 5, "C", "<DEL>"), "structural variant"),
    (("s", "1", 5, "C", "C[1:9["), "structural variant"),
    (("s", "1", 5, "C", "C."), "structural variant"),
    (("s", "1", 5, "C", "*"), "spanning deletion (*)"),
    (("s", "1", 5, "C", "."), "no alternative allele"),
    (("s", "1", 5, "C", "C"), "no alternative allele"),
    (("s", "1", 5, "C", "R"), "base other than A, C, G and T"),
    (("s", "1", 9, "A", "C"), "N in the context"),
    (("s", "1", 10, "A", "C"), "N in the context"),
    (("s", "1", 1, "G", "C"), "N in the context"),
    (("s", "chrM", 5, "C", "T"), "mitochondrial genome"),
    (("s", "25", 5, "C", "T"), "mitochondrial genome"),
    (("s", "GL000", 5, "C", "T"), "chromosome not in the reference genome"),
    (("s", "1", 4, "TCG", "GA"), "complex insertion and deletion"),
    (("s", "1", 4, "TCG", "CGA"), "substitution of 3 or more neighbouring bases"),
]


@pytest.mark.parametrize(("row", "reason"), REASONS, ids=[f"{row[1]}:{row[2]}{row[3]}>{row[4]}" for row, _ in REASONS])
def test_records_that_cannot_be_counted_have_a_reason(row, reason):
    genome = {"chr1": "GATTCGAAANACTA", "MT": "GATTCGAAANACTA"}
    counted = count(variants([row, ("t", "1", 6, "G", "A")]), genome)
    assert counted.reasons() == {reason: 1}
    assert counted.dropped.iloc[0][["sample", "chrom", "pos", "alt"]].tolist() == [row[0], row[1], row[2], row[4]]
    assert counted.catalogues["SBS96"].sum(axis=1).to_dict() == {"s": 0, "t": 1}


def test_long_substitutions_are_cut_where_bases_stay():
    counted = count(variants([("s", "1", 4, "TCGA", "ACTT")]), {"1": "GATTCGATTA"})
    assert channels(counted, "SBS96", "s") == {"T[T>A]C": 1, "T[C>A]G": 1, "A[T>A]C": 1}
    assert channels(counted, "DBS78", "s") == {}  # a third substitution is near the pair


def test_a_pair_near_a_third_substitution_is_no_doublet_as_in_the_other_program():
    """SigProfilerMatrixGenerator 1.3 calls substitutions within 5 bases of a pair a cluster; other samples do not matter."""
    text = "GATTCGATTACAGATTACAGG"
    pair = [("s", "1", 8, "T", "A"), ("s", "1", 9, "T", "A")]
    for place, doublets in ((10, 0), (7, 0), (14, 0), (15, 1), (3, 0), (2, 1)):
        third = ("s", "1", place, text[place - 1], other(text[place - 1]))
        counted = count(variants([*pair, third]), {"1": text})
        assert counted.totals() == {"SBS96": 3, "DBS78": doublets, "ID83": 0}, place
        assert any(re.search("is no doublet|are no doublets", note) for note in counted.notes) == (doublets == 0)
        assert not any(note.startswith(("1 pairs", "the substitutions of 1 doublets")) for note in counted.notes)
        assert count(variants([*pair, ("t", *third[1:])]), {"1": text}).totals()["DBS78"] == 1
    two = count(variants([*pair, ("s", "1", 15, "T", "A"), ("s", "1", 16, "T", "A")]), {"1": text})
    assert channels(two, "DBS78", "s") == {"TT>AA": 2}


def test_another_build_is_refused_and_few_mismatches_are_dropped():
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("ACGT"), 5000))
    rows = [("s", "1", int(p), text[p - 1], other(text[p - 1])) for p in range(2, 4900, 3)]
    assert count(variants(rows), {"1": text}).totals()["SBS96"] == len(rows)
    wrong = [("s", "1", 4903, other(text[4902]), text[4902])]
    few = count(variants([*rows, *wrong]), {"1": text})
    assert few.reasons() == {"REF differs from the reference genome": 1}
    assert any("1 of 1634 reference allele differs from" in note and "was not counted" in note for note in few.notes)
    one = count(variants([*rows[:9], *wrong]), {"1": text})  # which says nothing of a build
    assert one.totals()["SBS96"] == 9
    wrong = [("s", "1", p, other(text[p - 1]), text[p - 1]) for p in range(4903, 4963, 3)]
    made = variants([*rows, *wrong])
    with pytest.raises(InputError, match=r"20 of 1653 reference alleles differ .*4903.*at most 1%"):
        count(made, {"1": text})
    files = ["a/good.vcf"] * len(rows) + ["a/bad.vcf"] * 15 + ["a/mixed.vcf"] * 1005
    mixed = variants([*rows, *wrong[:15], *rows[:1000], *wrong[15:]], file=files)
    with pytest.raises(InputError, match=r"4903.*; most are in bad.vcf \(15 of 15\)"):
        count(mixed, {"1": text})
    with pytest.raises(InputError, match=r"variants say they are of GRCh38 \(hg38\)"):
        count(made._replace(builds=["file:///data/GRCh38.d1.vd1.fa"]), {"1": text})
    from_0 = [(s, c, p - 1, ref, alt) for s, c, p, ref, alt in rows if p > 2]
    with pytest.raises(InputError, match="are those of the next position: positions are counted from 0 here; add 1"):
        count(variants(from_0), {"1": text})
    with pytest.raises(InputError, match="positions may be counted from 0 here"):
        count(variants([row for row in from_0 if text[row[2] - 1] != row[3]][:3]), {"1": text})
    with pytest.raises(InputError, match="no chromosome of the variants, such as 'II'; its first is '1'"):
        count(variants([("s", "II", 5, "A", "C")]), {"1": text})
    beyond = variants([("s", "1", 6000, "A", "C")])
    with pytest.raises(InputError, match="1 of 1 reference alleles"):
        count(beyond, {"1": text})


def test_round_trip_of_a_simulated_catalogue():
    """Mutations at random places of a made-up genome, on both strands, give back the catalogue they were drawn from."""
    from vaebench.data.mutations.simulate import simulate_catalogue

    rng = np.random.default_rng(1)
    text = "".join(rng.choice(list("ACGT"), 60000))
    catalogue, _ = simulate_catalogue(0, tumours=10, signatures=2, types=1)
    catalogue = catalogue.iloc[:4].clip(upper=20)
    places: dict[str, list[int]] = {}
    for p in rng.permutation(np.arange(2, len(text) - 2, 2)):  # every second base: no doublets
        places.setdefault(text[p - 1 : p + 2], []).append(int(p))
    rows = []
    for sample, counts in catalogue.iterrows():
        used: set[int] = set()
        for name, n in counts.items():
            context, change = name[0] + name[2] + name[6], (name[2], name[4])
            for spelled, (ref, alt) in (
                (context, change),
                (reverse_complement(context), tuple(map(reverse_complement, change))),
            ):
                half = int(n) // 2 + (int(n) % 2 if spelled == context else 0)
                free = [p for p in places[spelled] if p not in used][:half]
                assert len(free) == half
                used |= set(free)
                rows += [(sample, "1", p + 1, ref, alt) for p in free]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    counted = count(variants(rows, list(catalogue.index)), {"1": text})
    pd.testing.assert_frame_equal(counted.catalogues["SBS96"], catalogue, check_names=False)
    assert counted.totals()["DBS78"] == 0
    assert not len(counted.dropped)


def test_a_second_count_replaces_the_files_of_the_first(tmp_path):
    genome = {"1": "ACGTACGTACGT"}
    counted = count(variants([("s", "1", 6, "C", "A")]), genome, contexts=("SBS96", "DBS78"))
    out = counted.save(tmp_path / "counts", "vaebench count")
    (out / "mine.txt").write_text("kept")
    count(variants([("s", "1", 6, "C", "T")]), genome, contexts=("SBS96",)).save(out)
    assert sorted(p.name for p in out.iterdir()) == [
        "SBS96.csv", "counts.json", "dropped.csv", "manifest.json", "mine.txt",
    ]  # fmt: skip
    with pytest.raises(InputError, match="holds the results of vaebench count"):
        check_results_folder(out, "extract")
    (out / "manifest.json").unlink()  # a folder of an earlier version
    (out / "DBS78.csv").write_text("old")
    check_results_folder(out, "count")
    counted._replace(catalogues={"SBS96": counted.catalogues["SBS96"]}).save(out)
    assert not (out / "DBS78.csv").exists()
