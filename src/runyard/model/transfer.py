"""What travels when jobs go from one yard to another: their stories, and what became of them over there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, fields, is_dataclass
from functools import cache
from typing import Any, Optional

from runyard.errors import InvalidSpec
from runyard.model.attempt import Attempt, AttemptKey, Placement, Result
from runyard.model.events import Assigned, Ended, Event, Recorded, Started, Submitted
from runyard.model.group import Group
from runyard.model.metrics import Metric, Reading
from runyard.model.queue import Queue
from runyard.model.record import dataclass
from runyard.model.spec import JobSpec

TOKEN = "import"
"""The token of attempts that no yard has made."""

AT_MAX = 1e11
"""Wall times of an import are before this, in seconds: no calendar shows what is far beyond."""


@dataclass(frozen=True)
class Story:
    """A job as its events, from the first: replaying them gives the job."""

    id: int
    events: tuple[Recorded, ...]

    def __post_init__(self) -> None:
        if not self.events or not isinstance(self.events[0].event, Submitted):
            raise InvalidSpec(f"job {self.id}: its story does not begin with submitted", "import")

    @property
    def specs(self) -> Iterator[JobSpec]:
        """Every spec that the job ever had."""
        for recorded in self.events:
            spec = getattr(recorded.event, "spec", None)
            if isinstance(spec, JobSpec):
                yield spec


def retold(number: int, spec: JobSpec, place: str, times: tuple[float, ...], result: Optional[Result] = None) -> Story:
    """A run that no yard has done (`place` did), as a story. `times` are when it was submitted, and, as far as it came,
    when it started and when it ended; then `result` says how."""
    key = AttemptKey(number, 1, TOKEN)
    events: list[Event] = [Submitted(times[0], spec)]
    if len(times) > 1:
        placements = (Placement(place, place),)
        events += [Assigned(times[1], Attempt(1, TOKEN, times[1], placements)), Started(times[1], key)]
    if result is not None:
        events.append(Ended(times[2], key, result))
    return Story(number, tuple(Recorded(number, version, event) for version, event in enumerate(events, 1)))


def reported(number: int, values: Mapping[str, float], at: float) -> Reading:
    """The last values of metrics that such a run had, by name."""
    metrics = tuple(Metric(name, 1, value, value, value, 0.0, at) for name, value in values.items())
    return Reading(AttemptKey(number, 1, TOKEN), metrics=metrics)


@dataclass(frozen=True)
class Cargo:
    """Jobs of another yard, to be taken in once for each `export_id`; what was broken off goes on when it comes again.

    Groups and queues are those that the stories name. `at` is when they were exported. Jobs that wait are held, unless
    `release` says otherwise. `readings` are the metrics of attempts; `outputs` the files (by job) that hold what its
    first attempt has printed, where they are on the machine of this yard.
    """

    export_id: str
    yard: str
    at: float
    stories: tuple[Story, ...] = ()
    groups: tuple[Group, ...] = ()
    queues: tuple[Queue, ...] = ()
    release: bool = False
    readings: tuple[Reading, ...] = ()
    outputs: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, at in _moments(self):
            if not 0 <= at < AT_MAX:
                raise InvalidSpec(f"{name} is {at!r}, which is no time since 1970", "import")


@dataclass(frozen=True)
class Unloaded:
    """What became of a cargo: new ids by the old ones, of jobs and groups; queues that were made; jobs (new ids) that
    had been running and are lost, that are held, and that lack their environment here. `before`: it was here already.
    """

    ids: dict[int, int] = field(default_factory=dict)
    groups: dict[int, int] = field(default_factory=dict)
    queues: tuple[str, ...] = ()
    lost: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    lacking: tuple[int, ...] = ()
    before: bool = False


def _moments(value: Any) -> Iterator[tuple[str, float]]:
    """All wall times that this record holds, with the names of their fields. (Those of a spec it checks itself.)"""
    if isinstance(value, tuple):
        for one in value:
            yield from _moments(one)
    elif is_dataclass(value) and not isinstance(value, (type, JobSpec)):
        for name in _names(type(value)):
            one = getattr(value, name)
            if name != "at" and not name.endswith("_at"):
                yield from _moments(one)
            elif one is not None:
                yield name, one


@cache
def _names(record: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))
