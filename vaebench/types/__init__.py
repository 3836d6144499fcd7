"""Shared types, and the axis legend. Of the package, this module imports only the errors.

Axis legend, used in every docstring:

====== =======================================
``R``  lane (one model in training)
``N``  sample
``B``  batch sample
``D``  feature
``L``  latent
``K``  importance sample
``C``  category
``A``  auxiliary variable
``S``  signature
``T``  tumour
``M``  mutation channel
``G``  group of equal static shape
====== =======================================
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from vaebench.errors import InputError
from vaebench.types.auxiliary import Auxiliary, AuxiliaryVariable
from vaebench.types.counts import Counts
from vaebench.types.metric import Given, Metric, Posterior, no_packages
from vaebench.types.shown import dataset_line, dataset_page, one_line

if TYPE_CHECKING:
    import numpy as np  # for annotations only: the command line starts without it

    from vaebench.data.preprocessing import Preprocessing

__all__ = [
    "BASELINE",
    "LATER",
    "SCHEMA",
    "Aux",
    "Auxiliary",
    "AuxiliaryVariable",
    "Context",
    "Counts",
    "Dataset",
    "Given",
    "Metric",
    "Model",
    "Posterior",
    "Static",
    "Survival",
    "Traced",
    "Tree",
    "Variant",
    "checked_dataset",
    "no_packages",
]
__dir__ = __all__.copy

Tree = Any
"""A tree of arrays, as JAX means it: parameters, gradients, states of an optimizer, traced settings, posteriors."""

SCHEMA = 1
"""Version of the results row; increased whenever a column changes its meaning."""

LATER = {"static/likelihood": "own", "traced/kl_warmup": 0}
"""Columns of settings that were added later: rows of earlier versions have these values, and identities do not name them."""

BASELINE = "pca"
"""``static/variant`` of the rows of the baseline, the principal components of all samples, which is not trained."""


@dataclasses.dataclass(frozen=True)
class Static:
    """Settings that determine the compiled program; a change of any field compiles again.

    Attributes:
        variant: name in the registry of variants.
        features: number of features D.
        latent: number of latents L.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        batch: training batch size B.
        recipe: ``"textbook"`` (the papers' equations) or ``"benchmarked"`` (as computed by the studies' released code).
        norm: ``"batch"``, ``"layer"`` or ``"none"``, after every hidden linear layer.
        output: ``"identity"``, ``"sigmoid"``, ``"normalised_sigmoid"`` or ``"correlated"``.
        clipped: clip gradients. Static because the norm costs a pass over the weights.
        validation: ``"batches"`` of the training size, or ``"whole"`` for all validation samples in one batch.
        activation: name of an activation to compile in; ``""`` lets each lane choose. Variants for counts use it, because
            their layers are so small that computing all activations takes a third of the time.
        shape: the variant's own frozen dataclass of program-changing choices; ``None`` without any.
        optimizer: name of an optimizer that is compiled in; ``""`` for those that lanes may differ in. Not part of the
            ``repr``, which names files, so that files keep the names they had before.
        auxiliary: number of columns of each auxiliary variable that the variant uses (:attr:`Auxiliary.widths`).
        likelihood: ``"own"`` of the variant, or ``"negative_binomial"`` of raw counts.
        warmed: the KL is warmed up. Static so that programs without are as they would be if there were no warm-up.
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
    optimizer: str = dataclasses.field(default="", repr=False)
    auxiliary: tuple[int, ...] = dataclasses.field(default=(), repr=False)
    likelihood: str = dataclasses.field(default="own", repr=False)
    warmed: bool = dataclasses.field(default=False, repr=False)


