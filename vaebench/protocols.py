"""Protocols of the published studies as data: settings held fixed, settings varied, and preparation of the data.

Every study has four protocols: as published, ``_scaled`` (batch chosen for the study's number of batches per epoch),
``_textbook`` (the papers' equations) and ``_scaled_textbook``.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

from vaebench.errors import InputError, unknown_name
from vaebench.nn.initialisation import INITS
from vaebench.space import Point, chain, point
from vaebench.space.combinations import combined
from vaebench.types.shown import one_line

__all__ = [
    "PROTOCOLS", "Plan", "Protocol", "default", "eltager2023", "korkic2021", "kroskinski2021", "kroskinski2021_deep",
    "kroskinski2021_zscore", "plan", "points", "protocol", "scaled", "scaled_batch", "textbook",
]  # fmt: skip
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Settings of a study.

    Attributes:
        name: name in the registry.
        reference: the paper.
        base: the settings that the study held fixed.
        grid: axis -> values that the study varied (axes of :func:`vaebench.space.product`).
        data: options of :func:`vaebench.data.read_table`: ``top``, ``deviation``, ``scaling``.
        embedding: the embedding that the study clustered: ``"mean"`` or ``"sample"``.
        per_variant: variant -> settings that the study changed for it; they also apply to variants outside the grid.
        steps_per_epoch: number of training batches per epoch for which the batch size is chosen; ``None`` uses
            ``base.batch`` as it is.
    """

    __repr__ = one_line

    name: str
    reference: str
    base: Point
    grid: Mapping[str, tuple[Any, ...]]
    data: Mapping[str, Any]
    embedding: str = "mean"
    per_variant: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    steps_per_epoch: int | None = None

    def size(self) -> int:
        """Return the number of points of the full grid."""
        return math.prod(len(values) for values in self.grid.values())


