"""Weighted SEPIN: the information about a sample that a latent has and the others lack, with its standard error."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vaebench.errors import InputError
from vaebench.metrics.shared.factors import canonical_order, embedding_problem
from vaebench.types import Dataset, Given, Metric, Posterior, Tree

if TYPE_CHECKING:
    import jax

SCORES = (
    "wsepin",
    "wsepin_error",
    "information",
    "information_error",
    "information_share",
    "sepin_largest",
    "indin_largest",
    "draws",
)
_LOG_CLAMP = math.log(1e-8)
_FARTHEST = -2000.0


@dataclasses.dataclass(frozen=True)
class WsepinOptions:
    """Options of ``wsepin``.

    Attributes:
        draws: number of z ~ q(z | x), x spread evenly over the samples (the study took 10,000).
        clamp: bound densities below by 1e-8, as the released code does, so that no entropy exceeds 18.42 nats.
        seed: of the draws.
    """

    draws: int = 10_000
    clamp: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.draws < 2:
            raise InputError(f"draws is {self.draws}; it must be at least 2")


class Sepin(NamedTuple):
    """Estimates in nats; errors are standard errors over the Monte Carlo draws.

    Attributes:
        wsepin: sum_i rho_i sepin_i with rho_i = marginal_i / sum_j marginal_j.
        wsepin_error: its standard error.
        information: I(x; z).
        information_error: its standard error.
        marginal: [L] I(x; z_i).
        sepin: [L] I(x; z_i | z_others).
        indin: [L] I(x; z_i) - I(z_i; z_others).
    """

    wsepin: float
    wsepin_error: float
    information: float
    information_error: float
    marginal: np.ndarray
    sepin: np.ndarray
    indin: np.ndarray


@functools.cache
def _program() -> Callable[..., jax.Array]:
    import jax
    import jax.numpy as jnp

    def block(carry: Tree, part: Tree, z: jax.Array, own_mean: jax.Array, own_precision: jax.Array) -> tuple[Any, None]:
        mean, precision, log_precision, own_log_precision, inside = part
        # ln q(z_i | x_n) - ln q(z_i | x_own): differences keep float32 exact where densities are huge or tiny
        own = ((z - own_mean) ** 2 * own_precision - own_log_precision)[:, None]
        ratio = 0.5 * (own - (z[:, None] - mean[None]) ** 2 * precision[None] + log_precision[None])
        # exp(-2000) is 0 next to the own component's 1; a more negative number would cost the others digits in the sum
        ratio = jnp.where(inside[None, :, None], jnp.maximum(ratio, _FARTHEST), -jnp.inf)
        total = jnp.sum(ratio, axis=2)
        without = jnp.where(inside[None, :, None], total[:, :, None] - ratio, -jnp.inf)
        return tuple(
            jnp.logaddexp(old, jax.nn.logsumexp(new, axis=1))
            for old, new in zip(carry, (total, ratio, without), strict=True)
        ), None

    def densities(
        z: jax.Array, own_mean: jax.Array, own_precision: jax.Array, own_log: jax.Array, parts: Tree
    ) -> jax.Array:
        low = jnp.full(z.shape, -jnp.inf)

        def step(carry: Tree, part: Tree) -> tuple[Any, None]:
            mean, precision, log_precision, inside = part
            return block(carry, (mean, precision, log_precision, own_log, inside), z, own_mean, own_precision)

        return jax.lax.scan(step, (low[:, 0], low, low), parts)[0]

    return jax.jit(densities)


def sepin(posterior: Posterior, options: WsepinOptions = WsepinOptions()) -> Sepin:
    """Estimate SEPIN from draws z ~ q(z | x), with q(z), q(z_i) and q(z_others) as mixtures over all N samples.

    I(x; z) = E ln q(z | x) / q(z), and likewise for z_i and z_others; sepin_i = I(x; z) - I(x; z_others) from the same
    draws. For a posterior that factorises, I(z_i; z_others | x) = 0 and indin_i is the same quantity; it is estimated
    separately, from the entropies H(z) - H(z_others) - H(z_i | x) with the last in closed form, so that the difference of
    the two shows the error of either.

    Densities stay in log space, so that nothing saturates but I(x; z) at its ceiling ln N, where sepin is 0 although each
    latent is informative. Blocks keep the memory at some tens of MB.

    Args:
        posterior: [N, L] each, finite.
        options: see :class:`WsepinOptions`.

    Source: Do & Tran 2020, ICLR, section 3.
    """
    mean, logvar = (np.asarray(part, np.float32) for part in posterior)
    samples, latents = mean.shape
    rng = np.random.default_rng(options.seed)
    order = canonical_order(np.concatenate([mean, logvar], axis=1))
    # each sample the same number of times and the rest at random: less noise than drawing x, and the same mean
    whole, rest = divmod(options.draws, samples)
    own = order[np.concatenate([np.tile(np.arange(samples), whole), rng.choice(samples, rest, replace=False)])]
    noise = rng.standard_normal((options.draws, latents)).astype(np.float32)
    z = mean[own] + np.exp(0.5 * logvar[own]) * noise
    totals = _mixtures(z, own, mean, logvar)
    logs = 0.5 * (logvar[own].astype(np.float64) + math.log(2 * math.pi) + noise.astype(np.float64) ** 2)
    at = {"z": -logs.sum(axis=1), "one": -logs, "rest": -logs.sum(axis=1, keepdims=True) + logs}
    marked = {name: at[name] + t - math.log(samples) for name, t in zip(("z", "one", "rest"), totals, strict=True)}
    if options.clamp:
        at = {name: np.maximum(v, _LOG_CLAMP) for name, v in at.items()}
        marked = {name: np.maximum(v, _LOG_CLAMP) for name, v in marked.items()}
    information = {name: at[name] - marked[name] for name in at}
    each = information["z"][:, None] - information["rest"]
    marginal, value = information["one"].mean(axis=0), each.mean(axis=0)
    conditional = 0.5 * (logvar.astype(np.float64).mean(axis=0) + math.log(2 * math.pi) + 1)
    sum_of = float(marginal.sum())
    # equal weights if no latent knows anything, so that the mean is 0 and not 0 / 0
    weights = np.full(latents, 1 / latents) if sum_of <= 0 else marginal / sum_of
    weighted = float(weights @ value)
    # error of the weighted mean including the noise of the weights, to first order
    influence = each @ weights - weighted
    if sum_of > 0:
        influence = influence + (information["one"] - marginal) @ (value - weighted) / sum_of
    root = math.sqrt(options.draws)
    return Sepin(
        wsepin=weighted,
        wsepin_error=float(influence.std(ddof=1) / root),
        information=float(information["z"].mean()),
        information_error=float(information["z"].std(ddof=1) / root),
        marginal=marginal,
        sepin=value,
        indin=-marked["z"].mean() + marked["rest"].mean(axis=0) - conditional,
    )


def _mixtures(z: np.ndarray, own: np.ndarray, mean: np.ndarray, logvar: np.ndarray) -> list[np.ndarray]:
    """Return ln sum_n q(. | x_n) / q(. | x_own) of z [S], of each z_i [S, L] and of its others [S, L], float64; S draws."""
    samples, latents = mean.shape
    rows = 128
    # about two million numbers at a time: fast enough, and never more than some tens of MB
    columns = max(1, min(samples, 2_000_000 // (rows * latents)))
    padded = -samples % columns
    precision = np.exp(-logvar)

    def parts(values: np.ndarray) -> np.ndarray:
        return np.pad(values, ((0, padded), (0, 0))).reshape(-1, columns, latents)

    inside = np.pad(np.ones(samples, bool), (0, padded)).reshape(-1, columns)
    mixture = (parts(mean), parts(precision), parts(-logvar), inside)
    found = []
    for first in range(0, len(z), rows):
        part = slice(first, first + rows)
        short = rows - len(z[part])  # the last block is padded, so that all share one compiled program
        filled = [np.pad(v, ((0, short), (0, 0)), mode="edge") for v in (z[part], mean[own[part]])]
        sharp = [np.pad(v, ((0, short), (0, 0)), mode="edge") for v in (precision[own[part]], -logvar[own[part]])]
        result = _program()(*filled, *sharp, mixture)
        found.append([np.asarray(v, np.float64)[: rows - short] for v in result])
    return [np.concatenate(column) for column in zip(*found, strict=True)]


def wsepin_scores(
    z: np.ndarray,
    dataset: Dataset,
    given: Given,
    *,
    options: WsepinOptions = WsepinOptions(),
) -> dict[str, Any]:
    """Compute WSEPIN = sum_i rho_i I(x; z_i | z_others) of a posterior; see :func:`sepin` for each latent.

    Returns:
        ``wsepin`` (nats; high: latents know things that no other latent knows) and ``wsepin_error``, ``information`` I(x; z)
        (nats, at most ln N) and ``information_error``, ``information_share`` = I(x; z) / ln N (near 1: the ceiling, where
        WSEPIN is 0 whatever the model), ``sepin_largest`` and ``indin_largest`` (of one latent), ``draws``, and ``status``:
        ``"OK"``, ``NAN_EMBEDDING``, ``COLLAPSED`` (all posterior means constant), ``TOO_FEW_SAMPLES`` (fewer than 10),
        ``OVERFLOW`` (beyond float32).

    Raises:
        InputError: no posterior is given.

    Source: Do & Tran 2020, ICLR.
    """
    if given.posterior is None:
        raise InputError("wsepin needs a posterior, and none was given with the embedding")
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan) | {"draws": options.draws}
    mean, logvar = (np.asarray(part) for part in given.posterior)
    bad = int((~np.isfinite(np.concatenate([mean, logvar], axis=1)).all(axis=1)).sum())
    problem = f"NAN_EMBEDDING: {bad} of {len(mean)} samples are not finite" if bad else embedding_problem(mean)
    if problem:
        return scores | {"status": problem}
    if len(mean) < 10:
        return scores | {"status": f"TOO_FEW_SAMPLES: {len(mean)}, at least 10 are needed"}
    if np.abs(logvar).max() > 80 or np.abs(mean).max() > 1e15:
        return scores | {"status": "OVERFLOW: a mean or variance of the posterior is beyond float32"}
    found = sepin(Posterior(mean, logvar), options)
    return scores | {
        "wsepin": found.wsepin,
        "wsepin_error": found.wsepin_error,
        "information": found.information,
        "information_error": found.information_error,
        "information_share": found.information / math.log(len(mean)),
        "sepin_largest": float(found.sepin.max()),
        "indin_largest": float(found.indin.max()),
        "status": "OK",
    }


METRIC = Metric(
    name="wsepin",
    needs=("posterior",),
    where="host",
    compute=wsepin_scores,
    reference="Do & Tran 2020",
    scores=SCORES,
    options=WsepinOptions(),
    counts=("draws",),
)
