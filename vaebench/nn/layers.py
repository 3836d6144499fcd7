"""Layers of the networks (flax.linen), and the table of activations that lanes choose from.

The activation is a traced integer, so lanes of one compiled program may have different ones.
"""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

_ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "tanh": jnp.tanh,
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "elu": nn.elu,
    "softplus": nn.softplus,
}
ACTIVATIONS = tuple(_ACTIVATIONS)
"""Activations of the hidden layers, in the order of the traced index."""

NORMS = ("batch", "layer", "none")


def activate(x: jax.Array, activation: jax.Array | str) -> jax.Array:
    """Apply the activation of that name, or of that traced position in :data:`ACTIVATIONS`, to every entry of ``x``."""
    if isinstance(activation, str):
        return _ACTIVATIONS[activation](x)
    return jax.lax.switch(activation, tuple(_ACTIVATIONS.values()), x)


class Norm(nn.Module):
    """Batch or layer normalisation of [B, width], eps 1e-5, with a learned scale and offset per column.

    Batch normalisation follows Ioffe & Szegedy 2015, algorithm 2: a batch is normalised by its biased variance, and the
    running variance is updated with weight 0.1 by the UNBIASED one. Deviates: flax's layer uses the biased one for both.
    """

    kind: str

    @nn.compact
    def __call__(self, x: jax.Array, training: bool) -> jax.Array:
        """Return ``x`` normalised: in training by its own statistics, else by the running ones.

        In training the running statistics are updated if the collection ``batch_stats`` is mutable.
        """
        width = x.shape[-1:]
        scale, bias = self.param("scale", nn.initializers.ones, width), self.param("bias", nn.initializers.zeros, width)
        if self.kind == "layer":
            mean, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
        else:
            running = [self.variable("batch_stats", n, c, width) for n, c in (("mean", jnp.zeros), ("var", jnp.ones))]
            mean, var = (statistic.value[None] for statistic in running)
            if training:
                # two-pass variance: the fast form E[x^2] - E[x]^2 cancels in float32 for the large initial scales of the grid
                mean, var = x.mean(0, keepdims=True), x.var(0, keepdims=True)
                if self.is_mutable_collection("batch_stats"):
                    unbiased = var[0] * (len(x) / max(len(x) - 1, 1))
                    for statistic, value in zip(running, (mean[0], unbiased), strict=True):
                        statistic.value = 0.9 * statistic.value + 0.1 * value
        return (x - mean) * (jax.lax.rsqrt(var + 1e-5) * scale[None]) + bias[None]


class Hidden(nn.Module):
    """Hidden layers, [B, in] -> [B, widths[-1]]: for every width a linear layer, the normalisation and the activation.

    With ``norm_last`` the activation comes before the normalisation.
    """

    widths: tuple[int, ...]
    norm: str
    norm_last: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, activation: jax.Array | str, training: bool) -> jax.Array:
        """Return the activations of the last hidden layer, [B, widths[-1]]."""
        for i, width in enumerate(self.widths):
            x = nn.Dense(width, name=f"linear_{i}")(x)
            if self.norm_last:
                x = activate(x, activation)
            if self.norm != "none":
                x = Norm(self.norm, name=f"norm_{i}")(x, training)
            if not self.norm_last:
                x = activate(x, activation)
        return x
