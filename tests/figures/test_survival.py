from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test, multivariate_logrank_test
from scipy.stats import CensoredData, ecdf, logrank

from vaebench.errors import InputError
from vaebench.figures import survival_curves
from vaebench.figures.survival import BANDS, SHOWN, at_risk_at
from vaebench.types import Survival


def cohort(groups=3, size=40, seed=0):
    """Times in whole days, with ties, shorter in later groups."""
    rng = np.random.default_rng(seed)
    names = np.repeat([f"g{i}" for i in range(groups)], size)
    time = np.ceil(900 * rng.exponential(size=len(names)) / (1 + np.repeat(np.arange(groups), size)))
    return names, Survival(time, rng.random(len(names)) < 0.7)


def texts(figure):
    figure.canvas.draw()
    found = [t.get_text() for ax in figure.axes for t in ax.texts]
    legend = [t.get_text() for t in figure.legends[0].get_texts()] if figure.legends else []
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    return " ".join(" ".join([*found, *legend, *titles, figure.get_supxlabel()]).split())


def steps(line, at):
    """Height of a drawn step curve at times."""
    x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    return y[np.searchsorted(x, at, side="right") - 1]


def test_curves_are_kaplan_and_meiers():
    """Against lifelines, and against scipy's estimate of the survival function."""
    names, survival = cohort()
    figure = survival_curves(names, survival)
    curves = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 2]
    assert len(curves) == 3
    days = np.linspace(0, 2500, 200)
    for line, name in zip(curves, ("g0", "g1", "g2"), strict=True):
        mine = names == name
        time, event = survival.time[mine], survival.event[mine]
        fitted = KaplanMeierFitter().fit(time, event)
        np.testing.assert_allclose(steps(line, days / 365.25), fitted.predict(days).to_numpy(), atol=1e-12)
        found = ecdf(CensoredData.right_censored(time, ~event)).sf
        within = days < time.max()
        np.testing.assert_allclose(steps(line, days[within] / 365.25), found.evaluate(days[within]), atol=1e-12)


def test_bands_are_the_intervals_of_lifelines():
    names, survival = cohort(2)
    bands = survival_curves(names, survival).axes[0].collections
    assert len(bands) == 2
    for band, name in zip(bands, ("g0", "g1"), strict=True):
        ends = KaplanMeierFitter().fit(survival.time[names == name], survival.event[names == name]).confidence_interval_
        drawn = band.get_paths()[0].vertices
        assert set(np.round(ends.to_numpy().ravel(), 9)) - {np.nan} >= set(np.round(drawn[1:-1, 1], 9))
    names, survival = cohort(BANDS + 1)
    assert not survival_curves(names, survival).axes[0].collections


def test_numbers_at_risk_are_counted_under_the_ticks():
    names, survival = cohort()
    figure = survival_curves(names, survival)
    figure.canvas.draw()
    table = figure.axes[1]
    assert [label.get_text() for label in table.get_yticklabels()] == ["g0", "g1", "g2"]
    assert len(table.texts) > 6
    for text in table.texts:
        tick, place = text.get_position()
        mine = names == f"g{int(place)}"
        assert int(text.get_text()) == (survival.time[mine] >= tick * 365.25).sum()
    events = KaplanMeierFitter().fit(survival.time, survival.event).event_table["at_risk"]
    for t in (0.0, 1.0, float(np.median(survival.time)), float(survival.time.max()), 1e6):
        assert at_risk_at(events, np.array([t]))[0] == (survival.time >= t).sum()


def test_p_is_that_of_lifelines_and_of_scipy():
    names, survival = cohort(2)
    one, two = (names == name for name in ("g0", "g1"))
    sides = [CensoredData.right_censored(survival.time[m], ~survival.event[m]) for m in (one, two)]
    expected = logrank(*sides).pvalue
    theirs = logrank_test(survival.time[one], survival.time[two], survival.event[one], survival.event[two]).p_value
    assert theirs == pytest.approx(expected, rel=1e-6)
    assert f"log-rank p = {expected:.2g}, 2 groups" in texts(survival_curves(names, survival))
    names, survival = cohort(4)
    p = multivariate_logrank_test(survival.time, names, survival.event).p_value
    assert f"Survival by label log-rank p = {p:.2g}, 4 groups" in texts(
        survival_curves(names, survival, title="Survival by label")
    )


def test_what_is_left_out_is_counted():
    names, survival = cohort()
    names, time = names.astype(object), survival.time.copy()
    names[:2] = ["", None]
    time[5:8] = np.nan
    names[100:104] = "rare"
    names[104] = "rarer"
    said = texts(survival_curves(names, Survival(time, survival.event)))
    assert said.endswith(
        "Left out: 3 samples without a time or event, 2 samples without a group, "
        "2 groups of fewer than 5 samples (5 samples)."
    )
    kept = np.array([n is not None and n.startswith("g") for n in names]) & np.isfinite(time)
    assert (
        said
        == texts(survival_curves(names[kept], Survival(time[kept], survival.event[kept])))
        + said[said.index(" Left out") :]
    )


def test_many_groups_are_cut_to_the_largest_and_numbers_are_names():
    _, survival = cohort(20, 30)
    numbers = np.repeat(np.arange(20), 30)
    time = np.where((numbers == 3) & (np.arange(600) % 30 < 20), np.nan, survival.time)  # the smallest group
    figure = survival_curves(numbers, Survival(time, survival.event))
    assert len(figure.axes[1].get_yticklabels()) == SHOWN
    assert "The 8 smallest of 20 groups are in the test but not drawn." in texts(figure)
    assert "20 groups" in texts(figure)
    assert "3" not in [label.get_text() for label in figure.axes[1].get_yticklabels()]


def test_nothing_to_draw_is_said():
    names, survival = cohort()
    assert "no survival times" in texts(survival_curves(names, None))
    nothing = Survival(np.full(len(names), np.nan), survival.event)
    assert "no group has 5 samples with a time and an event" in texts(survival_curves(names, nothing))
    assert "one group" in texts(survival_curves(np.repeat("all", len(names)), survival))
    alive = Survival(survival.time, np.zeros(len(names), bool))
    assert "no event" in texts(survival_curves(names, alive))
    with pytest.raises(InputError, match=r"groups has shape \(3,\); it must be that of the times, \(120,\)"):
        survival_curves(names[:3], survival)
    days = Survival(np.minimum(survival.time, 300.0), survival.event)
    assert survival_curves(names, days).axes[0].get_xlabel() == "days"


@pytest.mark.slow
def test_pyplot_is_not_used_and_arguments_stay_as_they_are():
    code = (
        "import sys; import numpy as np; from vaebench.figures import survival_curves\n"
        "from vaebench.types import Survival\n"
        "groups, time = np.repeat(['a', 'b'], 30), np.arange(60.0)\n"
        "survival_curves(groups, Survival(time, time % 2 == 0)).canvas.draw()\n"
        "assert (time == np.arange(60)).all()\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
