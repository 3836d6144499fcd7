"""Figures of signatures draw what they are given; every page is whole and offline."""

from __future__ import annotations

import itertools
import re
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex, to_rgb, to_rgba
from scipy.stats import binomtest, poisson

from vaebench.data.mutations.channel_names import CONTEXTS
from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.figures import exposures as drawn_exposures
from vaebench.figures import style
from vaebench.figures.channels import DOUBLET_COLOURS, INDEL_COLOURS, SUBSTITUTION_COLOURS, channel_look, field_order
from vaebench.figures.samples import burden, one_sample_exposures, present_by_size, stacked_exposures
from vaebench.figures.spectra import k_selection, sample_fit, sample_noise, similarity, spectra, spectrum_comparison
from vaebench.report.notes import ADVICE, advice, notes_html
from vaebench.report.page import definitions
from vaebench.report.signatures import calibration_page, extraction_page, interval_section, refit_page, table
from vaebench.signatures.decomposition import decompose
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
    catalogue: pd.DataFrame | None = None
    signatures: pd.DataFrame | None = None


@pytest.fixture(scope="module")
def cohort():
    return simulate_catalogue(0, tumours=40)


def long_intervals(exposures: pd.DataFrame) -> pd.DataFrame:
    long = exposures.stack().rename("exposure").reset_index()
    long.columns = ["sample", "signature", "exposure"]
    return long.assign(lower=long["exposure"] * 0.8, upper=long["exposure"] * 1.2 + 5, presence=0.9)


def footnote(figure: Any) -> str:
    return re.sub(r"\s+", " ", figure.get_supxlabel())


def bar_heights(ax: Axes) -> list[float]:
    (bars,) = (c for c in ax.collections if isinstance(c, PolyCollection))
    return [path.vertices[1, 1] for path in bars.get_paths()]


def bar_colours(ax: Axes) -> list[str]:
    (bars,) = (c for c in ax.collections if isinstance(c, PolyCollection))
    return [to_hex(colour).upper() for colour in bars.get_facecolor()]


def band(ax: Axes) -> LineCollection:
    (lines,) = (c for c in ax.collections if isinstance(c, LineCollection))
    return lines


def test_spectra_have_96_bars_in_the_standard_colours(cohort):
    _, truth = cohort
    figure = spectra(truth.signatures)
    assert len(figure.axes) == len(truth.signatures)
    for ax, (_, values) in zip(figure.axes, truth.signatures.iterrows(), strict=True):
        assert bar_heights(ax) == pytest.approx(values.to_numpy())
    colours = bar_colours(figure.axes[0])
    expected = [SUBSTITUTION_COLOURS[c[2:5]].upper() for c in truth.signatures.columns]
    assert colours == expected
    assert colours[0] == "#03BCEE"
    assert colours[-1] == "#EBC6C4"


@pytest.mark.parametrize("context", ["SBS96", "ID83", ""])
def test_spectra_are_of_one_height_inside_the_figure(context):
    channels = list(CONTEXTS[context]) if context else [f"some channel {i}" for i in range(9)]
    figure = spectra(pd.DataFrame(np.full((5, len(channels)), 7.0), list("ABCDE"), channels))
    height = 72 * figure.get_size_inches()[1]
    places = [ax.get_position() for ax in figure.axes]
    assert [p.height for p in places] == pytest.approx([places[0].height] * 5)
    assert height * places[0].height > 30  # points
    assert all(above.y0 - below.y1 > 12 / height for above, below in itertools.pairwise(places))
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    assert 0 <= box.x0 < box.x1 <= figure.get_size_inches()[0]
    assert 0 <= box.y0 < box.y1 <= figure.get_size_inches()[1]
    labels = figure.axes[-1].get_tightbbox().y0
    assert labels > figure.texts[-1].get_window_extent().y1  # above the footnote


