from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from rows_factory import fail, make_rows

from vaebench.analysis import settings as analysis
from vaebench.cli.text import scores_text, table_text, with_asked_scores
from vaebench.errors import InputError
from vaebench.metrics.leiden import LeidenOptions, leiden_clusters
from vaebench.report.maps import latent_map
from vaebench.report.page import cell
from vaebench.report.page import text as text_of
from vaebench.report.ranked import further_scores, mean_text, ranked_settings
from vaebench.report.runs import best_point, report_title, survival_note, write_report
from vaebench.types import Dataset, Survival

VOID = {"meta", "img", "br", "link", "input", "hr"}
INFO = {
    "command": "vaebench run --data x --out <out>",
    "version": "0.1.0",
    "versions": {"jax": "0.10.2"},
    "started": "2026-01-02T03:04:05Z",
    "seconds": 120.0,
    "trainings": 24,
    "programs": 4,
    "lanes": 32,
    "device": "cpu",
    "digest": "0123456789abcdef",
    "provenance": {"source": "simulated", "labels": ["a", "b"], "dropped": {"no survival": 3}},
    "metrics": ["leiden", "cox"],
    "notes": ["PCA sees all samples."],
    "lane_efficiency": 0.9,
}


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.seen = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page(folder, rows, info=INFO):
    text = write_report(folder, rows, info).read_text(encoding="utf-8")
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    for name, value in parser.attributes:
        if name in ("src", "href"):
            assert value.startswith("data:image/png;base64,")
    assert "@import" not in text
    assert not re.search(r"url\(|https?://", text)
    return text, parser


def test_contents_and_files(tmp_path):
    text, parser = page(tmp_path, fail(make_rows(gap=0.4), [0]))
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    assert headings == [
        "Settings, ranked",
        "Figures",
        "Failures by cause",
        "Cox models",
        "Survival",
        "Cost",
        "Provenance",
    ]
    assert parser.seen.count("img") == len(list((tmp_path / "figures").glob("*.png"))) == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figures", "report.html"]
    assert "24 points (8 settings of 2 variants) trained on synthetic cohort" in text
    assert "(1,000 samples × 2,000 features, labels: 2). 1 row failed." in text
    for words in (
        "DIVERGED",
        "seconds per training",
        "lane_efficiency",
        "lane efficiency",
        "no survival: 3",
        "PCA sees",
    ):
        assert (words in text) is (words != "lane_efficiency")
    assert "--out &lt;out&gt;" in text
    assert "width=device-width" in text
    assert "@media print" in text
    assert (
        "td small{font-size:6.5pt;white-space:nowrap}" in text
    )  # intervals below means are smaller than they in print too
    assert text.count("<circle ") == text.count("<title>") - 1 > 20


@pytest.mark.slow
def test_explanation_only_when_behind_pca(tmp_path):
    behind, _ = page(tmp_path / "a", make_rows(gap=0.4))
    assert 'class="explain"' in behind
    assert "were stopped by the epoch limit" in behind
    assert "an epoch has 13 steps" in behind
    ahead, _ = page(tmp_path / "b", make_rows(gap=-0.2))
    assert 'class="explain"' not in ahead


@pytest.mark.parametrize(
    "rows",
    [
        fail(make_rows(seeds=1, baseline=False), slice(None)),
        make_rows(seeds=1).filter(regex="^(?!metric/cox)"),
        make_rows(seeds=1).filter(regex="^(?!metric/|history)"),
        make_rows().iloc[:1],
        make_rows().tail(2),
    ],
    ids=["all failed", "no cox", "no metrics", "one row", "only baselines"],
)
def test_odd_tables(tmp_path, rows):
    page(tmp_path, rows, {})


@pytest.mark.slow
def test_500_settings_are_all_there_without_javascript(tmp_path):
    text, parser = page(tmp_path, make_rows(latents=tuple(range(2, 252)), rates=(1e-3,), seeds=1, baseline=False))
    assert parser.seen.count("tr") >= 501
    assert 'data-first="50"' in text
    assert " hidden" not in text.split("<script>")[0]


