"""Coverage on cases whose coverage is known, and presence calls against scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from vaebench.errors import InputError
from vaebench.signatures.coverage import coverage_summary, coverage_table, presence_scores, reliability


def long(truth: pd.DataFrame, lower, upper, exposure=None, presence=None) -> pd.DataFrame:
    """A long table in an order of its own."""
    shape = truth.shape
    values = {"lower": lower, "upper": upper, "exposure": exposure, "presence": presence}
    frame = pd.DataFrame(
        {
            "sample": np.repeat(truth.index.to_numpy(), shape[1]),
            "signature": np.tile(truth.columns.to_numpy(), shape[0]),
            **{k: np.broadcast_to(0.0 if v is None else v, shape).ravel() for k, v in values.items()},
        }
    )
    return frame.sample(frac=1, random_state=0)


@pytest.fixture
def truth() -> pd.DataFrame:
    return pd.DataFrame({"A": [100.0, 0.0, 50.0], "B": [2.0, 300.0, 0.0]}, index=["x", "y", "z"])


def test_tables_of_other_kinds_are_said():
    intervals = pd.DataFrame({"sample": ["a"], "signature": ["A"]})
    with pytest.raises(InputError, match="intervals has no column 'lower'; it must be the table of a refit"):
        coverage_table(intervals, pd.DataFrame([[1.0]], ["a"], ["A"]))
    with pytest.raises(InputError, match="truth is a ndarray; it must be a DataFrame"):
        coverage_table(intervals, np.ones((1, 1)))


def test_samples_may_be_numbered():
    truth = pd.DataFrame([[1.0], [5.0]], [7, 8], ["A"])
    rows = [("7", "A", 1.0, 0.0, 2.0, 1.0), ("8", "A", 1.0, 0.0, 2.0, 1.0)]
    intervals = pd.DataFrame(rows, columns=["sample", "signature", "exposure", "lower", "upper", "presence"])
    assert coverage_table(intervals, truth).set_index("group").loc["A", "coverage"] == 0.5


def test_every_group_of_a_case_counted_by_hand(truth):
    intervals = long(truth, [[100, 0], [1, 301], [0, 0]], [[120, 1], [2, 400], [49, 3]])
    table = coverage_table(intervals, truth).set_index("group")
    # held: xA (its lower end is the truth) and zB; xB, yA, yB and zA are not
    assert table["coverage"].to_dict() == pytest.approx(
        {"all": 2 / 6, "zero": 1 / 2, "non-zero": 1 / 4, "small": 0, "large": 1 / 3, "A": 1 / 2, "B": 0}
    )
    assert table["count"].to_dict() == {"all": 6, "zero": 2, "non-zero": 4, "small": 1, "large": 3, "A": 2, "B": 2}
    assert table.loc["non-zero", ["below", "above"]].tolist() == [1 / 4, 2 / 4]
    assert table.loc["zero", "upper"] == 2.5
    assert table.loc["non-zero", "width"] == np.median([20, 1, 99, 49])


def test_known_coverage_is_found_again():
    rng = np.random.default_rng(0)
    truth = pd.DataFrame(rng.gamma(4.0, 100.0, (4000, 2)), columns=["A", "B"]).set_axis([f"s{i}" for i in range(4000)])
    seen = truth.to_numpy() + rng.normal(0, 10, truth.shape)
    found = coverage_summary(long(truth, seen - 16.449, seen + 16.449, seen), truth)
    assert found["non_zero"] == pytest.approx(0.90, abs=0.01)
    assert found["signature_min"] <= found["non_zero"] <= found["signature_max"]
    assert found["width"] == pytest.approx(32.898)
    assert found["mse"] == pytest.approx(100, rel=0.05)
    assert found["mae"] == pytest.approx(10 * np.sqrt(2 / np.pi), rel=0.05)
    assert np.isnan(found["zero"])


def test_exposures_of_a_signature_that_was_not_found_are_missed(truth):
    intervals = long(truth, 0.0, 1000.0, truth)
    table = coverage_table(intervals[intervals["signature"] == "A"], truth).set_index("group")
    assert table.loc["B", "coverage"] == 0
    assert table.loc["A", "coverage"] == 1
    assert table.loc["zero", "coverage"] == 1
    found = coverage_summary(intervals[intervals["signature"] == "A"], truth)
    assert found["mse"] == pytest.approx((2**2 + 300**2) / 6)


def test_samples_without_intervals_are_refused(truth):
    with pytest.raises(InputError, match="'y'"):
        coverage_table(long(truth.drop("y"), 0, 1), truth)


def test_presence_calls_are_scored_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    present = rng.random((200, 3)) < 0.4
    truth = pd.DataFrame(present * 10.0, columns=list("ABC")).set_axis([f"s{i}" for i in range(200)])
    presence = np.round(np.clip(0.3 * present + rng.random((200, 3)) * 0.8, 0, 1), 2)  # with ties
    found = presence_scores(long(truth, 0, 1, presence=presence), truth)
    called = presence.ravel() >= 0.5
    assert found["precision"] == pytest.approx(precision_score(present.ravel(), called))
    assert found["recall"] == pytest.approx(recall_score(present.ravel(), called))
    assert found["auc"] == pytest.approx(roc_auc_score(present.ravel(), presence.ravel()))
    # a sample without mutations has no P(present), and changes nothing
    presence[7] = np.nan
    silent, rest = long(truth, 0, 1, presence=presence), np.delete(np.arange(200), 7)
    assert presence_scores(silent, truth) == presence_scores(silent, truth.iloc[rest])
    assert reliability(silent, truth)["count"].sum() == 3 * 199


def test_reliable_probabilities_lie_on_the_diagonal():
    rng = np.random.default_rng(0)
    presence = rng.random((5000, 2))
    truth = pd.DataFrame((rng.random((5000, 2)) < presence) * 1.0, columns=["A", "B"])
    truth.index = truth.index.astype(str)
    table = reliability(long(truth, 0, 1, presence=presence), truth)
    assert len(table) == 10
    assert table["count"].sum() == 10_000
    np.testing.assert_allclose(table["predicted"], table["observed"], atol=0.06)