def test_a_picture_is_drawn_once(monkeypatch):
    figure, calls = spectra(pd.DataFrame([[0.25] * 4], ["A"], list("wxyz"))), []
    drawn = type(figure).draw
    monkeypatch.setattr(type(figure), "draw", lambda *a, **k: calls.append(1) or drawn(*a, **k))
    kept, dpi = figure.canvas, figure.dpi
    data = style.png(figure)
    assert len(calls) == 1
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(data[16:20], "big") == round(150 * style.WIDTH)
    assert (figure.canvas, figure.dpi) == (kept, dpi)


def test_types_stand_above_the_names_of_few_samples(cohort):
    _, truth = cohort
    exposures = truth.exposures.sort_index().head(20)
    figure = stacked_exposures(exposures, truth.types)
    (above,) = figure.axes[0].child_axes
    kinds = sorted(set(truth.types[exposures.index]))
    assert [label.get_text() for label in above.get_xticklabels()] == [style.plain(kind, 16) for kind in kinds]
    assert not stacked_exposures(exposures).axes[0].child_axes


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
    assert "Not drawn: 1 sample without mutations or exposures." in footnote(figure)
    (dots,) = figure.axes[0].collections
    np.testing.assert_allclose(np.asarray(dots.get_offsets())[:, 1], expected)
    poor = drawn_exposures.reconstruction_quality(samples.assign(cosine=samples["cosine"] - 0.5))
    assert poor.axes[0].get_ylim()[0] == pytest.approx(min(expected) - 0.51)


def test_exposures_by_type_show_presence_and_median(cohort):
    _, truth = cohort
    figure = drawn_exposures.exposures_by_type(truth.exposures, truth.types)
    kinds = truth.types.value_counts().index
    assert [t.get_text().split(" (")[0] for t in figure.axes[0].get_yticklabels()] == list(kinds)
    order = present_by_size(truth.exposures)[0]
    assert order == list(truth.exposures.sum().sort_values(ascending=False).index)
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == order
    shares = truth.exposures.div(truth.exposures.sum(axis=1), axis=0)[truth.types == kinds[0]][order]
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


@pytest.mark.slow
def test_pages_are_whole_and_offline(cohort, tmp_path):
    catalogue, truth = cohort
    selection = pd.DataFrame({"k": [2, 3], "criterion": [1.0, np.nan], "chosen": [True, False]})
    samples = pd.DataFrame({"mutations": catalogue.sum(axis=1), "cosine": 0.99, "flag": ""}, catalogue.index)
    found = Extraction(
        truth.signatures, truth.exposures, samples, selection, matches(truth.signatures, truth.signatures)
    )
    explained = decompose(truth.signatures, truth.signatures.rename(lambda name: f"SBS{name}"))
    explained.table().to_csv(tmp_path / "decomposition.csv")
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
    assert "As known signatures" in text
    assert ">SBSS1</td>" in text
    assert "a &lt;b&gt;" in text
    assert "x &lt; y" in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert (
        "<title>Extraction: 5 signatures in 40 samples · vaebench</title>".replace("5", str(len(truth.signatures)))
        in text
    )
    names = {"signatures", "selection", "exposures", "reconstruction", "map", "similarity"}
    names |= {"exposures_stacked", "exposures_counts"}
    assert {p.stem for p in (tmp_path / "figures").iterdir()} == names
    samples.iloc[0, 2] = "misfit"
    fit = Refit(truth.exposures, long_intervals(truth.exposures), samples, 1.2, 0.95)
    text = refit_page(tmp_path, fit, types=None, info={}).read_text(encoding="utf-8")
    assert "Dispersion 1.20" in text
    assert "<title>Refit: 40 samples" in text
    assert text.count("misfit") == 1
    assert text.count("<tr>") > len(truth.exposures)
    coverage = pd.DataFrame({"group": ["all"], "coverage": [0.94], "count": [100]})
    assert "nominal 95%" in calibration_page(tmp_path, coverage, 0.95, {}).read_text(encoding="utf-8")
    coverage = coverage.assign(coverage_fit=0.94, coverage_neighbours=np.nan)
    text = calibration_page(tmp_path, coverage, 0.95, {}).read_text(encoding="utf-8")
    assert "True exposures come from the fit of this catalogue. Small" in text


