"""The scale of expression values: counts, linear, log, z-scores or [0, 1], told from their statistics, and what follows.

Linear values and logs of up to 50 are told apart by the features of largest mean, :func:`_log_or_linear`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vaebench.errors import InputError
from vaebench.types.shown import one_line

if TYPE_CHECKING:
    from vaebench.data.files.matrix import Block  # imports pandas, which training does without

_LOG_MOST = 50.0  # log2 of any count is below this
_LOG_OF_ONE_MORE = 25.0  # log2(x + 1) of expression is below this; log2 intensities of proteins reach 40
# share of the features, those of largest mean, and their least number, that show the scale
_EXPRESSED, _FEWEST = 0.1, 10
_SPREAD = 0.45  # sd of ln x of a gene between samples: most vary more between tumours, and between cell lines
# sd / mean of the features of largest mean: rarely more in logs; rarely less in linear values
_STEADY, _VARIABLE = 0.25, 0.4
_FORGOTTEN, _FORGOTTEN_SHARE = 5, 0.05  # most columns, or share of them, that were forgotten among features
_CODES = (-99.0, -999.0, -9999.0, -99999.0, -999999.0)
_BLOCK = 64  # features at once, so that their copies in float64 stay in the processor's cache
FEW_NEGATIVE = 0.01
"""Share of values that a correction for batches, as of TCGA's EB++ matrix, takes below 0."""
_OFFSETS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)  # added to values before a log; UCSC Toil adds 0.001


class Profile(NamedTuple):
    """Statistics of a matrix of values.

    Attributes:
        features: number of features D.
        constant: features without variation.
        missing: missing values.
        features_with_missing: features with at least one.
        infinite: infinite values, of either sign.
        low: smallest value.
        high: largest value.
        scale: guess: ``"z-score"``, ``"unit"``, ``"counts"``, ``"calls"`` (whole numbers below and above 0, as of copies),
            ``"sample z-score"`` (standardised within each sample), ``"linear"`` or ``"log"``, and ``"unclear"`` for one of
            these two; ``"nothing"`` when all features are constant.
        outlying: names of features whose mean lies far beyond the range of the others, such as a forgotten column of days.
        coded: features whose smallest value is -99, -999 or the like, by which many programs mean a missing one.
    """

    __repr__ = one_line

    features: int
    constant: int
    missing: int
    features_with_missing: int
    infinite: int
    low: float
    high: float
    scale: str
    outlying: tuple[str, ...]
    coded: int = 0


class SampleMoments:
    """Mean and standard deviation of each sample over all features, of values that come in blocks with some below 0."""

    def __init__(self, samples: int) -> None:
        self.sums, self.squares, self.features = np.zeros(samples), np.zeros(samples), 0

    def add(self, block: np.ndarray, least: float) -> None:
        """Take a block [k, N] whose smallest value is ``least``; one without values below 0 is left out."""
        if least < 0:
            self.sums += block.sum(axis=0, dtype=np.float64)
            self.squares += np.einsum("kn,kn->n", block, block, dtype=np.float64)
            self.features += len(block)

    def standardised(self, features: int) -> bool:
        """Returns true if nearly all samples have mean 0 and standard deviation 1 over the ``features``, in all of them."""
        if self.features < max(features, 2):
            return False
        mean = self.sums / features
        with np.errstate(invalid="ignore"):
            sd = np.sqrt(np.maximum(self.squares / features - mean**2, 0) * features / (features - 1))
            return bool(np.mean((np.abs(mean) < 0.01) & (np.abs(sd - 1) < 0.03)) > 0.9)


class Lowest(NamedTuple):
    """The smallest of the values before the transform, and how many are negative.

    Attributes:
        value: the smallest, by sample and then feature the first of equals.
        sample: its position.
        feature: its position.
        below: number of values below 0.
    """

    value: float = np.inf
    sample: int = 0
    feature: int = 0
    below: int = 0

    def joined(self, place: np.ndarray, values: np.ndarray) -> Lowest:
        """Returns it with the values [k, N] of the features at ``place``."""
        below = int((values < 0).sum())
        if not below:
            return self
        row, column = np.unravel_index(np.nanargmin(values.T), values.T.shape)
        found = Lowest(float(values[column, row]), int(row), int(place[column]))
        return min(self, found, key=lambda known: known[:3])._replace(below=self.below + below)


def profile_of(blocks: Iterable[Block]) -> Profile:
    """Computes the statistics of values that come in blocks of features."""
    names: list[str] = []
    parts: list[np.ndarray] = []
    whole, moments = True, None
    for found, block in blocks:
        part, integers = block_profile(block)
        names += found
        parts.append(part)
        whole = whole and integers
        moments = SampleMoments(block.shape[1]) if moments is None else moments
        moments.add(block, part[2].min())
    return profile_from(names, np.concatenate(parts, axis=1), whole, moments or SampleMoments(0))


