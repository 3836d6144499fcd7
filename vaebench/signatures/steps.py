"""Steps of a long computation that are kept on disk, so that the same call continues after an interrupt.

A step is a call of a function that is marked with :func:`kept`. Inside :func:`keeping_steps` its result is written to a file
named by a digest of the function and its arguments, and read from there when the same call comes again. So a step of other
data or other options is never taken, and the results are the same with and without. A file begins with
the SHA-256 of its content, so a damaged one is computed again.
"""

from __future__ import annotations

import contextvars
import dataclasses
import functools
import hashlib
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.atomic import replacing
from vaebench.errors import user_path
from vaebench.version import __version__

_P = ParamSpec("_P")
_T = TypeVar("_T")
_FOLDER: contextvars.ContextVar[Path | None] = contextvars.ContextVar("vaebench_steps", default=None)


@contextmanager
def keeping_steps(folder: str | Path | None) -> Iterator[None]:
    """Keep the steps of the computations in a ``with`` block in ``folder``; ``None`` keeps nothing."""
    token = _FOLDER.set(None if folder is None else user_path(folder))
    try:
        yield
    finally:
        _FOLDER.reset(token)


def kept(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Mark a pure function as a step: its result is kept inside :func:`keeping_steps`.

    Arguments are told apart by their values, functions among them (such as callbacks) not at all. The annotated result holds
    numbers, texts, numpy arrays, and tuples, mappings and named tuples of them.
    """

    @functools.wraps(function)
    def step(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        folder = _FOLDER.get()
        if folder is None:
            return function(*args, **kwargs)
        import msgspec

        digest = hashlib.sha256()
        device = jax.devices()[0].device_kind
        _update(
            digest, (function.__module__, function.__qualname__, __version__, jax.__version__, device, args, kwargs)
        )
        path = folder / f"{function.__name__.strip('_')}-{digest.hexdigest()[:24]}.msgpack"
        try:
            wanted = typing.get_type_hints(function)["return"]
            return msgspec.msgpack.decode(_unsealed(path.read_bytes()), type=wanted, dec_hook=_array)
        except (OSError, ValueError, KeyError, TypeError, msgspec.MsgspecError):
            pass  # not there yet, or damaged
        result = function(*args, **kwargs)
        _write(path, msgspec.msgpack.encode(result, enc_hook=_plain))
        return result

    return step


def _write(path: Path, content: bytes) -> None:
    """Write a step with its digest."""
    for last in (False, True):
        try:
            with replacing(path) as unfinished:
                unfinished.write_bytes(hashlib.sha256(content).digest() + content)
            return
        except FileNotFoundError:  # another command has just swapped in the folder of its results
            if last:
                raise


def _unsealed(data: bytes) -> bytes:
    """Return the content of a step; raise ``ValueError`` if it is not what was written."""
    size = hashlib.sha256().digest_size
    if hashlib.sha256(data[size:]).digest() != data[:size]:
        raise ValueError("a damaged step")
    return data[size:]


def _update(digest: Any, value: Any) -> None:  # noqa: ANN401  (of hashlib; any argument)
    """Add a value to a digest."""
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    if isinstance(value, jax.Array | np.ndarray):
        array = np.ascontiguousarray(value)
        digest.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _update(digest, (type(value).__name__, [getattr(value, field.name) for field in dataclasses.fields(value)]))
    elif isinstance(value, Mapping):
        _update(digest, [part for name in sorted(value, key=str) for part in (name, value[name])])
    elif isinstance(value, tuple | list):
        digest.update(f"{len(value)}(".encode())
        for part in value:
            _update(digest, part)
    elif not callable(value):
        digest.update(f"{type(value).__name__} {value!r};".encode())


def _plain(value: object) -> object:
    """A numpy value as something that msgspec writes; :func:`_array` is the inverse for arrays."""
    if isinstance(value, np.generic):
        return value.item()
    array = np.asarray(value)
    return {"dtype": array.dtype.str, "shape": array.shape, "data": array.tobytes()}


def _array(kind: type, value: Any) -> Any:  # noqa: ANN401  (called by msgspec, for types that it does not know)
    if kind is not np.ndarray:
        raise TypeError(f"a step cannot hold {kind}")
    return np.frombuffer(value["data"], value["dtype"]).reshape(value["shape"]).copy()
