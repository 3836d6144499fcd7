"""Catalogues and signatures in the layouts that people have; other tables of mutations are named for what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vaebench.data import cancer_types, read_catalogue, read_exposures, read_signatures
from vaebench.data.mutations.channels import CHANNELS, channel
from vaebench.errors import InputError

COUNTS = pd.DataFrame(np.random.default_rng(0).integers(0, 50, (96, 3)), list(CHANNELS), ["S0", "S1", "S2"])


def text(frame: pd.DataFrame, mark: str = "\t", title: str = "MutationType") -> str:
    return frame.rename_axis(title).to_csv(sep=mark)


def pairs(label: str) -> list[str]:
    return [label[2:5], label[0] + label[2] + label[6]]


def cosmic_v2() -> str:
    rows = [["Substitution Type", "Trinucleotide", "Somatic Mutation Type", *COUNTS.columns]]
    rows += [[*pairs(name), name, *map(str, COUNTS.loc[name])] for name in CHANNELS]
    return "".join("\t".join([*row, *[""] * 7]) + "\n" for row in rows)


LAYOUTS = {
    "trailing tabs": cosmic_v2(),
    "blank end": text(COUNTS) + "\n\t\t\t\n",
    "sigfit": text(COUNTS.rename(lambda n: f"{n[0]}{n[2]}{n[6]}>{n[0]}{n[4]}{n[6]}").T, ",", ""),
    "SomaticSignatures": text(COUNTS.rename(lambda n: f"{n[2]}{n[4]} {n[0]}.{n[6]}")),
    "semicolons": text(COUNTS, ";"),
    "spaces": text(COUNTS, " "),
    "comment": "# made by a program\n" + text(COUNTS),
    "hash before the header": "#" + text(COUNTS),
    "total": text(COUNTS.assign(Total=COUNTS.sum(axis=1))),
    "total of rows": text(COUNTS.T.assign(Total=COUNTS.sum()), title="Samples"),
    "total row": text(pd.concat([COUNTS.T, COUNTS.sum(axis=1).to_frame("total").T]), title="Samples"),
    "row numbers": text(COUNTS.reset_index(names="Type"), ",", ""),
    "R": text(COUNTS).split("\t", 1)[1],
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_layouts_of_catalogues(tmp_path, layout):
    (tmp_path / "c.txt").write_text(LAYOUTS[layout])
    found = read_catalogue(tmp_path / "c.txt")
    assert found.index.tolist() == ["S0", "S1", "S2"]
    np.testing.assert_array_equal(found, COUNTS.T)
    notes = found.attrs["notes"]
    assert ("sums of the others" in " ".join(notes)) == ("total" in layout)
    assert bool(notes) == ("total" in layout)


@pytest.mark.parametrize("form", ["tidy", "zeros left out", "a value missing", "a pair twice"])
def test_a_row_for_each_sample_and_channel(tmp_path, form):
    """As R's tidyr writes them; samples that look like numbers stay names."""
    counts = COUNTS.set_axis(["007", "8", "S2"], axis=1).rename_axis("MutationType")
    long = (
        counts.reset_index().melt("MutationType", var_name="Sample", value_name="Count").sample(frac=1, random_state=0)
    )
    zeros = long["Count"] == 0
    if form == "zeros left out":
        long = long[~zeros]
    elif form == "a value missing":
        long = long.astype({"Count": object})
        long.iloc[5, 2] = "NA"
    elif form == "a pair twice":
        long = pd.concat([long, long.iloc[:1]])
    long.to_csv(tmp_path / "c.csv", index=False)
    if form in ("a value missing", "a pair twice"):
        with pytest.raises(
            InputError, match="has nan in .*; write 0 where" if "missing" in form else "in more than one row"
        ):
            read_catalogue(tmp_path / "c.csv")
        return
    found = read_catalogue(tmp_path / "c.csv")
    np.testing.assert_array_equal(found.loc[["007", "8", "S2"]], COUNTS.T)
    said = f"{zeros.sum()} pairs without a row" if form == "zeros left out" else "one row for each sample and channel"
    assert said in found.attrs["notes"][0]


def melted(counts: pd.DataFrame) -> pd.DataFrame:
    return counts.rename_axis("MutationType").reset_index().melt("MutationType", var_name="Sample", value_name="Count")


@pytest.mark.parametrize("column", [["Liver", "Lung", "NA"], ["C>A", "C>G", "C>T"]])
def test_a_row_for_each_pair_keeps_its_cancer_types(tmp_path, column):
    long = melted(COUNTS)
    kinds = dict(zip(COUNTS.columns, column, strict=True))
    long.assign(Type=long["Sample"].map(kinds), index=range(len(long))).to_csv(tmp_path / "c.csv", index=False)
    found = read_catalogue(tmp_path / "c.csv")
    assert found.index.tolist() == (["Liver::S0", "Lung::S1", "S2"] if "Lung" in column else ["S0", "S1", "S2"])
    np.testing.assert_array_equal(found, COUNTS.T)


