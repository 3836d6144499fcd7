from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from rows_factory import fail, make_rows

from vaebench.analysis import settings as analysis
from vaebench.analysis.failures import failure_table, training_facts
from vaebench.analysis.importance import cell_table, hyperparameters
from vaebench.analysis.settings import AIC, ARI, LOSS
from vaebench.analysis.uncertainty import paired_difference
from vaebench.cli.text import table_text
from vaebench.errors import InputError


def test_numbers_equal_a_hand_calculation():
    rows = make_rows(variants=("vae",), latents=(10,), rates=(1e-3, 1e-4), seeds=3)
    rows.loc[:2, ARI] = [0.2, 0.3, 0.7]
    rows.loc[3:5, ARI] = [0.5, 0.5, 0.8]
    rows.loc[6, ARI] = 0.45
    table = analysis.settings_table(rows)
    assert list(table["kind"]) == ["model", "baseline", "model"]
    assert list(table["traced/learning_rate"].fillna(0)) == [1e-4, 0, 1e-3]
    assert list(table["n"]) == [3, 1, 3]
    last = table.iloc[2]
    assert last[f"{ARI}/mean"] == pytest.approx(0.4)
    assert last[f"{ARI}/sd"] == pytest.approx(math.sqrt((0.04 + 0.01 + 0.09) / 2))
    assert (last[f"{ARI}/min"], last[f"{ARI}/max"], last[f"{ARI}/n_used"]) == (0.2, 0.7, 3)
    assert math.isnan(table.iloc[1][f"{ARI}/sd"])


def test_settings_are_compared_with_the_first_seed_by_seed():
    rows = make_rows(variants=("vae",), latents=(10,), rates=(1e-3, 1e-4), seeds=3)
    rows.loc[:2, ARI] = [0.5, 0.6, 0.7]  # seeds 0, 1, 2
    rows.loc[3:5, ARI] = [0.6, 0.4, 0.65]
    rows.loc[6, ARI] = 0.62  # PCA has no seed
    pca, first, second = analysis.settings_table(rows).to_dict("records")
    assert math.isnan(pca[f"{ARI}/behind"])
    expected = paired_difference(np.array([0.5, 0.6, 0.7]), np.full(3, 0.62))
    assert first[f"{ARI}/behind"] == pytest.approx(0.02) == pytest.approx(-expected.mean)
    assert (first[f"{ARI}/behind_low"], first[f"{ARI}/behind_high"]) == pytest.approx((-expected.high, -expected.low))
    assert first[f"{ARI}/beats_first"] == pytest.approx(expected.better)
    assert (second[f"{ARI}/low"], second[f"{ARI}/high"]) == pytest.approx((0.4, 0.65))  # all that 3 seeds can tell
    rows = rows.drop(index=6)
    rows.loc[1, "status"] = "DIVERGED"  # its seed has no partner
    first, second = analysis.settings_table(rows).to_dict("records")
    expected = paired_difference(np.array([0.6, 0.65]), np.array([0.5, 0.7]))
    assert second[f"{ARI}/behind"] == pytest.approx(-expected.mean)
    assert second[f"{ARI}/beats_first"] == pytest.approx(expected.better)
    rows.loc[[0, 2], AIC], rows.loc[3:5, AIC] = [90.0, 100], [95.0, 99, 103]
    aic = analysis.settings_table(rows, by=AIC).to_dict("records")  # lower is better
    assert aic[1][f"{AIC}/behind"] == pytest.approx((5 + 3) / 2)
    assert aic[1][f"{AIC}/beats_first"] == pytest.approx(paired_difference(np.zeros(2), np.array([5.0, 3])).better)


