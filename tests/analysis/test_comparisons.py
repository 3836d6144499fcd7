from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rows_factory import AXES, NAMES, SCORE, grid
from scipy import stats

from vaebench.analysis.comparisons import (
    best_settings,
    dataset_agreement,
    failures_by_level,
    level_effects,
    mean_interval,
    score_correlation,
    signed_rank_p,
)
from vaebench.analysis.uncertainty import adjusted
from vaebench.errors import InputError


def noisy(seeds=1, seed=0):
    rng = np.random.default_rng(seed)
    return grid(lambda v, s: v[0] / 50 + (v[2] == "adam") * 0.1 + rng.normal(0, 0.2), seeds)


def test_levels_are_compared_block_by_block():
    rows = noisy(seeds=2)
    rows.loc[[0, 1, 9], "status"] = "DIVERGED"
    found = level_effects(rows, SCORE, NAMES, higher_is_better=True).set_index(["hyperparameter", "level"])
    good = rows[rows["status"] == "OK"]
    means = good.groupby(NAMES)[SCORE].mean()
    for latent in AXES["static/latent"]:
        differences = []
        for rate in AXES["traced/learning_rate"]:
            for optimizer in AXES["traced/optimizer"]:
                others = [means.get((o, rate, optimizer), np.nan) for o in AXES["static/latent"] if o != latent]
                own = means.get((latent, rate, optimizer), np.nan)
                if np.isfinite(own) and np.isfinite(others).any():
                    differences.append(own - np.nanmean(others))
        line = found.loc["static/latent", latent]
        assert line["blocks"] == len(differences)
        assert line["difference"] == pytest.approx(np.mean(differences))
        assert line["beats"] == pytest.approx(np.mean(np.array(differences) > 0))
        assert line["p"] == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)
        assert line["low"] < line["difference"] < line["high"]
    distinct = [True] * 7 + [True, False]  # the two optimizers have one difference
    assert [name for name, _ in found.index[-2:]] == ["traced/optimizer"] * 2
    assert found["adjusted"][distinct].to_numpy() == pytest.approx(adjusted(found["p"][distinct].to_numpy()))
    none = level_effects(rows, SCORE, ["static/variant", *NAMES], higher_is_better=True, compared=["static/variant"])
    assert none.empty
    assert list(none.columns) == list(found.reset_index().columns)
    alone = level_effects(rows, SCORE, NAMES, higher_is_better=True, compared=NAMES[:1])
    assert alone["p"].to_numpy() == pytest.approx(found.loc[NAMES[0], "p"].to_numpy())
    assert alone["adjusted"].to_numpy() == pytest.approx(adjusted(alone["p"].to_numpy()))


def test_pairs_and_the_direction_of_better():
    rows = grid(lambda v, s: 1.0 if v[2] == "adam" else 2.0)
    found = level_effects(rows, SCORE, NAMES, higher_is_better=False, pairs=True)
    line = found[(found["level"] == "adam") & (found["against"] == "sgd")].iloc[0]
    assert (line["difference"], line["beats"], line["blocks"]) == (-1.0, 1.0, 12)
    ties = found[found["hyperparameter"] == "static/latent"]
    assert (ties["beats"] == 0.5).all()
    assert (ties["p"] == 1.0).all()
    assert len(ties) == 6


def test_two_lines_of_the_same_levels_are_one_test():
    rng = np.random.default_rng(2)
    rows = grid(
        lambda v, s: 0.2 * v[0] + rng.normal(),
        axes={**AXES, "static/latent": (1, 2, 3), "traced/optimizer": ("a", "b")},
    )
    found = level_effects(rows, SCORE, NAMES, higher_is_better=True, pairs=True)
    once = found[[f"{a}" < f"{b}" for a, b in zip(found["level"], found["against"], strict=True)]]
    assert 2 * len(once) == len(found)
    # Holm's procedure by its definition
    order = np.argsort(once["p"].to_numpy())
    by_hand = np.maximum.accumulate(np.minimum(1, once["p"].to_numpy()[order] * np.arange(len(once), 0, -1)))
    np.testing.assert_allclose(once["adjusted"].to_numpy()[order], by_hand)
    both = found[found["hyperparameter"] == "traced/optimizer"]
    assert both["adjusted"].nunique() == 1
    alone = level_effects(rows, SCORE, NAMES, higher_is_better=True, compared=["traced/optimizer"])
    np.testing.assert_allclose(alone["adjusted"], alone["p"])


def test_one_hyperparameter_alone_is_compared_over_seeds():
    rng = np.random.default_rng(0)
    rows = grid(lambda v, s: v[0] + rng.random(), 5, {"static/latent": (10, 20)})
    line = level_effects(rows, SCORE, ["static/latent"], higher_is_better=True).iloc[1]
    wide = rows.pivot(index="traced/seed", columns="static/latent", values=SCORE)
    assert (line["level"], line["blocks"]) == (20, 5)
    assert line["difference"] == pytest.approx((wide[20] - wide[10]).mean())


def test_signed_rank_p_agrees_with_scipy_and_knows_its_limits():
    x = np.random.default_rng(0).normal(0.3, 1, 40)
    assert signed_rank_p(x) == pytest.approx(stats.wilcoxon(x).pvalue)
    assert np.isnan(signed_rank_p(x[:2]))
    tied = np.round(x, 0)
    assert signed_rank_p(tied) == pytest.approx(stats.wilcoxon(tied, method="approx").pvalue)


