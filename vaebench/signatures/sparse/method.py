"""The sparse method as an entry of the registry of extraction methods."""

from __future__ import annotations

import math

import numpy as np

from vaebench.signatures.methods import ExtractedArrays, ExtractionTask
from vaebench.signatures.selection import CandidateNumber, consensus_of, lost_no_signature, selection_table
from vaebench.signatures.sparse.known import KnownSignatures, nearest_known
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.sparse.pipeline import PathRow, sparse_path


def extract_sparse(task: ExtractionTask) -> ExtractedArrays:
    """Run :func:`vaebench.signatures.sparse.pipeline.sparse_path` and return the chosen fit and the table of all numbers."""
    options = task.options or SparseOptions()
    known = None if task.known is None else KnownSignatures(task.known, task.prior_weight)
    path = sparse_path(
        task.counts,
        task.numbers,
        restarts=task.restarts,
        seed=task.seed,
        options=options,
        known=known,
        tell=task.tell,
    )
    table = selection_table([_candidate(row, task.seed) for row in path.rows], rule=task.rule)
    table["swaps"] = [row.swaps for row in path.rows]
    best = path.rows[path.chosen].fit
    assert best is not None
    noted = tuple(made for made in path.reassignments if made.share >= options.noted_share)
    priors = () if known is None else tuple(int(j) for j in nearest_known(best.signatures, known, options))
    return ExtractedArrays(best.signatures, best.score.exposures, table, noted, priors)


def _candidate(row: PathRow, seed: int) -> CandidateNumber:
    """One number of signatures; silhouettes say how well the random starts agree, from the best of which the fit went on."""
    alive = row.restarts[lost_no_signature(row.restarts)]
    widths = consensus_of(alive, seed).silhouettes if len(alive) else np.zeros(0)
    error = float(np.mean(row.objectives)) if len(row.objectives) else math.nan
    if row.fit is None:
        status = "NOT_FITTED: the criterion had risen before"
        return CandidateNumber(row.count, widths, error, math.nan, math.nan, math.nan, status)
    score = row.fit.score
    return CandidateNumber(row.count, widths, error, score.deviance, score.nonzeros.sum(), score.criterion)
