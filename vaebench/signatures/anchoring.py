"""Extracted signatures replaced by the reference signatures they match, and intervals of exposures to those."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vaebench.data.mutations.tables import checked_signatures
from vaebench.errors import InputError
from vaebench.signatures.matching import matches

ANCHOR = 0.85
"""Cosine from which an extracted signature is taken for a reference one."""


def anchored(extracted: pd.DataFrame, reference: pd.DataFrame, least: float = ANCHOR) -> pd.DataFrame:
    """The signatures [S, 96] to refit with: reference ones in place of those extracted that match them.

    A signature whose match in the one-to-one assignment (:func:`matches`) has a cosine of ``least`` or more becomes that
    reference signature, by its name; the others stay as extracted, by their own.

    Raises:
        InputError: for tables that are no signatures, a ``least`` outside of 0 to 1, or an extracted signature that would
            stay and has the name of a reference one that is used.
    """
    if not 0 <= least <= 1:
        raise InputError(f"least={least!r} is not allowed; it must be a cosine from 0 to 1")
    known = checked_signatures(reference, source="the reference")
    found = checked_signatures(extracted, source="the table of extracted signatures")
    table = matches(found, known)
    names, rows = [], []
    for own, target, cosine in zip(table["extracted"], table["reference"], table["cosine"], strict=True):
        sure = cosine >= least  # NaN, without a match, is not
        names.append(str(target if sure else own))
        rows.append(known.loc[target] if sure else found.loc[own])
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"two signatures would be named {twice[0]!r}; rename the extracted one")
    return pd.DataFrame(np.array(rows, np.float64), names, found.columns)
