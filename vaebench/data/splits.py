"""Random splits into training and validation samples, whose sizes do not depend on the seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vaebench.errors import InputError, whole_number


def split_indices(
    labels: Sequence[object] | np.ndarray | None,
    samples: int,
    valid_fraction: float,
    seed: int,
    stratified: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a random split into training and validation samples.

    There are exactly ``round(samples * valid_fraction)`` validation samples for every seed, because lanes with different
    seeds are trained together and need arrays of one shape. A stratified split divides them among the labels by largest
    remainder (ties by label order), so each label is within 1 of its proportion. A label with 1 sample stays in training,
    and where remainders leave a choice, every label keeps a training sample.

    Deviates: scikit-learn's ``StratifiedShuffleSplit`` breaks ties at random and refuses labels with 1 sample.

    Args:
        labels: [N] labels, or ``None`` for a split without strata.
        samples: N, at least 2.
        valid_fraction: share of validation samples, above 0 and below 1; neither side may be empty.
        seed: whole number, 0 or more.
        stratified: split each label in the same proportion.

    Returns:
        Positions of the training and of the validation samples, ascending int32.

    Raises:
        InputError: an option is not allowed, a side would be empty, or the labels are too small for the validation share.

    Example:
        >>> train, valid = split_indices(["A"] * 6 + ["B"] * 4, 10, valid_fraction=0.3, seed=0)
        >>> len(train), len(valid)
        (7, 3)
    """
    whole_number("samples", samples, 2, None)
    whole_number("seed", seed, 0, None)
    if not 0 < valid_fraction < 1:
        raise InputError(f"valid_fraction={valid_fraction!r} is not allowed; it must be above 0 and below 1")
    wanted = round(samples * valid_fraction)
    if not 1 <= wanted < samples:
        raise InputError(
            f"valid_fraction={valid_fraction!r} of {samples} samples gives {wanted} for validation; "
            "both sides must have at least 1"
        )
    strata = np.zeros(samples, dtype=np.int64)
    if stratified and labels is not None:
        if len(labels) != samples:
            raise InputError(f"{len(labels)} labels for {samples} samples; there must be one for each")
        strata = np.unique(np.asarray(labels), return_inverse=True)[1]
    shares = _shares(np.bincount(strata), wanted)

    # NumPy guarantees the raw output of a bit generator across versions, but not the order of its shuffles
    keys = np.random.PCG64(int(seed)).random_raw(samples)
    order = np.lexsort((keys, strata))
    starts = np.searchsorted(strata[order], np.arange(shares.size))
    rank = np.arange(samples) - starts[strata[order]]
    chosen = rank < shares[strata[order]]
    return np.sort(order[~chosen]).astype(np.int32), np.sort(order[chosen]).astype(np.int32)


def unsplit_labels(labels: Sequence[object] | np.ndarray, samples: int, valid_fraction: float) -> list:
    """Returns the labels that are too small for a validation sample, so that :func:`split_indices` leaves them whole."""
    found, counts = np.unique(np.asarray(labels), return_counts=True)
    shares = _shares(counts, round(samples * valid_fraction))
    return found[shares == 0].tolist()


def _shares(counts: np.ndarray, wanted: int) -> np.ndarray:
    """Returns the number of validation samples of each label [C]; integer arithmetic keeps ties exact."""
    available = np.where(counts >= 2, counts, 0)
    total = int(available.sum())
    if wanted > total:
        raise InputError(
            f"valid_fraction asks for {wanted} validation samples; it may ask for at most {total}, "
            "the samples whose label has at least 2"
        )
    shares, remainders = np.divmod(available * wanted, total)
    # largest remainders get one more, but labels that would have no training sample left come last
    emptied = shares + 1 >= available
    order = np.lexsort((np.arange(counts.size), -remainders, emptied, remainders == 0))
    shares[order[: wanted - int(shares.sum())]] += 1
    return shares
