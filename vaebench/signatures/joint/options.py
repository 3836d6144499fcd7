"""Constants of the joint sampler and of the intervals it gives, each with its reason."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class JointOptions:
    """Constants of :func:`vaebench.signatures.joint.intervals.de_novo_intervals`.

    Attributes:
        presence_weight: A of the model: weight of p0 in the p of each class, in samples.
        mean_weight: B of the model: weight of m0 in the m of each class, in samples. Low, since classes differ in their
            typical exposures by orders of magnitude.
        scale_degrees: N of the model: weight of s0 in the s of each class, in samples.
        spread_degrees: degrees of freedom of the prior of w, the spread of ln S_k.
        spread_centre: its centre, between the 0.9 of flat signatures and the 2.5 of peaked ones.
        shears: shears per signature in a sweep.
        first_shear: standard deviation tau of the first shears, before it is fitted.
        shear_range: smallest and largest tau.
        accepted_shears: share of shears to accept, to which tau is fitted: a walk in one direction gets furthest.
        felt: conditional standard deviations of S_jc by which a shear must move it, for S_kc to take part.
        least_felt: share of S_k that must take part; with less the shear moves next to nothing, and tau grows.
        walk: step of a signature's entry, in conditional standard deviations: best for a random walk in one dimension.
        log_walk: step of the logarithm of an entry near 0.
        log_walks: share of the moves of entries that are in the logarithm.
        near: conditional standard deviations from 0 within which an entry may walk by its logarithm.
        settling: sweeps before draws count, in which tau is fitted.
        draws: draws that are kept.
        every: sweeps per draw: neighbouring sweeps are nearly equal.
        peaks: standard deviation of ln S_k from which a signature is peaked, its other entries being nearly 0.
        smallest: entry below which the logarithm says nothing.
        least_share: smallest share of another signature that is taken out at the start.
        most_share: largest share that is taken out, so that something is left.
        largest_factor: largest factor by which intervals are widened.
        factor_step: step between the factors that are tried, from 1.
        fewest: samples from which a cancer type is a class with a prior of its own.
        common: samples with both signatures from which their correlation is tested.
        doubt: probability, shared by all pairs, of a correlation that is noted although there is none.
        noted_share: share of another signature taken out at the start from which a note says so.
        noted_dispersion: dispersion above which a note says so.
        slow: effective draws below which a note says that the chain mixes slowly.
        least_samples: samples below which a note says that the intervals cannot be relied on: of simulated cohorts of 100
            genomes they held 66 to 84% of the exposures above 0, of 300 genomes 95%, at a level of 95%. The simulated cohorts
            that widen them start from the same estimate and cannot see how far it has drifted.
        flat: effective channels, as a share of all, from which a signature is flat: exp of its entropy is 0.53 to 0.84 of 96
            for SBS3, 5, 8, 40a, 40b and 40c of COSMIC 3.4, and less than 0.5 for signatures with peaks.
    """

    presence_weight: float = 2.0
    mean_weight: float = 0.05
    scale_degrees: float = 4.0
    spread_degrees: float = 4.0
    spread_centre: float = 1.5
    shears: int = 6
    first_shear: float = 0.01
    shear_range: tuple[float, float] = (1e-6, 0.3)
    accepted_shears: float = 0.3
    felt: float = 0.5
    least_felt: float = 0.3
    walk: float = 2.4
    log_walk: float = 1.5
    log_walks: float = 0.3
    near: float = 3.0
    settling: int = 400
    draws: int = 200
    every: int = 2
    peaks: float = 1.3
    smallest: float = 1e-5
    least_share: float = 0.02
    most_share: float = 0.9
    largest_factor: float = 3.0
    factor_step: float = 0.05
    fewest: int = 20
    common: int = 20
    doubt: float = 1e-4
    noted_share: float = 0.1
    noted_dispersion: float = 1.1
    slow: float = 10.0
    least_samples: int = 300
    flat: float = 0.5


JOINT = JointOptions()
"""The defaults."""
