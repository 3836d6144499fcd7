"""Labels of channels as programs write them, for every context; tables whose channels are spread over columns."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from vaebench.data import read_catalogue, read_signatures
from vaebench.data.mutations.channel_labels import recognised
from vaebench.data.mutations.channel_names import CHANNELS, CONTEXTS, reverse_complement
from vaebench.data.mutations.channels import checked_catalogue, context_of
from vaebench.errors import InputError

TABLES = {
    name: pd.DataFrame(np.random.default_rng(i).integers(0, 50, (len(channels), 2)), list(channels), ["S0", "S1"])
    for i, (name, channels) in enumerate(CONTEXTS.items())
}


def parts(name: str) -> tuple[str, str, str, str]:
    return name[0], name[2], name[4], name[6]


def other_strand(name: str) -> str:
    before, ref, alt, after = (reverse_complement(base) for base in parts(name))
    return f"{after}[{ref}>{alt}]{before}"


def words(name: str) -> list[str]:
    size, kind, what, copies = name.split(":")
    long = what in "RM"
    return [
        kind.upper(), {"R": "repeats", "M": "MH"}.get(what, what),
        size + "+" * (long and size == "5"), copies + "+" * (copies == "5"),
    ]  # fmt: skip


def mutational_patterns(name: str) -> str:
    size, kind, what, copies = name.split(":")
    start = what if what in "CT" else f"{size}{'+' * (size == '5')}bp"
    long = {"Del": "deletion", "Ins": "insertion"}[kind] + ("_with_microhomology" if what == "M" else "")
    number = int(copies) + (kind == "Del" and what != "M")
    return f"{start}_{long}_{number}{'+' * (number == (6 if kind == 'Del' and what != 'M' else 5))}"


WRITTEN = {
    "ACAA": ("SBS96", lambda n: n[0] + n[2] + n[6] + n[4]),
    "ACA>AAA": ("SBS96", lambda n: f"{n[0]}{n[2]}{n[6]}>{n[0]}{n[4]}{n[6]}"),
    "ACA>A": ("SBS96", lambda n: f"{n[0]}{n[2]}{n[6]}>{n[4]}"),
    "A.C.A.A": ("SBS96", lambda n: ".".join(parts(n))),
    "XA.C.A.A": ("SBS96", lambda n: "X" + ".".join(parts(n))),
    "A[C-A]A": ("SBS96", lambda n: n.replace(">", "-")),
    "A_C>A_A": ("SBS96", lambda n: f"{n[0]}_{n[2:5]}_{n[6]}"),
    "A(C->A)A": ("SBS96", lambda n: f"{n[0]}({n[2]}->{n[4]}){n[6]}"),
    "CA_A.A": ("SBS96", lambda n: f"{n[2]}{n[4]}_{n[0]}.{n[6]}"),
    "CA A.A": ("SBS96", lambda n: f"{n[2]}{n[4]} {n[0]}.{n[6]}"),
    "CA.A.A": ("SBS96", lambda n: f"{n[2]}{n[4]}.{n[0]}.{n[6]}"),
    "C.A.A.A": ("SBS96", lambda n: f"{n[2]}.{n[4]}.{n[0]}.{n[6]}"),
    "CAAA": ("SBS96", lambda n: n[2] + n[4] + n[0] + n[6]),
    "C>A:ACA": ("SBS96", lambda n: f"{n[2:5]}:{n[0]}{n[2]}{n[6]}"),
    "C_A.ACA": ("SBS96", lambda n: f"{n[2]}_{n[4]}.{n[0]}{n[2]}{n[6]}"),
    "ACA:C>A": ("SBS96", lambda n: f"{n[0]}{n[2]}{n[6]}:{n[2:5]}"),
    "lower case": ("SBS96", str.lower),
    "quoted": ("SBS96", lambda n: f" '{n}' "),
    "purines": ("SBS96", other_strand),
    "A and C mutated": ("SBS96", lambda n: n if n[2] == "C" else other_strand(n)),
    "T_A[C>A]A": ("SBS384", lambda n: n.replace(":", "_")),
    "SBS288": ("SBS288", str),
    "AACAAA": ("SBS1536", lambda n: n[:2] + n[3] + n[7:] + n[5]),
    "ACCA": ("DBS78", lambda n: n.replace(">", "")),
    "AC_CA": ("DBS78", lambda n: n.replace(">", "_")),
    "doublets of the other strand": ("DBS78", lambda n: f"{reverse_complement(n[:2])}>{reverse_complement(n[3:])}"),
    "DEL:C:1:0": ("ID83", lambda n: ":".join(words(n))),
    "DEL_C_1_0": ("ID83", lambda n: "_".join(words(n))),
    "X1.Del.C.0": ("ID83", lambda n: "X" + n.replace(":", ".")),
    "C_deletion_1": ("ID83", mutational_patterns),
}


@pytest.mark.parametrize("layout", list(WRITTEN))
@pytest.mark.parametrize("turned", [False, True])
def test_every_writing_of_channels(tmp_path, layout, turned):
    context, write = WRITTEN[layout]
    table = TABLES[context].rename(write).sample(frac=1, random_state=0)
    (table.T if turned else table).to_csv(tmp_path / "c.csv")
    found = read_catalogue(tmp_path / "c.csv")
    assert context_of(found) == context
    np.testing.assert_array_equal(found, TABLES[context].T)
    purines = layout in ("purines", "A and C mutated")
    assert [("other strand" in note) for note in found.attrs["notes"]] == [True] * purines


def make_names(name: str) -> str:
    """R's make.names."""
    dotted = re.sub(r"[^A-Za-z0-9._]", ".", name)
    return dotted if re.match(r"[A-Za-z]|\.(?!\d)", dotted) else f"X{dotted}"


