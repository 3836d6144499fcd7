"""Reading the folder of an extraction: its signatures, and what it has learned about them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.atomic import read_json
from vaebench.data.files.folders import MANIFEST
from vaebench.data.mutations.opportunities import Opportunities, kept_opportunities
from vaebench.data.mutations.tables import cancer_types, read_exposures, read_signatures
from vaebench.errors import InputError, user_path
from vaebench.signatures.learned import COLUMNS, learned_prior
from vaebench.signatures.opportunities import at_genome
from vaebench.types.shown import one_line, tables_page

PRIOR, DRAWS = "prior.csv", "signature_draws.npz"
"""Files of an extraction: what it learned of its exposures, and draws of its signatures."""
GENOME, OPPORTUNITIES = "signatures_genome.csv", "opportunities.csv"
"""Files of an extraction with opportunities: its signatures on the genome's scale, and the opportunities."""


class KeptExtraction(NamedTuple):
    """An extraction that was saved.

    Attributes:
        signatures: [S, M], on the scale of the counts that they were extracted from.
        prior: table of :func:`vaebench.signatures.learned.learned_prior`.
        mutations: [S], sums of the exposures.
        draws: [n, S, M], of the posterior of the signatures; ``None`` without joint intervals.
        notes: sentences on what was missing, and what was done instead.
        opportunities: of the counts that the signatures were extracted from; ``None`` for the genome's.
    """

    __repr__ = one_line
    _repr_html_ = tables_page

    signatures: pd.DataFrame
    prior: pd.DataFrame
    mutations: pd.Series
    draws: np.ndarray | None
    notes: tuple[str, ...]
    opportunities: Opportunities | None = None

    def genome_signatures(self) -> pd.DataFrame:
        """Return the signatures [S, M] on the genome's scale, which a refit with opportunities needs."""
        if self.opportunities is None:
            return self.signatures
        return at_genome(self.signatures, self.opportunities).signatures


def is_extraction(path: str | Path) -> bool:
    """Return true for a folder."""
    return user_path(path).is_dir()


def read_extraction(folder: str | Path) -> KeptExtraction:
    """Read what ``vaebench extract`` or :meth:`vaebench.signatures.extraction.Extraction.save` wrote into ``folder``.

    Folders of older versions have no learned prior: it is then learned from their exposures.

    Raises:
        InputError: for a folder that does not hold an extraction, or files that do not fit together.

    Example::

        kept = vb.signatures.read_extraction("results/extract")
        fit = vb.signatures.refit(
            new, kept.genome_signatures(), intervals="spike_slab", prior=kept.prior, opportunities=kept.opportunities
        )
    """
    place = user_path(folder)
    maker = str((read_json(place / MANIFEST) or {}).get("made_by", "vaebench extract"))
    if maker != "vaebench extract":
        raise InputError(f"{place} holds the results of {maker}; the folder of an extraction is needed")
    lacking = [name for name in ("signatures.csv", "exposures.csv") if not (place / name).is_file()]
    if lacking:
        raise InputError(f"{place} has no {lacking[0]}; a table of signatures or the folder of an extraction is needed")
    signatures = read_signatures(place / "signatures.csv")
    exposures = read_exposures(place / "exposures.csv", samples_in="rows")
    names = list(signatures.index)
    if list(exposures.columns) != names:
        raise InputError(f"{place} has other signatures in exposures.csv than in signatures.csv; extract again")
    notes, prior = [], _prior(place / PRIOR, names) if (place / PRIOR).is_file() else None
    if prior is None:
        prior = learned_prior(exposures, types=cancer_types(exposures.index))
        lacks = f"has a {PRIOR} of an earlier version" if (place / PRIOR).is_file() else f"has no {PRIOR}"
        notes.append(f"{place} {lacks}: the prior was learned from its exposures.")
    draws = _draws(place / DRAWS, names, list(signatures.columns)) if (place / DRAWS).is_file() else None
    if (place / GENOME).is_file() and not (place / OPPORTUNITIES).is_file():
        raise InputError(
            f"{place} is an extraction with opportunities by an earlier version, and has no {OPPORTUNITIES}; extract again"
        )
    target = kept_opportunities(place / OPPORTUNITIES) if (place / OPPORTUNITIES).is_file() else None
    return KeptExtraction(signatures, prior, exposures.sum(axis=0), draws, tuple(notes), target)


def _prior(path: Path, names: list[str]) -> pd.DataFrame | None:
    """The learned prior, with the signatures ``names`` in it; ``None`` for one of shares, as earlier versions wrote."""
    try:
        frame = pd.read_csv(path, dtype={"type": str, "signature": str, "source": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a table ({str(error)[:60]}); extract again") from None
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing and "log_share_mean" in frame.columns:
        return None
    if missing:
        raise InputError(f"{path} has no column {missing[0]!r}; it needs {', '.join(COLUMNS)}")
    if set(frame["signature"]) != set(names):
        raise InputError(f"{path} is of other signatures than signatures.csv beside it; extract again")
    return frame


def write_draws(path: Path, draws: np.ndarray, signatures: pd.DataFrame) -> None:
    """Write draws [n, S, M] of ``signatures`` [S, M], whose names and channels are those of the draws."""
    names, channels = (np.array(list(map(str, labels))) for labels in (signatures.index, signatures.columns))
    np.savez_compressed(path, draws=draws.astype(np.float32), signatures=names, channels=channels)


def _draws(path: Path, names: list[str], order: list[str]) -> np.ndarray:
    """Draws [n, S, M] of the signatures ``names``, in this order and that of the channels ``order``."""
    try:
        with np.load(path, allow_pickle=False) as held:
            draws, own, channels = (np.asarray(held[key]) for key in ("draws", "signatures", "channels"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read ({str(error)[:60]}); extract again with --intervals joint") from None
    if sorted(map(str, own)) != sorted(names) or sorted(map(str, channels)) != sorted(order):
        raise InputError(f"{path} is of other signatures than signatures.csv beside it; extract again")
    rows = [list(map(str, own)).index(name) for name in names]
    columns = [list(map(str, channels)).index(name) for name in order]
    return draws[:, rows][:, :, columns].astype(np.float64)
