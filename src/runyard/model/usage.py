"""What users have in the yard and what they have used: the answer to `ry stats`."""

from __future__ import annotations

from dataclasses import field

from runyard.errors import InvalidSpec
from runyard.model.moments import Calendar, is_moment, moment_in
from runyard.model.record import dataclass
from runyard.model.spans import span_seconds


@dataclass(frozen=True)
class UsageQuery:
    """Of jobs that ended, those since this moment count, and of GPU time what was used since then ("": all).

    `since` is a span before now (7d) or a moment as in filters (2026-12-01, today).
    """

    since: str = ""

    def __post_init__(self) -> None:
        if self.since and span_seconds(self.since) is None and not is_moment(self.since):
            raise InvalidSpec(f"{self.since!r} is neither a span (7d, 12h) nor a moment (2026-12-01, today)", "since")

    def since_at(self, calendar: Calendar) -> float:
        """The wall time."""
        span = span_seconds(self.since)
        return calendar.now - span if span is not None else moment_in(self.since, calendar) or 0.0


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
