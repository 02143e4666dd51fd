"""What a job can be filtered, sorted and listed by: the fields of its row, its parameters and its metrics.

A name means a field if there is one of that name, else a parameter of the job, else a metric that it has reported;
`param:lr` and `metric:lr` say which. Rows are those of `model.row`. A value that a job does not have is None.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Optional, Union

from runyard.model.record import dataclass

Scalar = Union[str, int, float]
Value = Union[None, Scalar, tuple[Scalar, ...]]
"""Several values match where one of them does."""

TEXT, WORD, NUMBER, SPAN, TIME = "text", "word", "number", "span", "time"
"""Kinds: WORD is one for a job's state; SPAN is in seconds, TIME wall time."""

PARAM, METRIC = "param:", "metric:"


@dataclass(frozen=True)
class Field:
    """One field: `value` takes a row and the wall time now."""

    kind: str
    about: str
    value: Callable[[Any, float], Value]


def _of(name: str) -> Callable[[Any, float], Value]:
    held = attrgetter(name)
    return lambda row, now: held(row)


def _text(name: str) -> Callable[[Any, float], Value]:
    """A text that is missing where it is empty."""
    held = attrgetter(name)
    return lambda row, now: held(row) or None


def _runtime(row: Any, now: float) -> Optional[float]:
    ran_s: Optional[float] = row.ran_s(now)
    return ran_s


def _percent(row: Any, now: float) -> Optional[float]:
    return round(100.0 * row.done / row.total, 1) if row.total else None


def _span(first: float, last: float) -> float:
    return max(0.0, last - first)


def _waited(row: Any, now: float) -> Optional[float]:
    until = row.started_at if row.started_at is not None else row.ended_at
    return _span(row.submitted_at, now if until is None else until)


FIELDS: dict[str, Field] = {
    "id": Field(NUMBER, "the job's number", _of("id")),
    "name": Field(TEXT, "its name, or that of its program", _of("name")),
    "index": Field(NUMBER, "of an element of an array: its index", _of("array_index")),
    "group": Field(NUMBER, "the group that it belongs to", _of("group")),
    "state": Field(WORD, "the word of `ls` (queued, running, failed ...)", lambda row, now: (row.word, row.state)),
    "outcome": Field(WORD, "how it ended", _of("outcome")),
    "exit_code": Field(NUMBER, "what its command returned", _of("exit_code")),
    "reason": Field(TEXT, "why it waits, or how it ended", _text("reason")),
    "attempt": Field(NUMBER, "how often it was tried", _of("attempt")),
    "flags": Field(TEXT, "unreachable, unkillable, stalled", _of("flags")),
    "queue": Field(TEXT, "its queue", _of("queue")),
    "user": Field(TEXT, "whose it is", _of("user")),
    "priority": Field(NUMBER, "higher ones come first", _of("priority")),
    "host": Field(TEXT, "where it runs or ran", _text("host")),
    "gpus": Field(NUMBER, "how many GPUs it asks for", _of("gpus_wanted")),
    "gpu": Field(NUMBER, "the indices of the GPUs that it has or had", _of("gpus")),
    "pid": Field(NUMBER, "the process of its command", _of("pid")),
    "command": Field(TEXT, "its command", _of("command")),
    "workdir": Field(TEXT, "where it runs", _of("workdir")),
    "note": Field(TEXT, "what it is for, as its user says", _text("note")),
    "place": Field(NUMBER, "where it stands in line among those of its priority", _of("place")),
    "template": Field(TEXT, "the template that it was made from", _text("template")),
    "stage": Field(TEXT, "what it says that it is doing, while it runs", _text("stage")),
    "progress": Field(NUMBER, "how many percent of it are done, while it runs", _percent),
    "left": Field(SPAN, "how long the rest will take, at its present pace", _of("left_s")),
    "submitted": Field(TIME, "when it was submitted", _of("submitted_at")),
    "started": Field(TIME, "when its last attempt started", _of("started_at")),
    "ended": Field(TIME, "when it ended", _of("ended_at")),
    "runtime": Field(SPAN, "how long it has run", _runtime),
    "waited": Field(SPAN, "how long it has waited, or had before it started", _waited),
    "age": Field(SPAN, "how long ago it was submitted", lambda row, now: _span(row.submitted_at, now)),
}


def value_of(row: Any, name: str, now: float) -> Value:
    """What this job has under this name; None if nothing."""
    field = FIELDS.get(name)
    if field is not None:
        return field.value(row, now)
    if name.startswith(PARAM):
        return _param(row, name[len(PARAM) :])
    if name.startswith(METRIC):
        return _metric(row, name[len(METRIC) :])
    value = _param(row, name)
    value = _public(row, name) if value is None else value
    return value if value is not None else _metric(row, name)


def number_in(text: str) -> Optional[float]:
    """The number that this text is, if it is one."""
    try:
        number = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return None
    return None if math.isnan(number) else number


def rank(value: Value) -> tuple[int, float, str]:
    """Where a value stands among all that a name may have: numbers by size, then texts (numbers in them by size)."""
    if isinstance(value, tuple):
        value = value[0] if value else ""
    if isinstance(value, str):
        number = number_in(value)
        return (1, 0.0, value) if number is None else (0, number, value)
    return 0, float(value or 0), ""


def _param(row: Any, name: str) -> Optional[str]:
    return next((value for held, value in row.params if held == name), None)


def _public(row: Any, name: str) -> Optional[str]:
    return next((value for held, value in row.public if held == name), None)


def _metric(row: Any, name: str) -> Optional[float]:
    value: Optional[float] = row.metrics.get(name)
    return value