def scaled_batch(train_samples: int, steps: int) -> int:
    """Return the batch size for which the number of full batches per epoch is closest to ``steps``.

    Args:
        train_samples: number of training samples n, at least 2.
        steps: wanted number of batches per epoch, at least 1.

    Returns:
        A batch size B >= 2 that minimises abs(n // B - steps): of those next to n / steps, which use nearly all samples, the
        smallest that does.

    Raises:
        InputError: fewer than 2 training samples, or less than 1 step.

    Example:
        >>> scaled_batch(7710, 120)
        64
    """
    if train_samples < 2 or steps < 1:
        raise InputError(f"{train_samples} training samples and {steps} steps per epoch: at least 2 and 1 are needed")
    below = max(train_samples // steps, 2)
    # n // B decreases with B, so only batch sizes around n / steps can be the closest
    return min(range(max(below - 1, 2), below + 2), key=lambda batch: (abs(train_samples // batch - steps), batch))


class Plan(NamedTuple):
    """Points of a protocol on a data set.

    Attributes:
        points: in order of the axes, each once.
        notes: sentences on what was decided: axes that some variants do not have, a batch that fits a small cohort.
    """

    points: list[Point]
    notes: tuple[str, ...]


def points(chosen: Protocol, axes: Mapping[str, Any] | None = None, samples: int | None = None) -> list[Point]:
    """Return the points of :func:`plan`; its notes are given as ``UserWarning``.

    Example:
        >>> len(points(protocol("korkic2021"), {"latent": [10], "variant": "vae"}))
        15
    """
    found = plan(chosen, axes, samples)
    for note in found.notes:
        warnings.warn(note, stacklevel=2)
    return found.points


def plan(chosen: Protocol, axes: Mapping[str, Any] | None = None, samples: int | None = None) -> Plan:
    """Return the points of a protocol: its grid, with some axes replaced or added.

    A setting is taken from ``axes`` if named there, else from the grid, else from ``per_variant``, else from ``base``. An
    axis that some of the variants do not have is applied to the others, as in :func:`vaebench.space.product`.

    Args:
        chosen: the protocol.
        axes: axis -> value or values, in place of the grid's or in addition to them.
        samples: number of samples N of the data set. A protocol with ``steps_per_epoch`` needs it to choose the batch size,
            separately for each ``valid_fraction``, unless ``axes`` names ``batch``. The protocol ``default`` takes a batch of
            N/8 if its own is larger than the training part.

    Raises:
        InputError: a name or value is unknown, or ``samples`` is missing.
    """
    named = dict(axes or {})
    grid = {**chosen.grid, **named}
    variants = grid.pop("variant", chosen.base.variant)
    parts = []
    for name in [variants] if isinstance(variants, str) else variants:
        own = {k: [v] for k, v in chosen.per_variant.get(name, {}).items() if k not in named}
        parts.append({"variant": name, **own, **grid})
    made, notes = combined(chosen.base, parts)
    if "batch" in named:
        return Plan(chain(made), tuple(notes))
    if chosen.steps_per_epoch:
        if samples is None:
            raise InputError(f"protocol {chosen.name!r} chooses the batch from the number of samples; give samples")
        made = [point(p, batch=scaled_batch(_train_samples(p, samples), chosen.steps_per_epoch)) for p in made]
    elif chosen.name == "default" and samples is not None:
        fitted = [_with_fitting_batch(p, samples) for p in made]
        changed = sorted({p.batch for p, before in zip(fitted, made, strict=True) if p != before})
        if changed:
            notes.append(
                f"the batch is {', '.join(map(str, changed))} in place of {chosen.base.batch}, which is more than the training "
                f"part of {samples} samples; --set batch=... chooses another"
            )
        made = fitted
    return Plan(chain(made), tuple(notes))


def _train_samples(base: Point, samples: int) -> int:
    return samples - round(samples * base.valid_fraction)  # rounded as in vaebench.data.splits


def _with_fitting_batch(base: Point, samples: int) -> Point:
    """Return the point with the batch of ``vb.fit``, an eighth of the samples, if its own exceeds the training samples."""
    train = _train_samples(base, samples)
    return base if base.batch <= train else point(base, batch=max(2, min(samples // 8, train)))


def scaled(chosen: Protocol, steps: int) -> Protocol:
    """Return the protocol as ``NAME_scaled``, with the batch size chosen for ``steps`` batches per epoch.

    Data sets of other sizes then have the study's number of updates per epoch, so decay and patience keep their meaning.
    """
    return dataclasses.replace(chosen, **_renamed(chosen, "scaled"), steps_per_epoch=steps)


def textbook(chosen: Protocol) -> Protocol:
    """Return the protocol as ``NAME_textbook``, with the papers' equations (recipe ``textbook``) and all else equal."""
    renamed = _renamed(chosen, "textbook")
    base = point(renamed["base"], recipe="textbook")
    return dataclasses.replace(chosen, **{**renamed, "base": base})


def _renamed(chosen: Protocol, suffix: str) -> dict[str, Any]:
    name = f"{chosen.name}_{suffix}"
    return {"name": name, "base": dataclasses.replace(chosen.base, study=name)}


default = Protocol(
    name="default",
    reference="the defaults of this library, which follow the recommendations of eltager2023",
    base=Point(study="default"),
    grid={},
    data={"top": 5000, "deviation": "mean", "scaling": "zscore"},
)
"""No grid: the default settings on the 5,000 genes of largest deviation."""

eltager2023 = Protocol(
    name="eltager2023",
    reference="Eltager et al. 2023, PLoS ONE 18(10):e0292126",
    base=Point(
        study="eltager2023",
        recipe="benchmarked",
        hidden=(512,),
        norm="batch",
        output="identity",
        batch=64,
        decay=0.95,
        epochs=1000,
        min_epochs=5,
        patience=3,
        min_delta=1e-4,
        stopping="patience",
        valid_fraction=0.3,
        stratified=False,  # the paper describes a stratified split, but the released code does not stratify
    ),
    grid={
        "variant": ("vae", "beta_vae", "beta_tc_vae", "dip_vae", "iwae", "categorical_vae"),
        "latent": (10, 20, 30, 50, 100, 200),
        "learning_rate": (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6),
        "init": tuple(INITS[1:6]),
        "optimizer": ("adam", "rmsprop", "sgd"),
        "activation": ("relu", "tanh"),
        "seed": tuple(range(10)),
    },
    data={"top": 5000, "deviation": "mean", "scaling": "zscore"},
    embedding="sample",
    per_variant={"beta_tc_vae": {"decay": 1.0}, "dip_vae": {"decay": 0.97}, "logcosh_vae": {"decay": 0.97}},
)
"""Six models, their latents, learning rates, initialisations, optimizers and activations (Eltager et al. 2023)."""

_THESES = Point(
    recipe="benchmarked",  # inferred: the theses' code is not available
    hidden=(256,),
    norm="batch",
    output="normalised_sigmoid",
    batch=1000,
    activation="relu",
    init="default",
    decay=0.95,
    stratified=False,
)
_THESES_VARIANTS = ("vae", "iwae", "info_vae", "logcosh_vae")
# [0, 1] is inferred from the sigmoid for korkic2021
_THESES_DATA = {"top": 5000, "deviation": "mean", "scaling": "unit"}

korkic2021 = Protocol(
    name="korkic2021",
    reference="Korkic 2021, Benchmarking the hyper-parameter sensitivity of VAE models for cancer treatment, TU Delft",
    base=dataclasses.replace(
        _THESES,
        study="korkic2021",
        epochs=100,
        min_epochs=1,
        min_delta=0.01,
        stopping="relative",
        valid_fraction=0.1,
    ),
    grid={
        "variant": _THESES_VARIANTS,
        "latent": (10, 20, 30, 50, 100, 200),
        "learning_rate": (1e-1, 1e-2, 1e-3, 1e-4, 1e-5),
        "optimizer": ("adam", "sgd", "rmsprop"),
    },
    data=_THESES_DATA,
    per_variant={"info_vae": {"clip": 0.8}},
)
"""Four models, their latents, learning rates and optimizers (Korkic 2021)."""

kroskinski2021 = Protocol(
    name="kroskinski2021",
    reference="Kroskinski 2021, The Effect of Different Initialization Methods on VAEs for Modeling Cancer, TU Delft",
    base=dataclasses.replace(
        _THESES,
        study="kroskinski2021",
        latent=100,
        learning_rate=0.005,
        epochs=50,
        stopping="fixed",
        valid_fraction=0.2,
        validation="whole",
    ),
    grid={"variant": _THESES_VARIANTS, "init": tuple(INITS[:5]), "seed": tuple(range(10))},
    data=_THESES_DATA,
    per_variant={"info_vae": {"clip": 0.8}},
)
"""Four models and five initialisations (Kroskinski 2021)."""

kroskinski2021_deep = dataclasses.replace(
    kroskinski2021,
    name="kroskinski2021_deep",
    base=dataclasses.replace(kroskinski2021.base, study="kroskinski2021_deep", hidden=(1024, 512, 256)),
    grid={**kroskinski2021.grid, "variant": ("vae",)},
)
"""As :data:`kroskinski2021`, of the VAE with three hidden layers."""

kroskinski2021_zscore = dataclasses.replace(
    kroskinski2021,
    name="kroskinski2021_zscore",
    # inferred: a sigmoid cannot reach z-scores
    base=dataclasses.replace(kroskinski2021.base, study="kroskinski2021_zscore", output="identity"),
    data={**_THESES_DATA, "scaling": "zscore"},
)
"""As :data:`kroskinski2021`, on z-scores and with an output without bounds."""

_STUDIES = (
    (eltager2023, 120),
    (korkic2021, 9),
    (kroskinski2021, 8),
    (kroskinski2021_deep, 8),
    (kroskinski2021_zscore, 8),
)
"""Each study, and its number of batches per epoch on its own data."""

PROTOCOLS = {
    p.name: p
    for p in (
        default,
        *(kind for study, steps in _STUDIES for kind in (study, scaled(study, steps), textbook(study))),
        *(textbook(scaled(study, steps)) for study, steps in _STUDIES),
    )
}
"""Name -> protocol: ``default``, and ``NAME``, ``NAME_scaled``, ``NAME_textbook``, ``NAME_scaled_textbook`` per study."""


def protocol(name: str) -> Protocol:
    """Return the protocol of that name.

    Args:
        name: one of :data:`PROTOCOLS`.

    Raises:
        InputError: the name is unknown; the message suggests the closest one.
    """
    if not isinstance(name, str) or name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