def test_everything_is_escaped(tmp_path):
    evil = '<script>alert("1")</script>'
    rows = make_rows(seeds=1).assign(**{"data/name": evil})
    rows.loc[0, "static/variant"] = rows.loc[1, "metric/cox/status"] = rows.loc[2, "status"] = evil
    rows.loc[3, "traced/init"] = evil
    info = {name: evil for name in INFO if name not in ("seconds", "trainings", "provenance", "versions", "notes")}
    text, parser = page(tmp_path, rows, {**info, "notes": [evil], "provenance": {evil: evil}, evil: evil})
    assert evil not in text
    assert parser.seen.count("script") == 1


def test_bad_input(tmp_path):
    with pytest.raises(InputError, match="run_info must be a mapping"):
        write_report(tmp_path, make_rows(), [])
    with pytest.raises(InputError, match="no rows"):
        write_report(tmp_path, make_rows().iloc[:0], {})
    with pytest.raises(InputError, match="no score to report"):
        write_report(tmp_path, make_rows().filter(regex="^(?!metric|loss)"), {})


def test_the_table_shows_intervals_and_distances_to_the_first(tmp_path):
    rows = make_rows()
    text, _ = page(tmp_path, rows)
    table = analysis.settings_table(rows)
    first, second = (table.loc[i] for i in (0, 1))
    assert f"{first['metric/leiden/ari/low']:.3f} … {first['metric/leiden/ari/high']:.3f}" in text
    ends = [f"{second[f'metric/leiden/ari/{end}']:.3f}".replace("-", "−") for end in ("behind_low", "behind_high")]
    assert " … ".join(ends) in text
    assert text.count("behind the first") == 2  # the head, and the note


def with_survival(samples=90):
    rng = np.random.default_rng(0)
    labels = (np.arange(samples) % 3).astype(np.int32)
    time = np.ceil(900 * rng.exponential(size=samples) / (1 + labels))
    data = Dataset(
        name="toy",
        digest="0",
        x=rng.normal(size=(samples, 6)).astype(np.float32),
        samples=np.array([f"s{i}" for i in range(samples)]),
        features=np.array([f"g{i}" for i in range(6)]),
        centre=np.zeros(6),
        scale=np.ones(6),
        scaling="none",
        labels=labels,
        label_names=("a", "b", "<c>"),
        survival=Survival(time, rng.random(samples) < 0.8),
    )
    return data, (rng.normal(size=(samples, 3)) + 50 * labels[:, None]).astype(np.float32)


@pytest.mark.slow
def test_a_report_without_the_data_set_says_what_it_leaves_out_and_how_to_get_it(tmp_path):
    rows = make_rows()
    if "metric/cox/events" not in rows:
        rows["metric/cox/events"] = 30
    info = {**INFO, "command": "vaebench run --data x.csv"}
    note = survival_note(rows, info)
    assert "Survival curves are left out" in note
    assert "run the same command again" in note
    page = write_report(tmp_path, rows, info).read_text(encoding="utf-8")
    assert page.index("<h2>Survival") < page.index(note)
    plain = rows.drop(columns="metric/cox/events")
    assert survival_note(plain, {}) == ""
    assert "again" not in survival_note(
        plain, {"provenance": {"options": {"event": "OS"}}, "command": "vaebench evaluate"}
    )


