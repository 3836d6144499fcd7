"""Every layout of catalogues, signatures and exposures gives the same table, matched by label; errors name the place."""

from __future__ import annotations

import gzip
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from vaebench.data.files.text import ABSENT
from vaebench.data.mutations import tables as mutations
from vaebench.data.mutations.tables import (
    CHANNELS,
    cancer_types,
    channel,
    checked_catalogue,
    checked_signatures,
    read_catalogue,
    read_exposures,
    read_signatures,
    write_catalogue,
    write_exposures,
    write_signatures,
)
from vaebench.errors import InputError

LAYOUTS = ("label", "pair", "three", "short", "numbered", "rows", "typed rows", "numbered rows")
NAMES = st.text(st.characters(codec="utf-8", categories=["L", "Nd"]), min_size=1, max_size=6).filter(
    lambda text: text.lower() not in ABSENT  # a cancer type called None, or NA, is none that is known
)


def rows_of(names: list[str], x: np.ndarray, layout: str, order: np.ndarray) -> list[list[str]]:
    """The table as lines of texts, header first, written from the definition of each layout; channels in ``order``."""
    labels = [CHANNELS[i] for i in order]
    pairs = [(label[2:5], label[0] + label[2] + label[6]) for label in labels]
    leads = {
        "label": [["MutationType"], *([label] for label in labels)],
        "pair": [["Mutation type", "Trinucleotide"], *([*pair] for pair in pairs)],
        "three": [["Substitution Type", "Trinucleotide", "Somatic Mutation Type"],
                  *([*pair, label] for pair, label in zip(pairs, labels, strict=True))],
        "short": [[""], *([context + change[2]] for change, context in pairs)],
        "numbered": [["", "Type"], *([str(i + 1), label] for i, label in enumerate(labels))],
    }  # fmt: skip
    values = [[str(int(v)) if v % 1 == 0 else repr(float(v)) for v in row] for row in x[:, order]]
    if layout in leads:
        below = [names, *(list(column) for column in zip(*values, strict=True))]
        return [[*lead, *cells] for lead, cells in zip(leads[layout], below, strict=True)]
    if layout == "rows":
        return [["Samples", *labels], *([name, *row] for name, row in zip(names, values, strict=True))]
    if layout == "typed rows":
        split = [name.split("::") for name in names]
        return [["Cancer Types", "Sample Names", *labels],
                *([*parts, *row] for parts, row in zip(split, values, strict=True))]  # fmt: skip
    numbered = zip(range(len(names)), names, values, strict=True)
    return [["", "sample", *labels], *([str(i), name, *row] for i, name, row in numbered)]