@pytest.mark.parametrize("name", ["S0", "7"])
def test_a_row_for_each_channel_of_one_sample(tmp_path, name):
    long = melted(COUNTS[["S0"]].set_axis([name], axis=1))
    long[long["Count"] > 0].to_csv(tmp_path / "c.csv", index=False)
    found = read_catalogue(tmp_path / "c.csv")
    assert found.index.tolist() == [name]
    np.testing.assert_array_equal(found, COUNTS[["S0"]].T)


@pytest.mark.parametrize("name", ["Unnamed: 0", "index", "No.", "row", "X1", "...1", "level_0", "id", "n"])
@pytest.mark.parametrize(("place", "first"), [(0, 0), (1, 1), (4, 1)])
@pytest.mark.parametrize("turned", [False, True])
def test_row_numbers_beside_the_names_are_no_sample(tmp_path, name, place, first, turned):
    table = COUNTS.rename_axis("MutationType").reset_index()
    if turned:
        table = COUNTS.T.rename_axis("Sample").reset_index()
    table.insert(place, name, range(first, first + len(table)))
    table.to_csv(tmp_path / "c.csv", index=False)
    found = read_catalogue(tmp_path / "c.csv")
    assert found.index.tolist() == ["S0", "S1", "S2"]
    assert f"{name!r} holds the numbers of the rows" in " ".join(found.attrs["notes"])
    table[name] += 5
    table.to_csv(tmp_path / "c.csv", index=False)
    if not turned:
        assert name in read_catalogue(tmp_path / "c.csv").index


@pytest.mark.parametrize("names", [["WT", "MUT"], ["AML", "CLL", "ALL"], ["S1", "S2", "Total"]])
def test_samples_of_few_mutations_are_no_totals(tmp_path, names):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.poisson(0.2, (96, len(names))), list(CHANNELS), names)
    table.iloc[:3] = 1
    (tmp_path / "c.tsv").write_text(text(table))
    assert read_catalogue(tmp_path / "c.tsv").index.tolist() == names
    if len(names) == 2:  # two samples that are the same
        (tmp_path / "c.tsv").write_text(text(table.assign(MUT=table["WT"])))
        assert read_catalogue(tmp_path / "c.tsv").index.tolist() == names


def test_a_sample_with_the_name_of_a_total_beside_the_total(tmp_path):
    table = COUNTS.assign(ALL=3)
    (tmp_path / "c.tsv").write_text(text(table.assign(Total=table.sum(axis=1))))
    assert read_catalogue(tmp_path / "c.tsv").index.tolist() == ["S0", "S1", "S2", "ALL"]


@pytest.mark.parametrize("name", ["row_sum", "Sum", "nMut", "Total mutations", "mutation_count", "TMB", "Grand.Total"])
@pytest.mark.parametrize("turned", [False, True])
def test_totals_have_many_names(tmp_path, name, turned):
    table = COUNTS.T.assign(**{name: COUNTS.sum()}) if turned else COUNTS.assign(**{name: COUNTS.sum(axis=1)})
    (tmp_path / "c.tsv").write_text(text(table, title="Samples" if turned else "MutationType"))
    found = read_catalogue(tmp_path / "c.tsv")
    np.testing.assert_array_equal(found, COUNTS.T)
    assert f"{name!r} holds the sums" in found.attrs["notes"][0]


def test_two_columns_of_totals_are_both_left_out(tmp_path):
    table = COUNTS.assign(Total=COUNTS.sum(axis=1), Sum=COUNTS.sum(axis=1))
    (tmp_path / "c.tsv").write_text(text(table))
    np.testing.assert_array_equal(read_catalogue(tmp_path / "c.tsv"), COUNTS.T)


@pytest.mark.parametrize("numbered", [False, True])
def test_channels_in_the_last_of_many_columns(tmp_path, numbered):
    table = pd.concat([COUNTS.add_prefix(f"{i}_") for i in range(9)], axis=1)
    table.assign(MutationType=table.index).reset_index(drop=True).to_csv(tmp_path / "c.csv", index=numbered)
    found = read_catalogue(tmp_path / "c.csv")
    np.testing.assert_array_equal(found, table.T)
    assert found.index.tolist() == table.columns.tolist()


def test_values_that_are_missing_are_said(tmp_path):
    (tmp_path / "c.tsv").write_text(text(COUNTS.where(COUNTS > 0).rename_axis("MutationType")))
    with pytest.raises(InputError, match=r"has nan in .*; write 0 where there is none"):
        read_catalogue(tmp_path / "c.tsv")


