"""What is left of the rows that were found: those for which `--where` holds, in the order that was asked for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial

from runyard.api import JobRow
from runyard.errors import InvalidSpec
from runyard.model.fields import rank, value_of
from runyard.model.filter import JobQuery
from runyard.model.moments import Calendar, moment_in
from runyard.model.spans import span_seconds
from runyard.model.where import parse, predicate


def needs_rows(query: JobQuery) -> bool:
    """Whether the query asks for something that a store does not know."""
    return bool(query.where or query.sort)


def narrowed(rows: Iterable[JobRow], query: JobQuery, now: float) -> tuple[JobRow, ...]:
    """The rows that are meant, sorted and cut."""
    found = list(rows)
    if query.where:
        matches = predicate(parse(query.where), calendar(now))
        found = [row for row in found if matches(partial(value_of, row, now=now))]
    for key in reversed(query.sort):
        found = in_order(found, key, now)
    return tuple(found[: query.limit] if query.limit else found)


def in_order(rows: Iterable[JobRow], key: str, now: float) -> list[JobRow]:
    """Sorted by this name, equal ones as they stand; what lacks it comes last, whichever way it goes."""
    name = key.removeprefix("-")
    values = [(value_of(row, name, now), row) for row in rows]
    known = [(rank(value), row) for value, row in values if value is not None]
    known.sort(key=lambda pair: pair[0], reverse=key.startswith("-"))
    return [row for _, row in known] + [row for value, row in values if value is None]


def since_at(text: str, now: float) -> float:
    """The wall time of a span before now (7d) or a moment; of nothing 0. InvalidSpec where it is neither."""
    span = span_seconds(text)
    at = now - span if span is not None else moment_in(text, calendar(now)) if text else 0.0
    if at is None:
        raise InvalidSpec(f"{text!r} is neither a span (7d, 12h) nor a moment (2026-12-01, today)", "since")
    return at


def calendar(now: float) -> Calendar:
    """Moments in the local time of this process."""
    here = time.localtime(now)
    return Calendar(now, (here.tm_year, here.tm_mon, here.tm_mday), lambda local: local.timestamp())
