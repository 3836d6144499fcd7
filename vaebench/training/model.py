"""A trained VAE as an object that embeds, reconstructs, samples, and is saved and loaded; :func:`fit` is ``vb.fit``."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.atomic import write_json
from vaebench.errors import InputError, user_path
from vaebench.nn.autoencoder import ACTIVATIONS, Gaussian
from vaebench.space import Point, static_of
from vaebench.space import point as make_point
from vaebench.training.checkpoint import EMBEDDINGS, MODELS, kept, kept_array, read_arrays, write_arrays
from vaebench.training.engine import DEFAULT, check_device
from vaebench.training.pool import Finished, trained_points
from vaebench.types import SCHEMA, Dataset, Model, Posterior, Static, checked_dataset
from vaebench.variants import variant as variant_named
from vaebench.version import __version__

if TYPE_CHECKING:
    import pandas as pd

WEIGHTS, CARD = "weights.safetensors", "model.json"
_AFFINE = ("centre", "scale", "own_centre", "own_scale")
_CARD = ("status", "stop", "epochs", "losses", "history", "digest")


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained VAE and the scaling needed to use it on new samples.

    Example::

        model = vb.fit(data, variant="beta_vae", latent=20)
        z = model.embed(data.x)  # [N, 20]
        vb.load_model(model.save("results/model")).embed_table(table)

    Attributes:
        point: the settings it was trained with.
        variables: parameters and batch statistics, numpy trees.
        features: [D] names, in the order of the network's input.
        centre: [D] float64; ``Dataset.x`` is (raw - centre) / scale.
        scale: [D] float64.
        own_centre: [D]; the input of the network is (x - own_centre) / own_scale. 0 unless ``scaling_from`` is ``"train"``.
        own_scale: [D]; 1 unless ``scaling_from`` is ``"train"``.
        status: ``"OK"`` or ``"DIVERGED"``.
        stop: ``"converged"``, ``"out_of_epochs"`` or ``"diverged"``.
        epochs: epochs trained.
        losses: name -> value after the last epoch.
        history: validation loss after every epoch.
        digest: of the data it was trained on.
    """

    point: Point
    variables: Any
    features: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    own_centre: np.ndarray
    own_scale: np.ndarray
    status: str
    stop: str
    epochs: int
    losses: Mapping[str, float]
    history: tuple[float, ...]
    digest: str

    def embed(self, x: np.ndarray) -> np.ndarray:
        """Return the posterior mean z of every sample.

        In recipe ``benchmarked`` batch normalisation uses the statistics of ``x`` itself, as the released code did, so z of
        a sample depends on the other samples and at least two are needed.

        Args:
            x: [N, D], scaled as the training data's ``Dataset.x``.

        Returns:
            z [N, L], float32.

        Raises:
            InputError: x has another number of features, missing or infinite values, or too few samples.
        """
        if self.point.recipe == "benchmarked" and len(x) < 2:
            raise InputError("a model of recipe 'benchmarked' normalises by the samples it is given: give at least 2")
        return np.asarray(self._model().embed(self.variables, self._scaled(x), self._activation()))

    def embed_table(self, table: pd.DataFrame) -> np.ndarray:
        """Return the posterior mean z [N, L] of a table of raw values.

        Args:
            table: samples in rows and features in columns, on the scale of the table that the model was trained on. Columns
                are aligned by name; columns that the model does not know are ignored.

        Raises:
            InputError: features that the model needs are missing from the table.
        """
        from vaebench.data.dataset import aligned

        raw = aligned(table.to_numpy(), np.asarray(table.columns, dtype=str), self.features)
        return self.embed((raw.astype(np.float64) - self.centre) / self.scale)

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """Return the reconstruction [N, D] of ``x`` [N, D] from its posterior mean, both scaled as ``Dataset.x``."""
        return self.decode(self.embed(x))

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Return the decoder's output [N, D] for ``z`` [N, L], on the scale of ``Dataset.x``.

        Raises:
            InputError: z has another number of columns.
        """
        z = np.asarray(z, np.float32)
        if z.ndim != 2 or z.shape[1] != self.point.latent:
            raise InputError(f"z has shape {z.shape}; it must be [N, {self.point.latent}]")
        out = np.asarray(self._model().decode(self.variables, jnp.asarray(z), self._activation()))
        return out * self.own_scale + self.own_centre

    def sample(self, key: jax.Array, samples: int) -> np.ndarray:
        """Draw z from the prior and return the decoder's output [samples, D], on the scale of ``Dataset.x``.

        Args:
            key: of the draws, such as ``jax.random.key(0)``.
            samples: number of draws.
        """
        return self.decode(np.asarray(self._model().prior(key, samples)))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``weights.safetensors`` and ``model.json`` into ``folder``, and return the folder; see :func:`load_model`."""
        folder = user_path(folder)
        # weights first, so that a folder with a card is complete
        write_arrays(folder / WEIGHTS, arrays_of(self))
        write_json(folder / CARD, card_of(self), indent=1)
        return folder

    def posterior(self, x: np.ndarray) -> Posterior | None:
        """Return mean and log variance of q(z|x), each [N, L], for ``x`` scaled as in :meth:`embed`.

        ``None`` if the posterior of the variant is not Gaussian.
        """
        by_batch = self.point.recipe == "benchmarked"
        found = self._model().posterior(self.variables, self._scaled(x), self._activation(), by_batch)
        return Posterior(*(np.asarray(part) for part in found)) if isinstance(found, Gaussian) else None

    def _model(self) -> Model:
        return _compiled(static_of(self.point, len(self.features)))

    def _activation(self) -> int:
        return ACTIVATIONS.index(self.point.activation)

    def _scaled(self, x: np.ndarray) -> jax.Array:
        x = np.asarray(x, np.float32)
        if x.ndim != 2 or x.shape[1] != len(self.features):
            raise InputError(
                f"x has shape {x.shape}; the model needs [N, {len(self.features)}] (its features in its order); "
                "use embed_table to align a table by feature names"
            )
        if not np.isfinite(x).all():
            raise InputError(f"x holds {int((~np.isfinite(x)).sum())} values that are missing or not finite")
        return jnp.asarray((x - self.own_centre) / self.own_scale)


