"""Signatures that tumours have together, or hardly ever, and sizes that grow together, as published exposures have them.

Tumours with SBS13 have SBS2, those with SBS17b have SBS17a, and a mismatch repair deficiency brings several. So one signature
says something of another, which independent signatures leave out: on a fifth of PCAWG's tumours that was held back, five times,
minus the log pseudo-likelihood of presence given the type is 6,611 with these log odds and 9,582 without.

Much of SBS2 comes with much of SBS13, beyond what a tumour's burden explains. Were their sizes independent, little of both
would count twice against them. Where SBS40 is present, SBS5 is half as large, and varies more: flat signatures share mutations.

``known_pairs.csv`` and ``known_changes.csv`` beside this file hold this for PCAWG's signatures (Alexandrov et al. 2020): log odds
ratios within a tumour type, correlations of ln(size) of signatures of one process, given that both are present, and what the
presence of one signature adds to the mean of ln(size) of another, and to the logarithm of its standard deviation.
``experiments/known_exposures.py`` makes them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, logit

from vaebench.signatures.sampler.autologistic import Cooccurrence, matched
from vaebench.signatures.sizes import size_correlation

MOST = 3.0
"""Largest log odds ratio. PCAWG's attribution gives a tumour both or none of SBS2 and SBS13, and of SBS17a and SBS17b, by a rule.
A tumour can have one of them alone, as SBS17b after a treatment with 5-fluorouracil."""
# standard deviation of the prior of a log odds ratio: of 0.25, 0.5, 1 and 2 the best within types on tumours held back
_SPREAD = 1.0
# log odds ratio within types from which two signatures may be of one process, tumours with both that tell how their sizes
# correlate, and the least correlation that is kept
_PROCESS, _BOTH, _CORRELATED = 2.0, 50, 0.3
_BORROWED = 3.0  # samples that all types count for in a type's P(present)
_TUMOURS = 2000  # drawn for shifts: the share of them with a signature that one in twenty has is known to a tenth
_LEAST_TUMOURS = 300  # drawn where fewer are wanted
_POSSIBLE = (1e-3, 1 - 1e-3)  # P(present) of a type, for few samples say no more


class Together(NamedTuple):
    """Signatures, S of them, that go together in tumours of a type.

    Attributes:
        log_odds: [S, S], symmetric, zeros on the diagonal, of being present.
        sizes: [P, S], loadings of ln(size), in standard deviations, on what the signatures of each of P processes share.
        changes: [S, S], what the presence of the second signature adds to the mean of ln(size) of the first.
        spreads: [S, S], what it adds to the logarithm of its standard deviation.
    """

    log_odds: np.ndarray
    sizes: np.ndarray
    changes: np.ndarray
    spreads: np.ndarray


def fitted_log_odds(present: np.ndarray, types: np.ndarray) -> np.ndarray:
    """Log odds ratios [S, S] of presence, symmetric with zeros on the diagonal, of tumours whose types are known.

    They maximise the penalised pseudo-likelihood (Besag 1975) of the model of :mod:`vaebench.signatures.sampler.autologistic`,
    with P(present) of each type as it is, and a prior N(0, 1) of each log odds ratio.

    Args:
        present: [N, S], 1 where a tumour has a signature.
        types: [N], of the tumours.
    """
    present = np.asarray(present, np.float64)
    chance = type_presence(present, types)
    rows, columns = np.triu_indices(present.shape[1], 1)
    apart, alone = present - chance, logit(chance)

    def loss(pairs: np.ndarray) -> tuple[float, np.ndarray]:
        log_odds = np.zeros((present.shape[1],) * 2)
        log_odds[rows, columns] = log_odds[columns, rows] = pairs
        by_pair = apart.T @ (expit(alone + apart @ log_odds) - present)
        slope = (by_pair + by_pair.T)[rows, columns] + pairs / _SPREAD**2
        return log_loss(present, chance, log_odds) + np.sum(pairs**2) / (2 * _SPREAD**2), slope

    found = minimize(loss, np.zeros(len(rows)), jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
    log_odds = np.zeros((present.shape[1],) * 2)
    log_odds[rows, columns] = log_odds[columns, rows] = found
    return log_odds


def log_loss(present: np.ndarray, chance: np.ndarray, log_odds: np.ndarray) -> float:
    """Minus the log pseudo-likelihood of ``present`` [N, S], whose P(present) in their types are ``chance`` [N, S]."""
    given = logit(chance) + (present - chance) @ log_odds
    return float(np.sum(np.logaddexp(0, given) - present * given))


def type_presence(present: np.ndarray, types: np.ndarray, wanted: np.ndarray | None = None) -> np.ndarray:
    """P(present) [N, S] of each tumour's type: its frequency there, with that of all types as three more samples.

    Args:
        present: [N, S], 1 where a tumour has a signature.
        types: [N], of the tumours.
        wanted: [N'], types of other tumours, of which P(present) [N', S] is wanted in place of these.
    """
    every = present.mean(0)
    wanted = types if wanted is None else wanted
    chance = np.empty((len(wanted), present.shape[1]))
    for kind in np.unique(wanted):
        own = types == kind
        chance[wanted == kind] = (present[own].sum(0) + _BORROWED * every) / (own.sum() + _BORROWED)
    return np.clip(chance, *_POSSIBLE)


def pair_table(exposures: pd.DataFrame, types: pd.Series, loading: np.ndarray, least: float = 0.3) -> pd.DataFrame:
    """Return the rows of ``known_pairs.csv``: log odds ratios of at least ``least`` within types.

    And correlations of ln(size) of signatures of one process: of those that occur together and grow together.

    Args:
        exposures: [N, S] in mutations.
        types: [N], of the tumours.
        loading: [S], how each signature grows with the burden.
        least: smaller ones change a probability by less than a tenth and are left out.
    """
    present = exposures.to_numpy() > 0
    names = np.array(exposures.columns)
    kinds = types.to_numpy()
    within = np.clip(fitted_log_odds(present, kinds), -MOST, MOST)
    rows, columns = np.triu_indices(len(names), 1)
    values = {"signature": names[rows], "other": names[columns]}
    table = pd.DataFrame(values | {"within_types": within[rows, columns]})
    table = table[table["within_types"].abs() >= least].reset_index(drop=True)
    return table.assign(size_correlation=_correlations(exposures, kinds, table, loading))


def _correlations(exposures: pd.DataFrame, types: np.ndarray, table: pd.DataFrame, loading: np.ndarray) -> np.ndarray:
    """Correlation of ln(size) of each pair of ``table`` that may be of one process, else NaN; a signature is in one pair."""
    amounts, names = exposures.to_numpy(np.float64), list(map(str, exposures.columns))
    found = np.full(len(table), np.nan)
    pairs = [
        (names.index(str(a)), names.index(str(b))) for a, b in zip(table["signature"], table["other"], strict=True)
    ]
    for i in np.flatnonzero(table["within_types"] >= _PROCESS):
        if (amounts[:, pairs[i]] > 0).all(1).sum() >= _BOTH:
            found[i] = size_correlation(amounts, types, pairs[i], loading)
    taken: set[int] = set()
    for i in np.argsort(-found):
        if taken.intersection(pairs[i]) or not found[i] >= _CORRELATED:
            found[i] = np.nan
        else:
            taken.update(pairs[i])
    return found


@functools.cache
def known_pairs() -> pd.DataFrame:
    """The table: ``signature``, ``other``, log odds ratios ``within_types``, and ``size_correlation``."""
    with files("vaebench.signatures").joinpath("known_pairs.csv").open() as stream:
        return pd.read_csv(stream)


def log_odds_of(inherited: np.ndarray, signatures: Sequence[str]) -> np.ndarray:
    """Log odds ratios [S, S] of signatures that inherit from published ones, zeros on the diagonal.

    Args:
        inherited: [S, P], the share of each that comes from each published signature.
        signatures: names of the P published ones.
    """
    table = known_pairs()
    place = {name: i for i, name in enumerate(signatures)}
    rows, columns = (np.array([place[name] for name in table[v]]) for v in ("signature", "other"))
    log_odds = np.zeros((len(signatures),) * 2)
    log_odds[rows, columns] = log_odds[columns, rows] = table["within_types"]
    found = inherited @ log_odds @ inherited.T
    np.fill_diagonal(found, 0.0)
    return found


def shared_sizes(inherited: np.ndarray, signatures: Sequence[str]) -> np.ndarray:
    """Loadings [P, S] of :class:`Together` of signatures that inherit from published ones, P of them; arguments as above.

    Two signatures with correlation r have loadings sqrt(r); those that inherit from one and other parts share nothing.
    """
    table = known_pairs().dropna(subset="size_correlation")
    heirs, both = np.where(np.isclose(inherited, 1.0), 1.0, 0.0), []
    for first, second, r in table[["signature", "other", "size_correlation"]].itertuples(index=False):
        pair = heirs[:, [list(signatures).index(first), list(signatures).index(second)]]
        if pair.any(0).all():
            both.append(np.sqrt(r) * pair.sum(1))
    return np.array(both).reshape(-1, len(inherited))


@functools.cache
def known_changes() -> pd.DataFrame:
    """The table: ``signature``, the ``other`` whose presence changes its ln(size), and by how much: ``change`` and ``spread``."""
    with files("vaebench.signatures").joinpath("known_changes.csv").open() as stream:
        return pd.read_csv(stream)


def changes_of(inherited: np.ndarray, signatures: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Changes and spreads of :class:`Together` of signatures that are published or first heirs; arguments as above."""
    heirs, table = np.isclose(inherited, 1.0).astype(np.float64), known_changes()
    place, both = {name: i for i, name in enumerate(signatures)}, np.zeros((2, len(signatures), len(signatures)))
    for name, other, *change in table[["signature", "other", "change", "spread"]].itertuples(index=False):
        both[:, place[name], place[other]] = change
    changes, spreads = heirs @ both @ heirs.T
    return changes, spreads


