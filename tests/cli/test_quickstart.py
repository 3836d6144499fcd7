"""The quickstart's cohort: latents of a VAE beat shuffled labels and recover the known programmes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_score

from vaebench.cli.runs import quickstart_data, quickstart_points
from vaebench.metrics.leiden import leiden_scores
from vaebench.space import Point, group_by_static
from vaebench.training.model import fit


@pytest.fixture(scope="module")
def cohort():
    data = quickstart_data()
    return data, fit(data, point=Point(latent=10, hidden=(64,), epochs=25, learning_rate=1e-2)).embed(data.x)


def test_cohort_and_points_are_as_large_as_promised():
    data, points = quickstart_data(), quickstart_points()
    assert data.x.shape[0] >= 1000
    assert data.x.shape[1] >= 1000
    assert len(points) == 24
    assert len(group_by_static(points, data.x.shape[1])) == 4
    for axis in ("variant", "latent", "learning_rate"):
        assert len({getattr(p, axis) for p in points}) == 2
    assert len({p.seed for p in points}) == 3


@pytest.mark.slow
def test_latents_beat_shuffled_labels(cohort):
    data, z = cohort
    shuffled = np.random.default_rng(0).permutation(data.labels)
    assert leiden_scores(z, data.labels)["ari"] > 0.4
    assert abs(leiden_scores(z, shuffled)["ari"]) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("programme", ["proliferation", "immune", "hypoxia"])
def test_latents_recover_the_known_programmes(cohort, programme):
    data, z = cohort
    truth = data.factors[programme]
    ridge = RidgeCV(np.logspace(-3, 3, 7))
    assert cross_val_score(ridge, z, truth, cv=5, scoring="r2").mean() > 0.5
    shuffled = np.random.default_rng(0).permutation(truth)
    assert cross_val_score(ridge, z, shuffled, cv=5, scoring="r2").mean() < 0.02
