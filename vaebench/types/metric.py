"""Types of the evaluation: a metric, and what it may use beside an embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from vaebench.types.shown import one_line

if TYPE_CHECKING:
    import numpy as np  # for annotations only: the command line starts without it

    from vaebench.types import Dataset


class Posterior(NamedTuple):
    """A diagonal Gaussian q(z | x) for each sample: ``mean`` and ``logvar`` (natural log of the variance), [N, L] each."""

    __repr__ = one_line

    mean: np.ndarray
    logvar: np.ndarray


class Given(NamedTuple):
    """Information about a model that metrics may use in addition to its embedding; ``None`` where unknown.

    Attributes:
        posterior: q(z | x) of every sample, in the order of the data set.
        reconstruction: [N, D], on the scale of the data set's ``x``.
        split: positions of the training and of the validation samples.
        redundant: columns of z that are determined by the others; regressions on z leave them out.
    """

    __repr__ = one_line

    posterior: Posterior | None = None
    reconstruction: np.ndarray | None = None
    split: tuple[np.ndarray, np.ndarray] | None = None
    redundant: tuple[int, ...] = ()


def no_packages(options: Any) -> tuple[str, ...]:  # noqa: ANN401  (each metric has its own options)
    """Return nothing: a metric that imports nothing beyond what training needs. A function, so that metrics can be pickled."""
    return ()


class Metric(NamedTuple):
    """A metric of embeddings: the object that each file of :mod:`vaebench.metrics` exports.

    Attributes:
        name: name in the registry, of the file, and in rows.
        needs: requirements: ``"labels"``, ``"survival"``, ``"factors"``, ``"expression"`` of the data set, and
            ``"posterior"``, ``"reconstruction"``, ``"split"`` of :class:`Given`.
        where: ``"host"`` (in a process pool, with a data set that may lack the expression) or ``"lane"`` (in the process
            that trains).
        compute: ``(z[N, L], dataset, given) -> {score: number, ..., "status": "OK" or a reason}``. Never raises on degenerate
            embeddings. Takes the keyword ``options`` if the field ``options`` is not ``None``.
        reference: the paper, or the library that it agrees with.
        scores: keys of the scores that ``compute`` returns, always all of them, in addition to ``"status"``.
        options: default options, an instance of the metric's own frozen dataclass; ``None`` without options.
        prepare: ``(dataset, options) -> Metric`` that has computed all that does not depend on the embedding; ``None`` if
            that is nothing but the options.
        counts: names of the scores that are whole numbers whatever the options, or NaN where not computed; all others are
            floats.
        packages: ``options -> modules`` that the metric imports beyond those that training needs.
    """

    __repr__ = one_line

    name: str
    needs: tuple[str, ...]
    where: str
    compute: Callable[..., dict[str, Any]]
    reference: str
    scores: tuple[str, ...]
    options: Any = None
    prepare: Callable[[Dataset, Any], Metric] | None = None
    counts: tuple[str, ...] = ()
    packages: Callable[[Any], tuple[str, ...]] = no_packages
