"""Variational autoencoders of expression data: families of posteriors, and the pure functions of a model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vaebench.errors import InputError
from vaebench.nn.counts import LIKELIHOODS as LIKELIHOODS
from vaebench.nn.counts import count_nll
from vaebench.nn.initialisation import initial_variables
from vaebench.nn.layers import ACTIVATIONS as ACTIVATIONS
from vaebench.nn.layers import NORMS as NORMS
from vaebench.nn.layers import Norm as Norm
from vaebench.nn.layers import activate as activate
from vaebench.nn.losses import gaussian_nll
from vaebench.nn.network import OUTPUTS as OUTPUTS
from vaebench.nn.network import PRIORS as PRIORS
from vaebench.nn.network import Autoencoder
from vaebench.nn.priors import Gaussian as Gaussian
from vaebench.nn.priors import Mixture, mixture_draw
from vaebench.nn.residuals import whitened
from vaebench.types import Aux, Context, Model, Static, Tree, Variant
from vaebench.types.auxiliary import AuxiliaryRows
from vaebench.types.counts import CountRows


class Family(NamedTuple):
    """A family of posteriors q(z|x), as pure functions of the encoder's heads.

    Attributes:
        heads: names of the linear heads, each of L columns.
        posterior: ``(*values [B, L]) -> NamedTuple`` of parameters.
        draw: ``(key, posterior, hyper, draws) -> z`` [B, L], or [draws, B, L] if ``draws`` is a number. ``hyper`` may be
            ``None``; the variant's defaults are used then.
        mean: ``posterior -> z`` [B, L], the embedding without noise.
        prior: ``(key, (N, L)) -> z`` [N, L] from p(z).
    """

    heads: tuple[str, ...]
    posterior: Callable[..., Any]
    draw: Callable[..., jax.Array]
    mean: Callable[[Any], jax.Array]
    prior: Callable[..., jax.Array] = jax.random.normal


def gaussian_draw(key: jax.Array, q: Gaussian, hyper: Tree, draws: int | None) -> jax.Array:
    """Draw z = mean + sigma eps with eps from N(0, 1): [B, L], or [draws, B, L]."""
    if draws is None:
        return q.mean + jnp.exp(0.5 * q.logvar) * jax.random.normal(key, q.mean.shape)
    return q.mean[None] + jnp.exp(0.5 * q.logvar)[None] * jax.random.normal(key, (draws, *q.mean.shape))


GAUSSIAN = Family(("mean_head", "logvar_head"), Gaussian, gaussian_draw, lambda q: q.mean)


class Outputs(NamedTuple):
    """Inputs of an objective.

    Attributes:
        x: [B, D].
        reconstruction: [B, D], or [K, B, D] if K posterior draws are decoded.
        posterior: parameters of q(z|x).
        z: draws from q(z|x), [B, L] or [K, B, L].
        prior: draws from p(z), [B, L], for losses that compare q(z) with it; the compiler drops them if none does.
        key: for further draws of the loss.
        learned: parameters of a learned prior: a :class:`Mixture`, or a :class:`Gaussian` of each sample; else ``None``.
        auxiliary: coded auxiliary variables and their mask, [B, 2 A]; ``None`` for a variant that uses none.
        auxiliary_widths: number of columns of each of them.
        decoder: parameters of the decoder's layers.
        counts: raw counts of the samples, for the likelihood of counts; ``None`` for the Gaussian one.
        log_theta: logarithm of the dispersion of that likelihood, [D].
        half: half the log determinant of the covariance of correlated errors, of which x and the reconstruction are white.
    """

    x: jax.Array
    reconstruction: jax.Array
    posterior: Any
    z: jax.Array
    prior: Any = None
    key: Any = None
    learned: Any = None
    auxiliary: Any = None
    auxiliary_widths: tuple[int, ...] = ()
    decoder: Any = None
    counts: CountRows | None = None
    log_theta: Any = None
    half: jax.Array | float = 0.0

    def nll(self) -> jax.Array:
        """Return -log p(x|z) in nats, [B], or [K, B] for K draws: of a Gaussian, with correlated errors or not, or counts."""
        if self.counts is not None:
            return count_nll(self.counts, self.reconstruction, self.log_theta)
        x = self.x[None] if self.reconstruction.ndim > self.x.ndim else self.x
        return gaussian_nll(x, self.reconstruction) + self.half


Objective = Callable[[Outputs, Any, Any], tuple[jax.Array, dict[str, jax.Array]]]
"""``(outputs, hyper, context) -> (loss, terms)``: the loss of a variant, a function of tensors that needs no network."""


def autoencoder_model(
    static: Static,
    objective: Objective,
    family: Family = GAUSSIAN,
    *,
    draws: int | None = None,
    extra: int = 0,
    inputs: tuple[str, ...] = (),
    prior: str = "",
    components: int = 0,
    substituted: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
    weight: Callable[[Any], jax.Array | float] = lambda hyper: 1.0,
) -> Model:
    """Return the pure functions of a VAE on expression data.

    Args:
        static: sizes and choices that are compiled in.
        objective: the loss.
        family: the family of posteriors.
        draws: K, posterior draws per sample. All go through the decoder as [K*B, L], so batch normalisation sees K*B rows.
            ``None`` for one draw without an axis of its own.
        extra: width of one more linear layer before the heads; 0 for none.
        inputs: which of ``"encoder"`` and ``"decoder"`` take the auxiliary variables beside x and z.
        prior: one of :data:`PRIORS` for a learned prior, ``""`` for the family's. The objective gets it as ``learned``.
        components: of the learned prior.
        substituted: ``(z, auxiliary) -> z`` with the latents that are known in training in place of their draws.
        weight: ``hyper ->`` weight of the reconstruction in the loss.

    Returns:
        The functions, with the shapes of :class:`vaebench.types.Model`.

    Deviates: nothing in the released code switches batch normalisation to running statistics before the final embedding, so
    ``embed`` and ``sample`` of recipe ``benchmarked`` use the statistics of the x they are given: z of a sample depends on
    the samples around it. ``posterior`` (by default) and ``decode`` use running statistics in both recipes.
    """
    module, by_batch = _module(static, family, extra, inputs, prior, components), static.recipe == "benchmarked"

    def init(key: jax.Array, init: jax.Array) -> jax.Array:
        return initial_variables(module, key, init, static.features, static.recipe)

    given, learned = functools.partial(_given, inputs), functools.partial(_learned, module, family)

    def loss(
        variables: Tree, x: jax.Array, key: jax.Array, hyper: Tree, activation: jax.Array, context: Context
    ) -> tuple[jax.Array, Aux]:
        counts = x.counts if isinstance(x, AuxiliaryRows) else None
        x, auxiliary = parted(x)
        applied = functools.partial(_applied, module, variables, activation, context.training)
        # encoder and decoder each update their own leaves of one tree of statistics, so it is passed from one to the other
        heads, changed = applied("encode", x, variables["batch_stats"], given("encoder", auxiliary))
        q = family.posterior(*heads)
        z = family.draw(key, q, hyper, draws)
        z = z if substituted is None or auxiliary is None else substituted(z, auxiliary)
        known = tuple(jnp.tile(u, (len(z) if z.ndim == 3 else 1, 1)) for u in given("decoder", auxiliary))
        decoded, changed = applied("decode", z.reshape(-1, static.latent), changed.get("batch_stats", {}), known)
        prior_key, own_key = jax.random.fold_in(key, 1), jax.random.fold_in(key, 2)
        drawn = (family.prior(prior_key, (len(x), static.latent)), own_key, learned(variables, activation, auxiliary))
        decoded = decoded.reshape(*z.shape[:-1], static.features)
        decoder = {name: variables["params"][name] for name in ("decoder", "output_layer")}
        counting = (counts, module.apply(variables, method="log_theta") if module.counted else None)
        outputs = Outputs(x, decoded, q, z, *drawn, auxiliary, static.auxiliary, decoder, *counting)
        value, terms = _value(module, objective, variables, outputs, hyper, context._replace(shape=static.shape))
        return warmed(value, weight(hyper) * terms["reconstruction"], context), Aux(
            terms, changed.get("batch_stats", {})
        )

    def posterior(variables: Tree, x: jax.Array, activation: jax.Array, training: bool = False) -> Tree:
        x, auxiliary = parted(x)
        known = given("encoder", auxiliary)
        return family.posterior(*module.apply(variables, x, activation, training, *known, method="encode"))

    def embed(variables: Tree, x: jax.Array, activation: jax.Array) -> jax.Array:
        return family.mean(posterior(variables, x, activation, by_batch))

    def sample(variables: Tree, x: jax.Array, key: jax.Array, activation: jax.Array, hyper: Tree = None) -> jax.Array:
        return family.draw(key, posterior(variables, x, activation, by_batch), hyper, None)

    def decode(variables: Tree, z: jax.Array, activation: jax.Array, auxiliary: jax.Array | None = None) -> Tree:
        return module.apply(variables, z, activation, False, *given("decoder", auxiliary), method="decode")

    prior_draws = functools.partial(_prior_draws, static, family, bool(prior))
    own_draws = functools.partial(_trained_prior, learned, family) if prior else None
    return Model(init, loss, embed, sample, decode, posterior, prior_draws, trained_prior=own_draws)


def _module(
    static: Static, family: Family, extra: int, inputs: tuple[str, ...], prior: str, components: int
) -> Autoencoder:
    """Return the network of :func:`autoencoder_model`."""
    sizes = (static.features, static.latent, static.hidden, static.norm, static.output)
    counted = static.likelihood == "negative_binomial"
    return Autoencoder(*sizes, family.heads, extra, 2 * sum(static.auxiliary), inputs, prior, components, counted)


def warmed(value: jax.Array, reconstruction: jax.Array, context: Context) -> jax.Array:
    """Return w loss + (1 - w) reconstruction, w = ``context.kl_weight``: nll + w KL of the negative ELBO nll + KL.

    Of every other loss, likewise, all but the reconstruction is weighted by w: a total correlation, a penalty, or the difference
    of an importance weighted bound from the expected reconstruction. ``reconstruction`` is as it is in the loss.

    Source: Bowman et al. 2016, Generating sentences from a continuous space, section 3.1; Sonderby et al. 2016.
    """
    if context.kl_weight is None:
        return value
    return reconstruction + context.kl_weight * (value - reconstruction)


def parted(x: jax.Array | AuxiliaryRows) -> tuple[jax.Array, jax.Array | None]:
    """Return x and its auxiliary variables, ``None`` without any."""
    return (x.x, x.auxiliary) if isinstance(x, AuxiliaryRows) else (x, None)


def _given(inputs: tuple[str, ...], part: str, auxiliary: jax.Array | None) -> tuple[jax.Array, ...]:
    """Return the auxiliary variables as a further argument of encoder or decoder, nothing for a part that takes none."""
    return (auxiliary,) if part in inputs and auxiliary is not None else ()


def _learned(
    module: Autoencoder, family: Family, variables: Tree, activation: jax.Array, auxiliary: jax.Array | None
) -> Tree:
    """Return the parameters of the learned prior, a :class:`Mixture` or a :class:`Gaussian`; ``None`` for a fixed one."""
    if module.prior == "vamp":  # encoded apart from the batch, so that they do not enter its statistics
        pseudo = variables["params"]["pseudo_inputs"]["kernel"]
        q = family.posterior(*module.apply(variables, pseudo, activation, False, method="encode"))
        return Mixture(q.mean, q.logvar, jnp.zeros(module.components))
    return module.apply(variables, auxiliary, method="learned_prior") if module.prior else None


def _applied(
    module: Autoencoder,
    variables: Tree,
    activation: jax.Array,
    training: bool,
    method: str,
    value: jax.Array,
    statistics: Tree,
    known: tuple[jax.Array, ...],
) -> tuple[Tree, Tree]:
    """Return the output of encoder or decoder with these batch statistics, and the statistics that it has changed."""
    current = {**variables, "batch_stats": statistics}
    return module.apply(current, value, activation, training, *known, method=method, mutable=["batch_stats"])


def _value(
    module: Autoencoder, objective: Objective, variables: Tree, outputs: Outputs, hyper: Tree, context: Context
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return a loss and its terms.

    With correlated errors the objective gets white coordinates, in which its unit-variance likelihood is the correlated one up
    to half the log determinant.
    """
    if module.output != "correlated":
        return objective(outputs, hyper, context)
    covariance: Tree = module.apply(variables, method="residual_covariance")
    (x, decoded), half = whitened((outputs.x, outputs.reconstruction), covariance)
    return objective(outputs._replace(x=x, reconstruction=decoded, half=half), hyper, context)


