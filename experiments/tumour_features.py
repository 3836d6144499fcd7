"""The ten known features of the expression study, for tumours of TCGA and for simulated ones."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

import vaebench as vb
from vaebench.data.dataset import dataset_from_arrays
from vaebench.errors import InputError
from vaebench.types import Dataset

SIGNATURES = ("SBS1", "SBS2", "SBS5", "SBS13", "SBS15", "SBS40")
FEATURES = ("age", "gender", "days_to_metastasis", "leukocyte_fraction", *SIGNATURES)
LEAST = 300
"""Mutations above which the study takes the shares of a tumour's signatures."""
WEIGHT = "weight"
"""Factor with the weight of a tumour's shares; it is taken out again before anything is scored."""


def factor_table(data: Dataset, least: int, folder: Path) -> Path:
    """Write the features as a table for ``--factors``; shares of tumours with at most ``least`` mutations are empty."""
    if data.name.startswith("simulated"):
        table = pd.DataFrame(dict(data.factors)).rename(columns={"immune": "leukocyte_fraction"})
        table.insert(0, "sample", data.samples)
        table["mutations"] = np.random.default_rng(0).integers(100, 600, len(table))
    else:
        source = Path(os.environ["VAEBENCH_DATA"]) / "expression" / "tcga_factors.csv.gz"
        table = pd.read_csv(source).drop(columns="patient")
        table[list(SIGNATURES)] = table[list(SIGNATURES)].div(table["mutations"], axis=0)
    few = ~(table["mutations"] > least)
    table.loc[few, list(SIGNATURES)] = np.nan
    table[WEIGHT] = table["mutations"] / (table["mutations"] + LEAST)
    path = folder / f"factors_above_{least}.csv"
    table.to_csv(path, index=False, float_format="%.6g")
    return path


def with_features(
    data: Dataset, least: int, folder: Path, top: str | None = "<=500", scaling: str = "zscore"
) -> Dataset:
    """The tumours with the study's features; those that are the same for all of them are left out."""
    own = {"age": data.covariates["age"], "gender": (data.covariates["gender"] == data.covariates["gender"][0]) * 1.0}
    labels = np.array(data.label_names)[data.labels]
    about = {"samples": data.samples, "features": data.features, "labels": labels, "covariates": data.covariates}
    about |= {"survival": data.survival, "name": data.name}
    bare = dataset_from_arrays(data.x, **about, factors=own, top=top, scaling=scaling)
    path = factor_table(data, least, folder)
    known, held = bare, [name for name in FEATURES if name not in own]
    for name in held:
        try:
            known = vb.data.with_factors(known, path, [name])
        except InputError as error:
            print(f"note: {error}")
    return known
