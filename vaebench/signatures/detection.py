"""Detection limits: the smallest share of a sample's mutations at which a signature can be told from all others.

For each signature k and number of mutations N:

  1. samples     N mutations on average, a share f of them of k, the rest of a few other signatures drawn at random (Dirichlet
                 shares); counts are Poisson
  2. statistic   rise of the deviance when k is left out: of two fits by maximum likelihood, with all signatures and without k
  3. threshold   that ``options.false`` of the samples without k (f = 0) exceed: the order statistic above its rank
  4. limit       the smallest f at which the statistic exceeds the threshold in a share ``options.power`` of the samples, by
                 bisection of ln f; the power there is that of further samples, since the bisection chose by those before

The limits are those of the counts, whatever program is used: no method that errs as rarely can call the signature below them.
They depend on the table: a signature is harder to tell the more similar ones are offered, so give the signatures of the tissue.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vaebench.atomic import STRICT_JSON, write_json
from vaebench.data.files.folders import whole_folder
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations.tables import checked_signatures
from vaebench.errors import InputError, check_class, checked_seed, user_path
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.opportunities import Given, at_target, known_opportunities
from vaebench.signatures.tables import OnProgress, no_progress


@dataclasses.dataclass(frozen=True)
class PowerOptions:
    """Constants of :func:`power`.

    Attributes:
        power: share of the samples in which a signature has to be detected.
        false: share of the samples without it in which it may be called.
        samples: simulated at each share: a power of 0.8 is then known to 0.06.
        without: samples without the signature for each of these, from which the threshold comes.
        others: other signatures in a sample; real genomes have about four.
        least: smallest share that is tried.
        halvings: of the range of ln f: 5 give the limit within 12% of itself from a range of 1 to 100%.
    """

    power: float = 0.8
    false: float = 0.05
    samples: int = 50
    without: int = 6
    others: int = 4
    least: float = 0.01
    halvings: int = 5

    def __post_init__(self) -> None:
        for name in ("power", "false", "least"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise InputError(f"PowerOptions: {name}={value!r} is not allowed; it must be above 0 and below 1")
        for name in ("samples", "without", "others", "halvings"):
            value = getattr(self, name)
            if value < 1 or int(value) != value:
                raise InputError(f"PowerOptions: {name}={value!r} is not allowed; it must be a whole number from 1")


POWER = PowerOptions()
"""The defaults."""


def power(
    signatures: pd.DataFrame,
    *,
    mutations: Sequence[int] | int = (50, 500, 5000),
    seed: int = 0,
    options: PowerOptions = POWER,
    opportunities: Given | None = None,
    progress: OnProgress | None = None,
) -> pd.DataFrame:
    """Smallest share of a sample's mutations at which each signature is detected: the module's docstring, step by step.

    Args:
        signatures: [S, M], at least 2, those that a refit would be given.
        mutations: numbers of mutations of a sample, or one.
        seed: of everything random.
        options: constants.
        opportunities: as for :func:`vaebench.signatures.refit`: signatures of the genome are converted to the target, and
            mutations are those of the target.
        progress: called with what is being done, the steps done, and the steps in all.

    Returns:
        One row for each signature and number: ``signature``, ``mutations``, ``least_share`` and ``least_mutations`` (the limit;
        NaN where even a sample of this signature alone is not detected often enough), ``power`` in further samples at the
        limit, or at a share of 1 where there is none, ``similar`` (the other signature with the highest cosine) and its
        ``cosine``. With opportunities also ``genome_least_mutations``, the mutations of the signature in the genome at the
        limit.

    Raises:
        InputError: for a table that does not hold signatures, fewer than 2, or a number of mutations below 1.

    Example:
        >>> import vaebench as vb
        >>> catalogue, truth = vb.data.simulate_catalogue(seed=0, tumours=10, signatures=2, types=1)
        >>> limits = vb.signatures.power(truth.signatures, mutations=[1000])
        >>> list(limits.columns[:4])
        ['signature', 'mutations', 'least_share', 'least_mutations']
    """
    from vaebench.signatures.matching import cosines

    known = checked_signatures(signatures)
    checked_seed(seed)
    check_class("options", options, PowerOptions)
    numbers: list[Any] = list(mutations) if isinstance(mutations, Iterable) else [mutations]
    if len(known) < 2:
        raise InputError("the table holds 1 signature; detection limits need at least 2, those that may be mistaken")
    wrong = [n for n in numbers if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1]
    if wrong or not numbers:
        raise InputError(f"mutations={numbers!r} is not allowed; it must hold whole numbers from 1")
    progress = progress or no_progress
    target = known_opportunities(opportunities, known * 0)  # no counts: nothing but the channels is asked for
    yields = None if target is None else at_target(known, target).yields
    known = known if target is None else at_target(known, target).signatures
    spectra = known.to_numpy()
    similarity = cosines(spectra, spectra) - 2 * np.eye(len(spectra))
    rows, steps = [], len(numbers) * len(spectra)
    for number in numbers:
        for k in range(len(spectra)):
            progress("simulating samples", len(rows), steps)
            rng = np.random.default_rng([seed, number, k])
            share, reached = _limit(spectra, k, number, rng, options)
            near = int(similarity[k].argmax())
            limit = (known.index[k], number, share, share * number, reached)
            rows.append((*limit, known.index[near], similarity[k, near]))
    progress("simulating samples", steps, steps)
    columns = ["signature", "mutations", "least_share", "least_mutations", "power", "similar", "cosine"]
    found = pd.DataFrame(rows, columns=columns)
    if yields is None:
        return found
    return found.assign(genome_least_mutations=found["least_mutations"] / yields[found["signature"]].to_numpy())


def _limit(
    spectra: np.ndarray, k: int, number: int, rng: np.random.Generator, options: PowerOptions
) -> tuple[float, float]:
    """The detection limit of signature k in samples of ``number`` mutations as a share, NaN for none, and the power there."""
    threshold = detection_threshold(spectra, k, number, rng, options)

    def reached(share: float) -> float:
        rises = deviance_rises(drawn_samples(spectra, k, number, share, rng, options), spectra, k)
        return float(np.mean(rises > threshold))

    high = reached(1.0)
    if high < options.power:
        return np.nan, high
    low, top = np.log(options.least), 0.0
    for _ in range(options.halvings):
        middle = (low + top) / 2
        if reached(float(np.exp(middle))) >= options.power:
            top = middle
        else:
            low = middle
    return float(np.exp(top)), reached(float(np.exp(top)))


def detection_threshold(
    spectra: np.ndarray, k: int, number: int, rng: np.random.Generator, options: PowerOptions
) -> float:
    """Rise of the deviance that samples of ``number`` mutations without signature k exceed with probability ``options.false``.

    Of n simulated ones and a new one, which come in any order, the new one is above the order statistic of rank
    (n + 1) (1 - false) with that probability; above their quantile it is more often.
    """
    many = options.without * options.samples
    absent = drawn_samples(spectra, k, number, 0.0, rng, dataclasses.replace(options, samples=many))
    rank = min(math.ceil((many + 1) * (1 - options.false)), many)
    return float(np.sort(deviance_rises(absent, spectra, k))[rank - 1])


def drawn_samples(
    spectra: np.ndarray, k: int, number: int, share: float, rng: np.random.Generator, options: PowerOptions
) -> np.ndarray:
    """Counts [samples, M] with a ``share`` of signature k of ``spectra`` [S, M], the rest of random others."""
    others = np.delete(np.arange(len(spectra)), k)
    many = min(options.others, len(others))
    means = []
    for _ in range(options.samples):
        some = rng.choice(others, many, replace=False)
        rest = rng.dirichlet(np.ones(many)) @ spectra[some]
        means.append(number * (share * spectra[k] + (1 - share) * rest))
    return rng.poisson(np.array(means)).astype(np.float64)


def deviance_rises(counts: np.ndarray, spectra: np.ndarray, k: int) -> np.ndarray:
    """Rise [T] of the Poisson deviance of ``counts`` [T, M] when signature k of ``spectra`` [S, M] is left out, 0 or more."""
    every = maximum_likelihood(counts, spectra)
    without = maximum_likelihood(counts, np.delete(spectra, k, 0))
    return np.maximum(2 * (every.log_likelihood - without.log_likelihood), 0.0)


def save_power(folder: str | Path, limits: pd.DataFrame, info: dict[str, Any] | None = None) -> Path:
    """Write ``power.csv`` (the table of :func:`power`) and ``power.json`` (``info``) into ``folder``; return the table's path."""
    with whole_folder(folder, "power") as new:
        write_frame(limits, new / "power.csv")
        write_json(new / "power.json", dict(info or {}), **STRICT_JSON)
    return user_path(folder) / "power.csv"
