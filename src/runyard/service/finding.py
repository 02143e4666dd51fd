"""After the store has found jobs: `--where` and `--sort`, and selectors that should have found something."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import attrgetter

from runyard.api import JobRow
from runyard.errors import InvalidSpec, NotFound
from runyard.model.fields import rank, value_of
from runyard.model.filter import JobQuery, Selector
from runyard.model.job import Job
from runyard.model.moments import Calendar, moment_in
from runyard.model.spans import span_seconds
from runyard.model.where import parse, predicate
from runyard.store.selection import is_element

_id, _label, _queue = attrgetter("id"), attrgetter("spec.label"), attrgetter("spec.queue")


def needs_rows(query: JobQuery) -> bool:
    """Whether the query asks for something that a store does not know."""
    return bool(query.where or query.sort)


def narrowed(batches: Iterable[Iterable[JobRow]], query: JobQuery, now: float) -> tuple[JobRow, ...]:
    """The rows that are meant, sorted and cut. Of all others no more than one batch is held."""
    matches = predicate(parse(query.where), calendar(now)) if query.where else lambda field: True
    found: list[JobRow] = []
    for rows in batches:
        found += [row for row in rows if matches(partial(value_of, row, now=now))]
        if query.limit:
            found = _sorted(found, query, now)[: query.limit]
            if len(found) == query.limit and not query.sort:
                break
    return tuple(found if query.limit else _sorted(found, query, now))


def _sorted(rows: list[JobRow], query: JobQuery, now: float) -> list[JobRow]:
    for key in reversed(query.sort):
        rows = in_order(rows, key, now)
    return rows


def in_order(rows: Iterable[JobRow], key: str, now: float) -> list[JobRow]:
    """Sorted by this name, equal ones as they stand; what lacks it comes last, whichever way it goes."""
    name = key.removeprefix("-")
    values = [(value_of(row, name, now), row) for row in rows]
    known = [(rank(value), row) for value, row in values if value is not None]
    known.sort(key=lambda pair: pair[0], reverse=key.startswith("-"))
    return [row for _, row in known] + [row for value, row in values if value is None]


class Demands:
    """Selectors that name one job, or a queue: each has to find something."""

    def __init__(self, texts: Iterable[str], selectors: Iterable[Selector]) -> None:
        named = zip(texts, selectors, strict=True)
        self._open = [(text, selector) for text, selector in named if selector.queue or not selector.spreads]

    def meet(self, found: Sequence[Job]) -> None:
        """These are some of those that were found."""
        if not self._open or not found:
            return
        ids, labels, queues = ({of(job) for job in found} for of in (_id, _label, _queue))

        def met(selector: Selector) -> bool:
            if selector.queue:
                return selector.queue in queues
            if selector.ids is not None:
                return selector.ids[0] in ids
            if selector.last is not None:
                return True
            return selector.names[0] in labels or any(is_element(job, selector) for job in found)

        self._open = [(text, selector) for text, selector in self._open if not met(selector)]

    def insist(self, queues: Callable[[], Iterable[str]]) -> None:
        """NotFound names what has found nothing. A queue may be empty."""
        for text, selector in self._open:
            if selector.queue:
                if selector.queue not in queues():
                    raise NotFound(f"there is no queue {selector.queue!r}")
            elif selector.ids is not None:
                raise NotFound(f"there is no job {text}")
            elif selector.last is not None:
                raise NotFound(f"{text}: you have no such job")
            else:
                raise NotFound(f"there is no job named {text!r}")


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
