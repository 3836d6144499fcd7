"""Redraws against the multinomial's moments, training and refit on catalogues with known answers, pruning by brute force."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linear_sum_assignment

from vaebench.errors import InputError
from vaebench.signatures.autoencoders.fits import _measured, posterior_draws, refit_by_encoder, trained_signatures
from vaebench.signatures.autoencoders.muse import consensus, muse_refit, pruned
from vaebench.signatures.autoencoders.training import multinomial_resample, restart_seeds, study_point
from vaebench.signatures.tables import no_progress
from vaebench.training.lane import Split
from vaebench.training.pool import Finished

SMALL = {"hidden": (32,), "learning_rate": 1e-2, "batch": 16}


@functools.cache
def catalogue(samples: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts, three sparse signatures, exposures of which a third is 0; the last sample has no mutations."""
    rng = np.random.default_rng(seed)
    signatures = rng.dirichlet(np.full(96, 0.1), 3)
    exposures = rng.lognormal(6, 1, (samples, 3)) * (rng.random((samples, 3)) > 1 / 3)
    exposures[exposures.sum(1) == 0, 0] = 100
    exposures[-1] = 0
    return rng.poisson(exposures @ signatures).astype(float), signatures, exposures


def best_cosines(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (found, true)]
    similarity = unit[0] @ unit[1].T
    return similarity[linear_sum_assignment(-similarity)]


# redraws


ROWS = np.array(
    [
        [3.0, 0, 7, 40, 0, 50],
        [1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [4e6, 1e6, 0, 10, 2e6, 5e5],
        [4e7, 3e7, 2e7, 12, 0, 0],  # more than any sample has, so that rounding shows
    ]
)


@functools.cache
def many_redraws() -> np.ndarray:
    """[20,000, 5, 6]."""
    return np.asarray(multinomial_resample(jax.random.key(0), ROWS, 20_000), np.float64).reshape(-1, *ROWS.shape)


@pytest.mark.slow
def test_redraws_have_the_multinomials_moments():
    drawn = many_redraws()
    np.testing.assert_array_equal(drawn[:, :4].sum(2), np.broadcast_to(ROWS[:4].sum(1), (len(drawn), 4)))
    assert not drawn[:, ROWS == 0].any()
    for row in (0, 3):
        law = stats.multinomial(ROWS[row].sum(), ROWS[row] / ROWS[row].sum())
        spread = np.sqrt(np.diag(law.cov()))
        np.testing.assert_allclose(drawn[:, row].mean(0), ROWS[row], atol=4.5 * spread.max() / np.sqrt(len(drawn)))
        scale = np.outer(spread, spread) + 1e-9
        np.testing.assert_allclose(np.cov(drawn[:, row].T) / scale, law.cov() / scale, atol=0.05)


@pytest.mark.slow
def test_redraws_follow_the_binomial_of_every_channel():
    """A test of the whole distribution; a float32 sampler fails it."""
    row, drawn = ROWS[4], many_redraws()[:, 4]
    for channel in range(3):
        law = stats.norm(row[channel], np.sqrt(row[channel] * (1 - row[channel] / row.sum())))
        assert stats.kstest(drawn[:, channel], law.cdf).pvalue > 1e-3
    small = np.bincount(drawn[:, 3].astype(int), minlength=40)[4:21]
    expected = stats.binom.pmf(np.arange(4, 21), row.sum(), 12 / row.sum()) * len(drawn)
    assert stats.chisquare(small, expected * small.sum() / expected.sum()).pvalue > 1e-3


def test_redraws_differ_between_sets_and_keys_alone(key):
    counts = catalogue()[0]
    drawn = np.asarray(multinomial_resample(key, counts, 4))
    assert drawn.shape == (480, 96)
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn.sum(1), np.tile(counts.sum(1), 4))
    assert (drawn[:120] != drawn[120:240]).any()
    np.testing.assert_array_equal(drawn, multinomial_resample(key, counts, 4))
    assert (drawn != np.asarray(multinomial_resample(jax.random.key(1), counts, 4))).any()


def test_seeds_of_restarts_are_distinct_and_do_not_depend_on_their_number():
    seeds = restart_seeds(3, 500)
    assert len(set(seeds)) == 500
    assert restart_seeds(3, 2) == seeds[:2]
    assert restart_seeds(4, 1) != seeds[:1]
    assert all(0 <= seed < 2**31 for seed in seeds)


# training


def trained(epochs: int, progress=no_progress, **settings):
    changed = {**SMALL, "learning_rate": 2e-3, **settings}
    return trained_signatures(
        0,
        catalogue()[0],
        3,
        5,
        settings=changed,
        augmentation=4,
        patience=20,
        epochs=epochs,
        lanes=5,
        progress=progress,
    )


