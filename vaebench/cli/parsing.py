"""Turn the options of a command into data sets and settings."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vaebench.cli.given import of_type
from vaebench.cli.options import Columns, Compiled, Run, Source
from vaebench.data import DATASETS, load
from vaebench.data.factor_tables import with_factors
from vaebench.data.files.folders import check_folder
from vaebench.errors import InputError, shortened, unknown_name, user_path
from vaebench.metrics import metric
from vaebench.protocols import Protocol
from vaebench.types import Dataset

_OTHER = {f.name for f in dataclasses.fields(Compiled)} | {"data", "data_option", "factor_columns"}
_READING = tuple(f.name for f in dataclasses.fields(Source) if f.name not in _OTHER)
_LISTS = ("covariates", "factors", "auxiliary", "ignore", "features")


def column_options(options: Columns) -> dict[str, Any]:
    """Return the given options on columns and values as keywords of the readers."""
    given = {name: getattr(options, name) for name in _READING if hasattr(options, name)}
    given |= {name: listed(given[name]) for name in _LISTS}
    return {name: value for name, value in given.items() if value is not False and value not in (None, ())}


def run_data(options: Source, chosen: Protocol) -> Dataset:
    """Return the data set of a command, scaled as the protocol asks unless the options say otherwise."""
    if not options.data:
        raise InputError(f"--data is missing; give a table or one of: {', '.join(DATASETS)}")
    given = column_options(options)
    for name, text in pairs("data-option", options.data_option):
        if name in given:
            typed = f"--{name.replace('_', '-')}"
            raise InputError(f"{typed} and --data-option {name} are both given; give one of the two")
        given[name] = value_of(text)
    factors = _factor_table(options)
    if factors:
        given.pop("factors", None)
    # the protocol's number of features is an upper limit: a smaller table is used whole
    wishes = {**chosen.data, "top": f"<={chosen.data['top']}"}
    dataset = load(options.data, given, wishes)
    return with_factors(dataset, options.factors, factors) if factors else dataset


def _factor_table(options: Source) -> tuple[str, ...]:
    """Return the columns of the table that ``--factors`` names; none where it names columns of the data."""
    columns, is_file = listed(options.factor_columns), bool(options.factors) and user_path(options.factors).is_file()
    if columns and not is_file:
        named = f"{shortened(options.factors)!r} is no file" if options.factors else "--factors is missing"
        raise InputError(f"--factor-columns names columns of the table that --factors names, and {named}; give both")
    if is_file and not columns:
        raise InputError(
            f"--factors names the file {shortened(options.factors)!r}, and --factor-columns is missing; name the columns to use"
        )
    return columns


def run_axes(options: Run) -> dict[str, Any]:
    """Return the axes that the options give; they replace or extend the protocol's grid."""
    axes: dict[str, Any] = {
        "variant": listed(options.variants),
        "latent": _numbers("latent", options.latent, int),
        "learning_rate": _numbers("learning-rate", options.learning_rate, float),
        "init": listed(options.init),
        "optimizer": listed(options.optimizer),
        "activation": listed(options.activation),
        "recipe": listed(options.recipe),
        "seed": _seeds(options),
    }
    if 0.0 in axes["learning_rate"]:
        raise InputError(
            f"--learning-rate is {options.learning_rate!r}; every rate must be above 0, with a decimal point, as in 0.001: "
            "commas separate rates"
        )
    axes = {name: tuple(values) for name, values in axes.items() if values}
    own = {name: _setting(name, values) for name, values in pairs("set", options.set)}
    options_of = {"variant": "variants", "seed": "seeds" if options.seeds else "seed"}
    for name in own:
        option = options_of.get(name, name)
        if name in axes or (name in ("epochs", "batch") and getattr(options, name)):
            text = shortened(getattr(options, option))
            raise InputError(
                f"--{option.replace('_', '-')} {text} and --set {name} are both given; give one of the two"
            )
    own |= {name: list(_numbers(name, text, int)) for name in ("epochs", "batch") if (text := getattr(options, name))}
    return axes | own


