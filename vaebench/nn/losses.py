"""Loss terms, one function each, with equation and source.

Terms of a sample are sums over its features or latents, in nats; the variants average them over the batch.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def gaussian_kl(mean: jax.Array, logvar: jax.Array) -> jax.Array:
    """Return KL(N(mean, exp(logvar)) || N(0, 1)) in nats, [B], for ``mean`` and ``logvar`` [B, L].

    -1/2 sum_l (1 + logvar - mean^2 - exp(logvar)).

    Source: Kingma & Welling 2014, appendix B.
    """
    return -0.5 * jnp.sum(1 + logvar - mean**2 - jnp.exp(logvar), axis=-1)


def gaussian_nll(x: jax.Array, reconstruction: jax.Array) -> jax.Array:
    """Return -log N(x; reconstruction, I) in nats, [..., B]: 1/2 sum_d (x - reconstruction)^2 + D/2 log(2 pi).

    Leading axes of length 1 are broadcast: x [1, B, D] against a reconstruction [K, B, D] gives [K, B].
    """
    return 0.5 * jnp.sum((x - reconstruction) ** 2, axis=-1) + 0.5 * x.shape[-1] * jnp.log(2 * jnp.pi)


def mean_squared_error(x: jax.Array, reconstruction: jax.Array) -> jax.Array:
    """Return (x - reconstruction)^2 averaged over samples and features; a scalar."""
    return jnp.mean((x - reconstruction) ** 2)


def log_cosh(difference: jax.Array, a: jax.Array | float) -> jax.Array:
    """Return log(cosh(a t)) / a of every entry t: about a t^2 / 2 for small t, and |t| for large.

    Computed as log cosh u = logaddexp(u, -u) - log 2, which does not overflow.

    Source: Chen et al. 2018, Log hyperbolic cosine loss improves variational auto-encoder.
    """
    return (jnp.logaddexp(a * difference, -a * difference) - jnp.log(2.0)) / a


def huber(difference: jax.Array, delta: jax.Array | float) -> jax.Array:
    """Return t^2 / 2 of every entry t with |t| < ``delta``, and delta (|t| - delta / 2) of the others.

    Source: Huber 1964, eq. 2.10.
    """
    size = jnp.abs(difference)
    return jnp.where(size < delta, 0.5 * difference**2, delta * (size - 0.5 * delta))


def asymmetric_laplace_nll(x: jax.Array, quantile: jax.Array, tau: jax.Array | float) -> jax.Array:
    """Return -log AL(x; quantile, tau) in nats, [..., B], AL being the asymmetric Laplace density.

    sum_d u_d (tau - [u_d < 0]) - D log(tau (1 - tau)) with u = x - quantile.

    Source: Yu & Moyeed 2001, Bayesian quantile regression, eq. 2, with scale 1.
    """
    u = x - quantile
    check = jnp.where(u < 0, tau - 1, tau) * u
    return jnp.sum(check, axis=-1) - x.shape[-1] * jnp.log(tau * (1 - tau))


def gaussian_log_density(z: jax.Array, mean: jax.Array, logvar: jax.Array) -> jax.Array:
    """Return log N(z; mean, exp(logvar)) of every entry in nats; shapes are broadcast together."""
    return -0.5 * (jnp.log(2 * jnp.pi) + logvar + (z - mean) ** 2 * jnp.exp(-logvar))


def log_importance_weights(nll: jax.Array, z: jax.Array, mean: jax.Array, logvar: jax.Array) -> jax.Array:
    """Return log [p(x|z) p(z) / q(z|x)], [K, B], with p(z) = N(0, I) and q(z|x) = N(mean, exp(logvar)).

    Args:
        nll: -log p(x|z), [K, B].
        z: draws from q(z|x), [K, B, L].
        mean: of q(z|x), [B, L].
        logvar: of q(z|x), [B, L].

    Source: Burda et al. 2016, Importance weighted autoencoders, eq. 8.
    """
    log_prior = gaussian_log_density(z, jnp.zeros(()), jnp.zeros(())).sum(-1)
    return log_prior - nll - gaussian_log_density(z, mean[None], logvar[None]).sum(-1)


def importance_bound(log_weights: jax.Array, axis: int = 0) -> jax.Array:
    """Return the importance weighted bound on log p(x): the log of the mean weight over the K draws along ``axis``.

    Source: Burda et al. 2016, eq. 8.
    """
    return jax.nn.logsumexp(log_weights, axis=axis) - jnp.log(log_weights.shape[axis])


def stratified_log_weights(batch: int, samples: int) -> jax.Array:
    """Return log weights [B, B] of minibatch stratified sampling: sum_j w_ij q(z_i|x_j) is unbiased for q(z_i).

    The batch has B of the N samples. w_ii = 1/N, w_ij = 1/(B - 1), and (N - B + 1)/(N (B - 1)) for one j, here i + 1 modulo B;
    rows sum to 1.

    Source: Chen et al. 2018, Isolating sources of disentanglement, appendix C.2.
    """
    others = max(batch - 1, 1)
    offset = (jnp.arange(batch)[None] - jnp.arange(batch)[:, None]) % batch
    weights = jnp.where(offset == 1, (samples - batch + 1) / (samples * others), 1 / others)
    return jnp.log(jnp.where(offset == 0, 1 / samples, weights))


def mixture_log_densities(
    z: jax.Array, mean: jax.Array, logvar: jax.Array, log_weights: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return log q(z|x), log q(z) and sum_l log q(z_l), each [B], with q the mixture sum_j w_ij q(.|x_j) of the batch.

    ``z``, ``mean`` and ``logvar`` are [B, L], ``log_weights`` [B, B]: row of z, column of the component.

    Source: Chen et al. 2018, section 3 and appendix C.
    """
    own = gaussian_log_density(z, mean, logvar).sum(-1)
    each = gaussian_log_density(z[:, None], mean[None], logvar[None])
    joint = jax.nn.logsumexp(log_weights + each.sum(-1), axis=1)
    product = jax.nn.logsumexp(log_weights[..., None] + each, axis=1).sum(-1)
    return own, joint, product


