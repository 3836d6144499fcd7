from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from rows_factory import fail, make_rows

from vaebench.analysis.settings import LOSS
from vaebench.errors import InputError
from vaebench.figures import CAPTIONS, FIGURES, NEEDS, ranking, sample_map, save, spots, style, training_history

MANY = tuple(f"variant_{i}" for i in range(9))
CASES = {
    "plain": make_rows(seeds=2),
    "all failed": fail(make_rows(seeds=1, baseline=False), slice(None)),
    "one seed": make_rows(seeds=1),
    "no cox": make_rows(seeds=1).filter(regex="^(?!metric/cox)"),
    "no baseline": make_rows(seeds=1, baseline=False),
    "one row": make_rows().iloc[:1],
    "only baselines": make_rows().tail(2),
    "500 settings": make_rows(latents=tuple(range(2, 252)), rates=(1e-3,), seeds=1),
    "many of all": make_rows(MANY, (5, 10, 20, 50), tuple(10.0**-k for k in range(1, 10)), 1),
}


def texts(figure: Figure) -> str:
    figure.canvas.draw()
    found = [t.get_text() for ax in figure.axes for t in (*ax.texts, *ax.get_yticklabels(), ax.title)]
    title = [ax.get_title(loc="left") for ax in figure.axes]
    return " ".join(" ".join([*found, *title, figure.get_supxlabel()]).split())


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[pytest.mark.slow] if case in ("500 settings", "many of all") else []) for case in CASES],
)
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_every_table(name, case):
    before = CASES[case].copy()
    figure = FIGURES[name](CASES[case])
    figure.canvas.draw()
    pd.testing.assert_frame_equal(before, CASES[case])


def test_registries_have_the_same_names():
    assert set(FIGURES) == set(NEEDS) == set(CAPTIONS)


def test_texts_are_drawn_where_the_font_has_them():
    assert style.plain("TNF-α β₂ 癌") == "TNF-α β₂ ?"


def test_names_that_would_look_alike_are_cut_in_the_middle():
    names = ["Breast invasive carcinoma, luminal A", "Breast invasive carcinoma, luminal B", "Lung"]
    first, second, other = style.plain_names(names, 16)
    assert first != second
    assert (first[0], first[-1], second[-1], len(first), other) == ("B", "A", "B", 16, "Lung")
    assert style.plain_names(names[1:], 16) == ["Breast invasive…", "Lung"]


def test_many_variants_and_widths_are_told_apart_or_said_to_share_a_look():
    rows = make_rows(tuple(f"variant_{i:02d}" for i in range(17)), tuple(range(2, 12)), (1e-3,), 1)
    figure = FIGURES["loss_against_ari"](rows)
    handles = figure.legends[0].legend_handles[:17]
    looks = [(str(h.get_markerfacecolor()), str(h.get_markeredgecolor())) for h in handles]
    assert len(set(looks)) == 17
    assert "one colour and filling, one marker; the widths from L=9 up share one." in texts(figure)
    few = texts(FIGURES["loss_against_ari"](make_rows(seeds=2)))
    assert "one colour, one marker. " in few


def test_samples_without_a_label_are_grey_last_and_behind():
    types = pd.Series([style.NO_LABEL] * 3 + ["A", "B"])
    ax = sample_map(np.zeros((5, 2)), types, "t-SNE").axes[0]
    last = ax.collections[-1]
    assert last.get_label() == "no label (3)"
    assert last.get_zorder() < ax.collections[0].get_zorder()
    assert str(last.get_facecolor()) != str(ax.collections[0].get_facecolor())


