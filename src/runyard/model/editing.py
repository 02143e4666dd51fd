"""Calls that change jobs after they were accepted, and what they are made from."""

from __future__ import annotations

from typing import Optional

from runyard.errors import InvalidSpec
from runyard.model.record import dataclass
from runyard.model.spec import JobSpec

PLACES = ("first", "last", "before", "after")


@dataclass(frozen=True)
class Draft:
    """What a job is to become: `version` is that of the job from which it was made (None: whatever it is by now)."""

    id: int
    spec: JobSpec
    version: Optional[int] = None


@dataclass(frozen=True)
class MoveCall:
    """Line up these jobs, in the order in which they stand now: `where` is first or last of their queue, or before or
    after the job `beside`."""

    ids: tuple[int, ...]
    where: str = "first"
    beside: int = 0

    def __post_init__(self) -> None:
        if self.where not in PLACES:
            raise InvalidSpec(f"{self.where!r} is none of {', '.join(PLACES)}", "where")
        if (self.where in ("before", "after")) != (self.beside > 0):
            raise InvalidSpec("before and after need a job, first and last take none", "beside")


@dataclass(frozen=True)
class RetryCall:
    """Try these jobs again; those among them that have a draft, changed. `resume` tells the command to go on from the
    last attempt that started."""

    ids: tuple[int, ...]
    resume: bool = False
    drafts: tuple[Draft, ...] = ()
