"""Which types are mixed for a single sample, and how much each of them weighs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from vaebench.data.mutations.channels import CHANNELS
from vaebench.signatures.dispersion import Scatter
from vaebench.signatures.published import ALL_TYPES, published_facts
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.posterior import sampled
from vaebench.signatures.separate_cohorts import separate_posteriors
from vaebench.signatures.type_grounds import mixture_of, published_ground

NAMES = ["SBS1", "SBS5", "SBS4", "SBS12", "SBS7a", "SBS2", "SBS13"]


@pytest.fixture(scope="module")
def signatures() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(0).dirichlet(np.full(96, 0.2), 7), pd.Index(NAMES), list(CHANNELS))


def test_the_likeliest_types_are_mixed_and_the_others_stand_for_the_rest(signatures):
    x = np.ones((1, 96))
    found = published_facts(x, signatures)
    assert found.common.sum() == pytest.approx(1)
    assert found.common[list(found.types).index("Liver-HCC")] == found.common.max()  # most genomes are of it
    shares = np.linspace(2, 1, len(found.types))
    for own, number in (
        (shares / shares.sum(), 12),
        (np.append(np.full(4, 0.2425), np.full(len(shares) - 4, 0.03 / (len(shares) - 4))), 4),
    ):
        mixture = mixture_of(x, found, own[None])
        assert len(mixture.weights) == number
        assert mixture.weights.sum() == pytest.approx(1)
        assert mixture.ground.presence.shape == (number, 7)
        assert len(np.unique(mixture.ground.presence, axis=0)) == number
    # of the rest no type weighs more than another, and they have its probability
    wide = mixture_of(x, found, shares[None] / shares.sum()).weights
    np.testing.assert_allclose(wide[:8], (shares / shares.sum())[:8])
    np.testing.assert_allclose(wide[8:], (shares / shares.sum())[8:].sum() / 4)
    few = mixture_of(x, found, shares[None] / shares.sum(), SamplerOptions(kinds=3))
    assert len(few.weights) == 3


def test_counts_decide_the_type_and_its_prior_what_else_is_there(signatures):
    """Mutations of SBS12 are of a liver, where SBS4 is rare; without them lungs and all else are open."""
    s = signatures.to_numpy()
    found = {}
    for name, amounts in (("liver", {"SBS12": 60, "SBS5": 60}), ("lung", {"SBS4": 120, "SBS5": 80})):
        x = np.rint(sum(amount * s[NAMES.index(k)] for k, amount in amounts.items()))[None]
        facts = published_facts(x, signatures)
        shares = dict(zip(facts.types, facts.shares, strict=True))
        found[name] = max(shares, key=shares.get)
        # Bayes' rule for one sample
        np.testing.assert_allclose(facts.shares, softmax(facts.evidence[0] + np.log(facts.common)), atol=0.02)
        assert shares[ALL_TYPES] < 0.3
    assert found["liver"] == "Liver-HCC"
    assert found["lung"].startswith("Lung")


def test_single_samples_side_by_side_have_the_mixtures_that_each_has_alone(signatures):
    rng, s = np.random.default_rng(1), signatures.to_numpy()
    x = [
        rng.poisson(np.array([amounts]) @ s).astype(float)
        for amounts in ([10, 30, 0, 30, 0, 0, 0], [5, 20, 60, 0, 0, 5, 5])
    ]
    options = SamplerOptions(draws=3000, longest=1)
    noise = Scatter(1.0, 0.0, np.inf, np.ones(1), np.ones(1))
    found = published_facts(np.concatenate(x), signatures)
    both = separate_posteriors(x, signatures, [noise] * 2, found, True, options=options)
    assert both.mean.shape == (2, 7)
    for t, own in enumerate(x):
        alone = separate_posteriors([own], signatures, [noise], found, True, options=options)
        np.testing.assert_allclose(both.presence[t], alone.presence[0], atol=0.06)
        np.testing.assert_allclose(both.mean[t], alone.mean[0], atol=3)
    # a cohort beside a single sample has its own prior
    many = np.repeat(x[1], 25, 0)
    mixed = separate_posteriors([many, np.concatenate(x)], signatures, [noise] * 2, found, True, options=SAMPLER)
    assert mixed.mean.shape == (27, 7)
    assert (mixed.lower <= mixed.upper).all()


def test_few_samples_have_a_mixture_each_and_many_have_none(signatures):
    rng, s = np.random.default_rng(2), signatures.to_numpy()
    x = rng.poisson(np.tile([[0, 60, 0, 60, 0, 0, 0]], (20, 1)) @ s).astype(float)
    few, weights = published_ground(x[:3], signatures)
    assert set(few.mixture.rows) == {0, 1, 2}
    assert next(iter(weights)) == "Liver-HCC"
    alone = published_ground(x[:1], signatures)[1]
    assert weights["Liver-HCC"] > alone["Liver-HCC"]  # the others say so too
    assert published_ground(x, signatures)[0].mixture is None
    assert published_ground(x[:3], signatures, "Liver-HCC")[0].mixture is None
    # samples whose types are given learn from those of their own
    noise = Scatter(1.0, 0.0, np.inf, np.ones(3), np.ones(3))
    options = SamplerOptions(draws=100, longest=1)
    groups = np.eye(2)[[0, 0, 1]]
    start = np.tile(x[:3].sum(1, keepdims=True) / 7, 7)
    found = sampled(x[:3], s, start, noise, groups=groups, ground=few, options=options)
    assert found.prior.presence.shape == (2, 7)
    assert sampled(x[:3], s, start, noise, ground=few, options=options).prior.presence.shape == (3, 7)
