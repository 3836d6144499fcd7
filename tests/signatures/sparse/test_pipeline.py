"""The sparse extraction: each step against an independent solver, and the whole on catalogues with known truth."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize, nnls
from scipy.special import kl_div
from sklearn.decomposition import non_negative_factorization

from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.signatures import kl_nmf
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.matching import cosines
from vaebench.signatures.sparse import annealing, candidates, criterion, moves, one_number, pipeline, saem
from vaebench.signatures.sparse.ambiguity import Reassignment
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.sparse.weights import Excess, excess_of, excess_of_start, weights_of

pytestmark = pytest.mark.long

OPTIONS = SparseOptions()


def arrays(seed=0, **options):
    catalogue, truth = simulate_catalogue(seed, **options)
    return catalogue.to_numpy(), truth.signatures.to_numpy(), truth.exposures.to_numpy()


def f32(values):
    return jnp.asarray(values, jnp.float32)


def likeliest(counts, signatures):
    """Exposures by the exact solver, as the padded float32 arrays of the module under test."""
    there = np.asarray(signatures).any(1)
    found = np.zeros((len(counts), len(there)))
    found[:, there] = maximum_likelihood(counts, np.asarray(signatures, np.float64)[there]).exposures
    return f32(found)


@pytest.fixture(scope="module")
def small():
    return arrays(3, tumours=200, signatures=3, types=1)


@pytest.fixture(scope="module")
def rare():
    """200 tumours with three common signatures, and a fourth in 5 of them."""
    _, signatures, exposures = arrays(5, tumours=200, signatures=4, types=1)
    exposures[:, 3] = 0
    exposures[:5, 3] = 600
    return np.random.default_rng(0).poisson(exposures @ signatures).astype(float), signatures, exposures


def test_deviance_is_twice_the_generalised_divergence(small):
    counts, signatures, exposures = small
    expected = 2 * kl_div(counts, exposures @ signatures).sum(1)
    # a millionth of a mutation is added to each mean
    np.testing.assert_allclose(criterion.deviances(counts, signatures, exposures), expected, rtol=1e-5)


def test_updates_are_those_of_sklearn(small):
    counts, _, _ = small
    rng = np.random.default_rng(1)
    begin = rng.dirichlet(np.ones(96), 3)
    exposures = rng.dirichlet(np.ones(3), len(counts)) * counts.sum(1, keepdims=True)
    options = {"solver": "mu", "beta_loss": "kullback-leibler", "init": "custom", "tol": 0, "max_iter": 25}
    w, h, _ = non_negative_factorization(counts, exposures.copy(), begin.copy(), n_components=3, **options)
    ours = kl_nmf.updated_factors(f32(counts), f32(begin), f32(exposures), 1.0, 25)
    np.testing.assert_allclose(ours[0], h / h.sum(1, keepdims=True), atol=2e-6)
    np.testing.assert_allclose(np.asarray(ours[1]) @ np.asarray(ours[0]), w @ h, rtol=2e-3, atol=1e-3)


def test_gamma_prior_ends_at_a_stationary_point_and_zeros(small):
    counts, signatures, _ = small
    begin = kl_nmf.even_exposures(f32(counts), f32(signatures))
    found = np.asarray(kl_nmf.updated_exposures(f32(counts), f32(signatures), begin, 0.5, 3000), np.float64)
    assert (found == 0).any()
    slope = (counts / (found @ signatures)) @ signatures.T - 1 + (0.5 - 1) / np.where(found > 0, found, 1)
    np.testing.assert_allclose(slope[found > 1], 0, atol=1e-4)


def test_score_by_hand_at_the_maximum_an_optimiser_finds(small):
    counts, signatures, exposures = small
    one = f32(np.where(exposures > 0, 1.0, 0.0) * counts.sum(1, keepdims=True))
    none = f32(np.pad(counts.sum(1, keepdims=True), ((0, 0), (0, 2))))  # all by the first signature: serves no sample
    score = criterion.score_fit(f32(counts), f32(signatures), none, one, options=OPTIONS)
    assert ((score.exposures > 0) <= (exposures > 0)).all()
    for t in range(5):
        there = exposures[t] > 0

        def loss(e, x=counts[t], there=there):
            mean = e @ signatures[there]
            return mean.sum() - x @ np.log(mean)

        start = np.full(there.sum(), counts[t].sum() / there.sum())
        best = minimize(loss, start, bounds=[(1e-9, None)] * there.sum(), method="L-BFGS-B", options={"ftol": 1e-14}).x
        ours = criterion.deviances(counts[t : t + 1], signatures, score.exposures[t : t + 1])[0]
        least = criterion.deviances(counts[t : t + 1], signatures[there], best[None])[0]
        assert ours == pytest.approx(least, abs=0.05)
    present = (score.exposures > 0.5).sum(0)
    assert score.nonzeros.tolist() == present.tolist()
    expected = 2 * kl_div(counts, score.exposures @ signatures).sum()
    assert score.deviance == pytest.approx(expected, rel=1e-5)
    charge = present.sum() * np.log(96) + 95 * np.log(np.maximum(present, 8)).sum()
    which = np.where(score.exposures > 0.5, present, len(counts) - present) / len(counts)
    assert score.criterion == pytest.approx(expected + charge - 2 * np.log(which).sum(), rel=1e-5)


@pytest.mark.slow
def test_padding_changes_nothing(small, key):
    counts, signatures, exposures = small
    x, wide = f32(counts), kl_nmf.padded(signatures, 7)
    assert wide.shape == (8, 96)
    narrow, padded = (annealing.anneal(x, begin, OPTIONS) for begin in (kl_nmf.padded(signatures), wide))
    np.testing.assert_allclose(narrow[0][:3], padded[0][:3], atol=1e-5)
    np.testing.assert_allclose(narrow[1][:, :3], padded[1][:, :3], rtol=1e-3, atol=0.1)
    assert np.asarray(padded[0])[3:].sum() == np.asarray(padded[1])[:, 3:].sum() == 0
    fit = saem.refine(key, x, wide, f32(np.pad(exposures, ((0, 0), (0, 5)))), 20, OPTIONS, jnp.ones_like(x))
    assert np.asarray(fit.signatures)[3:].sum() == np.asarray(fit.exposures)[:, 3:].sum() == 0
    assert np.isfinite(np.asarray(fit.signatures)).all()


def test_quadratic_step_is_nnls():
    rng = np.random.default_rng(0)
    a, target = rng.normal(size=(96, 12, 3)), rng.normal(size=(96, 12))
    products, projections = np.einsum("cij,cik->jkc", a, a), np.einsum("cij,ci->jc", a, target)
    found = saem.quadratic_minimum(jnp.ones((3, 96)), f32(products), f32(projections), rounds=200, count=3)
    expected = np.array([nnls(a[c], target[c])[0] for c in range(96)]).T
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.slow
def test_stochastic_fit_moves_towards_the_truth(key):
    counts, signatures, exposures = arrays(1, tumours=200, signatures=4)
    rng = np.random.default_rng(0)
    begin = 0.7 * signatures + 0.3 * rng.dirichlet(np.ones(96), 4)
    fit = saem.refine(key, f32(counts), f32(begin), f32(exposures), 300, OPTIONS, jnp.ones(counts.shape))
    before, after = (np.diag(cosines(s, signatures)) for s in (begin, np.asarray(fit.signatures)))
    assert before.min() < 0.97
    assert after.min() > 0.985
    presence = np.asarray(fit.presence)
    assert presence[exposures == 0].mean() < 0.2 < 0.95 < presence[exposures > 200].mean()


def test_the_best_candidate_is_the_signature_that_is_missing(rare):
    counts, signatures, _ = rare
    known = kl_nmf.padded(signatures[:3])
    candidate = candidates.best_candidate(f32(counts), known, likeliest(counts, known), OPTIONS)
    assert cosines(candidate.signature[None], signatures)[0, 3] > 0.95
    everything = kl_nmf.padded(signatures)
    again = candidates.best_candidate(f32(counts), everything, likeliest(counts, everything), OPTIONS)
    assert candidate.gain > 3 * again.gain


def test_the_gain_of_a_candidate_is_what_a_fit_with_it_saves(rare):
    counts, signatures, _ = rare
    known = kl_nmf.padded(signatures[:3])
    candidate = candidates.best_candidate(f32(counts), known, likeliest(counts, known), OPTIONS)
    whole = np.vstack([signatures[:3], candidate.signature[None]])
    before = criterion.deviances(counts, known, likeliest(counts, known))
    after = criterion.deviances(counts, whole, likeliest(counts, whole))
    saved = np.maximum(before - after - np.log(96), 0)
    worst = np.argsort(-before)[: OPTIONS.worst_samples]
    assert candidate.gain == pytest.approx(saved[worst].sum(), rel=0.1)


def test_a_rare_signature_is_more_useful_than_a_duplicate(rare):
    counts, signatures, exposures = rare
    half = 0.5 * signatures[0] + 0.5 * signatures[1]
    whole = np.vstack([signatures, half[None]])
    shared = np.hstack([exposures, np.full((len(counts), 1), 50.0)])
    begin = f32(np.pad(shared, ((0, 0), (0, 3))))
    best = kl_nmf.updated_exposures(f32(counts), kl_nmf.padded(whole), begin, 1.0, 500)
    rises = moves.usefulness(f32(counts), kl_nmf.padded(whole), best, OPTIONS)
    assert np.isinf(rises[5:]).all()
    assert np.argmin(rises[:5]) == 4
    assert rises[4] < 0 < 100 < rises[3]


def test_rise_without_a_signature_is_that_of_a_fit_without_it(rare):
    counts, signatures, exposures = rare
    everything = kl_nmf.updated_exposures(f32(counts), kl_nmf.padded(signatures), f32(exposures), 1.0, 500)
    rises = moves.usefulness(f32(counts), kl_nmf.padded(signatures), everything, OPTIONS)
    for k in range(4):
        left = np.delete(signatures, k, 0)
        rise = criterion.deviances(counts, left, likeliest(counts, left))
        rise = rise - criterion.deviances(counts, signatures, everything)
        rows = np.asarray(everything)[:, k] > 0.5
        assert rises[k] == pytest.approx((rise[rows] - np.log(96)).sum(), rel=0.02)


def test_weights_follow_the_overdispersion():
    rng = np.random.default_rng(0)
    spectrum = rng.dirichlet(np.full(96, 0.5))
    totals = np.exp(rng.uniform(np.log(500), np.log(50_000), 400))
    mean = totals[:, None] * spectrum[None, :]

    def found(counts):
        excess, fitted = excess_of_start(counts.astype(float), spectrum[None, :], OPTIONS)
        return excess, *weights_of(totals, excess, fitted)

    excess, weights, beside = found(rng.poisson(mean))
    assert excess == Excess(1e-5)
    np.testing.assert_allclose(weights, 1 / (1 + totals / 1e5))
    assert beside is None
    # negative binomial of size 20
    excess, weights, beside = found(rng.poisson(mean * rng.gamma(20, 1 / 20, mean.shape)))
    assert excess.by_count == pytest.approx(1 / 20, rel=0.15)
    rows = slice(0, 400, 40)
    expected = 1 / (1 + totals[:, None] / 1e5 + mean / 20)
    np.testing.assert_allclose((weights[:, None] * beside)[rows], expected[rows], rtol=0.2)
    # spectra that vary as a Dirichlet distribution of concentration 2,000
    spectra = rng.dirichlet(2000 * spectrum + 1e-9, 400)
    excess, weights, beside = found(rng.poisson(totals[:, None] * spectra))
    assert excess.by_count == 0
    assert excess.by_sample == pytest.approx(1 / 2000, rel=0.15)
    assert beside is None


def test_a_sample_without_a_fit_has_weights():
    mean = np.array([[30.0, 10.0, 0.0], [0.0, 0.0, 0.0]])
    weights, beside = weights_of(np.array([40.0, 2.0]), Excess(0.01, 0.1), mean)
    first = 1 / (1.4 + 0.1 * mean[0])
    assert weights[0] == pytest.approx((30 * first[0] + 10 * first[1]) / 40)
    assert weights[1] == pytest.approx(1 / 1.02)
    np.testing.assert_allclose(weights[:, None] * beside, [first, np.full(3, 1 / 1.02)], rtol=1e-6)


def test_few_mutations_say_nothing_about_scatter():
    """12 mutations in each of 7 channels and some elsewhere: 8 cells, whose counts are far from their mean."""
    spectrum, amounts = np.where(np.arange(96) < 7, 12.0, 0.05)[None, :], np.ones((300, 1))
    counts = np.where(np.arange(96) % 2 == 0, 2.0, 0.0) * amounts * spectrum
    assert excess_of(counts, spectrum, amounts, OPTIONS) == Excess(1 / OPTIONS.half_weight_total)
    few = excess_of(counts, spectrum, amounts, SparseOptions(least_freedom=5))
    assert max(few.by_sample, few.by_count) > 0.05


def test_what_signatures_absorb_is_no_lack_of_scatter():
    """Ten signatures fitted to 40 samples of negative binomial counts: without their entries b would be a third too small."""
    rng = np.random.default_rng(1)
    mean = rng.gamma(1, 2000, (40, 3)) @ rng.dirichlet(np.full(96, 0.5), 3)
    counts = rng.poisson(mean * rng.gamma(20, 1 / 20, mean.shape)).astype(float)
    w, h, _ = non_negative_factorization(
        counts, n_components=10, solver="mu", beta_loss="kullback-leibler", init="nndsvda", max_iter=2000
    )
    excess = excess_of(counts, h, w, SparseOptions(dispersion_slack=0.0))
    assert excess.by_count == pytest.approx(1 / 20, rel=0.3)


def test_weighted_exposures_and_signatures_are_those_an_optimiser_finds(small):
    counts, signatures, exposures = small[0][:6], small[1], small[2][:6]
    rng = np.random.default_rng(2)
    weight = rng.uniform(0.1, 2, counts.shape)
    there = exposures[:, :3] > 0
    start = f32(there * counts.sum(1, keepdims=True) / 3)
    found = kl_nmf.updated_exposures(f32(counts), f32(signatures), start, 1.0, 3000, f32(weight))

    def loss(e, t, present):
        mean = e @ signatures[present]
        return float(weight[t] @ (mean - counts[t] * np.log(mean)))

    for t in range(len(counts)):
        present = there[t]
        begin = np.full(present.sum(), counts[t].sum() / present.sum())
        best = minimize(loss, begin, (t, present), bounds=[(1e-9, None)] * present.sum(), options={"ftol": 1e-15})
        assert loss(np.asarray(found, float)[t][present], t, present) == pytest.approx(best.fun, abs=1e-2)
    # one signature of one mutation rate: its best spectrum is the weighted mean of the counts
    amounts = np.full((6, 1), 100.0)
    spectrum, moved = kl_nmf.updated_factors(
        f32(counts), f32(np.full((1, 96), 1 / 96)), f32(amounts), 1.0, 1, f32(weight)
    )
    again = kl_nmf.exposure_update(f32(counts), f32(np.full((1, 96), 1 / 96)), f32(amounts), 1.0, weight=f32(weight))
    best = (weight * counts).sum(0) / (weight * np.asarray(again)).sum(0)
    np.testing.assert_allclose(np.asarray(spectrum)[0], best / best.sum(), rtol=1e-4)
    np.testing.assert_allclose(np.asarray(moved)[:, 0], np.asarray(again)[:, 0] * best.sum(), rtol=1e-4)


def test_weights_of_one_change_nothing(small):
    counts, signatures, exposures = small
    x, ones = f32(counts), jnp.ones(counts.shape, jnp.float32)
    support = f32(np.where(exposures > 0, counts.sum(1, keepdims=True), 0))
    plain, same = (criterion.score_fit(x, f32(signatures), support, options=OPTIONS, weight=w) for w in (None, ones))
    assert same.criterion == pytest.approx(plain.criterion, rel=1e-6)
    np.testing.assert_allclose(same.exposures, plain.exposures, rtol=1e-3, atol=1e-2)


def test_weighted_deviance_by_hand(small):
    counts, signatures, exposures = small
    weight = np.random.default_rng(0).uniform(0.1, 2, counts.shape)
    expected = 2 * (weight * kl_div(counts, exposures @ signatures)).sum(1)
    np.testing.assert_allclose(criterion.deviances(counts, signatures, exposures, weight), expected, rtol=1e-5)


@pytest.fixture(scope="module")
def scattered():
    """60 tumours whose spectra vary around three signatures, which more signatures could explain in part."""
    _, signatures, exposures = arrays(5, tumours=60, signatures=3, types=1)
    rng = np.random.default_rng(0)
    mean = [
        sum(e * rng.dirichlet(200 * s + 1e-6) for e, s in zip(row, signatures, strict=True)) for row in 10 * exposures
    ]
    return rng.poisson(mean).astype(float), signatures


@pytest.mark.slow
def test_the_choice_does_not_depend_on_the_largest_number(scattered):
    counts, signatures = scattered
    options = SparseOptions(final_draws=50, draws=50, patience=1, start_iterations=50)
    few, many = (pipeline.sparse_path(counts, range(2, most), restarts=1, options=options) for most in (5, 8))
    assert few.chosen == many.chosen == 1
    np.testing.assert_array_equal(few.weights, many.weights)
    np.testing.assert_array_equal(few.rows[1].fit.signatures, many.rows[1].fit.signatures)
    assert np.median(few.weights) < 0.7
    assert cosines(few.rows[1].fit.signatures, signatures).max(0).min() > 0.95


@pytest.mark.slow
def test_negative_binomial_counts_get_no_more_signatures():
    """Peaks scatter most; signatures that explain them in part were found when all counts of a sample weighed the same."""
    _, signatures, exposures = arrays(3, tumours=80, signatures=4, types=2)
    rng = np.random.default_rng(5)
    mean = 5 * exposures @ signatures
    counts = rng.poisson(mean * rng.gamma(40, 1 / 40, mean.shape)).astype(float)
    path = pipeline.sparse_path(counts, range(2, 9), restarts=3, options=SparseOptions(final_draws=400))
    found = path.rows[path.chosen].fit
    assert len(found.signatures) == 4
    assert cosines(found.signatures, signatures).max(0).min() > 0.94


@pytest.mark.slow
def test_number_and_signatures_are_found_with_a_rare_one(rare):
    counts, signatures, exposures = rare
    lines = []
    options = SparseOptions(final_draws=400)
    path = pipeline.sparse_path(
        counts, range(3, 5), restarts=2, seed=0, options=options, tell=lambda *line: lines.append(line)
    )
    assert path.rows[path.chosen].count == 4
    found = path.rows[path.chosen].fit
    similarity = cosines(found.signatures, signatures)
    assert similarity.max(0).min() > 0.95
    order = similarity.argmax(0)
    assert sorted(order) == [0, 1, 2, 3]
    totals, true = found.score.exposures[:, order].sum(0), exposures.sum(0)
    np.testing.assert_allclose(totals[:3], true[:3], rtol=0.1)
    assert totals[3] == pytest.approx(true[3], rel=0.25)  # of 5 tumours
    assert (np.diff(found.score.exposures.sum(0)) <= 0).all()
    scores = [row.fit.score for row in path.rows if row.fit is not None]
    assert np.argmin([score.criterion for score in scores]) == path.chosen == 1
    np.testing.assert_array_equal(found.score.nonzeros[np.argmax(similarity, 0)[3]], pytest.approx(5, abs=2))
    assert [row.restarts.shape for row in path.rows] == [(2, k, 96) for k in range(3, 5)]
    assert [line[1:] for line in lines] == [(i, 3) for i in range(1, 4)]


@pytest.mark.slow
def test_one_large_number_is_grown_up_to(rare, monkeypatch):
    sizes = []

    def counted(data, fit, key, options, known):
        sizes.append(len(fit.signatures))
        return add_signature(data, fit, key, options, known)

    add_signature = one_number.add_signature
    monkeypatch.setattr(one_number, "add_signature", counted)
    monkeypatch.setattr(pipeline, "swap_signatures", lambda data, fit, key, options, known: (fit, fit, 0))
    pipeline.sparse_path(rare[0], [4], restarts=1, options=SparseOptions(grown_from=2, final_draws=20, draws=20))
    assert sizes == [2, 3]


@pytest.mark.slow
def test_signatures_before_reassignments_are_in_the_order_of_those_after(rare, monkeypatch):
    """Half of the signature with the fewest mutations goes to that with the most, which does not come first as fitted."""

    def halved(signatures, exposures, options, fixed, weight):
        most, least = np.argmax(exposures.sum(0)), np.argmin(exposures.sum(0))
        after, moved = np.array(signatures), np.array(exposures)
        after[least] = (after[least] + after[most]) / 2
        moved[:, least] += 10  # still the fewest
        return after, moved, (Reassignment(int(least), int(most), -1.0, 9.0),)

    monkeypatch.setattr(pipeline, "resolve_ambiguity", halved)
    path = pipeline.sparse_path(rare[0], [3], restarts=1, options=SparseOptions(final_draws=20, draws=20))
    after = path.rows[0].fit.signatures
    assert path.reassignments == (Reassignment(2, 0, -1.0, 9.0),)
    np.testing.assert_array_equal(after[:2], path.unresolved[:2])
    np.testing.assert_allclose(after[2], (path.unresolved[2] + path.unresolved[0]) / 2)
