"""A trained VAE as an object that embeds, reconstructs, samples, and is saved."""

from __future__ import annotations

import dataclasses
import functools
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.atomic import replacing, write_json
from vaebench.data.auxiliary import coding_of
from vaebench.data.files.folders import check_folder
from vaebench.data.preprocessing import Preprocessing, far_off, settings_of
from vaebench.errors import InputError, user_path, whole_number
from vaebench.nn.autoencoder import ACTIVATIONS, Gaussian
from vaebench.space import Point, static_of
from vaebench.training.checkpoint import DIGEST, digest_of, write_arrays
from vaebench.training.engine import DEFAULT
from vaebench.training.pool import Finished
from vaebench.training.stored import (
    AFFINE,
    CARD,
    array_name,
)
from vaebench.types import SCHEMA, Dataset, Model, Posterior, Static
from vaebench.types.auxiliary import Auxiliary, AuxiliaryRows, AuxiliaryVariable
from vaebench.types.frames import Values, in_order, is_anndata_object, is_frame, named_like, numeric, with_row_names
from vaebench.variants import variant as variant_named
from vaebench.version import __version__

if TYPE_CHECKING:
    import anndata
    import pandas as pd

AuxiliaryValues: TypeAlias = "Auxiliary | Mapping[str, Any] | pd.DataFrame | anndata.AnnData | str | os.PathLike[str]"
"""Values of auxiliary variables as a user may give them."""
_ENCODED = ("inputs", "encoder")
"""Uses of auxiliary variables (:attr:`Variant.auxiliary`) that new samples need them for."""
WEIGHTS, MODEL_CARD = "weights.safetensors", "model.json"


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
        preprocessing: the steps from a raw table to ``Dataset.x``; ``None`` for a model that was saved before these were.
        auxiliary: coding of the auxiliary variables that the variant uses; none for most variants.
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
    preprocessing: Preprocessing | None = None
    auxiliary: tuple[AuxiliaryVariable, ...] = ()

    def __repr__(self) -> str:
        """Returns one line."""
        data = f"{len(self.features)} features -> {self.point.latent} latents"
        return f"<Trained {self.point.variant!r}: {data}; {self.status}, {self.stop} after {self.epochs} epochs; {self.point!r}>"

    def embed(self, x: Values, auxiliary: AuxiliaryValues | None = None) -> Values:
        """Return the posterior mean z of every sample.

        In recipe ``benchmarked`` batch normalisation uses the statistics of ``x`` itself, as the released code did, so z of
        a sample depends on the other samples and at least two are needed.

        Args:
            x: [N, D], scaled as the training data's ``Dataset.x``. The columns of a DataFrame are found by name.
            auxiliary: for a variant whose encoder uses auxiliary variables, their values: ``data.auxiliary``, a DataFrame, a
                file, or name -> [N]; matched by sample name where both have names. Others do without.

        Returns:
            z [N, L], float32. A DataFrame if ``x`` is one: its row names, and columns ``z1, z2, ...``.

        Raises:
            InputError: x has other features, missing or infinite values, or too few samples; or auxiliary variables are missing
                or have values that the model does not know.
        """
        rows = self._rows(x, auxiliary)
        self._warn_of_raw(np.asarray(rows.x if isinstance(rows, AuxiliaryRows) else rows))
        return self._embedded(x, rows)

    def _embedded(self, x: Values, rows: jax.Array | AuxiliaryRows) -> Values:
        if self.point.recipe == "benchmarked" and len(x) < 2:
            raise InputError("a model of recipe 'benchmarked' normalises by the samples it is given: give at least 2")
        z = np.asarray(self._model().embed(self.variables, rows, self._activation()))
        return named_like(z, x, self.latents)

    @property
    def latents(self) -> list[str]:
        """Names of the latents in DataFrames: ``z1, z2, ...``, or those of the auxiliary variables that guided them."""
        names = [f"z{i + 1}" for i in range(self.point.latent)]
        if variant_named(self.point.variant).auxiliary != "latents":
            return names
        guided = [column for variable in self.auxiliary for column in variable.columns]
        return guided + names[len(guided) :]

    def embed_table(
        self, table: pd.DataFrame | anndata.AnnData | str | os.PathLike[str], auxiliary: AuxiliaryValues | None = None
    ) -> pd.DataFrame:
        """Return the posterior mean z of the samples of a raw table, such as the very one that the model was trained on.

        The table is treated as the training data were: transform, missing values, repeated names, selection, scaling. In
        recipe ``benchmarked`` z of a sample depends on the other samples, see :meth:`embed`.

        Args:
            table: raw values on the scale of the table that the model was trained on: a DataFrame, an AnnData object, or the path
                of a table, a matrix of genes x samples or an ``.h5ad`` file. Genes are found by name, in columns or in rows.
                Whatever the model does not need, text or not, is ignored.
            auxiliary: as in :meth:`embed`; by default its columns are those of ``table`` (``obs`` of an AnnData object).

        Returns:
            z [N, L], indexed by sample, with columns ``z1, z2, ...``.

        Raises:
            InputError: a feature is missing, or a value cannot be used; or the model was saved without its preprocessing.
        """
        from vaebench.data.raw_tables import preprocessed

        if self.preprocessing is None:
            raise InputError(
                "the model does not know how its raw data were transformed: it was saved by an earlier version, or trained on a "
                "data set without that record; train it again, or use embed with values that are scaled as Dataset.x"
            )
        source = Path(table) if isinstance(table, os.PathLike) else table
        x = preprocessed(source, self.preprocessing)
        rows = self._rows(x, source if auxiliary is None and self._use in _ENCODED else auxiliary)
        return self._embedded(x, rows)

    def reconstruct(self, x: Values, auxiliary: AuxiliaryValues | None = None) -> Values:
        """Return the reconstruction [N, D] of ``x`` [N, D] from its posterior mean, both scaled as ``Dataset.x``."""
        return self.decode(self.embed(x, auxiliary), auxiliary)

    def decode(self, z: Values, auxiliary: AuxiliaryValues | None = None) -> Values:
        """Return the decoder's output [N, D] for ``z`` [N, L], on the scale of ``Dataset.x``; a DataFrame if ``z`` is one.

        ``auxiliary`` is as in :meth:`embed`, for a variant whose decoder uses auxiliary variables.

        Raises:
            InputError: z has another number of columns, or auxiliary variables are missing.
        """
        held = numeric(in_order(z, "z", columns=self.latents, kind="latent"), "z").astype(np.float32)
        if held.ndim != 2 or held.shape[1] != self.point.latent:
            raise InputError(f"z has shape {held.shape}; it must be [N, {self.point.latent}]")
        known = (self._coded(z, auxiliary),) if self._use == "inputs" else ()
        out = np.asarray(self._model().decode(self.variables, jnp.asarray(held), self._activation(), *known))
        return named_like(out * self.own_scale + self.own_centre, z, self.features.astype(str))

    def sample(self, key: jax.Array, samples: int, auxiliary: AuxiliaryValues | None = None) -> np.ndarray:
        """Draw z from the prior and return the decoder's output [samples, D], on the scale of ``Dataset.x``.

        Args:
            key: such as ``jax.random.key(0)``.
            samples: number of draws.
            auxiliary: for a variant whose prior or decoder uses auxiliary variables, their values for the draws.
        """
        whole_number("samples", samples, 0, None)
        if not isinstance(key, jax.Array):
            raise InputError(f"key is {key!r}; it must be a key such as jax.random.key(0)")
        model = self._model()
        if model.trained_prior is None:
            return self.decode(np.asarray(model.prior(key, samples)), auxiliary)
        known = (self._coded(np.empty((samples, 0)), auxiliary),) if self._use in _ENCODED else ()
        z = model.trained_prior(self.variables, key, samples, self._activation(), *known)
        return self.decode(np.asarray(z), auxiliary)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``weights.safetensors`` and ``model.json`` into ``folder``, and return the folder; see :func:`load_model`."""
        folder, arrays = user_path(folder), arrays_of(self)
        check_folder(folder)
        with replacing(folder / MODEL_CARD) as card, replacing(folder / WEIGHTS) as weights:
            write_json(card, card_of(self), indent=1)
            write_arrays(weights, arrays, {DIGEST: digest_of(arrays)})
            # a process that is killed between the two leaves no card of an earlier model beside the new weights
            (folder / MODEL_CARD).unlink(missing_ok=True)
        return folder

    def posterior(self, x: np.ndarray | pd.DataFrame, auxiliary: AuxiliaryValues | None = None) -> Posterior | None:
        """Return mean and log variance of q(z|x), each [N, L], for ``x`` and ``auxiliary`` as in :meth:`embed`.

        ``None`` if the posterior of the variant is not Gaussian.
        """
        by_batch = self.point.recipe == "benchmarked"
        found = self._model().posterior(self.variables, self._rows(x, auxiliary), self._activation(), by_batch)
        return Posterior(*(np.asarray(part) for part in found)) if isinstance(found, Gaussian) else None

    def _model(self) -> Model:
        widths = tuple(len(variable.columns) for variable in self.auxiliary)
        return _compiled(static_of(self.point, len(self.features), widths))

    @property
    def _use(self) -> str:
        return variant_named(self.point.variant).auxiliary

    def _rows(self, x: np.ndarray | pd.DataFrame, auxiliary: AuxiliaryValues | None) -> jax.Array | AuxiliaryRows:
        """Return the network's input: x scaled, and with the coded auxiliary variables if the encoder takes them."""
        held = self._scaled(x)
        return AuxiliaryRows(held, self._coded(x, auxiliary)) if self._use in _ENCODED else held

    def _warn_of_raw(self, held: np.ndarray) -> None:
        """Warn of network inputs [N, D] that look like raw values, which :meth:`embed_table` takes."""
        far = far_off(held * self.own_scale + self.own_centre, self.centre, self.scale)
        if far is not None:
            warnings.warn(
                f"the values lie far from those that the model was trained on: half of the features are {far:.1f} or more of "
                "their spreads away; embed takes values scaled as Dataset.x, and embed_table raw ones",
                stacklevel=3,
            )

    def _coded(self, rows: np.ndarray | pd.DataFrame, auxiliary: AuxiliaryValues | None) -> jax.Array:
        """Return the coded auxiliary variables of samples, [N, 2 A]."""
        if auxiliary is None:
            names = ", ".join(variable.name for variable in self.auxiliary)
            raise InputError(
                f"the model uses the auxiliary variables {names[:120]}; give their values too, such as auxiliary=data.auxiliary"
            )
        from vaebench.data.new_auxiliary import coded_new

        index = with_row_names(rows).index if is_frame(rows) else None
        return jnp.asarray(coded_new(auxiliary, self.auxiliary, len(rows), index))

    def _activation(self) -> int:
        return ACTIVATIONS.index(self.point.activation)

    def _scaled(self, x: np.ndarray | pd.DataFrame) -> jax.Array:
        if is_anndata_object(x):
            raise InputError(
                "x is an AnnData object, and embed takes values that are scaled as Dataset.x; embed_table takes the object itself"
            )
        x = numeric(in_order(x, "x", columns=self.features), "x").astype(np.float32)
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
        preprocessing=data.preprocessing,
        auxiliary=()
        if data.auxiliary is None or not variant_named(item.point.variant).auxiliary
        else data.auxiliary.variables,
    )


def arrays_of(model: Trained) -> dict[str, np.ndarray]:
    """Return name -> array of a model: its variables, its scaling, and the values that replace missing ones."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(model.variables)
    arrays = {array_name(path): np.asarray(leaf) for path, leaf in leaves}
    fill = None if model.preprocessing is None else model.preprocessing.fill
    arrays |= {} if fill is None else {"data/fill": np.asarray(fill)}
    return arrays | {f"data/{name}": np.asarray(getattr(model, name)) for name in AFFINE}


def card_of(model: Trained) -> dict[str, Any]:
    """Return everything of a model but its arrays, as JSON values."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "point": dataclasses.asdict(model.point),
        "features": model.features.tolist(),
        "preprocessing": None if model.preprocessing is None else settings_of(model.preprocessing),
        **{name: getattr(model, name) for name in CARD},
        # cards of models without auxiliary variables are as they were before there were any
        **({"auxiliary": coding_of(model.auxiliary)} if model.auxiliary else {}),
    }
