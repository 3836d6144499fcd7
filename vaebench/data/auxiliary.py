"""Coding of auxiliary variables: columns of a table as numbers for a model, in training and for new samples.

A number is scaled to mean 0 and standard deviation 1 over the samples that have it; a category becomes one column of 0 and 1 for
each level. Where a sample lacks a value its columns are 0, and a mask of the same width says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vaebench.data.checks import covariate
from vaebench.data.digest import content_digest
from vaebench.errors import InputError, as_tuple, shortened, unknown_name
from vaebench.types import Dataset, checked_dataset
from vaebench.types.auxiliary import Auxiliary, AuxiliaryVariable

MOST_LEVELS = 200
"""Largest number of levels of a category; more are names or dates, not categories."""
_FEW = 20
"""Largest number of different whole numbers that are pointed out as possible codes of categories."""


def auxiliary_from(given: Mapping[str, ArrayLike], count: int) -> Auxiliary | None:
    """Returns the auxiliary variables of ``count`` samples with their coding; ``None`` if none are given.

    Args:
        given: name -> [N]; numbers are quantities (NaN where missing), anything else categories (``""`` or ``None``).
        count: N.

    Raises:
        InputError: a variable has no value, the same value in all samples that have one, or as many levels as names have.
    """
    held = {str(name): _checked(str(name), values, count) for name, values in given.items()}
    if not held:
        return None
    return Auxiliary(tuple(_variable(name, values) for name, values in held.items()), held)


def _checked(name: str, values: ArrayLike, count: int) -> np.ndarray:
    """Returns numbers, true and false included, as float64, and anything else as text."""
    array = np.asarray(values)
    try:
        return covariate(name, array, count)
    except InputError as error:
        raise InputError(str(error).replace("covariate", "auxiliary variable", 1)) from None


def _variable(name: str, values: np.ndarray) -> AuxiliaryVariable:
    number = values.dtype.kind == "f"
    known = values[~np.isnan(values)] if number else values[values != ""]
    found, missing = np.unique(known), known.size < values.size
    where = f"auxiliary (--auxiliary) names {shortened(name)!r}, which"
    if not known.size:
        raise InputError(f"{where} has no value in any of the {values.size} samples; leave it out")
    if found.size == 1:
        raise InputError(
            f"{where} is {shortened(found[0])!r} in all {known.size} samples that have it, and tells nothing; leave it out"
        )
    if number:
        with np.errstate(over="ignore", invalid="ignore"):
            centre, scale = float(known.mean()), float(known.std())
        if not 0 < scale < np.inf or not np.isfinite(centre):
            raise InputError(
                f"{where} goes from {known.min():g} to {known.max():g}: too far, or too little, to be scaled"
            )
        return AuxiliaryVariable(name, (), centre, scale, missing)
    if found.size > MOST_LEVELS or found.size * 2 > known.size:
        raise InputError(
            f"{where} has {found.size} different texts in {known.size} samples, such as {shortened(found[0])!r}; a category "
            f"needs 2 samples a level on average and at most {MOST_LEVELS} levels: leave it out, or group its values"
        )
    return AuxiliaryVariable(name, tuple(str(level) for level in found), missing=missing)


def auxiliary_notes(auxiliary: Auxiliary | None) -> list[str]:
    """Returns notes on how the variables were taken: possible codes read as quantities, and values that are missing."""
    if auxiliary is None:
        return []
    notes = []
    for variable in auxiliary.variables:
        values = auxiliary.values[variable.name]
        absent = np.isnan(values) if values.dtype.kind == "f" else values == ""
        if not variable.levels:
            found = np.unique(values[~absent])
            if 2 < found.size <= _FEW and (found == np.round(found)).all():
                notes.append(
                    f"auxiliary {variable.name}: {found.size} whole numbers from {found[0]:g} to {found[-1]:g} are taken as a "
                    f"quantity; give {variable.name}:category if they are codes"
                )
        if absent.any():
            notes.append(
                f"auxiliary {variable.name}: {int(absent.sum())} of {absent.size} samples lack it, and models are told so"
            )
    return notes


def split_kind(name: str, columns: Iterable[str]) -> tuple[str, bool]:
    """Returns the column that ``NAME`` or ``NAME:category`` names, and true if its values are to be taken as categories."""
    column, colon, kind = name.rpartition(":")
    if colon and kind == "category" and name not in set(columns):
        return column, True
    return name, False


def as_category(values: np.ndarray) -> np.ndarray:
    """Returns values as text, whole numbers without a decimal point, ``""`` where missing."""
    return np.array(
        ["" if v is None or v != v else f"{v:.15g}" if isinstance(v, float) else str(v) for v in values.tolist()]
    )


def coded(variables: Sequence[AuxiliaryVariable], values: Mapping[str, Any], count: int) -> np.ndarray:
    """Returns the coded columns of ``count`` samples and their mask, [N, 2 A] float32; see :class:`AuxiliaryRows`.

    Args:
        variables: the coding.
        values: name -> [N]; others than the variables are ignored.
        count: N.

    Raises:
        InputError: a variable is absent, its values are of another kind or have an unknown level, or a value is missing that
            no sample of the data set lacked.
    """
    columns, masks = [], []
    for variable in variables:
        name = variable.name
        if name not in values:
            raise InputError(
                f"the auxiliary variable {shortened(name)!r} is missing; the model needs {_listed(variables)} of every sample: "
                "give a table that has them as auxiliary"
            )
        column, mask = _coded(variable, _checked(name, values[name], count))
        absent = np.flatnonzero(mask == 0)
        if absent.size and not variable.missing:
            raise InputError(
                f"the auxiliary variable {shortened(name)!r} is missing in {absent.size} of {count} samples (the first: number "
                f"{absent[0] + 1}); all samples of the training had it, so the model needs it"
            )
        columns.append(column)
        masks.append(np.repeat(mask[:, None], column.shape[1], axis=1))
    return np.concatenate([*columns, *masks], axis=1).astype(np.float32)


def _coded(variable: AuxiliaryVariable, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the columns of a variable [N, width], 0 where missing, and its mask [N]."""
    name, number = variable.name, values.dtype.kind == "f"
    if variable.levels:
        # codes of categories may be read as numbers from another table
        texts = as_category(values)
        unknown = np.setdiff1d(texts, ["", *variable.levels])
        if unknown.size:
            raise InputError(
                f"the auxiliary variable {shortened(name)!r} holds {shortened(unknown[0])!r}, a level that the model does not "
                f"know; it must be one of {_some(variable.levels)}"
            )
        return (texts[:, None] == np.array(variable.levels)[None]).astype(np.float64), (texts != "").astype(np.float64)
    if not number:
        held = [text for text in values.tolist() if text]
        if held:
            raise InputError(
                f"the auxiliary variable {shortened(name)!r} holds the text {shortened(held[0])!r}; the model needs numbers"
            )
        values = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    scaled = np.where(known, (np.where(known, values, 0.0) - variable.centre) / variable.scale, 0.0)
    return scaled[:, None], known.astype(np.float64)


