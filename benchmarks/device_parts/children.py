"""Measurements in a process of their own: the host's share of a comparison, and the rival's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ENTRY = Path(__file__).parents[1] / "device.py"
ONE_CORE = {
    "JAX_PLATFORMS": "cpu",
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")},
}


def lines_of(name: str, size: str, seconds: float, one_core: bool = False) -> tuple[list[dict[str, Any]], str]:
    """(what ``device.py --child NAME`` said, a JSON object a line, and its status: "OK" or why it ended early).

    ``one_core``: on one core of the CPU, with one thread.
    """
    command = [sys.executable, str(ENTRY), "--child", name, "--size", size]
    if one_core and shutil.which("taskset"):
        core = min(os.sched_getaffinity(0))
        command = ["taskset", "-c", str(core), *command]
    env = {**os.environ, **(ONE_CORE if one_core else {})}
    if one_core:
        env["XLA_FLAGS"] = f"{env.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false"
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, env=env, stdout=said, stderr=errors)
        try:
            code = process.wait(timeout=max(1.0, seconds))
            status = "OK" if code == 0 else f"failed: exit code {code}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = f"stopped after {seconds:.0f} s"
        said.seek(0)
        errors.seek(0)
        if status.startswith("failed"):
            last = [line for line in errors.read().splitlines() if line.strip()]
            status += f": {' '.join(last[-1].split())[:160]}" if last else ""
        found = [json.loads(line) for line in said.read().splitlines() if line.startswith("{") and line.endswith("}")]
    return found, status


def say(**values: Any) -> None:
    """One JSON object as a line of stdout, at once."""
    print(json.dumps(values), flush=True)