@functools.lru_cache(maxsize=16)
def _compiled(static: Static) -> Model:
    model = variant_named(static.variant).build(static)
    # float32 whatever the precision of the training: an embedding is computed once and need not be fast
    posterior = jax.jit(DEFAULT.precise(model.posterior), static_argnums=3)
    embed, decode = jax.jit(DEFAULT.precise(model.embed)), jax.jit(DEFAULT.precise(model.decode))
    return model._replace(embed=embed, decode=decode, posterior=posterior)


def trained(item: Finished, data: Dataset) -> Trained:
    """Return a finished point that has its variables as a model; ``data`` is the data set it was trained on."""
    return Trained(
        point=item.point,
        variables=item.variables,
        features=data.features,
        centre=data.centre,
        scale=data.scale,
        own_centre=item.split.centre,
        own_scale=item.split.scale,
        status="DIVERGED" if item.stop == "diverged" else "OK",
        stop=item.stop,
        epochs=item.epochs,
        losses=item.losses,
        history=tuple(item.history),
        digest=data.digest,
    )


def fit(data: Dataset, *, variant: str = "vae", latent: int = 50, seed: int = 0, point: Point | None = None) -> Trained:
    """Train one VAE on ``data`` with the recommended settings.

    Source: eltager2023 recommends learning rate 1e-3, Kaiming uniform initialisation, Adam and tanh.

    Args:
        data: a data set, such as that of :func:`vaebench.data.read_table`.
        variant: name of the VAE variant.
        latent: L.
        seed: random seed of split, weights, data order and posterior draws.
        point: all settings at once, in place of the three above.

    Returns:
        The trained model. If training diverged its ``status`` is ``"DIVERGED"``; no error is raised.

    Raises:
        InputError: an unknown variant or setting, or a data set that is not valid or too small.

    Example::

        model = vb.fit(data, variant="beta_vae", latent=20, seed=1)
        z = model.embed(data.x)
    """
    check_device()
    samples = len(checked_dataset(data).x)
    point = point or make_point(variant=variant, latent=latent, seed=seed, batch=min(64, max(2, samples // 8)))
    ticks = trained_points([point], data, jnp.asarray(data.x), lanes=1, keep=lambda p: True)
    return trained(next(item for tick in ticks for item in tick.finished), data)


def arrays_of(model: Trained) -> dict[str, np.ndarray]:
    """Return name -> array of a model: its variables and its scaling."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(model.variables)
    arrays = {"/".join(key.key for key in path): np.asarray(leaf) for path, leaf in leaves}
    return arrays | {f"data/{name}": np.asarray(getattr(model, name)) for name in _AFFINE}


def card_of(model: Trained) -> dict[str, Any]:
    """Return everything of a model but its arrays, as JSON values."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "point": dataclasses.asdict(model.point),
        "features": model.features.tolist(),
        **{name: getattr(model, name) for name in _CARD},
    }


def model_from(arrays: Mapping[str, np.ndarray], card: Mapping[str, Any], source: str) -> Trained:
    """Return the model with these arrays (:func:`arrays_of`) and this card (:func:`card_of`).

    Args:
        arrays: name -> array.
        card: JSON values.
        source: the file, for the message of an error.

    Raises:
        InputError: the card has another schema.
    """
    if card["schema"] != SCHEMA:
        raise InputError(f"the model in {source!r} has schema {card['schema']}; this version reads schema {SCHEMA}")
    variables: dict[str, Any] = {"batch_stats": {}}
    for name, value in arrays.items():
        *parents, leaf = name.split("/")
        if parents[0] == "data":
            continue
        node = variables
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    fields: dict[str, Any] = {
        k: tuple(map(tuple, v)) if k in ("shape", "hyper") else v for k, v in card["point"].items()
    }
    return Trained(
        point=Point(**fields),
        variables=variables,
        features=np.asarray(card["features"], dtype=str),
        **{name: arrays[f"data/{name}"] for name in _AFFINE},
        **{name: card[name] for name in _CARD if name != "history"},
        history=tuple(card["history"]),
    )


def load_model(folder: str | os.PathLike[str]) -> Trained:
    """Load the model that :meth:`Trained.save` wrote to ``folder``.

    Args:
        folder: with ``weights.safetensors`` and ``model.json``.

    Returns:
        The model; it embeds the same samples to the same z as the saved one.

    Raises:
        InputError: a file is missing, cannot be read, or was written with another schema.

    Example::

        z = vb.load_model("results/model").embed_table(table)
    """
    folder = user_path(folder)
    for name in (CARD, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(f"no model in {str(folder)!r}: {name} is missing")
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    return model_from(read_arrays(folder / WEIGHTS)[0], card, str(folder))


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
