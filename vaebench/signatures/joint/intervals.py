"""Intervals of exposures to extracted signatures, from the joint posterior of signatures and exposures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from vaebench.data.files.folders import add_files
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations.tables import cancer_types
from vaebench.errors import InputError, user_path
from vaebench.signatures.dispersion import Scatter, scatter
from vaebench.signatures.intervals.ends import parametric_resample
from vaebench.signatures.intervals.methods import checked_options
from vaebench.signatures.joint.chain import joint_chain, known_of, state_of
from vaebench.signatures.joint.notes import chain_notes, cohort_notes, shared_notes
from vaebench.signatures.joint.options import JOINT, JointOptions
from vaebench.signatures.joint.start import remove_shared_part, starting_exposures
from vaebench.signatures.kept import DRAWS, PRIOR, write_draws
from vaebench.signatures.learned import learned_prior
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.sampler.diagnostics import effective_size, r_hat
from vaebench.signatures.sampler.summary import read_off
from vaebench.signatures.tables import Estimates, OnProgress, checked_tables, long_table, no_progress, size_masks
from vaebench.types.shown import one_line, tables_page

_MOST_SIMULATIONS = 20  # each takes as long as the chain itself


class DeNovo(NamedTuple):
    """Joint posterior of extracted signatures and their exposures.

    Attributes:
        signatures: [S, M], posterior means, in the order and with the names of those given.
        exposures: [T, S] in mutations, posterior means.
        intervals: as of :class:`vaebench.signatures.refitting.RefitResult`.
        unwidened: the same intervals before they were widened.
        cosines: [S], 5% quantile of the cosine between draws of each signature and its mean.
        correlations: one row for each class and pair of signatures that at least 20 samples have both: ``class, first, second,
            samples, correlation`` of ln e and its ``z``; the model has no correlations.
        factor: by which intervals were widened, from cohorts simulated from the fit; 1 for none.
        simulated: coverage of the simulated exposures above 0 before widening, NaN without simulations.
        dispersion: of the counts about the fit, 1 for Poisson.
        level: nominal coverage.
        diagnostics: classes, R-hat, effective draws, shares of moves accepted.
        notes: sentences that a reader of the result should see.
        draws: [n, T, S] of the exposures, zeros for a sample without mutations.
        spectra: [n, S, M] of the signatures, of the same draws.
    """

    __repr__ = one_line
    _repr_html_ = tables_page

    signatures: pd.DataFrame
    exposures: pd.DataFrame
    intervals: pd.DataFrame
    unwidened: pd.DataFrame
    cosines: pd.Series
    correlations: pd.DataFrame
    factor: float
    simulated: float
    dispersion: float
    level: float
    diagnostics: dict[str, Any]
    notes: tuple[str, ...]
    draws: np.ndarray
    spectra: np.ndarray

    @property
    def info(self) -> dict[str, Any]:
        """Numbers that a report shows with its provenance."""
        return {"widened by": self.factor, "dispersion": round(self.dispersion, 3)}

    def save(self, folder: str | Path, *, types: pd.Series | None = None) -> None:
        """Add to an extraction's ``folder``, which is made if needed: intervals, correlations, the prior and the spectra drawn.

        Args:
            folder: gets ``intervals.csv``, ``correlations.csv``, ``prior.csv`` (for a refit of new samples) and
                ``signature_draws.npz`` (for a decomposition).
            types: cancer type by sample, each with a prior of its own; by default what names like ``type::sample`` say.
        """
        types = cancer_types(self.exposures.index) if types is None else types
        prior = learned_prior(self.exposures, intervals=self.intervals, types=types)
        for name, table in (("intervals", self.intervals), ("correlations", self.correlations), ("prior", prior)):
            write_frame(table, user_path(folder) / f"{name}.csv")
        write_draws(user_path(folder) / DRAWS, self.spectra, self.signatures)
        made = ["intervals.csv", "correlations.csv", PRIOR, DRAWS]
        add_files(folder, "extract", made, gone=["anchored.csv"])


class _Chain(NamedTuple):
    """Draws of exposures [n, T, S] and signatures [n, S, M], and shares of shears and of rows accepted."""

    exposures: np.ndarray
    signatures: np.ndarray
    sheared: np.ndarray
    moved: np.ndarray


class _Simulated(NamedTuple):
    """Exposures above 0 of a simulated cohort, arrays [n]: the truth, posterior means, and ends of the intervals."""

    truth: np.ndarray
    mean: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def de_novo_intervals(
    catalogue: pd.DataFrame,
    signatures: pd.DataFrame,
    *,
    types: pd.Series | None = None,
    level: float = 0.95,
    simulations: int = 1,
    seed: int = 0,
    fractions: bool = False,
    options: JointOptions = JOINT,
    progress: OnProgress | None = None,
) -> DeNovo:
    """Intervals of the exposures to ``signatures`` that were extracted from this ``catalogue``.

    Signatures and exposures are drawn together (the algorithm: :mod:`vaebench.signatures.joint`), so that intervals carry the
    uncertainty of both. They are then widened by the smallest factor with which the intervals of simulated cohorts hold as
    many of the exposures above 0 as they should.

    Args:
        catalogue: counts [T, M].
        signatures: [S, M], as extracted.
        types: cancer type by sample, each a class with a prior of its own; types with fewer than ``options.fewest`` samples
            are one class together, and without types all samples are.
        level: nominal coverage.
        simulations: number of simulated cohorts, from 0 (no widening) to 20.
        seed: of everything random.
        fractions: allow counts that are not whole numbers.
        options: constants of the sampler.
        progress: called with what is being done, the steps done, and the steps in all.

    Raises:
        InputError: for a table or an option that is not allowed.

    Example::

        result = vb.signatures.extract(catalogue)
        found = vb.signatures.de_novo_intervals(catalogue, result.signatures)
        print(found.intervals, found.notes)
    """
    checked_options(None, "poisson", level, seed)
    if not 0 <= simulations <= _MOST_SIMULATIONS or int(simulations) != simulations:
        raise InputError(
            f"simulations={simulations!r} is not allowed; it must be a whole number from 0 to {_MOST_SIMULATIONS}"
        )
    counts, given, groups, some = checked_tables(catalogue, signatures, types, fractions)
    groups = merged(groups, options)
    x, progress = counts.to_numpy()[some], progress or no_progress
    noise = scatter(x, given.to_numpy(), maximum_likelihood(x, given.to_numpy()).exposures)
    dispersion = max(noise.dispersion, 1.0)
    start, shared = remove_shared_part(x, given.to_numpy(), dispersion, options)
    groups = groups[some]
    progress("drawing signatures and exposures", 0, 1 + simulations)
    chain = _run(x, start, groups, dispersion, seed, options)
    lower, upper, presence = read_off(chain.exposures, level)
    progress("drawing signatures and exposures", 1, 1 + simulations)
    simulated = []
    for i in range(simulations):
        simulated.append(_simulated(chain, start, groups, dispersion, level, seed + i + 1, options))
        progress("drawing from simulated cohorts", 2 + i, 1 + simulations)
    factor, before = calibrated(simulated, level, options) if simulated else (1.0, np.nan)
    mean = chain.exposures.mean(0, dtype=np.float64)
    low, high = widened(mean, lower, upper, factor)
    exposures = np.zeros((len(counts), len(given)))
    exposures[some] = mean
    frame = pd.DataFrame(exposures, counts.index, given.index)
    correlations = residual_correlations(chain.exposures[-1], groups, given.index, options)
    diagnostics = _diagnostics(chain, presence) | {"classes": groups.sum(0).astype(int).tolist()}
    notes = chain_notes(noise, correlations, diagnostics, factor, simulations, options)
    return DeNovo(
        signatures=pd.DataFrame(chain.signatures.mean(0, dtype=np.float64), given.index, given.columns),
        exposures=frame,
        intervals=long_table(frame, Estimates(mean, low, high, presence, {}), some, level),
        unwidened=long_table(frame, Estimates(mean, lower, upper, presence, {}), some, level),
        cosines=pd.Series(_spread(chain.signatures), given.index, name="cosine"),
        correlations=correlations,
        factor=factor,
        simulated=before,
        dispersion=noise.dispersion,
        level=level,
        diagnostics=diagnostics,
        notes=(*cohort_notes(len(x), given, options), *notes, *shared_notes(shared, given.index, options)),
        draws=_of_all(chain.exposures, some),
        spectra=chain.signatures,
    )


def _of_all(draws: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Draws [n, T, S] of all samples from those of the samples with mutations."""
    if some.all():
        return draws
    found = np.zeros((len(draws), len(some), draws.shape[2]), draws.dtype)
    found[:, some] = draws
    return found


