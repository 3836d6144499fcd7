"""One trained lane as an object that people hold: embed, reconstruct, sample, save, load."""

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

from vaebench.atomic import replacing
from vaebench.errors import InputError
from vaebench.nn.autoencoder import ACTIVATIONS, Gaussian
from vaebench.space import Point, static_of
from vaebench.space import point as make_point
from vaebench.training.checkpoint import EMBEDDINGS, MODELS, kept, kept_array, read_arrays, write_arrays
from vaebench.training.engine import DEFAULT
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
    """A trained VAE with what is needed to use it on new samples.

    Attributes:
        point: the settings it was trained with.
        variables: parameters and batch statistics, numpy trees.
        features: [D] names, in the order of the network's input.
        centre: [D] float64; ``Dataset.x`` is (raw - centre) / scale.
        scale: [D] float64.
        own_centre: [D]; the network sees (x - own_centre) / own_scale: 0 and 1 unless scaled by its training rows.
        own_scale: [D].
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
        """Posterior mean z [N, L] of ``x`` [N, D], scaled as the training data's ``Dataset.x``.

        In recipe ``benchmarked`` batch normalisation uses the statistics of ``x`` itself, as the released code did, so z of
        a sample depends on the others and at least two are needed.
        """
        if self.point.recipe == "benchmarked" and len(x) < 2:
            raise InputError("a model of recipe 'benchmarked' normalises by the samples it is given: give at least 2")
        return np.asarray(self._model().embed(self.variables, self._scaled(x), self._activation()))

    def embed_table(self, table: pd.DataFrame) -> np.ndarray:
        """Posterior mean z [N, L] of raw values with samples in rows: features are aligned by name, then scaled.

        Raises:
            InputError: features that the model needs are missing from the table.
        """
        from vaebench.data.dataset import aligned

        raw = aligned(table.to_numpy(), np.asarray(table.columns, dtype=str), self.features)
        return self.embed((raw.astype(np.float64) - self.centre) / self.scale)

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """Reconstruction [N, D] of scaled ``x`` [N, D] through the posterior mean."""
        return self.decode(self.embed(x))

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Decoder mean [N, D], on the scale of ``Dataset.x``, of ``z`` [N, L]."""
        z = np.asarray(z, np.float32)
        if z.ndim != 2 or z.shape[1] != self.point.latent:
            raise InputError(f"z has shape {z.shape}; it must be [N, {self.point.latent}]")
        out = np.asarray(self._model().decode(self.variables, jnp.asarray(z), self._activation()))
        return out * self.own_scale + self.own_centre

    def sample(self, key: jax.Array, samples: int) -> np.ndarray:
        """Decoder means [samples, D] of z drawn from the variant's prior."""
        return self.decode(np.asarray(self._model().prior(key, samples)))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``weights.safetensors`` and ``model.json`` into ``folder``; returns the folder."""
        folder = Path(folder)
        # weights first: a folder with a card is complete
        write_arrays(folder / WEIGHTS, arrays_of(self))
        with replacing(folder / CARD) as unfinished:
            unfinished.write_text(json.dumps(card_of(self), indent=1), encoding="utf-8")
        return folder

    def posterior(self, x: np.ndarray) -> Posterior | None:
        """q(z | x), [N, L] each, of ``x`` scaled as in :meth:`embed`, which gives its mean; ``None`` if it is not Gaussian."""
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
    # float32 however it was trained: what is embedded once need not be fast
    posterior = jax.jit(DEFAULT.precise(model.posterior), static_argnums=3)
    embed, decode = jax.jit(DEFAULT.precise(model.embed)), jax.jit(DEFAULT.precise(model.decode))
    return model._replace(embed=embed, decode=decode, posterior=posterior)


def trained(item: Finished, data: Dataset) -> Trained:
    """A finished point, with its variables, as a model on the data set it was trained on."""
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
    """Train one VAE on ``data`` with the recommended setting and return it.

    Args:
        data: a data set, for example of :func:`vaebench.data.read_table`.
        variant: name of the VAE variant.
        latent: L.
        seed: of split, weights, data order and posterior draws.
        point: every setting at once, in place of the three above.

    Source of the setting: eltager2023 recommends learning rate 1e-3, Kaiming uniform, Adam, tanh. A training that
    diverges is returned with status ``"DIVERGED"``, not raised.
    """
    samples = len(checked_dataset(data).x)
    point = point or make_point(variant=variant, latent=latent, seed=seed, batch=min(64, max(2, samples // 8)))
    ticks = trained_points([point], data, jnp.asarray(data.x), lanes=1, keep=lambda p: True)
    return trained(next(item for tick in ticks for item in tick.finished), data)


def arrays_of(model: Trained) -> dict[str, np.ndarray]:
    """The model's arrays by name: its variables and its scaling."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(model.variables)
    arrays = {"/".join(key.key for key in path): np.asarray(leaf) for path, leaf in leaves}
    return arrays | {f"data/{name}": np.asarray(getattr(model, name)) for name in _AFFINE}


def card_of(model: Trained) -> dict[str, Any]:
    """All of the model that is no array, as JSON values."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "point": dataclasses.asdict(model.point),
        "features": model.features.tolist(),
        **{name: getattr(model, name) for name in _CARD},
    }


def model_from(arrays: Mapping[str, np.ndarray], card: Mapping[str, Any], source: str) -> Trained:
    """The model of :func:`arrays_of` and :func:`card_of`; ``source`` names the file in an error."""
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
    """The model that :meth:`Trained.save` wrote to ``folder``.

    Raises:
        InputError: a file is missing, or was written with another schema.
    """
    folder = Path(folder)
    for name in (CARD, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(f"no model in {str(folder)!r}: {name} is missing")
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    return model_from(read_arrays(folder / WEIGHTS)[0], card, str(folder))


def kept_models(folder: str | os.PathLike[str]) -> dict[str, Trained]:
    """Point id -> model, of a run with ``keep_models``."""
    return {p: model_from(arrays, card, str(folder)) for p, (arrays, card) in kept(Path(folder) / MODELS).items()}


def kept_embeddings(folder: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Point id -> z [N, L], of a run with ``keep_embeddings``; rows in the order of ``Dataset.samples``."""
    return {point: arrays["z"] for point, (arrays, _) in kept(Path(folder) / EMBEDDINGS).items()}


def kept_embedding(folder: str | os.PathLike[str], point: str) -> np.ndarray | None:
    """Read the embedding z [N, L] of one point of a run with ``keep_embeddings``; ``None`` if it was not kept.

    Rows are in the order of ``Dataset.samples``. The embeddings of other points are not read.
    """
    return kept_array(Path(folder) / EMBEDDINGS, point, "z")
