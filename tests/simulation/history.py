"""What really happened, and whether it may have happened: the checker of every simulation.

The simulated machines write down each start, end, stop and forget as it happens, the clients each accepted id. `check`
holds that against the yard's own records at the end; `overlaps`, `double_starts` look at the history alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runyard.model.attempt import AttemptKey
from runyard.model.beat import Order
from runyard.model.job import Job, JobState
from runyard.model.outcome import Outcome


@dataclass(frozen=True)
class Accepted:
    """A client was told this id."""

    job_id: int


@dataclass(frozen=True)
class Began:
    """A command began. Each device is held with a share in MB (0: the whole device)."""

    host: str
    key: AttemptKey
    cpus: int
    devices: tuple[str, ...]
    share_mb: int
    at: float


@dataclass(frozen=True)
class Over:
    """No process of it is left. `own`: the command came to its own end."""

    host: str
    key: AttemptKey
    at: float
    own: bool


@dataclass(frozen=True)
class Stopped:
    """An agent had it ended."""

    host: str
    key: AttemptKey


@dataclass(frozen=True)
class Forgot:
    """An agent threw its record away."""

    host: str
    key: AttemptKey


Happening = Accepted | Began | Over | Stopped | Forgot

DEVICE_MB = 1_000


@dataclass
class History:
    """Everything in the order in which it happened. `cpus` is how many each host has."""

    cpus: dict[str, int] = field(default_factory=dict)
    happened: list[Happening] = field(default_factory=list)

    def add(self, happening: Happening) -> None:
        self.happened.append(happening)

    def started(self, host: str, order: Order, at: float) -> None:
        self.add(Began(host, order.key, order.cpus, order.devices, order.device_memory_mb, at))

    def ended(self, host: str, key: AttemptKey, at: float, own: bool) -> None:
        self.add(Over(host, key, at, own))

    def starts(self) -> list[Began]:
        return [happening for happening in self.happened if isinstance(happening, Began)]


def check(history: History, jobs: Mapping[int, Job]) -> list[str]:
    """All that must not be, at an end where nothing runs any more."""
    return [
        *lost_ids(history, jobs),
        *double_starts(history),
        *overlaps(history),
        *false_ends(history, jobs),
        *left_running(history),
    ]


def lost_ids(history: History, jobs: Mapping[int, Job]) -> Iterator[str]:
    """Accepted is durable."""
    for happening in history.happened:
        if isinstance(happening, Accepted) and happening.job_id not in jobs:
            yield f"job {happening.job_id} was accepted and is not there"


def double_starts(history: History) -> Iterator[str]:
    """An attempt starts at most once, wherever."""
    for (job_id, number), count in Counter((b.key.job_id, b.key.number) for b in history.starts()).items():
        if count > 1:
            yield f"attempt {job_id}.{number} was started {count} times"


def overlaps(history: History) -> Iterator[str]:
    """No job runs twice at a time, no host or device is held by more than it has."""
    alive: dict[AttemptKey, Began] = {}
    for happening in history.happened:
        if isinstance(happening, Began):
            if any(other.job_id == happening.key.job_id for other in alive):
                yield f"{happening.key} began while another attempt of its job was alive"
            alive[happening.key] = happening
            yield from _too_much(history, happening.host, list(alive.values()))
        elif isinstance(happening, Over):
            alive.pop(happening.key, None)


def _too_much(history: History, host: str, alive: Sequence[Began]) -> Iterator[str]:
    here = [began for began in alive if began.host == host]
    held: dict[str, int] = defaultdict(int)
    for began in here:
        for device in began.devices:
            held[device] += began.share_mb or DEVICE_MB
    names = ", ".join(str(began.key) for began in here)
    if sum(began.cpus for began in here) > history.cpus.get(host, 1 << 30):
        yield f"{host} has {history.cpus[host]} CPUs for {names}"
    for device, share in held.items():
        if share > DEVICE_MB:
            yield f"{device} is held by {names} at {here[-1].at}"


def false_ends(history: History, jobs: Mapping[int, Job]) -> Iterator[str]:
    """What is said to have succeeded came to its own end; what never started is not said to have run."""
    own = {happening.key for happening in history.happened if isinstance(happening, Over) and happening.own}
    began = {start.key for start in history.starts()}
    for job in jobs.values():
        if job.state is not JobState.DONE or job.attempt is None:
            continue
        key = AttemptKey(job.id, job.attempt.number, job.attempt.token)
        if job.outcome is Outcome.SUCCEEDED and key not in own:
            yield f"job {job.id} is said to have succeeded, {key} did not come to its end"
        if job.outcome in (Outcome.FAILED, Outcome.SUCCEEDED) and key not in began:
            yield f"job {job.id} is {job.word}, {key} never began"
        if job.outcome is Outcome.NOT_STARTED and key in began:
            yield f"job {job.id} is {job.word}, but {key} began"


def left_running(history: History) -> Iterator[str]:
    """Cancelled, timed out, lost: whatever it is called, it is dead."""
    over = {happening.key for happening in history.happened if isinstance(happening, Over)}
    for start in history.starts():
        if start.key not in over:
            yield f"{start.key} began on {start.host} and still runs"