def test_table_sorts_by_number_and_escapes_text():
    html = table(pd.DataFrame({"name": ["<i>"], "value": [np.nan], "other": [1234.5678]}))
    assert "&lt;i&gt;" in html
    assert 'data-v=""' in html
    assert 'data-v="1234.5678"' in html


@pytest.mark.parametrize(
    ("context", "colours", "blocks", "label"),
    [
        ("SBS96", SUBSTITUTION_COLOURS, 6, "ACA"),
        ("DBS78", DOUBLET_COLOURS, 10, "CA"),
        ("ID83", INDEL_COLOURS, 16, "1"),
    ],
)
def test_each_context_has_the_colours_and_labels_of_the_field(context, colours, blocks, label):
    look = channel_look(CONTEXTS[context])
    assert look.context == context
    assert len(look.blocks) == blocks
    assert len(look.colours) == len(look.labels) == len(CONTEXTS[context])
    assert list(dict.fromkeys(look.colours)) == list(colours.values())
    assert look.labels[0] == label
    table = pd.DataFrame([np.full(len(look.labels), 3.0)], ["T1"], list(CONTEXTS[context]))
    (ax,) = spectra(table).axes
    assert [t.get_text() for t in ax.get_xticklabels()] == look.labels
    assert set(bar_colours(ax)) == set(colours.values())
    assert "numbers of mutations" in footnote(ax.figure)


@pytest.mark.parametrize(("context", "blocks"), [("SBS288", 18), ("SBS384", 24), ("SBS1536", 6)])
def test_contexts_with_more_channels_than_labels_keep_the_colours(context, blocks):
    names = list(CONTEXTS[context])
    shuffled = [names[i] for i in np.random.default_rng(0).permutation(len(names))]
    table = pd.DataFrame([np.arange(len(names), dtype=float) + 1], ["T1"], shuffled)
    figure = spectra(table)
    (ax,) = figure.axes
    assert [t.get_text() for t in ax.get_xticklabels()] == []  # hundreds of names would be a black bar
    look = channel_look(field_order(shuffled))
    assert len(look.blocks) == blocks
    assert bar_colours(ax) == look.colours
    assert set(look.colours) == set(SUBSTITUTION_COLOURS.values())
    assert [t.get_text() for t in ax.texts] == [block.name for block in look.blocks]
    assert "Within a colour" in footnote(figure)
    (bars,) = ax.collections  # each value under its own substitution, whatever the order of the table
    tops = [path.vertices[:, 1].max() for path in bars.get_paths()]
    for name, value in table.iloc[0].items():
        change = re.search(r"\[(.>.)\]", str(name))[1]
        assert look.colours[tops.index(value)] == SUBSTITUTION_COLOURS[change]


def test_unknown_channels_are_drawn_with_their_names():
    look = channel_look(["A", "B"])
    assert (look.context, look.labels, len(set(look.colours))) == ("", ["A", "B"], 1)


def test_residuals_have_the_band_of_poisson_counts(cohort):
    catalogue, truth = cohort
    mean = truth.exposures @ truth.signatures
    name = catalogue.index[1]
    figure = sample_fit(catalogue.loc[name], mean.loc[name])
    observed, fitted, residual = figure.axes
    np.testing.assert_allclose(bar_heights(observed), catalogue.loc[name])
    np.testing.assert_allclose(bar_heights(fitted), mean.loc[name])
    np.testing.assert_allclose(bar_heights(residual), catalogue.loc[name] - mean.loc[name])
    low, high = poisson.interval(0.95, mean.loc[name])  # the oracle: scipy's own interval
    ends = np.array([segment[:, 1] for segment in band(residual).get_segments()])
    np.testing.assert_allclose(ends, np.stack([low, high], 1) - mean.loc[name].to_numpy()[:, None])
    wide = sample_fit(catalogue.loc[name], mean.loc[name], dispersion=4.0).axes[2]
    wider = np.array([segment[:, 1] for segment in band(wide).get_segments()])
    np.testing.assert_allclose(wider[:, 1], 2 * ends[:, 1])
    assert (wider[:, 0] >= -mean.loc[name].to_numpy() - 1e-9).all()