def test_signatures_with_decimal_commas(tmp_path):
    shares = COUNTS / COUNTS.sum()
    (tmp_path / "s.csv").write_text(text(shares, ";").replace(".", ","))
    found = read_signatures(tmp_path / "s.csv")
    np.testing.assert_allclose(found, shares.T, rtol=1e-12)
    assert "decimal points" in found.attrs["notes"][0]


@pytest.mark.parametrize("turned", [False, True])
def test_samples_named_like_missing_values(tmp_path, turned):
    names = ["NA", "nan", "None", "TRUE", "007", "1e3"]
    table = pd.DataFrame(np.arange(96 * 6).reshape(96, 6), list(CHANNELS), names)
    (tmp_path / "c.csv").write_text(text(table if turned else table.T, ",", "MutationType" if turned else "Samples"))
    assert read_catalogue(tmp_path / "c.csv").index.tolist() == names


@pytest.mark.parametrize("turned", [False, True])
def test_samples_named_as_pandas_names_repeats(tmp_path, turned):
    """T1.1 may be a sample of its own; a T1 that is there twice is not made one."""
    table = COUNTS.set_axis(["T1", "T1.1", "T1.2"], axis=1)
    written = text(table if turned else table.T, ",", "MutationType" if turned else "Samples")
    (tmp_path / "c.csv").write_text(written)
    found = read_catalogue(tmp_path / "c.csv")
    assert found.index.tolist() == ["T1", "T1.1", "T1.2"]
    np.testing.assert_array_equal(found, COUNTS.T)
    (tmp_path / "c.csv").write_text(written.replace("T1.2", "T1"))
    with pytest.raises(InputError, match="'T1' more than once"):
        read_catalogue(tmp_path / "c.csv")


def test_a_total_that_is_no_sum_is_a_sample(tmp_path):
    (tmp_path / "c.tsv").write_text(text(COUNTS.assign(Total=1)))
    assert read_catalogue(tmp_path / "c.tsv").index.tolist() == ["S0", "S1", "S2", "Total"]


def labelled(labels: list[str]) -> str:
    return text(pd.DataFrame(1, labels, ["A", "B"]))


@pytest.mark.parametrize("digits", [0, 1, 10])
@pytest.mark.parametrize("turned", [False, True])
def test_totals_of_exposures_are_left_out(tmp_path, digits, turned):
    """Sums of rounded exposures are those of the numbers before they were rounded, as other programs write them."""
    exact = pd.DataFrame(
        np.random.default_rng(1).gamma(2.0, 90.0, (5, 4)), list("ABCDE"), [f"SBS{i}" for i in (1, 2, 5, 13)]
    )
    exact = exact.assign(Total=exact.sum(axis=1))
    table = pd.concat([exact, exact.sum().to_frame("Total").T]).round(digits)
    (tmp_path / "e.tsv").write_text(text(table.T if turned else table, title="Signatures" if turned else "Samples"))
    found = read_exposures(tmp_path / "e.tsv")
    assert found.shape == (5, 4)
    np.testing.assert_allclose(found, table.iloc[:-1, :-1])
    assert "'Total' holds the sums of the others" in found.attrs["notes"][0]
    other = table.assign(Total=table["Total"] + 100)
    (tmp_path / "e.tsv").write_text(text(other.iloc[:-1], title="Samples"))
    assert "Total" in read_exposures(tmp_path / "e.tsv")


@pytest.mark.parametrize(
    ("table", "remedy"),
    [
        (COUNTS.assign(S1=(COUNTS["S1"] + 1200).map("{:,}".format)), "without marks of thousands: 1"),
        (COUNTS.assign(S1=COUNTS["S1"].map(lambda v: f"{v}.5%")), "not per cent"),
        (COUNTS.assign(S1=COUNTS["S1"].map(lambda v: f"{v},51")), "with a decimal point: "),
        (COUNTS.assign(Class="substitution"), "leave out what is no sample"),
    ],
)
def test_cells_that_are_no_numbers_say_what_to_write(tmp_path, table, remedy):
    table.to_csv(tmp_path / "c.csv", index_label="Type", quoting=1)
    with pytest.raises(InputError, match=remedy):
        read_catalogue(tmp_path / "c.csv")


def test_signatures_in_per_cent_are_named(tmp_path):
    (100 * COUNTS / COUNTS.sum()).to_csv(tmp_path / "s.csv", index_label="Type")
    with pytest.raises(InputError, match="per cent"):
        read_signatures(tmp_path / "s.csv")


