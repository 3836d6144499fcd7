from __future__ import annotations

import dataclasses
import math
import pickle

import numpy as np
import pytest
from sklearn.decomposition import PCA

from vaebench.errors import InputError
from vaebench.evaluation import flat_scores
from vaebench.evaluation.baseline import pca_embedding, pca_reconstruction
from vaebench.evaluation.scores import (
    allowed_metrics,
    check_metrics,
    evaluate,
    evaluate_flat,
    light,
    prepared_metrics,
    skipped_scores,
)
from vaebench.metrics import METRICS
from vaebench.metrics.cox import CoxOptions
from vaebench.metrics.leiden import LeidenOptions
from vaebench.types import Dataset, Given, Metric, Posterior, Survival


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return Dataset(
        name="toy",
        digest="0",
        x=rng.normal(size=(60, 7)).astype(np.float32),
        samples=np.array([f"s{i}" for i in range(60)]),
        features=np.array([f"g{i}" for i in range(7)]),
        centre=np.zeros(7),
        scale=np.ones(7),
        scaling="none",
        labels=(np.arange(60) % 2).astype(np.int32),
        label_names=("a", "b"),
        survival=Survival(np.ceil(50 * rng.exponential(size=60)), rng.random(60) < 0.8),
        covariates={"age": rng.normal(60, 9, 60)},
    )


@pytest.fixture
def z():
    return np.random.default_rng(1).normal(size=(60, 2)).astype(np.float32)


def raising(z, dataset, given):
    try:
        raise ValueError("inner\nreason")
    except ValueError as error:
        raise RuntimeError("outer") from error


def complaining(z, dataset, given):
    raise InputError("bad data")


def odd(compute):
    return Metric("odd", (), "host", compute, "none", ("a", "b"))


def test_evaluate_gives_each_metric_its_scores(z, data):
    scores = evaluate(z, data)
    assert list(scores) == ["leiden", "cox"]
    for name, values in scores.items():
        assert list(values) == [*METRICS[name].scores, "status", "seconds"]
        assert values["status"] == "OK"
        assert values["seconds"] > 0


def test_rows_have_the_same_columns_whether_computed_failed_or_skipped(z, data):
    names = ("leiden", "cox")
    good = evaluate_flat(z, data, names)
    bad = evaluate_flat(z * np.nan, data, names)
    skipped = skipped_scores(names, "DIVERGED: loss is NaN")
    assert set(good) == set(bad) == set(skipped)
    assert {"metric/leiden/ari", "metric/cox/aic", "metric/cox/aic_covariates", "metric/cox/seconds"} < set(good)
    assert skipped["metric/cox/status"] == "DIVERGED: loss is NaN"
    assert all(math.isnan(v) for k, v in skipped.items() if not k.endswith("status"))
    assert flat_scores({"m": {"a": 1, "status": "OK"}}) == {"metric/m/a": 1, "metric/m/status": "OK"}


def without_time(row):
    return {k: v for k, v in row.items() if not k.endswith("seconds")}


@pytest.mark.slow
def test_light_data_and_prepared_metrics_travel_and_change_nothing(z, data):
    small = light(data)
    assert small.x.shape == (60, 0)
    assert small.x.base is None
    prepared = prepared_metrics(("leiden", "cox"), data)
    work = pickle.loads(pickle.dumps((evaluate_flat, z, small, prepared)))
    assert without_time(work[0](*work[1:])) == without_time(evaluate_flat(z, data))
    other = prepared_metrics("cox", data, label_covariate=False)
    assert evaluate_flat(z, data, other)["metric/cox/parameters"] == 3
    assert evaluate_flat(z, data, "cox")["metric/cox/parameters"] == 4


def test_an_exception_in_a_metric_becomes_a_status_with_its_cause(z, data):
    scores = evaluate(z, data, [odd(raising), "leiden"])
    assert scores["leiden"]["status"] == "OK"
    status = scores["odd"]["status"]
    assert status.startswith("FAILED: RuntimeError: outer (test_scores.py:")
    assert "caused by ValueError: inner reason (test_scores.py:" in status
    assert math.isnan(scores["odd"]["a"])
    assert math.isnan(scores["odd"]["b"])
    with pytest.raises(InputError, match="bad data"):
        evaluate(z, data, [odd(complaining)])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((59, 2)), r"must be \[60 samples of 'toy', latents >= 1\], got shape \(59, 2\)"),
        (np.zeros(60), r"got shape \(60,\)"),
        (np.zeros((60, 0)), r"got shape \(60, 0\)"),
        (np.full((60, 2), "a"), "must be numeric, got dtype <U1"),
    ],
)
def test_a_wrong_embedding_is_bad_input(bad, message, data):
    with pytest.raises(InputError, match=message):
        evaluate(bad, data)


