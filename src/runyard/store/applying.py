"""From changes to changed jobs: the part of `commit` that every store shares.

`apply` takes changes in order, and after each one everything that it does to others, level by level: the end of a job
wakes or skips those that wait for it, another try lets them wait again. It asks the store for jobs in few large bites
and writes nothing: what it returns is for the store to keep.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runyard.errors import IllegalMove
from runyard.model.attempt import Attempt
from runyard.model.events import (
    Assigned,
    Change,
    DependencyFailed,
    Edited,
    Ended,
    Event,
    Recorded,
    Refused,
    Reopened,
    Retried,
    Revoked,
    StopRequested,
)
from runyard.model.job import Job, JobState
from runyard.model.lifecycle import advance, consequences, still_open
from runyard.model.outcome import Outcome
from runyard.model.queue import Queue
from runyard.model.record import changed
from runyard.model.spec import JobSpec

MOVES_OTHERS = (Ended, Revoked, StopRequested, DependencyFailed, Retried)
"""Events that may matter to jobs that wait for this one: after them it is done, or no more."""

Links = tuple[tuple[int, str], ...]
"""What a job waits for: ids with the kind of dependency, each once."""

Dependants = dict[int, list[tuple[int, str]]]


class Source(Protocol):
    """What `apply` needs from a store."""

    def load(self, ids: Iterable[int]) -> dict[int, Job]:
        """These jobs; those that do not exist or cannot be read are left out."""

    def waiting_for(self, ids: Collection[int]) -> Dependants:
        """For each of these jobs that has any: who depends on it, with the kind of dependency."""

    def absence(self, job_id: int) -> str:
        """Why `load` left this job out."""

    def active_unique(self, user: str, unique: str) -> int | None:
        """The id of this user's job with this unique key that is not done."""

    def queues(self) -> list[Queue]:
        """All queues."""


