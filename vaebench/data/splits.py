"""Training and validation samples, redrawn per seed, with sizes that depend on no seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from vaebench.errors import InputError, whole_number


def split_indices(
    labels: Any, samples: int, valid_fraction: float, seed: int, stratified: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Ascending int32 positions ``(train, valid)`` of a random split of ``samples`` samples.

    ``valid`` has exactly ``round(samples * valid_fraction)`` entries for every seed, because array shapes must agree
    between seeds. When stratified, the labels share them by largest remainder (ties by label order), so each label is
    within 1 of its proportion. A label with 1 sample stays in training, and where the remainders leave a choice, every
    label keeps a training sample.

    Deviates: scikit-learn's ``StratifiedShuffleSplit`` breaks ties at random and refuses labels with 1 sample.

    Args:
        labels: [N] labels, or ``None`` for a split without strata.
        samples: N, at least 2.
        valid_fraction: share of validation samples, above 0 and below 1; neither side may be empty.
        seed: whole number, 0 or more.
        stratified: whether the labels are used.
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

    # Raw output of the generator, unlike numpy's shuffles, is promised never to change between versions.
    keys = np.random.PCG64(int(seed)).random_raw(samples)
    order = np.lexsort((keys, strata))
    starts = np.searchsorted(strata[order], np.arange(shares.size))
    rank = np.arange(samples) - starts[strata[order]]
    chosen = rank < shares[strata[order]]
    return np.sort(order[~chosen]).astype(np.int32), np.sort(order[chosen]).astype(np.int32)


def unsplit_labels(labels: Any, samples: int, valid_fraction: float) -> list[Any]:
    """The labels too small for a validation sample: :func:`split_indices` keeps all of their samples in training."""
    found, counts = np.unique(np.asarray(labels), return_counts=True)
    shares = _shares(counts, round(samples * valid_fraction))
    return found[shares == 0].tolist()


def _shares(counts: np.ndarray, wanted: int) -> np.ndarray:
    """Validation samples per label [C], in whole numbers throughout so that ties are exact."""
    available = np.where(counts >= 2, counts, 0)
    total = int(available.sum())
    if wanted > total:
        raise InputError(
            f"valid_fraction asks for {wanted} validation samples; it may ask for at most {total}, "
            "the samples whose label has at least 2"
        )
    shares, remainders = np.divmod(available * wanted, total)
    # One more is given by largest remainder, but last to a label that would have no sample left for training.
    emptied = shares + 1 >= available
    order = np.lexsort((np.arange(counts.size), -remainders, emptied, remainders == 0))
    shares[order[: wanted - int(shares.sum())]] += 1
    return shares
