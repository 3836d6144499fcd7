"""Shared types and the axis legend. This module imports nothing else of the package.

Axis legend, used in every docstring:

====== =======================================
``R``  lane (one model in training)
``N``  sample
``B``  batch sample
``D``  feature
``L``  latent
``K``  importance sample
``C``  category
``S``  signature
``T``  tumour
``G``  group of equal static shape
====== =======================================
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from vaebench.errors import InputError

if TYPE_CHECKING:
    import numpy as np  # for annotations only: the command line starts without it

SCHEMA = 1
"""Version of the results row; raised whenever a column changes its meaning."""

BASELINE = "pca"
"""``static/variant`` of the rows for which nothing was trained: principal components of all samples."""


@dataclasses.dataclass(frozen=True)
class Static:
    """What fixes the shape of a compiled program: changing one field compiles again.

    Attributes:
        variant: name in the registry of variants.
        features: D.
        latent: L.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        batch: B, the training batch.
        recipe: ``"textbook"`` (the papers' equations) or ``"benchmarked"`` (what the released code computed).
        norm: ``"batch"``, ``"layer"`` or ``"none"``, after every hidden linear layer.
        output: ``"identity"``, ``"sigmoid"`` or ``"normalised_sigmoid"``.
        clipped: whether gradients are clipped (their norm costs a pass over the weights, so it is compiled in only where asked).
        validation: ``"batches"`` of the training size, or ``"whole"``: the validation samples as one batch.
        activation: compiled in where it is not ``""``: of variants for counts, whose layers are so small that computing all
            the activations that lanes may choose from takes a third of the time.
        shape: the variant's own frozen dataclass of program-changing choices.
    """

    variant: str
    features: int
    latent: int
    hidden: tuple[int, ...] = (512,)
    batch: int = 64
    recipe: str = "textbook"
    norm: str = "batch"
    output: str = "identity"
    clipped: bool = False
    validation: str = "batches"
    activation: str = ""
    shape: Any = None


class Traced(NamedTuple):
    """What may differ between the lanes of one program: scalars (or [R] arrays under ``vmap``).

    ``init``, ``optimizer``, ``activation`` and ``stopping`` are positions in the tables of
    :mod:`vaebench.nn.autoencoder`, :mod:`vaebench.nn.optimizers` and :mod:`vaebench.training.train`; ``hyper`` is the variant's own NamedTuple.
    """

    seed: Any
    learning_rate: Any
    decay: Any
    weight_decay: Any
    clip: Any
    init: Any
    optimizer: Any
    activation: Any
    epochs: Any
    min_epochs: Any
    patience: Any
    min_delta: Any
    stopping: Any
    hyper: Any


class Context(NamedTuple):
    """Where in a training a loss is evaluated.

    Attributes:
        training: Python bool; batch normalisation uses the batch's statistics when true.
        samples: N of the split being evaluated (training or validation).
        batch: the nominal batch size B, also for a smaller last batch.
        iteration: number of batches seen so far, validation batches included (the released capacity schedule counts them).
    """

    training: bool
    samples: Any
    batch: int
    iteration: Any


class Aux(NamedTuple):
    """Second value of a loss: named terms (scalars) and the updated batch statistics."""

    terms: dict[str, Any]
    statistics: Any


class Model(NamedTuple):
    """A variant at one :class:`Static`, as pure functions. ``variables`` is ``{"params": ..., "batch_stats": ...}``.

    Attributes:
        init: ``(key, init) -> variables``.
        loss: ``(variables, x[B, D], key, hyper, activation, context) -> (scalar, Aux)``.
        embed: ``(variables, x[N, D], activation) -> z[N, L]``, the posterior mean. In recipe ``"benchmarked"`` batch
            normalisation uses the statistics of the given x, here and in ``sample``.
        sample: ``(variables, x[N, D], key, activation, hyper=None) -> z[N, L]``, one posterior draw.
        decode: ``(variables, z[N, L], activation) -> reconstruction[N, D]``.
        posterior: ``(variables, x[N, D], activation) -> NamedTuple`` of the posterior's parameters.
        prior: ``(key, N) -> z[N, L]``, draws of p(z).
        constrained: ``params -> params`` after every update, for weights that must stay in a set; ``None`` for none.
        latent_kl: ``(variables, x[N, D], key, activation, hyper) -> KL(q(z_l|x) || p(z_l))[N, L]`` in nats; ``None`` where
            not needed (Gaussian posteriors tell it themselves) or not defined.
    """

    init: Callable[..., Any]
    loss: Callable[..., Any]
    embed: Callable[..., Any]
    sample: Callable[..., Any]
    decode: Callable[..., Any]
    posterior: Callable[..., Any]
    prior: Callable[..., Any]
    constrained: Callable[[Any], Any] | None = None
    latent_kl: Callable[..., Any] | None = None


class Variant(NamedTuple):
    """What a file of :mod:`vaebench.variants` exports.

    Attributes:
        name: registry, file and row name.
        shape: ``recipe -> frozen dataclass`` of program-changing choices, ``None`` when there are none. Its class attribute
            ``choices`` lists allowed values by field, and its method ``check(latent)`` refuses what cannot be built.
        hyper: ``shape -> NamedTuple`` of traced weights at the study's values. Its class attribute ``ranges`` holds, by field,
            between which numbers a weight must lie for the loss to be defined.
        build: ``Static -> Model``.
        reference: the paper.
        recipes: those that exist.
        redundant: ``Static -> columns`` of z that the other columns determine: a regression on z leaves them out.
        domain: ``"expression"`` (rows of a :class:`Dataset`) or ``"counts"`` (rows of an SBS96 catalogue).
    """

    name: str
    shape: Callable[[str], Any]
    hyper: Callable[[Any], Any]
    build: Callable[[Static], Model]
    reference: str
    recipes: tuple[str, ...] = ("textbook", "benchmarked")
    redundant: Callable[[Static], tuple[int, ...]] = lambda static: ()
    domain: str = "expression"


@dataclasses.dataclass(frozen=True)
class Survival:
    """Overall survival: ``time`` [N] in days (NaN where unknown) and ``event`` [N], true for a death."""

    time: np.ndarray
    event: np.ndarray


@dataclasses.dataclass(frozen=True)
class Dataset:
    """An expression matrix ready for training, with all that an evaluation needs.

    Attributes:
        name: short name, used in rows and titles.
        digest: sha256 (first 16 hex digits) over x, names, labels, survival, covariates and factors.
        x: [N, D] float32, features selected and scaled with statistics of ALL samples; no missing values.
        samples: [N] unique names.
        features: [D] names.
        centre: [D] float64; ``x = (raw - centre) / scale``.
        scale: [D] float64, positive.
        scaling: ``"zscore"``, ``"unit"`` (to [0, 1]) or ``"none"``.
        labels: [N] int32 positions in ``label_names``; ``None`` without labels.
        label_names: sorted names of the labels.
        survival: times and events; ``None`` without.
        covariates: name -> [N]; float arrays are continuous (NaN where missing), string arrays categorical ("" where missing).
        factors: name -> [N] float features known beforehand (programmes, signature shares), NaN where missing.
        provenance: where the data came from: source, options, counts dropped and why; JSON values only.
    """

    name: str
    digest: str
    x: np.ndarray
    samples: np.ndarray
    features: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    scaling: str
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    survival: Survival | None = None
    covariates: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    factors: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        """Sizes in place of the arrays themselves."""
        parts = [f"{self.x.shape[0]} samples x {self.x.shape[1]} features"]
        parts += [f"{len(self.label_names)} labels"] if self.labels is not None else []
        parts += [f"{int(self.survival.event.sum())} events"] if self.survival is not None else []
        for kind, held in (("covariates", self.covariates), ("factors", self.factors)):
            parts += [f"{kind} {', '.join(held)}"] if held else []
        return f"<Dataset {self.name!r}: {'; '.join(parts)}; digest {self.digest}>"


def checked_dataset(data: object) -> Dataset:
    """``data``, or :class:`InputError` where it is no data set."""
    if not isinstance(data, Dataset):
        raise InputError(
            f"the data are a {type(data).__name__}; they must be a Dataset, such as vb.data.read_table gives of a file and "
            "vb.data.dataset_from_arrays of arrays"
        )
    return data


class Posterior(NamedTuple):
    """A diagonal Gaussian q(z | x) per sample: ``mean`` and ``logvar`` (natural logarithm of the variance), [N, L] each."""

    mean: np.ndarray
    logvar: np.ndarray


class Given(NamedTuple):
    """What an evaluation may know beside the embedding, in the order of the data set's samples; ``None`` where unknown.

    Attributes:
        posterior: of every sample.
        reconstruction: [N, D], on the scale of the data set's ``x``.
        split: positions of the training and of the validation samples.
        redundant: columns of z that the others determine: a regression leaves them out.
    """

    posterior: Posterior | None = None
    reconstruction: np.ndarray | None = None
    split: tuple[np.ndarray, np.ndarray] | None = None
    redundant: tuple[int, ...] = ()


class Metric(NamedTuple):
    """What a file of :mod:`vaebench.metrics` exports.

    Attributes:
        name: registry, file and row name.
        needs: what must be there: ``"labels"``, ``"survival"``, ``"factors"``, ``"expression"`` in the data set,
            ``"posterior"``, ``"reconstruction"``, ``"split"`` in :class:`Given`.
        where: ``"host"`` (a process pool; a data set without expression will do) or ``"lane"`` (beside the training).
        compute: ``(z[N, L], dataset, given) -> {score: number, ..., "status": "OK" or a reason}``; never raises on odd
            embeddings. With keyword ``options`` where ``options`` below is not ``None``.
        reference: the paper or the library it must agree with.
        scores: the score keys of the dict that ``compute`` returns, always all present; ``"status"`` comes on top.
        options: the defaults, an instance of the metric's own frozen dataclass; ``None`` when there is nothing to choose.
        prepare: ``(dataset, options) -> Metric`` with all that does not depend on the embedding computed; ``None`` when
            binding the options is all there is to do.
        counts: the scores that are whole numbers whatever the options, or NaN where they are not computed; all other scores
            are floats.
    """

    name: str
    needs: tuple[str, ...]
    where: str
    compute: Callable[..., dict[str, Any]]
    reference: str
    scores: tuple[str, ...]
    options: Any = None
    prepare: Callable[[Dataset, Any], Metric] | None = None
    counts: tuple[str, ...] = ()
