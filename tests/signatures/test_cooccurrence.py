"""Log odds of signatures that occur together: known truth, enumeration, and what COSMIC's names inherit."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import root
from scipy.special import expit, logit, softmax

from vaebench.signatures.cooccurrence import (
    MOST,
    Together,
    changes_of,
    drawn_presence,
    drawn_sizes,
    fitted_log_odds,
    known_pairs,
    log_odds_of,
    pair_table,
    pairs_of,
    shared_sizes,
)
from vaebench.signatures.sampler.autologistic import followed, matched
from vaebench.signatures.sampler.grounds import weak_ground
from vaebench.signatures.sizes import size_correlation
from vaebench.signatures.type_grounds import published_ground

ALONE, SAME = np.zeros((0, 4)), np.zeros((4, 4))
"""Loadings of no process."""
CHANCE = np.array([0.4, 0.5, 0.3, 0.6])
TRUE = np.zeros((4, 4))
TRUE[0, 1] = TRUE[1, 0] = 2.0
TRUE[2, 3] = TRUE[3, 2] = -1.5


def sets_of(chance: np.ndarray, log_odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All sets of signatures as 0 and 1, and the probability of each: P(present) as it should be, by Newton's method."""
    every = np.array(list(itertools.product([0, 1], repeat=len(chance))))
    pairs = 0.5 * np.einsum("nj,jk,nk->n", every, log_odds, every)

    def weights(fields: np.ndarray) -> np.ndarray:
        return softmax(every @ fields + pairs)

    found = root(lambda fields: weights(fields) @ every - chance, logit(chance) - log_odds @ chance)
    assert found.success
    return every, weights(found.x)


@pytest.mark.parametrize("log_odds", [TRUE, None])
def test_sets_are_drawn_as_often_as_enumeration_has_it(log_odds):
    every, chance = sets_of(CHANCE, np.zeros((4, 4)) if log_odds is None else log_odds)
    drawn = drawn_presence(
        CHANCE,
        60_000,
        np.random.default_rng(0),
        log_odds if log_odds is None else Together(log_odds, ALONE, SAME, SAME),
    )
    found = np.bincount(drawn @ 2 ** np.arange(4), minlength=16) / len(drawn)
    np.testing.assert_allclose(found[every @ 2 ** np.arange(4)], chance, atol=0.008)


def test_rare_signatures_that_all_go_together_are_as_rare_as_expected():
    """Four of SBS7's kind: taken as they are, the log odds of each of them would make all four common."""
    chance, log_odds = np.full(4, 0.05), 2.0 * (1 - np.eye(4))
    every, expected = sets_of(chance, log_odds)
    pairs = pairs_of(chance, Together(log_odds, ALONE, SAME, SAME), 1)
    weights = softmax(every @ (logit(chance) + pairs.shifts) + 0.5 * np.einsum("nj,jk,nk->n", every, log_odds, every))
    np.testing.assert_allclose(weights @ every, chance, rtol=0.15)
    np.testing.assert_allclose(weights, expected, atol=0.01)
    assert not matched(np.random.default_rng(0), np.zeros(4), log_odds, 100).there.any()


