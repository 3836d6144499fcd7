"""How the compiled programs of a training are made and called: what changes their speed, and never a point's identity."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax

from vaebench.errors import InputError, unknown_name
from vaebench.types import Tree

PRECISIONS = {"highest": "highest", "tensorfloat32": "tensorfloat32", "bfloat16": "BF16_BF16_F32"}
"""Precision of matrix products -> its name in JAX (where "bfloat16" would mean a device's fastest: TF32 on a GPU)."""

MOMENTS = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Engine:
    """Choices of the training engine; the defaults give the same numbers on a CPU and on a GPU, up to rounding.

    Attributes:
        matmul_precision: of every matrix product. ``"highest"`` is float32 everywhere, so that results of a CPU and of a GPU
            can be compared; ``"tensorfloat32"`` is what JAX takes by itself on GPUs that have it (10 bits of mantissa, faster
            products); ``"bfloat16"`` rounds the factors to 7 bits and sums in float32. On a CPU all three are float32.
        flat_optimizer: update all weights as one vector: one kernel a step in place of one for each of a dozen leaves, at the
            price of copying gradients together and updates apart. Off: on a CPU a step takes a third longer with it.
        moments: type of Adam's two moments. ``"bfloat16"`` halves 16 of the 40 bytes that an update moves for a weight; they
            are rounded stochastically, since 0.999 of a bfloat16 rounds to itself and would never decay. Off: meant for
            devices bound by memory; on a CPU the rounding makes a step a third longer.
        call_seconds: wished length of one call of the program: short enough to refill soon, long enough to hide the host's
            work (1 to 2 ms a call). Not part of the program, so changing it compiles nothing again.
    """

    matmul_precision: str = "highest"
    flat_optimizer: bool = False
    moments: str = "float32"
    call_seconds: float = dataclasses.field(default=0.05, compare=False)

    def __post_init__(self) -> None:
        for name, allowed in (("matmul_precision", PRECISIONS), ("moments", MOMENTS)):
            if getattr(self, name) not in allowed:
                raise unknown_name(name, getattr(self, name), allowed)
        if not self.call_seconds >= 0:
            raise InputError(f"call_seconds is {self.call_seconds!r}; it must be 0 (one epoch a call) or more")

    def precise(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function`` with its matrix products, and those of its gradients, traced at ``matmul_precision``."""

        @functools.wraps(function)
        def traced(*arguments: Tree) -> Tree:
            with jax.default_matmul_precision(PRECISIONS[self.matmul_precision]):
                return function(*arguments)

        return traced


DEFAULT = Engine()