def _listed(variables: Sequence[AuxiliaryVariable]) -> str:
    return _some([variable.name for variable in variables])


def _some(names: Sequence[str]) -> str:
    return ", ".join(shortened(name) for name in names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def with_auxiliary(dataset: Dataset, names: Sequence[str] | str) -> Dataset:
    """Returns the data set with some of its labels, covariates and factors as auxiliary variables, in place of any it has.

    Args:
        dataset: the data set.
        names: ``"label"``, or names of covariates or factors; ``NAME:category`` takes whole numbers as codes of categories.

    Raises:
        InputError: a name is unknown, or its values are the same, or missing, in all samples.

    Example:
        >>> import vaebench as vb
        >>> data, _ = vb.data.simulate_cohort(samples=240, types=4)
        >>> vb.data.with_auxiliary(data, ["label", "age"]).auxiliary
        <Auxiliary: label (4 levels), age>
    """
    dataset = checked_dataset(dataset)
    held: dict[str, np.ndarray] = {**dataset.factors, **dataset.covariates}
    if dataset.labels is not None:
        held = {"label": np.array(dataset.label_names)[dataset.labels]} | held
    given = {}
    for name in as_tuple("names", names):
        column, category = split_kind(name, held)
        if column not in held:
            raise unknown_name("auxiliary variable (--auxiliary)", column, held)
        given[column] = as_category(held[column]) if category else held[column]
    auxiliary = auxiliary_from(given, len(dataset.samples))
    auxiliary = auxiliary and dataclasses.replace(auxiliary, samples=dataset.samples)
    notes = [note for note in dataset.notes if not note.startswith("auxiliary ")]
    made = dataclasses.replace(dataset, auxiliary=auxiliary, notes=(*notes, *auxiliary_notes(auxiliary)))
    return dataclasses.replace(made, digest=content_digest(made))


def coding_of(variables: Sequence[AuxiliaryVariable]) -> list[dict[str, Any]]:
    """Return the coding as JSON values; :func:`variables_from` is the inverse."""
    return [variable._asdict() | {"levels": list(variable.levels)} for variable in variables]


def variables_from(coding: Sequence[Mapping[str, Any]]) -> tuple[AuxiliaryVariable, ...]:
    """Return the coding that :func:`coding_of` wrote.

    Raises:
        InputError: it is not as it was written.
    """
    try:
        found = tuple(AuxiliaryVariable(**{**held, "levels": tuple(held["levels"])}) for held in coding)
    except (TypeError, KeyError) as error:
        raise InputError(f"the auxiliary variables are not as they were written ({shortened(error)})") from None
    if any(not isinstance(v.name, str) or (not v.levels and not v.scale > 0) for v in found):
        raise InputError(
            "the auxiliary variables are not as they were written: a name is no text, or a scale not above 0"
        )
    return found
