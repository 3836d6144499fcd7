"""Methods of results that draw: each takes the result and returns matplotlib axes; the drawing is in :mod:`vaebench.figures`.

Without ``ax.figure.savefig(...)`` a notebook still shows what is drawn, since the axes know how to show their figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import pandas as pd

from vaebench.data.mutations.channels import checked_catalogue, checked_signatures, refuse_unlike_signatures
from vaebench.data.mutations.tables import cancer_types
from vaebench.errors import InputError, unknown_name
from vaebench.signatures.tables import types_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class WithExposures(Protocol):
    """The parts that every result has."""

    @property
    def exposures(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def samples(self) -> pd.DataFrame: ...  # noqa: D102


class WithSpectra(WithExposures, Protocol):
    """A result with the spectra and the counts that it was made of."""

    @property
    def signatures(self) -> pd.DataFrame | None: ...  # noqa: D102
    @property
    def catalogue(self) -> pd.DataFrame | None: ...  # noqa: D102


class WithIntervals(WithExposures, Protocol):
    """A result that may have intervals."""

    @property
    def intervals(self) -> pd.DataFrame | None: ...  # noqa: D102
    @property
    def level(self) -> float: ...  # noqa: D102


class _ShownAxes(list["Axes"]):
    """Axes of one figure, in reading order; a notebook shows the figure."""

    def _repr_png_(self) -> bytes:
        return _png(self[0])


def _png(ax: Axes) -> bytes:
    from vaebench.figures.style import png

    figure = ax.get_figure(root=True)
    assert figure is not None
    return png(figure)


def _axes(figure: Figure) -> list[Axes]:
    return _ShownAxes(figure.axes)


def _single(figure: Figure) -> Axes:
    ax = figure.axes[0]
    ax._repr_png_ = lambda: _png(ax)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    return ax


def plot_signatures(self: WithSpectra) -> list[Axes]:
    """Draw the signatures as bars in the field's order and colours, with trinucleotide labels.

    Returns:
        Axes, one a signature; ``axes[0].figure.savefig("signatures.png")`` saves the figure.
    """
    from vaebench.figures.spectra import spectra

    return _axes(spectra(_kept(self.signatures, "signatures")))


def plot_exposures(self: WithExposures, *, shares: bool = False, types: pd.Series | None = None) -> Axes:
    """Draw the exposures as one stacked bar a sample; one sample as bars of its own.

    Args:
        self: the result.
        shares: draw shares of each sample's mutations.
        types: cancer type by sample, which samples are sorted by; by default from names such as ``type::sample``.
    """
    from vaebench.figures.samples import stacked_exposures

    return _single(stacked_exposures(self.exposures, _types(self, types), shares=shares))


def plot_sample(
    self: WithSpectra, sample: str, *, catalogue: pd.DataFrame | None = None, level: float = 0.95
) -> list[Axes]:
    """Draw a sample's counts, their fit, and the residuals with the band of counts of the noise that was fitted.

    Args:
        self: the result.
        sample: its name.
        catalogue: counts [T, M]; by default those of the call that made this result.
        level: of the band.

    Raises:
        InputError: no such sample, or a result that does not hold its counts (one read back from another version).
    """
    from vaebench.figures.spectra import sample_fit, sample_noise

    counts = _kept(self.catalogue if catalogue is None else catalogue, "catalogue")
    counts = counts if catalogue is None else checked_catalogue(counts, fractions=True)
    signatures, sample = _kept(self.signatures, "signatures"), str(sample)
    _known(sample, self.exposures.index)
    _known(sample, counts.index)
    exposures, intervals = self.exposures.loc[sample], getattr(self, "intervals", None)
    if intervals is not None:  # the posterior mean: in the table of exposures what is probably absent is 0
        exposures = intervals[intervals["sample"] == sample].set_index("signature")["exposure"]
    mean = pd.Series(exposures[signatures.index].to_numpy() @ signatures.to_numpy(), signatures.columns)
    observed = counts.T[sample]
    return _axes(sample_fit(observed, mean, level=level, **sample_noise(self, float(observed.sum()))))


def plot_intervals(self: WithIntervals, samples: list[str] | str | None = None) -> list[Axes]:
    """Draw exposures with their intervals, the signatures of most mutations on top.

    Args:
        self: the result.
        samples: up to twelve names, or one; the first twelve by default.

    Raises:
        InputError: the result has no intervals, or no such sample.
    """
    from vaebench.figures.exposures import interval_panels, intervals_by_size
    from vaebench.figures.samples import LEAST

    if self.intervals is None:
        raise InputError("this result has no intervals; refit with intervals='spike_slab' or another method")
    chosen = None if samples is None else [str(name) for name in ([samples] if np.isscalar(samples) else samples)]
    for name in chosen or ():
        _known(name, self.exposures.index)
    return _axes(interval_panels(intervals_by_size(self.intervals), self.level, chosen, least=LEAST))


def plot_burden(self: WithExposures, *, types: pd.Series | None = None, megabases: float | None = None) -> Axes:
    """Draw the mutation burden of each sample by cancer type.

    Args:
        self: the result.
        types: cancer type by sample; by default from names such as ``type::sample``.
        megabases: size of what was sequenced (a genome about 2,800, an exome 30 to 40), for mutations per megabase.

    Raises:
        InputError: ``megabases`` is not above 0.
    """
    from vaebench.figures.samples import burden

    number = isinstance(megabases, int | float | np.number) and not isinstance(megabases, bool)
    if megabases is not None and not (number and 0 < megabases < np.inf):
        raise InputError(f"megabases={megabases!r} is not allowed; it must be a number above 0")
    return _single(burden(self.samples["mutations"], _types(self, types), megabases=megabases))


def plot_comparison(
    self: WithSpectra, reference: pd.DataFrame, signature: str | None = None, other: str | None = None
) -> list[Axes]:
    """Draw a signature, the reference signature that it is compared to, and their difference.

    Args:
        self: the result.
        reference: known signatures [S', M].
        signature: name of one of this result; its first by default.
        other: name of one of the reference; the one of highest cosine similarity by default.

    Raises:
        InputError: no such signature, or a reference that is no table of signatures.
    """
    from vaebench.figures.spectra import spectrum_comparison
    from vaebench.signatures.matching import cosines

    own, known = _kept(self.signatures, "signatures"), checked_signatures(reference, source="the reference")
    refuse_unlike_signatures(own, known)
    name = str(own.index[0]) if signature is None else signature
    _known(name, own.index, "signature")
    if other is None:
        other = str(known.index[int(cosines(own.loc[[name]].to_numpy(), known.to_numpy())[0].argmax())])
    _known(other, known.index, "reference signature")
    second = known.T[other]
    second.name = f"{other} (reference)"
    return _axes(spectrum_comparison(own.T[name], second))


_Held = TypeVar("_Held")


def _kept(table: _Held | None, what: str) -> _Held:
    if table is None:
        raise InputError(f"this result does not hold its {what}; give it, or make the result again with this version")
    return table


def _known(name: str, names: pd.Index, kind: str = "sample") -> None:
    if name not in names:
        raise unknown_name(kind, name, [str(known) for known in names])


def _types(self: WithExposures, types: pd.Series | None) -> pd.Series | None:
    samples = self.exposures.index
    return cancer_types(samples) if types is None else types_of(types, samples)