class Traced(NamedTuple):
    """Settings that may differ between the lanes of one program: scalars, or [R] arrays over lanes.

    ``init``, ``optimizer``, ``activation`` and ``stopping`` are positions in the tables of
    :mod:`vaebench.nn.initialisation`, :mod:`vaebench.nn.optimizers`, :mod:`vaebench.nn.autoencoder` and
    :mod:`vaebench.training.train`. ``hyper`` is the variant's own NamedTuple of weights.
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
    kl_warmup: Any = 0


class Context(NamedTuple):
    """The state of the training at which a loss is evaluated.

    Attributes:
        training: Python bool; batch normalisation uses the statistics of the batch when true.
        samples: number of samples N of the split being evaluated (training or validation).
        batch: nominal batch size B, also for a smaller last batch.
        iteration: batches seen so far. Validation batches count, because the released capacity schedule counts them.
        shape: the variant's program-changing choices, :attr:`Static.shape`; the model's builder fills it in.
        kl_weight: weight from 0 to 1 of all of the loss but its reconstruction, while it is warmed up; ``None`` for 1.
    """

    training: bool
    samples: Any
    batch: int
    iteration: Any
    shape: Any = None
    kl_weight: Any = None


class Aux(NamedTuple):
    """Second return value of a loss: its named terms (scalars), and the updated batch statistics."""

    terms: dict[str, Any]
    statistics: Any


class Model(NamedTuple):
    """A variant for one :class:`Static`, as pure functions. ``variables`` is ``{"params": ..., "batch_stats": ...}``.

    With auxiliary variables or counts beside it, x is a :class:`vaebench.types.auxiliary.AuxiliaryRows`.

    Attributes:
        init: ``(key, init) -> variables``.
        loss: ``(variables, x[B, D], key, hyper, activation, context) -> (scalar, Aux)``.
        embed: ``(variables, x[N, D], activation) -> z[N, L]``, the posterior mean. With recipe ``"benchmarked"``, batch
            normalisation uses the statistics of the given x, here and in ``sample``.
        sample: ``(variables, x[N, D], key, activation, hyper=None) -> z[N, L]``, one draw from the posterior.
        decode: ``(variables, z[N, L], activation, auxiliary=None) -> reconstruction[N, D]``.
        posterior: ``(variables, x[N, D], activation) -> NamedTuple`` of the posterior's parameters.
        prior: ``(key, N) -> z[N, L]``, draws from p(z).
        constrained: ``params -> params``, a projection applied after every update to constrained weights; ``None`` for no
            constraint.
        latent_kl: ``(variables, x[N, D], key, activation, hyper) -> KL(q(z_l|x) || p(z_l))[N, L]`` in nats; ``None`` if not
            defined, or for a Gaussian posterior, whose parameters give it.
        trained_prior: ``(variables, key, N, activation, auxiliary=None) -> z[N, L]``, draws from a prior that is trained;
            ``None`` for a fixed one.
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
    trained_prior: Callable[..., Any] | None = None


class Variant(NamedTuple):
    """A VAE: the object that each file of :mod:`vaebench.variants` exports.

    Made by :func:`vaebench.nn.autoencoder.expression_variant` or :func:`vaebench.nn.count_autoencoder.count_variant`, which
    turn the losses and the posterior's family into ``build``.

    Attributes:
        name: name in the registry, of the file, and in rows.
        losses: recipe -> ``(outputs, hyper, context) -> (loss, terms)``.
        hyper: ``shape -> NamedTuple`` of traced weights, with the study's values. Its class attribute ``ranges`` gives the
            bounds of weights between which the loss is defined; a weight without bounds must be 0 or more and finite.
        build: ``Static -> Model``.
        reference: the paper.
        shape: ``recipe -> frozen dataclass`` of program-changing choices, or ``None`` when there are none. Its class
            attribute ``choices`` lists the allowed values of each field, and its method ``check(latent)`` refuses what cannot
            be built.
        terms: names of the terms that the losses report; each becomes a column ``loss/valid_<term>`` of a row.
        redundant: ``Static -> columns`` of z that are determined by the others; regressions on z leave them out.
        least_batch: fewest samples of a batch for which the loss is defined: 2 if it compares the samples of a batch.
        domain: ``"expression"`` (rows of a :class:`Dataset`) or ``"counts"`` (rows of an SBS96 catalogue).
        auxiliary: use of the data set's auxiliary variables: ``""`` (none); ``"inputs"`` (of encoder and decoder) or
            ``"encoder"`` (of encoder and prior), so that new samples need them too; or ``"latents"`` (they guide the first
            latents in training and give them their names).
        gaussian: the textbook loss has a Gaussian likelihood, which may be given correlated errors (output ``"correlated"``) or
            be replaced by one of counts (likelihood ``"negative_binomial"``).
        trained_prior: the prior of the latents is trained, so that their divergence from N(0, 1) is not that of the loss.
    """

    __repr__ = one_line

    name: str
    losses: Mapping[str, Callable[..., Any]]
    hyper: Callable[[Any], Any]
    build: Callable[[Static], Model]
    reference: str
    shape: Callable[[str], Any] = lambda recipe: None
    terms: tuple[str, ...] = ("reconstruction", "kl")
    redundant: Callable[[Static], tuple[int, ...]] = lambda static: ()
    least_batch: int = 1
    domain: str = "expression"
    auxiliary: str = ""
    gaussian: bool = True
    trained_prior: bool = False

    @property
    def recipes(self) -> tuple[str, ...]:
        """Names of the recipes that have a loss."""
        return tuple(self.losses)


