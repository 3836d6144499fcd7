"""Few samples that may be of several tumour types: chains with the prior of each, and draws by the types' probabilities.

The prior of all types together knows which signatures go together, but not which of them make up a type. A mixture of the types'
priors does: p(e | x) = sum_c p(c | x) p(e | x, c). A copy of the sample is drawn with the prior of each type c, and as large a
share of the draws is taken from it as p(c | x) says, which :mod:`vaebench.signatures.resemblance` knows.
"""

from __future__ import annotations

import numpy as np

from vaebench.signatures.sampler.draws import Draws
from vaebench.signatures.sampler.grounds import Ground, TypeMixture
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.sampler.problem import Prior, Problem
from vaebench.signatures.sampler.summary import ExposurePosterior, summary


def copied(problem: Problem, rows: np.ndarray) -> Problem:
    """The problem of the samples ``rows`` [T'], which may come again and again."""
    dispersion = np.broadcast_to(np.asarray(problem.dispersion), len(problem.x))
    return problem._replace(
        x=np.asarray(problem.x)[rows], variance=np.asarray(problem.variance)[rows], dispersion=dispersion[rows]
    )


def weighed(found: ExposurePosterior, mixture: TypeMixture | None) -> ExposurePosterior:
    """``found`` of copies with P(present) times their weight: whether chains have mixed is judged by what counts in the end."""
    return found if mixture is None else found._replace(presence=found.presence * mixture.weights[:, None])


def merged(
    draws: Draws, found: ExposurePosterior, mixture: TypeMixture, level: float, options: SamplerOptions
) -> tuple[Draws, ExposurePosterior]:
    """Draws of T samples from those of their copies [T'], as many of each as it weighs, and what they say.

    R-hat is the mean over a sample's copies, and effective draws are those of the weighted mean of their estimates.
    """
    chains, length, _, count = draws.shape
    rows, total, firsts = mixture.rows, chains * length, _firsts(mixture)
    samples = len(firsts)
    together = np.zeros((total, samples, count), np.float32)
    places = [_places(mixture.weights[rows == t], total) for t in range(samples)]
    for start, block in draws.blocks():
        flat = block.reshape(total, block.shape[2], count)
        for row in range(start, start + block.shape[2]):
            copy, place = places[rows[row]]
            mine = copy == row - firsts[rows[row]]
            together[mine, rows[row]] = flat[place[mine], row - start]
    new = Draws(chains, length, samples, count)
    for place in range(length):
        new.put(place, together.reshape(chains, length, samples, count)[:, place])
    weights = mixture.weights[:, None]
    r_hat = np.add.reduceat(weights * found.r_hat, firsts)
    effective = 1 / np.add.reduceat(np.square(weights) / found.effective, firsts)
    return new, summary(new, level, options)._replace(r_hat=r_hat, effective=effective)


def _firsts(mixture: TypeMixture) -> np.ndarray:
    """The first copy [T] of each sample."""
    return np.unique(mixture.rows, return_index=True)[1]


def _places(weights: np.ndarray, total: int) -> tuple[np.ndarray, np.ndarray]:
    """The copy that each of ``total`` draws is of, and its place among the draws of that copy, which lie evenly."""
    ends = np.rint(np.cumsum(weights) * total).astype(int)
    counts = np.diff(np.append(ends[:-1], total), prepend=0)
    copies = np.repeat(np.arange(len(weights)), counts)
    return copies, np.concatenate([np.linspace(0, total - 1, n).astype(int) for n in counts])


def merged_prior(prior: Prior, mixture: TypeMixture) -> Prior:
    """The prior [T, S] of each sample from those [G, S] of its copies: their mean, and moments of ln e given presence."""
    presence, log_mean, log_sd = (v[mixture.groups] for v in prior)
    by = mixture.weights[:, None] * presence
    parts = (by, by * log_mean, by * (np.square(log_sd) + np.square(log_mean)))
    presence, total, squares = (np.add.reduceat(v, _firsts(mixture)) for v in parts)
    log_mean, squares = total / np.maximum(presence, 1e-300), squares / np.maximum(presence, 1e-300)
    return Prior(presence, log_mean, np.sqrt(np.maximum(squares - np.square(log_mean), 0.0)))


def likeliest(mixture: TypeMixture) -> Ground:
    """Ground of the type that each sample is most likely of, arrays [T, S]."""
    firsts = _firsts(mixture)
    best = [
        first + int(np.argmax(own)) for first, own in zip(firsts, np.split(mixture.weights, firsts[1:]), strict=True)
    ]
    own = mixture.groups[best]
    return Ground(*(np.asarray(v)[own] for v in mixture.ground[:-2]), pairs=mixture.ground.pairs, mixture=None)
