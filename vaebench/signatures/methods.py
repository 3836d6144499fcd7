"""Registry of extraction methods. Nothing heavy is imported here: a method's function is loaded when it is first used.

A new method is one module with a function from :class:`ExtractionTask` to :class:`ExtractedArrays`, and one entry in
:data:`METHODS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from vaebench.signatures.sparse.ambiguity import Reassignment

_NMF = "vaebench.signatures.restarts:extract_nmf"
_AUTOENCODER = "vaebench.signatures.restarts:extract_autoencoder"


class ExtractionTask(NamedTuple):
    """Input of a method's function.

    Attributes:
        method: the entry of :data:`METHODS`.
        counts: [T, M], every sample with some mutations.
        numbers: of signatures, in increasing order.
        restarts: random starts for each number.
        seed: of all random numbers.
        rule: by which the number is chosen, one of the method's ``rules``.
        training: keywords of :func:`vaebench.signatures.autoencoders.fits.trained_signatures`, for methods that train.
        options: an instance of the method's options class, or ``None`` for its defaults.
        tell: called with what was done, steps done and steps in all.
        known: signatures [S', M] that are the prior of a method which ``takes_known``; ``None`` for none.
        prior_weight: samples that each of them is worth.
    """

    method: ExtractionMethod
    counts: np.ndarray
    numbers: list[int]
    restarts: int
    seed: int
    rule: str
    training: Mapping[str, Any]
    options: Any
    tell: Callable[[str, int, int], None]
    known: np.ndarray | None = None
    prior_weight: float = 0.0


class ExtractedArrays(NamedTuple):
    """Output of a method's function, for the chosen number of signatures.

    Attributes:
        signatures: [S, M], in any order.
        exposures: [T, S] in mutations.
        table: one row for each number of signatures (:func:`vaebench.signatures.selection.selection_table`).
        reassignments: shares above ``noted_share`` of the options that priors reassigned; of ``"sparse"`` only.
        priors: position [S] of the known signature that each one was drawn to, -1 for none; empty without known signatures.
    """

    signatures: np.ndarray
    exposures: np.ndarray
    table: pd.DataFrame
    reassignments: tuple[Reassignment, ...] = ()
    priors: tuple[int, ...] = ()


class ExtractionMethod(NamedTuple):
    """Entry of the registry.

    Attributes:
        name: what ``extract(method=...)`` and ``--method`` take.
        function: ``"module:function"``, from :class:`ExtractionTask` to :class:`ExtractedArrays`.
        summary: a few words on the method, for help texts.
        rules: by which it can choose the number of signatures, its default first.
        trains: it trains autoencoders, and takes their settings.
        error: reconstruction error of an autoencoder's restarts that the study of this variant uses: a field of
            :class:`vaebench.signatures.autoencoders.fits.TrainedSignatures`.
        options: ``"module:class"`` of its options, or empty if it has none.
        takes_known: known signatures can be a prior on the extracted ones.
    """

    name: str
    function: str
    summary: str
    rules: tuple[str, ...] = ("stability", "criterion")
    trains: bool = False
    error: str = "poisson"
    options: str = ""
    takes_known: bool = False


METHODS = {
    method.name: method
    for method in (
        ExtractionMethod(
            "sparse",
            "vaebench.signatures.sparse.method:extract_sparse",
            "spike-and-slab, ours",
            rules=("criterion",),
            options="vaebench.signatures.sparse.options:SparseOptions",
            takes_known=True,
        ),
        ExtractionMethod("nmf", _NMF, "KL-NMF"),
        ExtractionMethod("muse_xae", _AUTOENCODER, "deterministic, by MUSE-XAE", trains=True, error="frobenius"),
        ExtractionMethod("folded_normal_vae", _AUTOENCODER, "folded-normal posterior, gislum2024", trains=True),
        ExtractionMethod("exponential_vae", _AUTOENCODER, "exponential posterior, gislum2024", trains=True),
        ExtractionMethod("weibull_vae", _AUTOENCODER, "Weibull posterior", trains=True),
        ExtractionMethod("spike_slab_vae", _AUTOENCODER, "spike-and-slab posterior", trains=True),
        ExtractionMethod("folded_mixture_vae", _AUTOENCODER, "folded-normal posterior, learned prior", trains=True),
        ExtractionMethod("vae_ms", _AUTOENCODER, "Poisson posterior started by KL-NMF, VAE-MS", trains=True),
    )
}


def loaded(target: str) -> Any:  # noqa: ANN401  (a function or a class)
    """Import and return the function or class named by ``"module:attribute"``."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
