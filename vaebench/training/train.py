"""Training as pure functions of lanes, without input or output.

Of one program, from the inside out:

1. a step: the gradient of the variant's loss on one batch, then the optimizer's update;
2. an epoch (:func:`make_epoch`): ``scan`` over the steps, then validation and the stopping rule;
3. a call (``advance``): ``while_loop`` over epochs, until the lane stops or the call's epochs are used up;
4. a pool: ``vmap`` of the call over R lanes.

A lane carries its whole state (weights, moments, key, epoch, best loss, patience, split). All randomness of an epoch comes
from the lane's key and epoch, so lanes of one pool may start and stop at different times and no lane depends on its neighbours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import NamedSharding, PartitionSpec

from vaebench.nn.optimizers import clipped, coefficients, transformation
from vaebench.training.auxiliary import rows_of_shape, taken
from vaebench.training.compiled import compiler_options
from vaebench.training.engine import DEFAULT, Engine
from vaebench.training.lane import IDLE, RUNNING, Lane, Split, lane_sharding, scaled, stopped
from vaebench.types import Aux, Context, Model, Static, Traced, Tree
from vaebench.variants import variant

MAX_CALL_EPOCHS = 64
"""Largest number of epochs in one call of ``advance``, the length of the history it returns."""


class Train(NamedTuple):
    """Functions of one compiled program, for one lane (R = 1, unbatched) or a pool of R.

    Attributes:
        start: ``(traced, split) -> Lane``, a fresh lane; always unbatched.
        idle: ``Lane -> pool`` of R idle lanes with the shapes of that lane.
        put: ``(pool, slot, lane) -> pool`` with the lane in that slot; the old pool is consumed.
        take: ``(pool, slot) -> Lane``.
        advance: ``(pool, x[N, D] or AuxiliaryRows, k) -> (pool, history[R, MAX_CALL_EPOCHS])``: trains every running lane for at
            most k epochs. ``history`` holds their validation losses, NaN after the last one. The old pool is consumed.
        embed: ``(lane, x[N, D], sample) -> z[N, L]``, the posterior mean, or one posterior draw if ``sample`` is true.
    """

    start: Callable[..., Lane]
    idle: Callable[..., Lane]
    put: Callable[..., Lane]
    take: Callable[..., Lane]
    advance: Callable[..., tuple[Lane, jax.Array]]
    embed: Callable[..., jax.Array]


def validation_chunks(samples: int, batch: int) -> tuple[int, int]:
    """Return the number of full batches and the size of the last batch for ``samples`` validation samples.

    A single left-over sample is added to the batch before it, since losses with 1/(B - 1) need two.
    """
    full, rest = divmod(samples, batch)
    return (full - 1, batch + 1) if rest == 1 and full else (full, rest)


def make_epoch(static: Static, engine: Engine = DEFAULT) -> Callable[[Lane, jax.Array], Lane]:
    """Return ``(lane, x) -> lane``: one epoch of training, its validation and the stopping rule, for one unbatched lane."""
    model = variant(static.variant).build(static)
    train, validate = make_pass(static, model, engine), make_validation(static, model)

    def epoch(lane: Lane, x: jax.Array) -> Lane:
        trained, train_loss = train(lane, x)
        valid_loss, terms, seen = validate(trained, x)
        return stopped(
            trained._replace(epoch=lane.epoch + 1, batches=seen, train_loss=train_loss), lane, valid_loss, terms
        )

    return epoch


def make_pass(
    static: Static, model: Model, engine: Engine = DEFAULT
) -> Callable[[Lane, jax.Array], tuple[Lane, jax.Array]]:
    """Return ``(lane, x) -> (lane, mean loss)``: one pass over the training samples, in an order drawn for this epoch.

    The last partial batch is dropped.
    """
    rule = transformation(static.optimizer, flat=engine.flat_optimizer, moments=engine.moments)

    def train_epoch(lane: Lane, x: jax.Array) -> tuple[Lane, jax.Array]:
        samples = lane.split.train.shape[0]
        steps = samples // static.batch
        # keys are derived from the lane's own key and epoch, never from a shared stream: a lane draws the same numbers in any
        # slot, next to any neighbours, and after a restart from a checkpoint
        epoch_key = jax.random.fold_in(lane.key, lane.epoch)
        order_key, draw_key = jax.random.split(epoch_key)
        # shapes are static, so the last partial batch is dropped; the permutation leaves out other samples every epoch
        order = jax.random.permutation(order_key, lane.split.train)[: steps * static.batch]
        rate = lane.traced.learning_rate * lane.traced.decay ** lane.epoch.astype(jnp.float32)
        chosen = coefficients(lane.traced.optimizer)
        warm_steps = lane.traced.kl_warmup * steps

        def step(carry: Tree, inputs: Tree) -> tuple[Any, jax.Array]:
            variables, state, count, seen = carry
            index, key = inputs

            def loss(params: Tree) -> tuple[jax.Array, Aux]:
                # validation is never warmed up, so that its losses can be compared; a program without warm-up has no weight
                weight = jnp.minimum(count / warm_steps, 1.0) if static.warmed else None
                context = Context(True, samples, static.batch, seen, kl_weight=weight)
                current = {**variables, "params": params}
                batch = scaled(taken(x, index), lane.split)
                return model.loss(current, batch, key, lane.traced.hyper, lane.traced.activation, context)

            (value, aux), grads = jax.value_and_grad(loss, has_aux=True)(variables["params"])
            if static.clipped:
                grads = clipped(grads, lane.traced.clip)
            updates, state = rule.update(
                grads,
                state,
                variables["params"],
                step=count + 1,
                learning_rate=rate,
                weight_decay=lane.traced.weight_decay,
                coefficients=chosen,
                key=key,
            )
            params: Any = optax.apply_updates(variables["params"], updates)
            if model.constrained is not None:
                params = model.constrained(params)
            return ({"params": params, "batch_stats": aux.statistics}, state, count + 1, seen + 1), value

        carry = (lane.variables, lane.optimizer_state, lane.step, lane.batches)
        inputs = (order.reshape(steps, static.batch), jax.random.split(draw_key, steps))
        # scan, not an unrolled loop: the step is compiled once, whatever the number of batches
        (variables, state, count, seen), losses = jax.lax.scan(step, carry, inputs)
        lane = lane._replace(variables=variables, optimizer_state=state, step=count, batches=seen)
        return lane, jnp.mean(losses)

    return train_epoch


def make_validation(static: Static, model: Model) -> Callable[[Lane, jax.Array], Any]:
    """Return ``(lane, x) -> (loss, terms, batches seen)`` of the validation samples; weights and statistics do not change.

    Deviates: its keys are those of the epoch's training noise again. Over 8 seeds of a VAE the loss was 0.06 +- 0.07 of 147 above
    that of keys of its own, which would change the stopping, and with it the draws of every seed.
    """

    def validate(lane: Lane, x: jax.Array) -> tuple[jax.Array, dict[str, jax.Array], jax.Array]:
        valid = lane.split.valid
        whole = static.validation == "whole"
        full, rest = (0, valid.shape[0]) if whole else validation_chunks(valid.shape[0], static.batch)
        keys = jax.random.split(jax.random.fold_in(jax.random.fold_in(lane.key, lane.epoch), 1), full + 1)

        def batch(index: jax.Array, key: jax.Array, seen: jax.Array) -> dict[str, jax.Array]:
            context = Context(False, valid.shape[0], static.batch, seen)
            value, aux = model.loss(
                lane.variables,
                scaled(taken(x, index), lane.split),
                key,
                lane.traced.hyper,
                lane.traced.activation,
                context,
            )
            return {"loss": value, **aux.terms}

        def step(seen: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, Tree]:
            index, key = inputs
            return seen + 1, batch(index, key, seen)

        parts, weights, seen = [], [], lane.batches
        if full:
            index = valid[: full * static.batch].reshape(full, static.batch)
            seen, losses = jax.lax.scan(step, seen, (index, keys[:full]))
            parts.append(jax.tree.map(jnp.sum, losses))
            weights.append(static.batch if static.recipe == "textbook" else 1)
        if rest:
            parts.append(batch(valid[full * static.batch :], keys[full], seen))
            weights.append(rest if static.recipe == "textbook" else 1)
            seen = seen + 1
        # textbook: mean over samples; benchmarked: unweighted mean over batches, as in the released code
        total = valid.shape[0] if static.recipe == "textbook" else full + (rest > 0)
        summed = [jax.tree.map(lambda v, w=w: v * w / total, p) for p, w in zip(parts, weights, strict=True)]
        means = functools.reduce(lambda a, b: jax.tree.map(jnp.add, a, b), summed)
        return means.pop("loss"), means, seen

    return validate


def make_start(static: Static, engine: Engine = DEFAULT) -> Callable[[Traced, Split], Lane]:
    """Return ``(traced, split) -> Lane``, an unbatched lane before its first epoch; all randomness is from ``traced.seed``."""
    model = variant(static.variant).build(static)
    rule = transformation(static.optimizer, flat=engine.flat_optimizer, moments=engine.moments)

    def term_zeros(variables: Tree, traced: Traced) -> dict[str, jax.Array]:
        x = rows_of_shape(static, 2)
        context = Context(False, 2, static.batch, jnp.zeros((), jnp.int32))
        aux = jax.eval_shape(
            lambda v, x, t: model.loss(v, x, jax.random.key(0), t.hyper, t.activation, context)[1].terms,
            variables,
            x,
            traced,
        )
        # NaN, not 0: no epoch was run yet, so any comparison with the previous epoch must be false
        return jax.tree.map(lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), aux)

    def start(traced: Traced, split: Split) -> Lane:
        init_key, key = jax.random.split(jax.random.key(traced.seed))
        variables = model.init(init_key, traced.init)
        count = jnp.zeros((), jnp.int32)
        return Lane(
            traced=traced,
            split=split,
            key=key,
            variables=variables,
            optimizer_state=rule.init(variables["params"]),
            epoch=count,
            step=count,
            batches=count,
            status=jnp.full((), RUNNING, jnp.int32),
            best_loss=jnp.full((), jnp.inf, jnp.float32),
            best_epoch=count,
            waited=count,
            train_loss=jnp.full((), jnp.nan, jnp.float32),
            valid_loss=jnp.full((), jnp.nan, jnp.float32),
            terms=term_zeros(variables, traced),
        )

    return start


def make_train(static: Static, lanes: int, engine: Engine = DEFAULT) -> Train:
    """Return the compiled functions for ``lanes`` lanes of one static shape; the same object for the same arguments.

    One lane uses the unbatched program: a ``vmap`` over one lane is twice as slow on a CPU. ``put`` and ``advance`` consume
    the pool they are given: its buffers are donated, so that weights and moments are updated in place.

    Args:
        static: sizes and choices that are compiled in.
        lanes: R; with several local devices 1 or a multiple of their number.
        engine: options of the compilation.

    Raises:
        InputError: the lanes cannot be shared equally between the devices.
    """
    return _made(static, lanes, engine)


@functools.lru_cache(maxsize=64)
def _made(static: Static, lanes: int, engine: Engine) -> Train:
    epoch = engine.precise(make_epoch(static, engine))
    model = variant(static.variant).build(static)

    def advance(lane: Lane, x: jax.Array, k: jax.Array) -> tuple[Lane, jax.Array]:
        def body(carry: Tree) -> Tree:
            lane, i, history = carry
            lane = epoch(lane, x)
            return lane, i + 1, history.at[i].set(lane.valid_loss)

        def goes_on(carry: Tree) -> jax.Array:
            # a while_loop, since lanes stop at different epochs: under vmap it runs until no lane is running, and lanes that
            # have stopped keep their values
            return (carry[0].status == RUNNING) & (carry[1] < k)

        history = jnp.full((MAX_CALL_EPOCHS,), jnp.nan)
        lane, _, history = jax.lax.while_loop(goes_on, body, (lane, jnp.zeros((), jnp.int32), history))
        return lane, history

    start = engine.precise(make_start(static, engine))

    def idle(lane: Lane) -> Lane:
        pool = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (lanes, *leaf.shape)), lane)
        return pool._replace(status=jnp.full((lanes,), IDLE, jnp.int32))

    def put(pool: Lane, slot: jax.Array, lane: Lane) -> Lane:
        return jax.tree.map(lambda many, one: many.at[slot].set(one), pool, lane)

    def take(pool: Lane, slot: jax.Array) -> Lane:
        return jax.tree.map(lambda many: many[slot], pool)

    @engine.precise
    def embed(lane: Lane, x: jax.Array, sample: bool) -> jax.Array:
        rows = scaled(x, lane.split)
        if sample:
            key = jax.random.fold_in(lane.key, 2**31 - 1)
            return model.sample(lane.variables, rows, key, lane.traced.activation, lane.traced.hyper)
        return model.embed(lane.variables, rows, lane.traced.activation)

    jit = functools.partial(jax.jit, compiler_options=compiler_options())
    if lanes == 1:
        return Train(
            start=jit(start),
            idle=lambda lane: lane,
            put=lambda pool, slot, lane: lane,
            take=lambda pool, slot: pool,
            advance=jit(advance, donate_argnums=0),
            embed=jit(embed, static_argnums=2),
        )
    # several devices of one machine: the lane axis is sharded, the data are replicated
    layout = lane_sharding(lanes)
    whole = None if layout is None else NamedSharding(layout.mesh, PartitionSpec())
    return Train(
        start=jit(start),
        idle=jit(idle, out_shardings=layout),
        put=jit(put, donate_argnums=0, out_shardings=layout),
        take=jit(take, out_shardings=whole),
        advance=jit(jax.vmap(advance, in_axes=(0, None, None)), donate_argnums=0, out_shardings=layout),
        embed=jit(embed, static_argnums=2),
    )


def forget_programs() -> None:
    """Drop all compiled programs of :func:`make_train`, which are kept for the life of the process otherwise."""
    _made.cache_clear()