@st.composite
def catalogues(draw) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names ``type::sample``, counts [T, 96] with zeros and large values, and an order of the channels."""
    count = draw(st.integers(1, 4))
    names = [f"{draw(NAMES)}::{i}{draw(NAMES)}" for i in range(count)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = np.floor(rng.gamma(0.3, 10 ** draw(st.integers(0, 6)), (count, 96)))
    x[rng.integers(0, count)] *= draw(st.integers(0, 1))  # a sample without mutations
    return names, x, rng.permutation(96)


@settings(max_examples=60, deadline=None)
@given(
    catalogues(),
    st.sampled_from(LAYOUTS),
    st.sampled_from([",", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_every_layout_reads_back(made, layout, delimiter, end, mark, zipped, quoted):
    names, x, order = made
    quote = (lambda text: f'"{text}"') if quoted else str
    lines = [delimiter.join(quote(cell) for cell in row) for row in rows_of(names, x, layout, order)]
    content = (b"\xef\xbb\xbf" if mark else b"") + (end.join(lines) + end).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalogue.txt"
        path.write_bytes(gzip.compress(content) if zipped else content)
        found = read_catalogue(path)
    assert found.index.tolist() == names
    assert found.columns.tolist() == list(CHANNELS)
    np.testing.assert_array_equal(found.to_numpy(), x)


def test_names_that_look_like_numbers_stay_as_they_are(tmp_path):
    for layout in LAYOUTS:
        head, *rows = rows_of(["01::007", "01::7"], np.ones((2, 96)), layout, np.arange(96))
        (tmp_path / layout).write_text("\n".join(",".join(row) for row in [head, *rows]))
        assert read_catalogue(tmp_path / layout).index.tolist() == ["01::007", "01::7"]


@settings(max_examples=20, deadline=None)
@given(catalogues(), st.sampled_from(LAYOUTS), st.booleans())
def test_parquet_reads_back(made, layout, indexed):
    names, x, order = made
    head, *rows = rows_of(names, x, layout, order)
    frame = pd.DataFrame(rows, columns=[name or "index" for name in head])
    for column in frame.columns.difference(["Cancer Types", "Sample Names", "Samples", "sample"]):
        if frame[column].str.fullmatch(r"[\d.e+]+").all():
            frame[column] = pd.to_numeric(frame[column])
    frame = frame.rename(columns={"index": ""})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalogue.parquet"
        first = frame.columns[0]
        (frame.set_index(first) if indexed and layout in ("label", "rows") else frame).to_parquet(path)
        found = read_catalogue(path)
    assert found.index.tolist() == names
    np.testing.assert_array_equal(found.to_numpy(), x)


@settings(max_examples=25, deadline=None)
@given(catalogues(), st.sampled_from([".csv", ".tsv", ".csv.gz", ".parquet"]), st.booleans())
def test_written_files_read_back(made, extension, fractions):
    names, x, _ = made
    x = x / 3 if fractions else x
    catalogue = pd.DataFrame(x, index=names, columns=list(CHANNELS))
    signatures = pd.DataFrame((x + 0.1) / (x + 0.1).sum(1, keepdims=True), index=names, columns=list(CHANNELS))
    exposures = pd.DataFrame(x[:, :5], index=names, columns=[f"SBS{i}" for i in range(5)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{extension}"
        pd.testing.assert_frame_equal(read_catalogue(write_catalogue(catalogue, path), fractions=fractions), catalogue)
        pd.testing.assert_frame_equal(read_signatures(write_signatures(signatures, path)), signatures, rtol=1e-14)
        pd.testing.assert_frame_equal(read_exposures(write_exposures(exposures, path)), exposures)


def test_written_files_have_the_usual_rights(tmp_path):
    made, usual = tmp_path / "signatures.csv", tmp_path / "usual"
    write_signatures(pd.DataFrame(np.full((1, 96), 1 / 96), ["S1"], list(CHANNELS)), made)
    usual.touch()
    assert made.stat().st_mode == usual.stat().st_mode
    assert sorted(tmp_path.iterdir()) == [made, usual]


def test_written_layouts_are_those_of_sigprofiler(tmp_path):
    table = pd.DataFrame(np.eye(96)[:2], index=["a", "b"], columns=list(CHANNELS))
    lines = write_signatures(table, tmp_path / "s.csv").read_text().splitlines()
    assert (lines[0], lines[1], len(lines)) == ("Type,a,b", "A[C>A]A,1.0,0.0", 97)
    assert write_catalogue(table, tmp_path / "c.csv").read_text().startswith("MutationType,a,b\nA[C>A]A,1,0\n")
    exposures = pd.DataFrame([[1.5, 0.0]], index=["t"], columns=["SBS1", "SBS5"])
    assert write_exposures(exposures, tmp_path / "e.csv").read_text() == "Samples,SBS1,SBS5\nt,1.5,0.0\n"


def test_channels():
    assert len(set(CHANNELS)) == 96
    assert (CHANNELS[0], CHANNELS[5], CHANNELS[16], CHANNELS[95]) == ("A[C>A]A", "C[C>A]C", "A[C>G]A", "T[T>G]T")
    written = {
        "A[C>A]T": "A[C>A]T",
        "ACTA": "A[C>A]T",
        "C>A:ACT": "A[C>A]T",
        "C>A_ACT": "A[C>A]T",
        "a[c>a]t": "A[C>A]T",
    }
    assert {label: channel(label) for label in written} == written
    for label in ("A[G>T]A", "A[C>C]A", "C>A:ATA", "ATAT", "AGAT", "T:A[C>A]A", "AA[C>A]AA", "SBS1", "", None, 4):
        assert channel(label) is None, label


CLEAN = pd.DataFrame(np.arange(192).reshape(2, 96), index=["s1", "s2"], columns=list(CHANNELS))


def refused(folder: Path, frame: pd.DataFrame, *words: str, read=read_catalogue, **options) -> None:
    path = folder / "t.csv"
    frame.to_csv(path)
    with pytest.raises(InputError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(path), *words):
        assert word in message, message


@pytest.mark.parametrize("turned", [False, True])
def test_channels_that_are_unknown_missing_or_doubled(tmp_path, turned):
    turn = (lambda frame: frame.T) if turned else (lambda frame: frame)
    other = CLEAN.rename(columns={"G[T>C]A": "G[A>G]A"})
    refused(tmp_path, turn(other), "unknown channel 'G[A>G]A'")
    refused(tmp_path, turn(CLEAN.drop(columns="G[T>C]A")), "lacks the channel 'G[T>C]A'")
    refused(tmp_path, turn(CLEAN.rename(columns={"G[T>C]A": "ACAA"})), "channel 'A[C>A]A' more than once")
    doubled = pd.concat([CLEAN, CLEAN[["G[T>C]A"]]], axis=1)
    refused(tmp_path, turn(doubled), "channel 'G[T>C]A' more than once")
    refused(tmp_path, turn(CLEAN.assign(total=5)), "unknown channel 'total'")


def test_a_pair_that_does_not_fit_is_named(tmp_path):
    rows = rows_of(["s1"], np.ones((1, 96)), "pair", np.arange(96))
    rows[3][1] = "ATC"
    refused(tmp_path, pd.DataFrame(rows[1:], columns=rows[0]).set_index("Mutation type"), "unknown channel 'C>A,ATC'")


@pytest.mark.parametrize("sparse", [False, True])
def test_anndata_objects_are_tables(sparse):
    """Samples in obs and channels in var, as muon's and salamander's users keep them; counts may be sparse."""
    anndata = pytest.importorskip("anndata")
    table = pd.DataFrame(np.random.default_rng(0).poisson(0.3, (3, 96)).astype(float), list("ABC"), list(CHANNELS))
    adata = anndata.AnnData(
        csr_matrix(table) if sparse else table.to_numpy(), table.index.to_frame(), table.T.iloc[:, :0]
    )
    pd.testing.assert_frame_equal(checked_catalogue(adata), table, check_names=False)
    pd.testing.assert_frame_equal(checked_catalogue(adata.T.copy()), table, check_names=False)
    shares = table.div(table.sum(axis=1), axis=0)
    found = checked_signatures(anndata.AnnData(shares), source="mine")
    pd.testing.assert_frame_equal(found, shares, check_names=False)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("value", "told"),
    [(-3, "-3"), (np.nan, "nan"), (np.inf, "inf"), (2.5, "whole numbers unless fractions=True"), ("many", "'many'")],
)
def test_values_that_are_no_counts(tmp_path, value, told, turned):
    table = CLEAN.astype(object)
    table.loc["s2", "T[C>T]G"] = value
    refused(tmp_path, table.T if turned else table, "sample 's2'", "'T[C>T]G'", told)


def test_fractions_on_request(tmp_path):
    path = tmp_path / "t.csv"
    (CLEAN / 4).to_csv(path)
    np.testing.assert_array_equal(read_catalogue(path, fractions=True), CLEAN / 4)
    refused(tmp_path, CLEAN / -4, "sample 's1'", fractions=True)


def test_doubled_samples_and_names_that_are_types(tmp_path):
    table = CLEAN.set_axis(["BLCA", "BLCA"], axis=0)
    for frame in (table, table.T):
        refused(tmp_path, frame, "sample 'BLCA' more than once", "names='types'")
        found = read_catalogue(tmp_path / "t.csv", names="types")
        assert found.index.tolist() == ["BLCA::1", "BLCA::2"]
        np.testing.assert_array_equal(found, CLEAN)
        assert cancer_types(found.index).tolist() == ["BLCA", "BLCA"]
    refused(tmp_path, CLEAN.set_axis(["s1", ""], axis=0), "sample without a name")
    with pytest.raises(InputError, match="names='tumours'"):
        read_catalogue(tmp_path / "t.csv", names="tumours")


def test_names_of_digits_stay_as_they_are(tmp_path):
    table = CLEAN.set_axis(["007", "010"], axis=0)
    for frame in (table, table.T):
        frame.to_csv(tmp_path / "t.csv")
        assert read_catalogue(tmp_path / "t.csv").index.tolist() == ["007", "010"]


def test_tables_that_are_no_catalogues(tmp_path):
    refused(tmp_path, pd.DataFrame(np.ones((96, 3))), "names no mutation channels")
    strands = CLEAN.rename(columns=lambda name: f"T:{name}")
    refused(tmp_path, strands, "by strand", "'T:A[C>A]A'", "SBS96")
    (tmp_path / "e.csv").write_text("")
    with pytest.raises(InputError, match="empty"):
        read_catalogue(tmp_path / "e.csv")


def test_frames_in_memory():
    rng = np.random.default_rng(0)
    mixed = CLEAN.iloc[:, rng.permutation(96)]
    for frame in (mixed, mixed.T):
        pd.testing.assert_frame_equal(checked_catalogue(frame), CLEAN.astype(float))
    with pytest.raises(InputError, match="the catalogue has no sample"):
        checked_catalogue(CLEAN.iloc[:0])
    with pytest.raises(InputError, match="unknown channel '0'"):
        checked_catalogue(pd.DataFrame(np.ones((3, 96))))


def test_signatures_are_divided_by_their_sums(tmp_path):
    raw = pd.DataFrame(np.random.default_rng(0).dirichlet(np.ones(96), 2), ["a", "b"], list(CHANNELS))
    raw.loc["b"] *= 1.01
    found = checked_signatures(raw)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(found.loc["b"], raw.loc["b"] / 1.01, rtol=1e-14)
    pd.testing.assert_frame_equal(checked_signatures(raw, normalised=False), raw)
    refused(tmp_path, CLEAN, "signature 's1'", "sums to 4560", "table of counts", read=read_signatures)
    refused(tmp_path, raw * 0, "sums to 0", read=read_signatures)


EXPOSURES = pd.DataFrame([[1.5, 0.0], [2, 7], [0, 0]], ["x::1", "x::2", "y::3"], ["SBS1", "SBS7a"])


def test_exposures_either_way_round(tmp_path):
    path = tmp_path / "e.csv"
    for title, frame in (("Samples", EXPOSURES), ("", EXPOSURES), ("", EXPOSURES.T)):
        frame.rename_axis(title).to_csv(path)
        pd.testing.assert_frame_equal(read_exposures(path), EXPOSURES, check_names=False)
    published = EXPOSURES.set_axis(["1", "2", "3"], axis=0).rename_axis("Sample Names").reset_index()
    published.insert(0, "Cancer Types", ["x", "x", "y"])
    published.insert(2, "Accuracy", 0.9)
    published.to_csv(path, index=False)
    pd.testing.assert_frame_equal(read_exposures(path), EXPOSURES, check_names=False)


def test_names_with_numbers_are_no_titles(tmp_path):
    """ID1 is a signature of indels and Sample1 a sample, not columns of names."""
    table = EXPOSURES.set_axis(["ID1", "ID2"], axis=1).set_axis(["Sample1", "Sample2", "Sample3"], axis=0)
    for frame in (table, table.T):
        frame.to_csv(tmp_path / "e.csv")
        pd.testing.assert_frame_equal(read_exposures(tmp_path / "e.csv"), table)


def test_exposures_that_lie_in_an_unclear_way(tmp_path):
    unclear = EXPOSURES.set_axis(["age", "tobacco"], axis=1)
    refused(tmp_path, unclear, "samples_in='rows'", read=read_exposures)
    unclear.to_csv(tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_exposures(tmp_path / "t.csv", samples_in="rows"), unclear)
    unclear.T.to_csv(tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_exposures(tmp_path / "t.csv", samples_in="columns"), unclear)
    with pytest.raises(InputError, match="samples_in='lines'"):
        read_exposures(tmp_path / "t.csv", samples_in="lines")


def test_exposures_that_are_refused(tmp_path):
    refused(tmp_path, EXPOSURES * -1, "sample 'x::1'", "-1.5", "'SBS1'", read=read_exposures)
    doubled = EXPOSURES.set_axis(["SBS1", "SBS1"], axis=1)
    for frame in (doubled, doubled.T):
        refused(tmp_path, frame, "signature 'SBS1' more than once", read=read_exposures)
    doubled = EXPOSURES.set_axis(["x::1", "x::2", "x::1"], axis=0)
    for frame in (doubled, doubled.T):
        refused(tmp_path, frame, "sample 'x::1' more than once", read=read_exposures)


def test_cancer_types(tmp_path):
    assert cancer_types(["a", "b"]) is None
    assert cancer_types(["A::1", "b"]).to_dict() == {"A::1": "A", "b": "unknown"}
    table = pd.DataFrame({"Sample": ["b", "a", "c"], "Cancer type": ["B", "A", "B"]})
    assert cancer_types(["a", "b"], table).to_dict() == {"a": "A", "b": "B"}
    table.to_csv(tmp_path / "t.csv", index=False)
    assert cancer_types(["c"], tmp_path / "t.csv").to_dict() == {"c": "B"}
    assert cancer_types(["c"], table.set_index("Sample")).to_dict() == {"c": "B"}
    (tmp_path / "u.tsv").write_text("tumour\tdiagnosis\tstage\n1\tA\t2\n2\tB\t3\n")
    assert cancer_types(["2", "1"], tmp_path / "u.tsv").to_dict() == {"2": "B", "1": "A"}
    assert cancer_types(["1"], pd.DataFrame({"diagnosis": ["A"]}, index=["1"])).to_dict() == {"1": "A"}
    with pytest.raises(InputError, match=r"t.csv lacks the sample 'd'"):
        cancer_types(["a", "d"], tmp_path / "t.csv")
    with pytest.raises(InputError, match="no column of cancer types"):
        cancer_types(["a"], table[["Sample"]])


def test_the_docstring_says_what_makes_a_catalogue():
    assert "SigProfilerMatrixGenerator" in mutations.__doc__


# The real files; the expected numbers were counted from them with awk.


@pytest.fixture
def real() -> Path:
    folder = os.environ.get("VAEBENCH_DATA")
    if not folder:
        pytest.skip("VAEBENCH_DATA does not name the folder of the real data sets")
    return Path(folder) / "signatures"


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("scenario", "samples", "signatures", "types"),
    [("02", 1000, 11, 1), ("04", 1000, 11, 2), ("06", 1000, 11, 2), ("08", 1000, 3, None), ("14", 2700, 21, 9)],
)
def test_scenarios(real, scenario, samples, signatures, types):
    folder = real / f"scenario_{scenario}"
    catalogue, exposures = read_catalogue(folder / "catalogue.csv"), read_exposures(folder / "exposures.csv")
    truth = read_signatures(folder / "signatures.csv", normalised=False)
    assert (catalogue.shape, truth.shape) == ((samples, 96), (signatures, 96))
    assert exposures.index.tolist() == catalogue.index.tolist()
    kinds = cancer_types(catalogue.index)
    assert (None if kinds is None else kinds.nunique()) == types
    # the catalogues were made without noise, so any slip in the order of channels, signatures or samples shows
    np.testing.assert_array_equal(catalogue, np.round(exposures[truth.index] @ truth))


@pytest.mark.real_data
def test_pcawg(real):
    catalogue = read_catalogue(real / "pcawg" / "catalogue.csv")
    exposures = read_exposures(real / "pcawg" / "published_exposures.csv")
    signatures = read_signatures(real / "pcawg" / "signatures_2019_05.csv")
    assert catalogue.shape == (2780, 96)
    assert exposures.shape == (2780, 65)
    assert cancer_types(catalogue.index).nunique() == 37
    assert set(exposures.index) == set(catalogue.index)
    shared = [name for name in exposures.columns if name in signatures.index]
    assert len(shared) == 65
    fitted = exposures.loc[catalogue.index, shared] @ signatures.loc[shared]
    lengths = np.linalg.norm(fitted, axis=1) * np.linalg.norm(catalogue, axis=1)
    assert np.median((fitted * catalogue).sum(axis=1) / lengths) > 0.95


@pytest.mark.real_data
def test_cosmic_and_the_example_of_muse_xae(real):
    older = read_signatures(real / "cosmic" / "COSMIC_v3.2_SBS_GRCh37.txt")
    newer = read_signatures(real / "cosmic" / "COSMIC_v3.4_SBS_GRCh37.txt")
    assert (len(older), len(newer)) == (78, 86)
    np.testing.assert_allclose(older.loc["SBS1"], newer.loc["SBS1"], atol=1e-5)
    example = read_catalogue(real / "muse_xae_example.csv", names="types")
    assert example.shape == (23, 96)
    assert example.loc["BLCA::3", "A[C>A]C"] == 524
    with pytest.raises(InputError, match="'BLCA' more than once"):
        read_catalogue(real / "muse_xae_example.csv")
