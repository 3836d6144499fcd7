"""One pass over features: the same data set whatever the blocks, with no more kept in memory than may be needed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from vaebench.data.files.gene_matrix import gene_blocks, gene_names, matrix_from_file
from vaebench.data.files.matrix import matrix_layout
from vaebench.data.raw_features import FeatureBlock, RawFeatures, array_features, only
from vaebench.data.survey import scaled, selected_features, surveyed
from vaebench.errors import InputError

N, D = 40, 1100
NAMES = [f"G{j}" for j in range(D)]
SAMPLES = np.array([f"s{i}" for i in range(N)])


def values() -> np.ndarray:
    """Features in float32, of which some are constant, some alike, and some lack values."""
    rng = np.random.default_rng(0)
    x = rng.gamma(rng.gamma(1, 2, D), 5, (N, D)).astype(np.float32)
    x[:, 7], x[:, 900:903] = 2, x[:, [3, 3, 3]]
    x[rng.random((N, D)) < 0.001] = np.nan
    return x


def once(x: np.ndarray, widths: list[int], order: np.ndarray | None = None) -> RawFeatures:
    """The features as from a file, in blocks of these widths, which can be read once."""
    order, read = np.arange(x.shape[1]) if order is None else order, []

    def blocks() -> Iterator[FeatureBlock]:
        assert not read
        read.append(True)
        ends = np.cumsum(np.resize(widths, x.shape[1]))
        for place in np.split(order, ends[ends < x.shape[1]]):
            yield place, x[:, place].T.copy()

    return RawFeatures(NAMES[: x.shape[1]], len(x), x.dtype, blocks, None)


@pytest.mark.parametrize("transform", ["none", "log2"])
@pytest.mark.parametrize(("top", "deviation"), [(20, "mean"), ("<=300", "median"), (None, "mean"), (1, "mean")])
@pytest.mark.parametrize("widths", [[1], [190], [3, 700, 1]])
def test_a_file_read_once_gives_the_bits_of_an_array(top, deviation, transform, widths):
    x = values()
    found = []
    for source in (array_features(x, NAMES), once(x, widths)):
        survey = surveyed(source, SAMPLES, top, deviation, transform)
        kept, chosen = selected_features(survey, N, top)
        found.append((survey, kept, chosen, *scaled(survey, N, chosen, "zscore")))
    array, file = found
    for one, other in zip(array[0][1:7], file[0][1:7], strict=True):
        np.testing.assert_array_equal(one, other)
    assert (array[0].first_missing, array[0].profile) == (file[0].first_missing, file[0].profile)
    for one, other in zip(array[1:], file[1:], strict=True):
        np.testing.assert_array_equal(one, other)
    most = {None: D, "<=300": 300}.get(top, top)
    assert file[0].rows.__self__.values.shape == (most, N)


def test_order_of_the_blocks_decides_no_tie():
    x = values()
    x[:, 5:12] = x[:, [5]] * 40  # the largest deviations, all the same
    for order in (np.arange(D), np.arange(D)[::-1], np.random.default_rng(1).permutation(D)):
        survey = surveyed(once(x, [100], order), SAMPLES, 3, "mean")
        _, chosen = selected_features(survey, N, 3)
        assert chosen.tolist() == [5, 6, 7]
        np.testing.assert_array_equal(survey.rows(chosen), x[:, chosen].T)


def test_statistics_and_selection_are_those_of_numpy():
    x = values().astype(float)
    survey = surveyed(once(values(), [64]), SAMPLES, 25, "median", "log2")
    x = np.log2(x + 1)
    np.testing.assert_allclose(survey.mean, np.nanmean(x, 0), rtol=1e-5, atol=1e-6)
    filled = np.where(np.isnan(x), np.nanmean(x, 0), x)
    np.testing.assert_allclose(survey.sd, filled.std(0), rtol=1e-4, atol=1e-6)
    spread = np.median(np.abs(filled - np.median(filled, 0)), 0)
    spread[filled.std(0) < 1e-9] = -1
    assert set(selected_features(survey, N, 25)[1].tolist()) == set(np.argsort(-spread, kind="stable")[:25].tolist())


def test_features_are_left_out_of_both_kinds():
    x, kept = values(), [0, 4, 5, 800, 1099]
    array, file = only(array_features(x, NAMES), kept), only(once(x, [6]), kept)
    np.testing.assert_array_equal(array.rows(np.array([2, 4])), x[:, [5, 1099]].T)
    for source in (array, file):
        assert source.names == [NAMES[i] for i in kept]
        place, block = (np.concatenate(parts) for parts in zip(*source.blocks(), strict=True))
        assert place.tolist() == [0, 1, 2, 3, 4]
        np.testing.assert_array_equal(block, x[:, kept].T)


@pytest.mark.parametrize("logged", [False, True])
def test_repeated_genes_are_summed_over_blocks(tmp_path, monkeypatch, logged):
    rng = np.random.default_rng(0)
    names = [f"G{i}" for i in rng.integers(0, 9, 30)]
    x = rng.gamma(2, 2, (30, 4)).round(3).astype(np.float32)
    rows = ["\t".join([name, *(f"{v:.3f}" for v in row)]) for name, row in zip(names, x, strict=True)]
    (tmp_path / "x.tsv").write_text("\n".join(["gene\ta\tb\tc\td", *rows]) + "\n")
    layout, columns = matrix_layout(tmp_path / "x.tsv"), np.array([3, 1])
    plain = np.exp2(x) - 1 if logged else x
    sums = {name: sum(plain[i] for i in range(30) if names[i] == name) for name in dict.fromkeys(names)}
    wanted = np.array(list(sums.values()))[:, columns]
    for chunk in (10, 100, 1 << 20):
        monkeypatch.setattr("vaebench.data.files.lines._CHUNK", chunk)
        matrix = matrix_from_file(layout, columns, duplicates="sum", logged=logged)
        assert (matrix.features, matrix.repeated) == (list(sums), 30 - len(sums))
        np.testing.assert_allclose(matrix.values, np.log2(wanted + 1) if logged else wanted, rtol=1e-4)
        genes = gene_names(layout, duplicates="sum")
        places = [place for block, _ in gene_blocks(layout, genes, columns) for place in block.tolist()]
        assert sorted(places) == list(range(len(sums)))


def test_memory_is_refused_before_values_are_read(tmp_path, monkeypatch):
    from vaebench.data import read_table

    (tmp_path / "x.gct").write_text(
        "#1.2\n400\t50\nName\tDescription\t" + "\t".join(f"s{i}" for i in range(50)) + "\n"
        + "".join(f"G{j}\td\t" + "\t".join(str((i * j) % 7) for i in range(50)) + "\n" for j in range(400))
    )  # fmt: skip
    monkeypatch.setenv("VAEBENCH_MAX_GIB", "0.00002")
    with monkeypatch.context() as patch:
        patch.setattr("vaebench.data.annotated.gene_blocks", None)
        with pytest.raises(InputError, match="VAEBENCH_MAX_GIB=1"):
            read_table(tmp_path / "x.gct")
    assert read_table(tmp_path / "x.gct", top=5).x.shape == (50, 5)  # of the others nothing is kept
