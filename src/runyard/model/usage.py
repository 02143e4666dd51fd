"""What users have in the yard and what they have used: the answer to `ry stats`."""

from __future__ import annotations

from dataclasses import field

from runyard.errors import InvalidSpec
from runyard.model.record import dataclass


@dataclass(frozen=True)
class UsageQuery:
    """Of jobs that ended, those since this wall time count, and of GPU time what was used since then (0: all)."""

    since: float = 0.0

    def __post_init__(self) -> None:
        if self.since < 0:
            raise InvalidSpec("a wall time, in seconds since 1970", "since")


@dataclass(frozen=True)
class UsageRow:
    """The jobs of one user in one queue. `active` are those on hosts, `waiting` the others that have not ended;
    `ended` counts by outcome. A GPU that was shared counts as a whole one."""

    user: str
    queue: str
    active: int = 0
    waiting: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    gpu_hours: float = 0.0