def test_metrics_are_checked_before_any_work(data):
    assert [m.name for m in check_metrics("cox", data)] == ["cox"]
    with pytest.raises(InputError, match="metric 'cox' needs survival, and data set 'toy' has none"):
        check_metrics(("leiden", "cox"), dataclasses.replace(data, survival=None))
    data.labels[3] = -1
    with pytest.raises(InputError, match="metric 'leiden' needs labels, and data set 'toy' has 1 samples without one"):
        check_metrics(("leiden",), data)
    with pytest.raises(InputError, match="unknown metric 'aric'"):
        check_metrics(("aric",), data)
    with pytest.raises(InputError, match="metric 'cox' is named more than once"):
        check_metrics(("cox", "cox"), data)


def test_options_travel_to_their_metric(z, data):
    options = {"leiden": LeidenOptions(seeds=(1, 2)), "cox": CoxOptions(label_covariate=False)}
    scores = evaluate(z, data, ("leiden", "cox"), options=options)
    assert scores["leiden"]["seeds"] == 2
    assert scores["cox"]["parameters"] == 3
    prepared = prepared_metrics(("leiden", "cox"), data, options=options)
    assert prepared[1].options == options["cox"]
    assert without_time(evaluate_flat(z, data, prepared)) == without_time(flat_scores(scores))
    assert prepared_metrics(prepared, data) == prepared
    with pytest.raises(InputError, match="metric 'cox' takes CoxOptions, got options of type LeidenOptions"):
        evaluate(z, data, "cox", options={"cox": LeidenOptions()})
    with pytest.raises(InputError, match="unknown metric in options 'cocks'; did you mean 'cox'"):
        evaluate(z, data, "cox", options={"cocks": CoxOptions()})
    with pytest.raises(InputError, match="metric 'sap' has no options"):
        evaluate(z, dataclasses.replace(data, factors={"f": z[:, 0]}), "sap", options={"sap": CoxOptions()})


def test_what_is_given_must_fit_to_the_embedding(z, data):
    cases = {
        "posterior's mean and logvar": Given(posterior=Posterior(z, z[:, :1])),
        r"reconstruction must be \(60, 7\)": Given(reconstruction=np.zeros((60, 6))),
        r"redundant is \(2,\)": Given(redundant=(2,)),
        r"redundant is \(0, 1\)": Given(redundant=(0, 1)),
        "split must be two sets": Given(split=(np.arange(30), np.arange(29, 60))),
    }
    for message, given in cases.items():
        with pytest.raises(InputError, match=message):
            evaluate(z, data, "leiden", given)
    assert evaluate(z, light(data), "leiden", Given(reconstruction=np.zeros((60, 7))))["leiden"]["status"] == "OK"


@pytest.mark.parametrize("shape", [(50, 8), (12, 40), (20, 20)])
@pytest.mark.parametrize("offset", [0, 100])
def test_pca_equals_sklearn_up_to_sign(shape, offset):
    x = np.random.default_rng(2).normal(size=shape) * np.linspace(1, 3, shape[1]) + offset
    z = pca_embedding(x, 5)
    other = PCA(5, svd_solver="full").fit_transform(x)
    np.testing.assert_allclose(z * np.sign((z * other).sum(0)), other, atol=1e-9)


