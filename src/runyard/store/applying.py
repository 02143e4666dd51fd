"""From changes to changed jobs: the part of `commit` that every store shares.

`apply` takes changes in order, and after each one everything that the end of its job does to others, level by level. It
asks the store for jobs in few large bites and writes nothing: what it returns is for the store to keep.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runyard.errors import IllegalMove
from runyard.model.attempt import Attempt
from runyard.model.events import (
    Assigned,
    Change,
    DependencyFailed,
    Ended,
    Event,
    Recorded,
    Refused,
    Revoked,
    StopRequested,
)
from runyard.model.job import Job, JobState
from runyard.model.lifecycle import advance, consequences

MAY_END = (Ended, Revoked, StopRequested, DependencyFailed)
"""Events after which a job may be done, so that others may have waited for it."""

Dependants = dict[int, list[tuple[int, str]]]


class Source(Protocol):
    """What `apply` needs from a store."""

    def load(self, ids: Iterable[int]) -> dict[int, Job]:
        """These jobs; those that do not exist or cannot be read are left out."""

    def waiting_for(self, ids: Collection[int]) -> Dependants:
        """For each of these jobs that has any: who depends on it, with the kind of dependency."""

    def absence(self, job_id: int) -> str:
        """Why `load` left this job out."""


@dataclass
class Applied:
    """What has to be kept. `before` and `jobs` have the same keys; `past` are attempts that a newer one replaced."""

    before: dict[int, Job] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    recorded: list[Recorded] = field(default_factory=list)
    past: list[tuple[int, Attempt]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def apply(changes: Sequence[Change], source: Source) -> Applied:
    """All that these changes, in order, do."""
    bench = _Bench(source)
    bench.fetch([change.job_id for change in changes])
    bench.ask([change.job_id for change in changes if isinstance(change.event, MAY_END)])
    for change in changes:
        why = bench.refusal(change)
        if why:
            bench.applied.refused.append(Refused(change, why))
    return bench.applied


class _Bench:
    """The jobs at hand while changes are applied."""

    def __init__(self, source: Source) -> None:
        self.applied = Applied()
        self._source = source
        self._jobs: dict[int, Job] = {}
        self._sought: set[int] = set()
        self._dependants: Dependants = {}
        self._asked: set[int] = set()

    def fetch(self, ids: Iterable[int]) -> None:
        """Have these jobs at hand."""
        missing = [job_id for job_id in dict.fromkeys(ids) if job_id not in self._sought]
        if missing:
            self._sought.update(missing)
            self._jobs.update(self._source.load(missing))

    def ask(self, ids: Iterable[int]) -> None:
        """Have those at hand who depend on these jobs."""
        missing = [job_id for job_id in dict.fromkeys(ids) if job_id not in self._asked]
        if missing:
            self._asked.update(missing)
            self._dependants.update(self._source.waiting_for(missing))

    def refusal(self, change: Change) -> str:
        """Apply one change with its consequences; "" or why it was refused."""
        job = self._jobs.get(change.job_id)
        if job is None:
            return self._source.absence(change.job_id)
        if change.version is not None and change.version != job.version:
            return f"job {job.id} has changed since: it is at version {job.version}, not {change.version}"
        try:
            after = self._advance(job, change.event)
        except IllegalMove as error:
            return error.message
        if after.state is JobState.DONE:
            self._follow(after, change.event.at)
        return ""

    def _advance(self, job: Job, event: Event) -> Job:
        after = advance(job, event)
        self._jobs[job.id] = after
        applied = self.applied
        applied.before.setdefault(job.id, job)
        applied.jobs[job.id] = after
        applied.recorded.append(Recorded(job.id, after.version, event))
        if isinstance(event, Assigned) and job.attempt is not None:
            applied.past.append((job.id, job.attempt))
        return after

    def _follow(self, ended: Job, at: float) -> None:
        """Wake or skip who waits for it, then who waits for those, and so on."""
        level = [ended]
        while level:
            self.ask(job.id for job in level)
            effects = [effect for job in level for effect in consequences(job, self._dependants.get(job.id, ()), at)]
            self.fetch(job_id for job_id, _ in effects)
            level = []
            for job_id, event in effects:
                job = self._jobs.get(job_id)
                if job is None or job.state is not JobState.PENDING:
                    continue  # it has ended already, or waits no more
                after = self._advance(job, event)
                if after.state is JobState.DONE:
                    level.append(after)
