"""The command line: parse arguments into a dataclass of options, call its handler, and turn errors into one sentence."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import json
import os
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import tyro

from vaebench.cli.count import COUNT_COMMANDS, COUNT_HANDLERS
from vaebench.cli.options import COMMANDS as EXPRESSION_COMMANDS
from vaebench.cli.options import HANDLERS, Compiled, Data, Run
from vaebench.cli.signature_options import SIGNATURE_COMMANDS, SIGNATURE_HANDLERS
from vaebench.errors import InputError, RunError, unknown_name
from vaebench.version import __version__

COMMANDS = {**EXPRESSION_COMMANDS, **COUNT_COMMANDS, **SIGNATURE_COMMANDS}
_HANDLERS = {**HANDLERS, **COUNT_HANDLERS, **SIGNATURE_HANDLERS}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: without the program's name; those of the process if ``None``.

    Returns:
        0 for success, 2 for bad input, 1 for a failure, 130 after an interrupt, 141 if the output is not read to its end. Bad
        input and failures are one sentence on stderr.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        print(f"vaebench {__version__}")
        return 0
    out: Path | None = None
    try:
        options = _parsed(arguments)
        out = getattr(options, "out", None)
        if isinstance(options, Compiled) and options.compilation_cache:
            use_compilation_cache()
        module, function = _HANDLERS[type(options)].split(":")
        handler = getattr(importlib.import_module(f"vaebench.cli.{module}"), function)
        summary = handler(options, "vaebench " + shlex.join(arguments))
        if options.json:
            print(json.dumps(summary))
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of the output, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"error: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        hint = f"; the finished rows are in {out}, and the same command continues from there" if out else ""
        print(f"\ninterrupted{hint}", file=sys.stderr)
        return 130


def use_compilation_cache() -> None:
    """Keep compiled programs between processes, in the user's cache folder unless JAX is configured otherwise."""
    import jax
    import platformdirs

    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        jax.config.update("jax_compilation_cache_dir", platformdirs.user_cache_dir("vaebench", appauthor=False))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _parsed(arguments: list[str]) -> Any:
    """Parse the options of a command; ``--help`` exits as usual, and a wrong option raises :class:`InputError`."""
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        raise unknown_name("command", arguments[0], COMMANDS)
    if not arguments:
        arguments = ["--help"]
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            options = tyro.extras.subcommand_cli_from_dict(
                COMMANDS, args=arguments, prog="vaebench", description="VAEs on cancer genomics, measured honestly."
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise InputError(_one_sentence(messages.getvalue(), arguments[0])) from None
    if isinstance(options, Data):
        return options.action
    return _with_config(options) if isinstance(options, Run) and options.config else options


def _one_sentence(box: str, command: str) -> str:
    """Return the parser's framed message as one line: its first sentence, similar options, and the help to read."""
    sections: list[list[str]] = [[]]
    for line in (line.strip("│╭╮╰╯ ") for line in box.splitlines()):
        if line.endswith(("───", "---")):
            sections.append([])
        elif line:
            sections[-1].append(line)
    title = not box.startswith("╭")  # without a frame, on terminals that cannot print it, the title is a section
    first, *others = list(filter(None, sections))[title:]
    text = re.sub(r" \(applied to [^)]*\)| Arguments are applied .*", "", " ".join(first))
    for heading, *rest in others:
        meant = _own_options(rest, command)
        if heading.startswith(("Perhaps you meant", "Arguments similar")) and meant:
            text += f"; did you mean {' or '.join(meant)}?"
        elif heading.startswith("Available subcommands"):
            text += f"; {' '.join([heading, *rest])}"
    return f"{text[0].lower()}{text[1:]} (see: vaebench {command} --help)"


def _own_options(lines: list[str], command: str) -> list[str]:
    """Return those options of the parser's list of similar ones that belong to the command itself."""
    found, name = [], ""
    for line in lines:
        if line.startswith("--"):
            name = line.split()[0].rstrip(",")
        elif line.startswith(f"in vaebench {command} ") and name not in found:
            found.append(name)
    return found


def _with_config(options: Run) -> Run:
    """Return ``options`` with the values of the TOML file for options that the command line does not set."""
    import msgspec

    path = options.config
    assert path is not None
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"--config {path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config {path}: not a TOML file: {error}") from None
    values = {name.replace("-", "_"): _joined(value) for name, value in values.items()}
    fields = {f.name: f.default for f in dataclasses.fields(Run)}
    for name in values:
        if name not in fields or name == "config":
            raise unknown_name(f"key in {path}", name, set(fields) - {"config"})
    given = {name: getattr(options, name) for name, default in fields.items() if getattr(options, name) != default}
    try:
        from_file = msgspec.convert(values, Run)
    except msgspec.ValidationError as error:
        raise InputError(f"--config {path}: {error}") from None
    return dataclasses.replace(from_file, **given)


def _joined(value: Any) -> Any:
    """Return a TOML list as a comma-separated list of the command line, and a TOML table as NAME=VALUE settings."""
    if isinstance(value, dict):
        return [f"{name}={_joined(inner)}" for name, inner in value.items()]
    if isinstance(value, list):
        return ",".join(str(v) for v in value)
    return value


def entry() -> None:
    """Run the command line as a console script."""
    sys.exit(main())
