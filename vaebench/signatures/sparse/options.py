"""SparseOptions: every constant of the sparse method, each with the reason for its value."""

from __future__ import annotations

import dataclasses
import math

from vaebench.errors import InputError, whole_number

_SHARES = (
    "likely",
    "candidate_share",
    "spread_share",
    "restored_share",
    "burn_in",
    "prior_step",
    "mean_step",
    "largest_share",
    "known_cosine",
)
"""Fields that are shares or probabilities: at most 1."""

_MAY_BE_ZERO = ("swaps", "dispersion_slack", "noted_share")
"""Fields that may be 0; all others are positive."""


@dataclasses.dataclass(frozen=True)
class SparseOptions:
    """Constants of the sparse method (:mod:`vaebench.signatures.sparse.pipeline`), each with the reason for its default.

    Frozen and hashable, so that compiled functions take it as a static argument. The defaults are meant for cohorts of
    tens to thousands of samples.

    Example:
        >>> import vaebench as vb
        >>> vb.signatures.SparseOptions(patience=4).patience
        4

    Raises:
        InputError: for a number outside its range, or ``shapes`` and ``exposure_iterations`` of different lengths.
    """

    # the search over numbers of signatures (pipeline)
    patience: int = 2
    """Numbers of signatures in a row that may raise the criterion before no larger one is fitted: one rise can be a single
    poor fit, two in a row are a trend."""
    grown_from: int = 5
    """Signatures of the first fit when only larger numbers are asked for: a random start finds a few common signatures
    reliably; rarer ones are then added one by one, as if smaller numbers had been fitted first."""
    start_total: float = 1000.0
    """Mutations to which larger samples are scaled down in the random starts: otherwise a few hypermutated samples would
    decide all signatures of a start."""
    start_samples: int = 500
    """Samples, drawn at random, that random starts are fitted to: they find the common signatures, which so many show, and rarer
    ones are added later, so that their time need not grow with the cohort."""
    dispersion_slack: float = 0.1
    """Pearson dispersion above 1 that is not counted as overdispersion: even the largest fit to Poisson counts may keep it."""
    least_freedom: int = 20
    """Degrees of freedom from which a sample says something about scatter: the median of chi-squared per degree of freedom is
    0.1 too low with fewer than 7, and a few channels with two or three counts decide it."""
    weight_change: float = 0.1
    """Relative change of the scatter from which the weights follow a new fit: a median over tens of samples is not known
    better, and each change takes another fit."""
    half_weight_total: float = 1e5
    """Mutations at which a sample's weight is a half at most: signatures are not known precisely enough to be judged by the
    millions of mutations of a single sample, which would be given a signature of its own."""
    final_draws: int = 800
    """Draws of the last fit, of the chosen number: signatures without peaks separate slowly, and one fit is affordable. Twice as
    many were no nearer to the truth (scenarios 2 and 6 of gislum2024, three seeds each)."""

    padding: int = 16
    """Signatures are padded to a multiple of this: compilation takes longer than the fits of small numbers, and one program
    serves all of them."""
    quick_padding: int = 8
    """Padding of annealing and of candidates, whose programs compile quickly."""

    # annealing from a start
    shapes: tuple[float, ...] = (1.0, 0.75, 0.5)
    """Shapes of the Gamma prior on exposures, one after the other: 1 is maximum likelihood, and below 1 exposures become
    exactly 0. The prior has local optima at 0, so it is tightened in steps and not applied at once."""
    start_iterations: int = 300
    """Updates of a random start at each shape: enough to rank restarts; only the best one goes on."""
    warm_iterations: int = 60
    """Updates of the exposures alone before given signatures move: even exposures would otherwise blur the signatures."""
    anneal_iterations: int = 200
    """Updates of given signatures at each shape: fewer than in a random start, for they begin nearer to an optimum."""
    exposure_iterations: tuple[int, ...] = (40, 60, 200)
    """Updates of the exposures at each of ``shapes`` when signatures stay fixed: most at the last shape, whose zeros count."""

    # stochastic approximation EM (saem)
    draws: int = 200
    """Draws of a fit whose criterion decides between numbers of signatures; ``swap_gain`` is above the noise that they leave
    in it."""
    trial_draws: int = 50
    """Draws of a trial, by which one of two starts is chosen, or none: they differ by far more than the noise that so few draws
    leave in the criterion."""
    trial_slack: float = 100.0
    """Criterion by which a trial may be worse than the fit to beat and still get all draws: about what these gain."""
    burn_in: float = 0.5
    """Share of the draws in which averages follow the last draw (step 1) and so forget the start: half, so that as many draws
    are left to average."""
    step_power: float = 0.8
    """Later steps are i^-step_power; powers in (1/2, 1] converge (Delyon et al. 1999), and below 1 early draws lose weight
    sooner."""
    prior_step: float = 0.3
    """Share of a step by which the prior follows a draw: the prior of a rare signature, learned from few samples, is noisy."""
    mean_step: float = 0.1
    """Share of a step by which the mean that sets the variances follows a draw: a draw should hardly weight its own
    residuals."""
    variance_floor: float = 0.05
    """Smallest variance of a count: where the mean is nearly 0, a single mutation would otherwise outweigh all other counts."""
    coordinate_rounds: int = 10
    """Rounds of coordinate descent over the signatures after each draw: the minimum moves little between draws, so that
    descent from the last signatures need not converge each time."""

    # a draw (sweeps)
    grid_cells: int = 8
    """Cells of the grid that proposes an exposure, one standard deviation each: a Metropolis step corrects the proposals, and
    half as many cells are half the work."""
    grid_width: float = 4.0
    """Half width of the grid in standard deviations: beyond it lie 6e-5 of a Gaussian."""
    pair_floor: float = 1e-3
    """Added to the squared cosines by which pairs of signatures are chosen: leaves every pair a chance."""

    # the criterion
    present: float = 0.5
    """Mutations from which an exposure counts as present: half a mutation rounds to one."""
    likely: float = 0.5
    """Posterior probability above which an exposure may be present in the fit that is scored: the more likely case."""
    score_cycles: int = 25
    """Cycles of the exposures before a fit is scored: a sample's deviance is then within 0.05 of the minimum (tested), far
    less than the ln M that an exposure costs."""
    least_samples: int = 8
    """Samples from which a signature's 95 shares are charged at least: with the scatter of one or two samples, a signature
    could always be fitted to the sample that fits worst."""

    # adding, dropping and swapping signatures (moves)
    swaps: int = 3
    """Most swaps at one number of signatures: bounds the time; one more number of signatures also repairs a poor fit."""
    swap_gain: float = 50.0
    """Decrease of the criterion from which a swap is accepted: smaller ones may be noise of the draws."""
    worst_samples: int = 76
    """Samples, those with the largest deviance, on which candidates compete: a missing signature shows there, and the time
    does not grow with the cohort. More than twice the samples of the largest sum of residuals."""
    single_residuals: int = 12
    """Candidates that are the positive residual of one sample: the worst samples, in case no two share what is missing."""
    summed_residuals: tuple[int, ...] = (4, 10, 30)
    """Candidates that are summed residuals of so many of the worst samples: a signature that several have, with less noise."""
    whole_spectra: int = 5
    """Candidates that are the whole spectrum of a sample: where the missing signature dominates, the fit distorts the
    residual, and the spectrum itself is closer."""
    candidate_floor: float = 1e-4
    """Added to each entry of a candidate, whose entries sum to 1: multiplicative updates cannot leave 0."""
    candidate_iterations: int = 150
    """Updates of a candidate and of the exposures: enough to rank candidates, since the best is fitted again in full."""
    candidate_shape: float = 0.5
    """Gamma shape of a candidate's exposures, the last of ``shapes``: the candidate stays in the few samples that need it."""
    candidate_share: float = 0.2
    """Share of a sample's mutations that a candidate begins with, taken from the other signatures: clearly above 0, from
    which updates cannot return, and small enough to leave the others in place."""
    spread_share: float = 0.01
    """Share of a sample's mutations spread over the known signatures when a candidate begins: signatures that were absent
    may come back once the candidate explains a part."""
    restored_share: float = 0.1
    """Share of a sample's mutations spread over the remaining signatures when one is dropped, for the same reason."""
    dropped_iterations: int = 100
    """Updates of the exposures after one signature is dropped: enough to rank signatures by use; fewer than for a score."""

    # known signatures as a prior (known)
    known_cosine: float = 0.8
    """Cosine from which a known signature is the prior of an extracted one: a signature of which the extraction has mixed a
    third with another is still drawn to itself, and most pairs of published ones are less alike."""

    # what counts leave open (ambiguity)
    spectrum_shapes: tuple[float, ...] = (0.24, 0.33, 0.42, 0.64, 1.05)
    """Gamma shapes of a signature's entries, all equally likely: percentiles 10, 30, 50, 70 and 90 of the 86 signatures of
    COSMIC 3.4."""
    spectrum_weight: float = 0.2
    """Weight of the prior on a spectrum, whose 96 entries in SBS96 are worth 19 independent ones: 96^2 / sum r_cd^2 over
    all pairs of channels (Bretherton et al. 1999), r_cd the correlation of COSMIC's logarithms of entries (1e-4 at least,
    centred by signature); (1 - r_cd^2) / 84, expected of independent channels, is subtracted from r_cd^2."""
    ambiguity_gain: float = 2.0
    """Nats of the posterior from which a share is reassigned: less is no evidence (7 to 1)."""
    entry_errors: float = 4.0
    """Standard errors by which an entry may end below 0: an entry that is 0 by chance must not rule a share out, and normal
    noise exceeds four errors in one of 30,000 entries."""
    largest_share: float = 0.95
    """Largest share that is reassigned: nothing would be left of the signature at 1."""
    usual_samples: int = 20
    """Samples without a signature from which the usual exposures of the other are learned; with fewer, all samples are used."""
    usual_present: int = 3
    """Samples among them that must have the other signature: a mean and a spread cannot be learned from fewer."""
    least_log_sd: float = 0.1
    """Smallest standard deviation of ln exposure: a few exposures that happen to agree do not mean that all do."""
    share_grid: int = 100
    """Positive shares that are compared, and half as many negative ones: at most 1% apart, finer than shares are known."""
    moves_per_signature: int = 10
    """Most reassignments per signature: each one raises the posterior, so this only bounds the time."""
    noted_share: float = 0.05
    """Reassigned share from which a note tells the user: smaller ones change no spectrum visibly."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field.name, getattr(self, field.name), field.default)
        if len(self.shapes) != len(self.exposure_iterations):
            raise InputError(
                f"SparseOptions: exposure_iterations={self.exposure_iterations!r} does not fit shapes={self.shapes!r}; "
                "there must be one number of iterations for each shape"
            )
        if self.largest_share == 1:
            raise InputError("SparseOptions: largest_share=1 is not allowed; it must be below 1, where nothing is left")


def _check(name: str, value: object, default: object) -> None:
    """``InputError`` unless ``value`` is of the kind of ``default`` and in the field's range."""
    if isinstance(default, tuple):
        if not isinstance(value, tuple) or not value:
            raise InputError(f"SparseOptions: {name}={value!r} is not allowed; it must be a tuple of numbers")
        for part in value:
            _check(name, part, default[0])
        return
    if isinstance(default, int):
        whole_number(f"SparseOptions: {name}", value, 0 if name in _MAY_BE_ZERO else 1, None)
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"SparseOptions: {name}={value!r} is not allowed; it must be a number")
    if value < 0 or (value == 0 and name not in _MAY_BE_ZERO):
        allowed = "0 or more" if name in _MAY_BE_ZERO else "above 0"
        raise InputError(f"SparseOptions: {name}={value!r} is not allowed; it must be {allowed}")
    if name in _SHARES and value > 1:
        raise InputError(f"SparseOptions: {name}={value!r} is not allowed; it is a share and must be 1 at most")