def test_pyplot_is_not_used():
    here = Path(__file__).parent.parent  # of rows_factory
    code = (
        "import sys; from rows_factory import make_rows; from vaebench.figures import FIGURES\n"
        "for draw in FIGURES.values(): draw(make_rows())\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=here)


def test_failures_are_counted_on_the_figure():
    rows = fail(make_rows(), [0, 1, 2, 3])
    rows.loc[5, "metric/cox/status"] = "NAN_EMBEDDING: 3 of 9 samples"
    assert "22 of 26 rows have an ARI. Without: 4 DIVERGED." in texts(FIGURES["ari_by_setting"](rows))
    assert "no usable seed" in texts(FIGURES["ari_by_setting"](rows))
    assert "19 of 24 trained rows are shown. Not shown: 4 DIVERGED, 1 cox: NAN_EMBEDDING." in texts(
        FIGURES["loss_against_aic"](rows)
    )
    assert "20 of 24 trained rows have a curve. Not shown: 4 DIVERGED." in texts(FIGURES["loss_curves"](rows))
    assert "ρ = -" in texts(FIGURES["ari_against_aic"](rows))
    assert ", n = 19" in texts(FIGURES["ari_against_aic"](rows))


def test_at_most_thirty_settings_and_a_note_of_the_others():
    figure = FIGURES["ari_by_setting"](make_rows(latents=tuple(range(2, 52)), rates=(1e-3,), seeds=1))
    assert len(figure.axes[0].get_yticks()) == 30
    assert "120 more settings are not drawn" in texts(figure)
    assert "pca" in texts(figure)


def test_loss_axis_is_logarithmic_only_over_two_decades():
    rows = make_rows()
    assert FIGURES["loss_against_ari"](rows).axes[0].get_yscale() == "linear"
    rows.loc[rows["static/variant"] == "vae", "loss/valid"] *= 1000
    assert FIGURES["loss_against_ari"](rows).axes[0].get_yscale() == "log"
    rows.loc[0, "loss/valid"] = -1e9
    assert FIGURES["loss_against_ari"](rows).axes[0].get_yscale() == "symlog"


def test_histories_may_differ_in_length_and_hold_gaps():
    rows = make_rows(variants=("vae",), latents=(10,), rates=(1e-3,), seeds=4, baseline=False)
    rows["history/valid"] = pd.Series([[3.0, 1.0], np.array([5.0, 3.0, 2.0]), [np.nan], None], dtype=object)
    figure = FIGURES["loss_curves"](rows)
    assert list(figure.axes[0].lines[0].get_ydata()) == [4.0, 2.0, 1.5]
    assert "2 of 4 trained rows have a curve. Not shown: 2 without history." in texts(figure)


def test_odd_names_are_drawn_as_they_stand():
    rows = make_rows(variants=("$x^{", "日本" * 30), seeds=1)
    for draw in FIGURES.values():
        draw(rows).canvas.draw()


def test_save_is_png_and_leaves_nothing_else(tmp_path):
    path = save(FIGURES["ari_by_setting"](make_rows(seeds=1)), tmp_path / "deep" / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]
    with pytest.raises(InputError, match=r"must end in \.png"):
        save(Figure(), tmp_path / "a.pdf")


def test_losses_far_above_the_rest_are_lowered_and_told():
    near = np.linspace(1, 2, 50)
    values, far = style.fenced([*near, 1e20, np.nan])
    assert far.sum() == 1
    assert far[50]
    np.testing.assert_array_equal(values, [*near, 2.0, np.nan])
    # what is beyond the fence but leaves the rest readable stays
    values, far = style.fenced([*near, 8.0])
    assert not far.any()
    assert values[-1] == 8.0
    rows = make_rows(seeds=5)
    place = rows.index[rows["static/variant"] != "pca"][3]
    rows.loc[place, LOSS] = 1e30
    figure = FIGURES["loss_against_ari"](rows)
    assert "Losses far above the rest of their variant (1, up to 1e+30)" in texts(figure)
    assert figure.axes[0].get_ylim()[1] < 1e6


def test_dots_say_what_they_are_where_they_are(tmp_path):
    rows = make_rows(seeds=2)
    figure = FIGURES["ari_against_aic"](rows)
    save(figure, tmp_path / "figure.png")
    found = spots(figure)
    assert len(found) == rows[["metric/leiden/ari", "metric/cox/aic"]].notna().all(axis=1).sum()
    height = {float(spot.text.split("ari ")[1].split(",")[0]): spot.top for spot in found}
    assert all(height[low] > height[high] for low, high in itertools.pairwise(sorted(height)))
    assert all(0 < spot.left < 1 and 0 < spot.top < 1 for spot in found)
    assert sum(spot.text.startswith("pca L=") for spot in found) == (rows["static/variant"] == "pca").sum()
    assert not spots(FIGURES["loss_curves"](rows))


def test_ranking_takes_any_score():
    rows = make_rows(seeds=2)
    assert texts(ranking(rows)) == texts(FIGURES["ari_by_setting"](rows))
    aic = ranking(rows, "metric/cox/aic")
    means = rows.groupby(["static/variant", "static/latent", "traced/learning_rate"], dropna=False)
    bars = [
        line.get_xdata()[0]
        for line in aic.axes[0].lines
        if len(set(line.get_xdata())) == 1 and len(line.get_ydata()) == 2
    ]
    assert min(bars) == pytest.approx(means["metric/cox/aic"].mean().min())
    assert "lower is better" in aic.axes[0].get_xlabel()
    rows["metric/probe/accuracy"] = np.linspace(0.5, 0.9, len(rows))
    with pytest.raises(InputError, match="pass higher_is_better"):
        ranking(rows, "metric/probe/accuracy")
    found = ranking(rows, "metric/probe/accuracy", higher_is_better=True)
    assert found.axes[0].get_xlabel() == "accuracy (higher is better)"
    assert "no score to rank by" in texts(ranking(rows.filter(regex="^(?!metric|loss)")))


def test_a_training_history_marks_its_lowest_loss():
    figure = training_history((3.0, 1.0, 2.0, float("nan")), (5.0, 4.0), names=["vae"])
    first, dot, *_ = figure.axes[0].lines
    assert list(first.get_ydata()) == [3.0, 1.0, 2.0]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (2, 1.0)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["vae", "training 2"]
    assert "no epoch was finished" in texts(training_history(()))


def test_axes_have_no_offset():
    rows = make_rows(seeds=2)
    rows["metric/cox/aic"] = 2358.54 + 0.001 * np.arange(len(rows))
    figure = FIGURES["ari_against_aic"](rows)
    figure.canvas.draw()
    assert [axis.get_offset_text().get_text() for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)] == ["", ""]