@functools.cache
def muse():
    told: list[int] = []
    return trained(200, lambda what, done, total: told.append(done)), told


@pytest.mark.slow
def test_muse_xae_finds_the_signatures():
    found, told = muse()
    counts, signatures, exposures = catalogue()
    assert found.statuses == ("OK",) * 5
    assert told == sorted(told)
    assert told[-1] == 5
    assert (found.epochs < 200).all()
    assert len(set(found.epochs)) > 1  # each stops by itself
    best = int(np.argmin(found.losses))
    assert best_cosines(found.signatures[best], signatures).min() > 0.98
    np.testing.assert_allclose(found.signatures.sum(2), 1, rtol=1e-9)
    assert found.signatures.min() >= 0
    assert found.latents.shape == (5, len(counts), 3)
    assert np.isnan(found.latent_kl).all()
    assert found.active[best] == 3
    # latents times scales are exposures in the normalised spectrum: they grow with the true ones
    contribution = found.latents[best] * found.scales[best]
    true = exposures / np.maximum(exposures.sum(1, keepdims=True), 1)
    correlation = np.corrcoef(contribution.T, true.T)[:3, 3:]
    assert correlation[linear_sum_assignment(-correlation)].min() > 0.95


@pytest.mark.slow
def test_errors_are_of_the_normalised_catalogue_through_the_mean():
    found, _ = muse()
    counts = catalogue()[0][:-1]  # the last sample's row is 0 whatever comes out
    total = counts.sum(1, keepdims=True)
    x = counts / total * np.log2(total)
    mean = np.einsum("tk,kc->tc", found.latents[1] * found.scales[1], found.signatures[1])
    residual = np.linalg.norm(np.vstack([x, np.zeros(96)]) - mean)
    np.testing.assert_allclose(found.frobenius[1], residual, rtol=1e-4)
    x = np.vstack([x, np.zeros(96)])
    np.testing.assert_allclose(found.poisson[1], np.mean(mean - x * np.log(mean + 1e-7)), rtol=1e-4)
    # validation of the released recipe looks at the squared error, and the originals are what it is computed on
    np.testing.assert_allclose(found.losses[1], residual**2 / x.size, rtol=1e-3)


@pytest.mark.slow
def test_restarts_differ_and_are_reproducible():
    one, two = trained(3), trained(3)
    np.testing.assert_array_equal(one.signatures, two.signatures)
    assert (one.signatures[0] != one.signatures[1]).any()
    assert list(one.epochs) == [3] * 5


def test_a_restart_that_diverges_is_a_status():
    found = trained(3, learning_rate=1e30, optimizer="sgd")
    assert found.statuses == ("DIVERGED",) * 5
    assert np.isnan(found.signatures).all()
    assert np.isnan(found.frobenius).all()
    assert list(found.active) == [0] * 5


def test_a_dead_row_of_the_decoder_is_a_status_and_an_even_signature():
    point = study_point("muse_xae", 2, SMALL)
    rows = np.vstack([np.zeros(96), np.arange(96.0)])
    z, counts = np.ones((4, 2), np.float32), catalogue()[0][:4]
    variables = {"params": {"decoder": {"kernel": rows}}, "batch_stats": {}}
    split = Split(np.arange(4), np.arange(4), np.zeros(1), np.ones(1))
    part = _measured(Finished(point, "converged", 5, 4, {"valid": 1.0}, [], z, variables, split), counts)
    assert part.statuses == "DEAD_SIGNATURE: 1 of 2 rows of the decoder are 0"
    np.testing.assert_allclose(part.signatures, np.vstack([np.full(96, 1 / 96), rows[1] / rows[1].sum()]))
    assert list(part.scales) == [0, rows[1].sum()]