@pytest.mark.parametrize("samples", [3, 50])
def test_samples_that_show_nothing_keep_what_was_expected(samples):
    """P(present) and presence drawn in turn, without counts: neither may drift (Geweke 2004). With steps of 0.1 they do."""
    rng, weight, cohorts = np.random.default_rng(0), 10.0, 300
    log_odds = np.array([[0, 2.5, -1.5], [2.5, 0, 0.8], [-1.5, 0.8, 0]])
    expected = np.array([0.2, 0.1, 0.4])
    a, b = weight * expected, weight * (1 - expected)
    drawn = np.clip(rng.beta(a, b, (300, 3)), 1e-4, 1 - 1e-4)
    every = sets_of(expected, log_odds)[0]
    exact = np.mean([sets_of(p, log_odds)[1] for p in drawn], 0)
    there = (rng.random((cohorts, samples, 3)) < expected).astype(float)
    tumours, found = matched(rng, np.tile(expected, (cohorts, 1)), log_odds, 40), np.zeros(8)
    for sweep in range(250):
        on = there.sum(1)
        chance = rng.beta(a + on, b + samples - on)
        tumours = followed(rng, tumours, chance, log_odds)
        alone = (logit(chance) + tumours.shifts)[:, None]
        for k in range(3):
            there[..., k] = rng.random(there.shape[:2]) < expit(alone[..., k] + there @ log_odds[k])
        if sweep >= 50:
            found += np.bincount((there @ [4, 2, 1]).astype(int).ravel(), minlength=8) / (200 * cohorts * samples)
    np.testing.assert_allclose(found @ every, expected, atol=0.015)
    np.testing.assert_allclose(found, exact, atol=0.02)


def test_log_odds_are_found_again_also_where_types_differ():
    """Three types in which signatures are rare or common; over all of them rare ones would seem to go together."""
    rng = np.random.default_rng(1)
    types = np.repeat(["a", "b", "c"], 4000)
    parts = [drawn_presence(CHANCE * scale, 4000, rng, Together(TRUE, ALONE, SAME, SAME)) for scale in (1.0, 0.2, 1.5)]
    found = fitted_log_odds(np.concatenate(parts), types)
    np.testing.assert_allclose(found, TRUE, atol=0.3)
    np.testing.assert_array_equal(found, found.T)
    over = fitted_log_odds(np.concatenate(parts), np.zeros(12_000))
    assert over[0, 2] > 0.3 > abs(found[0, 2])


def test_few_tumours_say_little():
    always = [np.tile([[1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]], (n, 1)) for n in (2, 500)]
    few, many = (fitted_log_odds(there, np.zeros(len(there)))[0, 1] for there in always)
    assert 1 < few < 2.5
    assert many > 5


def test_pairs_of_the_table_are_those_of_published_tumours():
    table = known_pairs().set_index(["signature", "other"])
    assert table.loc[("SBS2", "SBS13"), "within_types"] == table.loc[("SBS17a", "SBS17b"), "within_types"] == MOST
    assert table.loc[("SBS10a", "SBS10b"), "within_types"] > 2
    assert (table["within_types"].abs() <= MOST).all()


def test_small_log_odds_are_left_out_of_a_table():
    rng = np.random.default_rng(3)
    there = drawn_presence(CHANCE, 3000, rng, Together(TRUE, ALONE, SAME, SAME))
    exposures = pd.DataFrame(there * 50.0, columns=["SBS1", "SBS2", "SBS3", "SBS4"])
    found = pair_table(exposures, pd.Series(["a"] * 3000), np.ones(4))
    assert list(zip(found["signature"], found["other"], strict=True)) == [("SBS1", "SBS2"), ("SBS3", "SBS4")]


def test_sizes_of_a_process_correlate_as_their_table_says():
    """Exposures of two types with a burden; the correlation that is found again is beyond what the burden explains."""
    rng = np.random.default_rng(4)
    together = Together(np.zeros((10, 10)), np.sqrt(0.6) * (np.arange(10) < 2)[None], *np.zeros((2, 10, 10)))
    parts = []
    for mean in (5.0, 3.0):
        sizes = drawn_sizes(10, 1500, rng, together)
        np.testing.assert_allclose(np.corrcoef(sizes.T)[0, :3], [1, 0.6, 0], atol=0.06)
        np.testing.assert_allclose(sizes.std(0), 1, atol=0.05)
        logs = mean + 0.8 * sizes + rng.normal(0, 0.7, (1500, 1)) + np.arange(10) % 3
        there = rng.random((1500, 10)) < np.array([0.5, 0.5, 1.0, *[0.7] * 7])
        there[:, 1] |= there[:, 0]
        parts.append(np.exp(logs) * there)
    exposures, types = np.concatenate(parts), np.repeat(["a", "b"], 1500)
    assert size_correlation(exposures, types, (0, 1)) == pytest.approx(0.6, abs=0.07)
    assert size_correlation(exposures, types, (1, 2)) == pytest.approx(0.0, abs=0.07)
    table = pair_table(pd.DataFrame(exposures, columns=list("ABCDEFGHIJ")), pd.Series(types), np.ones(10))
    assert list(table["signature"][table["size_correlation"].notna()]) == ["A"]


