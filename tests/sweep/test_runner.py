"""From points to rows: complete, resumable, honest about failures."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from vaebench.data.dataset import dataset_from_arrays
from vaebench.errors import InputError
from vaebench.metrics.latent_use import latent_use_scores
from vaebench.metrics.leiden import LeidenOptions, leiden_scores
from vaebench.results import finished, read_costs, read_rows, read_run_json, write_rows, write_run_json
from vaebench.space import Point, point, point_id, product
from vaebench.space.identity import earlier_ids
from vaebench.sweep import progress
from vaebench.sweep import runner as sweep
from vaebench.sweep import worker as task
from vaebench.sweep.runner import run
from vaebench.training.model import kept_embeddings, kept_models
from vaebench.types import Given

pytestmark = pytest.mark.long

BASE = Point(latent=3, hidden=(8,), batch=8, epochs=5, stopping="fixed", learning_rate=1e-2)
POINTS = product(BASE, variant=["vae", "beta_vae"], seed=range(2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny):
    """One small run that the tests of this file look at."""
    out = tmp_path_factory.mktemp("run")
    bad = point(BASE, learning_rate=1e20, optimizer="sgd", activation="relu")
    run([*POINTS, bad], tiny, out=out, lanes=2, quiet=True, command="test")
    return out


def test_every_point_and_baseline_has_a_row(folder, tiny):
    rows = read_rows(folder)
    models = rows[rows["static/variant"] != "pca"]
    assert set(models["point"]) >= {point_id(p, tiny.digest) for p in POINTS}
    assert len(rows) == len(POINTS) + 2
    good = rows[rows["status"] == "OK"]
    assert good["metric/leiden/ari"].notna().all()
    assert good["metric/cox/aic"].notna().all()
    assert good["metric/cox/aic_covariates"].notna().all()
    assert (models["data/steps"] == 48 // 8).all()
    assert (models["run/lanes"] == 2).all()


def test_a_diverged_point_is_a_row_with_a_status(folder):
    rows = read_rows(folder)
    (bad,) = rows[rows["status"] == "DIVERGED"].to_dict("records")
    assert bad["run/stop"] == "diverged"
    assert np.isnan(bad["metric/leiden/ari"])
    assert bad["metric/leiden/status"] == "SKIPPED: the lane diverged"
    assert not np.isfinite(bad["loss/valid"])


def test_pca_baseline_equals_sklearns_clusters(folder, tiny):
    from sklearn.decomposition import PCA

    rows = read_rows(folder)
    baseline = rows[rows["static/variant"] == "pca"].iloc[0]
    z = PCA(3, svd_solver="full").fit_transform(tiny.x)
    assert baseline["metric/leiden/ari"] == leiden_scores(z, tiny.labels)["ari"]
    assert baseline["run/components"] == 3


def test_a_rerun_trains_nothing_and_more_points_only_what_is_missing(folder, tiny, monkeypatch):
    trained = []
    original = task.trained_points

    def spy(points, *arguments, **keywords):
        trained.extend(points)
        return original(points, *arguments, **keywords)

    monkeypatch.setattr(task, "trained_points", spy)
    before = read_rows(folder)
    after = run(POINTS, tiny, out=folder, quiet=True)
    assert not trained
    assert after["point"].tolist() == before["point"].tolist()
    extra = point(BASE, seed=5)
    run([*POINTS, extra], tiny, out=folder, quiet=True)
    assert trained == [extra]


@pytest.mark.slow
def test_rows_do_not_depend_on_the_order_of_points_a_resume_or_on_who_evaluates(tmp_path, tiny):
    forward = run(POINTS, tiny, out=tmp_path / "a", lanes=2, evaluators=2, quiet=True)
    run(POINTS[3:], tiny, out=tmp_path / "b", lanes=2, quiet=True)
    backward = run(POINTS[::-1], tiny, out=tmp_path / "b", lanes=2, quiet=True)
    columns = [c for c in forward if not c.endswith("seconds") and c not in ("point", "history/valid")]
    one, two = (rows.set_index("point").sort_index() for rows in (forward, backward))
    assert one[columns].equals(two[columns])
    for a, b in zip(one["history/valid"].dropna(), two["history/valid"].dropna(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_another_number_of_lanes_agrees_to_rounding(tmp_path, tiny):
    points = [point(p, norm="layer") for p in POINTS[:2]]
    one = run(points, tiny, out=tmp_path / "1", lanes=1, quiet=True).set_index("point").sort_index()
    three = run(points, tiny, out=tmp_path / "3", lanes=3, quiet=True).set_index("point").sort_index()
    np.testing.assert_allclose(one["loss/valid"], three["loss/valid"], rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metrics": ["leiden"]}, "metrics"),
        ({"embedding": "sample"}, "embedding"),
        ({"lanes": 3}, "lanes"),
        ({"label_covariate": False}, "label_covariate"),
        ({"metric_options": {"leiden": LeidenOptions(neighbours=10)}}, "metric_options"),
    ],
)
def test_another_option_in_an_old_folder_is_refused(folder, tiny, change, words):
    with pytest.raises(InputError, match=rf"was made with {words}.*--out"):
        run(POINTS, tiny, out=folder, quiet=True, **change)


def test_other_data_in_an_old_folder_is_refused(folder, tiny):
    import dataclasses

    with pytest.raises(InputError, match=r"other data \(digest .*, now another\); choose another --out"):
        run(POINTS, dataclasses.replace(tiny, digest="another"), out=folder, quiet=True)
    provenance = {**tiny.provenance, "options": {"scaling": "unit"}}
    other = dataclasses.replace(tiny, digest="another", provenance=provenance)
    with pytest.raises(InputError, match=r"other data \(.*scaling .*, now 'unit'"):
        run(POINTS, other, out=folder, quiet=True)


def test_another_scaling_of_the_same_values_is_refused(tmp_path):
    """Values from 0 to 1 are the same by the scalings unit and none, but trainings that scale by their own samples are not."""
    x = np.random.default_rng(0).random((40, 6))
    x[0], x[1] = 0, 1
    unit, none = (dataset_from_arrays(x, scaling=scaling) for scaling in ("unit", "none"))
    assert unit.digest == none.digest
    how = {"metrics": ["latent_use"], "out": tmp_path, "quiet": True, "evaluators": 0}
    base = Point(latent=2, hidden=(4,), batch=8, epochs=1, scaling_from="train")
    run([base], unit, **how)
    for lacking in ((), ("scaling",)):
        record = read_run_json(tmp_path)
        write_run_json({name: value for name, value in record.items() if name not in lacking}, tmp_path)
        with pytest.raises(InputError, match="was made with scaling 'unit', and this command asks for 'none'"):
            run([base], none, **how)
        assert len(run([base], unit, **how)) == 2


@pytest.mark.parametrize(
    ("points", "options", "message"),
    [
        ([], {}, "no point"),
        (POINTS, {"metrics": ["leidn"]}, "did you mean 'leiden'"),
        (POINTS, {"embedding": "median"}, "'mean' or 'sample'"),
        (POINTS, {"lanes": 0}, "at least 1"),
        ([point(BASE, batch=64)], {}, "batch is 64"),
        ([3], {}, "'3' is no point"),
        ([{"latent": 2}], {}, r"\{'latent': 2\}\W+ is no point"),
        (None, {}, "points is None"),
        (POINTS, {"metrics": None}, "metrics is None"),
    ],
)
def test_bad_input_leaves_nothing_behind(tmp_path, tiny, points, options, message):
    with pytest.raises(InputError, match=message):
        run(points, tiny, out=tmp_path / "out", quiet=True, **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_without_a_folder_the_rows_come_back_all_the_same(tiny):
    rows = run(POINTS[:1], tiny, metrics=["leiden"], quiet=True)
    assert len(rows) == 2
    assert "metric/cox/aic" not in rows


def test_notes_are_kept_in_run_json_once_and_in_order(tmp_path, tiny, capsys):
    bare = dataclasses.replace(tiny, survival=None, notes=("of the data",))
    out = tmp_path / "out"
    run(POINTS[:1], bare, out=out, notes=["first"])
    cox = "metric 'cox' is left out: it needs survival, and data set 'tiny' has none"
    assert capsys.readouterr().err.splitlines()[:3] == ["note: of the data", "note: first", f"note: {cox}"]
    run(POINTS[:1], bare, out=out, notes=["second", "first"], quiet=True)
    run(POINTS[:1], bare, out=out, notes="third", quiet=True)  # one note, not five letters
    assert read_run_json(out)["notes"] == ["of the data", "first", cox, "second", "third"]
    assert read_run_json(out)["metrics"] == ["leiden"]
    assert capsys.readouterr().err == ""
    write_run_json({"embedding": {}, "digest": tiny.digest}, tmp_path / "evaluated")
    with pytest.raises(InputError, match="is not the record of a run"):
        run(POINTS[:1], tiny, out=tmp_path / "evaluated")


def test_an_interruption_keeps_the_finished_rows(tmp_path, tiny, monkeypatch):
    class Interrupting:
        def show(self, state):
            if state.done >= 3:
                raise KeyboardInterrupt

        def end(self, cost):
            raise AssertionError("the run should not come to its end")

    def interrupting(quiet):
        import contextlib

        return contextlib.nullcontext(Interrupting())

    monkeypatch.setattr(sweep, "display", interrupting)
    with pytest.raises(KeyboardInterrupt):
        run(product(BASE, seed=range(12)), tiny, out=tmp_path, lanes=1, quiet=True)
    kept = finished(tmp_path)
    assert 3 <= len(kept) < 13
    monkeypatch.undo()
    rows = run(product(BASE, seed=range(12)), tiny, out=tmp_path, quiet=True)
    assert len(rows) == 13
    assert rows["point"].is_unique


def test_run_json_says_what_made_the_rows(folder, tiny):
    record = json.loads((folder / "run.json").read_text())
    assert record["digest"] == tiny.digest
    assert record["lanes"] == 2
    cost = read_costs(folder)[0]
    assert cost["programs"] == 2
    assert cost["trainings"] == len(POINTS) + 1
    assert cost["epochs"] <= cost["computed_epochs"]
    assert {"python", "jax", "numpy"} <= set(record["versions"])


@pytest.mark.slow
def test_metrics_of_posterior_reconstruction_and_categories_run_with_their_options(tmp_path, tiny):
    points = [
        *product(BASE, recipe=["textbook", "benchmarked"]),
        point(BASE, variant="categorical_vae", latent=6, categories=3),
    ]
    metrics = ["leiden", "cox", "latent_use", "reconstruction"]
    options = {"leiden": LeidenOptions(neighbours=9, seeds=(1, 2))}
    kept = {"keep_models": "all", "keep_embeddings": True, "lanes": 1}
    rows = run(points, tiny, metrics, tmp_path, metric_options=options, quiet=True, **kept).set_index("point")
    assert json.loads((tmp_path / "run.json").read_text())["metric_options"]["leiden"]["seeds"] == [1, 2]
    embeddings, models = kept_embeddings(tmp_path), kept_models(tmp_path)
    for name, z in embeddings.items():
        row, model = rows.loc[name], models[name]
        assert row["metric/leiden/ari"] == leiden_scores(z, tiny.labels, options["leiden"])["ari"]
        error = tiny.x - model.decode(z)
        np.testing.assert_allclose(row["metric/reconstruction/mse"], np.mean(error.astype(np.float64) ** 2), rtol=1e-5)
        if row["static/variant"] == "categorical_vae":
            # its last column of every variable says nothing new
            assert row["metric/cox/redundant_latents"] == 2
            assert row["metric/cox/parameters"] == 6 - 2 + 4
            assert np.isfinite(row["metric/cox/aic"])
            assert row["metric/latent_use/status"] == "SKIPPED: not defined for this embedding"
            continue
        posterior = model.posterior(tiny.x)
        np.testing.assert_allclose(posterior.mean, z, rtol=1e-4, atol=1e-5)  # also by the batch's statistics
        wanted = latent_use_scores(z, tiny, Given(posterior))
        np.testing.assert_allclose(row["metric/latent_use/kl"], wanted["kl"], rtol=1e-4)
    baselines = rows[rows["static/variant"] == "pca"].set_index("static/latent")
    full = ((tiny.x - tiny.x.mean(0)) ** 2).mean()
    singular = np.linalg.svd(tiny.x - tiny.x.mean(0), compute_uv=False)
    left = (singular[6:] ** 2).sum() / (singular**2).sum() * full
    np.testing.assert_allclose(baselines.loc[6, "metric/reconstruction/mse"], left, rtol=1e-5)
    assert baselines.loc[6, "metric/latent_use/status"] == "SKIPPED: not defined for this embedding"


@pytest.mark.slow
def test_a_script_from_standard_input_needs_no_main_guard(tmp_path):
    script = """
        import vaebench as vb
        data, _ = vb.data.simulate_cohort(samples=150, genes=50, types=3)
        points = vb.space.product(latent=2, hidden=(8,), epochs=2, batch=16)
        print(len(vb.run(points, data, metrics=["leiden"], quiet=True)))
    """
    done = subprocess.run(
        [sys.executable, "-"], input=textwrap.dedent(script), capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert done.stdout.strip() == "2", done.stderr


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"points": []}, "no point"),
        ({"dataset": np.zeros((20, 5))}, "the data are a ndarray; they must be a Dataset"),
        ({"metrics": "leidn"}, "did you mean 'leiden'"),
        ({"lanes": 1.5}, "lanes is 1.5; it must be a whole number"),
        ({"shard": "1/2"}, "shard is '1/2'"),
        ({"checkpoint_minutes": float("nan")}, "checkpoint_minutes is nan"),
        ({"keep_models": "some"}, "keep_models"),
    ],
)
def test_wrong_arguments_are_one_sentence(tiny, tmp_path, changed, words):
    with pytest.raises(InputError, match=re.escape(words)):
        run(**{"points": POINTS, "dataset": tiny, "out": tmp_path / "out", "quiet": True, **changed})
    assert not (tmp_path / "out").exists()


def test_one_point_and_one_metric_are_a_run(tiny):
    rows = run(BASE, tiny, "leiden", quiet=True)
    assert sorted(rows["static/variant"]) == ["pca", "vae"]
    assert "metric/leiden/ari" in rows


def test_progress_line_and_durations():
    state = progress.RunProgress(2, 1, 10, 5, 1, 3, 50, 0.97, 30.0)
    text = progress.line(state)
    assert "5/10 points (1 failed)" in text
    assert "10.0 trainings/min" in text
    assert "lane efficiency 97%" in text
    assert text.endswith("30 s left")
    assert "(600/h)" in text
    stream = io.StringIO()
    shown = progress._Plain(stream)
    for done in (5, 10, 10):  # 5 comes before PLAIN_SECONDS are over, and the end is said once
        shown.show(state._replace(done=done))
    assert stream.getvalue().count("\n") == 1
    assert "10/10 points" in stream.getvalue()
    assert [progress.duration(s) for s in (42, 185, 7800)] == ["42 s", "3 min 05 s", "2 h 10 min"]


@pytest.mark.slow
def test_a_folder_of_before_an_option_existed_goes_on(tmp_path, tiny):
    """Recorded options of a metric lack those that came later; these stood at their defaults."""
    from vaebench.metrics.cox import CoxOptions

    point = Point(latent=2, hidden=(4,), batch=8, epochs=1)
    how = {"metrics": ["cox"], "metric_options": {"cox": CoxOptions(ridge=0.1)}, "out": tmp_path, "quiet": True}
    run([point], tiny, **how)
    record = read_run_json(tmp_path)
    del record["metric_options"]["cox"]["engine"]
    write_run_json(record, tmp_path)
    assert len(run([point], tiny, **how)) == 2
    record["metric_options"]["cox"]["ridge"] = 0.2
    write_run_json(record, tmp_path)
    with pytest.raises(InputError, match="metric_options"):
        run([point], tiny, **how)


def test_whole_numbers_train_nothing_twice(tmp_path, tiny):
    """Neither in a folder with floats, nor in one of a version in which 1 and 1.0 were different settings."""
    base = Point(latent=2, hidden=(4,), batch=8, epochs=1)
    how = {"metrics": ["latent_use"], "out": tmp_path, "quiet": True, "evaluators": 0}
    rows = run([base], tiny, **how)
    assert len(run(product(base, weight_decay=[0, 1e-3], decay=1), tiny, **how)) == 3
    (part,) = sorted((tmp_path / "rows").glob("*"))[:1]
    part.unlink()
    earlier = next(iter(earlier_ids(base, tiny.digest)))
    write_rows(
        [{**line, "point": earlier} for line in rows[rows["point"] == point_id(base, tiny.digest)].to_dict("records")],
        tmp_path,
    )
    assert len(run([base], tiny, **how)) == 3
    assert point_id(base, tiny.digest) not in finished(tmp_path)


def test_of_two_processes_with_other_lanes_one_is_refused(tmp_path, tiny):
    """Both find no run.json; whoever writes it second reads the other's."""
    import threading
    from concurrent.futures import ThreadPoolExecutor

    options = {"metrics": ["leiden"], "embedding": "mean", "label_covariate": True, "matmul_precision": "highest"}
    options["metric_options"] = {}
    barrier = threading.Barrier(2)

    def first(folder, lanes):
        barrier.wait()
        try:
            return sweep._run_record(folder, tiny, options, lanes, POINTS, "")["lanes"]
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        for i in range(20):
            found = list(pool.map(first, [tmp_path / str(i)] * 2, [4, 7]))
            (kept,) = [lanes for lanes in found if isinstance(lanes, int)]
            (said,) = [text for text in found if isinstance(text, str)]
            assert f"was made with lanes {kept}" in said
            assert read_run_json(tmp_path / str(i))["lanes"] == kept


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"command": "vaebench evaluate", "metrics": {"leiden": ""}}, "is not the record of a run"),
        ({"lanes": 2, "metrics": ["leiden"], "metric_options": {"leidn": {}}}, "metric_options of 'leidn'"),
        ({"lanes": 2, "metrics": ["leiden"], "metric_options": {"leiden": 3}}, "metric_options of 'leiden'"),
    ],
)
def test_a_run_json_of_something_else_is_refused(tmp_path, tiny, record, said):
    write_run_json(record, tmp_path)
    with pytest.raises(InputError, match=said):
        run(POINTS, tiny, out=tmp_path, quiet=True)