@functools.lru_cache(64)
def _shifts(chance: bytes, log_odds: bytes) -> np.ndarray:
    first = np.frombuffer(chance)
    return matched(np.random.default_rng(0), first, np.frombuffer(log_odds).reshape(len(first), -1), _TUMOURS).shifts


def pairs_of(chance: np.ndarray, together: Together, samples: int) -> Cooccurrence:
    """Prior of signatures that occur ``together``.

    Args:
        chance: expected P(present) [S], as often as which each signature is present in a single sample.
        together: which of them, and how their sizes change.
        samples: of the cohort; more than one learn P(present).
    """
    if samples > 1:
        return Cooccurrence(together.log_odds, None, together.changes, together.spreads)
    values = (np.ascontiguousarray(v, np.float64).tobytes() for v in (chance, together.log_odds))
    return Cooccurrence(together.log_odds, _shifts(*values), together.changes, together.spreads)


def drawn_presence(
    chance: np.ndarray, tumours: int, rng: np.random.Generator, together: Together | None = None
) -> np.ndarray:
    """Draw presence [tumours, S] of signatures with P(present) ``chance`` [S].

    Args:
        chance: of each signature.
        tumours: to draw.
        rng: of the draws.
        together: which of them occur together; ``None`` for independent ones.
    """
    if together is None:
        return rng.random((tumours, len(chance))) < chance
    return matched(rng, chance, together.log_odds, max(tumours, _LEAST_TUMOURS)).there.T[:tumours] > 0


def drawn_sizes(count: int, tumours: int, rng: np.random.Generator, together: Together | None = None) -> np.ndarray:
    """Draw ln(size) [tumours, S] of ``count`` signatures, in standard deviations from its mean; arguments as above."""
    own = rng.standard_normal((tumours, count))
    if together is None or not len(together.sizes):
        return own
    shared = rng.standard_normal((tumours, len(together.sizes))) @ together.sizes
    return np.sqrt(1 - np.square(together.sizes).sum(0)) * own + shared