def test_pca_is_capped_has_fixed_signs_and_follows_the_order_of_samples():
    x = np.random.default_rng(3).normal(size=(30, 6))
    assert pca_embedding(x, 50).shape == (30, 6)
    assert pca_embedding(x[:4], 50).shape == (4, 3)
    z, order = pca_embedding(x, 3), np.random.default_rng(4).permutation(30)
    np.testing.assert_allclose(pca_embedding(x[order], 3), z[order], atol=1e-10)
    np.testing.assert_allclose(pca_embedding(-x, 3), -z * np.sign(-(pca_embedding(-x, 3) * z).sum(0)), atol=1e-10)
    loadings = np.linalg.lstsq(z, x - x.mean(0), rcond=None)[0]
    assert (np.take_along_axis(loadings, np.abs(loadings).argmax(1)[:, None], 1) > 0).all()


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_pca_of_all_components_gives_x_back_though_a_feature_is_there_twice(shape):
    """The component that is left for the twin is rounding noise, and not orthogonal to the others."""
    x = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    x[:, -1] = x[:, 0]
    for latent in (11, 12, 30):
        np.testing.assert_allclose(pca_reconstruction(x, pca_embedding(x, latent)), x, atol=1e-5)
    constant = np.ones(shape, np.float32)
    np.testing.assert_array_equal(pca_reconstruction(constant, pca_embedding(constant, 3)), constant)


@pytest.mark.parametrize(
    ("x", "latent", "message"),
    [(np.ones((5, 2)), 0, "latent >= 1"), (np.ones((1, 2)), 1, "2 samples"), (np.full((5, 2), np.nan), 1, "finite")],
)
def test_pca_refuses_bad_input(x, latent, message):
    with pytest.raises(InputError, match=message):
        pca_embedding(x, latent)


def test_default_metrics_that_the_data_set_does_not_allow_are_left_out_with_a_warning(z, data):
    bare = dataclasses.replace(data, survival=None)
    with pytest.warns(UserWarning, match="metric 'cox' is left out: it needs survival, and data set 'toy' has none"):
        assert list(evaluate(z, bare)) == ["leiden"]
    with pytest.warns(UserWarning, match="metric 'leiden' is left out: it needs labels"):
        assert list(evaluate(z, dataclasses.replace(data, labels=None, label_names=()))) == ["cox"]
    for chosen in (["cox"], ["leiden", "cox"], ("leiden", "cox")):
        with pytest.raises(InputError, match="metric 'cox' needs survival"):
            evaluate(z, bare, chosen)
    with pytest.raises(InputError, match="metric 'cox' needs survival"):
        evaluate(z, bare, options={"cox": CoxOptions()})
    with pytest.raises(InputError, match="neither labels nor survival"):
        evaluate(z, dataclasses.replace(bare, labels=None, label_names=()))


def test_default_metrics_that_the_data_do_not_allow_are_left_out_with_a_sentence(data):
    bare = dataclasses.replace(data, survival=None)
    sentence = "metric 'cox' is left out: it needs survival, and data set 'toy' has none"
    assert allowed_metrics(("leiden", "cox"), data) == (("leiden", "cox"), ())
    assert allowed_metrics(["leiden", "cox"], bare) == (("leiden",), (sentence,))
    assert allowed_metrics(("leiden", "cox"), dataclasses.replace(data, labels=None))[0] == ("cox",)
    # what was asked for is not left out: check_metrics refuses it
    assert allowed_metrics(("cox",), bare) == (("cox",), ())
    assert allowed_metrics(("leiden", "cox"), bare, {"cox": CoxOptions()}) == (("leiden", "cox"), ())
    with pytest.raises(InputError, match="neither labels nor survival"):
        allowed_metrics(("leiden", "cox"), dataclasses.replace(bare, labels=None))


def test_a_score_asked_for_as_a_metric_names_its_metric(data):
    for name, words in (
        ("ari", "leiden"),
        ("ARI", "leiden"),
        ("concordance", "cox, cox_heldout"),
        ("wsepin_error", "wsepin"),
    ):
        with pytest.raises(InputError, match=f"{name!r} is a score, not a metric; the metrics that give it: {words}"):
            check_metrics((name,), data)
    with pytest.raises(InputError, match="unknown metric 'Leiden'; did you mean 'leiden'"):
        check_metrics(("Leiden",), data)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((None,), {}, "metrics is None; it must be a name or a list"),
        (([3],), {}, "unknown metric '3'"),
        ((["leiden"], None), {}, "given is a NoneType; it must be a Given"),
        ((["leiden"], {}), {}, "given is a dict; it must be a Given"),
        ((["leiden"],), {"options": ["leiden"]}, "options are a list; they must be a mapping"),
    ],
)
def test_arguments_of_another_type(tiny, arguments, options, message):
    with pytest.raises(InputError, match=message):
        evaluate(tiny.x[:, :2], tiny, *arguments, **options)
