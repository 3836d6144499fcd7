"""Catalogue in; signatures, exposures and the choice of their number out, by any method."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from vaebench.data.mutations.channels import checked_catalogue, checked_signatures
from vaebench.errors import InputError, RunError, checked_seed, unknown_name, whole_number
from vaebench.signatures.autoencoders.fits import trained_signatures
from vaebench.signatures.kl_nmf import factorised, padded, random_starts, sparse_exposures
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.matching import fit_cosines, matches
from vaebench.signatures.selection import RULES, Candidate, consensus_of, selection_table
from vaebench.signatures.sparse.ambiguity import Shear
from vaebench.signatures.sparse.criterion import scored
from vaebench.signatures.sparse.pipeline import Row, sparse_path
from vaebench.variants import VARIANTS

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the steps done and the steps in all."""


_MUCH = 0.05  # share of a signature that was taken for another's, from which it is noted


class Extraction(NamedTuple):
    """What an extraction found.

    Attributes:
        signatures: [S, 96], rows that sum to 1, named S1, S2, ... by falling number of mutations.
        exposures: [T, S] in mutations; zeros for a sample without mutations.
        samples: one row a sample: ``mutations``, and ``cosine`` of its counts and their fit, NaN without mutations.
        selection: one row a number of signatures, ``chosen`` true in one; columns of
            :func:`vaebench.signatures.selection.selection_table` and, of autoencoders, ``active`` (latents in use) and
            ``latent_kl`` (nats per latent), both means over restarts; of ``"sparse"``, ``swaps``.
        matches: :func:`vaebench.signatures.matching.matches` with the reference, where one was given.
        method: by which they were found.
        notes: sentences a reader of the result should see.
    """

    signatures: pd.DataFrame
    exposures: pd.DataFrame
    samples: pd.DataFrame
    selection: pd.DataFrame
    matches: pd.DataFrame | None
    method: str
    notes: tuple[str, ...]


class _Found(NamedTuple):
    """Signatures [S, 96] and exposures [T, S] of the chosen number, in any order, the table of all, and shears made."""

    signatures: np.ndarray
    exposures: np.ndarray
    table: pd.DataFrame
    shears: tuple[Shear, ...] = ()


class _Runs(NamedTuple):
    """Restarts at one number of signatures: those that ended well [R, S, 96], their mean error, and what else is known."""

    signatures: np.ndarray
    error: float
    status: str
    extra: Mapping[str, float]


def methods() -> tuple[str, ...]:
    """Names that ``method`` may take: ``"sparse"``, ``"nmf"`` and every variant of counts."""
    return ("sparse", "nmf", *(name for name, variant in VARIANTS.items() if variant.domain == "counts"))


def extract(
    catalogue: pd.DataFrame,
    *,
    k: int | Iterable[int] = range(2, 16),
    method: str = "sparse",
    restarts: int = 10,
    seed: int = 0,
    reference: pd.DataFrame | None = None,
    progress: Progress | None = None,
    rule: str | None = None,
    augmentation: int = 5,
    epochs: int = 1000,
    patience: int = 30,
    settings: Mapping[str, Any] | None = None,
    fractions: bool = False,
) -> Extraction:
    """Mutational signatures of a catalogue, and how many there are.

    ``"sparse"`` is this package's own method (:mod:`vaebench.signatures.sparse`). ``"nmf"`` (KL, multiplicative updates) and
    the autoencoders follow the framework of MUSE-XAE (Pancotti et al. 2024): restarts for every number, clusters of one
    signature a restart, silhouettes, choice of the number, and exposures of the cluster means by maximum likelihood.

    Args:
        catalogue: counts [T, 96], labelled by sample and channel.
        k: the numbers of signatures to try, or the one to take.
        method: one of :func:`methods`.
        restarts: random starts for every number.
        seed: of all random numbers.
        reference: known signatures [S', 96], to match with.
        progress: see :data:`Progress`.
        rule: of the choice, ``"stability"`` or ``"criterion"`` (:func:`vaebench.signatures.selection.selection_table`);
            always the criterion for ``"sparse"``, which counts rare signatures, and stability by default for others.
        augmentation: redraws of every sample an autoencoder trains on (MUSE-XAE 100, gislum2024 20).
        epochs: most epochs of an autoencoder.
        patience: epochs without a better loss after which an autoencoder stops.
        settings: other settings of an autoencoder; see :func:`vaebench.signatures.autoencoders.fits.trained_signatures`.
        fractions: allow counts that are not whole numbers.

    Raises:
        InputError: for a table that is no catalogue, or an option that is not allowed.
        RunError: if every restart of every number failed.
    """
    table = checked_catalogue(catalogue, fractions=fractions)
    known = None if reference is None else checked_signatures(reference, source="the reference")
    whole = table.to_numpy()
    used = whole.sum(1) > 0
    counts = whole[used]
    numbers = _numbers(k, int(used.sum()))
    _check(method, restarts, seed, rule, settings)
    tell = progress or (lambda what, done, total: None)
    if method == "sparse":
        found = _sparse(counts, numbers, restarts, seed, tell)
    else:
        options = {"augmentation": augmentation, "epochs": epochs, "patience": patience, "settings": settings}
        found = _by_restarts(counts, numbers, method, restarts, seed, rule or "stability", options, tell)
    order = np.argsort(-found.exposures.sum(0), kind="stable")
    names = [f"S{i + 1}" for i in range(len(order))]
    signatures = pd.DataFrame(found.signatures[order], names, table.columns)
    exposures = np.zeros((len(whole), len(order)))
    exposures[used] = found.exposures[:, order]
    fits = {"mutations": whole.sum(1), "cosine": fit_cosines(whole, exposures @ signatures.to_numpy())}
    return Extraction(
        signatures=signatures,
        exposures=pd.DataFrame(exposures, table.index, names),
        samples=pd.DataFrame(fits, table.index),
        selection=found.table,
        matches=None if known is None else matches(signatures, known),
        method=method,
        notes=_notes(table.index[~used], found.table, numbers) + _open(found.shears, np.argsort(order)),
    )


