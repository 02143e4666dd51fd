"""What `Criteria` mean, said once in Python: which jobs, in which order.

The memory store uses all of it; a SQL store says the same in SQL (`queries`), and the contract's tests compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from runyard.errors import InvalidSpec
from runyard.model.filter import ORDERS, Selector, is_pattern
from runyard.model.job import Job, JobState
from runyard.store.base import Criteria

ORDER_KEYS: dict[str, Callable[[Job], Any]] = {
    "id": lambda job: job.id,
    "name": lambda job: plain(job.spec.label),
    "priority": lambda job: job.spec.priority,
    "queue": lambda job: job.spec.queue,
    "user": lambda job: job.spec.user,
    "submitted": lambda job: job.submitted_at,
    "started": lambda job: started_at(job),
    "ended": lambda job: job.ended_at,
}
assert tuple(ORDER_KEYS) == ORDERS


def plain(text: str) -> str:
    """A text as every database takes it: undecodable bytes (lone surrogates) as escapes. For what is searched by."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def searched(text: str) -> str:
    """A text in which words are looked for, whatever their case."""
    return plain(text.casefold())


def order_of(criteria: Criteria) -> tuple[str, bool]:
    """The name of the order and whether it goes down; InvalidSpec if there is no such order."""
    name = criteria.order.removeprefix("-")
    if name not in ORDERS:
        raise InvalidSpec(f"{name!r} is none of {', '.join(ORDERS)}", "order")
    return name, criteria.order.startswith("-")


def started_at(job: Job) -> float | None:
    """When the present attempt started."""
    return job.attempt.started_at if job.attempt is not None else None


def select(jobs: Iterable[Job], criteria: Criteria) -> list[Job]:
    """The jobs that are meant, in order."""
    everything = list(jobs)
    found = [job for job in everything if _meant(job, criteria, everything)]
    if criteria.mine:
        found = [job for job in found if job.spec.user == criteria.user]
    return finish(found, criteria)


def finish(jobs: Iterable[Job], criteria: Criteria) -> list[Job]:
    """What is kept of the jobs that are meant: the recent ones, those after `after_id`; sorted and cut."""
    found = list(jobs)
    if criteria.recent:
        found = _recent(found, criteria.recent_done)
    if criteria.after_id:
        down = criteria.order == "-id"
        found = [job for job in found if (job.id < criteria.after_id if down else job.id > criteria.after_id)]
    return _in_order(found, criteria)


def _in_order(jobs: Iterable[Job], criteria: Criteria) -> list[Job]:
    """Sorted and cut. What is not known yet (when it started, when it ended) comes last, descending first."""
    name, down = order_of(criteria)
    value_of = ORDER_KEYS[name]

    def place(job: Job) -> tuple[bool, Any, int]:
        value = value_of(job)
        return (value is None, value, job.id)

    found = sorted(jobs, key=place, reverse=down)
    return found[: criteria.limit] if criteria.limit else found


def _meant(job: Job, criteria: Criteria, everything: list[Job]) -> bool:
    return not criteria.selectors or any(_selected(job, s, criteria, everything) for s in criteria.selectors)


def _selected(job: Job, selector: Selector, criteria: Criteria, everything: list[Job]) -> bool:
    if selector.ids is not None:
        return selector.ids[0] <= job.id <= selector.ids[1]
    if selector.last is not None:
        mine = sorted((other.id for other in everything if other.spec.user == criteria.user), reverse=True)
        return job.id in mine[selector.last : selector.last + 1]
    if selector.names:
        label = plain(job.spec.label)
        return is_element(job, selector) or any(_named(label, plain(name)) for name in selector.names)
    if selector.words or selector.states:
        return job.word in selector.words or job.state in selector.states
    if selector.queue:
        return job.spec.queue == selector.queue
    if selector.group is not None:
        return job.group == selector.group
    if selector.note:
        return bool(pattern(f"*{searched(selector.note)}*").fullmatch(searched(job.spec.note)))
    wanted = criteria.user if selector.everything else selector.user
    return not wanted or job.spec.user == wanted


def is_element(job: Job, selector: Selector) -> bool:
    """Whether the selector names this element of an array."""
    index = job.spec.array_index
    if selector.elements is None or index is None:
        return False
    name, first, last = selector.elements
    return job.spec.label == name and first <= index <= last


def _named(label: str, name: str) -> bool:
    return bool(pattern(name).fullmatch(label)) if is_pattern(name) else label == name


@lru_cache(maxsize=256)
def pattern(name: str) -> re.Pattern[str]:
    """A name with `*` and `?` as a regular expression; every other character stands for itself."""
    marks = {"*": ".*", "?": "."}
    return re.compile("".join(marks.get(mark) or re.escape(mark) for mark in name), re.DOTALL)


def _recent(jobs: list[Job], most_done: int) -> list[Job]:
    done = sorted((job for job in jobs if job.state is JobState.DONE), key=lambda job: (job.ended_at or 0.0, job.id))
    kept = {job.id for job in done[-most_done:]} if most_done else set[int]()
    return [job for job in jobs if job.state is not JobState.DONE or job.id in kept]
