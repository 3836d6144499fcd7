"""Ctrl-C and SIGTERM end a command, whatever a library does with the interrupt, and the sentence at the end is true."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from vaebench.cli.interrupts import interrupted_text
from vaebench.cli.options import DataFetch, Describe, Run
from vaebench.cli.signature_options import Extract, RefitOptions
from vaebench.data.files.folders import STEPS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

SCRIPT = """
    import atexit, ctypes, sys, time
    import vaebench.cli.interrupts as interrupts
    import vaebench.cli.main
    from vaebench.cli.options import Common

    cli = sys.modules["vaebench.cli.main"]

    def work(options, command):
        if sys.argv[1] in ("stuck", "stuck at exit"):
            interrupts.LIMIT_SECONDS = 1.5
        if sys.argv[1] == "stuck at exit":
            atexit.register(time.sleep, 60)
        if sys.argv[1] in ("clean-up", "stuck"):
            try:
                print("ready", flush=True)
                time.sleep(60)
            finally:
                print("cleaning", flush=True)
                time.sleep(60)
        if sys.argv[1] == "slow end":  # as libraries that tidy up after Python has given up its handlers
            process = ctypes.CDLL(None)
            process.__cxa_atexit(process.sleep, ctypes.c_void_p(3), None)
        if sys.argv[1] == "exec":  # as while a dataclass is made
            exec("print('ready', flush=True); import time; time.sleep(60)")
        print("ready", flush=True)
        if sys.argv[1] == "error":
            try:
                time.sleep(60)
            except KeyboardInterrupt as error:
                raise ValueError("CpuCallback error") from None
        end = time.monotonic() + 60
        swallowed = 0
        while time.monotonic() < end:
            try:
                time.sleep(0.01)
            except BaseException:  # a callback of a library
                swallowed += 1
                if sys.argv[1] == "once" and swallowed > 1:
                    raise
                if sys.argv[1] in ("never", "slow end"):
                    raise

    cli._parsed = lambda arguments: Common()
    cli._HANDLERS[Common] = "x:y"
    cli.importlib.import_module = lambda name: type("module", (), {"y": staticmethod(work)})
    cli.entry()
"""


def started(kind: str, module: Path | None = None) -> subprocess.Popen[str]:
    """The script, or the module that holds it, once it is at work."""
    command = [sys.executable, *(["-c", textwrap.dedent(SCRIPT)] if module is None else ["-m", module.stem]), kind]
    place = None if module is None else module.parent
    process = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kind", ["never", "once", "error"])
def test_an_interrupt_ends_the_command_also_if_it_is_swallowed(kind, number):
    process = started(kind)
    process.send_signal(number)
    process.send_signal(number)  # as `timeout` does, to the process and to its group
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "\ninterrupted\n")


def test_an_interrupt_within_pythons_exec_ends_with_the_code_too(tmp_path):
    module = tmp_path / "commanded.py"
    module.write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    process = started("exec", module)  # as `python -m vaebench`, which would end by the signal
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "\ninterrupted\n")


@pytest.mark.parametrize("kind", ["stuck", "stuck at exit"])
def test_a_clean_up_that_never_ends_is_ended(kind):
    process = started(kind)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "\ninterrupted\n")


def test_a_second_interrupt_ends_at_once():
    process = started("clean-up")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "cleaning\n"
    time.sleep(1.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "\ninterrupted\n")


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's list of functions to call at the end")
def test_an_interrupt_while_python_ends_leaves_the_code_as_it_is():
    process = started("slow end")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert [process.stderr.readline() for _ in range(2)] == ["\n", "interrupted\n"]
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130


def test_the_sentence_says_what_is_kept(tmp_path):
    out = tmp_path / "out"
    assert "has no finished row yet, and the same command continues" in interrupted_text(Run(out=out))
    (out / "rows").mkdir(parents=True)
    (out / "rows" / "part-1.parquet").touch()
    assert f"the finished rows are in {out}, and the same command continues" in interrupted_text(Run(out=out))
    assert interrupted_text(Run(out=out, dry_run=True)) == "interrupted"
    assert f"nothing new is in {out}, and the same command starts" in interrupted_text(Extract(out=out))
    (out / STEPS).mkdir()
    (out / STEPS / "starts-0.msgpack").touch()
    assert f"finished steps are in {out / STEPS}, and the same command continues" in interrupted_text(Extract(out=out))
    refit = RefitOptions(catalogue=Path("c"), signatures=Path("s"), out=out)
    assert f"nothing new is in {out}, and the same command starts from its beginning" in interrupted_text(refit)
    assert "the same command fetches the rest" in interrupted_text(DataFetch())
    assert interrupted_text(Describe()) == interrupted_text(None) == "interrupted"
