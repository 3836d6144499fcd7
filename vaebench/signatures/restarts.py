"""Extraction by restarts, with KL-NMF or autoencoders: the framework of MUSE-XAE.

For each number of signatures:
  1. restarts    from random starts; those that lost a signature, or whose training failed, are left out
  2. consensus   clusters with one signature from each restart (selection.consensus_of)
  3. score       of the cluster means with sparse exposures: deviance and criterion (sparse.criterion.score_fit)
Then:
  4. choose      the number, by stability and error of the restarts or by the criterion (selection.selection_table)
  5. exposures   of the chosen cluster means, by maximum likelihood

Source: Pancotti et al. 2024 (MUSE-XAE).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.errors import RunError
from vaebench.signatures.autoencoders.fits import trained_signatures
from vaebench.signatures.kl_nmf import factorise, padded, random_starts
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.methods import ExtractedArrays, ExtractionTask
from vaebench.signatures.selection import CandidateNumber, consensus_of, lost_no_signature, selection_table
from vaebench.signatures.sparse.annealing import sparse_exposures
from vaebench.signatures.sparse.criterion import score_fit
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.steps import kept


class _Restarts(NamedTuple):
    """Restarts with one number of signatures.

    Attributes:
        signatures: [R, S, M], of the restarts that ended well.
        error: their mean reconstruction error.
        status: ``"OK"``, or why there are none.
        extra: further columns of the selection table.
    """

    signatures: np.ndarray
    error: float
    status: str
    extra: Mapping[str, float]


_Run = Callable[[ExtractionTask, int, Callable[[int], None]], _Restarts]
"""From the task, a number of signatures, and a function that is called with the number of finished restarts."""


def extract_nmf(task: ExtractionTask) -> ExtractedArrays:
    """Extract by restarts of KL-NMF."""
    return _extract(task, _factorised)


def extract_autoencoder(task: ExtractionTask) -> ExtractedArrays:
    """Extract by restarts of the autoencoder that has the method's name."""
    return _extract(task, _trained)


def _extract(task: ExtractionTask, run: _Run) -> ExtractedArrays:
    """The module's docstring, step by step."""
    x, options = jnp.asarray(task.counts, jnp.float32), SparseOptions()
    candidates, extras, means = [], [], {}
    with jax.default_matmul_precision("highest"):
        for i, k in enumerate(task.numbers):

            def finished(done: int, before: int = i * task.restarts, k: int = k) -> None:
                task.tell(f"{task.method.name}, {k} signatures", before + done, len(task.numbers) * task.restarts)

            restarts = run(task, k, finished)
            extras.append(restarts.extra)
            if len(restarts.signatures) == 0:
                candidates.append(CandidateNumber(k, [], math.nan, math.nan, math.nan, math.nan, restarts.status))
                continue
            clusters = consensus_of(restarts.signatures, task.seed)
            means[k] = clusters.signatures
            spectra = padded(clusters.signatures)
            score = score_fit(x, spectra, sparse_exposures(x, spectra, options), options=options)
            judged = (restarts.error, score.deviance, score.nonzeros.sum(), score.criterion)
            candidates.append(CandidateNumber(k, clusters.silhouettes, *judged))
        table = selection_table(candidates, rule=task.rule)
        if not table["chosen"].any():
            raise RunError(f"{candidates[0].status}; no number of signatures has a restart that ended well")
        for name in extras[0]:
            table[name] = [extra[name] for extra in extras]
        chosen = means[int(table.loc[table["chosen"], "k"].iloc[0])]
    return ExtractedArrays(chosen, maximum_likelihood(task.counts, chosen).exposures, table)


@kept
def _factorised(task: ExtractionTask, k: int, finished: Callable[[int], None]) -> _Restarts:
    """Restarts of KL-NMF; the error is their mean divergence."""
    key = jax.random.fold_in(jax.random.key(task.seed), k)
    found = factorise(task.counts, *random_starts(key, task.counts, k, task.restarts))
    finished(task.restarts)
    usable = lost_no_signature(found.signatures)
    if not usable.any():
        return _Restarts(found.signatures[:0], math.nan, f"DEAD_SIGNATURE: in all of {task.restarts} restarts", {})
    return _Restarts(found.signatures[usable], float(found.divergence[usable].mean()), "OK", {})


@kept
def _trained(task: ExtractionTask, k: int, finished: Callable[[int], None]) -> _Restarts:
    """Restarts of an autoencoder; the error is that of its study."""

    def tell(what: str, done: int, total: int) -> None:
        finished(done)

    found = trained_signatures(
        task.seed, task.counts, k, task.restarts, variant=task.method.name, progress=tell, **task.training
    )
    usable = np.array([status == "OK" for status in found.statuses])
    trained = np.array([status != "DIVERGED" for status in found.statuses])
    extra = {"active": math.nan, "latent_kl": math.nan}
    if trained.any():
        extra = {"active": float(found.active[trained].mean()), "latent_kl": float(found.latent_kl[trained].mean())}
    if not usable.any():
        status = f"FAILED: all of {task.restarts} restarts, {found.statuses[0]}"
        return _Restarts(found.signatures[:0], math.nan, status, extra)
    errors = getattr(found, task.method.error)
    return _Restarts(found.signatures[usable], float(errors[usable].mean()), "OK", extra)