@pytest.mark.slow
def test_latents_collapse_at_a_large_beta_and_are_used_at_zero():
    use = {}
    for beta in (0.0, 100.0):
        settings = {**SMALL, "beta": beta}
        use[beta] = trained_signatures(
            0, catalogue()[0], 3, 1, variant="folded_normal_vae", settings=settings, augmentation=4, epochs=30, lanes=1
        )
    assert use[0.0].active[0] == 3
    assert use[0.0].latent_kl.min() > 1
    assert use[100.0].active[0] == 0
    assert use[100.0].latent_kl.max() < 0.01
    assert use[100.0].poisson[0] > use[0.0].poisson[0]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"k": 0}, ("k=0", "from 1 to 10000")),
        ({"k": 200}, ("k is 200", "120 samples")),
        ({"restarts": 0}, ("restarts=0",)),
        ({"augmentation": -1}, ("augmentation=-1",)),
        ({"seed": -1}, ("seed=-1", "from 0 to")),
        ({"variant": "vae"}, ("'vae'", "expression", "muse_xae", "weibull_vae")),
        ({"settings": {"betta": 1.0}, "variant": "folded_normal_vae"}, ("betta", "beta")),
        ({"settings": {"batch": 601}}, ("batch is 601", "only 600 rows")),
        ({"settings": {"batch": 121}, "augmentation": 0}, ("batch is 121", "only 120 rows")),
        ({"settings": {"seed": 3}}, ("seed=3", "cannot be set")),
        ({"settings": {"latent": 4}}, ("latent=4", "number of signatures")),
        ({"settings": {"variant": "weibull_vae"}}, ("variant='weibull_vae'", "the method is the variant")),
        ({"settings": {"frozen": True}, "variant": "folded_normal_vae"}, ("frozen=True", "cannot be set")),
        ({"counts": np.full((3, 96), -1.0), "k": 2}, ("none negative",)),
        ({"counts": np.full((3, 96), np.nan), "k": 2}, ("finite",)),
    ],
)
def test_bad_input_is_refused_by_name(changed, words):
    given = {"seed": 0, "counts": catalogue()[0], "k": 3, "restarts": 1, **changed}
    with pytest.raises(InputError) as error:
        trained_signatures(**given)
    assert all(word in str(error.value) for word in words), str(error.value)


class Seen(Exception):
    """Ends a call once its arguments are known."""


def seen_by_lanes(monkeypatch, module: str, call):
    """(points, rows, splits by point) that a function hands to the lanes."""
    found = []

    def stand_in(points, counts, rows, split_of, signatures, lanes, progress):
        found.append((points, np.asarray(rows), [split_of(point) for point in points]))
        raise Seen

    monkeypatch.setattr(f"vaebench.signatures.{module}.trained_lanes", stand_in)
    with pytest.raises(Seen):
        call()
    return found[0]


@pytest.mark.slow
def test_lanes_train_on_redraws_and_are_stopped_on_the_counts(monkeypatch):
    counts = catalogue()[0]
    points, rows, splits = seen_by_lanes(monkeypatch, "autoencoders.fits", lambda: trained(10))
    assert len({point.seed for point in points}) == 5
    np.testing.assert_array_equal(rows, np.vstack([counts, multinomial_resample(jax.random.key(0), counts, 4)]))
    for split in splits:
        np.testing.assert_array_equal(split.train, np.arange(120, 600))
        np.testing.assert_array_equal(split.valid, np.arange(120))
    plain = lambda: trained_signatures(0, counts, 3, 1, augmentation=0)  # noqa: E731
    _, rows, (split,) = seen_by_lanes(monkeypatch, "autoencoders.fits", plain)
    np.testing.assert_array_equal(rows, counts)
    np.testing.assert_array_equal(split.train, np.arange(120))


@pytest.mark.slow
def test_every_muse_refit_goes_from_its_own_redraw_to_the_counts(monkeypatch):
    counts, signatures, _ = catalogue()
    call = lambda: muse_refit(0, counts, signatures, refits=4)  # noqa: E731
    _, rows, splits = seen_by_lanes(monkeypatch, "autoencoders.muse", call)
    np.testing.assert_array_equal(rows[:, 96:], np.tile(counts, (5, 1)))
    inputs = [rows[split.train, :96] for split in splits]
    np.testing.assert_array_equal(np.vstack(inputs), multinomial_resample(jax.random.key(0), counts, 4))
    for split in splits:
        np.testing.assert_array_equal(rows[split.valid, :96], counts)


# refit


@functools.cache
def refit():
    counts, signatures, _ = catalogue()
    settings = {**SMALL, "beta": 0.0}
    return refit_by_encoder(0, counts, signatures, settings=settings, epochs=150, patience=150)


@pytest.mark.slow
def test_refitted_exposures_are_near_the_truth_and_sum_to_the_mutations():
    fit, (counts, _, exposures) = refit(), catalogue()
    assert fit.status == "OK"
    assert fit.epochs == 150
    np.testing.assert_allclose(fit.exposures.sum(1), counts.sum(1), rtol=1e-6)
    assert not fit.exposures[-1].any()
    share, true = (part[:-1] / part[:-1].sum(1, keepdims=True) for part in (fit.exposures, exposures))
    assert np.abs(share - true).mean() < 0.03
    assert fit.latent_kl.shape == (3,)
    assert fit.latent_kl.min() > 0