@dataclass
class Applied:
    """What has to be kept. `before` and `jobs` have the same keys; `past` are attempts that a newer one replaced;
    `links` are the new ones of jobs that wait for something else now; `back` were skipped and wait again."""

    before: dict[int, Job] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    recorded: list[Recorded] = field(default_factory=list)
    past: list[tuple[int, Attempt]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    links: dict[int, Links] = field(default_factory=dict)
    back: list[int] = field(default_factory=list)


def apply(changes: Sequence[Change], source: Source) -> Applied:
    """All that these changes, in order, do."""
    bench = _Bench(source)
    bench.fetch([change.job_id for change in changes])
    bench.ask([change.job_id for change in changes if isinstance(change.event, MOVES_OTHERS)])
    for change in changes:
        why = bench.refusal(change)
        if why:
            bench.applied.refused.append(Refused(change, why))
    return bench.applied


def links_of(spec: JobSpec) -> Links:
    """What a job of this spec waits for."""
    return tuple(dict.fromkeys((wanted.job_id, wanted.kind) for wanted in spec.after))


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
            event = self._checked(job, change.event) if isinstance(change.event, (Edited, Retried)) else change.event
            after = self._advance(job, event)
        except IllegalMove as error:
            return error.message
        if after.state is JobState.DONE and job.state is not JobState.DONE:
            self._follow(after, change.event.at)
        elif isinstance(event, Retried):
            self._lead(after, event.at)
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
        if after.spec.after != job.spec.after:
            applied.links[job.id] = links_of(after.spec)
        return after

    def _checked(self, job: Job, event: Edited | Retried) -> Event:
        """The event with what the job will wait for as things stand. IllegalMove: it cannot become that."""
        spec = event.spec or job.spec
        again = isinstance(event, Retried) and job.state is JobState.DONE
        if not again and not (isinstance(event, Edited) and job.state is JobState.PENDING):
            return event  # nothing of this changes, or it is refused anyway
        if again or spec.queue != job.spec.queue:
            self._check_queue(spec)
        if again or spec.unique != job.spec.unique:
            self._check_unique(job, spec)
        if spec.after != job.spec.after:
            self._check_links(job, spec)
        elif not again:
            return event
        count, failed = self._still_open(spec)
        if failed is not None:
            raise IllegalMove(
                f"job {job.id} waits for job {failed.id} ({failed.spec.title}), which ended {failed.word}: "
                f"retry that one first, or change what it waits for (`after`)"
            )
        return changed(event, waiting_on=count)

    def _still_open(self, spec: JobSpec) -> tuple[int, Job | None]:
        self.fetch(wanted.job_id for wanted in spec.after)
        return still_open(spec.after, self._jobs)

    def _check_queue(self, spec: JobSpec) -> None:
        known = [queue.name for queue in self._source.queues()]
        if spec.queue not in known:
            raise IllegalMove(f"there is no queue {spec.queue!r}; there are: {', '.join(known)}")

    def _check_unique(self, job: Job, spec: JobSpec) -> None:
        other = self._same_key(job, spec)
        if other is not None:
            raise IllegalMove(f"job {job.id}: job {other} has the same unique key ({spec.unique}) and is not done")

    def _same_key(self, job: Job, spec: JobSpec) -> int | None:
        """The other job of this user with this unique key that is not done."""
        if not spec.unique:
            return None
        key = (spec.user, spec.unique)
        here = (
            other.id for other in self.applied.jobs.values() if (other.spec.user, other.spec.unique) == key
            if other.state is not JobState.DONE and other.id != job.id
        )  # fmt: skip
        kept = self._source.active_unique(*key)
        if kept in self.applied.jobs or kept == job.id:
            kept = None
        return next(here, kept)

    def _check_links(self, job: Job, spec: JobSpec) -> None:
        """What it is to wait for exists, and does not wait for it in turn."""
        seen: set[int] = set()
        level = {wanted.job_id for wanted in spec.after}
        self.fetch(level)
        for job_id in sorted(level - self._jobs.keys()):
            raise IllegalMove(f"job {job.id}: {self._source.absence(job_id)} that it could wait for")
        if job.id in level:
            raise IllegalMove(f"job {job.id} cannot wait for itself")
        while level:
            if job.id in level:
                raise IllegalMove(f"job {job.id} would wait for itself: what it is to wait for waits for it")
            seen |= level
            self.fetch(sorted(level))
            level = {
                wanted.job_id for job_id in level if job_id in self._jobs for wanted in self._jobs[job_id].spec.after
            } - seen

    def _follow(self, ended: Job, at: float) -> None:
        """Wake or skip who waits for it, then who waits for those, and so on."""
        level = [ended]
        while level:
            self.ask(job.id for job in level)
            effects = [effect for job in level for effect in consequences(job, self._waiting_for(job.id), at)]
            self.fetch(job_id for job_id, _ in effects)
            level = []
            for job_id, event in effects:
                job = self._jobs.get(job_id)
                if job is None or job.state is not JobState.PENDING or not job.waiting_on:
                    continue  # it has ended already, or waits no more: it was let go, and what it waited for ran again
                after = self._advance(job, event)
                if after.state is JobState.DONE:
                    level.append(after)

    def _lead(self, again: Job, at: float) -> None:
        """Let those wait again who waited for it and have not run: what was skipped comes back, then what was skipped
        because of that, and so on."""
        level = [again]
        while level:
            self.ask(job.id for job in level)
            effects = [(job.id, who) for job in level for who, _ in self._waiting_for(job.id)]
            self.fetch(who for _, who in effects)
            level = []
            for on, who in effects:
                job = self._jobs.get(who)
                if job is None or not self._waits_again(job):
                    continue
                count, failed = self._still_open(job.spec)
                if failed is not None or (job.state is JobState.PENDING and count == job.waiting_on):
                    continue
                after = self._advance(job, Reopened(at, on, count))
                if job.state is JobState.DONE:
                    self.applied.back.append(who)
                    level.append(after)

    def _waits_again(self, job: Job) -> bool:
        """Whether it still waits, or was skipped and could be what it was."""
        if job.state is JobState.PENDING:
            return True
        if job.outcome is not Outcome.SKIPPED or self._same_key(job, job.spec) is not None:
            return False
        return any(queue.name == job.spec.queue for queue in self._source.queues())

    def _waiting_for(self, job_id: int) -> Iterator[tuple[int, str]]:
        """Who depends on it, after all that has been changed so far."""
        relinked = self.applied.links
        for who, kind in self._dependants.get(job_id, ()):
            if who not in relinked:
                yield who, kind
        for who, links in relinked.items():
            for on, kind in links:
                if on == job_id:
                    yield who, kind
