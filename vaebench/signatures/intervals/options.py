"""Constants of the interval methods, each with its reason; those of ``spike_slab`` are in the sampler's options."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class ProfileOptions:
    """Constants of ``profile_likelihood``.

    Attributes:
        steps: most steps of Newton's method for an end; from the second on they approach it from one side.
        close: distance from the cut, in nats of log likelihood, at which an end is found; the cut itself is at 1.92.
    """

    steps: int = 30
    close: float = 1e-4


@dataclasses.dataclass(frozen=True)
class BootstrapOptions:
    """Constants of ``bootstrap`` and ``bootstrap_basic``.

    Attributes:
        replicates: resampled cohorts: with 200 a 2.5% quantile lies between the 5th and the 6th.
    """

    replicates: int = 200


@dataclasses.dataclass(frozen=True)
class EncoderOptions:
    """Constants of ``posterior_percentile``, ``posterior_released`` and ``conformal``.

    Attributes:
        draws: draws of the autoencoder's posterior: the study's number.
        least_share: share of a sample's mutations below which a fitted exposure is 0 in the truth that ``conformal``
            simulates. Maximum likelihood gives small exposures to signatures that are absent.
    """

    draws: int = 1000
    least_share: float = 0.01


PROFILE, BOOTSTRAP, ENCODER = ProfileOptions(), BootstrapOptions(), EncoderOptions()
"""The defaults."""
