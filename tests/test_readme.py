"""The README's first Python example runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.slow
def test_python_example_runs_without_a_main_guard(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.S)
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert {"beta_vae", "pca", "vae"} <= set(done.stdout.split())
    assert (tmp_path / "runs" / "demo" / "run.json").is_file()
    assert (tmp_path / "runs" / "model" / "weights.safetensors").is_file()


def test_ci_calls_the_readmes_test_command():
    """It takes the command out of the README, so there must be just one that looks like it."""
    script = (README.parent / ".ci" / "run").read_text(encoding="utf-8")
    (pattern,) = re.findall(r'grep -E "(.*)" README.md', script)
    assert len(re.findall(pattern, README.read_text(encoding="utf-8"), flags=re.M)) == 1
