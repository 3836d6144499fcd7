"""Versions of a signature: its sizes beside others that change them.

Flat signatures explain the same mutations. Where SBS40 is present, SBS5 is about half as large and varies more, by how much
differs between tumour types. So the prior has a mean and a standard deviation of ln e for each set of those signatures that may
change a signature and are present, which a cohort learns as it does those of the signature alone: each set makes a version of it,
in columns after the S of the signatures themselves,

    ln e_k ~ N(m_v, s_v^2),  v = v(k, z) the version of k beside what else is present, z

P(present) is one for all versions of a signature.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vaebench.signatures.sampler.autologistic import Cooccurrence
from vaebench.signatures.sampler.grounds import Ground
from vaebench.signatures.sampler.problem import Prior

# samples that mean and variance of a version count for at most: between PCAWG's types the change of the mean of ln(size) of
# SBS5 beside SBS40 has a standard deviation of 0.3, and those within types are 0.3 to 0.7
_COUNTS = {"mean_weight": 3.0, "variance_weight": 4.0}
_OF_COHORTS = ("burden", "wrong")  # parts of a ground that have no column for each signature


class Changed(NamedTuple):
    """A signature whose sizes other signatures change.

    Attributes:
        of: its number.
        by: [B], those that change it.
        first: column of its version beside the first of them alone; that beside a set is ``first`` - 1 + sum of 2^b over its
            members b.
    """

    of: int
    by: np.ndarray
    first: int

    @property
    def versions(self) -> int:
        """Versions beside at least one of those that change it."""
        return 2 ** len(self.by) - 1


def versions_of(pairs: Cooccurrence | None) -> tuple[Changed, ...]:
    """Return which signatures have versions: those whose sizes ``pairs`` change."""
    changes = np.asarray(0.0 if pairs is None else pairs.changes)
    if not changes.any():
        return ()
    found, first = [], len(changes)
    for of in np.flatnonzero(changes.any(1)):
        by = np.flatnonzero(changes[of])
        found.append(Changed(int(of), by, first))
        first += found[-1].versions
    return tuple(found)


def columns_of(versions: Sequence[Changed], count: int) -> np.ndarray:
    """Return the signature of each column [S + V]: ``count`` = S signatures, then all versions."""
    return np.concatenate([np.arange(count), *(np.full(own.versions, own.of) for own in versions)])


def _sets(own: Changed) -> list[np.ndarray]:
    """Return which of the B signatures are present in each version, [B] of 0 and 1, none of them first."""
    return [np.array(bits[::-1]) for bits in itertools.product((0, 1), repeat=len(own.by))]


def shares_of(there: np.ndarray, versions: Sequence[Changed]) -> np.ndarray:
    """Probability of each version, [..., S + V], where signatures are present with probabilities ``there`` [..., S]."""
    there = np.asarray(there, np.float64)
    whole, parts = there.copy(), []
    for own in versions:
        others = there[..., own.by]
        chances = [there[..., own.of] * np.prod(np.where(on, others, 1 - others), -1) for on in _sets(own)]
        whole[..., own.of] = chances[0]
        parts.append(np.stack(chances[1:], -1))
    return np.concatenate([whole, *parts], -1)


def split(exposures: np.ndarray, versions: Sequence[Changed]) -> np.ndarray:
    """Return ``exposures`` [..., S] in columns [..., S + V]: that of a signature is in the column of its version."""
    if not versions:
        return exposures
    return exposures[..., columns_of(versions, exposures.shape[-1])] * shares_of(exposures > 0, versions)


def summed(values: np.ndarray, versions: Sequence[Changed]) -> np.ndarray:
    """Return sums [..., S] of ``values`` [..., S + V] over the versions of each signature."""
    count = values.shape[-1] - sum(own.versions for own in versions)
    whole = values[..., :count].copy()
    for own in versions:
        whole[..., own.of] += values[..., own.first : own.first + own.versions].sum(-1)
    return whole


def with_versions(ground: Ground) -> Ground:
    """``ground`` with columns for versions, whose sizes are expected as its pairs have them and count for few samples."""
    versions = versions_of(ground.pairs)
    if ground.pairs is None or not versions:
        return ground
    count = len(np.asarray(ground.pairs.changes))
    if np.shape(ground.log_mean)[-1] > count:  # it has them
        return ground
    columns, change, wider = columns_of(versions, count), [], []
    for own in versions:
        for on in _sets(own)[1:]:
            change.append(np.asarray(ground.pairs.changes)[own.of, own.by] @ on)
            wider.append(np.broadcast_to(np.asarray(ground.pairs.spreads), (count, count))[own.of, own.by] @ on)
    parts = {name: np.asarray(getattr(ground, name)) for name in Ground._fields[:-2]}
    wide = {name: v[..., columns] for name, v in parts.items() if v.ndim and name not in _OF_COHORTS}
    wide["log_mean"] = wide["log_mean"] + np.append(np.zeros(count), change)
    wide["variance"] = wide["variance"] * np.exp(2 * np.append(np.zeros(count), wider))
    for name, most in _COUNTS.items():
        wide[name] = np.where(np.arange(len(columns)) < count, wide[name], np.minimum(wide[name], most))
    return ground._replace(**wide)


def moments(prior: Prior, presence: np.ndarray, versions: Sequence[Changed]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of ln e, [..., S], of signatures that are present with probabilities ``presence`` [..., S].

    ``prior`` has the columns [..., S + V].
    """
    if not versions:
        return np.asarray(prior.log_mean), np.asarray(prior.log_sd)
    by = shares_of(np.maximum(presence, 1e-12), versions)
    total = summed(by, versions)
    mean = summed(by * prior.log_mean, versions) / total
    squares = summed(by * (np.square(prior.log_sd) + np.square(prior.log_mean)), versions) / total
    return mean, np.sqrt(np.maximum(squares - np.square(mean), 0.0))


def independent(ground: Ground) -> Ground:
    """Return ``ground`` with each signature on its own: no pairs, and sizes as they are whatever else is present."""
    wide, shared = with_versions(ground), np.asarray(ground.shared)
    prior = Prior(np.asarray(wide.presence), np.asarray(wide.log_mean), np.sqrt(np.asarray(wide.variance)))
    log_mean, log_sd = moments(prior, np.asarray(ground.presence), versions_of(ground.pairs))
    more = np.square(shared).sum(-2) if shared.ndim > 1 else 0.0
    return ground._replace(log_mean=log_mean, variance=np.square(log_sd) + more, shared=0.0, pairs=None)