def merged(groups: np.ndarray, options: JointOptions = JOINT) -> np.ndarray:
    """Join the classes of ``groups`` [T, G], of 0 and 1, that have fewer than ``options.fewest`` samples into one class."""
    small = groups.sum(0) < options.fewest
    return np.column_stack([groups[:, ~small], groups[:, small].sum(1)]) if small.sum() > 1 else groups


def _run(
    x: np.ndarray, start: np.ndarray, groups: np.ndarray, dispersion: float, seed: int, options: JointOptions
) -> _Chain:
    """Run the chain on x [T, M] from the signatures ``start`` [S, M]."""
    exposures = starting_exposures(x, start)
    known = known_of(x, start, exposures, groups, dispersion)
    first, key = jax.random.split(jax.random.key(seed))
    settling = options.settling // options.every
    # a GPU's default of 10 bits would move the determinants that decide which shears are accepted
    with jax.default_matmul_precision("highest"):
        state = state_of(first, start, exposures, known, options)
        _, draws = joint_chain(key, state, known, options.draws, options.every, settling, options)
    return _Chain(*(np.asarray(v) for v in draws))


def _simulated(
    chain: _Chain,
    start: np.ndarray,
    groups: np.ndarray,
    dispersion: float,
    level: float,
    seed: int,
    options: JointOptions,
) -> _Simulated:
    """Simulate a cohort from one draw of ``chain``, and find the intervals of its exposures above 0."""
    rng = np.random.default_rng(seed)
    number = rng.integers(len(chain.exposures))
    truth = chain.exposures[number].astype(np.float64)
    noise = Scatter(dispersion, 0.0, np.inf, np.zeros(0), np.zeros(0))
    x = parametric_resample(rng, truth @ chain.signatures[number].astype(np.float64), noise)
    # from the same start as the data's own chain, whose errors the simulated intervals then have too
    again = _run(x, start, groups, dispersion, seed, options)
    lower, upper, _ = read_off(again.exposures, level)
    some = size_masks(truth)["non-zero"]
    return _Simulated(truth[some], again.exposures.mean(0, dtype=np.float64)[some], lower[some], upper[some])