def test_the_band_has_the_noise_that_was_fitted(cohort):
    catalogue, truth = cohort
    name = catalogue.index[1]
    observed, mean = catalogue.loc[name], (truth.exposures @ truth.signatures).loc[name]
    result = SimpleNamespace(dispersion=9.0, growth=0.0, size=12.0)
    figure = sample_fit(observed, mean, **sample_noise(result, observed.sum()))
    ends = np.array([segment[:, 1] for segment in band(figure.axes[2]).get_segments()])
    draws = np.random.default_rng(0).poisson(mean.to_numpy() * np.random.default_rng(1).gamma(12, 1 / 12, (20_000, 96)))
    width = np.subtract(*np.quantile(draws, [0.975, 0.025], axis=0))
    np.testing.assert_allclose(ends[:, 1] - ends[:, 0], width, rtol=0.1, atol=1.5)
    assert "a negative binomial of size 12" in footnote(figure)
    result = SimpleNamespace(dispersion=9.0, growth=3 / observed.sum(), size=np.inf)
    grown = sample_fit(observed, mean, **sample_noise(result, observed.sum()))
    assert "dispersion of 4.00 of this sample's number of mutations" in footnote(grown)
    fixed = sample_fit(observed, mean, dispersion=4.0)
    for a, b in zip(*(band(f.axes[2]).get_segments() for f in (grown, fixed)), strict=True):
        np.testing.assert_allclose(a, b)
    assert "widened for a dispersion of 9.00." in footnote(
        sample_fit(observed, mean, **sample_noise(SimpleNamespace(dispersion=9.0), 5))
    )


def test_residuals_are_outlined(cohort):
    """Light grey bars would be lost on the grey band."""
    catalogue, truth = cohort
    figure = sample_fit(catalogue.iloc[0], (truth.exposures @ truth.signatures).iloc[0])
    (bars,) = (c for c in figure.axes[2].collections if isinstance(c, PolyCollection))
    assert bars.get_linewidth()[0] > 0
    assert np.mean(bars.get_edgecolor()[0][:3]) < 0.3


def test_a_comparison_shows_both_spectra_and_their_difference(cohort):
    _, truth = cohort
    first, second = (truth.signatures.iloc[i] for i in (0, 1))
    figure = spectrum_comparison(first * 7, second[::-1])  # counts, and channels in another order
    assert f"cosine {cosines(first.to_numpy()[None], second.to_numpy()[None])[0, 0]:.3f}" in figure.axes[0].get_title(
        "left"
    )
    np.testing.assert_allclose(bar_heights(figure.axes[2]), first - second, atol=1e-12)


def test_stacked_bars_add_up_and_are_sorted(cohort):
    _, truth = cohort
    (ax,) = stacked_exposures(truth.exposures, truth.types).axes
    bars = np.array([[bar.get_height() for bar in part] for part in ax.containers])
    order = sorted(truth.exposures.index, key=lambda n: (truth.types[n], -truth.exposures.loc[n].sum()))
    np.testing.assert_allclose(bars.sum(0), truth.exposures.loc[order].sum(axis=1))
    (ax,) = stacked_exposures(truth.exposures, shares=True).axes
    total = np.array([[bar.get_height() for bar in part] for part in ax.containers]).sum(0)
    np.testing.assert_allclose(total, (truth.exposures.sum(axis=1) > 0).sort_values(ascending=False).astype(float))


def test_thousands_of_samples_are_areas_of_the_same_heights():
    rng = np.random.default_rng(0)
    exposures = pd.DataFrame(rng.gamma(1.0, 10.0, (400, 2)), columns=["a", "b"])
    (ax,) = stacked_exposures(exposures).axes
    assert len(ax.containers) == 0
    assert len(ax.collections) == 2
    highest = max(path.vertices[:, 1].max() for path in ax.collections[1].get_paths())
    assert highest == pytest.approx(exposures.sum(axis=1).max())


