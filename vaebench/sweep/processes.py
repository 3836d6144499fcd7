"""Worker processes that end with the process that started them, however that ends.

Nothing heavy is imported here: a worker imports this module first, and is watched over from then on.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import Executor

LOOK_SECONDS = 1.0
"""Seconds between two looks for the parent, on systems that do not report its end."""

_PR_SET_PDEATHSIG = 1  # of Linux's prctl
_THREADS = "PJRT_NPROC"  # XLA's number of threads


def process_pool(workers: int, host_only: bool = False, threads: int = 0) -> Executor:
    """Start ``workers`` fresh processes with one BLAS thread each; the calling script needs no ``__main__`` guard.

    They end with this process, also if it is killed, and share its cache of compiled programs.

    Args:
        workers: their number.
        host_only: keep JAX on the host.
        threads: threads of XLA in each; 0 leaves the choice to XLA.
    """
    from loky import ProcessPoolExecutor

    env = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")} | _compilation_cache()
    # the accelerator belongs to the training; a metric that uses JAX stays on the host
    env |= {"JAX_PLATFORMS": "cpu"} if host_only else {}
    env |= {_THREADS: str(threads)} if threads else {}
    how = {"initializer": serve, "initargs": (os.getpid(), threads), "env": env, "timeout": None}
    return ProcessPoolExecutor(max_workers=workers, **how)


def _compilation_cache() -> dict[str, str]:
    """Return JAX's cache of this process as variables of the environment, since other processes do not see its configuration."""
    config = getattr(sys.modules.get("jax"), "config", None)
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    known = {name.upper(): getattr(config, name, None) for name in names}
    return {name: str(value) for name, value in known.items() if value is not None} if known[names[0].upper()] else {}


def serve(parent: int, threads: int = 0) -> None:
    """Make this process a worker: it ends with ``parent``, and leaves interrupts to it.

    Args:
        parent: id of the process that started this one. If it has ended already, this process exits at once.
        threads: see :func:`process_pool`.
    """
    # Ctrl-C, and a scheduler's SIGTERM, reach every process of a job; only the parent decides how to end the workers
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        # the kernel kills, also while a library holds the interpreter's lock and no thread can look
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_exit_after, args=(parent,), name="vaebench-parent", daemon=True).start()
    if threads:
        import jax

        # JAX reads the variable once; processes for the evaluation, which this one starts, use as many threads as elsewhere
        jax.local_devices()
        os.environ.pop(_THREADS, None)


def _exit_after(parent: int) -> None:
    """Exit when ``parent`` has ended; another process is then the parent of this one."""
    if os.name == "nt":
        process = multiprocessing.parent_process()
        if process is None:
            return
        process.join()
    else:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
    os._exit(1)