R_NAMES = WRITTEN | {name: (name, str) for name in CONTEXTS} | {'"A[C>A]A"': ("SBS96", lambda n: f'"{n}"')}


@pytest.mark.parametrize("layout", list(R_NAMES))
def test_every_writing_of_channels_after_r_has_changed_it(layout):
    context, write = R_NAMES[layout]
    names = [make_names(write(name)) for name in CONTEXTS[context]]
    found = recognised(["sample", *names])
    assert found.context == context
    assert found.channels == [None, *CONTEXTS[context]]


def columns_of(context: str) -> dict[str, list[list[str]]]:
    names = list(CONTEXTS[context])
    if context == "SBS96":
        changes, bases = [n[2:5] for n in names], [n[0] + n[2] + n[6] for n in names]
        purine = [other_strand(n) for n in names]
        return {
            "Type, SubType": [changes, bases],
            "SubType, Type": [bases, changes],
            "alteration, context": [[c[0] + c[2] for c in changes], [f"{b[0]}.{b[2]}" for b in bases]],
            "ref, alt, context": [[c[0] for c in changes], [c[2] for c in changes], bases],
            "purines": [[n[2:5] for n in purine], [n[0] + n[2] + n[6] for n in purine]],
        }
    if context == "SBS1536":
        return {"pentanucleotides": [[n[3:6] for n in names], [n[:2] + n[3] + n[7:] for n in names]]}
    if context == "DBS78":
        return {"Ref, Var": [[n[:2] for n in names], [n[3:] for n in names]]}
    return {"four columns": [list(column) for column in zip(*map(words, names), strict=True)]}


@pytest.mark.parametrize("context", ["SBS96", "SBS1536", "DBS78", "ID83"])
def test_channels_in_several_columns(tmp_path, context):
    for name, columns in columns_of(context).items():
        table = TABLES[context].reset_index(drop=True)
        for i, column in enumerate(columns):
            table.insert(i, f"column {i}", column)
        table.to_csv(tmp_path / "c.tsv", sep="\t", index=False)
        found = read_catalogue(tmp_path / "c.tsv")
        assert found.index.tolist() == ["S0", "S1"], name
        np.testing.assert_array_equal(found, TABLES[context].T, err_msg=name)


def test_a_label_is_read_as_the_others_of_its_table():
    by_change = [n[2] + n[4] + n[0] + n[6] for n in CHANNELS]
    by_context = [n[0] + n[2] + n[6] + n[4] for n in CHANNELS]
    at = CHANNELS.index("A[C>T]A")
    assert by_change[at] == by_context[CHANNELS.index("C[T>A]A")] == "CTAA"
    for labels in (by_change, by_context):
        assert recognised(labels).channels == list(CHANNELS)
    assert recognised(CHANNELS[:40]).context == ""


