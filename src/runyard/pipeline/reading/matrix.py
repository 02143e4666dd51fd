"""The cells of a job that is there once for each combination of values, their names, and who means them. Pure.

    matrix: {lr: [0.1, 0.01], seed: [1, 2]}      train[lr=0.1,seed=1], train[lr=0.1,seed=2], ...

`exclude` takes combinations out; `include` adds values to those that it agrees with, or a further one (as GitHub has
them). Read by `document`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from runyard.errors import InvalidSpec
from runyard.pipeline.reading.options import text

Cell = Mapping[str, str]

CELLS_MAX = 10_000
INCLUDE, EXCLUDE = "include", "exclude"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@/-]*")
_CALLED = re.compile(r"(.+?)\[(.+)\]", re.DOTALL)


def cells(matrix: Any) -> list[dict[str, str]]:
    """The values of each cell. InvalidSpec where that is no matrix, or has none or too many."""
    if not isinstance(matrix, Mapping) or not matrix:
        raise InvalidSpec("lists of values by their names were expected, as in {lr: [0.1, 0.01]}", "matrix")
    axes = {_name(name): _values(name, values) for name, values in matrix.items() if name not in (INCLUDE, EXCLUDE)}
    count = math.prod(map(len, axes.values())) if axes else 0
    if count > CELLS_MAX:
        raise InvalidSpec(f"{count} cells; a job has at most {CELLS_MAX}", "matrix")
    out = _entries(matrix, EXCLUDE)
    for entry in out:
        for name in entry:
            if name not in axes:
                raise InvalidSpec(f"it excludes by {name!r}, which does not vary", "matrix")
    found = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())] if axes else []
    found = [cell for cell in found if not any(entry.items() <= cell.items() for entry in out)]
    found = _with(found, _entries(matrix, INCLUDE), set(axes))
    distinct = {tuple(cell.items()): cell for cell in found}
    if not distinct:
        raise InvalidSpec("no cell is left", "matrix")
    return list(distinct.values())


def name_of(job: str, cell: Cell) -> str:
    """What the job of this cell is called."""
    return f"{job}[{','.join(f'{name}={value}' for name, value in cell.items())}]"


def meant(need: str, jobs: Mapping[str, Sequence[Cell]]) -> list[str] | None:
    """The jobs that somebody means who needs this: one, all cells of one, or those with some values; None: nobody.

    `jobs` has the cells of each name, and none for a job without a matrix.
    """
    if need in jobs:
        return [name_of(need, cell) for cell in jobs[need]] or [need]
    match = _CALLED.fullmatch(need)
    if match is None or not jobs.get(match[1]):
        return None
    wanted = dict(part.strip().partition("=")[::2] for part in match[2].split(","))
    found = [name_of(match[1], cell) for cell in jobs[match[1]] if wanted.items() <= cell.items()]
    exact = need in (found or (name_of(match[1], cell) for cell in jobs[match[1]]))  # its values may have commas
    return [need] if exact else found or None


def _with(found: list[dict[str, str]], more: Iterable[Cell], varied: set[str]) -> list[dict[str, str]]:
    """The cells with what is included: values for those with which it agrees in all that varies, else one more."""
    further = []
    for entry in more:
        fixed = {name: value for name, value in entry.items() if name in varied}
        agree = [cell for cell in found if fixed.items() <= cell.items()]
        for cell in agree:
            cell.update(entry)
        if not agree:
            further.append(dict(entry))
    return found + further


def _name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidSpec(f"{name!r} is no name of a value: letters, digits and _", "matrix")
    return name


def _values(name: str, values: Any) -> list[str]:
    listed = values if isinstance(values, list) else [values]
    found = list(dict.fromkeys(_value(value, name) for value in listed))
    if not found:
        raise InvalidSpec(f"{name} has no values", "matrix")
    return found


def _value(value: Any, name: str) -> str:
    if isinstance(value, bool):  # as JSON has it
        return "true" if value else "false"
    try:
        return text(value, name)
    except InvalidSpec as error:
        raise InvalidSpec(error.message, "matrix") from None


def _entries(matrix: Mapping[str, Any], what: str) -> list[dict[str, str]]:
    given = matrix.get(what, [])
    if not isinstance(given, list) or not all(isinstance(entry, Mapping) and entry for entry in given):
        raise InvalidSpec(f"{what} is a list of values by their names, as in [{{lr: 0.1, seed: 2}}]", "matrix")
    return [{_name(name): _value(value, name) for name, value in entry.items()} for entry in given]
