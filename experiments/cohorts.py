"""Data sets of the experiments: real ones from the folder that VAEBENCH_DATA names, and a small simulated one.

The real ones are not part of this repository. `metagsca`: 602 tumours of 11 TCGA cohorts, 3,341 genes (Haocan223/MetaGSCA);
`pancan_eb`: 1,106 tumours of all 33 TCGA types, 198 genes (greenelab/mpmp); `porpoise`: 5,240 tumours of 13 TCGA cohorts, 1,526
genes as z-scores within the cohorts (mahmoodlab/PORPOISE); `gtex`: 520 samples of 26 tissues, 460 genes (WangNing0420/SCIRA).
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np

from vaebench.data import simulate_cohort
from vaebench.data.dataset import dataset_from_arrays
from vaebench.data.expression import read_table
from vaebench.errors import InputError, unknown_name
from vaebench.types import Dataset

FILES = {
    "metagsca": "metagsca_11_cohorts.csv.gz",
    "pancan_eb": "pancan_eb_1106x198.csv.gz",
    "porpoise": "porpoise_13_cohorts_z.csv.gz",
    "gtex": "gtex_520x467.csv.gz",
}
NAMES = (*FILES, "simulated", "simulated_b")


def cohort(name: str, scaling: str = "zscore") -> Dataset:
    """The data set of that name, all features, scaled; age and gender are covariates, and factors for disentanglement."""
    if name in ("simulated", "simulated_b"):  # two, to compare data sets without files
        made = simulate_cohort(seed=int(name == "simulated_b"), samples=240, genes=60, types=6, scaling=scaling)[0]
        return dataclasses.replace(made, name=name)
    if name not in FILES:
        raise unknown_name("data set", name, NAMES)
    if "VAEBENCH_DATA" not in os.environ:
        raise InputError(
            f"data set {name!r} is a file; set VAEBENCH_DATA to the folder that holds expression/{FILES[name]}"
        )
    path = Path(os.environ["VAEBENCH_DATA"]) / "expression" / FILES[name]
    if name == "gtex":
        return read_table(path, name=name, label="tissue", scaling=scaling)
    if name == "porpoise":
        return _porpoise(path, scaling)
    survival = {"event": "OS", "time": "OS.time", "covariates": ("age", "gender"), "factors": ("age",)}
    if name == "metagsca":
        return read_table(path, name=name, label="cohort", where="tumor==1", scaling=scaling, **survival)
    # the samples' type is always "primary" or blood: a column of text, no feature
    return read_table(
        path, name=name, label="cancer_type", transform="log2", ignore=("sample_type",), scaling=scaling, **survival
    )


def _porpoise(path: Path, scaling: str) -> Dataset:
    """Porpoise's tumours, z-scores clipped to [-5, 5], with age and gender named as in the other sets; times are in months."""
    made = read_table(
        path,
        name="porpoise",
        label="cohort",
        scaling="none",
        event="censorship==0",
        time="survival_months",
        covariates=("age", "is_female"),
        factors=("age",),
        ignore=("oncotree_code",),
    )
    held = dict(made.covariates)
    held["gender"] = np.where(np.asarray(held.pop("is_female"), float) == 1, "female", "male")
    return dataset_from_arrays(
        np.clip(made.x, -5, 5),
        samples=made.samples,
        features=made.features,
        labels=np.array(made.label_names)[made.labels],
        survival=made.survival,
        covariates=held,
        factors=made.factors,
        scaling=scaling,
        name=made.name,
    )