def block_profile(block: np.ndarray) -> tuple[np.ndarray, bool]:
    """Returns mean, sd, least, largest, missing and infinite values [6, k] of features [k, N], and true if all are integers."""
    parts, whole = [], True
    for start in range(0, len(block), _BLOCK):
        values = np.asarray(block[start : start + _BLOCK], dtype=np.float64)
        present = np.isfinite(values)
        if present.all():
            filled, absent, infinite = values, np.zeros(len(values)), np.zeros(len(values))
            mean, sd, least, most = values.mean(axis=1), values.std(axis=1), values.min(axis=1), values.max(axis=1)
        else:
            counts, absent = np.maximum(present.sum(axis=1), 1), np.isnan(values).sum(axis=1)
            infinite = np.isinf(values).sum(axis=1)
            filled = np.where(present, values, 0)
            mean = filled.sum(axis=1) / counts
            sd = np.sqrt(np.where(present, np.square(values - mean[:, None]), 0).sum(axis=1) / counts)
            least = np.where(present, values, np.inf).min(axis=1)
            most = np.where(present, values, -np.inf).max(axis=1)
        whole = whole and bool((filled == np.rint(filled)).all())
        parts.append(np.stack([mean, sd, least, most, absent, infinite]))
    return np.concatenate(parts, axis=1), whole


def profile_from(names: Sequence[str], parts: np.ndarray, whole: bool, moments: SampleMoments) -> Profile:
    """Returns the statistics of features from those of their blocks, :func:`block_profile`, and of their samples."""
    mean, _, least, most, missing, infinite = parts
    varying = most > least
    reach = np.maximum(np.abs(least), np.abs(most))
    usual = np.median(reach[varying]) if varying.any() else 0.0
    # uses the mean because single values of heavy-tailed features reach far; linear values always have such features
    outlying = varying & (np.abs(mean) > 2 * usual) & (usual <= _LOG_MOST)
    if outlying.sum() > max(_FORGOTTEN, _FORGOTTEN_SHARE * len(names)):  # so do linear values, also those below 50
        outlying[:] = False
    ordinary = varying & ~outlying
    return Profile(
        features=len(names),
        constant=int((~varying).sum()),
        missing=int(missing.sum()),
        features_with_missing=int((missing > 0).sum()),
        infinite=int(infinite.sum()),
        low=float(least.min()),
        high=float(most.max()),
        scale=_scale(parts[:4, ordinary], whole, len(moments.sums), moments.standardised(len(names))),
        outlying=tuple(np.array(names)[outlying].tolist()),
        coded=int((np.isin(least, _CODES) & varying).sum()),
    )


def _scale(parts: np.ndarray, whole: bool, samples: int, standardised: bool) -> str:
    """Guesses the scale from each feature's mean, sd, smallest and largest value [4, D]; ``whole``: all are integers."""
    mean, sd, least, most = parts
    if not mean.size:
        return "nothing"
    if least.min() < 0 and np.median(np.abs(mean)) < 0.1 and abs(np.median(sd) - 1) < 0.25:
        return "z-score"
    if standardised:
        return "sample z-score"
    if least.min() >= 0 and most.max() <= 1:
        return "unit"
    if whole:
        return "counts" if least.min() >= 0 else "calls"
    if most.max() > _LOG_MOST:
        return "linear"
    return "log" if least.min() < 0 else _log_or_linear(parts, samples)


def _log_or_linear(parts: np.ndarray, samples: int) -> str:
    """Tells logs from linear values of 0 to 50, ``"unclear"`` where both are possible.

    Of linear values, the largest of a gene lies much further above the mean than the smallest below it, since genes vary by
    factors: for a log-normal gene by :func:`_lopsided`, which is 2.1 for 60 samples and 3.1 for 500. Logs lie about evenly.
    Of rare genes both have zeros and a long tail, so the features of largest mean decide.
    """
    mean, sd, least, most = parts
    top = np.argsort(-mean, kind="stable")[: max(_FEWEST, round(_EXPRESSED * mean.size))]
    ratio = float(np.median((most[top] - mean[top]) / (mean[top] - least[top])))
    variation, expected = float(np.median(sd[top] / mean[top])), _lopsided(samples)
    if ratio < 0.9 * np.sqrt(expected) or (variation < _STEADY and ratio < 2):
        return "log"
    beyond = most.max() > _LOG_OF_ONE_MORE
    return "linear" if beyond and ratio > 0.8 * expected and variation > _VARIABLE else "unclear"