@dataclasses.dataclass(frozen=True)
class Survival:
    """Overall survival: ``time`` [N] in days (NaN where unknown), and ``event`` [N], true for a death."""

    __repr__ = one_line
    time: np.ndarray
    event: np.ndarray


@dataclasses.dataclass(frozen=True)
class Dataset:
    """An expression matrix ready for training, with the annotations that evaluation needs.

    Read one with :func:`vaebench.data.read_table`, or build one with :func:`vaebench.data.dataset_from_arrays`.

    Attributes:
        name: short name, used in rows and titles.
        digest: first 16 hex digits of the sha256 over x, names, labels, survival, covariates, factors, auxiliary variables and
            counts.
        x: [N, D] float32, features selected and scaled with the statistics of ALL samples; no missing values.
        samples: [N] unique names.
        features: [D] names.
        centre: [D] float64; ``x = (raw - centre) / scale``.
        scale: [D] float64, positive.
        scaling: ``"zscore"``, ``"unit"`` (to [0, 1]) or ``"none"``.
        labels: [N] int32 positions in ``label_names``; ``None`` without labels.
        label_names: sorted names of the labels.
        survival: times and events; ``None`` without survival.
        covariates: name -> [N]; floats are continuous (NaN where missing), texts categorical (``""`` where missing).
        factors: name -> [N] float, known features of the samples (programmes, signature shares), NaN where missing.
        provenance: origin of the data: source, options, and numbers of samples and features dropped by reason; JSON values.
        preprocessing: the steps from the raw table to ``x``, which models apply to new samples; ``None`` if unknown.
        notes: what was decided or looks odd when the data were read: scale, names, samples, survival; one sentence each.
        auxiliary: known facts about the samples for the models that use them; ``None`` without any.
        counts: raw counts of the samples for a likelihood of counts; ``None`` unless they were asked for.
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
    preprocessing: Preprocessing | None = None
    notes: tuple[str, ...] = ()
    auxiliary: Auxiliary | None = None
    counts: Counts | None = None

    __repr__ = dataset_line
    _repr_html_ = dataset_page

    @property
    def auxiliary_widths(self) -> tuple[int, ...]:
        """Number of columns of each auxiliary variable; empty without any."""
        return () if self.auxiliary is None else self.auxiliary.widths


def checked_dataset(data: object) -> Dataset:
    """Returns ``data``; raises :class:`InputError` unless it is a data set."""
    if not isinstance(data, Dataset):
        raise InputError(
            f"the data are a {type(data).__name__}; they must be a Dataset: vb.data.read_table reads one from a file, and "
            "vb.data.dataset_from_arrays builds one from arrays"
        )
    return data
