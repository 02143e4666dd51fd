"""Columns that a user has chosen: fields of a job, its parameters, its metrics. `ls` loads this when it is asked to.

Names are those of `model.fields`; one that is no field has to be a parameter or a metric of some job in the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from runyard.api import JobRow
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.text import clock, harmless, label, span, stamp
from runyard.errors import UsageError
from runyard.model.fields import FIELDS, METRIC, PARAM, SPAN, TIME, Scalar, Value, value_of
from runyard.model.listing import shown
from runyard.model.nearest import meant
from runyard.model.where import names_in, parse

FIRM = ("id", "state")


def check(names: Iterable[str], rows: Sequence[JobRow]) -> None:
    """UsageError names one that nobody can have, or that no job in the list has."""
    told = _strange(names, rows)
    if told:
        raise UsageError(told)


def unheard(where: str, rows: Sequence[JobRow]) -> str:
    """Why nothing was found, if this condition has a name that none of these jobs has."""
    told = _strange(sorted(names_in(parse(where))), rows)
    return f"ry: {told}" if told else ""


def _strange(names: Iterable[str], rows: Sequence[JobRow]) -> str:
    own = dict.fromkeys(
        name for row in rows for name in (*(name for name, _ in (*row.params, *row.public)), *row.metrics)
    )
    for name in names:
        if name in FIELDS or name.startswith((PARAM, METRIC)) or name in own or (name and not rows):
            continue
        here = f", and of these jobs {shown(map(harmless, own))}" if own else ""
        listed = f"`ry ls --columns help` lists what all jobs have{here}"
        return f"no job here has {name!r}{meant(name, (*FIELDS, *own), listed)}"
    return ""


def table(rows: Sequence[JobRow], columns: str, now: float, for_people: bool) -> Grid:
    """The jobs with these columns."""
    names = columns.split(",")
    lines = [[_cell(row, name, now, for_people) for name in names] for row in rows]
    numbers = {name for name in names if all(_is_number(value_of(row, name, now)) for row in rows)}
    made = tuple(
        Column(harmless(name.upper()), right=name in numbers, flexible=name not in FIRM, firm=name in FIRM)
        for name in names
    )
    return Grid(made, tuple(Row(tuple(cells), row.word) for cells, row in zip(lines, rows, strict=True)))


def records(rows: Sequence[JobRow], columns: str, now: float) -> list[dict[str, Any]]:
    """The same for `--json`: times since the epoch, spans in seconds, what a job lacks as null."""
    return [{name: _plain(row, name, now) for name in columns.split(",")} for row in rows]


def known() -> Grid:
    """Every field, as a table."""
    lines = [(name, field.kind, field.about) for name, field in FIELDS.items()]
    lines += [
        ("NAME", "text", "a public variable of that name (DQ_..., see public_prefixes)"),
        ("NAME", "text", "a parameter of that name (param:NAME where a field is called so)"),
        ("NAME", "number", "the last value of a metric (metric:NAME where something else is called so)"),
    ]
    return Grid((Column("NAME", firm=True), Column("KIND"), Column("IS")), tuple(Row(line) for line in lines))


def _plain(row: JobRow, name: str, now: float) -> Value:
    return row.word if name == "state" else value_of(row, name, now)


def _cell(row: JobRow, name: str, now: float, for_people: bool) -> str:
    if name == "name":
        return label(row)
    if name == "state":
        return row.word + "".join(f"!{flag}" for flag in row.flags)
    value = value_of(row, name, now)
    if isinstance(value, tuple):
        return ",".join(_one(one) for one in value)
    kind = FIELDS[name].kind if name in FIELDS else ""
    if value is None:
        return ""
    if kind == TIME:
        return clock(float(value), now) if for_people else stamp(float(value))
    return span(float(value)) if kind == SPAN else _one(value)


def _one(value: Scalar) -> str:
    if isinstance(value, str):
        return harmless(value)
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _is_number(value: Value) -> bool:
    return not isinstance(value, str | tuple)
