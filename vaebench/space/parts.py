"""The two parts of a point: what is compiled into a program, and the numbers that a lane of it carries."""

from __future__ import annotations

import math

from vaebench.nn.autoencoder import ACTIVATIONS
from vaebench.nn.initialisation import INITS
from vaebench.nn.optimizers import static_optimizer, traced_optimizer
from vaebench.space.points import STOPPING, Point, shape_of
from vaebench.types import Static, Traced
from vaebench.variants import variant


def static_of(point: Point, features: int, auxiliary: tuple[int, ...] = ()) -> Static:
    """Return the part of a point that is compiled, for D ``features`` and auxiliary variables of these numbers of columns."""
    return Static(
        variant=point.variant,
        features=features,
        latent=point.latent,
        hidden=point.hidden,
        batch=point.batch,
        recipe=point.recipe,
        norm=point.norm,
        output=point.output,
        clipped=math.isfinite(point.clip),
        validation=point.validation,
        activation=point.activation if variant(point.variant).domain == "counts" else "",
        shape=shape_of(point),
        optimizer=static_optimizer(point.optimizer),
        auxiliary=auxiliary if variant(point.variant).auxiliary else (),
        likelihood=point.likelihood,
        warmed=point.kl_warmup > 0,
    )


def traced_of(point: Point) -> Traced:
    """Return the part of a point that a lane carries as numbers: Python scalars, names as positions in their tables."""
    hyper = variant(point.variant).hyper(shape_of(point))
    return Traced(
        seed=point.seed,
        learning_rate=float(point.learning_rate),
        decay=float(point.decay),
        weight_decay=float(point.weight_decay),
        clip=float(point.clip),
        init=INITS.index(point.init),
        optimizer=traced_optimizer(point.optimizer),
        activation=ACTIVATIONS.index(point.activation),
        epochs=int(point.epochs),
        min_epochs=int(point.min_epochs),
        patience=int(point.patience),
        min_delta=float(point.min_delta),
        stopping=STOPPING.index(point.stopping),
        hyper=hyper._replace(**dict(point.hyper)),
        kl_warmup=int(point.kl_warmup),
    )
