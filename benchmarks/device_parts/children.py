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


class Child:
    """``device.py --child NAME`` at work; ``one_core``: on the last core of the CPU, with one thread."""

    def __init__(self, name: str, size: str, one_core: bool = False) -> None:
        command = [sys.executable, str(ENTRY), "--child", name, "--size", size]
        # this process holds most of the device's memory: a child takes of the rest what it needs, not a share of all
        env = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false", **(ONE_CORE if one_core else {})}
        if one_core:
            env["XLA_FLAGS"] = f"{env.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false"
            if shutil.which("taskset"):
                command = ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command]
        # open for as long as the child writes
        self.said, self.errors = (tempfile.TemporaryFile("w+", encoding="utf-8") for _ in range(2))  # noqa: SIM115
        self.process = subprocess.Popen(command, env=env, stdout=self.said, stderr=self.errors)

    def lines(self, seconds: float) -> tuple[list[dict[str, Any]], str]:
        """(the JSON objects that it said, a line each, and its status: "OK" or why it ended early); ``seconds``: to wait."""
        try:
            code = self.process.wait(timeout=max(1.0, seconds))
            status = "OK" if code == 0 else f"failed: exit code {code}"
        except subprocess.TimeoutExpired:
            self.stop()
            status = f"stopped after waiting {seconds:.0f} s"
        with self.said, self.errors:
            self.said.seek(0)
            self.errors.seek(0)
            if status.startswith("failed"):
                last = [line for line in self.errors.read().splitlines() if line.strip()]
                status += f": {' '.join(last[-1].split())[:160]}" if last else ""
            lines = self.said.read().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")], status

    def stop(self) -> None:
        """End it, if it has not ended."""
        self.process.kill()
        self.process.wait()


def say(**values: Any) -> None:
    """One JSON object as a line of stdout, at once."""
    print(json.dumps(values), flush=True)