@pytest.mark.slow
def test_posterior_draws_scatter_around_the_exposures(key):
    fit = refit()
    drawn = posterior_draws(key, fit, 400)
    assert drawn.shape == (400, *fit.exposures.shape)
    assert drawn.min() >= 0
    error = np.abs(drawn.mean(0) - fit.exposures)
    assert np.all(error <= 5 * drawn.std(0) / np.sqrt(400) + 1e-3 * fit.exposures + 1e-3)
    assert drawn[:, :-1].std(0).min() > 0
    assert not drawn[:, -1].any()
    np.testing.assert_array_equal(drawn, posterior_draws(key, fit, 400))
    assert (drawn != posterior_draws(jax.random.key(7), fit, 400)).any()


@pytest.mark.slow
def test_muse_refit_finds_exposures_and_zeros():
    counts, signatures, exposures = catalogue()
    found = muse_refit(0, counts, signatures, refits=4, settings=SMALL, epochs=150, patience=60)
    assert found.statuses == ("OK",) * 4
    np.testing.assert_allclose(found.exposures.sum(1), counts.sum(1), rtol=1e-6)
    share, true = (part[:-1] / part[:-1].sum(1, keepdims=True) for part in (found.exposures, exposures))
    assert np.abs(share - true).mean() < 0.03
    assert np.mean((found.exposures > 0) == (exposures > 0)) > 0.9
    assert set(np.unique(found.presence * 4)) <= {0, 1, 2, 3, 4}
    with pytest.raises(InputError, match="refits is 0"):
        muse_refit(0, counts, signatures, refits=0)


# pruning and consensus by brute force


def plainly_pruned(exposures: np.ndarray, signatures: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """One sample at a time, every reconstruction written out."""
    out = np.zeros_like(exposures)
    for t, row in enumerate(exposures):
        share, x = row / row.sum(), counts[t]

        def quality(chosen, row=row, x=x):
            kept = np.where(chosen, row, 0)
            if not kept.any():
                return 0.0, np.linalg.norm(x)
            mean = kept / kept.sum() * x.sum() @ signatures
            return mean @ x / np.linalg.norm(mean) / np.linalg.norm(x), np.linalg.norm(x - mean)

        chosen = share > 0.05
        waiting = [k for k in range(len(row)) if 1e-4 <= share[k] <= 0.05]
        cosine, residual = quality(chosen)
        while waiting:
            tried = [(*quality(chosen | (np.arange(len(row)) == k)), k) for k in waiting]
            best = max(tried)
            if best[0] <= cosine or residual - best[1] < 0.01 * residual:
                break
            chosen[best[2]], (cosine, residual) = True, best[:2]
            waiting.remove(best[2])
        out[t] = np.where(chosen, row, 0) * x.sum() / np.where(chosen, row, 0).sum() if chosen.any() else 0
    return out


def test_pruning_equals_one_sample_at_a_time():
    rng = np.random.default_rng(5)
    signatures = rng.dirichlet(np.full(96, 0.3), 30)
    exposures = rng.gamma(0.3, 1.0, (60, 30))
    exposures[0] = 1.0  # none above 5%
    counts = rng.poisson(rng.gamma(0.3, 100.0, (60, 30)) * (rng.random((60, 30)) < 0.5) @ signatures).astype(float) + 1
    found = pruned(exposures, signatures, counts)
    expected = plainly_pruned(exposures, signatures, counts)
    np.testing.assert_array_equal(found > 0, expected > 0)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    small = exposures / exposures.sum(1, keepdims=True) <= 0.05
    assert 0.02 < np.mean(found[small] > 0) < 0.9  # some prove themselves, some do not
    np.testing.assert_allclose(found.sum(1), counts.sum(1))


def test_consensus_is_the_median_where_most_refits_agree():
    refits = np.array([[[10.0, 0.4, 90], [0, 0, 0]], [[20, 30, 50], [0, 0, 0]], [[0, 0.0, 100], [0, 0, 0]]])
    exposures, presence = consensus(refits, np.array([[60.0, 40], [0, 0]]))
    np.testing.assert_allclose(presence, [[2 / 3, 1 / 3, 1], [0, 0, 0]])
    raw = np.array([15.0, 0, 90])
    np.testing.assert_allclose(exposures, [raw / raw.sum() * 100, [0, 0, 0]])


def test_a_sample_without_mutations_stays_empty_when_pruned():
    signatures = np.random.default_rng(0).dirichlet(np.ones(96), 3)
    assert not pruned(np.zeros((1, 3)), signatures, np.zeros((1, 96))).any()
    assert not pruned(np.array([[0.97, 0.03, 0.0]]), signatures, np.zeros((1, 96))).any()
