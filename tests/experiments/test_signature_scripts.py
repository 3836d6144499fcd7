"""The experiments with smoke presets of their own run and write what their headers say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from experiment_headers import FOLDER, OLDER, promised

pytestmark = pytest.mark.long

METHODS = {
    "gislum2024_coverage": ["--methods", "spike_slab", "--settings", "P"],
    "gislum2024_de_novo": ["--simulations", "0"],
    "gislum2024_extraction": ["--settings", "P", "--methods", "nmf,muse_xae"],
    "gislum2024_unseen": ["--methods", "nmf,vae_ms"],
}
"""One setting, one chain and quick methods are enough to see that the scripts run; `sparse` is extracted in de_novo."""
SAMPLERS = (
    "gislum2024_coverage",
    "gislum2024_de_novo",
    "trust",
    "real_tumours",
    "real_extraction",
    "trust_extraction",
    "trust_calibration",
)
"""Optimised: they run for longer than they compile."""


@pytest.mark.slow
@pytest.mark.parametrize("name", OLDER)
def test_smoke_presets_write_what_the_header_says(tmp_path, name):
    own = METHODS.get(name, [])
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--preset", "smoke", *own, "--out", str(tmp_path)]
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS" or name not in SAMPLERS}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    patterns = promised(name)
    assert patterns
    for pattern in patterns:
        found = list(Path(tmp_path).rglob(pattern.rpartition("/")[2]))
        assert found, pattern
        assert all(path.stat().st_size for path in found)


def test_rows_of_coverage_are_known_again_when_they_are_read_back(tmp_path):
    import gislum2024_coverage as coverage

    options = SimpleNamespace(
        scenarios=[2, 14],
        settings=list(coverage.SETTINGS),
        signatures=coverage.SOURCES,
        methods=["spike_slab", "posterior_released"],
        betas=[0.0, 0.001],
        levels=[0.9, 0.95],
        repeats=2,
    )
    planned = coverage.tasks(options)
    for source in coverage.SOURCES:  # a column of one value may be read as something else
        mine = [task for task in planned if task["signatures"] == source]
        pd.DataFrame(mine).to_csv(tmp_path / "rows.csv", index=False, float_format="%.6g")
        done = set(pd.read_csv(tmp_path / "rows.csv")[coverage.KEYS].itertuples(index=False, name=None))
        assert done == {tuple(task[key] for key in coverage.KEYS) for task in mine}


def test_widths_are_compared_where_both_methods_cover_as_often():
    import gislum2024_coverage as coverage

    rows = pd.DataFrame(
        [
            {"method": method, "level": level, "non_zero": level + shift, "width": scale * level, "upper_of_zeros": 1.0}
            for method, shift, scale in (("spike_slab", -0.01, 100.0), ("profile_likelihood", 0.02, 200.0))
            for level in (0.9, 0.94, 0.98)
        ]
    ).assign(scenario=2, setting="P", signatures="known", status="OK")
    found = coverage.tuned_widths(rows).set_index("method")
    assert found.loc["spike_slab", "level"] == pytest.approx(0.96)
    assert found.loc["profile_likelihood", "level"] == pytest.approx(0.93)
    assert found.loc["spike_slab", "ratio"] == pytest.approx(96 / 186)
    beyond = coverage.tuned_widths(rows[rows["level"] == 0.98])
    assert beyond["width"].isna().all()


def test_scenarios_weigh_alike_in_table_2_however_many_repeats_they_have():
    import gislum2024_extraction as extraction

    f1 = {(2, 0): 0.9, (2, 1): 0.8, (2, 2): 0.7, (14, 0): 0.2}
    rows = pd.DataFrame(
        [
            {"scenario": scenario, "repeat": repeat, "f1": value, "found": 11 + repeat, "least_cosine": value}
            for (scenario, repeat), value in f1.items()
        ]
    ).assign(method="nmf", setting="R", true=11, cosine=0.9, precision=0.5, sensitivity=0.5, seconds=60.0)
    line = extraction.table(rows).set_index("method").loc["nmf, R"]
    assert line["f1"] == pytest.approx((0.8 + 0.2) / 2)
    assert line["f1_sd"] == pytest.approx(0.1)
    assert (line["scenarios"], line["repeats"], line["number_right"]) == (2, "1 to 3", "2/4")
    assert extraction.table(rows[rows["repeat"] == 0]).set_index("method").loc["nmf, R", "repeats"] == "1"


def test_exposures_that_collapsed_count_nothing_in_the_correlation_with_the_truth():
    import gislum2024_beta as beta
    from gislum2024_extraction import cohort

    shipped = cohort(0)
    truth = shipped.exposures.to_numpy()
    assert beta.exposure_correlation(2 * truth, shipped.signatures, shipped) == pytest.approx(1)
    flat = np.where(np.arange(truth.shape[1]) == 0, 5.0, truth)
    assert beta.exposure_correlation(flat, shipped.signatures, shipped) == pytest.approx(1 - 1 / truth.shape[1])


def test_the_best_pair_is_that_of_least_squares():
    from itertools import combinations

    import real_extraction
    from scipy.optimize import nnls

    rng = np.random.default_rng(3)
    known = pd.DataFrame(rng.dirichlet(np.full(96, 0.3), 6), [f"K{i}" for i in range(6)])
    found = pd.DataFrame(
        [known.loc["K1"] * 0.7 + known.loc["K4"] * 0.3, known.loc["K2"], rng.dirichlet(np.ones(96))], ["A", "B", "C"]
    )
    answers = real_extraction.best_of_pairs(found, known)
    assert answers[0] == ("K1+K4", pytest.approx(1))
    assert "K2" in answers[1][0]
    assert answers[1][1] == pytest.approx(1)
    for (name, cosine), target in zip(answers, found.to_numpy(), strict=True):
        best = 0.0
        for pair in combinations(known.index, 2):
            basis = known.loc[list(pair)].to_numpy()
            blend = nnls(basis.T, target)[0] @ basis
            best = max(best, float(blend @ target / np.linalg.norm(blend) / np.linalg.norm(target)))
        assert cosine == pytest.approx(best, abs=1e-9), name
