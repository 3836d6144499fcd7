"""Known signatures as a prior: each formula by hand, and what is known and what is new in small cohorts."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from vaebench.data.mutations.channels import CHANNELS
from vaebench.errors import InputError
from vaebench.signatures.extraction import extract
from vaebench.signatures.matching import cosines
from vaebench.signatures.sparse import criterion, saem
from vaebench.signatures.sparse.known import KnownSignatures, charges, missing_known, nearest_known, targets
from vaebench.signatures.sparse.options import SparseOptions

pytestmark = pytest.mark.long

OPTIONS = SparseOptions()
FEWER = SparseOptions(draws=60, final_draws=100, start_iterations=80, anneal_iterations=60, swaps=1, patience=1)


@pytest.fixture(scope="module")
def spectra() -> np.ndarray:
    """Six spectra [6, 96], two of them flat."""
    rng = np.random.default_rng(4)
    return np.stack([rng.dirichlet(np.full(96, shape)) for shape in (2.0, 1.5, 0.2, 0.2, 0.2, 0.2)])


def test_each_known_signature_is_the_prior_of_the_one_nearest_to_it(spectra):
    first, second, third = spectra[2:5]
    extracted = np.stack(
        [0.9 * first + 0.1 * second, 0.97 * first + 0.03 * second, third, np.roll(third, 31), 0 * first]
    )
    known = KnownSignatures(spectra, 100.0)
    assert nearest_known(extracted, known, OPTIONS).tolist() == [-1, 2, 4, -1, -1]
    expected = np.stack([0 * first, first, third, 0 * first, 0 * first])
    np.testing.assert_array_equal(targets(extracted, known, OPTIONS), expected)


def test_charge_of_a_spectrum_by_hand(spectra):
    rng = np.random.default_rng(0)
    found = np.stack([0.99 * spectra[2] + 0.01 / 96, np.roll(spectra[3], 40)])
    exposures = rng.gamma(2, 100, (30, 2)) * [[1, 1]]
    exposures[:10, 0] = 0
    nonzeros = (exposures > 0).sum(0)
    price = charges(found, exposures, nonzeros, KnownSignatures(spectra, 40.0), OPTIONS)
    assert np.isinf(price[1])
    moved = 0.0
    for c in range(96):
        means = [max(exposures[t] @ found[:, c], exposures[t] @ [spectra[2, c], found[1, c]]) for t in range(30)]
        precision = sum(exposures[t, 0] ** 2 / means[t] for t in range(30)) * 40 / 20
        moved += precision * (found[0, c] - spectra[2, c]) ** 2
    assert price[0] == pytest.approx(95 * np.log(1 + 20 / 40) + 2 * np.log(6) + moved)
    x = jnp.asarray(rng.poisson(exposures @ found), jnp.float32)
    arrays = (x, jnp.asarray(found, jnp.float32), jnp.asarray(exposures, jnp.float32))
    scores = [criterion.score_fit(*arrays, options=OPTIONS, known=k) for k in (None, KnownSignatures(spectra, 40.0))]
    again = charges(found, scores[1].exposures, scores[1].nonzeros, KnownSignatures(spectra, 40.0), OPTIONS)[0]
    assert again < 95 * np.log(20)
    lost = found * np.where(
        np.arange(96) == spectra[2].argmin(), 0, 1
    )  # a channel without a mutation costs next to nothing
    assert charges(lost, exposures, nonzeros, KnownSignatures(spectra, 40.0), OPTIONS)[0] < price[0] + 1
    assert scores[0].criterion - scores[1].criterion == pytest.approx(95 * np.log(20) - again, rel=1e-3)


def test_the_prior_is_worth_its_number_of_samples(spectra):
    """With one signature the minimum is the mean of the data's spectrum and the known one, weighted by their samples."""
    data, wanted, samples = spectra[3], spectra[2], 30
    products = np.full((1, 1, 96), 7.0) * (1 + np.arange(96))
    projections = products[0] * data
    known = saem.SpectrumPrior(jnp.asarray(wanted[None], jnp.float32), 10.0)
    loss = saem._with_prior(*(jnp.asarray(v, jnp.float32) for v in (products, projections)), jnp.array([30.0]), known)
    found = saem.quadratic_minimum(jnp.ones((1, 96)) / 96, *loss, rounds=5, count=1)
    np.testing.assert_allclose(found[0], (samples * data + 10 * wanted) / (samples + 10), atol=1e-5)
    none = saem.SpectrumPrior(jnp.zeros((1, 96)), 10.0)
    same = saem._with_prior(jnp.asarray(products), jnp.asarray(projections), jnp.array([30.0]), none)
    np.testing.assert_array_equal(same[0], jnp.asarray(products))


