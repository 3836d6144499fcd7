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
import warnings
from pathlib import Path
from typing import Any, TextIO

import tyro

from vaebench.cli.compilation import use_compilation_cache
from vaebench.cli.count import COUNT_COMMANDS, COUNT_HANDLERS
from vaebench.cli.given import check_given, check_not_empty, of_type
from vaebench.cli.help import asked_help, options_of
from vaebench.cli.interrupts import (
    expect_interrupts,
    handle_interrupts,
    interrupt_asked,
    interrupted_text,
    interrupts_over,
)
from vaebench.cli.options import COMMANDS as EXPRESSION_COMMANDS
from vaebench.cli.options import HANDLERS, Compiled, Data, Evaluate, Run
from vaebench.cli.signature_options import SIGNATURE_COMMANDS, SIGNATURE_HANDLERS
from vaebench.errors import InputError, RunError, shortened, unknown_name, user_path
from vaebench.version import version_text

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
        print(f"vaebench {version_text()}")
        return 0
    options: Any = None
    expect_interrupts(lambda: interrupted_text(options))
    try:
        options = _with_home(_parsed(arguments))
        return _carried_out(options, arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of the output, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return _interrupted(options)
    except Exception as error:
        if interrupt_asked():  # a library has turned the interrupt into an error of its own
            return _interrupted(options)
        if not isinstance(error, RunError | OSError):
            raise
        print(f"error: {_reason(error)}", file=sys.stderr)
        return 1


def _carried_out(options: Any, arguments: list[str]) -> int:
    """Call the handler of a command and print its summary if asked to."""
    if isinstance(options, Compiled) and options.compilation_cache:
        use_compilation_cache()
    if isinstance(options, Compiled) and os.environ.get("JAX_PLATFORMS"):
        from vaebench.training.engine import check_device

        check_device()
    module, function = _HANDLERS[type(options)].split(":")
    handler = getattr(importlib.import_module(f"vaebench.cli.{module}"), function)
    summary = handler(options, "vaebench " + shlex.join(arguments))
    if options.json:
        print(json.dumps(summary))
    return 0


def _interrupted(options: Any) -> int:
    interrupts_over()
    print(f"\n{interrupted_text(options)}", file=sys.stderr)
    return 130


def _reason(error: RunError | OSError) -> str:
    """Return an error as one sentence; that of an operating system's with the file's name, which its text lacks."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes | Path)]
    return ": ".join([*names[:1], error.strerror])


def _parsed(arguments: list[str]) -> Any:
    """Parse the options of a command; ``--help`` exits as usual, and a wrong option raises :class:`InputError`."""
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        if arguments[0] == "fit":
            raise InputError(
                "fit is a function of the Python library (vb.fit); on the command line, vaebench run trains models"
            )
        raise unknown_name("command", arguments[0], COMMANDS)
    page = asked_help(arguments, COMMANDS)
    if page is not None:
        print(page)
        raise SystemExit(0)
    if found := options_of(arguments, COMMANDS):
        check_given(found[1], found[0])
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
    options = _with_config(options) if isinstance(options, Run) and options.config else options
    return _with_file(options) if isinstance(options, Run | Evaluate) and options.file else options


def _with_file(options: Run | Evaluate) -> Run | Evaluate:
    """Return the options with the positional FILE as ``data``."""
    if options.data and options.data != options.file:
        raise InputError(
            f"two data sets are given: {options.file[:60]!r} and --data {options.data[:60]!r}; give one of them"
        )
    return dataclasses.replace(options, data=options.file, file="")


def _with_home(options: Any) -> Any:
    """Return the options with ``~`` replaced by the user's home in every path; shells leave it in ``--out=~/x`` and quotes."""

    def home(text: str) -> str:
        return str(user_path(text)) if text.startswith("~") else text

    changed: dict[str, Any] = {}
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if isinstance(value, Path):
            changed[field.name] = user_path(value)
        elif field.name in ("data", "path", "mirror") and isinstance(value, str):
            changed[field.name] = home(value)
        elif field.name == "data_option":
            split = [text.partition("=") for text in value]
            changed[field.name] = tuple(name + equals + home(text) for name, equals, text in split)
    return dataclasses.replace(options, **changed)


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
    text = _of_a_number(re.sub(r" \(applied to [^)]*\)| Arguments are applied .*", "", " ".join(first)))
    for heading, *rest in others:
        meant = _own_options(rest, command)
        if heading.startswith(("Perhaps you meant", "Arguments similar")) and meant:
            text += f"; did you mean {' or '.join(meant)}?"
        elif heading.startswith("Available subcommands"):
            text += f"; {' '.join([heading, *rest])}"
    alone = re.fullmatch(r"Unrecognized options: ([^-,\s][^,\s]*)", text)
    if alone and hasattr(COMMANDS.get(command), "data"):
        text += f"; did you mean --data {alone[1]}?"
    return f"{text[0].lower()}{text[1:]} (see: vaebench {command} --help)"


def _of_a_number(text: str) -> str:
    """Return the parser's message on text in place of a number as words: "--workers is 'two'; it must be a whole number"."""
    kinds = r"invalid literal for int|could not convert string to float|no type matching \{None\}\|(?:INT|FLOAT)"
    found = re.match(rf"error parsing (--[\w-]+): ({kinds}).*?['\"]([^'\"]*)['\"]", text, re.IGNORECASE)
    if not found:
        return text
    kind = "a whole number" if "int" in found[2].lower().split("|")[-1] else "a number"
    return f"{found[1]} is {found[3][:60]!r}; it must be {kind}"


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
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        values = {name.replace("-", "_"): value for name, value in values.items()}
        lists = {f.name for f in dataclasses.fields(Run) if str(f.type).startswith("tuple")}
        values = {name: _listed(value) if name in lists else _joined(value) for name, value in values.items()}
    except FileNotFoundError:
        raise InputError(f"--config {path}: there is no such file") from None
    except OSError as error:
        raise InputError(f"--config {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config {path}: not a TOML file: {shortened(error)}") from None
    except RecursionError:
        raise InputError(
            f"--config {path}: nested too deeply; options are names with values, lists or tables"
        ) from None
    types = {f.name: str(f.type) for f in dataclasses.fields(Run)}
    fields = {f.name: f.default for f in dataclasses.fields(Run)}
    for name, value in values.items():
        if name not in fields or name in ("config", "file"):
            raise unknown_name(f"key in {path}", name, set(fields) - {"config", "file"})
        check_not_empty(f"--config {path}: {name}", name, [value] if isinstance(value, str) else [])
        if types[name].startswith("str") and isinstance(value, int | float) and not isinstance(value, bool):
            values[name] = str(value)  # latent = 10 is the list of one number
    given = {name: getattr(options, name) for name, default in fields.items() if getattr(options, name) != default}
    try:
        from_file = msgspec.convert(values, Run)
    except msgspec.ValidationError as error:
        raise InputError(f"--config {path}: {of_type(str(error), values)}") from None
    return dataclasses.replace(from_file, **given)


def _joined(value: Any) -> Any:
    """Return a TOML list as a comma-separated list of the command line, and a TOML table as NAME=VALUE settings.

    A table within a table has its name before a dot: [metric-option.leiden] neighbours = 30.
    """
    if isinstance(value, dict):
        return [text for name, inner in value.items() for text in _settings(str(name), inner)]
    if isinstance(value, list):
        return ",".join(str(v) for v in value)
    return value


def _listed(value: Any) -> Any:
    """Return settings as NAME=VALUE texts: those of a table, of a list of tables or texts, or of one text."""
    if isinstance(value, dict):
        return _joined(value)
    parts = value if isinstance(value, list) else [value]
    return [text for part in parts for text in (_joined(part) if isinstance(part, dict) else [str(part)])]


def _settings(name: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner, own in value.items() for text in _settings(f"{name}.{inner}", own)]
    return [f"{name}={_joined(value)}"]


def entry() -> None:
    """Run the command line as a console script."""
    handle_interrupts()
    warnings.showwarning = _noted
    sys.exit(main())


def _noted(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning of our own as one line; others as Python does."""
    if Path(filename).is_relative_to(Path(__file__).parent.parent):
        print(f"note: {message}", file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, filename, lineno, line), end="", file=file or sys.stderr)
