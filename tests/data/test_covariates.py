"""What makes every Cox model fail is known before training; the fits themselves are the oracle."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vaebench.data import cox_notes, dataset_from_arrays, run_notes
from vaebench.metrics.cox import CoxOptions, covariate_fit
from vaebench.types import Survival

N = 120
RNG = np.random.default_rng(0)
AGE = RNG.normal(60, 10, N)
SEX = np.array(["f", "m"])[RNG.integers(0, 2, N)]
STAGE = np.array(["I", "II", "III"])[RNG.integers(0, 3, N)]
LABELS = np.repeat(["A", "B", "C"], N // 3)
EVENT = RNG.random(N) < 0.6
SURVIVAL = Survival(RNG.exponential(100, N), EVENT)
X = RNG.normal(7, 2, (N, 3))


def data_with(survival: Survival = SURVIVAL, **covariates):
    return dataset_from_arrays(X, labels=LABELS, survival=survival, covariates=covariates)


def has_fit(data, label_covariate: bool = True) -> bool:
    return np.isfinite(covariate_fit(data, CoxOptions(label_covariate=label_covariate)).aic)


def test_nothing_to_say_of_a_good_cohort():
    data = data_with(age=AGE, sex=SEX, stage=STAGE)
    assert cox_notes(data) == []
    assert has_fit(data)
    assert cox_notes(dataclasses.replace(data, survival=None)) == []


@pytest.mark.parametrize(
    ("covariates", "words"),
    [
        ({"age": AGE, "kind": np.char.lower(LABELS)}, ("covariate 'kind'", "the label", "--no-label-covariate")),
        ({"organ": np.where(LABELS == "A", "x", "y")}, ("covariate 'organ'", "the label")),
        ({"age": AGE, "age_days": AGE * 365.25}, ("covariate 'age_days'", "covariate 'age'", "'age_days' out")),
        ({"stage": STAGE, "late": np.where(STAGE == "III", 1.0, 0.0)}, ("covariate 'late'", "covariate 'stage'")),
        ({"age": AGE, "size": AGE[::-1], "sum": AGE + AGE[::-1]}, ("covariate 'sum'", "together")),
    ],
)
def test_dependent_columns(covariates, words):
    data = data_with(**covariates)
    (note,) = cox_notes(data)
    for part in (*words, "depends linearly"):
        assert part in note
    assert not has_fit(data)
    assert len(note) < 300


def test_the_label_alone_or_the_covariate_alone_fits():
    data = data_with(kind=LABELS)
    assert cox_notes(data, label_covariate=False) == []
    assert has_fit(data, label_covariate=False)


def test_an_age_rounded_in_another_unit_is_nearly_the_same():
    (note,) = cox_notes(data_with(age=np.floor(AGE), age_days=AGE * 365.25))
    assert "nearly the same as covariate 'age'" in note


def test_levels_without_a_death_are_left_out():
    stage = STAGE.astype(object)
    stage[~EVENT & (np.cumsum(~EVENT) <= 4)] = "IV"
    data = data_with(stage=stage)
    (note,) = cox_notes(data)
    assert note == "Cox models leave out 4 samples: no one at their level of covariate 'stage' has an event: 'IV' (4)"
    assert has_fit(data)
    kept = stage != "IV"
    same = dataset_from_arrays(
        X[kept],
        labels=LABELS[kept],
        survival=Survival(SURVIVAL.time[kept], EVENT[kept]),
        covariates={"stage": stage[kept]},
    )
    assert covariate_fit(data).aic == pytest.approx(covariate_fit(same).aic, rel=1e-9)


def test_a_label_without_a_death_is_said_too():
    survival = Survival(SURVIVAL.time, EVENT & (LABELS != "C"))
    (note,) = cox_notes(data_with(survival))
    assert "40 samples" in note
    assert "the label" in note
    assert "'C' (40)" in note


def test_a_level_for_each_age_and_missing_values():
    ages = np.array([f"{age:.0f} y" for age in AGE])
    notes = " ".join(cox_notes(data_with(age=ages)))
    assert "covariate 'age' has" in notes
    assert "levels" in notes
    (note,) = cox_notes(data_with(age=np.where(np.arange(N) < 30, np.nan, AGE), sex=SEX))
    assert note == "Cox models use 90 of 120 samples: covariate 'age' is missing in 30"
    late = data_with(age=np.where(EVENT, np.nan, AGE))
    assert "cannot be fitted" in cox_notes(late)[0]
    assert not has_fit(late)


def test_the_same_in_all_samples():
    (note,) = cox_notes(data_with(sex=np.repeat("f", N)))
    assert note.startswith("covariate 'sex' is the same")


def test_notes_of_a_run():
    data = data_with(kind=LABELS)
    assert run_notes(data, ["leiden"]) == list(data.notes)
    assert len(run_notes(data, ["leiden", "cox"])) == len(data.notes) + 1
    assert run_notes(data, ["cox"], label_covariate=False) == list(data.notes)
    assert run_notes(data, ["cox"], {"cox": CoxOptions(label_covariate=False)}) == list(data.notes)