@pytest.mark.slow
def test_survival_is_drawn_by_label_and_by_cluster_where_the_embedding_is_at_hand(tmp_path):
    rows, (data, z) = make_rows(), with_survival()
    best = rows.set_index("point").loc[best_point(rows)]
    models = rows[rows["static/variant"] != "pca"]
    assert best["metric/leiden/ari"] == models["metric/leiden/ari"].max()
    page = write_report(tmp_path, rows, INFO, dataset=data, embedding=z).read_text(encoding="utf-8")
    assert re.findall(r"<h2>(.*?)</h2>", page)[3:6] == ["Cox models", "Survival", "Cost"]
    assert {"survival_by_cluster.png", "survival_by_label.png"} <= {p.name for p in (tmp_path / "figures").iterdir()}
    assert f"seed {int(best['traced/seed'])})" in page[page.index("Survival of the Leiden clusters") :]
    assert "--keep-embeddings" not in page
    assert len(np.unique(leiden_clusters(z))) == 3
    assert len(np.unique(leiden_clusters(z, LeidenOptions(resolution=4.0, seeds=(1, 2))))) > 3
    assert "Latent space of the best trained model" in page
    assert "coloured by label" in page
    assert (tmp_path / "figures" / "latent_map.png").exists()
    without = write_report(tmp_path / "b", rows, INFO, dataset=data).read_text(encoding="utf-8")
    assert "run with --keep-embeddings to add the curves of its clusters" in without
    assert not (tmp_path / "b" / "figures" / "survival_by_cluster.png").exists()
    broken = write_report(tmp_path / "c", rows, INFO, dataset=data, embedding=z * np.nan).read_text(encoding="utf-8")
    assert "The best model has no clusters: NAN_EMBEDDING: 90 of 90 samples are not finite." in broken
    bare = dataclasses.replace(data, survival=None)
    assert "<h2>Survival" not in write_report(tmp_path / "d", rows, INFO, dataset=bare).read_text(encoding="utf-8")
    with pytest.raises(InputError, match="the embedding has 89 rows; data set 'toy' has 90"):
        write_report(tmp_path, rows, INFO, dataset=data, embedding=z[1:])
    assert best_point(fail(rows, slice(None))) is None


def test_spreads_have_the_decimals_of_their_mean():
    def shown(mean, sd):
        return mean_text({"loss/valid/mean": mean, "loss/valid/sd": sd}, "loss/valid")

    assert shown(128.41, 2.564) == "128.4 ± 2.6"
    assert shown(1763.2, 0.5916) == "1763 ± 1"
    assert shown(0.04321, 0.5) == "0.04321 ± 0.50000"
    assert shown(np.nan, np.nan) == "–"


def test_what_is_empty_is_left_out_of_provenance():
    assert text_of({"where": None, "ignore": "", "factors": [], "top": 0, "tumours_only": False}) == (
        "top: 0, tumours_only: no"
    )


def test_every_metric_that_was_asked_for_is_in_the_table():
    rows = make_rows(seeds=2)
    rows["metric/probe/linear_accuracy"] = 0.25 + 0.5 * (rows["static/variant"] == "vae")
    rows["metric/own/thing"], rows["metric/own/status"], rows["metric/own/seconds"] = 7.5, "OK", 1.0
    rows["metric/probe/status"] = "OK"
    assert further_scores(rows) == ["metric/probe/linear_accuracy", "metric/own/thing"]
    assert further_scores(make_rows()) == []
    text = ranked_settings(rows, analysis.settings_table(rows), analysis.ARI)
    assert "own thing</th>" in text
    assert ">7.5 ± 0<" in text
    assert ">failed</th>" in text
    assert ">failures</th>" not in text
    assert text.index("Ranked by mean ARI") > text.index("</table>")  # explained under the table


@pytest.mark.parametrize(
    ("score", "shown", "higher"),
    [
        ("metric/probe/linear_accuracy", "probe linear accuracy", True),
        ("metric/reconstruction/mse", "reconstruction mse", False),
        ("metric/mig/mig", "mig", True),
    ],
)
def test_a_run_of_one_other_metric_is_ranked_by_it(tmp_path, score, shown, higher):
    rows = make_rows(seeds=2).filter(regex="^(?!metric)")
    good = rows["static/variant"] == "beta_vae"
    rows[score] = 0.25 + 0.5 * good if higher else 0.75 - 0.5 * good
    rows[f"{score.rpartition('/')[0]}/status"] = "OK"
    assert analysis.ranking_score(rows) == score
    text, _ = page(tmp_path, rows)
    assert f"Ranked by mean {shown}." in text
    assert re.search(rf"The best setting, beta_vae [^<]*has a mean {shown} of 0\.\d+", text)
    assert ("highest of 8" in text) is higher
    assert f">{shown}</th>" in text
    assert f">{shown} behind the first</th>" in text
    assert text.count(f">{shown}</th>") == 1
    assert rows.set_index("point").loc[best_point(rows), "static/variant"] == "beta_vae"
    printed = table_text(with_asked_scores(analysis.settings_table(rows, by=score), rows))
    assert printed.splitlines()[2].startswith("beta_vae")
    assert printed.splitlines()[1].count(score.removeprefix("metric/")) == 1


