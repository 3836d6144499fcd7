"""Simulated mutation catalogues with known signatures and exposures.

The model, after SynSigGen (Islam et al. 2022), for tumour t of type c and signature s:

1. Signatures are drawn (sparse, flat or overlapping), or given.
2. The signature is present with the type's probability: b_ts ~ Bernoulli(p_cs).
3. Its mutations are log-normal: e_ts = b_ts 10^n_ts with n_ts ~ N(m_cs, d_cs^2).
4. Counts have mean mu = e @ signatures, and scatter about it by the chosen noise.

Signatures, exposures and noise use separate random streams, so the truth does not depend on the noise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.mutations.channels import CHANNELS, SUBSTITUTIONS, checked_signatures
from vaebench.errors import InputError, whole_number
from vaebench.types.shown import one_line, tables_page

NOISES = ("poisson", "exact", "multinomial", "negative_binomial")
"""Kinds of noise; see :func:`simulate_catalogue`."""

MOST_ALIKE = 0.9
"""Largest cosine similarity of two simulated signatures; that of SBS5 and SBS40 is 0.83."""

_FEWEST = 3  # least number of tumours with a signature, so that none is in the truth but not in the data


class CatalogueTruth(NamedTuple):
    """The true parameters of a simulated catalogue.

    Attributes:
        signatures: [S, M], rows sum to 1; M is 96 unless they were given.
        exposures: [T, S], numbers of mutations.
        types: [T], cancer type of each tumour.
    """

    __repr__ = one_line
    _repr_html_ = tables_page

    signatures: pd.DataFrame
    exposures: pd.DataFrame
    types: pd.Series


def simulate_catalogue(
    seed: int = 0,
    *,
    tumours: int = 300,
    signatures: int | pd.DataFrame = 6,
    types: int = 3,
    noise: str = "poisson",
    size: float = 50.0,
) -> tuple[pd.DataFrame, CatalogueTruth]:
    """Simulates a catalogue of mutation counts.

    Each cancer type has its own probability and burden of each signature; the mutations of a signature that is present
    are log-normal, as in SynSigGen (Islam et al. 2022): e_ts = b_ts 10^n_ts with b_ts ~ Bernoulli(p_cs) and n_ts ~
    N(m_cs, d_cs^2) for tumour t of type c. The first signature is present in every tumour, like a clock, and every
    signature in at least 3. Simulated signatures are in turn sparse (a few contexts of one or two substitutions), flat,
    and overlapping (about half of it is the signature before last). The truth does not depend on ``noise``.

    Args:
        seed: whole number, 0 or more.
        tumours: T, at least 10 for each type.
        signatures: S from 1 to 30, or signatures to use, [S, M] of any context.
        types: number of cancer types, from 1 to 40.
        noise: distribution of the counts about their mean mu = exposures @ signatures: ``"poisson"``; ``"exact"`` (mu
            rounded, as in the published scenarios); ``"multinomial"`` (each tumour's total is rounded and kept); or
            ``"negative_binomial"`` with variance mu + mu^2 / size.
        size: see ``noise``; positive.

    Returns:
        Counts [T, M] with samples named ``type::sample``, and the true parameters.

    Raises:
        InputError: an option is not allowed.

    Example:
        >>> catalogue, truth = simulate_catalogue(seed=0, tumours=200, signatures=5)
        >>> catalogue.shape, truth.exposures.shape
        ((200, 96), (200, 5))
    """
    whole_number("seed", seed, 0, None)
    whole_number("types", types, 1, 40)
    whole_number("tumours", tumours, 10 * types, 1_000_000)
    if noise not in NOISES:
        raise InputError(f"noise={noise!r} is not allowed; it must be one of {', '.join(NOISES)}")
    number = isinstance(size, int | float | np.number) and not isinstance(size, bool)
    if not (number and 0 < size < np.inf):
        raise InputError(f"size={size!r} is not allowed; it must be a positive number")
    spectra, activity, chance = (np.random.Generator(np.random.PCG64([int(seed), stream])) for stream in range(3))
    if isinstance(signatures, pd.DataFrame):
        known = checked_signatures(signatures)
    else:
        whole_number("signatures", signatures, 1, 30)
        names = [f"S{i + 1}" for i in range(signatures)]
        known = pd.DataFrame(_signatures(spectra, signatures), names, list(CHANNELS))
    kinds = np.sort(np.arange(tumours) % types)
    labels = [f"TYPE{kind + 1:02d}" for kind in kinds]
    samples = pd.Index([f"{label}::T{i + 1:05d}" for i, label in enumerate(labels)])
    exposures = _exposures(activity, kinds, len(known))
    counts = _counts(chance, exposures @ known.to_numpy(), noise, size)
    truth = CatalogueTruth(
        signatures=known,
        exposures=pd.DataFrame(exposures, samples, known.index),
        types=pd.Series(labels, samples, name="type"),
    )
    return pd.DataFrame(counts.astype(np.float64), samples, known.columns), truth


def _signatures(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draws signatures [S, 96] until all pairs have a cosine similarity of at most :data:`MOST_ALIKE`."""
    found: list[np.ndarray] = []
    while len(found) < count:
        kind = len(found) % 3
        if kind == 0:
            new = _sparse(rng)
        elif kind == 1:
            new = _flat(rng)
        else:
            share = rng.uniform(0.4, 0.55)
            new = share * found[-2] + (1 - share) * _sparse(rng)
        others = np.array(found).reshape(-1, 96)
        cosines = others @ new / (np.linalg.norm(others, axis=1) * np.linalg.norm(new))
        if (cosines <= MOST_ALIKE).all():
            found.append(new)
    return np.array(found)


def _sparse(rng: np.random.Generator) -> np.ndarray:
    """Draws a signature [96] with a few contexts of one or two substitutions over a faint background."""
    weights = np.zeros(len(SUBSTITUTIONS))
    chosen = rng.permutation(len(SUBSTITUTIONS))[: rng.integers(1, 3)]
    weights[chosen] = rng.uniform(0.3, 1.0, len(chosen))
    peaks = rng.gamma(0.25, 1.0, (len(SUBSTITUTIONS), 16)) + 1e-12  # the smallest gammas round to 0
    peaks = (peaks / peaks.sum(axis=1, keepdims=True) * weights[:, None]).ravel()
    return 0.97 * peaks / peaks.sum() + 0.03 * _flat(rng)


def _flat(rng: np.random.Generator) -> np.ndarray:
    """Draws a signature [96] over all channels: weights of substitutions times log-normal weights of contexts."""
    weights = rng.dirichlet(np.full(len(SUBSTITUTIONS), 4.0))
    values = (weights[:, None] * rng.lognormal(0.0, 0.5, (len(SUBSTITUTIONS), 16))).ravel()
    return values / values.sum()


def _exposures(rng: np.random.Generator, kinds: np.ndarray, signatures: int) -> np.ndarray:
    """Draws exposures [T, S] from each type's probabilities of presence and log-normal burdens."""
    types = int(kinds.max()) + 1
    active = rng.random((types, signatures)) < 0.6
    # every signature is active in at least one type, and the first in all tumours
    active[rng.integers(0, types, signatures), np.arange(signatures)] = True
    presence = np.where(active, rng.uniform(0.1, 1.0, (types, signatures)), 0.0)
    presence[:, 0] = 1.0
    means, spreads = rng.normal(2.8, 0.35, (types, signatures)), rng.uniform(0.2, 0.4, (types, signatures))
    present = rng.random((len(kinds), signatures)) < presence[kinds]
    for column, home in enumerate(presence.argmax(axis=0)):
        members = np.flatnonzero(kinds == home)
        present[rng.choice(members, _FEWEST, replace=False), column] = True
    return present * 10.0 ** rng.normal(means[kinds], spreads[kinds])


def _counts(rng: np.random.Generator, mean: np.ndarray, noise: str, size: float) -> np.ndarray:
    """Draws counts [T, 96] about their mean; see :func:`simulate_catalogue`."""
    if noise == "exact":
        return np.round(mean)
    if noise == "multinomial":
        totals = mean.sum(axis=1, keepdims=True)
        return rng.multinomial(np.round(totals[:, 0]).astype(np.int64), mean / totals)
    if noise == "negative_binomial":
        return rng.poisson(mean * rng.gamma(size, 1.0 / size, mean.shape))
    return rng.poisson(mean)
