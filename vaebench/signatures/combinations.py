"""Search for few reference signatures whose blend is near a signature; see :mod:`vaebench.signatures.decomposition`."""

from __future__ import annotations

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls


@dataclasses.dataclass(frozen=True)
class DecompositionOptions:
    """Constants of :func:`decompose`.

    Attributes:
        cosine: least cosine of a signature and its combination; below it the signature is new, unless noise leaves no more. 0.9
            is what the field calls a match; SigProfilerAssignment decomposes from 0.8 on.
        gain: share of what is unexplained that each further reference signature must explain. Extracted signatures hold some
            of each other, and any reference signature explains a little of that. On 20 simulated cohorts 0.3 gave 9 false
            names and 163 of 170 true ones, 0.2 gave 17 and 164; results/decomposition.md.
        tolerance: missing cosine that counts as nothing left to explain.
        least_share: smallest share of a reference signature in a combination: extracted signatures hold some percent of others.
        most: reference signatures in a combination. A signature that needs more has the best of this number.
        candidates: reference signatures among which combinations of 3 and more are searched, and those of 2 for draws.
        exhaustive: reference signatures up to which all pairs are tried; COSMIC has 86.
        draws: multinomial draws of a signature with a known number of mutations.
        quantile: of the cosine between draws and their mean: a signature is new only below it.
    """

    cosine: float = 0.9
    gain: float = 0.3
    tolerance: float = 0.005
    least_share: float = 0.05
    most: int = 5
    candidates: int = 14
    exhaustive: int = 300
    draws: int = 200
    quantile: float = 0.05


DECOMPOSITION = DecompositionOptions()
"""The defaults."""


class Combination(NamedTuple):
    """Places of the reference signatures, their shares, the cosine of their blend, and the cosine that is surely enough."""

    members: tuple[int, ...]
    shares: tuple[float, ...]
    cosine: float
    target: float


class CombinationSearch:
    """Search of one signature's combinations; keeps what all of its draws share."""

    def __init__(self, reference: np.ndarray, own: float, options: DecompositionOptions):
        self.reference = reference
        self.lengths = np.linalg.norm(reference, axis=1)
        self.gram = reference @ reference.T
        self.own = own
        self.options = options
        self.always: tuple[int, ...] = ()  # candidates of every draw: the answer of the estimate

    def singles(self, s: np.ndarray) -> np.ndarray:
        """Cosines [S'] of ``s`` and each reference signature."""
        return self.reference @ s / (self.lengths * np.linalg.norm(s))

    def of(self, s: np.ndarray, members: tuple[int, ...]) -> Combination:
        """The best blend of ``members``; of a new signature the best that ``most`` of the reference can do."""
        if not members:
            likely = self._likely(s)
            reach = max(self._best(s, size, likely)[1] for size in range(1, self.options.most + 1))
            return Combination((), (), reach, self.options.cosine)
        weights, rest = nnls(self.reference[list(members)].T, s)
        cosine = float(np.sqrt(max(1 - rest**2 / (s @ s), 0.0)))
        return Combination(members, tuple((weights / max(weights.sum(), 1e-300)).tolist()), cosine, self.options.cosine)

    def fewest(self, s: np.ndarray, drawn: bool = False) -> Combination:
        """The reference signatures that explain ``s`` where each explains enough; no members if it is new.

        Args:
            s: the signature [M], or a draw of it.
            drawn: true for a draw.
        """
        weights, rest = nnls(self.reference.T, s)
        reach = float(np.sqrt(max(1 - rest**2 / (s @ s), 0.0)))
        # a draw is twice as far from the true signature, in variance, as the estimate is
        least = min(self.options.cosine, 1 / np.sqrt(2 / self.own**2 - 1) if drawn else self.own)
        price = -np.log1p(-self.options.gain)
        nothing = max(1 - (1 - self.options.tolerance) ** 2, 1e-12)
        enough = np.sqrt(max(1 - (1 - reach**2 + nothing) * np.exp(price) + nothing, 0.0))
        target = float(max(enough, least))
        if reach < least:
            return self.of(s, ())._replace(target=target)
        likely, best, lowest = self._likely(s, weights), (), np.inf
        whole = np.arange(len(self.reference))
        exhaustive = 1 if drawn or len(whole) > self.options.exhaustive else 2
        for size in range(1, self.options.most + 1):
            # not even the whole reference explains enough more
            if lowest <= np.log(1 - reach**2 + nothing) + size * price:
                break
            members, cosine = self._best(s, size, whole if size <= exhaustive else likely)
            score = np.log(max(1 - cosine**2, 0.0) + nothing) + size * price
            if members and cosine >= least - 1e-12 and score < lowest:
                best, lowest = members, score
        return self.of(s, best)._replace(target=target)

    def _likely(self, s: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Places of the ``candidates`` that explain ``s`` best: those in the full fit by weight, then the nearest."""
        full = nnls(self.reference.T, s)[0] if weights is None else weights
        used = np.argsort(-full * self.lengths, kind="stable")[: max(np.count_nonzero(full), 1)]
        order = dict.fromkeys([*self.always, *used.tolist(), *np.argsort(-self.singles(s), kind="stable").tolist()])
        return np.sort(np.array(list(order)[: self.options.candidates]))

    def _best(self, s: np.ndarray, size: int, places: np.ndarray) -> tuple[tuple[int, ...], float]:
        """The combination of ``size`` among ``places`` with the largest cosine, all weights positive, and that; none, and -1."""
        if size > len(places):
            return (), -1.0
        sets = np.array(list(itertools.combinations(places.tolist(), size)))
        b = (self.reference @ s)[sets]
        gram = self.gram[sets[:, :, None], sets[:, None, :]]
        # equal reference signatures have no unique weights: a trace of a ridge keeps the matrix regular
        ridge = 1e-10 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(size)
        weights = np.linalg.solve(gram + ridge, b[..., None])[..., 0]
        least = max(self.options.least_share, 1e-12) * np.maximum(weights.sum(1, keepdims=True), 1e-300)
        squares = np.where((weights >= least).all(1), np.sum(weights * b, 1), -1.0)
        place = int(np.argmax(squares))
        if squares[place] <= 0:
            return (), -1.0
        return tuple(map(int, sets[place])), float(np.sqrt(squares[place] / (s @ s)))