def many(samples: int) -> pd.DataFrame:
    """Exposures to 86 signatures, of which 8 are there in some samples."""
    rng = np.random.default_rng(0)
    found = pd.DataFrame(0.0, [f"T{i + 1}" for i in range(samples)], [f"SBS{i + 1}" for i in range(86)])
    found.iloc[:, 10:18] = rng.gamma(1.0, 200.0, (samples, 8)) * (rng.random((samples, 8)) < 0.5)
    found.iloc[:, 10] = 50.0
    return found


def test_of_86_signatures_only_those_that_are_there_are_drawn():
    e = many(30)
    (ax, _) = drawn_exposures.exposures_by_type(e, None).axes
    assert len(ax.get_xticks()) == 8
    assert "at 1% or less of every sample, not drawn: 78." in footnote(ax.figure)
    figure = stacked_exposures(e)
    assert len(figure.axes[0].containers) == 8
    ax.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
    assert all(a.x1 <= b.x0 for a, b in itertools.pairwise(boxes))
    crowd = pd.DataFrame(np.ones((3, 86)), list("abc"), e.columns)
    (ax, _) = drawn_exposures.exposures_by_type(crowd, None).axes
    ax.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
    assert len(boxes) == drawn_exposures.SIGNATURES_SHOWN
    assert all(a.x1 <= b.x0 for a, b in itertools.pairwise(boxes))
    assert "Smaller signatures, not drawn: 46." in footnote(ax.figure)


def test_one_sample_reads_as_one_sample(tmp_path):
    e = many(1)
    figure = one_sample_exposures(e.iloc[0])
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == sorted(e.iloc[0][e.iloc[0] > 0.01 * e.iloc[0].sum()], reverse=True)
    channels = CONTEXTS["SBS96"]
    rng = np.random.default_rng(1)
    signatures = pd.DataFrame(rng.dirichlet(np.ones(96), 86), e.columns, list(channels))
    counts = pd.DataFrame(rng.poisson(e @ signatures), e.index, list(channels))
    samples = pd.DataFrame({"mutations": counts.sum(axis=1), "cosine": [0.98], "flag": ""})
    fit = Refit(e, long_intervals(e), samples, 1.0, 0.95, counts, signatures)
    text = refit_page(tmp_path, fit, types=None, info={}).read_text(encoding="utf-8")
    assert "1 samples" not in text
    assert "86 signatures offered to one sample" in text
    assert {p.stem for p in (tmp_path / "figures").iterdir()} == {"exposures", "sample_1", "intervals"}


def test_intervals_of_what_is_small_are_counted_not_listed(tmp_path):
    e = many(30)
    long = long_intervals(e).assign(lower=0.0)
    figure = drawn_exposures.interval_panels(drawn_exposures.intervals_by_size(long), 0.95, least=0.01)
    names = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert set(names) <= set(e.columns[10:18])
    assert names == [name for name in present_by_size(e)[0] if name in names]
    assert "small or absent from all of these" in footnote(figure)
    long["presence"] = np.nan
    body = interval_section(tmp_path, long, 0.95)
    assert ">presence<" not in body
    assert body.count("<tr>") < 30 * 9 + 5
    assert "more lines are in intervals.csv" in body


def test_the_score_that_decides_stands_first_and_larger():
    selection = pd.DataFrame(
        {"k": [2, 3], "mean_silhouette": [0.9, 0.8], "error": [2.0, 1.0], "criterion": [2358.541, 2358.542]}
    ).assign(chosen=[False, True])
    by_criterion, by_error = k_selection(selection), k_selection(selection, "stability")
    assert by_criterion.axes[0].get_title("left").startswith("Decides: information criterion")
    assert by_error.axes[0].get_title("left").startswith("Decides: reconstruction error")
    assert all(ax.get_title("left").startswith("For information") for ax in by_error.axes[1:])
    by_criterion.canvas.draw()
    assert by_criterion.axes[0].yaxis.get_offset_text().get_text() == ""  # every tick says its whole value


