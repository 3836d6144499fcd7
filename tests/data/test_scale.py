"""One detector of the scale: its sentence in data sets and checks, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vaebench.data import checked, dataset_from_arrays, read_table
from vaebench.data.scale import profile_of, scale_text
from vaebench.errors import InputError

N = 40
RNG = np.random.default_rng(0)
LOG = np.maximum(RNG.normal(7, 2, (N, 12)), 0)
VALUES = {
    "counts": np.round(2**LOG * 20),
    "linear": 2**LOG * 1.37,
    "log": LOG,
    "z-score": (LOG - LOG.mean(axis=0)) / LOG.std(axis=0),
    "unit": RNG.random((N, 12)),
    "samples": (LOG - LOG.mean(axis=1, keepdims=True)) / LOG.std(axis=1, ddof=1, keepdims=True),
    "toil": np.log2(np.where(LOG < 4, 0, 2**LOG) + 0.001),
    "centred": LOG - LOG.mean(axis=0),
}
AMOUNTS = 2 ** RNG.normal(RNG.normal(0, 2.5, 400), RNG.gamma(4, 0.22, 400), (60, 400))
FPKM = AMOUNTS[:, AMOUNTS.max(axis=0) < 50]
FEW = RNG.poisson(RNG.gamma(0.3, 1, (60, 90)))  # of cells: counts that are mostly 0


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scales")
    for name, values in VALUES.items():
        table = pd.DataFrame(values, columns=[f"G{j}" for j in range(12)])
        table.insert(0, "sample", [f"s{i}" for i in range(N)])
        table.to_csv(folder / f"{name}.csv", index=False)
    return lambda name: folder / f"{name}.csv"


@pytest.mark.parametrize(
    ("name", "transform", "words", "mistaken"),
    [
        ("counts", "none", 'look like counts (0 to {high:.6g}) and are used as they are, but protocols expect log', True),
        ("linear", "none", "look like linear values", True),
        ("log", "none", "look like log values", False),
        ("z-score", "none", "look z-scored already", True),
        ("unit", "none", "lie in [0, 1] already", True),
        ("samples", "none", "look like values standardised within each sample", False),
        ("toil", "none", "look like log2(x + 0.001) (-9.96578 to", False),
        ("counts", "log2", "look like counts ({low:.6g} to {high:.6g}); log2(x + 1) is taken", False),
        ("linear", "log2", "log2(x + 1) is taken", False),
        ("log", "log2", "a log of logs", True),
        ("unit", "log2", "changes next to nothing", True),
    ],
)  # fmt: skip
def test_the_sentence(path, name, transform, words, mistaken):
    low, high = VALUES[name].min(), VALUES[name].max()
    words = words.replace("(0 to", "({low:.6g} to").format(low=low, high=high)
    data, summary = read_table(path(name), transform=transform), checked(path(name), transform=transform)
    (note,) = [note for note in data.notes if note.startswith("scale: ")]
    assert words in note
    assert summary.scale == note.removeprefix("scale: ")
    assert (summary.scale in summary.warnings) == mistaken


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (FPKM, "linear"),
        (AMOUNTS[:12] / AMOUNTS[:12].max() * 49, "linear"),
        (FPKM[:, FPKM.max(axis=0) < 20], "unclear"),
        (np.log2(FPKM + 1), "log"),
        (np.log2(AMOUNTS[:12] + 1), "log"),
        (np.log10(AMOUNTS + 1), "log"),
        (np.log1p(FEW / 3), "unclear"),
        (RNG.normal(RNG.normal(27, 3, 200), 0.9, (12, 200)), "log"),
    ],
    ids=["fpkm", "few samples", "rare genes", "log2", "log2 of few", "log10", "logs of cells", "log2 of intensities"],
)
def test_values_below_50_are_told_by_their_distribution(values, kind):
    profile = profile_of([([f"G{i}" for i in range(values.shape[1])], values.T)])
    assert profile.scale == kind
    text, mistaken = scale_text(profile, "none")
    assert {"linear": "look like linear", "log": "look like log values", "unclear": "look like logs or linear"}[
        kind
    ] in text
    assert ('transform="log2"' in text) == mistaken == (kind != "log")
    text, mistaken = scale_text(profile, "log2")
    assert ("leave transform" in text) == mistaken == (kind != "linear")


@pytest.mark.parametrize(
    ("name", "look"),
    [
        ("z-score", "look like z-scores"),
        ("samples", "standardised within each"),
        ("toil", "look like log2(x + 0.001)"),
        ("centred", "look like log values"),
    ],
)
def test_log2_of_negative_values_is_refused(path, name, look):
    values = VALUES[name]
    row, column = np.unravel_index(values.argmin(), values.shape)
    with pytest.raises(InputError) as caught:
        read_table(path(name), transform="log2")
    message = str(caught.value)
    count = f"{(values < 0).sum()} of {values.size} values are negative"
    for words in (count, f"{values.min():.6g}", f"'G{column}'", f"'s{row}'", look, "--transform"):
        assert words in message
    assert len(message) < 300


def test_log2_is_log2(path):
    data = read_table(path("counts"), transform="log2", scaling="none")
    np.testing.assert_allclose(data.x, np.log2(VALUES["counts"] + 1), rtol=1e-6)


def test_arrays_have_the_sentence_too():
    assert dataset_from_arrays(VALUES["counts"]).notes[0].startswith("scale: values look like counts")
    assert dataset_from_arrays(VALUES["counts"], notes=()).notes == ()


def test_repeated_features_are_summed_on_a_linear_scale_only(tmp_path):
    amounts = np.random.default_rng(0).lognormal(3, 1, (12, 6)).round(3)
    names = ["A", "B", "A", "C", "D", "E"]
    for values, transform, wrong in (
        (amounts, "none", False),
        (amounts, "log2", False),
        (np.log2(amounts + 1), "none", True),
    ):
        pd.DataFrame(values, [f"s{i}" for i in range(12)], names).to_csv(tmp_path / "t.csv")
        notes = read_table(tmp_path / "t.csv", duplicates="sum", transform=transform).notes
        assert any("1 repeated feature was summed" in note for note in notes) == wrong


def test_codes_of_missing_values_are_said():
    values = np.where(np.random.default_rng(0).random(LOG.shape) < 0.05, -999, LOG)
    coded = (values == -999).any(axis=0).sum()
    assert f"the smallest value of {coded} features is -999" in " ".join(dataset_from_arrays(values).notes)
    assert not any("smallest value" in note for note in dataset_from_arrays(LOG).notes)


def test_calls_and_constant_features_are_named(tmp_path):
    calls = np.random.default_rng(0).integers(-2, 3, (20, 6))
    calls[:, 2] = 0
    pd.DataFrame(calls, [f"s{i}" for i in range(20)], list("ABCDEF")).to_csv(tmp_path / "t.csv")
    notes = read_table(tmp_path / "t.csv").notes
    assert any("whole numbers below and above 0" in note for note in notes)
    assert "1 of 6 features is the same in all samples and left out" in notes
    with pytest.raises(InputError, match="whole numbers below and above 0"):
        read_table(tmp_path / "t.csv", transform="log2")
