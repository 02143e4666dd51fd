"""What users have in the yard and what they have used: the question of `ry stats`, and the answer."""

from __future__ import annotations

from dataclasses import field

from runyard.model.record import dataclass


@dataclass(frozen=True)
class UsageQuery:
    """Of jobs that ended, those since this moment count, and of GPU time what was used since then ("": all).

    `since` is a span before now (7d) or a moment as in filters (2026-12-01, today).
    """

    since: str = ""


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