def _numbers(k: int | Iterable[int], samples: int) -> list[int]:
    """The numbers of signatures, rising."""
    asked = [k] if isinstance(k, int | np.integer) else list(k)
    if not asked:
        raise InputError(f"k={k!r} holds no number of signatures; give one, or a range such as range(2, 16)")
    for number in asked:
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or not 1 <= number <= 96:
            raise InputError(f"k holds {number!r}; a number of signatures must be a whole number from 1 to 96")
    if max(asked) > samples:
        raise InputError(
            f"k goes up to {max(asked)}, but the catalogue has {samples} samples with mutations; "
            "there cannot be more signatures than samples"
        )
    return sorted({int(number) for number in asked})


def _check(method: str, restarts: int, seed: int, rule: str | None, settings: Mapping[str, Any] | None) -> None:
    if method not in methods():
        raise unknown_name("method", method, methods())
    whole_number("restarts", restarts, 1, None)
    checked_seed(seed)
    if settings and method in ("sparse", "nmf"):
        raise InputError(
            f"settings={dict(settings)!r} is not allowed with method={method!r}; they are an autoencoder's"
        )
    if rule is not None and rule not in RULES:
        raise unknown_name("rule", rule, RULES)
    if method == "sparse" and rule == "stability":
        raise InputError(
            "rule='stability' is not allowed with method='sparse', whose number is chosen by the criterion"
        )


def _notes(empty: pd.Index, table: pd.DataFrame, numbers: list[int]) -> tuple[str, ...]:
    chosen = table[table["chosen"]].iloc[0]
    notes = []
    if len(empty):
        others = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        notes.append(f"No mutations in sample {empty[0]}{others}: exposures are 0 there.")
    if chosen["status"] != "OK":
        notes.append(f"The number of signatures is doubtful: {chosen['status']}.")
    if len(numbers) > 1 and chosen["k"] == max(numbers):
        notes.append(f"The chosen number {chosen['k']} is the largest that was tried; there may be more signatures.")
    return tuple(notes)


def _open(shears: tuple[Shear, ...], place: np.ndarray) -> tuple[str, ...]:
    """What counts alone do not say; ``place`` [S] is that of each signature among the names."""
    pairs = [
        f"{shear.share:.0%} of S{place[shear.signature] + 1} taken for S{place[shear.other] + 1}"
        for shear in shears
        if shear.share >= _MUCH
    ]
    said = "Counts do not part some signatures from others that their samples have too; what is usual of exposures and spectra"
    return (f"{said} does: {', '.join(pairs)}.",) if pairs else ()


def _sparse(counts: np.ndarray, numbers: list[int], restarts: int, seed: int, tell: Progress) -> _Found:
    path = sparse_path(counts, numbers, restarts=restarts, seed=seed, tell=tell)
    table = selection_table([_sparse_candidate(row, seed) for row in path.rows], len(counts), rule="criterion")
    table["swaps"] = [row.swaps for row in path.rows]
    best = path.rows[path.chosen].fitted
    assert best is not None
    return _Found(best.signatures, best.score.exposures, table, path.shears)


