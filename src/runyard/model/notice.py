"""A notice: something that has happened, on its way to one hook. It lies in the store until it was delivered."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Optional

from runyard.errors import RunyardError
from runyard.model.record import dataclass

OUTBOX = "outbox:"
"""Kind of the documents that hold a hook's notices by id, with its name behind it; also the topic that wakes it."""

NOTIFIED = "notified"
"""Kind of the documents (by hook) that tell of the last deliveries."""


class Undelivered(RunyardError):
    """The other side did not take a notice. `for_good`: nor will it."""

    def __init__(self, message: str, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


@dataclass(frozen=True)
class Notice:
    """`id` is the same however often it is sent. `body` is what the hook gets as JSON; `text` one line for people.

    `tries` count those that failed; the next is not before `next_at` (wall time).
    """

    id: str
    hook: str
    event: str
    at: float
    text: str
    job_id: Optional[int] = None
    group: Optional[int] = None
    to: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    tries: int = 0
    next_at: float = 0.0


@dataclass(frozen=True)
class Told:
    """How a delivery went. `problem` is "" where it was taken; else it is tried again at `again_at` (None: never)."""

    id: str
    hook: str
    event: str
    at: float
    job_id: Optional[int] = None
    group: Optional[int] = None
    problem: str = ""
    tries: int = 1
    again_at: Optional[float] = None


@dataclass(frozen=True)
class HookRow:
    """A hook as lists show it: its kind (command, url, mail), its events, how many notices wait, its last deliveries
    (the newest last)."""

    name: str
    kind: str
    on: tuple[str, ...]
    waiting: int = 0
    last: tuple[Told, ...] = ()
