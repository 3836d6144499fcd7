"""A sweep of the sparse method draws from the posterior from which the general sampler draws."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.signatures.kl_nmf import padded
from vaebench.signatures.sampler import gibbs
from vaebench.signatures.sampler import problem as problem_of
from vaebench.signatures.sparse import sweeps
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.training import threads

OPTIONS = SparseOptions()

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def problem():
    catalogue, truth = simulate_catalogue(2, tumours=12, signatures=4, types=1)
    x, s, e = (jnp.asarray(t.to_numpy(), jnp.float32) for t in (catalogue, truth.signatures, truth.exposures))
    prior = problem_of.Prior(jnp.full(4, 0.5), jnp.full(4, 6.0), jnp.full(4, 1.0))
    return x, s, e, jnp.maximum(e @ s, 0.05), prior


def test_draws_are_those_of_the_general_sampler(problem):
    x, s, start, variance, prior = problem
    sweeps_made = 600

    def ours(key, e):
        return sweeps.sparse_sweep(key, x, s, variance, e, prior, jnp.int32(4), OPTIONS)

    held, slabs = problem_of.held(problem_of.Problem(x, s, variance)), problem_of.slabs_of(prior, np.dtype("float32"))

    def theirs(key, e):
        return gibbs.swept(key, 0, e, held, slabs).exposures

    def moments(sweep):
        def step(e, key):
            e = sweep(key, e)
            return e, (e, e > 0)

        drawn, present = jax.jit(lambda keys: jax.lax.scan(step, start, keys)[1])(
            jax.random.split(jax.random.key(1), sweeps_made)
        )
        drawn, present = np.asarray(drawn)[50:], np.asarray(present)[50:]
        blocks = drawn.reshape(10, -1, *drawn.shape[1:]).mean(1)
        return drawn.mean(0), blocks.std(0, ddof=1) / np.sqrt(10), present.mean(0), drawn.std(0)

    (mean, error, there, sd), (mean2, error2, there2, sd2) = moments(ours), moments(theirs)
    distance = np.abs(mean - mean2) / np.sqrt(error**2 + error2**2 + 1e-6)
    assert np.sqrt(np.mean(distance**2)) < 1.6
    np.testing.assert_allclose(there, there2, atol=0.2)
    assert np.abs(there - there2).mean() < 0.02
    np.testing.assert_allclose(sd.mean(), sd2.mean(), rtol=0.1)


def test_padding_is_not_visited(problem):
    x, s, start, variance, prior = problem
    wide, exposures = padded(s, 8), jnp.pad(start, ((0, 0), (0, 4)))
    longer = problem_of.Prior(*(jnp.pad(values, (0, 4), constant_values=0.5) for values in prior))
    drawn = sweeps.sparse_sweep(jax.random.key(0), x, wide, variance, exposures, longer, jnp.int32(4), OPTIONS)
    assert np.isfinite(np.asarray(drawn)).all()
    assert not np.asarray(drawn)[:, 4:].any()
    assert np.asarray(drawn)[:, :4].any()


def test_pairs_are_products():
    rows = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    products, place = np.asarray(sweeps.pair_products(jnp.asarray(rows))), sweeps.pair_positions(3)
    np.testing.assert_array_equal(products[place], rows[:, None] * rows[None])


@pytest.mark.parametrize("count", [0, 1, 4, 5, 8])
def test_sums_of_pairs_are_those_of_all_pairs_also_where_half_is_padding(count):
    rng = np.random.default_rng(1)
    rows, weight = np.zeros((8, 6)), rng.random((6, 7))
    rows[:count] = rng.random((count, 6))
    sums = sweeps.pair_sums(jnp.asarray(rows), jnp.asarray(weight), jnp.int32(count))
    wanted = np.einsum("jn,kn,nq->jkq", rows, rows, weight)
    np.testing.assert_allclose(np.asarray(sums)[sweeps.pair_positions(8)], wanted, rtol=1e-5)


def test_tasks_run_with_the_precision_of_their_caller():
    with jax.default_matmul_precision("highest"):
        both = threads.side_by_side(*[lambda: jax.config.jax_default_matmul_precision] * 2)
    assert both == ("highest", "highest")