def test_two_baselines_are_one_pair_without_an_interval():
    rows = make_rows(variants=("vae",), latents=(10, 50), rates=(1e-3,), seeds=4, gap=0.5)
    first, second = analysis.settings_table(rows).to_dict("records")[:2]
    assert (first["kind"], second["kind"], second[f"{ARI}/behind_n"]) == ("baseline", "baseline", 1)
    assert second[f"{ARI}/behind"] == pytest.approx(first[f"{ARI}/mean"] - second[f"{ARI}/mean"])
    assert math.isnan(second[f"{ARI}/behind_low"])


def test_the_printed_table_tells_the_ranking_how_sure_it_is():
    text = table_text(analysis.settings_table(make_rows(seeds=5)))
    head, first, second = text.splitlines()[1:4]
    assert "ARI [95%]" in head
    assert head.rstrip().endswith("behind the first [95%]")
    assert first.count("[") == 1
    assert second.count("[") == 2
    assert text.splitlines()[-1].startswith("behind the first: paired by seed")
    alone = analysis.settings_table(make_rows(variants=("vae",), latents=(10,), rates=(1e-3,), seeds=1, baseline=False))
    assert "[0" not in table_text(alone)


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        (2, "with 2 seeds such an interval leaves out 0 by chance in half of cases"),
        (3, "a quarter"),
        (4, "an eighth"),
        (5, ""),
    ],
)
def test_few_seeds_settle_no_order(seeds, said):
    table = analysis.settings_table(make_rows(seeds=seeds))
    last = table_text(table).splitlines()[-1]
    assert said in last
    assert ("5 seeds or more settle an order" in last) == bool(said)
    assert analysis.few_seeds_note(table, ARI) in last
    assert analysis.few_seeds_note(table.iloc[:1], ARI) == ""


def test_equal_settings_are_0_behind_without_a_sign():
    rows = make_rows(variants=("vae",), latents=(10,), rates=(1e-3, 1e-4), seeds=3, baseline=False)
    rows[ARI] = [0.2, 0.3, 0.7] * 2
    assert "-0.0" not in table_text(analysis.settings_table(rows))
    rows.loc[0, ARI] -= 1e-9
    assert "-0.0" not in table_text(analysis.settings_table(rows))


def test_failed_rows_and_metrics_are_counted_and_not_used():
    rows = fail(make_rows(variants=("vae",), latents=(10,), rates=(1e-3,), seeds=5, baseline=False), [0])
    rows.loc[1, "metric/leiden/status"] = "COLLAPSED: all 10 samples"
    rows.loc[2, ARI] = np.inf
    rows.loc[0, ARI] = 0.99
    (line,) = analysis.settings_table(rows).to_dict("records")
    assert (line["n"], line["failures"], line[f"{ARI}/n_used"], line[f"{AIC}/n_used"]) == (5, 1, 2, 4)
    assert line[f"{ARI}/max"] < 0.99


def test_ranking_follows_the_score_and_unusable_settings_come_last():
    rows = fail(make_rows(), slice(0, 3))
    for score, ascending in ((ARI, False), (AIC, True), (LOSS, True)):
        means = analysis.settings_table(rows, by=score)[f"{score}/mean"]
        used = means.dropna()
        assert list(used) == sorted(used, reverse=not ascending)
        assert means.iloc[len(used) :].isna().all()
        assert len(used) < len(means)
    flipped = analysis.settings_table(rows, higher_is_better=False)[f"{ARI}/mean"].dropna()
    assert flipped.is_monotonic_increasing


def test_only_what_varies_tells_settings_apart():
    rows = make_rows()
    assert analysis.setting_columns(rows) == ["static/variant", "static/latent", "traced/learning_rate"]
    rows["shape/codes"] = np.where(rows["static/variant"] == "vae", 2.0, np.nan)
    assert "shape/codes" not in analysis.setting_columns(rows)
    rows.loc[:1, "shape/codes"] = 3.0
    assert "shape/codes" in analysis.setting_columns(rows)
    rows["static/hidden"] = [np.array([512, 256])] * 5 + [np.array([128])] * (len(rows) - 5)
    table = analysis.settings_table(rows)
    assert "512-256" in set(table["static/hidden"].map(analysis.value_text))


