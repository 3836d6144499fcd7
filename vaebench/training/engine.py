"""Options of the training engine: how programs are compiled and called. They are not part of a point's identity."""

from __future__ import annotations

import dataclasses
import functools
import os
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
    """Options of the training engine; the defaults give the same numbers on a CPU and on a GPU, up to rounding.

    Attributes:
        matmul_precision: precision of every matrix product. ``"highest"`` is float32 everywhere, so that results of a CPU and
            a GPU can be compared. ``"tensorfloat32"`` is JAX's default on GPUs that have it (10 bits of mantissa, faster).
            ``"bfloat16"`` rounds the factors to 7 bits and sums in float32. On a CPU all three are float32.
        flat_optimizer: update all weights as one vector: one kernel per step in place of one for each of a dozen leaves, at
            the price of concatenating gradients and splitting updates. Off by default: on a CPU it makes a step a third longer.
        moments: type of Adam's two moments. ``"bfloat16"`` halves 16 of the 40 bytes that an update moves per weight. They
            are rounded stochastically, since 0.999 of a bfloat16 rounds to itself and would never decay. For devices limited
            by memory bandwidth; off by default, since on a CPU the rounding makes a step a third longer.
        call_seconds: target length of one call of the program in seconds: short enough to refill soon, long enough to hide
            the host's work (1 to 2 ms per call). Not compiled in, so a change of it does not recompile.

    Raises:
        InputError: an unknown precision or type of moments, or negative ``call_seconds``.
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
        """Return ``function`` with its matrix products, and those of its gradients, traced at ``matmul_precision``."""

        @functools.wraps(function)
        def traced(*arguments: Tree) -> Tree:
            with jax.default_matmul_precision(PRECISIONS[self.matmul_precision]):
                return function(*arguments)

        return traced


def check_device() -> None:
    """Raise :class:`InputError` if JAX cannot start the devices that the variable ``JAX_PLATFORMS`` asks for."""
    asked = os.environ.get("JAX_PLATFORMS")
    if not asked:
        return
    try:
        jax.local_devices()
    except (RuntimeError, AssertionError) as error:  # an assertion where the plugin of the platform is not installed
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"JAX_PLATFORMS is {asked!r}, and JAX cannot start these devices{': ' + reason if reason else ''}; unset it to use "
            "what there is, or install JAX for the device, as in pip install '.[cuda]'"
        ) from None


DEFAULT = Engine()