def covariance(mean: jax.Array) -> jax.Array:
    """Return the covariance [L, L] of ``mean`` [B, L] over the batch, divided by B."""
    centred = mean - mean.mean(0, keepdims=True)
    return centred.T @ centred / len(mean)


def covariance_penalty(matrix: jax.Array, off_diagonal: jax.Array | float, diagonal: jax.Array | float) -> jax.Array:
    """Return off_diagonal sum_{i != j} C_ij^2 + diagonal sum_i (C_ii - 1)^2 of C [L, L]; scalar.

    Source: Kumar et al. 2018, Variational inference of disentangled latent concepts, eqs. 6-7.
    """
    own = jnp.eye(len(matrix), dtype=bool)
    squares = jnp.where(own, diagonal * (matrix - 1) ** 2, off_diagonal * matrix**2)
    return jnp.sum(squares)


def categorical_kl(logits: jax.Array) -> jax.Array:
    """Return KL(categorical(softmax(logits)) || uniform) in nats, [..., C] -> [...]: sum_c q log q + log C."""
    log_q = jax.nn.log_softmax(logits, axis=-1)
    return jnp.sum(jnp.exp(log_q) * log_q, axis=-1) + jnp.log(logits.shape[-1])


def squared_distances(u: jax.Array, v: jax.Array) -> jax.Array:
    """Return the squared Euclidean distances [B, B] between the rows of u and v [B, L].

    By a matrix product, without an array [B, B, L]; differences that rounding makes negative are set to 0.
    """
    products = jnp.matmul(u, v.T, precision=jax.lax.Precision.HIGHEST)
    return jnp.maximum(jnp.sum(u**2, 1)[:, None] + jnp.sum(v**2, 1)[None] - 2 * products, 0.0)


def off_diagonal_sum(matrix: jax.Array) -> jax.Array:
    """Return the sum of a square matrix without its diagonal; scalar."""
    return jnp.sum(jnp.where(jnp.eye(len(matrix), dtype=bool), 0.0, matrix))


def sliced_wasserstein(z: jax.Array, prior: jax.Array, directions: jax.Array) -> jax.Array:
    """Return the squared 2-Wasserstein distance of the projections of z and prior [B, L], averaged over ``directions`` [P, L].

    Directions have unit length. In one dimension the optimal transport pairs sorted values:
    mean_p mean_b (sorted(z d_p)_b - sorted(prior d_p)_b)^2.

    Source: Kolouri et al. 2019, Sliced Wasserstein auto-encoders.
    """
    return jnp.mean((jnp.sort(z @ directions.T, axis=0) - jnp.sort(prior @ directions.T, axis=0)) ** 2)


def poisson_loss(x: jax.Array, rate: jax.Array) -> jax.Array:
    """Return rate - x log(rate + 1e-7) of every entry: -log Poisson(x; rate) up to terms that do not depend on the rate.

    Leading axes of length 1 are broadcast. Source: the Poisson loss of Keras, with its constant.
    """
    return rate - x * jnp.log(rate + 1e-7)


def log_volume(rows: jax.Array) -> jax.Array:
    """Return the natural log det(W W' + I) of W [L, D], a scalar: 0 for W = 0, and small if rows are short or similar.

    Source: Pancotti et al. 2024 (minimum volume), with a logarithm to base 10 there.
    """
    return jnp.linalg.slogdet(rows @ rows.T + jnp.eye(len(rows)))[1]