STRANDED = "".join(f"{s},{p[0]},{p[1]},1,2\n" for s in "TU" for p in map(pairs, CHANNELS))
OTHERS = {
    "SBS192 of ICAMS": ("Strand,Mutation type,Trinucleotide,A,B\n" + STRANDED, "by strand", "add up its strands"),
    "SBS192": (labelled([f"{s}:{n}" for s in "TU" for n in CHANNELS]), "SBS192", "add up its strands"),
    "SBS192 in the header": (
        text(pd.DataFrame(1, ["A"], [f"{s}:{n}" for s in "TU" for n in CHANNELS])), "'T:A[C>A]A'", "add up its strands"
    ),
    "half of SBS1536": (labelled([f"{a}{n}{b}" for n in CHANNELS for a in "ACGT" for b in "AC"]), "SBS1536", "outer bases"),
    "SBS6144": (labelled([f"T:{a}{n}{b}" for n in CHANNELS for a in "ACGT" for b in "AC"]), "SBS6144", "strands"),
    "SBS6": (labelled(["C>A", "C>G", "C>T", "T>A", "T>C", "T>G"]), "without context", ".SBS96.all"),
    "DBS": (labelled([f"{a}{b}>{c}{d}" for a in "AC" for b in "CT" for c in "GT" for d in "AG"]), "DBS", ".SBS96.all"),
    "ID": (labelled([f"1:{k}:C:{i}" for k in ("Del", "Ins") for i in range(6)]), "insertions and deletions"),
    "CN": (labelled([f"2:het:>{i}Mb" for i in range(8)]), "copy numbers"),
    "SV": (labelled([f"clustered_del_{i}Kb" for i in range(8)]), "structural variants"),
    "MAF": ("#version 2.4\nHugo_Symbol\tChromosome\tStart_Position\tTumor_Sample_Barcode\nTP53\t17\t5\tS1\n", "MAF"),
    "VCF": ("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n1\t100\t.\tC\tT\n", "VCF", "vaebench count"),
    "VCF without its first line": ("#CHROM\tPOS\tID\tREF\tALT\n1\t100\t.\tC\tT\n", "VCF", "vaebench count"),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(OTHERS))
@pytest.mark.parametrize("read", [read_catalogue, read_signatures])
def test_other_tables_of_mutations_are_named(tmp_path: Path, kind, read):
    content, *words = OTHERS[kind]
    (tmp_path / "c.txt").write_text(content)
    with pytest.raises(InputError) as caught:
        read(tmp_path / "c.txt")
    message = str(caught.value)
    assert len(message) < 300
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_channels_of_other_programs():
    assert {channel(label) for label in ("ACA>AAA", "CA A.A", "C>A A.A", "C>A in ACA")} == {"A[C>A]A"}
    for label in ("ACA>AAC", "ACA>CAA", "GA A.A", "AC>CA"):
        assert channel(label) is None


def test_a_sample_of_two_cancer_types_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("sample,type\nS0,A\nS1,NA\nS0,A\n")
    assert cancer_types(["S0", "S1"], tmp_path / "t.csv").tolist() == ["A", "unknown"]
    (tmp_path / "t.csv").write_text("sample,type\nS0,A\nS1,\nS0,B\n")
    with pytest.raises(InputError, match="lists the sample 'S0' as 'A' and as 'B'"):
        cancer_types(["S0", "S1"], tmp_path / "t.csv")


def test_types_without_a_header_are_named(tmp_path):
    (tmp_path / "t.csv").write_text("S0,Liver\nS1,Lung\n")
    with pytest.raises(InputError, match="has the sample 'S0' in its header; add a first line, such as sample,type"):
        cancer_types(["S0", "S1"], tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["Total", "TOTAL", "Sum of all samples", "Average", "row_means"])
def test_a_kept_sample_with_the_name_of_a_total_is_said(tmp_path, name):
    """A total of more samples than the table has is the sum of none of them."""
    path = tmp_path / "counts.csv"
    path.write_text(text(COUNTS.assign(**{name: COUNTS.sum(axis=1) + 7}), ","))
    found = read_catalogue(path)
    assert len(found) == 4
    assert found.attrs["notes"] == [
        f"counts.csv: {name!r} is read as a sample; leave out what is a total or an average of others"
    ]
    path.write_text(text(COUNTS, ","))
    assert read_catalogue(path).attrs["notes"] == []


def test_several_numbers_of_a_sample_and_channel_are_said(tmp_path):
    path, long = tmp_path / "long.csv", COUNTS.rename_axis("channel").melt(ignore_index=False, var_name="sample")
    long.assign(freq=long["value"] / 100).to_csv(path)
    with pytest.raises(InputError, match="several columns of numbers: value, freq; keep one"):
        read_catalogue(path)
    parts = long.assign(change=[c[2:5] for c in long.index], context=[c[0] + c[2] + c[6] for c in long.index])
    parts.to_csv(path, index=False)  # not read, and not said to be of both strands
    with pytest.raises(InputError, match=r"has the channel 'A\[C>A\]A' more than once"):
        read_catalogue(path)
