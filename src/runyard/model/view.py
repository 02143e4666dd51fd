"""What the planner reads, and what it returns."""

from __future__ import annotations

from typing import Optional

from runyard.model.attempt import Placement, attempt_name
from runyard.model.host import Host
from runyard.model.queue import Queue
from runyard.model.record import dataclass
from runyard.model.spec import JobSpec, Resources

TIME_STEPS_S = (60, 300, 900, 3_600, 4 * 3_600, 12 * 3_600, 86_400, 3 * 86_400, 7 * 86_400)
"""Time limits are rounded up to one of these in a shape (0: no limit)."""


@dataclass(frozen=True)
class Shape:
    """Jobs of one shape are alike to the planner. `group` is set where the group has a limit of its own."""

    queue: str
    user: str
    resources: Resources
    time_limit_s: int = 0
    group: int = 0


def shape_of(spec: JobSpec, limited_group: Optional[int] = None) -> Shape:
    """The shape of a job; `limited_group` is its group if that has a limit."""
    limit = spec.time_limit_s or 0
    rounded = next((s for s in TIME_STEPS_S if s >= limit), int(limit)) if limit else 0
    return Shape(spec.queue, spec.user, spec.resources, rounded, limited_group or 0)


@dataclass(frozen=True)
class Head:
    """One of the first ready jobs of a shape. `number` is that of its next attempt, `place` its `Job.place`."""

    job_id: int
    version: int
    priority: int
    number: int
    place: float

    @property
    def rank(self) -> tuple[int, float, int]:
        """Its place in the order of the yard, by priority, then as its users lined it up: smaller comes first."""
        return (-self.priority, self.place, self.job_id)


@dataclass(frozen=True)
class ShapeView:
    """Ready jobs of one shape, best first; `waiting` counts them all. `usual_s` is their usual run time, if known."""

    id: int
    shape: Shape
    heads: tuple[Head, ...]
    waiting: int
    usual_s: Optional[float] = None


@dataclass(frozen=True)
class Occupied:
    """A placement that holds something, or waits to take over (`placement.follows`).

    `ends_by` is the wall time at which its time limit ends it at the latest (None: no limit, or it is `paused`).
    """

    job_id: int
    number: int
    queue: str
    user: str
    shape: int
    placement: Placement
    group: int = 0
    ends_by: Optional[float] = None
    unkillable: bool = False
    paused: bool = False

    @property
    def name(self) -> str:
        """The attempt's."""
        return attempt_name(self.job_id, self.number)


@dataclass(frozen=True)
class HostView:
    """A host and the agents on it that beat: user name to agent id.

    `unknown` are attempts that run there although this yard does not know them; they keep their devices.
    """

    host: Host
    agents: dict[str, str]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """Everything that one round of planning may see. `limits` maps a group's id to its parallel limit."""

    now: float
    hosts: tuple[HostView, ...]
    queues: dict[str, Queue]
    shapes: tuple[ShapeView, ...]
    occupied: tuple[Occupied, ...]
    limits: dict[int, int]
    draining: bool = False
    foreign_mb: int = 500


@dataclass(frozen=True)
class Reason:
    """Why jobs wait.

    `code` is one of REASONS. `text` is the short form for lists. `blockers` are jobs whose end would help; `at` is the
    earliest wall time at which that may be (from time limits), if known.
    """

    code: str
    text: str = ""
    blockers: tuple[int, ...] = ()
    at: Optional[float] = None


REASONS = {
    "held": "a user keeps it back",
    "begin": "its time to begin has not come",
    "dependency": "it waits for other jobs",
    "queue-paused": "its queue is paused",
    "queue-limit": "its queue runs as many jobs as it may",
    "group-limit": "its group runs as many jobs as it may",
    "draining": "the yard starts nothing new",
    "no-agent": "no agent of this user is there",
    "never": "no host could ever hold it",
    "resources": "what it asks for is in use",
    "foreign": "a process from outside the queue sits on the GPUs",
    "priority": "jobs before it come first",
}


@dataclass(frozen=True)
class Decision:
    """Assign this attempt of this job, as it was at `version`, to this placement."""

    job_id: int
    version: int
    number: int
    placement: Placement


@dataclass(frozen=True)
class Plan:
    """What one round decided: assignments, and for every shape that still waits the reason (by shape id).

    `withdrawn` are jobs that were named ahead and go back to wait, if they have not begun. `look_at` is the wall time
    at which more of them may have to, even if nothing happens until then.
    """

    decisions: tuple[Decision, ...]
    reasons: dict[int, Reason]
    withdrawn: tuple[int, ...] = ()
    look_at: Optional[float] = None
