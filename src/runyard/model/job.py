"""A job and where it stands.

A record carries only what is true in its state; how a job ended is an Outcome, why it waits a Reason, and a wish
("please stop") is a request beside the state.
"""

from __future__ import annotations

from enum import Enum
from typing import Optional

from runyard.model.attempt import Attempt
from runyard.model.outcome import Outcome
from runyard.model.record import dataclass
from runyard.model.spec import JobSpec


class JobState(str, Enum):
    """Who moves a job out of it: the planner, the agent, the runner, and (retry) a user."""

    PENDING = "pending"
    ASSIGNED = "assigned"
    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True)
class StopRequest:
    """Somebody wants the job to end. `grace_s` None takes the job's own; signal 9 has none."""

    at: float
    by: str = ""
    outcome: Outcome = Outcome.CANCELLED
    signal: int = 15
    grace_s: Optional[float] = None


@dataclass(frozen=True)
class Resumption:
    """Attempts from now on go on from this one (its number). `variables` tell the command what it was known as there,
    such as the run id of a tracking service."""

    number: int
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Job:
    """One submitted job.

    `version` counts the events applied. `waiting_on` counts dependencies that are not met yet. `wake_at` is the wall
    time before which it must not start (begin, back-off). `exit_code` is the command's own, or 128+n for signal n.
    `place` is its place in line among jobs of one priority: its id, unless a user has moved it.
    """

    id: int
    spec: JobSpec
    submitted_at: float
    group: Optional[int] = None
    state: JobState = JobState.PENDING
    version: int = 1
    held: bool = False
    waiting_on: int = 0
    wake_at: Optional[float] = None
    attempt: Optional[Attempt] = None
    retries: int = 0
    losses: int = 0
    stop: Optional[StopRequest] = None
    outcome: Optional[Outcome] = None
    exit_code: Optional[int] = None
    reason: str = ""
    ended_at: Optional[float] = None
    place: float = 0.0
    resume: Optional[Resumption] = None

    @property
    def ready(self) -> bool:
        """Nothing of its own keeps it from being planned (its queue, its turn and the hosts may)."""
        return self.state is JobState.PENDING and not self.held and not self.waiting_on and self.wake_at is None

    @property
    def ahead(self) -> bool:
        """Named ahead: it has the place of an attempt before it, which still runs, and holds nothing yet."""
        return self.state is JobState.ASSIGNED and self.attempt is not None and bool(self.attempt.placements[0].follows)

    @property
    def paused(self) -> bool:
        """It runs, and stands still because somebody wants it so."""
        return self.attempt is not None and self.attempt.pause is not None

    @property
    def succeeded(self) -> bool:
        return self.outcome is Outcome.SUCCEEDED

    @property
    def word(self) -> str:
        """The one word for lists and selectors."""
        if self.outcome is not None:
            return self.outcome.value
        if self.stop is not None:
            return "stopping"
        if self.state is JobState.RUNNING:
            return "paused" if self.paused else "running"
        if self.state is JobState.ASSIGNED and not self.ahead:
            return "starting"
        if self.held:
            return "held"
        return "queued" if self.ready or self.ahead else "waiting"


WAITING = ("held", "waiting", "queued")
"""The words of jobs that have not begun."""

ON_HOSTS = ("starting", "running", "paused", "stopping")
"""The words of jobs that hold something on a host."""

WORDS = (*WAITING, *ON_HOSTS, *(o.value for o in Outcome))
"""Every word that a job can be shown with, in the order of a job's life."""
