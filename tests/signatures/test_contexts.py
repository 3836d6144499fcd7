"""Extractions and refits of other contexts than SBS96: any number of channels, names from the file, one context in all tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vaebench.data.mutations.channel_names import CONTEXTS
from vaebench.errors import InputError
from vaebench.signatures.extraction import extract
from vaebench.signatures.matching import matches
from vaebench.signatures.refitting import refit


def cohort(context: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Counts [20, M], signatures [2, M] and exposures [20, 2]."""
    rng = np.random.default_rng(4)
    channels, names = list(CONTEXTS[context]), ["X1", "X2"]
    signatures = pd.DataFrame(rng.dirichlet(np.full(len(channels), 0.2), 2), names, channels)
    exposures = pd.DataFrame(rng.gamma(2.0, 1500.0, (20, 2)), [f"T{i}" for i in range(20)], names)
    counts = pd.DataFrame(rng.poisson(exposures @ signatures), exposures.index, channels)
    return counts, signatures, exposures


@pytest.mark.parametrize(
    ("context", "method"),
    [("DBS78", "nmf"), ("ID83", "nmf"), ("SBS384", "nmf"), pytest.param("DBS78", "sparse", marks=pytest.mark.slow)],
)
def test_extraction_finds_signatures_of_every_context(context, method, tmp_path):
    counts, signatures, exposures = cohort(context)
    found = extract(counts.T, k=2, method=method, restarts=1, reference=signatures)
    assert list(found.signatures.columns) == list(CONTEXTS[context])
    assert found.matches is not None
    assert found.matches["cosine"].min() > 0.97
    assert sorted(found.matches["reference"]) == ["X1", "X2"]
    np.testing.assert_allclose(found.exposures.sum(axis=1), exposures.sum(axis=1), rtol=0.15)


@pytest.mark.parametrize("context", ["DBS78", "ID83", "SBS1536"])
def test_refits_of_every_context(context):
    counts, signatures, exposures = cohort(context)
    fit = refit(counts, signatures)
    np.testing.assert_allclose(fit.exposures, exposures, atol=300, rtol=0.1)
    assert fit.dispersion == pytest.approx(1, abs=0.3)


def test_tables_of_two_contexts_are_refused():
    doublets, known, _ = cohort("DBS78")
    _, others, _ = cohort("ID83")
    for call in (
        lambda: refit(doublets, others),
        lambda: extract(doublets, k=1, method="nmf", restarts=1, reference=others),
        lambda: matches(known, others),
    ):
        with pytest.raises(InputError, match=r"DBS78 and .*ID83"):
            call()
