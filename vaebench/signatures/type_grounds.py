"""Ground of the prior of a refit from the facts of tumour types: of a named tissue, or of those that the counts resemble."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vaebench.signatures.cooccurrence import Together, pairs_of
from vaebench.signatures.published import KnownTypes, published_facts
from vaebench.signatures.resemblance import Facts, averaged, chances_of, speaking
from vaebench.signatures.sampler.grounds import Ground, TypeMixture, burden_variance, presence_alone, stacked
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions

_FLOOR = 1e-3  # least expected P(present): published tables err, and a sample's counts must be able to say so
_UNSEEN = 0.01  # of a signature that was not known when the table was made: rare, or it would have been
_SIZES = 4.0  # what a type's sizes count for beside its frequencies: few mutations of a cohort hardly show them
_LEAST = (1.0, 1.0, 4.0)  # samples that presence, mean and variance count for where types differ
# expected P(present) below which nothing is known of a size: a misfit of all tumours would pass for one that all have
_SELDOM = 0.05
_FEW = 10  # samples that tell one another of what type they are; more show how common signatures are
_WRONG = 0.05  # of the signatures that a cohort should have it lacks so many, or has them in few samples only


def published_ground(
    x: np.ndarray, signatures: pd.DataFrame, tissue: str | None = None, options: SamplerOptions = SAMPLER
) -> tuple[Ground | None, dict[str, float]]:
    """Ground of the prior of ``signatures`` in samples with counts x [T, M], from published exposures.

    How often a signature is found in ``tissue`` counts as ``options.few`` samples, however many it comes from: laboratories and
    methods differ more than samples. Its exposures, where it is present, count as four times as many. Without a tissue the facts
    of all types of genomes are averaged by how much the counts resemble each type, and count the less the more these types
    differ (:mod:`vaebench.signatures.resemblance`); single samples and small cohorts have a mixture of the types' priors
    (:mod:`vaebench.signatures.sampler.mixture`). A cohort outweighs either as it grows. Signatures that the table does not
    know keep the weak prior. Sizes become mutations by mean and variance of ln(mutations) of x. Signatures go together
    (:mod:`vaebench.signatures.cooccurrence`).

    Args:
        x: counts.
        signatures: [S, M], a row for each.
        tissue: a tumour type of :func:`vaebench.signatures.published.tissues`; ``None`` for those that the counts resemble.
        options: constants of the sampler.

    Returns:
        The ground of the prior, arrays [S], ``None`` if fewer than half of the names are known and there is no tissue; and the
        types that the prior is of, each with its weight, largest first.

    Raises:
        InputError: for a tissue that the table does not have, or for names that it does not know beside a tissue.
    """
    found = published_facts(x, signatures, tissue, options)
    if found is None:
        return None, {}
    ground, weights = ground_of_types(x, found, tissue is None, options)
    order = np.argsort(-weights, kind="stable")
    return ground, {list(found.types)[k]: float(weights[k]) for k in order}


def ground_of_types(
    x: np.ndarray, found: KnownTypes, unsure: bool, options: SamplerOptions = SAMPLER
) -> tuple[Ground, np.ndarray]:
    """Ground of the prior of samples with counts x [T, M] from the facts of their types, and the weights [K] of these.

    A sample's counts are no prior of the same counts. So the weights in a cohort are those that the other samples would give a
    sample, of which there are T - 1, and one that may be of any type. A small cohort has a :func:`mixture_of` types beside, whose
    probabilities are returned.

    Args:
        x: counts.
        found: of :func:`vaebench.signatures.published.published_facts`.
        unsure: nobody named the tissue.
        options: constants of the sampler.
    """
    few, others = _few(options), (len(x) - 1) / len(x)
    least = np.array(_LEAST)[:, None]
    weights = others * found.shares
    weights[0] += 1 - others  # all types together; or the tissue, which is alone
    facts, samples = averaged(list(found.types.values()), weights, few, _LEAST)
    if unsure:
        samples = np.where(found.known, least + others * (samples - least), least)
    ground = _ground(x, found, facts, samples)
    if found.within is not None:
        ground = _with_pairs(ground, found.within, len(x), options)
    if not unsure or found.evidence is None or len(x) > _FEW:
        return ground, weights
    chances = chances_of(found.evidence, found.common, speaking(x))
    return ground._replace(mixture=mixture_of(x, found, chances, options)), chances.mean(0)


def mixture_of(x: np.ndarray, found: KnownTypes, chances: np.ndarray, options: SamplerOptions = SAMPLER) -> TypeMixture:
    """Grounds of the types that each sample with counts x [T, M] may be of, with probabilities ``chances`` [T, K].

    They are the likeliest that have 1 - ``options.kinds_left`` of the probability, ``options.kinds`` at most. If more are needed,
    two thirds of these are the likeliest, and the others stand for all that are left, of whom they are drawn evenly.
    """
    few = np.array(_few(options))[:, None]
    rows, weights, grounds, types = [], [], [], list(found.types.values())
    for t, own in enumerate(chances):
        chosen, shares = _chosen(own, options)
        rows, weights = [*rows, *[t] * len(chosen)], [*weights, *shares]
        for k in chosen:
            ground = _ground(x[[t]], found, types[k], np.broadcast_to(few, (3, len(found.known))))
            grounds.append(ground if found.within is None else _with_pairs(ground, found.within, 1, options))
    return TypeMixture(np.array(rows), np.array(weights), np.arange(len(rows)), stacked(grounds))


def _few(options: SamplerOptions) -> tuple[float, float, float]:
    """Samples that presence, mean and variance of one type count for."""
    return options.few, options.few * _SIZES, options.few * _SIZES


def _chosen(shares: np.ndarray, options: SamplerOptions) -> tuple[np.ndarray, np.ndarray]:
    """Types that are mixed, of K with probabilities ``shares`` [K], and their weights."""
    order = np.argsort(-shares, kind="stable")
    needed = int(np.searchsorted(np.cumsum(shares[order]), 1 - options.kinds_left)) + 1
    if needed <= options.kinds:
        own = order[:needed]
        return own, shares[own] / shares[own].sum()
    sure = order[: options.kinds * 2 // 3]
    rest = order[len(sure) :]
    number, left = options.kinds - len(sure), shares[rest].sum()
    drawn = np.searchsorted(np.cumsum(shares[rest]), left * (np.arange(number) + 0.5) / number)
    weights = np.append(shares[sure], np.full(number, left / number))
    return np.append(sure, rest[np.minimum(drawn, len(rest) - 1)]), weights / weights.sum()


def _ground(x: np.ndarray, found: KnownTypes, facts: Facts, samples: np.ndarray) -> Ground:
    """Ground of facts [S] that count for ``samples`` [3, S], of independent signatures with the burdens of counts x [T, M]."""
    presence = np.where(found.known, np.maximum(facts.presence, _FLOOR), np.minimum(facts.presence, _UNSEEN))
    mean_burden = float(np.log(np.maximum(x.sum(1), 1.0)).mean())
    burden, loading = burden_variance(x), np.where(presence < _SELDOM, 0.0, found.growth)
    sizes = np.zeros((0, len(presence))) if found.within is None else found.within.sizes
    sizes = sizes * ((sizes > 0) <= (presence >= _SELDOM)).all(1, keepdims=True)
    shared, own = sizes * np.sqrt(facts.variance), facts.variance * (1 - np.square(sizes).sum(0))
    expected = (np.minimum(presence, 1 - _FLOOR), facts.log_mean + mean_burden, own)
    return Ground(*expected, *samples, burden=burden, loading=loading, wrong=_WRONG, shared=shared)


def _with_pairs(ground: Ground, together: Together, samples: int, options: SamplerOptions) -> Ground:
    chance = presence_alone(ground, len(together.log_odds), options)
    return ground._replace(pairs=pairs_of(chance, together, samples))