def widened(mean: np.ndarray, lower: np.ndarray, upper: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends ``factor`` times as far from the mean, 0 or more; a lower end of 0 stays."""
    low = np.where(lower > 0, np.maximum(mean - factor * (mean - lower), 0.0), 0.0)
    return np.minimum(low, lower), np.maximum(mean + factor * (upper - mean), upper)


def calibrated(
    simulated: Sequence[tuple[np.ndarray, ...]], level: float, options: JointOptions = JOINT
) -> tuple[float, float]:
    """Smallest factor with which simulated intervals cover at ``level``, and their coverage without it.

    Args:
        simulated: for each simulated cohort truths, means, lower and upper ends [n]; all cohorts have the same weight.
        level: nominal coverage.
        options: the factors to try.
    """
    step = options.factor_step
    factors = np.round(np.arange(1.0, options.largest_factor + 0.2 * step, step), 2)

    def coverage(factor: float) -> float:
        shares = []
        for truth, mean, lower, upper in simulated:
            low, high = widened(mean, lower, upper, factor)
            shares.append(np.mean((low <= truth) & (truth <= high)))
        return float(np.mean(shares))

    enough = [factor for factor in factors if coverage(factor) >= level]
    return float(enough[0] if enough else factors[-1]), coverage(1.0)


def residual_correlations(
    exposures: np.ndarray, groups: np.ndarray, names: pd.Index, options: JointOptions = JOINT
) -> pd.DataFrame:
    """Correlations of ln e between signatures within classes, of one draw [T, S]; ``z`` by Fisher's transformation.

    Args:
        exposures: one draw [T, S].
        groups: [T, G], classes as 0 and 1.
        names: [S] of the signatures.
        options: ``common``, the samples that a pair must have in common.

    Returns:
        The table ``correlations`` of :class:`DeNovo`.
    """
    rows = []
    for g in range(groups.shape[1]):
        mine = exposures[groups[:, g] > 0]
        for j in range(len(names)):
            for k in range(j + 1, len(names)):
                both = mine[(mine[:, j] > 0) & (mine[:, k] > 0)][:, [j, k]]
                if len(both) >= options.common:
                    r = float(np.corrcoef(np.log(both).T)[0, 1])
                    z = np.arctanh(np.clip(r, -0.999999, 0.999999)) * np.sqrt(len(both) - 3)
                    rows.append((g, names[j], names[k], len(both), r, z))
    return pd.DataFrame(rows, columns=["class", "first", "second", "samples", "correlation", "z"])


def _spread(signatures: np.ndarray) -> np.ndarray:
    """The 5% quantile [S] of the cosine between draws [n, S, M] and their mean."""
    mean = signatures.mean(0, dtype=np.float64)
    lengths = np.linalg.norm(signatures, axis=2) * np.linalg.norm(mean, axis=1)
    return np.quantile(np.sum(signatures * mean[None], 2) / lengths, 0.05, axis=0)


def _diagnostics(chain: _Chain, presence: np.ndarray) -> dict[str, Any]:
    """Convergence of the exposures that are present in most draws, and shares of moves accepted."""
    draws = chain.exposures[None][:, :, presence > 0.5]
    hats, sizes = r_hat(draws), effective_size(draws)
    return {
        "draws": len(chain.exposures),
        "r_hat_99": float(np.quantile(hats, 0.99, method="higher")) if hats.size else 1.0,
        "effective_draws_1": float(np.quantile(sizes, 0.01)) if sizes.size else float(len(chain.exposures)),
        "effective_draws_median": float(np.median(sizes)) if sizes.size else float(len(chain.exposures)),
        "sheared": float(np.mean(chain.sheared)),
        "moved": chain.moved.round(3).tolist(),
    }
