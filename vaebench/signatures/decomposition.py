"""Extracted signatures as few reference signatures that explain them, with the probability of each combination.

For one signature s, or one draw of it::

    1. fit        non-negative least squares on the whole reference: the best cosine that it can reach. Below ``cosine`` s is
                  new, unless its noise leaves no more.
    2. search     for n = 1, 2, ... the n reference signatures whose blend has the largest cosine c_n. From 3 on (for draws:
                  from 2 on), of the ``candidates`` that explain s best.
    3. choose     the n of lowest ln(1 - c_n^2 + r) - n ln(1 - gain), of those with at least ``cosine``: each reference
                  signature must explain a share ``gain`` of what is left. A rest r = 1 - (1 - tolerance)^2 counts as nothing.

The cosine of s and the nearest point of the cone of a set R is sqrt(b' G^-1 b) / |s| with G = R R' and b = R s, if all weights
G^-1 b are positive; else the nearest point belongs to a smaller set, which was tried before.

Probability: the share of the draws of s in which a combination is the answer. Draws are those of the joint sampler, which carry
the uncertainty of the extraction, or multinomial ones with as many mutations as the signature was estimated from. The noise is
read off the 5% quantile of the cosine between draws and their mean; a draw differs from the truth by twice the variance of this.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vaebench.atomic import STRICT_JSON, write_json
from vaebench.data.files.folders import add_files, whole_folder
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations.channels import checked_signatures
from vaebench.errors import InputError, check_class, checked_seed, user_path, whole_number
from vaebench.signatures.combinations import DECOMPOSITION, CombinationSearch, DecompositionOptions
from vaebench.types.shown import one_line, tables_page

NEW = "new"
"""Name of the combination of a signature that no reference signatures explain."""


class Decomposition(NamedTuple):
    """Extracted signatures as combinations of reference signatures.

    Attributes:
        signatures: one row for each signature: ``signature``, ``references`` (names joined by +, or "new"), ``shares`` (of
            each, joined by +), ``cosine`` of the signature and the combination (of a new one: the best cosine that
            ``options.most`` reference signatures reach), ``target`` (from which no further one can
            explain enough), ``probability`` (NaN without draws), ``draws``, ``nearest``
            reference signature and ``nearest_cosine``.
        combinations: one row for each signature and combination that is the answer in a draw, or without draws: ``signature,
            references, cosine, probability``, the most probable first.
        notes: sentences that a reader of the result should see.
        options: constants that were used.
    """

    __repr__ = one_line
    _repr_html_ = tables_page

    signatures: pd.DataFrame
    combinations: pd.DataFrame
    notes: tuple[str, ...]
    options: DecompositionOptions

    def table(self) -> pd.DataFrame:
        """One row for each signature: the table ``signatures``."""
        return self.signatures.copy()

    def save(self, folder: str | Path, *, info: Mapping[str, Any] | None = None) -> Path:
        """Write ``decomposition.csv``, ``combinations.csv`` and ``decomposition.json`` into ``folder``, which is made if needed.

        Args:
            folder: of the result; files of an earlier one are replaced.
            info: provenance as JSON values.

        Returns:
            The folder.

        Raises:
            InputError: ``folder`` holds the results of another command.
        """
        with whole_folder(folder, "decompose") as new:
            self._write(new)
            record = {"options": dataclasses.asdict(self.options), "notes": list(self.notes)} | dict(info or {})
            write_json(new / "decomposition.json", record, **STRICT_JSON)
        return user_path(folder)

    def add(self, folder: str | Path) -> None:
        """Add ``decomposition.csv`` and ``combinations.csv`` to an extraction's ``folder``."""
        self._write(user_path(folder))
        add_files(folder, "extract", ["decomposition.csv", "combinations.csv"])

    def _write(self, folder: Path) -> None:
        write_frame(self.signatures, folder / "decomposition.csv")
        write_frame(self.combinations, folder / "combinations.csv")


