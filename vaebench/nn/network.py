"""The network of a VAE of expression data (flax.linen): encoder, mirrored decoder, and the weights of learned priors."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from vaebench.nn.counts import Dispersion
from vaebench.nn.layers import Hidden, Norm
from vaebench.nn.priors import ConditionalPrior, Gaussian, Mixture, MixturePrior, Weights
from vaebench.nn.residuals import Covariance, ResidualCovariance

PRIORS = ("vamp", "mixture", "conditional")
"""Learned priors: the posteriors of learned inputs, a mixture of Gaussians, or a Gaussian given the auxiliary variables."""
OUTPUTS = ("identity", "sigmoid", "normalised_sigmoid", "correlated")
"""Outputs of the decoder. ``normalised_sigmoid`` applies the hidden layers' normalisation before the sigmoid (korkic2021).
``correlated`` is the identity, and the errors of the likelihood have a learned covariance (:mod:`vaebench.nn.residuals`)."""


class Autoencoder(nn.Module):
    """Encoder with linear heads, and the mirrored decoder.

    Attributes:
        features: D.
        latent: L.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse order.
        norm: one of :data:`vaebench.nn.layers.NORMS`.
        output: one of :data:`OUTPUTS`.
        heads: names of the linear heads.
        extra: width of one more linear layer before the heads; 0 for none.
        columns: number 2 A of columns of the auxiliary variables and their mask; 0 without any.
        inputs: which of ``"encoder"`` and ``"decoder"`` take them as further inputs.
        prior: how the prior is learned, one of :data:`PRIORS`; ``""`` for a fixed one.
        components: of the learned prior.
        counted: the likelihood is that of counts, with a learned dispersion.
    """

    features: int
    latent: int
    hidden: tuple[int, ...]
    norm: str
    output: str
    heads: tuple[str, ...]
    extra: int
    columns: int = 0
    inputs: tuple[str, ...] = ()
    prior: str = ""
    components: int = 0
    counted: bool = False

    def setup(self) -> None:
        """Create the layers of encoder and decoder."""
        self.encoder = Hidden(self.hidden, self.norm)
        if self.extra:
            self.extra_layer = nn.Dense(self.extra)
        for head in self.heads:
            setattr(self, head, nn.Dense(self.latent))
        self.decoder = Hidden(self.hidden[::-1], self.norm)
        self.output_layer = nn.Dense(self.features)
        if self.output == "normalised_sigmoid" and self.norm != "none":
            self.output_norm = Norm(self.norm)
        if self.output == "correlated":
            self.covariance = ResidualCovariance(self.features)
        if self.counted:
            self.dispersion = Dispersion(self.features)
        if self.prior == "vamp":
            self.pseudo_inputs = Weights("kernel", (self.components, self.features))
        elif self.prior == "mixture":
            self.mixture = MixturePrior(self.components, self.latent)
        elif self.prior == "conditional":
            self.conditional = ConditionalPrior(self.hidden[-1], self.latent)

    def encode(
        self, x: jax.Array, activation: jax.Array, training: bool, auxiliary: jax.Array | None = None
    ) -> tuple[jax.Array, ...]:
        """Return the heads' values, each [B, L], for x [B, D], with auxiliary variables [B, 2 A] beside it if given."""
        h = self.encoder(_beside(x, auxiliary), activation, training)
        if self.extra:
            h = self.extra_layer(h)
        return tuple(getattr(self, head)(h) for head in self.heads)

    def decode(
        self, z: jax.Array, activation: jax.Array, training: bool, auxiliary: jax.Array | None = None
    ) -> jax.Array:
        """Return the reconstruction [B, D] of z [B, L], with auxiliary variables [B, 2 A] beside it if given."""
        out = self.output_layer(self.decoder(_beside(z, auxiliary), activation, training))
        if self.output == "normalised_sigmoid" and self.norm != "none":
            out = self.output_norm(out, training)
        return out if self.output in ("identity", "correlated") else nn.sigmoid(out)

    def residual_covariance(self) -> Covariance:
        """Return the learned covariance of the errors."""
        return self.covariance()

    def log_theta(self) -> jax.Array:
        """Return the logarithm of the learned inverse dispersion, [D]."""
        return self.dispersion()

    def __call__(self, x: jax.Array, activation: jax.Array, training: bool) -> jax.Array:
        """Use every layer once, so that initialisation reaches all of them."""
        known = jnp.zeros((len(x), self.columns)) if self.columns else None
        if self.output == "correlated":
            self.covariance()
        if self.counted:
            self.dispersion()
        if self.prior == "vamp":
            self.pseudo_inputs()
        elif self.prior:
            self.learned_prior(known)
        encoded, decoded = (known if part in self.inputs else None for part in ("encoder", "decoder"))
        return self.decode(self.encode(x, activation, training, encoded)[0], activation, training, decoded)

    def learned_prior(self, auxiliary: jax.Array | None) -> Mixture | Gaussian:
        """Return the learned mixture, or the Gaussian given auxiliary variables [B, 2 A]."""
        if self.prior == "mixture":
            return self.mixture()
        assert auxiliary is not None
        return Gaussian(*self.conditional(auxiliary))


def _beside(values: jax.Array, auxiliary: jax.Array | None) -> jax.Array:
    """Return ``values`` [B, .] with the auxiliary variables as further columns, if there are any."""
    return values if auxiliary is None else jnp.concatenate([values, auxiliary], axis=-1)
