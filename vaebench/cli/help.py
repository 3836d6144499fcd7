"""Help pages of the commands: options in groups, with their real defaults, the names that are allowed, and two examples.

The pages are made of the dataclasses of options, whose docstrings are the texts, and of the registries, so that a new option or a
new variant is in the help without a line here; an option without a group fails a test.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import shutil
import textwrap
from collections.abc import Iterable
from typing import Any, get_args, get_origin, get_type_hints

GROUPS = {
    "data": "file catalogue signatures reference path name folder data data_option label event time time_unit "
    "covariates factors factor_columns auxiliary ignore features where tumours_only one_per_patient annotation "
    "annotation_sample_column samples_in duplicates counts transform top deviation scaling missing reference_genome "
    "context contexts opportunities genes "
    "ignore_filter types fractions names samples mirror timeout retries version genome exome",
    "model": "subject protocol config variants recipe latent activation init method k_min k_max rule augmentation prior_weight "
    "tissue prior include exclude cosine gain tolerance most",
    "training": "learning_rate optimizer epochs batch seeds seed set restarts",
    "evaluation": "metrics metric_option embedding label_covariate intervals level noise adapt draws sources mutations",
    "output": "out keep_embeddings keep_models dry_run per_mutation annotate_vcf tsv quiet json",
    "machine": "lanes matmul_precision workers evaluators shard checkpoint_minutes compilation_cache self_test",
}
"""Group -> its options, in their order on the page; :data:`_ELSEWHERE` has those of another group in some command."""
_ELSEWHERE = {("Count", "variants"): "data", ("Evaluate", "embedding"): "data"}
_OTHER_NAMES = {("Count", "variants"), ("Extract", "intervals"), ("Evaluate", "embedding")}

EXAMPLES = {
    "quickstart": ("vaebench quickstart", "vaebench quickstart --epochs 5 --seeds 1 --out results/small"),
    "run": (
        "vaebench run cohort.csv --label type",
        "vaebench run cohort.csv --label type --variants vae,beta_vae --latent 10,50 --seeds 5 --out results/cohort",
    ),
    "evaluate": (
        "vaebench evaluate cohort.csv --label type --embedding scvi.csv",
        "vaebench evaluate cohort.csv --label type --event OS --time OS.time --embedding umap.npy --name umap",
    ),
    "describe": ("vaebench describe settings", "vaebench describe eltager2023 --data cohort.csv --label type"),
    "list": ("vaebench list variants", "vaebench list metrics --json"),
    "report": ("vaebench report results/run", "vaebench report results/run --quiet --json"),
    "doctor": ("vaebench doctor", "vaebench doctor --no-self-test --json"),
    "data list": ("vaebench data list", "vaebench data list --folder downloads"),
    "data fetch": ("vaebench data fetch tcga", "vaebench data fetch cosmic --version 3.4 --context SBS"),
    "data check": (
        "vaebench data check cohort.csv",
        "vaebench data check cohort.csv --label type --event OS --time OS.time",
    ),
    "data simulate": ("vaebench data simulate", "vaebench data simulate --samples 300 --genes 200 --out small.csv"),
    "count": (
        "vaebench count calls.maf --reference-genome hg38.fa",
        "vaebench count vcfs/ --reference-genome hg19.2bit --contexts SBS96,ID83 --out results/counts",
    ),
    "extract": (
        "vaebench extract catalogue.csv --reference cosmic.csv",
        "vaebench extract catalogue.csv --method nmf --k-min 2 --k-max 10 --out results/nmf",
    ),
    "refit": (
        "vaebench refit catalogue.csv cosmic.csv --tissue Liver-HCC",
        "vaebench refit catalogue.csv cosmic.csv --exclude artefacts,treatment --out results/refit",
    ),
    "match": (
        "vaebench match results/extract/signatures.csv cosmic.csv",
        "vaebench match mine.csv cosmic.csv --out results/match",
    ),
    "decompose": (
        "vaebench decompose results/extract cosmic.csv",
        "vaebench decompose mine.csv cosmic.csv --mutations 50000",
    ),
    "calibrate": (
        "vaebench calibrate catalogue.csv cosmic.csv",
        "vaebench calibrate catalogue.csv cosmic.csv --draws 10 --sources fit,prior",
    ),
    "power": ("vaebench power cosmic.csv", "vaebench power cosmic.csv --mutations 100,1000 --samples 100"),
}
"""Command -> two examples of its use; a test parses them."""

_METAVARS = {"int": "N", "float": "NUMBER", "Path": "PATH", "str": "TEXT", "tuple": "TEXT ..."}
_NAME_VALUE = ("set", "data_option", "metric_option")


def allowed_names(option: str) -> tuple[str, ...]:
    """Return the names in the registry behind an option, ``()`` for an option without one."""
    from vaebench.cli.listing import names_of

    kinds = {"variants": "variants", "metrics": "metrics", "protocol": "protocols", "method": "methods"}
    kinds |= {"init": "initialisations", "activation": "activations", "recipe": "recipes", "optimizer": "optimizers"}
    kinds |= {"intervals": "intervals", "subject": "subjects"}
    names = tuple(names_of(kinds[option])) if option in kinds else ()
    if option != "variants":
        return names
    from vaebench.variants import VARIANTS  # a run trains on expression; those on counts are methods of extract

    return tuple(name for name in names if VARIANTS[name].domain == "expression")


def help_page(command: str, options: type, width: int | None = None) -> str:
    """Return the help of a command as plain text.

    Args:
        command: name, such as ``"run"`` or ``"data check"``.
        options: its dataclass.
        width: of a line; that of the terminal by default, at most 110.
    """
    width = width or min(shutil.get_terminal_size((100, 24)).columns, 110)
    fields = dataclasses.fields(options)
    positional = [f for f in fields if _metavar_of(options, f.name)]
    shown = " ".join(_usage(options, f) for f in positional)
    about = inspect.getdoc(options) or ""
    lines = [f"usage: vaebench {command} {shown}{' ' if shown else ''}[options]", ""]
    lines += [*textwrap.wrap(about, width), ""]
    for group, members in grouped(options).items():
        lines.append(f"{group}:")
        for name in members:
            field = next(f for f in fields if f.name == name)
            lines += _option_lines(options, field, width)
        lines.append("")
    lines += ["examples:", *(f"  {text}" for text in EXAMPLES[command])]
    return "\n".join(lines)


def grouped(options: type) -> dict[str, list[str]]:
    """Return the options of a command by group; those that no group names come last, under ``""``."""
    names = [f.name for f in dataclasses.fields(options)]
    found: dict[str, list[str]] = {group: [] for group in GROUPS}
    place = {name: group for group, text in GROUPS.items() for name in text.split()}
    order = [name for text in GROUPS.values() for name in text.split()]
    for name in sorted(names, key=lambda n: (n not in order, order.index(n) if n in order else 0)):
        found.setdefault(_ELSEWHERE.get((options.__name__, name), place.get(name, "")), []).append(name)
    return {group: members for group, members in found.items() if members}


def _usage(options: type, field: dataclasses.Field[Any]) -> str:
    metavar = _metavar_of(options, field.name)
    return metavar if field.default is dataclasses.MISSING else f"[{metavar}]"


def _option_lines(options: type, field: dataclasses.Field[Any], width: int) -> list[str]:
    """Return an option's name and, from column 26, its text."""
    flag = f"--{field.name.replace('_', '-')}"
    metavar = _metavar_of(options, field.name)
    if metavar:
        head = metavar
    elif isinstance(field.default, bool):
        head = f"{flag}, --no-{flag[2:]}" if field.default else flag
    elif field.name in _NAME_VALUE:
        head = f"{flag} NAME=VALUE ..."
    else:
        kind = str(field.type).split("[")[0].split(" |")[0]
        head = f"{flag} {_METAVARS[kind]}"
    text = textwrap.wrap(_text(options, field), width - 26, break_on_hyphens=False)
    if len(head) > 22:
        return [f"  {head}", *(" " * 26 + line for line in text)]
    first, *others = text
    return [f"  {head:<24}{first}", *(" " * 26 + line for line in others)]