def decompose(
    signatures: pd.DataFrame,
    reference: pd.DataFrame,
    *,
    draws: np.ndarray | None = None,
    mutations: pd.Series | float | None = None,
    seed: int = 0,
    options: DecompositionOptions = DECOMPOSITION,
) -> Decomposition:
    """Explain each of ``signatures`` [S, M] by few reference signatures, each of which explains enough.

    The algorithm: :mod:`vaebench.signatures.decomposition`.

    Args:
        signatures: as extracted.
        reference: known signatures [S', M].
        draws: [n, S, M], of the posterior of the signatures, as :attr:`vaebench.signatures.joint.intervals.DeNovo.spectra`
            holds them. The answer is then the most probable combination.
        mutations: number that each signature was estimated from, by its name or one for all; for multinomial draws where there
            is no posterior. An extraction's are the sums of its exposures.
        seed: of the multinomial draws.
        options: constants.

    Raises:
        InputError: for a table that does not hold signatures, or an option that is not allowed.

    Example:
        >>> import vaebench as vb
        >>> _, truth = vb.data.simulate_catalogue(seed=0, tumours=30, signatures=5, types=1)
        >>> blend = 0.6 * truth.signatures.loc[["S1"]] + 0.4 * truth.signatures.loc[["S4"]].to_numpy()
        >>> vb.signatures.decompose(blend, truth.signatures).table()["references"].tolist()
        ['S1+S4']
    """
    found = checked_signatures(signatures, source="the table of extracted signatures")
    known = checked_signatures(reference, source="the reference")
    _check(options, seed)
    spectra = _drawn_spectra(found, draws, mutations, seed, options)
    names = list(map(str, known.index))
    rows, combined, inexact = [], [], []
    for k, (name, s) in enumerate(zip(map(str, found.index), found.to_numpy(), strict=True)):
        mine = None if spectra is None else spectra[:, k]
        own = 1.0 if mine is None else _own_cosine(mine, options.quantile)
        search = CombinationSearch(known.to_numpy(), own, options)
        answer = search.fewest(s)
        search.always = answer.members
        counted = collections.Counter(
            [answer.members] if mine is None else [search.fewest(d, drawn=True).members for d in mine]
        )
        if mine is not None:
            best = max(counted.values())
            if counted[answer.members] < best:  # the most probable one, and of equals the one with fewer
                tied = sorted((c for c, n in counted.items() if n == best), key=lambda c: (len(c), c))
                answer = search.of(s, tied[0])
        total = float("nan") if mine is None else float(len(mine))
        near = int(np.argmax(search.singles(s)))
        rows.append(
            {
                "signature": name,
                "references": _joined(answer.members, names),
                "shares": "+".join(f"{share:.3f}" for share in answer.shares),
                "cosine": answer.cosine,
                "target": answer.target,
                "probability": counted[answer.members] / total,
                "draws": 0 if mine is None else len(mine),
                "nearest": names[near],
                "nearest_cosine": float(search.singles(s)[near]),
            }
        )
        full = len(answer.members) == options.most
        inexact += [name] if full and answer.target > answer.cosine + 1e-9 else []
        order = sorted(counted, key=lambda c: (-counted[c], len(c), c))
        combined += [(name, _joined(c, names), search.of(s, c).cosine, counted[c] / total) for c in order]
    table = pd.DataFrame(rows)
    combinations = pd.DataFrame(combined, columns=["signature", "references", "cosine", "probability"])
    return Decomposition(table, combinations, _notes(table, draws, mutations, inexact, options), options)


def _check(options: DecompositionOptions, seed: int) -> None:
    checked_seed(seed)
    check_class("options", options, DecompositionOptions)
    if not 0 <= options.cosine <= 1:
        raise InputError(f"cosine={options.cosine!r} is not allowed; it must be from 0 to 1")
    if not 0 < options.gain < 1:
        raise InputError(f"gain={options.gain!r} is not allowed; it must be above 0 and below 1")
    if not 0 <= options.tolerance <= 1:
        raise InputError(f"tolerance={options.tolerance!r} is not allowed; it must be from 0 to 1")
    whole_number("most", options.most, 1, 8)


