"""What travels when jobs go from one yard to another: their stories, and what became of them over there."""

from __future__ import annotations

from dataclasses import field

from runyard.errors import InvalidSpec
from runyard.model.events import Recorded, Submitted
from runyard.model.group import Group
from runyard.model.metrics import Reading
from runyard.model.queue import Queue
from runyard.model.record import dataclass

FORMAT = 1
"""The version of an export's form. A newer one is refused."""


@dataclass(frozen=True)
class Story:
    """A job as its events, from the first: replaying them gives the job."""

    id: int
    events: tuple[Recorded, ...]

    def __post_init__(self) -> None:
        if not self.events or not isinstance(self.events[0].event, Submitted):
            raise InvalidSpec(f"job {self.id}: its story does not begin with submitted", "import")


@dataclass(frozen=True)
class Cargo:
    """Jobs of another yard, to be taken in: all of them or none, and once for each `export_id`.

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