def test_the_missing_signature_is_found_with_the_gain_of_a_newton_step(spectra):
    rng = np.random.default_rng(1)
    exposures = rng.gamma(2, 400, (40, 3))
    exposures[8:, 2] = 0
    counts = rng.poisson(exposures @ spectra[:3]).astype(float)
    given = np.hstack([exposures[:, :2], np.zeros((40, 2))])  # and two rows of padding
    padded = np.vstack([spectra[:2], np.zeros((2, 96))])
    found = missing_known(counts, padded, given, KnownSignatures(spectra, 10.0), OPTIONS)
    assert found is not None
    np.testing.assert_array_equal(found[0], spectra[2])
    own = found[1][:, -1]
    assert (own[:8] > 0).all()
    np.testing.assert_allclose(found[1].sum(1), given.sum(1) * (1 - own / counts.sum(1)) + own)
    one = int(np.argmin(own[:8]))
    mean = given[one] @ padded
    best = minimize(lambda e: (mean + e * spectra[2]).sum() - counts[one] @ np.log(mean + e * spectra[2]), 0.0).x
    assert own[one] <= 0.2 * counts[one].sum() + 1e-9
    assert best > 0
    everything = KnownSignatures(spectra[:2], 10.0)
    assert missing_known(counts, padded, given, everything, OPTIONS) is None


@pytest.fixture(scope="module")
def exomes(spectra):
    """60 samples of about 120 mutations: three signatures that are known, and one that is not."""
    rng = np.random.default_rng(2)
    exposures = rng.gamma(2, 20, (60, 4)) * (rng.random((60, 4)) < [0.9, 0.6, 0.6, 0.5])
    exposures[:, 0] += 10
    names = [f"s{i}" for i in range(60)]
    rows = [0, 2, 3, 4]
    counts = pd.DataFrame(rng.poisson(exposures @ spectra[rows]).astype(float), names, list(CHANNELS))
    known = pd.DataFrame(spectra[[0, 1, 2, 3, 5]], ["flat", "other", "A", "B", "absent"], list(CHANNELS))
    return counts, known, spectra[rows]


@pytest.mark.slow
def test_known_signatures_are_found_as_themselves_and_new_ones_stand_out(exomes):
    counts, known, true = exomes
    found = extract(counts, k=range(2, 7), restarts=2, reference=known, prior_weight=200, options=FEWER)
    similarity = cosines(true, found.signatures.to_numpy())
    assert len(found.signatures) == 4
    assert similarity.max(1)[:3].min() > 0.99  # the known ones
    assert similarity.max(1)[3] > 0.9
    (note,) = [note for note in found.notes if "drawn to a known one" in note]
    assert note.startswith("3 of 4 signatures were drawn to a known one, which counts as 200 samples")
    assert all(f"({name})" in note for name in ("flat", "A", "B"))
    assert f"S{similarity.argmax(1)[3] + 1} are near none" in note


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prior_weight": 10.0}, "needs a reference"),
        ({"prior_weight": -1.0}, "0 or more"),
        ({"prior_weight": float("nan")}, "0 or more"),
        ({"prior_weight": 10.0, "method": "nmf"}, "not allowed with method='nmf'"),
    ],
)
def test_a_weight_that_cannot_be_used_is_said(exomes, options, said):
    reference = None if "reference" in said else exomes[1]
    with pytest.raises(InputError, match=said):
        extract(exomes[0], reference=reference, **options)
