"""Events from columns as GDC, cBioPortal, Xena and R write them, and the hints on those that must be asked about."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vaebench.data import checked, read_table
from vaebench.data.events import death
from vaebench.errors import InputError

N = 12
X = np.random.default_rng(0).normal(7, 2, (N, 6)).round(3)
DEAD = np.array([False, True, False] * 4)


def written(folder, event, name="status", time="time"):
    table = pd.DataFrame({"sample": [f"s{i}" for i in range(N)], name: event, time: np.arange(N) + 1.0})
    pd.concat([table, pd.DataFrame(X, columns=[f"G{j}" for j in range(6)])], axis=1).to_csv(
        folder / "t.csv", index=False
    )
    return folder / "t.csv"


@pytest.mark.parametrize(
    ("alive", "dead", "event"),
    [
        ("0:LIVING", "1:DECEASED", "status==1:DECEASED"),
        ("LIVING", "DECEASED", "status==DECEASED"),
        ("alive", "dead", "status==dead"),
        ("Alive", "Dead", "status==Dead"),
        ("no", "yes", "status==yes"),
        ("N", "Y", "status==Y"),
        ("censored", "died", "status==died"),
        ("0:ALIVE OR DEAD TUMOR FREE", "1:DEAD WITH TUMOR", "status==1:DEAD WITH TUMOR"),
        ("0:DiseaseFree", "1:Recurred/Progressed", "status==1:Recurred/Progressed"),
        ("1", "2", "status==2"),
    ],
)
def test_the_hint_proposes_a_death_and_is_right(tmp_path, alive, dead, event):
    path = written(tmp_path, np.where(DEAD, dead, alive))
    with pytest.raises(InputError) as caught:
        read_table(path, event="status", time="time")
    message = str(caught.value)
    assert f'event="{event}"' in message
    assert f"status=={alive}" not in message
    assert f"'{alive}' (8), '{dead}' (4)" in message
    assert len(message) < 300
    data = read_table(path, event=event, time="time")
    np.testing.assert_array_equal(data.survival.event, DEAD)


def test_several_ways_to_die_are_all_but_the_survivors():
    assert death(["Alive", "Dead of disease", "Dead of other causes"]) == "!=Alive"
    assert death(["A", "B"]) == ""
    assert death(["yes", "no"], "alive") == "==no"
    assert death(["Alive", "Unclear", "Dead"]) == "==Dead"


@pytest.mark.parametrize("values", [("True", "False"), ("TRUE", "FALSE"), (1, 0), (1.0, 0.0)])
def test_plain_events(tmp_path, values):
    data = read_table(written(tmp_path, np.where(DEAD, *map(str, values))), event="status", time="time")
    np.testing.assert_array_equal(data.survival.event, DEAD)
    assert not any(note.startswith(("event", "time")) for note in data.notes)


@pytest.mark.parametrize("spelling", ["Not Reported", "Unknown", "'--", "[Not Available]", ""])
def test_unknown_is_not_alive(tmp_path, spelling):
    status = np.where(DEAD, "Dead", "Alive").astype(object)
    status[:3] = spelling
    survival = read_table(written(tmp_path, status), event="status==Dead", time="time").survival
    assert np.isnan(survival.time).tolist() == [True] * 3 + [False] * 9
    assert survival.event.sum() == 3
    with pytest.raises(InputError, match="never holds"):
        read_table(tmp_path / "t.csv", event="status==Unknown", time="time")


@pytest.mark.parametrize("event", ["status==dead", "status==DECEASED", "status!=alive", "status==unknown"])
def test_a_value_that_never_occurs_is_refused(tmp_path, event):
    path = written(tmp_path, np.where(DEAD, "Dead", "Alive"))
    for reader in (read_table, checked):
        with pytest.raises(InputError, match=r"never holds.*'Alive' \(8\), 'Dead' \(4\)") as caught:
            reader(path, event=event, time="time")
    assert ("did you mean" in str(caught.value)) == (event in ("status==dead", "status!=alive"))


def test_number_that_never_occurs_is_refused(tmp_path):
    with pytest.raises(InputError, match="never holds '2'"):
        read_table(written(tmp_path, DEAD.astype(int)), event="status==2", time="time")


@pytest.mark.parametrize(
    ("column", "event", "words"),
    [
        (np.where(DEAD, "Dead", "Alive"), "status==Alive", "counts 'Alive' as a death"),
        (np.array(["Dead", "Alive", "Left study"] * 4), "status==Dead", "'Left study' (4)"),
        (np.zeros(N, int), "status", "none of the 12 samples"),
        (np.ones(N, int), "status", "all 12 samples"),
    ],
)
def test_what_looks_wrong_is_said(tmp_path, column, event, words):
    path = written(tmp_path, column)
    assert any(words in note for note in read_table(path, event=event, time="time").notes)
    assert any(words in note for note in checked(path, event=event, time="time").warnings)


def test_a_value_in_other_spellings_is_the_same_event(tmp_path):
    status = np.where(DEAD, "Dead", "Alive").astype(object)
    status[1], status[4], status[0] = "DEAD", "dead ", "alive"
    for event in ("status==Dead", "status!=Alive"):
        data = read_table(written(tmp_path, status), event=event, time="time")
        np.testing.assert_array_equal(data.survival.event, DEAD)
        (note,) = [note for note in data.notes if "case or spacing" in note]
        assert ("'DEAD' (1)" if "==" in event else "'alive' (1)") in note


@pytest.mark.parametrize(
    ("times", "unit", "said"),
    [
        (np.linspace(0.2, 9, N), "days", "9 days"),
        (np.linspace(3, 300, N), "days", "300 days"),
        (np.linspace(20, 4000, N), "days", ""),
        (np.linspace(20, 4000, N), "months", "4000 months"),
        (np.linspace(2, 130, N), "months", ""),
        (np.linspace(20, 4000, N), "years", "4000 years"),
    ],
)
def test_times_of_an_unlikely_size_are_said(tmp_path, times, unit, said):
    path = written(tmp_path, DEAD.astype(int))
    table = pd.read_csv(path).assign(time=times)
    table.to_csv(path, index=False)
    notes = [note for note in read_table(path, event="status", time="time", time_unit=unit).notes if "longest" in note]
    assert len(notes) == bool(said)
    assert all(said in note and "--time-unit" in note for note in notes)


def test_many_times_of_0_are_said(tmp_path):
    path = written(tmp_path, DEAD.astype(int))
    for zeros, said in ((0, False), (4, True)):
        pd.read_csv(path).assign(time=np.r_[np.zeros(zeros), np.linspace(20, 900, N - zeros)]).to_csv(path, index=False)
        notes = read_table(path, event="status", time="time").notes
        assert any("4 of 12 times of column 'time' are 0" in note for note in notes) == said


def test_names_that_contradict_are_said(tmp_path):
    path = written(tmp_path, DEAD.astype(int), "censored", "OS_MONTHS")
    notes = read_table(path, event="censored", time="OS_MONTHS").notes
    assert any('event="censored==0"' in note for note in notes)
    assert any("--time-unit months" in note for note in notes)
    notes = read_table(path, event="censored==0", time="OS_MONTHS", time_unit="months").notes
    assert not any(note.startswith(("event", "time")) for note in notes)


def test_a_check_refuses_times_as_a_run_does(tmp_path):
    path = written(tmp_path, DEAD.astype(int))
    path.write_text(path.read_text().replace("s3,0,4.0", "s3,0,-4.0"))
    for reader in (read_table, checked):
        with pytest.raises(InputError, match="-4 of sample 's3'"):
            reader(path, event="status", time="time")


@pytest.mark.parametrize(
    ("column", "event", "words"),
    [
        ("status", "status==1", 'give event="status==2"'),
        ("status", "status!=2", 'give event="status==2"'),
        ("status", "status==2", ""),
        ("censored", "censored==1", "if it means a censored sample"),
        ("alive", "alive!=0", "if it means a censored sample"),
        ("censored", "censored==0", ""),
    ],
)
def test_survivors_by_the_usual_code_are_said(tmp_path, column, event, words):
    codes = DEAD + 1 if column == "status" else DEAD.astype(int)
    notes = read_table(written(tmp_path, codes, column), event=event, time="time").notes
    assert any("event" in note and words in note for note in notes) == (words != "")


def test_events_that_another_column_contradicts(tmp_path):
    path = written(tmp_path, (~DEAD).astype(int), "OS")
    pd.read_csv(path).assign(vital_status=np.where(DEAD, "Dead", "Alive")).to_csv(path, index=False)
    reversed_, right = (read_table(path, event=event, time="time").notes for event in ("OS", "OS==0"))
    assert any("'vital_status' says 'Dead' of those without an event" in note for note in reversed_)
    assert not any("vital_status" in note for note in right)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([50, 60, 70, 999] * 3, "3 values of column 'age' are 999"),
        ([50, 60, 70, -1] * 3, "3 values of column 'age' are -1"),
        ([50, 60, 70, 99] * 3, ""),
        ([-1, 2, -3, 1] * 3, ""),
        (["48%", "52%", "61%", "12.5%"] * 3, "write them plainly, not as '48%'"),
    ],
)
def test_covariates_with_codes_for_missing_values(tmp_path, values, said):
    path = written(tmp_path, DEAD.astype(int))
    pd.read_csv(path).assign(age=values).to_csv(path, index=False)
    notes = read_table(path, event="status", time="time", covariates=["age"]).notes
    assert any(said in note for note in notes if note.startswith("covariates: ")) == (said != "")