def _prior_draws(static: Static, family: Family, learned: bool, key: jax.Array, samples: int) -> jax.Array:
    """Draw z [samples, L] from a fixed prior."""
    if learned:
        raise InputError(f"the prior of {static.variant} is learned here: it has no draws without a trained model")
    return family.prior(key, (samples, static.latent))


def _trained_prior(
    learned: Callable[..., Any],
    family: Family,
    variables: Tree,
    key: jax.Array,
    samples: int,
    activation: jax.Array,
    auxiliary: jax.Array | None = None,
) -> jax.Array:
    """Draw z [samples, L] from a trained mixture, or from the Gaussian of each row of auxiliary variables."""
    parameters = learned(variables, activation, auxiliary)
    if isinstance(parameters, Mixture):
        return mixture_draw(key, parameters, samples)
    return family.draw(key, parameters, None, None)


def expression_variant(
    *,
    name: str,
    losses: Mapping[str, Objective],
    hyper: Callable[[Any], Any],
    reference: str,
    family: Callable[[Static], Family] = lambda static: GAUSSIAN,
    draws: Callable[[Any], int | None] = lambda shape: None,
    extra: Callable[[Static], int] = lambda static: 0,
    network: Callable[[Static], Mapping[str, Any]] = lambda static: {},
    **fields: Tree,
) -> Variant:
    """Return the registry entry of a VAE on expression data, built from its losses.

    Args:
        name: name in the registry, of the file and in rows.
        losses: recipe -> objective.
        hyper: ``shape -> NamedTuple`` of traced weights with their defaults.
        reference: the paper.
        family: ``static -> Family``, the posterior.
        draws: ``shape -> K``, decoded posterior draws per sample; ``None`` for one draw without an axis of its own.
        extra: ``static ->`` width of one more linear layer before the heads; 0 for none.
        network: ``static ->`` other keywords of :func:`autoencoder_model`.
        **fields: the other fields of :class:`vaebench.types.Variant`.

    Example::

        VARIANT = expression_variant(
            name="vae", losses={"textbook": textbook}, hyper=lambda shape: Hyper(), reference="Kingma & Welling 2014"
        )
    """

    def build(static: Static) -> Model:
        return autoencoder_model(
            static,
            losses[static.recipe],
            family(static),
            draws=draws(static.shape),
            extra=extra(static),
            **network(static),
        )

    return Variant(name=name, losses=losses, hyper=hyper, build=build, reference=reference, **fields)