def _text(options: type, field: dataclasses.Field[Any]) -> str:
    text = documentation(options)[field.name]
    names = () if (options.__name__, field.name) in _OTHER_NAMES else allowed_names(field.name)
    if names:
        text += f" Names: {', '.join(names)}."
    default = _default(options, field)
    return f"{text} (default: {default})" if default and "Default:" not in text else text


def _default(options: type, field: dataclasses.Field[Any]) -> str:
    """Return the default as a user would write it; ``""`` for none, or where the text says it."""
    if field.default in (None, "", ()) or field.default is dataclasses.MISSING:
        whole = options.__name__ == "Run" or field.name in ("top", "deviation", "scaling")
        return _settings_default(field.name) if whole and hasattr(options, "protocol") else ""
    if isinstance(field.default, bool):
        return "on" if field.default else ""
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


def _settings_default(name: str) -> str:
    """Return what a run uses for a setting that is not given, unless a protocol says otherwise."""
    from vaebench.protocols import default

    value = {"variants": default.base.variant, "seeds": 1, "embedding": default.embedding, "top": default.data["top"]}
    own = value.get(name, default.data.get(name, getattr(default.base, name, "")))
    return f"{own:g}" if isinstance(own, float) else str(own)


def _metavar_of(options: type, name: str) -> str:
    """Return the placeholder of a positional argument, ``""`` for an option."""
    hint = _hints(options)[name]
    if get_origin(hint) is None or not hasattr(hint, "__metadata__"):
        return ""
    found = [getattr(mark, "metavar", None) for mark in _marks(hint)]
    return next((metavar for metavar in found if metavar), "")


