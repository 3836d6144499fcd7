"""Constants of the exposure sampler, each with its reason."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class SamplerOptions:
    """Constants of :func:`vaebench.signatures.sampler.posterior.sampled` and of the prior that it learns.

    Attributes:
        learning: sweeps in which the prior is learned: after half of them it fluctuates, and the other half averages.
        settling: sweeps of each chain before its draws count. Chains start near the posterior, so few are needed.
        draws: draws of both chains together. A 2.5% quantile then has about 12 draws below it.
        kept: draws that are returned as they are, far apart; a calibration takes its truths from them.
        considered: P(present) from which the upper end is at least that of the exposure given that it is present. Below it
            the few draws above 0 say too little.
        spread: mutations added to the variance that shapes proposals: few counts are far from Gaussian.
        few: weight, in samples, of the whole cohort's prior in the prior of each cancer type.
        ignored: first sweeps that teach the prior nothing. The start is not sparse, so a prior learned from it would say
            that all samples have a little of everything.
        first_sd: first standard deviation of ln e: from a twentieth to twenty times the typical exposure.
        least_sd: smallest standard deviation of ln e that is learned; a smaller one would freeze the chain.
        largest_sd: largest standard deviation of ln e that is learned: exposures over five orders of magnitude.
    """

    learning: int = 150
    settling: int = 30
    draws: int = 500
    kept: int = 10
    considered: float = 0.005
    spread: float = 0.1
    few: float = 10.0
    ignored: int = 10
    first_sd: float = 1.5
    least_sd: float = 0.1
    largest_sd: float = 3.0


SAMPLER = SamplerOptions()
"""The defaults."""