def test_published_processes_are_known_by_name():
    published = ["SBS2", "SBS13", "SBS17a", "SBS17b", "SBS7a", "SBS7b"]
    sizes = shared_sizes(np.eye(6), published)
    np.testing.assert_array_equal(sizes > 0, [[1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 0, 0]])
    assert sizes[0, 0] ** 2 == pytest.approx(0.55, abs=0.05)
    # SBS7 of an older table is neither of its parts, and one of two signatures shares nothing
    assert shared_sizes(np.eye(6)[:1], published).shape == (0, 1)
    assert not len(shared_sizes(0.5 * (np.eye(6)[4:5] + np.eye(6)[5:]), published))


def test_published_changes_of_sizes_are_those_of_flat_signatures_by_name():
    published = ["SBS1", "SBS3", "SBS5", "SBS40"]
    # SBS40a is the heir of SBS40, and SBS40b, which few tumours have, is none
    inherited = np.array([[0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0.1], [0, 0, 0, 0], [0, 1, 0, 0]])
    changes, spreads = changes_of(inherited, published)
    assert -0.9 < changes[0, 1] < -0.6
    assert -0.5 < changes[0, 4] < -0.3
    assert 0.4 < spreads[0, 4] < spreads[0, 1] < 0.6
    assert np.count_nonzero(changes) == np.count_nonzero(spreads) == 2


def test_signatures_that_were_split_inherit():
    published = ["SBS1", "SBS4", "SBS29", "SBS40"]
    inherited = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0.1], [0, 0, 0, 0]])
    with pytest.MonkeyPatch.context() as patch:
        pairs = known_pairs()
        patch.setattr(
            "vaebench.signatures.cooccurrence.known_pairs",
            lambda: pairs[pairs["signature"].isin(published) & pairs["other"].isin(published)],
        )
        found = log_odds_of(inherited, published)
    assert found[0, 1] == found[1, 0] < -2
    np.testing.assert_allclose(found[3], 0.1 * np.where(np.arange(5) == 2, 0, found[2]))
    assert not found[4].any()
    assert not found.diagonal().any()


def test_single_samples_and_cohorts_have_the_log_odds_within_types():
    names = ["SBS2", "SBS13", "SBS4", "SBS29", "SBS7a", "SBS7b"]
    signatures = pd.DataFrame(np.eye(6, 96) + 1e-3, names)
    signatures = signatures.div(signatures.sum(1), axis=0)
    x = np.random.default_rng(0).poisson(3, (50, 96)).astype(float)
    table = known_pairs().set_index(["signature", "other"]).loc[("SBS7a", "SBS7b")]
    one, named = (published_ground(x[:1], signatures, tissue)[0] for tissue in (None, "Skin-Melanoma"))
    many = published_ground(x, signatures)[0]
    for pairs in (one.mixture.ground.pairs, named.pairs, many.pairs):
        assert pairs.log_odds[4, 5] == table["within_types"]
    assert one.mixture.ground.pairs.shifts.shape == (len(one.mixture.weights), 6)
    assert many.pairs.shifts is None
    assert many.mixture is None
    for pairs in (one.mixture.ground.pairs, named.pairs, many.pairs):
        assert not pairs.changes.any()
    assert weak_ground(x, 6).pairs is None