def _drawn_spectra(
    found: pd.DataFrame,
    draws: np.ndarray | None,
    mutations: pd.Series | float | None,
    seed: int,
    options: DecompositionOptions,
) -> np.ndarray | None:
    """Draws [n, S, M] of the signatures; ``None`` where their noise is not known."""
    if draws is not None:
        given = np.asarray(draws, np.float64)
        if given.ndim != 3 or given.shape[1:] != found.shape or not len(given):
            raise InputError(f"draws has shape {given.shape}; it must be [draws, {found.shape[0]}, {found.shape[1]}]")
        if not (np.isfinite(given).all() and (given >= 0).all() and given.any(axis=2).all()):
            raise InputError("draws holds a spectrum with a value that is negative or no number, or of zeros alone")
        return given
    if mutations is None:
        return None
    if isinstance(mutations, pd.Series):
        lacking = [name for name in found.index if name not in mutations.index]
        if lacking:
            raise InputError(f"mutations has no number for signature {lacking[0]!r}; every signature needs one")
        numbers = mutations.loc[found.index].to_numpy(np.float64)
    else:
        if isinstance(mutations, bool) or not isinstance(mutations, float | int | np.number):
            raise InputError(f"mutations={mutations!r} is not allowed; it must be a number, or a Series by signature")
        numbers = np.full(len(found), mutations, np.float64)
    if not (np.isfinite(numbers).all() and (numbers >= 1).all()):
        raise InputError(
            f"mutations={numbers.min():g} is not allowed; a signature is estimated from 1 mutation or more"
        )
    rng = np.random.default_rng(seed)
    p = found.to_numpy() / found.to_numpy().sum(1, keepdims=True)
    counts = rng.multinomial(np.rint(numbers).astype(np.int64), p, (options.draws, len(found)))
    return counts / np.rint(numbers)[None, :, None]


def _own_cosine(draws: np.ndarray, quantile: float) -> float:
    """Quantile of the cosine between draws [n, M] and their mean."""
    mean = draws.mean(0)
    return float(np.quantile(draws @ mean / (np.linalg.norm(draws, axis=1) * np.linalg.norm(mean)), quantile))


def _joined(members: tuple[int, ...], names: list[str]) -> str:
    return "+".join(names[k] for k in members) if members else NEW


def _notes(
    table: pd.DataFrame,
    draws: np.ndarray | None,
    mutations: pd.Series | float | None,
    inexact: list[str],
    options: DecompositionOptions,
) -> tuple[str, ...]:
    """Sentences on where the probabilities are from, what is new, and what is doubtful."""
    if draws is not None:
        notes = [f"Probabilities are shares of {len(draws)} draws of the joint posterior of signatures and exposures."]
    elif mutations is not None:
        notes = [
            "Probabilities of the reference signatures behind each (decomposition) assume multinomial noise with its mutations; "
            "errors of the extraction itself are not in them. Draws of --intervals joint have both errors."
        ]
    else:
        notes = [
            "No probabilities: the noise of the signatures is not known. Give the mutations that they are estimated from "
            "(--mutations), or an extraction's folder."
        ]
    new = table.loc[table["references"] == NEW, "signature"].tolist()
    if new:
        listed = ", ".join(new[:8]) + (f" and {len(new) - 8} more" if len(new) > 8 else "")
        notes.append(
            f"New: {listed}. No combination of up to {options.most} reference signatures has a cosine of {options.cosine:g}."
        )
    if inexact:
        listed = ", ".join(inexact[:8]) + (f" and {len(inexact) - 8} more" if len(inexact) > 8 else "")
        notes.append(f"Below the cosine that they should reach: {listed}. Part of them may be new.")
    doubtful = table.loc[table["probability"] < 0.5, "signature"].tolist()
    if doubtful:
        listed = ", ".join(doubtful[:8]) + (f" and {len(doubtful) - 8} more" if len(doubtful) > 8 else "")
        notes.append(f"Several combinations are about as probable, see combinations.csv: {listed}.")
    return tuple(notes)