def test_a_folder_of_another_command_or_one_that_cannot_be_written_to_is_refused_before_training(tmp_path, tiny):
    (tmp_path / "extract").mkdir()
    (tmp_path / "extract" / "manifest.json").write_text("{}")
    (tmp_path / "file").write_text("")
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "rows").write_text("")
    for out, said in (
        ("extract", "results of another command"),
        ("file/x", "file is a file"),
        ("rows", "rows is a file"),
    ):
        with pytest.raises(InputError, match=said):
            run(POINTS, tiny, out=tmp_path / out, quiet=True)


def test_a_damaged_number_of_lanes_of_a_program_is_named(tmp_path, tiny):
    place = tmp_path / "lanes" / f"{task.group_name(BASE, tiny)}.json"
    place.parent.mkdir()
    for text in ("{}", '{"lanes": 0}', '{"lanes": NaN}'):
        place.write_text(text)
        with pytest.raises(InputError, match=f"{place.name} has lanes .* delete this file"):
            run(BASE, tiny, ["leiden"], tmp_path, quiet=True)


def test_a_trained_prior_is_said_beside_latent_use():
    points = product(BASE, variant=["vae", "mixture_vae", "identifiable_vae"], seed=[0])
    (note,) = sweep.prior_notes(points, ["leiden", "latent_use"])
    assert "not the prior of identifiable_vae, mixture_vae" in note
    assert sweep.prior_notes(points, ["leiden"]) == sweep.prior_notes(points[:1], ["latent_use"]) == ()
