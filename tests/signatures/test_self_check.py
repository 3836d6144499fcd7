"""Checks of small cohorts on simulated tumours: cohorts that share nothing, intervals that hold, and intervals that cannot."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from vaebench.data.mutations.channels import CHANNELS
from vaebench.signatures import self_check as checked
from vaebench.signatures import separate_cohorts
from vaebench.signatures.dispersion import scatter
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.refit_notes import RefitChecks
from vaebench.signatures.refitting import refit
from vaebench.signatures.sampler.grounds import Ground
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.sampler.priors import drawn_prior, log_sums
from vaebench.signatures.self_check import SelfCheck, self_check, self_check_notes

QUICK = SamplerOptions(learning=40, draws=400, chain=20, longest=1)
NAMES = ["SBS1", "SBS5", "SBS4", "SBS40a"]


@pytest.fixture(scope="module")
def tumour() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    signatures = pd.DataFrame(rng.dirichlet(np.full(96, 0.3), 4), pd.Index(NAMES), list(CHANNELS))
    x = rng.poisson(np.array([[30.0, 60, 0, 0]]) @ signatures.to_numpy()).astype(float)
    return pd.DataFrame(x, pd.Index(["T1"]), signatures.columns), signatures


def test_separate_cohorts_are_drawn_as_if_each_were_alone():
    rng = np.random.default_rng(0)
    exposures = np.where(rng.random((4000, 2, 3)) < 0.5, rng.gamma(5, 10, (1, 2, 3)), 0.0)
    both = Ground(
        *(
            np.array(v)
            for v in ([[0.9], [0.1]], [[3.0], [5.0]], [[0.5], [1.0]], [[8.0], [2.0]], [[3.0], [1.0]], [[4.0], [2.0]])
        )
    )
    both = Ground(*(np.repeat(np.asarray(v), 3, 1) for v in both[:6]))
    found = drawn_prior(np.random.default_rng(1), log_sums(exposures, np.eye(2)), both, separate=True)
    for g in (0, 1):
        alone = Ground(*(np.asarray(v)[g] for v in both[:6]))
        one = drawn_prior(np.random.default_rng(2), log_sums(exposures[:, [g]], np.ones((1, 1))), alone)
        for a, b in zip(found, one, strict=True):
            np.testing.assert_allclose(a[:, g].mean(0), b[:, 0].mean(0), rtol=0.05)
            np.testing.assert_allclose(a[:, g].std(0), b[:, 0].std(0), rtol=0.1)
    shared = drawn_prior(np.random.default_rng(1), log_sums(exposures, np.eye(2)), alone)
    assert np.abs(shared.presence[:, 0].mean() - found.presence[:, 0].mean()) > 0.05


def test_intervals_of_simulated_tumours_hold(tumour):
    catalogue, signatures = tumour
    x, s = catalogue.to_numpy(), signatures.to_numpy()
    noise, checks = scatter(x, s, maximum_likelihood(x, s).exposures), []
    for seed in range(3):
        checks.append(self_check(x, signatures, noise, "Lung-SCC", seed=seed, options=QUICK))
        assert checks[-1].tumours == 20
        assert 40 <= checks[-1].exposures <= 60  # SBS5 in each, SBS1 in three of four, SBS4 in nine of ten
    held, exposures = (sum(getattr(v, name) for v in checks) for name in ("held", "exposures"))
    assert binomtest(held, exposures, 0.95).pvalue > 0.01


def test_a_prior_that_is_wrong_for_the_tumours_is_seen(tumour, monkeypatch):
    catalogue, signatures = tumour
    x, s = catalogue.to_numpy(), signatures.to_numpy()

    def sure(counts: np.ndarray, found: object, unsure: bool, options: SamplerOptions) -> tuple[Ground, np.ndarray]:
        """That every tumour has 200 mutations of SBS40a, and two of any other signature where there is one."""
        weight = np.full(4, 1e4)
        expected = (np.array([0.001, 0.001, 0.001, 0.999]), np.log([2.0, 2.0, 2.0, 200.0]), np.full(4, 0.01))
        return Ground(*expected, weight, weight, weight), np.ones(1)

    monkeypatch.setattr(separate_cohorts, "ground_of_types", sure)
    found = self_check(x, signatures, scatter(x, s, maximum_likelihood(x, s).exposures), "Lung-SCC", options=QUICK)
    assert found.held < 0.7 * found.exposures


def test_what_a_check_says(monkeypatch):
    said = []
    for held in (93, 80):
        monkeypatch.setattr(checked, "self_check", lambda *_, held=held: SelfCheck(100, held, 20))
        said += self_check_notes(
            True, RefitChecks(), np.ones((1, 96)), pd.DataFrame(), scatter, None, 0.95, 0, QUICK, None
        )
    good, bad = said
    assert "93% [86%, 97%]" in good
    assert "too narrow" not in good
    assert "80% [71%, 87%]" in bad
    assert "too narrow for these samples: add what signatures they miss, name the tissue, or refit" in bad
    given = (np.ones((1, 96)), pd.DataFrame(), scatter, None, 0.999, 0, QUICK, None)
    assert "in their 99.9% intervals" in self_check_notes(True, RefitChecks(), *given)[0]
    assert SelfCheck(10, 10, 5).interval()[1] == 1
    assert SelfCheck(0, 0, 5).interval() == (0, 1)


def test_a_refit_of_few_samples_says_what_its_check_found(tumour, monkeypatch):
    catalogue, signatures = tumour
    asked = []
    monkeypatch.setattr(checked, "self_check", lambda x, *_: asked.append(len(x)) or SelfCheck(50, 30, 20))
    how = {"intervals": "spike_slab", "options": QUICK}
    notes = refit(catalogue, signatures, **how).notes
    assert sum("60% [45%, 74%] of their exposures" in note for note in notes) == 1
    assert asked == [1]
    for lacks in ({"exclude": ["SBS1"]}, {"exclude": None}):  # the tumour needs SBS1, or the table has no SBS5
        table = signatures if lacks["exclude"] else signatures.rename({"SBS5": "SBS6"})
        said = refit(1000 * catalogue, table, **how, **lacks, noise="negative_binomial").notes
        assert any("without a signature that was left out" in note or "Most published" in note for note in said)
        assert not any("Checked on" in note for note in said)
    wrong = signatures[signatures.columns[::-1]].set_axis(signatures.columns, axis=1)
    for said in refit(1000 * catalogue, wrong, **how).notes:  # a check on tumours that fit would reassure wrongly
        assert "Checked on" not in said
    for other in (
        {"prior": "none"},  # nothing is published of the tumours that a weak prior expects
        {"checks": RefitChecks(checked=0)},
    ):
        assert not any("Checked on" in note for note in refit(catalogue, signatures, **how, **other).notes)
    assert asked == [1]