def _seeds(options: Run) -> Sequence[int]:
    """Return the seeds: a number of them that count up from --seed, or those of a list; none if nothing is given."""
    text = options.seeds.strip()
    if not text:
        return (options.seed,) if options.seed else ()
    allowed = "it must be the number of seeds, from 1 to 100000, or a list such as 3,7,12"
    if "," in text:
        try:
            found = [int(part) for part in listed(text)]
        except ValueError:
            raise InputError(f"--seeds is {text[:60]!r}; {allowed}") from None
        if options.seed:
            raise InputError(
                f"--seeds {text[:60]} lists the seeds, and --seed is {options.seed} too; give one of the two"
            )
        return found
    count = int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None
    if count is None or not 1 <= count <= 100_000:
        shown = repr(text[:60]) if count is None else text
        raise InputError(f"--seeds is {shown}; {allowed}")
    return range(options.seed, options.seed + count)


def whole(option: str, text: str, allowed: str) -> int:
    """Parse the digits 0 to 9 of an option as a whole number; ``allowed`` says what the option takes."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise InputError(f"--{option} is {text[:60]!r}; it must be {allowed}")
    return int(text)


@contextlib.contextmanager
def decimal_commas_named(texts: Sequence[str]) -> Iterator[None]:
    """Add to an :class:`InputError` that commas separate values, if one of the settings looks like a decimal comma."""
    try:
        yield
    except InputError as error:
        commas = [text for text in texts if re.search(r"=0,\d+$", text)]
        if not commas:
            raise
        raise InputError(
            f"{error}; write {commas[0].replace(',', '.')} if a decimal is meant: commas separate values"
        ) from None


def training_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Parse ``NAME=VALUE`` texts as the settings of one training."""
    found = {}
    for name, text in pairs("set", texts):
        values = _setting(name, text)
        if len(values) > 1:
            raise InputError(f"--set {name}={text}: one value is allowed, since this command trains one setting")
        found[name] = values[0]
    return found


def metric_options(texts: Sequence[str], label_covariate: bool) -> dict[str, Any]:
    """Parse ``METRIC.OPTION=VALUE`` texts as options of metrics, with the types of their defaults; commas separate lists."""
    import msgspec

    given: dict[str, dict[str, Any]] = {}
    for name, text in pairs("metric-option", texts):
        kind, dot, option = name.partition(".")
        if not dot:
            raise InputError(
                f"--metric-option {name}={text}: it must be METRIC.OPTION=VALUE, such as leiden.neighbours=30"
            )
        defaults = metric(kind).options
        if defaults is None:
            raise InputError(f"--metric-option {name}={text}: metric {kind!r} has no options")
        known = dataclasses.asdict(defaults)
        if option not in known:
            raise unknown_name(f"option of metric {kind!r}", option, known)
        if "label_covariate" in known:
            known["label_covariate"] = label_covariate
        value = text.split(",") if isinstance(known[option], tuple) else text
        given[kind] = given.get(kind, known) | {option: value}
    found = {}
    for kind, values in given.items():
        try:
            found[kind] = msgspec.convert(values, type(metric(kind).options), strict=False)
        except msgspec.ValidationError as error:
            raise InputError(f"--metric-option {kind}.{of_type(str(error), values)}") from None
    return found


def check_out(out: Path) -> None:
    """Raise :class:`InputError` unless files can be written to a folder; it is not created."""
    check_folder(out, out / "figures")


def pairs(option: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    """Parse ``NAME=VALUE`` texts as (name, value) pairs; dashes in names become underscores."""
    found = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise InputError(f"--{option} {text}: it must be NAME=VALUE")
        name = name.replace("-", "_")
        if name in dict(found):
            raise InputError(f"--{option} has two values for {name}: {dict(found)[name]} and {value}; give it once")
        found.append((name, value))
    return found


def listed(text: str) -> tuple[str, ...]:
    """Split a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def value_of(text: str) -> Any:
    """Parse a text as an integer, a number, or true or false; others are returned as they are."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def _setting(name: str, text: str) -> list[Any]:
    if name == "hidden":  # widths are joined by "-": hidden=512,512-256 are two networks
        return [tuple(_numbers("set hidden", widths.replace("-", ","), int)) for widths in text.split(",")]
    return [value_of(part) for part in text.split(",")]


def _numbers(option: str, text: str, kind: type) -> tuple[Any, ...]:
    try:
        return tuple(kind(part) for part in listed(text))
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise InputError(f"--{option} is {text!r}; it must be {what} separated by commas") from None