def test_intervals_of_means_cover():
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(200):
        low, high = mean_interval(rng.exponential(1, 40), draws=300, seed=trial)
        held += low <= 1 <= high
    assert 0.88 <= held / 200 <= 0.98


def test_the_best_of_many_equal_settings_is_scored_by_other_seeds():
    # 24 settings without any difference: the best mean is far above 0, its score on other seeds is not
    best, honest, wide, held = [], [], [], 0
    for trial in range(40):
        rng = np.random.default_rng(trial)
        rows = grid(lambda v, s, rng=rng: rng.normal(), 5)
        line = best_settings(rows, SCORE, ["static/variant", *NAMES], higher_is_better=True, draws=200).iloc[0]
        best.append(line["best"])
        honest.append(line["honest"])
        held += line["low"] <= 0 <= line["high"]
        wide.append(line["high"] - line["low"])
    assert np.median(wide) < 3.0  # five normal values have a t interval 2.5 wide
    assert np.mean(best) > 0.6
    assert abs(np.mean(honest)) < 0.25
    assert held >= 36


def test_the_best_setting_of_every_group():
    rows = pd.concat([noisy(), noisy(seed=1).assign(**{"static/variant": "iwae"})], ignore_index=True)
    rows.loc[5, SCORE] = -3.0
    found = best_settings(rows, SCORE, ["static/variant", *NAMES], higher_is_better=False)
    line = found.iloc[0]
    assert line["static/variant"] == "vae"
    assert (line["best"], line["settings"], line["seeds"]) == (-3.0, 24, 1)
    assert list(line[NAMES]) == list(rows.loc[5, NAMES])
    assert np.isnan(line["honest"])
    assert np.isnan(line["low"])
    assert line["top"] == -3.0  # 5% of 24 is one
    assert line["top_low"] == -3.0 < line["top_high"]
    with pytest.raises(InputError, match="'static/variant', which is not among the factors"):
        best_settings(rows, SCORE, NAMES, higher_is_better=False)


def test_settings_of_two_data_sets_are_matched_by_setting():
    rows = noisy()
    other = rows.sample(frac=1, random_state=0).assign(**{SCORE: lambda r: -r[SCORE]}).iloc[:20]
    found = dataset_agreement(rows, other, SCORE, NAMES, within="traced/optimizer").set_index("group")
    assert found["rho"].to_numpy() == pytest.approx(-1)
    assert found.loc["all", "n"] == 20 == found.loc["adam", "n"] + found.loc["sgd", "n"]
    rows["loss/valid"] = np.exp(rows[SCORE])
    assert score_correlation(rows, SCORE, "loss/valid", NAMES)["rho"].iloc[0] == pytest.approx(1)


def test_failures_are_counted_by_level_and_tested():
    rows = noisy()
    high = rows["traced/learning_rate"] == 1e-1
    rows.loc[high, "status"] = "DIVERGED"
    rows.loc[0, SCORE] = np.nan  # trained, without a score
    found = failures_by_level(rows, NAMES).set_index(["hyperparameter", "level"])
    line = found.loc["traced/learning_rate", 1e-1]
    assert (line["failed"], line["of"], line["rate"]) == (6, 6, 1.0)
    # G2 = 2 sum o ln(o / e), by hand
    observed = np.array([[0, 0, 0, 6], [6, 6, 6, 0]])
    expected = observed.sum(axis=1, keepdims=True) * observed.sum(axis=0) / 24
    some = observed > 0
    g2 = 2 * (observed[some] * np.log(observed[some] / expected[some])).sum()
    assert line["g2"] == pytest.approx(g2)
    assert line["p"] == pytest.approx(stats.chi2.sf(g2, 3))
    assert line["adjusted"] == pytest.approx(3 * line["p"])
    assert found.loc["static/latent", 10]["p"] == pytest.approx(1)
    scored = failures_by_level(rows, NAMES, score=SCORE).set_index(["hyperparameter", "level"])
    assert scored.loc["static/latent", 10]["failed"] == 3
    assert failures_by_level(noisy(), NAMES)["p"].isna().all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rows: level_effects(rows, SCORE, NAMES, higher_is_better=True, level=95), "level=95 must be above 0"),
        (lambda rows: level_effects(rows, SCORE, NAMES, higher_is_better=True, compared=["foo"]), "compared 'foo'"),
        (lambda rows: best_settings(rows, SCORE, NAMES, higher_is_better=True, level=95), "level=95 must be above 0"),
        (lambda rows: best_settings(rows, SCORE, NAMES, higher_is_better=True, draws=0), "draws=0 is not allowed"),
        (lambda rows: score_correlation(rows, SCORE, SCORE, NAMES, within="foo"), "within 'foo'"),
        (lambda rows: score_correlation(rows, SCORE, SCORE, [*NAMES, NAMES[0]]), "more than once"),
        (lambda rows: dataset_agreement(rows, rows, SCORE, NAMES, within="foo"), "within 'foo'"),
        (lambda rows: failures_by_level(rows, ["foo"]), "factors 'foo'"),
        (lambda rows: failures_by_level(rows, NAMES[0]), "must be a list"),
    ],
)
def test_options_out_of_range(call, message):
    with pytest.raises(InputError, match=message):
        call(noisy(2))


def test_one_name_is_a_list_of_one():
    rows = noisy(2)
    one, listed = (
        level_effects(rows, SCORE, NAMES, higher_is_better=True, compared=names) for names in (NAMES[0], [NAMES[0]])
    )
    pd.testing.assert_frame_equal(one, listed)