@pytest.mark.parametrize("context", list(CONTEXTS))
def test_frames_of_every_context(context):
    table = TABLES[context]
    pd.testing.assert_frame_equal(checked_catalogue(table), table.T.astype(float))
    with pytest.raises(InputError, match=f"lacks the channel .*; all {len(table)} channels of {context} must be there"):
        checked_catalogue(table.drop(CONTEXTS[context][3]))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([f"{s}:{n}" for s in "TU" for n in CHANNELS], "by strand"),
        ([f"{n}-{s}" for s in ("transcribed", "untranscribed") for n in CHANNELS], "by strand"),
        ([*CHANNELS, *map(other_strand, CHANNELS)], "by strand"),
        (CONTEXTS["DBS78"][:30], "doublet"),
        (CONTEXTS["ID83"][:24], "insertions and deletions"),
    ],
)
def test_parts_of_a_context_and_others_are_named(tmp_path, labels, words):
    pd.DataFrame(1, list(labels), ["A", "B"]).rename_axis("MutationType").to_csv(tmp_path / "c.csv")
    for read in (read_catalogue, read_signatures):
        with pytest.raises(InputError) as caught:
            read(tmp_path / "c.csv")
        assert words in str(caught.value)
        assert len(str(caught.value).replace(str(tmp_path), "")) < 300


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 2, 3, 0), (3, 2, 0, 1)])
@pytest.mark.parametrize("change", [False, True])
def test_single_bases_in_columns_that_are_named_for_their_places(tmp_path, order, change):
    counts = TABLES["SBS96"].reset_index(drop=True)
    columns = dict(zip(("5prime", "ref", "alt", "3prime"), zip(*map(parts, CHANNELS), strict=True), strict=True))
    if change:
        columns["mut"] = [name[2:5] for name in CHANNELS]
        del columns["ref"], columns["alt"]
    names = list(columns)
    names = [names[i] for i in order if i < len(names)]
    counts.assign(**columns)[[*names, "S0", "S1"]].to_csv(tmp_path / "c.csv", index=False)
    np.testing.assert_array_equal(read_catalogue(tmp_path / "c.csv"), TABLES["SBS96"].T)
    unnamed = dict(zip(names, "abcd", strict=False))
    counts.assign(**columns)[[*names, "S0", "S1"]].rename(columns=unnamed).to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(InputError):
        read_catalogue(tmp_path / "c.csv")


@pytest.mark.parametrize("turned", [False, True])
def test_labels_of_several_levels(turned):
    counts = TABLES["SBS96"]
    pairs = [(name[2:5], name[0] + name[2] + name[6]) for name in CHANNELS]
    table = counts.set_axis(pd.MultiIndex.from_tuples(pairs)).set_axis(
        pd.MultiIndex.from_tuples([("L", "A"), ("M", "A")]), axis=1
    )
    found = checked_catalogue(table.T if turned else table)
    assert found.index.tolist() == ["L::A", "M::A"]
    np.testing.assert_array_equal(found, counts.T)


@pytest.mark.parametrize("names", [["A", None], [np.nan, "B"], pd.MultiIndex.from_tuples([("L", "A"), ("L", None)])])
def test_samples_without_a_name_are_refused(names):
    with pytest.raises(InputError, match="sample without a name"):
        checked_catalogue(TABLES["SBS96"].T.set_axis(names))


@pytest.mark.parametrize(
    ("value", "shown"), [(190.0000001, "190.0000001"), (np.int8(-66), "has -66 in"), (-66.0, "has -66 in")]
)
def test_values_are_shown_with_all_their_digits(value, shown):
    counts = TABLES["SBS96"].T.astype(object)
    counts.iloc[0, 0] = value
    with pytest.raises(InputError, match=shown):
        checked_catalogue(counts)
    with pytest.raises(InputError, match=shown):
        checked_catalogue(counts.astype(type(value)))


def test_exposures_in_place_of_channels_are_named(tmp_path):
    exposures = pd.DataFrame(5.0, ["A", "B"], ["SBS1", "SBS5", "SBS7a"])
    for table in (exposures, exposures.T):
        table.to_csv(tmp_path / "e.csv", index_label="Samples")
        for read in (read_catalogue, read_signatures):
            with pytest.raises(InputError, match=r"looks like exposures.*'SBS1'"):
                read(tmp_path / "e.csv")
        with pytest.raises(InputError, match=r"looks like exposures.*'SBS1'"):
            checked_catalogue(table)