def _sparse_candidate(row: Row, seed: int) -> Candidate:
    """Silhouettes tell how far the random starts agree; the fit that is judged went on from there."""
    alive = row.restarts[_alive(row.restarts)]
    widths = consensus_of(alive, seed).silhouettes if len(alive) else np.zeros(0)
    error = float(np.mean(row.objectives))
    if row.fitted is None:
        return Candidate(row.count, widths, error, math.nan, math.nan, "NOT_FITTED: the criterion had risen before")
    score = row.fitted.score
    return Candidate(row.count, widths, error, score.deviance, score.nonzeros.sum(), "OK", score.criterion)


def _alive(runs: np.ndarray) -> np.ndarray:
    """Which restarts [R] of runs [R, S, 96] lost no signature."""
    return np.all(np.any(runs > 0, axis=2), axis=1)


def _by_restarts(
    counts: np.ndarray,
    numbers: list[int],
    method: str,
    restarts: int,
    seed: int,
    rule: str,
    options: Mapping[str, Any],
    tell: Progress,
) -> _Found:
    """The framework of MUSE-XAE: see :func:`extract`."""
    x = jnp.asarray(counts, jnp.float32)
    candidates, extras, means = [], [], {}
    with jax.default_matmul_precision("highest"):
        for i, k in enumerate(numbers):
            before = i * restarts

            def finished(done: int, before: int = before, k: int = k) -> None:
                tell(f"{method}, {k} signatures", before + done, len(numbers) * restarts)

            if method == "nmf":
                runs = _factorised(counts, k, restarts, seed)
                finished(restarts)
            else:
                runs = _trained(counts, k, restarts, seed, method, options, finished)
            extras.append(runs.extra)
            if len(runs.signatures) == 0:
                candidates.append(Candidate(k, [], math.nan, math.nan, math.nan, runs.status))
                continue
            clusters = consensus_of(runs.signatures, seed)
            means[k] = clusters.signatures
            spectra = padded(clusters.signatures)
            score = scored(x, spectra, sparse_exposures(x, spectra))
            seen = (runs.error, score.deviance, score.nonzeros.sum(), "OK", score.criterion)
            candidates.append(Candidate(k, clusters.silhouettes, *seen))
        table = selection_table(candidates, len(counts), rule=rule)
        if not table["chosen"].any():
            raise RunError(f"{candidates[0].status}; no number of signatures has a restart that ended well")
        for name in extras[0]:
            table[name] = [extra[name] for extra in extras]
        chosen = means[int(table.loc[table["chosen"], "k"].iloc[0])]
    return _Found(chosen, maximum_likelihood(counts, chosen).exposures, table)


def _factorised(counts: np.ndarray, k: int, restarts: int, seed: int) -> _Runs:
    """KL-NMF; the error is the mean divergence. Restarts that lost a signature are left out."""
    starts = random_starts(jax.random.fold_in(jax.random.key(seed), k), counts, k, restarts)
    found = factorised(counts, *starts)
    usable = _alive(found.signatures)
    if not usable.any():
        return _Runs(found.signatures[:0], math.nan, f"DEAD_SIGNATURE: in all of {restarts} restarts", {})
    return _Runs(found.signatures[usable], float(found.divergence[usable].mean()), "OK", {})


def _trained(
    counts: np.ndarray,
    k: int,
    restarts: int,
    seed: int,
    method: str,
    options: Mapping[str, Any],
    finished: Callable[[int], None],
) -> _Runs:
    """Autoencoders; the error is the studies': Frobenius for MUSE-XAE, Poisson for others. Failed restarts are left out."""

    def tell(what: str, done: int, total: int) -> None:
        finished(done)

    found = trained_signatures(seed, counts, k, restarts, variant=method, progress=tell, **options)
    usable = np.array([status == "OK" for status in found.statuses])
    trained = np.array([status != "DIVERGED" for status in found.statuses])
    extra = {"active": math.nan, "latent_kl": math.nan}
    if trained.any():
        extra = {"active": float(found.active[trained].mean()), "latent_kl": float(found.latent_kl[trained].mean())}
    if not usable.any():
        return _Runs(found.signatures[:0], math.nan, f"FAILED: all of {restarts} restarts, {found.statuses[0]}", extra)
    errors = found.frobenius if method == "muse_xae" else found.poisson
    return _Runs(found.signatures[usable], float(errors[usable].mean()), "OK", extra)
