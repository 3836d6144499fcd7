"""Models: train one (:func:`fit` is ``vb.fit``), load it, and read those that a run kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from vaebench.errors import InputError, user_path
from vaebench.space import Point
from vaebench.space import point as make_point
from vaebench.training.checkpoint import EMBEDDINGS, MODELS, check_digest, kept, kept_array, read_arrays
from vaebench.training.engine import check_device
from vaebench.training.pool import Finished, trained_points
from vaebench.training.stored import (
    AFFINE,
    CARD,
    checked_card,
    checked_variables,
    read_card,
    stored_auxiliary,
    stored_preprocessing,
)
from vaebench.training.trained import MODEL_CARD, WEIGHTS, Trained, trained
from vaebench.types import Dataset, checked_dataset
from vaebench.types.frames import is_anndata_object

if TYPE_CHECKING:
    import anndata


def fit(
    data: Dataset | anndata.AnnData,
    *,
    variant: str | None = None,
    latent: int | None = None,
    seed: int | None = None,
    point: Point | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    **settings: Any,  # noqa: ANN401  (settings of a point, which checks them, and options of read_table)
) -> Trained:
    """Train one VAE on ``data`` with the recommended settings.

    Source: eltager2023 recommends learning rate 1e-3, Kaiming uniform initialisation, Adam and tanh.

    Args:
        data: a data set, such as that of :func:`vaebench.data.read_table`, or an AnnData object.
        variant: name of the VAE variant; ``"vae"`` by default.
        latent: L; 50 by default.
        seed: random seed of split, weights, data order and posterior draws; 0 by default.
        point: settings to start from; all others given here change them.
        progress: called with ``"training"``, the epochs trained and the most there can be, such as
            :class:`vaebench.sweep.progress.StepDisplay`.
        **settings: any other setting of a point by name, as for :func:`vaebench.space.product` (``epochs=20``, ``beta=4``). For
            an AnnData object also options of :func:`vaebench.data.read_table` (``label="type"``, ``layer="counts"``,
            ``transform="log2"``).

    Returns:
        The trained model. If training diverged its ``status`` is ``"DIVERGED"``; no error is raised.

    Raises:
        InputError: an unknown variant or setting, or a data set that is not valid or too small.

    Example::

        model = vb.fit(data, variant="beta_vae", latent=20, seed=1, epochs=100)
        z = model.embed(data.x)
    """
    check_device()
    named = {"variant": variant, "latent": latent, "seed": seed}
    settings = {name: value for name, value in named.items() if value is not None} | settings
    if is_anndata_object(data):
        from vaebench.data.expression import READER_OPTIONS, dataset_of

        reading = {name: settings.pop(name) for name in list(settings) if name in READER_OPTIONS}
        data = dataset_of(data, reading)
    data = checked_dataset(data)
    chosen = make_point(point, **settings)
    if point is None and "batch" not in settings:
        chosen = make_point(chosen, batch=min(64, max(2, len(data.x) // 8)))
    epochs = 0
    finished: list[Finished] = []
    for tick in trained_points([chosen], data, jnp.asarray(data.x), lanes=1, keep=lambda p: True):
        epochs, finished = epochs + tick.useful, finished + tick.finished
        if progress is not None:
            progress("training", epochs, epochs if finished else chosen.epochs)
    return trained(finished[0], data)


def model_from(arrays: Mapping[str, np.ndarray], card: Mapping[str, Any], source: str) -> Trained:
    """Return the model with these arrays (:func:`arrays_of`) and this card (:func:`card_of`).

    Args:
        arrays: name -> array.
        card: JSON values.
        source: the file, for the message of an error.

    Raises:
        InputError: the card has another schema, or a part of card or arrays is missing, unknown or damaged.
    """
    point = checked_card(card, source)
    features = np.asarray(card["features"], dtype=str)
    auxiliary = stored_auxiliary(card, point, source)
    diverged = card["status"] == "DIVERGED"
    variables = checked_variables(arrays, point, len(features), source, diverged, auxiliary)
    return Trained(
        point=point,
        variables=variables,
        features=features,
        **{name: arrays[f"data/{name}"] for name in AFFINE},
        **{name: card[name] for name in CARD if name != "history"},
        history=tuple(card["history"]),
        preprocessing=stored_preprocessing(card, arrays, features, source),
        auxiliary=auxiliary,
    )


def load_model(folder: str | os.PathLike[str]) -> Trained:
    """Load the model that :meth:`Trained.save` wrote to ``folder``.

    Args:
        folder: with ``weights.safetensors`` and ``model.json``.

    Returns:
        The model; it embeds the same samples to the same z as the saved one.

    Raises:
        InputError: a file is missing, cannot be read, is not complete, or was written with another schema.

    Example::

        z = vb.load_model("results/model").embed_table(table)
    """
    folder = user_path(folder)
    for name in (MODEL_CARD, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(f"no model in {str(folder)!r}: {name} is missing")
    hint = "it may be cut off: save the model again"
    arrays, metadata = read_arrays(folder / WEIGHTS, hint)
    model = model_from(arrays, read_card(folder / MODEL_CARD), str(folder))
    check_digest(folder / WEIGHTS, arrays, metadata, "save the model again")
    return model


def kept_models(folder: str | os.PathLike[str]) -> dict[str, Trained]:
    """Read the models of a run with ``keep_models``: point id -> model. ``folder`` is that of the run."""
    return {p: model_from(arrays, card, str(folder)) for p, (arrays, card) in kept(user_path(folder) / MODELS).items()}


def kept_embeddings(folder: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read the embeddings of a run with ``keep_embeddings``: point id -> z [N, L], rows in the order of ``Dataset.samples``."""
    return {point: arrays["z"] for point, (arrays, _) in kept(user_path(folder) / EMBEDDINGS).items()}


def kept_embedding(folder: str | os.PathLike[str], point: str) -> np.ndarray | None:
    """Read the embedding z [N, L] of one point of a run with ``keep_embeddings``; ``None`` if it was not kept.

    Rows are in the order of ``Dataset.samples``. The embeddings of other points are not read.
    """
    return kept_array(user_path(folder) / EMBEDDINGS, point, "z")
