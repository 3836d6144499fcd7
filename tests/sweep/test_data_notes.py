"""The notes on the data of a run, in ``run.json`` and in the report."""

from __future__ import annotations

import numpy as np
import pytest

from vaebench.data import dataset_from_arrays
from vaebench.report.runs import folder_info
from vaebench.space import point
from vaebench.sweep.runner import run


@pytest.mark.slow
def test_a_run_records_the_notes_of_its_data(tmp_path):
    values = np.random.default_rng(0).poisson(500, (24, 6))
    data = dataset_from_arrays(values, labels=["A", "B"] * 12, notes=["scale: a sentence <of> the data"])
    run(
        point(variant="vae", latent=2, hidden=(4,), batch=4, epochs=1, stopping="fixed"),
        data,
        ["probe"],
        tmp_path,
        quiet=True,
    )
    assert folder_info(tmp_path)["notes"] == ["scale: a sentence <of> the data"]
