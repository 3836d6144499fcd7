"""Constants of the exposure sampler, each with its reason."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class SamplerOptions:
    """Constants of :func:`vaebench.signatures.sampler.posterior.sampled` and of the prior that it draws.

    Attributes:
        learning: sweeps of each chain before its draws count.
        warm: numbers by which log likelihoods are divided in these sweeps, each with its last sweep. The maximum likelihood has
            a little of many signatures; chains that start there as they are may all stay with the same one of several
            explanations of a sample, which R-hat cannot show. Warm ones find what the prior thinks likely, and add what the
            counts ask for while they cool.
        draws: least number of draws of all chains together. A 2.5% quantile then has about 12 draws below it.
        longest: factor by which the chains may grow until they have mixed: each time they have not, as many sweeps follow as
            were kept from, of the samples that have not (:mod:`vaebench.signatures.sampler.mixing`), and every second, fourth,
            ... draw of theirs is kept.
        r_hat: R-hat of the worst hundredth of the exposures below which chains have mixed.
        effective: effective draws of the worst hundredth above which they have.
        independent: samples of a cancer type from which they go on one by one. Fewer go on together.
        judged: P(present) from which an exposure is judged by these two. The interval of a rarer one begins at 0, and its
            presence is known to a few hundredths however slowly it mixes.
        chain: least number of draws of one chain: R-hat of less is itself uncertain.
        width: chains x samples up to which further chains are run: so few cost no more than two chains.
        kept: draws that are returned as they are, far apart; a calibration takes its truths from them.
        considered: P(present) from which the upper end is at least that of the exposure given that it is present. Below it
            the few draws above 0 say too little.
        scarce: draws above 0 below which they do not give an upper end: the counts alone do then.
        spread: mutations added to the variance that shapes proposals: few counts are far from Gaussian.
        tumours: tumours without counts that are drawn beside a chain where signatures occur together, of all its cohorts or
            cancer types: they show anew in every sweep how often each signature is present.
        least_tumours: of each cohort or type.
        kinds: most tumour types whose priors are mixed for each of few samples of unknown tissue.
        kinds_left: probability of the types that are left out, at most.
        few: weight, in samples, of the whole cohort's prior in the prior of each cancer type.
        visits: visits of a signature per sweep, relative to P(present); one that is present in an eighth of the draws is visited
            in every sweep.
        ignored: first sweeps that teach the prior nothing. The start is not sparse, so a prior learned from it would say
            that all samples have a little of everything.
        active: signatures expected in a sample before its counts are seen. Published tumours have 2 to 10.
        presence_weight: samples that this expectation counts for. One sample changes it at once.
        mean_weight: samples with a signature that its expected exposure counts for.
        variance_weight: samples with a signature that a standard deviation of ln e of 1 counts for.
        least_sd: smallest standard deviation of ln e that is learned; a smaller one would freeze the chain.
        largest_sd: largest standard deviation of ln e that is learned: exposures over five orders of magnitude.
    """

    learning: int = 150
    warm: tuple[tuple[int, float], ...] = ((5, 64.0), (10, 16.0), (25, 4.0), (60, 2.0))
    draws: int = 500
    longest: int = 8
    r_hat: float = 1.1
    effective: float = 50.0
    independent: int = 50
    judged: float = 0.05
    chain: int = 100
    width: int = 16
    kept: int = 10
    considered: float = 0.005
    scarce: int = 40
    spread: float = 0.1
    tumours: int = 200
    least_tumours: int = 40
    kinds: int = 12
    kinds_left: float = 0.03
    few: float = 10.0
    visits: float = 8.0
    ignored: int = 10
    active: int = 6
    presence_weight: float = 1.0
    mean_weight: float = 0.5
    variance_weight: float = 2.0
    least_sd: float = 0.1
    largest_sd: float = 3.0


SAMPLER = SamplerOptions()
"""The defaults."""