def test_burden_is_sorted_by_median_and_per_megabase(cohort):
    catalogue, truth = cohort
    totals = catalogue.sum(axis=1)
    (ax,) = burden(totals, truth.types, megabases=2800).axes
    medians = (totals[totals > 0] / 2800).groupby(truth.types).median().sort_values()
    assert [t.get_text().split("\n")[0] for t in ax.get_xticklabels()] == list(medians.index)
    assert [line.get_ydata()[0] for line in ax.lines] == pytest.approx(list(medians))


def test_notes_say_what_to_do_once(cohort):
    assert all(text[0].isupper() and text.endswith(".") for text in ADVICE.values())
    note = "The chosen number 5 is the largest that was tried; there may be more signatures."
    html = notes_html([note, note, "x < y"])
    assert html.count(note) == 1
    assert "What to do:" in html
    assert "x &lt; y" in html
    assert advice("x < y") == ""
    html = notes_html(["A prior of `sparse` takes them apart (--prior-weight 100)."])
    assert "of <code>sparse</code> takes" in html
    assert '<span class="option">--prior-weight</span> 100' in html


def test_a_page_follows_the_dark_and_quotes_its_command(cohort, tmp_path):
    coverage = pd.DataFrame({"group": ["all"], "coverage": [0.94], "count": [100]})
    info = {"command": ["vaebench", "calibrate", "my file.csv"], "seed": 0}
    text = calibration_page(tmp_path, coverage, 0.95, info).read_text(encoding="utf-8")
    assert "prefers-color-scheme:dark" in text
    assert "<code>vaebench calibrate &#x27;my file.csv&#x27;</code>" in text
    assert "<dt>seed</dt><dd>0</dd>" in text
    # an option is not broken at the end of a line
    info = {"command": ["vaebench", "extract", "--tsv", "--k-max", "3", "--out", "a/very/long/folder/of/results"]}
    marked = '<span class="option">--tsv</span> <span class="option">--k-max 3</span> <span class="option">--out</span> a/very'
    assert marked in definitions(info)


def test_a_figure_for_the_dark_keeps_the_colours_of_channels(cohort):
    figure = style.darkened(spectra(cohort[1].signatures.head(1)))
    (ax,) = figure.axes
    found = bar_colours(ax)
    kept = {key: colour.upper() for key, colour in SUBSTITUTION_COLOURS.items() if key != "C>G"}
    for channel, colour in zip(cohort[1].signatures.columns, found, strict=True):
        assert colour == kept.get(channel[2:5], colour)
    assert min(int(found[16][i : i + 2], 16) for i in (1, 3, 5)) > 240  # black is seen
    assert to_hex(figure.get_facecolor()) == to_hex(ax.get_facecolor()) == style.DARK
    assert all(sum(to_rgb(label.get_color())) > 2.5 for label in ax.get_yticklabels())


def test_colours_as_dark_as_a_dark_page_are_brighter_there():
    figure = style.darkened(spectra(pd.DataFrame([[1 / 78] * 78], ["A"], list(CONTEXTS["DBS78"]))))
    found = np.array([to_rgb(colour) for colour in bar_colours(figure.axes[0])])
    assert (found**2.2 @ [0.2126, 0.7152, 0.0722]).min() > 0.09
    assert to_hex(found[0]).upper() == DOUBLET_COLOURS["AC"]
    assert to_hex(found[-1]).upper() != DOUBLET_COLOURS["TT"]


def test_dots_that_let_the_dark_through_stand_out_from_it():
    names = list("ABCDEF")
    drawn = drawn_exposures.sample_map(np.arange(12.0).reshape(6, 2), pd.Series(["x", "y"] * 3, names), "a map")
    page = np.array(to_rgb(style.DARK))
    seen = [to_rgba(c) for dots in style.darkened(drawn).axes[0].collections for c in dots.get_facecolor()]
    mixed = np.array([np.array(c[:3]) * c[3] + (1 - c[3]) * page for c in seen])
    assert {c[3] for c in seen} == {0.7}
    assert (mixed**2.2 @ [0.2126, 0.7152, 0.0722]).min() > 0.16