def test_data_sets_are_never_averaged():
    both = pd.concat([make_rows(seeds=2), make_rows(seeds=2).assign(**{"data/name": "other"})], ignore_index=True)
    table = analysis.settings_table(both)
    assert "data/name" in table
    assert table["n"].max() == 2


def test_studies_are_never_averaged():
    """The same seed of a setting in two studies is one training, not two seeds."""
    rows = make_rows(seeds=3)
    both = pd.concat([rows, rows.assign(study="again")], ignore_index=True)
    table = analysis.settings_table(both)
    models = table[table["kind"] == "model"]
    assert set(models["n"]) == {3}
    assert len(models) == 2 * len(analysis.settings_table(rows).query("kind == 'model'"))
    assert "study" not in hyperparameters(both)
    with pytest.raises(InputError, match="several rows have the same"):
        cell_table(both, ARI, hyperparameters(both))


def test_setting_ids_match_the_table():
    rows = make_rows()
    table, ids = analysis.settings_table(rows), analysis.setting_ids(rows)
    for line in table.to_dict("records"):
        mine = rows[ids == line["setting"]]
        assert len(mine) == line["n"]
        assert mine[ARI].mean() == pytest.approx(line[f"{ARI}/mean"])


@pytest.mark.parametrize(
    "rows",
    [
        fail(make_rows(baseline=False), slice(None)),
        make_rows(seeds=1),
        make_rows(baseline=False),
        make_rows().iloc[:1],
        make_rows().tail(2),
        make_rows(latents=tuple(range(2, 252)), rates=(1e-3,), seeds=1),
    ],
    ids=["all failed", "one seed", "no baseline", "one row", "only baselines", "500 settings"],
)
def test_odd_tables(rows):
    table = analysis.settings_table(rows)
    assert table["n"].sum() == len(rows)
    assert table["failures"].sum() == (rows["status"] != "OK").sum()
    failure_table(rows)
    training_facts(rows)


def test_no_cox_columns():
    rows = make_rows().filter(regex="^(?!metric/cox)")
    assert not any("cox" in name for name in analysis.settings_table(rows).columns)
    with pytest.raises(InputError, match="unknown score 'metric/cox/aic'"):
        analysis.settings_table(rows, by=AIC)


def test_other_scores_need_a_direction():
    rows = make_rows().assign(**{"metric/leiden/clusters": range(26)})
    with pytest.raises(InputError, match="pass higher_is_better"):
        analysis.settings_table(rows, by="metric/leiden/clusters")
    table = analysis.settings_table(rows, by="metric/leiden/clusters", higher_is_better=True)
    assert table["metric/leiden/clusters/mean"].is_monotonic_decreasing


def test_failures_by_cause():
    rows = fail(make_rows(baseline=False), [0, 1])
    rows.loc[2, "metric/cox/status"] = "NAN_EMBEDDING: 3 of 1000 samples"
    rows.loc[3, "metric/cox/status"] = "NAN_EMBEDDING: 7 of 1000 samples"
    rows.loc[4, "metric/leiden/status"] = None
    rows["metric/probe/status"] = "SKIPPED: not defined for this embedding"  # which is no failure
    rows.loc[5, ARI] = np.nan
    found = {(r["source"], r["reason"]): (r["count"], r["of"]) for r in failure_table(rows).to_dict("records")}
    assert found == {
        ("training", "DIVERGED"): (2, 24),
        ("leiden", "no status"): (1, 22),
        ("leiden", "no finite ari"): (1, 22),
        ("cox", "NAN_EMBEDDING: # of # samples"): (2, 22),
    }


@pytest.mark.parametrize(
    ("rows", "words"),
    [([], "DataFrame"), (make_rows().drop(columns="status"), "'status'"), (make_rows().iloc[:0], "no rows")],
)
def test_bad_input(rows, words):
    with pytest.raises(InputError, match=words):
        analysis.settings_table(rows)