def _marks(hint: Any) -> Iterable[Any]:
    yield from hint.__metadata__
    for inner in get_args(hint)[:1]:
        if hasattr(inner, "__metadata__"):
            yield from _marks(inner)


@functools.cache
def _hints(options: type) -> dict[str, Any]:
    return get_type_hints(options, include_extras=True)


@functools.cache
def documentation(options: type) -> dict[str, str]:
    """Return the text of each option: the string that follows its field, in one line."""
    found = {}
    for base in reversed(options.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(body, ast.ClassDef)
        for node, after in zip(body.body, body.body[1:], strict=False):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(after, ast.Expr):
                found[node.target.id] = " ".join(ast.literal_eval(after.value).split())
    return found


def commands_page(commands: dict[str, Any], width: int | None = None, group: str = "") -> str:
    """Return the help of the whole program, a line or two a command; of one command with others under it, its ``group``."""
    width = width or min(shutil.get_terminal_size((100, 24)).columns, 110)
    program = f"vaebench {group} COMMAND" if group else "vaebench COMMAND"
    lines = [f"usage: {program} [options]", "", "VAEs on cancer genomics, measured honestly.", "", "commands:"]
    column = max(map(len, commands), default=0) + 2
    for name, options in commands.items():
        about = inspect.getdoc(_class_of(options)) or ""
        first, *others = textwrap.wrap(about, width - column - 2)
        lines += [f"  {name:<{column}}{first}", *(" " * (column + 2) + line for line in others)]
    lines += ["", f"{program} --help  the options of a command"]
    lines += [] if group else ["vaebench --version       version and commit"]
    return "\n".join([*lines, "exit codes: 0 done, 2 bad input, 1 our own failure, 130 interrupted"])


def _class_of(options: Any) -> type:
    return get_args(options)[0] if hasattr(options, "__metadata__") else options


def asked_help(arguments: list[str], commands: dict[str, Any]) -> str | None:
    """Return the page that ``arguments`` ask for with ``--help``, ``-h`` or nothing at all; ``None`` if they do not."""
    if arguments and not {"--help", "-h"} & set(arguments):
        return None
    if not arguments or arguments[0] not in commands:
        return commands_page(commands)
    name, options = arguments[0], _class_of(commands[arguments[0]])
    if [f.name for f in dataclasses.fields(options)] != ["action"]:
        return help_page(name, options)
    inner = subcommands(options)
    if len(arguments) > 1 and arguments[1] in inner:
        return help_page(f"{name} {arguments[1]}", inner[arguments[1]])
    return commands_page(inner, group=name)


def options_of(arguments: list[str], commands: dict[str, Any]) -> tuple[type, list[str]] | None:
    """Return the options of the command that ``arguments`` name, and the arguments after its name; ``None`` without one."""
    if not arguments or arguments[0] not in commands:
        return None
    options, rest = _class_of(commands[arguments[0]]), arguments[1:]
    if [f.name for f in dataclasses.fields(options)] != ["action"]:
        return options, rest
    inner = subcommands(options)
    return (inner[rest[0]], rest[1:]) if rest and rest[0] in inner else None


def subcommands(options: type) -> dict[str, type]:
    """Return the commands under a command such as ``data``: name -> options."""
    return {m.name: get_args(kind)[0] for kind in get_args(_hints(options)["action"]) for m in kind.__metadata__}