def test_a_score_that_no_row_has_ranks_nothing():
    rows = make_rows(seeds=2)
    assert analysis.ranking_score(rows) == analysis.ARI
    rows["metric/leiden/status"] = "TOO_FEW_SAMPLES: 12 samples, at least 16 are needed"
    assert analysis.ranking_score(rows) == analysis.AIC
    rows["metric/cox/status"] = "TOO_FEW_EVENTS: 4"
    assert analysis.ranking_score(rows) == analysis.LOSS
    rows["status"] = "DIVERGED"
    assert analysis.ranking_score(rows) == analysis.ARI


def test_a_metric_without_a_usable_score_has_no_column():
    rows = make_rows(seeds=2).assign(**{"metric/probe/linear_accuracy": np.nan, "metric/probe/chance": 0.5})
    assert further_scores(rows) == ["metric/probe/chance"]
    rows["metric/probe/status"] = "TOO_FEW_SAMPLES: 6 for 2 latents and 2 labels"
    assert further_scores(rows) == []


def test_a_report_of_an_interrupted_run_says_what_is_left(tmp_path):
    rows = make_rows(variants=("vae",), latents=(10,), rates=(1e-3,), seeds=2)
    info = {**INFO, "trained": True, "points": 3}
    pca, _ = page(tmp_path, rows[rows["static/variant"] == "pca"].drop(columns="traced/seed"), info)
    assert "No model is trained on synthetic cohort" in pca
    assert "0 of 3 points are done; the same command continues." in pca
    assert "made elsewhere" not in pca
    assert "every row trained" not in pca
    some, _ = page(tmp_path, rows, info)
    assert "2 of 3 points are done" in some
    assert "points are done" not in page(tmp_path, rows, {**info, "points": 2})[0]
    assert "made elsewhere" in page(tmp_path, rows.drop(columns="traced/seed"))[0]


def test_the_covariates_are_compared_with_trained_settings_and_pca(tmp_path):
    rows = make_rows(seeds=2)
    rows["metric/cox/delta_aic"] = np.where(rows["static/variant"] == "pca", -12.0, 3.0)
    text, _ = page(tmp_path, rows)
    assert "no trained setting improves on them; the best PCA (L=50) has −12.0." in text


def test_pca_of_more_latents_than_components(tmp_path):
    rows = make_rows(latents=(80,), seeds=2)
    rows["run/components"] = np.where(rows["static/variant"] == "pca", 59, np.nan)
    assert "The data have 59 components: PCA of more latents has no more." in page(tmp_path, rows)[0]
    assert scores_text(rows.tail(2)).splitlines()[1].split("  ")[-1] == "59 of 80"
    assert "components" not in page(tmp_path, rows.drop(columns="run/components"))[0]


def test_infinite_values_sort_as_numbers():
    assert 'data-v="-Infinity"' in cell("–", -float("inf"))
    assert 'data-v=""' in cell("–", float("nan"))


def test_titles_tell_reports_apart(tmp_path):
    rows = make_rows(variants=("vae",), latents=(10,), rates=(1e-3,), seeds=1, baseline=False)
    assert report_title(make_rows(seeds=1)) == "Run: 2 variants on synthetic cohort"
    assert report_title(rows.drop(columns="data/name")) == "Run: vae on unnamed data"
    text, _ = page(tmp_path, rows.filter(regex="^(?!metric|history)"))
    assert "<title>Run: vae on synthetic cohort · vaebench</title>" in text
    assert "<h1>Run: vae on synthetic cohort</h1>" in text


@pytest.mark.parametrize("kind", ["few", "constant", "infinite", "one latent"])
def test_a_latent_map_is_left_out_where_it_would_show_nothing(kind):
    z = np.random.default_rng(0).normal(size=(30, 3))
    z = {"few": z[:5], "constant": z * 0, "infinite": np.full_like(z, np.inf), "one latent": z[:, :1]}[kind]
    coordinates, _, note = latent_map(z, None)
    assert len(coordinates) == (30 if kind == "one latent" else 0)
    assert bool(note) is (kind == "one latent")
