"""What can happen to a job: one frozen class per kind. The lifecycle says what each does.

Facts come from agents and users and are applied to whatever the job now is. Proposals come from the planner and carry
the version of the job that it saw (see `Change`).
"""

from __future__ import annotations

from typing import Optional, Union

from runyard.model.attempt import Attempt, AttemptKey, Result
from runyard.model.code import Note
from runyard.model.job import Resumption, StopRequest
from runyard.model.record import dataclass
from runyard.model.spec import JobSpec


@dataclass(frozen=True)
class Submitted:
    """A job was accepted; `waiting_on` of its dependencies are still open."""

    at: float
    spec: JobSpec
    group: Optional[int] = None
    waiting_on: int = 0


@dataclass(frozen=True)
class Held:
    """A user keeps the job back."""

    at: float
    by: str = ""


@dataclass(frozen=True)
class Released:
    """A user lets the job go."""

    at: float
    by: str = ""


@dataclass(frozen=True)
class Edited:
    """A user wants it otherwise: `spec` takes the place of the one that it had.

    `waiting_on` counts anew what it waits for where `after` was changed (None: as before); the store fills it in.
    """

    at: float
    spec: JobSpec
    by: str = ""
    waiting_on: Optional[int] = None


@dataclass(frozen=True)
class Moved:
    """A user gives it another place in line (`Job.place`), and where need be another priority (None: as before)."""

    at: float
    place: float
    priority: Optional[int] = None
    by: str = ""


@dataclass(frozen=True)
class Retried:
    """A user wants another attempt of a job that has ended, with this `spec` (None: as it was).

    `resume` makes it go on from an earlier one. `waiting_on` counts what it has to wait for; the store fills it in.
    """

    at: float
    by: str = ""
    resume: Optional[Resumption] = None
    spec: Optional[JobSpec] = None
    waiting_on: int = 0


@dataclass(frozen=True)
class Reopened:
    """A job that it waits or waited for is retried: if that made it skipped, it is pending again. `waiting_on` counts
    anew what it waits for."""

    at: float
    on: int
    waiting_on: int = 0


@dataclass(frozen=True)
class Woken:
    """Its begin time or its pause between tries is over."""

    at: float


@dataclass(frozen=True)
class DependencyMet:
    """One of the jobs that it waits for ended as wanted."""

    at: float
    on: int


@dataclass(frozen=True)
class DependencyFailed:
    """One of the jobs that it waits for ended otherwise: it is skipped."""

    at: float
    on: int
    detail: str = ""


@dataclass(frozen=True)
class Assigned:
    """The planner gave it a place."""

    at: float
    attempt: Attempt


@dataclass(frozen=True)
class Promoted:
    """The attempt before it in its slot is gone.

    It now holds what that one held or, where that one never held it, follows the one before (`follows`).
    """

    at: float
    key: AttemptKey
    follows: str = ""


@dataclass(frozen=True)
class Started:
    """A runner has started the command of one placement."""

    at: float
    key: AttemptKey
    rank: int = 0
    pid: Optional[int] = None
    native_id: str = ""
    ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class Paused:
    """Somebody wants it to stand still, with all that it holds."""

    at: float
    by: str = ""


@dataclass(frozen=True)
class Resumed:
    """It goes on. Without `by` its host could not pause it: `why` says so."""

    at: float
    by: str = ""
    why: str = ""


@dataclass(frozen=True)
class StopRequested:
    """Somebody wants it to end."""

    at: float
    request: StopRequest


@dataclass(frozen=True)
class Revoked:
    """The agent took the claim: this attempt never started and never will. `why` is shown while it waits again; with
    `hold` that is until a person releases it."""

    at: float
    key: AttemptKey
    why: str = ""
    again_at: Optional[float] = None
    hold: bool = False


@dataclass(frozen=True)
class Ended:
    """One placement has ended; where it was the last, so has the attempt.

    `again_at` is the policy's decision (see `planner.retry`): None ends the job, a time tries again not before then.
    `started_at` and `pid` are given where it ended before anybody heard that it had started.
    """

    at: float
    key: AttemptKey
    result: Result
    rank: int = 0
    again_at: Optional[float] = None
    started_at: Optional[float] = None
    pid: Optional[int] = None


@dataclass(frozen=True)
class Noted:
    """Something about an attempt that its user should know: its code is another than at submit, say."""

    at: float
    key: AttemptKey
    note: Note


Event = Union[
    Submitted, Held, Released, Woken, DependencyMet, DependencyFailed, Assigned, Promoted, Started, Paused, Resumed,
    StopRequested, Revoked, Ended, Edited, Moved, Retried, Reopened, Noted,
]  # fmt: skip

KINDS: dict[str, type[Event]] = {
    "submitted": Submitted,
    "held": Held,
    "released": Released,
    "woken": Woken,
    "dependency-met": DependencyMet,
    "dependency-failed": DependencyFailed,
    "assigned": Assigned,
    "promoted": Promoted,
    "started": Started,
    "paused": Paused,
    "resumed": Resumed,
    "stop-requested": StopRequested,
    "revoked": Revoked,
    "ended": Ended,
    "edited": Edited,
    "moved": Moved,
    "retried": Retried,
    "reopened": Reopened,
    "noted": Noted,
}
"""The word for each kind, as it is stored and shown."""

KIND_OF = {cls: kind for kind, cls in KINDS.items()}


@dataclass(frozen=True)
class Change:
    """An event on its way to a job. With `version` it is a proposal: refused if the job has changed since."""

    job_id: int
    event: Event
    version: Optional[int] = None


@dataclass(frozen=True)
class Refused:
    """A change that was not applied, and why."""

    change: Change
    why: str


@dataclass(frozen=True)
class Recorded:
    """An event as it was applied: `number` is the job's version after it."""

    job_id: int
    number: int
    event: Event
