"""Extractions as AnnData, in the layout of salamander: samples x channels, exposures in ``obsm``, signatures beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaebench.data.mutations.channels import checked_catalogue, checked_exposures, checked_signatures
from vaebench.errors import InputError
from vaebench.signatures.matching import fit_cosines

if TYPE_CHECKING:
    from anndata import AnnData

    from vaebench.signatures.extraction import Extraction

_OWN = "vaebench"
"""Key of ``uns`` with what salamander has no place for."""


def to_anndata(self: Extraction) -> AnnData:
    """Return the extraction as AnnData; needs the extra ``anndata``.

    As in salamander (Gori et al. 2024), ``X`` are the counts [T, M], ``obsm["exposures"]`` the exposures [T, S], and
    signatures are a table of S x M; salamander keeps it as AnnData of its own, which is ``AnnData(adata.uns["signatures"])``.
    ``obs`` holds the table ``samples``; ``uns["vaebench"]`` the selection, the matches, the method and the notes.

    Returns:
        An object that ``write_h5ad`` writes and :meth:`Extraction.from_anndata` reads back.

    Raises:
        InputError: the package anndata is not installed, or the result does not hold its counts.

    Example::

        adata = vb.signatures.extract(catalogue).to_anndata()
        adata.write_h5ad("extraction.h5ad")
    """
    try:
        from anndata import AnnData
    except ImportError as error:
        raise InputError("to_anndata needs the package anndata: pip install 'vaebench[anndata]'") from error
    if self.catalogue is None:
        raise InputError("this extraction does not hold its counts; extract again with this version")
    own = {"method": self.method, "notes": np.array(self.notes, dtype=str), "selection": _plain(self.selection)}
    if self.matches is not None:
        own["matches"] = _plain(self.matches)
    return AnnData(
        X=self.catalogue.to_numpy(np.float64, copy=True),
        obs=self.samples.rename(index=str),
        var=pd.DataFrame(index=self.catalogue.columns.astype(str)),
        obsm={"exposures": self.exposures.to_numpy(copy=True)},  # pyright: ignore[reportArgumentType]
        uns={"signatures": self.signatures.copy(), _OWN: own},
    )


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """A copy with row names of text, which is what HDF5 can hold."""
    return table.rename(index=str)


def _by_name(exposures: object, names: pd.Index) -> np.ndarray:
    """Exposures [T, S] in the order of the signatures ``names``; those of a table have names of their own.

    Raises:
        InputError: the table is of other signatures.
    """
    if not isinstance(exposures, pd.DataFrame) or exposures.shape[1] != len(names):
        return np.asarray(exposures, np.float64)  # other sizes are refused later
    own = exposures.set_axis(exposures.columns.astype(str), axis=1)
    if list(own.columns) == [str(i) for i in range(len(names))]:
        return own.to_numpy(np.float64)  # columns without names
    lacking = [name for name in names if name not in own.columns]
    if lacking:
        raise InputError(
            f'obsm["exposures"] has no column {str(lacking[0])!r}; its columns must be called as the signatures are'
        )
    return own[names].to_numpy(np.float64)


def read_parts(adata: AnnData, asignatures: AnnData | None) -> dict[str, Any]:
    """Return the fields of an extraction by name; see :meth:`Extraction.from_anndata`.

    Raises:
        InputError: exposures or signatures are missing, or of other sizes.
    """
    if "exposures" not in adata.obsm:
        raise InputError(
            'the AnnData object has no obsm["exposures"]; it must hold the exposures, samples x signatures'
        )
    if asignatures is not None:
        spectra = asignatures.to_df()
    elif "signatures" in adata.uns:
        spectra = adata.uns["signatures"]
    else:
        raise InputError(
            'the AnnData object has no uns["signatures"]; give the signatures as the second object (asignatures of salamander)'
        )
    signatures = checked_signatures(pd.DataFrame(spectra), source="the signatures of the AnnData object")
    names = pd.Index(adata.obs_names.astype(str))
    values = _by_name(adata.obsm["exposures"], signatures.index)
    if values.shape != (len(names), len(signatures)):
        raise InputError(
            f'obsm["exposures"] is {" x ".join(map(str, values.shape))}; {len(names)} samples and {len(signatures)} '
            "signatures need one value each"
        )
    # salamander raises zeros to a tiny number before it fits
    counts = checked_catalogue(adata.to_df(), fractions=True, source="the AnnData object")
    whole = counts.round()
    counts = whole if np.allclose(counts, whole, rtol=0, atol=1e-6) else counts
    exposures = checked_exposures(pd.DataFrame(values, names, signatures.index), source='obsm["exposures"]')
    own = adata.uns.get(_OWN, {})
    cosine = fit_cosines(counts.to_numpy(), exposures.to_numpy() @ signatures.to_numpy())
    given = {"mutations", "cosine"} <= set(adata.obs)
    samples = pd.DataFrame({"mutations": counts.sum(axis=1), "cosine": cosine}, names)
    selection = own.get("selection", pd.DataFrame({"k": [len(signatures)], "chosen": [True], "status": ["OK"]}))
    matches = own.get("matches")
    return {
        "signatures": signatures,
        "exposures": exposures,
        "samples": pd.DataFrame({name: adata.obs[name] for name in adata.obs}) if given else samples,
        "selection": selection.reset_index(drop=True),
        "matches": None if matches is None else matches.reset_index(drop=True),
        "method": str(own.get("method", "anndata")),
        "notes": tuple(str(note) for note in own.get("notes", ())),
        "catalogue": counts,
    }