def test_a_calibration_names_the_sources_that_it_has(tmp_path):
    coverage = pd.DataFrame({"group": ["all"], "coverage": [0.94], "count": [100], "coverage_prior": [0.9]})
    text = calibration_page(tmp_path, coverage, 0.9, {}).read_text(encoding="utf-8")
    assert "<h1>Calibration: coverage of 90% intervals</h1>" in text
    assert "True exposures come from a prior that knows nothing of it. Small" in text
    assert "spectra that vary" not in text


def test_cells_without_a_value_are_dashes():
    text = table(pd.DataFrame({"reference": ["SBS1", None], "shares": ["1.0", float("nan")], "cosine": [0.9, np.nan]}))
    assert "None" not in text
    assert "nan" not in text.replace('data-v=""', "")
    assert text.count("–") == 3


def test_a_page_holds_both_figures_and_the_style_shows_one(cohort, tmp_path):
    few = cohort[1].exposures.head(3)
    samples = pd.DataFrame({"mutations": [2100.0, 2150.0, 2300.0], "cosine": [0.9, 0.95, 0.99], "flag": ""}, few.index)
    text = refit_page(tmp_path, Refit(few, None, samples, 1.0, 0.95), types=None, info={}).read_text(encoding="utf-8")
    assert "<picture" not in text  # a printer would be given the figure for the dark
    assert text.count('class="day"') == text.count('class="night"') == 3
    assert text.count("@media screen and (prefers-color-scheme:dark)") == 1


def test_axes_of_few_samples_have_round_numbers():
    def ticks(mutations):
        samples = pd.DataFrame({"mutations": mutations, "cosine": np.linspace(0.9, 1, len(mutations))})
        figure = drawn_exposures.reconstruction_quality(samples)
        figure.draw_without_rendering()
        axis, (low, high) = figure.axes[0].xaxis, figure.axes[0].get_xlim()
        labels = zip([*axis.get_majorticklocs(), *axis.get_minorticklocs()],
                     [*axis.get_majorticklabels(), *axis.get_minorticklabels()], strict=True)  # fmt: skip
        return [
            text.get_text()
            for place, text in sorted(labels, key=lambda p: p[0])
            if low <= place <= high and text.get_text()
        ]

    assert ticks([1800.0, 4000.0, 13000.0]) == ["2,000", "5,000", "10,000"]
    assert ticks([100.0, 300.0, 1000.0]) == ["100", "200", "500", "1,000"]
    assert ticks([30.0, 3000.0, 90000.0]) == ["100", "1,000", "10,000", "100,000"]
    assert 3 <= len(ticks([2160.0, 2210.0, 2300.0])) <= 7


def test_names_of_few_samples_lie_flat_and_numbers_of_signatures_are_whole(cohort):
    exposures = cohort[1].exposures
    for count, turned in ((4, 0), (30, 90)):
        (ax,) = stacked_exposures(exposures.head(count).set_axis([f"P{i:03}" for i in range(count)])).axes
        assert {label.get_rotation() for label in ax.get_xticklabels()} == {turned}
    one = pd.DataFrame({"k": [3], "error": [1.0], "chosen": [True]})
    figure = k_selection(one)
    figure.draw_without_rendering()
    labels = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    assert "3" in labels
    assert all(label.isdigit() for label in labels)


def test_names_of_few_signatures_are_level_and_as_large_as_other_texts():
    few, many = (pd.DataFrame(np.eye(n), columns=[f"SBS{i}" for i in range(n)]) for n in (3, 20))
    for drawn, turn, size in ((few, 0, style.SMALL), (many, 90, style.SMALL - 2)):
        label = drawn_exposures.exposures_by_type(drawn, None).axes[0].get_xticklabels()[0]
        assert (label.get_rotation(), label.get_fontsize()) == (turn, size)


def test_burdens_are_plain_numbers():
    figure = burden(pd.Series([0.3, 0.7, 2.5, 4.0]) * 2800, megabases=2800)
    figure.draw_without_rendering()
    axis = figure.axes[0].yaxis
    texts = {label.get_text() for label in [*axis.get_majorticklabels(), *axis.get_minorticklabels()]}
    assert {"0.5", "1", "2"} <= texts
    assert not any("$" in text for text in texts)
