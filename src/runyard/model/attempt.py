"""One try of a job, and its parts on hosts."""

from __future__ import annotations

from typing import Optional

from runyard.model.code import Note
from runyard.model.record import dataclass


def attempt_name(job_id: int, number: int) -> str:
    """How an attempt is called: "12.2" is the second try of job 12."""
    return f"{job_id}.{number}"


@dataclass(frozen=True, order=True)
class AttemptKey:
    """Which try of which job; number and token together fence late messages."""

    job_id: int
    number: int
    token: str

    def __str__(self) -> str:
        return attempt_name(self.job_id, self.number)


@dataclass(frozen=True)
class Result:
    """How one placement ended.

    `wait_status` is the kernel's (None where nobody saw it). `source` says how we know: runner, inferred, operator
    (later slurm, ray). `why` is the cause where it was not the command's own end: cancelled, timeout, lost, oom,
    not-started, refused. `cpu_s`, `max_rss_mb` are the family's.
    """

    source: str
    wait_status: Optional[int] = None
    why: str = ""
    detail: str = ""
    cpu_s: float = 0.0
    max_rss_mb: float = 0.0


@dataclass(frozen=True)
class Placement:
    """One part of an attempt: what it holds on which agent's host, and where it stands.

    `devices` are UUIDs; `device_memory_mb` is the share of each (0: the whole device). `follows` names the attempt
    ("12.1") whose slot this one takes over when that ends; until then it holds nothing. `ports` of its host are granted
    by its agent.
    """

    agent: str
    host: str
    cpus: int = 1
    memory_mb: int = 0
    devices: tuple[str, ...] = ()
    device_memory_mb: int = 0
    rank: int = 0
    follows: str = ""
    boot_id: str = ""
    native_id: str = ""
    pid: Optional[int] = None
    started_at: Optional[float] = None
    ended_at: Optional[float] = None
    result: Optional[Result] = None
    ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class Pause:
    """Somebody has stopped it for a while; it keeps all that it holds."""

    at: float
    by: str = ""


@dataclass(frozen=True)
class Earlier:
    """What has come of a job's attempts so far. `ends` counts them by cause (fail, oom, timeout, lost); the last `idle`
    of them asked to be run again and left no new checkpoint."""

    ends: tuple[tuple[str, int], ...] = ()
    idle: int = 0


@dataclass(frozen=True)
class Attempt:
    """One try of a job, numbered from 1, with the random token that its runner must show.

    `pause` is there while it stands still; `paused_s` is how long it has stood still before that. `earlier` tells of
    the attempts before it. `notes` are what its user should know of it. `accepted`: a person has released the job
    although its environment is another than when it was submitted.
    """

    number: int
    token: str
    assigned_at: float
    placements: tuple[Placement, ...]
    pause: Optional[Pause] = None
    paused_s: float = 0.0
    earlier: Earlier = Earlier()
    notes: tuple[Note, ...] = ()
    accepted: bool = False

    @property
    def started_at(self) -> Optional[float]:
        return min((p.started_at for p in self.placements if p.started_at is not None), default=None)

    @property
    def ended_at(self) -> Optional[float]:
        ends = [p.ended_at for p in self.placements]
        return None if None in ends else max((e for e in ends if e is not None), default=None)

    @property
    def over(self) -> bool:
        return all(p.result is not None for p in self.placements)
