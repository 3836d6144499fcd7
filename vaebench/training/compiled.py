"""Compilation for the device at hand: fewer passes of the optimiser where they cost more than they save."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

import jax

_P = ParamSpec("_P")
_T = TypeVar("_T")


def compiler_options() -> dict[str, int] | None:
    """Return the options of XLA's compiler for large programs; ``None`` for its defaults.

    On a CPU, optimisation level 1: programs are compiled in 0.7 to 0.9 of the time and are as fast (``results/benchmarks.md``).
    A level in the variable ``XLA_FLAGS`` comes first. Other devices keep their defaults.
    """
    named = "xla_backend_optimization_level"
    if named in os.environ.get("XLA_FLAGS", "") or jax.default_backend() != "cpu":
        return None
    return {named: 1}


@functools.cache
def in_turn() -> dict[str, str]:
    """Return the options that have a program's operations run one after the other on a CPU; none where XLA does not know them.

    Otherwise XLA starts operations that do not depend on each other in several threads. For small ones that takes longer than
    they do, and keeps cores busy that other threads could use. Large operations still use all cores.
    """
    options = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


class CompiledFunction(Generic[_P, _T]):
    """``jax.jit`` of a function with :func:`compiler_options` and :func:`in_turn`, asked for at the first call.

    Only for calls from outside of other compiled functions: XLA has one set of options for a program.
    """

    def __init__(self, function: Callable[_P, _T], static: tuple[str, ...] = ()) -> None:
        functools.update_wrapper(self, function)
        self._function, self._static = function, static

    @functools.cached_property
    def program(self) -> jax.stages.Wrapped:
        """The function as ``jax.jit`` returns it."""
        options = {**(compiler_options() or {}), **in_turn()}
        return jax.jit(self._function, static_argnames=self._static, compiler_options=options or None)

    def __call__(self, *arguments: _P.args, **named: _P.kwargs) -> _T:
        """Run the compiled function."""
        return self.program(*arguments, **named)


def compiled(*static: str) -> Callable[[Callable[_P, _T]], CompiledFunction[_P, _T]]:
    """Return a decorator that makes a :class:`CompiledFunction`; arguments in ``static`` are constants of the program."""
    return lambda function: CompiledFunction(function, static)
