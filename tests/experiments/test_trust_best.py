"""What could be known of single samples at best: Bayes' rule by hand, and never the tumour itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import trust
import trust_best
from scipy import stats
from scripts import entry

FIELD = trust.made_up_field()


def test_weights_are_those_of_the_multinomial_without_the_tumour_itself():
    cohort = trust.drawn(FIELD, "exome_1_true", "Liver-HCC", np.random.default_rng(0))
    allowed = FIELD.types == "Liver-HCC"
    found = trust_best.weights_of(FIELD, cohort, allowed)
    counts, shares = cohort.counts.to_numpy()[0], FIELD.exposures.div(FIELD.exposures.sum(axis=1), axis=0).to_numpy()
    true = cohort.truth.to_numpy()[0]
    likelihoods = np.zeros(len(shares))
    for t in np.flatnonzero(allowed):
        if not np.allclose(shares[t], true / true.sum()):
            spectrum = shares[t] @ FIELD.signatures.to_numpy() + trust_best.LEAST
            likelihoods[t] = stats.multinomial(counts.sum(), spectrum / spectrum.sum()).pmf(counts)
    assert (likelihoods > 0).sum() == allowed.sum() - 1
    np.testing.assert_allclose(found, likelihoods / likelihoods.sum(), rtol=1e-3, atol=1e-12)


def test_scores_are_shares_of_the_sums():
    sums = pd.Series(
        {"estimate": 200, "estimate_absent": 20, "shown": 100, "shown_absent": 5, "called": 10, "called_right": 8}
        | {"nonzero": 16, "error": 60, "true": 120}
    )
    expected = {"absent": 0.1, "absent_shown": 0.05, "precision": 0.8, "recall": 0.5, "error": 0.5}
    assert trust_best.scores(sums) == expected


def test_regimes_of_cohorts_are_refused(tmp_path, capsys):
    assert entry(trust_best.main, ["--preset", "cpu", "--regimes", "exome_20_all", "--out", str(tmp_path)]) == 2
    assert "only regimes of single samples" in capsys.readouterr().err


def test_more_mutations_say_more():
    few, many = (
        trust_best.best(FIELD, f"{assay}_1_true", "Liver-HCC", range(2), named=False) for assay in ("panel", "genome")
    )
    assert many["error"] < few["error"]
    assert many["ece"] == pytest.approx(0, abs=0.2)