def _lopsided(samples: int) -> float:
    """(largest - mean) / (mean - smallest) of ``samples`` values whose logs are normal with an sd of 0.45; at least 1.2."""
    reach = NormalDist().inv_cdf(1 - 1 / (samples + 1)) * _SPREAD
    mean = np.exp(_SPREAD**2 / 2)
    return max(1.2, float((np.exp(reach) - mean) / (mean - np.exp(-reach))))


def scale_text(profile: Profile, transform: str = "none", scaling: str = "zscore") -> tuple[str, bool]:
    """Returns a sentence on the scale of the values and what is done with them, and true if that may well be a mistake.

    The sentence is empty when no feature varies.

    Args:
        profile: statistics of the values before the transform.
        transform: ``"none"`` or ``"log2"``.
        scaling: ``"zscore"``, ``"unit"`` or ``"none"``.
    """
    held, kind, leave = f"{profile.low:.6g} to {profile.high:.6g}", profile.scale, "leave transform (--transform) out"
    if kind == "nothing":
        return "", False
    if transform == "log2":
        return {
            "log": (f"values look like log values ({held}) already, and log2 would take a log of logs: {leave}", True),
            "unit": (
                f"values lie in [0, 1] already ({held}), where log2(x + 1) changes next to nothing: {leave}",
                True,
            ),
            "unclear": (
                f"values look like {_noun(kind)} ({held}); log2(x + 1) is taken: if they are logs already, {leave}",
                True,
            ),
        }.get(kind, (f"values look like {_noun(kind)} ({held}); log2(x + 1) is taken", False))
    if kind in ("counts", "linear"):
        expected = 'and are used as they are, but protocols expect log values: give transform="log2" (--transform log2)'
        return f"values look like {_noun(kind)} ({held}) {expected}", True
    if kind == "z-score":
        then = ", and will be scaled again, to [0, 1]" if scaling == "unit" else ""
        within = "if that was done within each label, labels cannot be told apart"
        return f"values look z-scored already ({held}){then}; {within}", True
    if kind == "unit":
        then = " and will be z-scored; outputs with a sigmoid then do not fit" if scaling == "zscore" else ""
        return f"values lie in [0, 1] already ({held}){then}", bool(then)
    if kind == "unclear":
        linear = 'if they are linear (TPM, FPKM), give transform="log2" (--transform log2)'
        return f"values look like {_noun(kind)} ({held}) and are used as they are: {linear}", True
    return f"values look like {_noun(kind, profile.low)} ({held}), and are used as they are", False


def scale_notes(profile: Profile, transform: str, scaling: str) -> list[str]:
    """Returns the sentence on the scale, and one on features that reach far beyond the others."""
    text, _ = scale_text(profile, transform, scaling)
    notes = [f"scale: {text}"] if text else []
    if profile.outlying:
        shown = ", ".join(profile.outlying[:5]) + (", ..." if len(profile.outlying) > 5 else "")
        many = f"{len(profile.outlying)} features reach" if len(profile.outlying) > 1 else "1 feature reaches"
        notes.append(f"{many} far beyond the others ({shown}): leave out with --ignore what is none")
    if profile.coded:
        of = "1 feature" if profile.coded == 1 else f"{profile.coded} features"
        notes.append(f"the smallest value of {of} is {profile.low:g}: if that means a missing value, leave it empty")
    return notes


def _noun(kind: str, low: float = 0.0) -> str:
    """The kind of values in words; for logs with their offset, when the smallest is the log of one."""
    if kind == "log":
        offset = next((o for o in _OFFSETS if abs(low - np.log2(o)) < 0.01), None)
        return "log values" if offset is None else f"log2(x + {offset:g})"
    words = {
        "z-score": "z-scores",
        "linear": "linear values",
        "unclear": "logs or linear values",
        "sample z-score": "values standardised within each sample",
        "calls": "whole numbers below and above 0, such as calls of copies",
    }
    return words.get(kind, kind)


def negative_values(profile: Profile, lowest: Lowest, size: int, feature: str, sample: str) -> InputError:
    """Returns the error for log2 of negative values, with the smallest and what the values look like."""
    look = f"they look like {_noun(profile.scale, profile.low)}"
    if profile.scale in ("linear", "counts", "unit", "nothing"):
        look = "set what is background to 0 first, or"
    verb = "" if look.endswith("or") else ":"
    return InputError(
        f'transform="log2" is not allowed: {lowest.below} of {size} values are negative, the smallest '
        f"{profile.low:.6g} (feature {feature!r}, sample {sample!r}); {look}{verb} leave transform (--transform) out"
    )
