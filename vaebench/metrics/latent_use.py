"""Use of the latents by a model: active units, divergence from the prior, posterior collapse."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from vaebench.errors import InputError
from vaebench.metrics.shared.factors import embedding_problem
from vaebench.types import Dataset, Given, Metric, Posterior

SCORES = ("active_units", "kl", "kl_largest", "kl_smallest", "collapsed_latents", "collapsed")


@dataclasses.dataclass(frozen=True)
class LatentUseOptions:
    """Options of ``latent_use``.

    Attributes:
        active: variance of the posterior mean above which a latent is active; positive.
        collapsed: nats of divergence from the prior below which a latent is collapsed; positive.
    """

    active: float = 0.01
    collapsed: float = 0.01

    def __post_init__(self) -> None:
        if not (self.active > 0 and self.collapsed > 0):
            raise InputError(f"active ({self.active}) and collapsed ({self.collapsed}) must be positive")


def latent_kl(posterior: Posterior) -> np.ndarray:
    """Return KL(q(z_l | x) || N(0, 1)) = (mean^2 + variance - 1 - logvar) / 2 [L], in nats, averaged over samples."""
    mean, logvar = (np.asarray(part, np.float64) for part in posterior)
    return np.mean(0.5 * (mean**2 + np.expm1(logvar) - logvar), axis=0)


def latent_use_scores(
    z: np.ndarray,
    dataset: Dataset,
    given: Given,
    *,
    options: LatentUseOptions = LatentUseOptions(),
) -> dict[str, Any]:
    """Measure the use of the latents from the posterior q(z | x).

    The divergence is that from N(0, 1), also of a variant whose prior is trained (``mixture_vae``, ``identifiable_vae``): there
    it is not the one of the loss, and a latent may carry nothing and yet diverge.

    Returns:
        ``active_units`` (latents whose posterior mean has a variance above 0.01 over the samples; 0 to L), ``kl`` (nats,
        summed over latents; 0 if the model ignores them), ``kl_largest`` and ``kl_smallest`` (of one latent),
        ``collapsed_latents`` (those below 0.01 nats), ``collapsed`` (1 if all are), and ``status``: ``"OK"``,
        ``NAN_EMBEDDING``, ``TOO_FEW_SAMPLES`` (fewer than 10), ``OVERFLOW`` (an infinite variance), or ``COLLAPSED`` (all
        posterior means constant), which comes with the scores.

    Raises:
        InputError: no posterior is given.

    Source: Burda, Grosse & Salakhutdinov 2016, ICLR (active units).
    """
    if given.posterior is None:
        raise InputError("latent_use needs a posterior, and none was given with the embedding")
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan)
    mean, logvar = given.posterior
    problem = embedding_problem(np.concatenate([mean, logvar], axis=1)) if len(mean) else ""
    if problem.startswith("NAN"):
        return scores | {"status": problem}
    problem = embedding_problem(mean)
    if len(mean) < 10:
        return scores | {"status": f"TOO_FEW_SAMPLES: {len(mean)}, at least 10 are needed"}
    with np.errstate(over="ignore"):
        divergence = latent_kl(given.posterior)
    if not np.isfinite(divergence).all():
        return scores | {"status": "OVERFLOW: a variance of the posterior is not a finite number"}
    unused = divergence < options.collapsed
    return scores | {
        "active_units": int((np.var(np.asarray(mean, np.float64), axis=0) > options.active).sum()),
        "kl": float(divergence.sum()),
        "kl_largest": float(divergence.max()),
        "kl_smallest": float(divergence.min()),
        "collapsed_latents": int(unused.sum()),
        "collapsed": int(unused.all()),
        "status": problem or "OK",
    }


METRIC = Metric(
    name="latent_use",
    needs=("posterior",),
    where="host",
    compute=latent_use_scores,
    reference="Burda, Grosse & Salakhutdinov 2016",
    scores=SCORES,
    options=LatentUseOptions(),
    counts=("active_units", "collapsed_latents", "collapsed"),
)
