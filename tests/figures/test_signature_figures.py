"""Figures of signatures draw what they are given; every page is whole and offline."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy.stats import binomtest

from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.figures import exposures as drawn_exposures
from vaebench.figures.spectra import SUBSTITUTION_COLOURS, k_selection, similarity, spectra
from vaebench.report.signatures import calibration_page, extraction_page, refit_page, table
from vaebench.signatures.matching import cosines, matches


class Extraction(NamedTuple):
    signatures: pd.DataFrame
    exposures: pd.DataFrame
    samples: pd.DataFrame
    selection: pd.DataFrame
    matches: pd.DataFrame | None


class Refit(NamedTuple):
    exposures: pd.DataFrame
    intervals: pd.DataFrame | None
    samples: pd.DataFrame
    dispersion: float
    level: float


@pytest.fixture(scope="module")
def cohort():
    return simulate_catalogue(0, tumours=40)


def long_intervals(exposures: pd.DataFrame) -> pd.DataFrame:
    long = exposures.stack().rename("exposure").reset_index()
    long.columns = ["sample", "signature", "exposure"]
    return long.assign(lower=long["exposure"] * 0.8, upper=long["exposure"] * 1.2 + 5, presence=0.9)


def footnote(figure: Any) -> str:
    return re.sub(r"\s+", " ", figure.get_supxlabel())


def test_spectra_have_96_bars_in_the_standard_colours(cohort):
    _, truth = cohort
    figure = spectra(truth.signatures)
    assert len(figure.axes) == len(truth.signatures)
    for ax, (_, values) in zip(figure.axes, truth.signatures.iterrows(), strict=True):
        assert [bar.get_height() for bar in ax.patches] == pytest.approx(values.to_numpy())
    colours = [to_hex(bar.get_facecolor()).upper() for bar in figure.axes[0].patches]
    expected = [SUBSTITUTION_COLOURS[c[2:5]].upper() for c in truth.signatures.columns]
    assert colours == expected
    assert colours[0] == "#03BCEE"
    assert colours[-1] == "#EBC6C4"


def test_more_signatures_than_fit_are_counted():
    many = pd.DataFrame(np.full((103, 96), 1 / 96), columns=simulate_catalogue(0, tumours=30)[0].columns)
    figure = spectra(many.rename(index=str))
    assert len(figure.axes) == 100
    assert "Further signatures, not drawn: 3." in footnote(figure)


def test_similarity_shows_the_cosines(cohort):
    _, truth = cohort
    figure = similarity(truth.signatures, truth.signatures.iloc[::-1])
    shown = figure.axes[0].images[0].get_array()
    names = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    expected = pd.DataFrame(
        cosines(truth.signatures.to_numpy(), truth.signatures.to_numpy()),
        truth.signatures.index,
        truth.signatures.index,
    )
    np.testing.assert_allclose(shown, expected[names].to_numpy())
    assert names == list(truth.signatures.index)  # each row's closest stands on the diagonal


def test_the_chosen_k_is_marked():
    selection = pd.DataFrame({"k": [2, 3, 4], "criterion": [3.0, 1.0, 2.0], "chosen": [False, True, False]})
    figure = k_selection(selection)
    (ax,) = figure.axes
    assert [line.get_xdata()[0] for line in ax.lines[1:]] == [3]
    assert "K = 3" in footnote(figure)
    assert "No K was chosen" in footnote(k_selection(selection.assign(chosen=False)))


def test_reconstruction_counts_poor_and_empty_samples(cohort):
    catalogue, truth = cohort
    mean = truth.exposures.to_numpy() @ truth.signatures.to_numpy()
    expected = np.diag(cosines(catalogue.to_numpy(), mean))[1:]
    samples = pd.DataFrame({"mutations": catalogue.sum(axis=1), "cosine": [np.nan, *expected]})
    figure = drawn_exposures.reconstruction_quality(samples)
    assert f"{len(catalogue) - 1} samples" in footnote(figure)
    assert "1 samples without mutations or exposures" in footnote(figure)
    (dots,) = figure.axes[0].collections
    np.testing.assert_allclose(np.asarray(dots.get_offsets())[:, 1], expected)
    poor = drawn_exposures.reconstruction_quality(samples.assign(cosine=samples["cosine"] - 0.5))
    assert poor.axes[0].get_ylim()[0] == pytest.approx(min(expected) - 0.51)


def test_exposures_by_type_show_presence_and_median(cohort):
    _, truth = cohort
    figure = drawn_exposures.exposures_by_type(truth.exposures, truth.types)
    kinds = truth.types.value_counts().index
    assert [t.get_text().split(" (")[0] for t in figure.axes[0].get_yticklabels()] == list(kinds)
    shares = truth.exposures.div(truth.exposures.sum(axis=1), axis=0)[truth.types == kinds[0]]
    dots = figure.axes[0].collections[0]
    np.testing.assert_allclose(dots.get_sizes(), 150 * (shares > 0.01).mean())
    np.testing.assert_allclose(dots.get_array(), shares.where(shares > 0.01).median().fillna(0))


def test_intervals_are_drawn_where_they_lie(cohort):
    _, truth = cohort
    long = long_intervals(truth.exposures)
    figure = drawn_exposures.interval_panels(long, 0.95, samples=list(truth.exposures.index[:2]))
    first = long[long["sample"] == truth.exposures.index[0]]
    segments = figure.axes[0].collections[0].get_segments()
    np.testing.assert_allclose([s[0, 0] for s in segments], first["lower"])
    np.testing.assert_allclose([s[1, 0] for s in segments], first["upper"])
    assert f"Further samples, in the table: {len(truth.exposures) - 2}." in footnote(figure)


def test_signatures_absent_from_all_samples_drawn_are_left_out(cohort):
    _, truth = cohort
    long = long_intervals(truth.exposures)
    names, samples = list(truth.signatures.index), list(truth.exposures.index[:2])
    long.loc[(long["signature"] == names[0]) & long["sample"].isin(samples), ["exposure", "lower", "upper"]] = 0.0
    long.loc[(long["signature"] == names[1]) & (long["sample"] == samples[0]), ["exposure", "lower", "upper"]] = 0.0
    figure = drawn_exposures.interval_panels(long, 0.95, samples=samples)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == names[1:]
    assert "absent from all of these, not drawn: 1." in footnote(figure)


def test_coverage_of_few_exposures_is_uncertain_even_where_all_are_inside():
    coverage = pd.DataFrame(
        {"group": ["a", "b", "c"], "coverage": [1.0, 0.9, np.nan], "count": [20, 200, 0]},
    )
    (ax,) = drawn_exposures.coverage_bars(coverage, 0.95).axes
    (bars,) = ax.collections
    for segment, (inside, of) in zip(bars.get_segments(), [(20, 20), (180, 200)], strict=False):
        np.testing.assert_allclose(segment[:, 0], binomtest(inside, of).proportion_ci(method="wilson"), atol=1e-12)


def test_pages_are_whole_and_offline(cohort, tmp_path):
    catalogue, truth = cohort
    selection = pd.DataFrame({"k": [2, 3], "criterion": [1.0, np.nan], "chosen": [True, False]})
    samples = pd.DataFrame({"mutations": catalogue.sum(axis=1), "cosine": 0.99, "flag": ""}, catalogue.index)
    found = Extraction(
        truth.signatures, truth.exposures, samples, selection, matches(truth.signatures, truth.signatures)
    )
    page = extraction_page(
        tmp_path,
        catalogue,
        found,
        types=truth.types,
        reference=truth.signatures,
        info={"command": "a <b>"},
        notes=["x < y"],
    )
    text = page.read_text(encoding="utf-8")
    assert "a &lt;b&gt;" in text
    assert "x &lt; y" in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    names = {"signatures", "selection", "exposures", "reconstruction", "map", "similarity"}
    assert {p.stem for p in (tmp_path / "figures").iterdir()} == names
    samples.iloc[0, 2] = "misfit"
    fit = Refit(truth.exposures, long_intervals(truth.exposures), samples, 1.2, 0.95)
    text = refit_page(tmp_path, fit, types=None, info={}).read_text(encoding="utf-8")
    assert "Dispersion 1.20" in text
    assert text.count("misfit") == 1
    assert text.count("<tr>") > len(truth.exposures)
    coverage = pd.DataFrame({"group": ["all"], "coverage": [0.94], "count": [100]})
    assert "nominal 95%" in calibration_page(tmp_path, coverage, 0.95, {}).read_text(encoding="utf-8")


def test_table_sorts_by_number_and_escapes_text():
    html = table(pd.DataFrame({"name": ["<i>"], "value": [np.nan], "other": [1234.5678]}))
    assert "&lt;i&gt;" in html
    assert 'data-v=""' in html
    assert 'data-v="1234.5678"' in html
