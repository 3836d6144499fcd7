"""Signatures as the fewest reference signatures: blends with a known answer, new ones, and probabilities by draws."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls

from vaebench.data.mutations.channels import CHANNELS
from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.errors import InputError
from vaebench.signatures.combinations import CombinationSearch, DecompositionOptions
from vaebench.signatures.decomposition import decompose

REFERENCE = simulate_catalogue(3, tumours=30, signatures=12, types=1)[1].signatures


def table_of(rows: list[np.ndarray]) -> pd.DataFrame:
    return pd.DataFrame(rows, [f"D{i + 1}" for i in range(len(rows))], list(CHANNELS))


def blend(**shares: float) -> np.ndarray:
    return sum(share * REFERENCE.loc[name].to_numpy() for name, share in shares.items())


BLENDS = [blend(S1=1.0), blend(S2=0.6, S7=0.4), blend(S1=0.5, S4=0.3, S10=0.2), blend(S1=0.3, S4=0.3, S7=0.2, S10=0.2)]
ANSWERS = ["S1", "S2+S7", "S1+S4+S10", "S1+S4+S7+S10"]
EVERY = DecompositionOptions(most=2, least_share=0.0)
STRANGE = np.random.default_rng(0).dirichlet(np.full(96, 0.05))


def test_blends_are_taken_apart_and_a_strange_one_is_new():
    found = decompose(table_of([*BLENDS, STRANGE]), REFERENCE)
    table = found.table()
    assert table["references"].tolist() == [*ANSWERS, "new"]
    assert table["shares"].iloc[1] == "0.600+0.400"
    assert (table["cosine"].iloc[:4] > 0.9999).all()
    assert table["cosine"].iloc[4] < 0.9
    assert table["probability"].isna().all()
    assert any("New" in note and "D5" in note for note in found.notes)
    assert any("No probabilities" in note for note in found.notes)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_search_finds_what_trying_all_combinations_finds(size):
    rng = np.random.default_rng(size)
    reference = REFERENCE.to_numpy()
    search = CombinationSearch(reference, 1.0, DecompositionOptions(candidates=12, least_share=0.0))
    for s in (rng.dirichlet(np.full(96, 0.5)), rng.multinomial(800, BLENDS[2]) / 800):
        best, expected = -1.0, ()
        for members in itertools.combinations(range(len(reference)), size):
            weights, rest = nnls(reference[list(members)].T, s)
            cosine = np.sqrt(1 - rest**2 / (s @ s))
            if (weights > 0).all() and cosine > best:
                best, expected = cosine, members
        members, cosine = search._best(s, size, np.arange(len(reference)))
        assert (members, cosine) == (expected, pytest.approx(best, abs=1e-6))


def test_probabilities_are_shares_of_multinomial_draws():
    rng = np.random.default_rng(1)
    noisy = table_of([rng.multinomial(4000, s) / 4000 for s in BLENDS])
    found = decompose(noisy, REFERENCE, mutations=4000, options=DecompositionOptions(draws=60))
    assert found.table()["references"].tolist() == ANSWERS
    assert (found.table()["probability"] > 0.5).all()
    sums = found.combinations.groupby("signature")["probability"].sum()
    np.testing.assert_allclose(sums, 1.0)
    few = decompose(noisy, REFERENCE, mutations=60, options=DecompositionOptions(draws=60))
    assert few.table()["probability"].iloc[3] < 0.5  # 60 mutations do not show four signatures
    again = decompose(
        noisy, REFERENCE, mutations=pd.Series(4000.0, noisy.index), options=DecompositionOptions(draws=60)
    )
    pd.testing.assert_frame_equal(again.table(), found.table())


def test_draws_of_a_posterior_decide_between_two_answers():
    """Draws that are one blend three times of four and another else: the shares are the probabilities, by construction."""
    one, other = blend(S2=0.6, S7=0.4), blend(S1=0.5, S4=0.5)
    draws = np.stack([one if i % 4 else other for i in range(40)])[:, None]
    found = decompose(table_of([other]), REFERENCE, draws=draws)
    row = found.table().iloc[0]
    assert (row["references"], row["probability"], row["draws"]) == ("S2+S7", 0.75, 40)
    assert found.combinations.set_index("references")["probability"].to_dict() == {"S2+S7": 0.75, "S1+S4": 0.25}
    assert "joint posterior" in found.notes[0]


def test_probabilities_are_those_of_enumeration():
    """Every draw by itself, with all combinations of one and two tried by brute force."""
    rng = np.random.default_rng(2)
    draws = rng.multinomial(300, blend(S2=0.9, S7=0.1), 40) / 300
    found = decompose(table_of([draws.mean(0)]), REFERENCE, draws=draws[:, None], options=EVERY)
    reference, counted = REFERENCE.to_numpy(), {}
    for s in draws:
        cosine = {}
        for members in [*((k,) for k in range(12)), *itertools.combinations(range(12), 2)]:
            cosine[members] = np.sqrt(1 - nnls(reference[list(members)].T, s)[1] ** 2 / (s @ s))
        best = [max((m for m in cosine if len(m) == size), key=cosine.__getitem__) for size in (1, 2)]
        left = [1 - cosine[m] ** 2 + 1 - (1 - EVERY.tolerance) ** 2 for m in best]
        answer = best[1] if left[1] < (1 - EVERY.gain) * left[0] else best[0]
        name = "+".join(REFERENCE.index[k] for k in answer)
        counted[name] = counted.get(name, 0) + 1 / 40
    given = found.combinations.set_index("references")["probability"].to_dict()
    assert given == pytest.approx(counted)
    assert len(given) > 1


def test_the_cosine_and_the_most_are_kept_to():
    table = decompose(table_of(BLENDS[3:]), REFERENCE, options=DecompositionOptions(most=2)).table()
    assert table["references"].iloc[0] == "new" or table["references"].iloc[0].count("+") <= 1
    loose = decompose(table_of(BLENDS[1:2]), REFERENCE, options=DecompositionOptions(tolerance=1.0, cosine=0.5))
    assert "+" not in loose.table()["references"].iloc[0]


def test_wrong_input_is_refused_in_a_sentence(tmp_path):
    table = table_of(BLENDS)
    for given, words in (
        ({"draws": np.zeros((3, 2, 96))}, r"\[draws, 4, 96\]"),
        ({"draws": np.full((3, 4, 96), np.nan)}, "draws holds a spectrum with a value that is negative or no number"),
        ({"mutations": 0.5}, "1 mutation or more"),
        ({"mutations": pd.Series({"D1": 5.0})}, "D2"),
        ({"options": DecompositionOptions(cosine=2)}, "from 0 to 1"),
        ({"options": DecompositionOptions(most=9)}, "most"),
        ({"options": 3}, "options=3 is not allowed; it must be of the class DecompositionOptions"),
    ):
        with pytest.raises(InputError, match=words):
            decompose(table, REFERENCE, **given)
    found = decompose(table, REFERENCE)
    found.save(tmp_path / "out", info={"seed": 0})
    saved = pd.read_csv(tmp_path / "out" / "decomposition.csv")
    assert saved["references"].tolist() == ANSWERS
    assert (tmp_path / "out" / "combinations.csv").is_file()


@pytest.mark.parametrize("wrong", ["x", True, [1, 2]])
def test_numbers_of_mutations_that_are_none_are_refused(wrong):
    s = pd.DataFrame(np.random.default_rng(0).dirichlet(np.ones(96), 2), ["A", "B"], list(CHANNELS))
    with pytest.raises(InputError, match="it must be a number, or a Series"):
        decompose(s, s, mutations=wrong)
    with pytest.raises(InputError, match="gain=0 is not allowed; it must be above 0"):
        decompose(s, s, options=DecompositionOptions(gain=0))
