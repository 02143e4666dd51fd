"""The store in memory: the small reference implementation. Simulations and tests run on it.

All state is one bundle of dicts of frozen records. A transaction works on a copy of the bundle, which takes the place
of the committed one when it ends; a savepoint restores the copy that it took. Other threads see the committed bundle.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from operator import attrgetter
from typing import TypeVar

from runyard.errors import NotFound
from runyard.model.attempt import Attempt
from runyard.model.events import Change, Recorded, Submitted
from runyard.model.group import GATHERED
from runyard.model.host import Agent, Host
from runyard.model.job import Job, JobState
from runyard.model.lifecycle import begin
from runyard.model.metrics import Measured, Reading
from runyard.model.queue import Queue
from runyard.model.spec import DEFAULT_QUEUE
from runyard.model.view import Shape, ShapeView, View, shape_of
from runyard.store.adding import Admission, admit
from runyard.store.applying import Applied, apply
from runyard.store.base import (
    HEADS_MAX,
    PRUNE_MAX,
    Added,
    Committed,
    Criteria,
    Line,
    NewJobs,
    Standing,
    Tale,
    Usage,
    YardId,
    fingerprint_of,
    is_typical,
)
from runyard.store.measuring import briefly, heard, usage_of
from runyard.store.memory_codes import MemoryCodes
from runyard.store.memory_state import State
from runyard.store.queueing import check_removal, check_version
from runyard.store.restoring import bare, told
from runyard.store.selection import select, started_at
from runyard.store.view import groups_of, head_of, host_views, in_line, occupied, shape_views

T = TypeVar("T")


class MemoryStore(MemoryCodes):
    """A `Store` that forgets everything when it goes."""

    def __init__(self, yard: str = "memory") -> None:
        self._committed = State(YardId(yard, 0), queues={DEFAULT_QUEUE: Queue(version=1)})
        self._working: State | None = None
        self._writer: int | None = None
        self._lock = threading.Lock()

    @property
    def _seen(self) -> State:
        """What this thread sees."""
        working = self._working
        return working if working is not None and self._writer == threading.get_ident() else self._committed

    @property
    def _changing(self) -> State:
        if self._working is None or self._writer != threading.get_ident():
            raise RuntimeError("a store is changed inside transaction() only")
        return self._working

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._writer == threading.get_ident():
            raise RuntimeError("a transaction is not begun inside another")
        with self._lock:
            self._working, self._writer = self._committed.snapshot(), threading.get_ident()
            try:
                yield
                self._committed = self._working
            finally:
                self._working, self._writer = None, None

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        before = self._changing.snapshot()
        try:
            yield
        except BaseException:
            self._working = before
            raise

    def yard(self) -> YardId:
        return self._seen.yard

    def raise_epoch(self) -> YardId:
        state = self._changing
        state.yard = replace(state.yard, epoch=state.yard.epoch + 1)
        return state.yard

    def add(self, new: NewJobs) -> Added:
        state = self._changing
        if new.key and (new.user, new.key) in state.submissions:
            return state.submissions[new.user, new.key][1]
        admission = admit(new, state.last_job + 1, state.last_group + 1, self)
        self._admit(new, admission)
        self.commit(admission.effects)
        if new.key:
            state.submissions[new.user, new.key] = (new.at, admission.added)
        return admission.added

    def _admit(self, new: NewJobs, admission: Admission) -> None:
        state = self._changing
        for group in admission.groups:
            state.last_group = max(state.last_group, group.id)
            state.groups[group.id] = group
        for entry in admission.entries:
            event = Submitted(new.at, entry.spec, entry.group, entry.waiting_on)
            job = begin(entry.id, event)
            state.jobs[job.id] = job
            state.job_shapes[job.id] = self._shape_id(shape_of(job.spec, entry.group if entry.apart else None))
            state.story[job.id] = (Recorded(job.id, job.version, event),)
            state.last_job = max(state.last_job, job.id)
            state.feed += 1
            for on, kind in entry.links:
                state.dependants[on] = (*state.dependants.get(on, ()), (job.id, kind))

    def reserve(self, count: int) -> int:
        state = self._changing
        state.last_job += count
        return state.last_job - count + 1

    def restore(self, new: NewJobs, tales: Sequence[Tale], first: int) -> Added:
        state = self._changing
        admission = admit(bare(new), first, state.last_group + 1, self)
        admission, applied = told(new, admission, tales)
        self._admit(new, admission)
        state.jobs.update(applied.jobs)
        for job in applied.jobs.values():
            state.job_shapes[job.id] = self._shape_id(shape_of(job.spec, self._limited(job.group)))
        self._keep_story(state, applied)
        return admission.added

    def _shape_id(self, shape: Shape) -> int:
        return self._changing.shapes.setdefault(shape, len(self._changing.shapes) + 1)

    def active_unique(self, user: str, unique: str) -> int | None:
        """The id of this user's job with this unique key that is not done."""
        found = (
            job.id
            for job in self._seen.jobs.values()
            if job.state is not JobState.DONE and (job.spec.user, job.spec.unique) == (user, unique)
        )
        return next(found, None)

    def commit(self, changes: Iterable[Change]) -> Committed:
        state = self._changing
        applied = apply(list(changes), self)
        state.jobs.update(applied.jobs)
        for job_id, job in applied.jobs.items():
            if job.spec is not applied.before[job_id].spec:
                state.job_shapes[job_id] = self._shape_id(shape_of(job.spec, self._limited(job.group)))
        self._keep_story(state, applied)
        self._keep_links(state, applied)
        return Committed(applied.jobs, tuple(applied.refused), tuple(applied.back))

    def _keep_story(self, state: State, applied: Applied) -> None:
        for recorded in applied.recorded:
            state.story[recorded.job_id] += (recorded,)
            state.feed += 1
        for job_id, attempt in applied.past:
            state.past[job_id] = (*state.past.get(job_id, ()), attempt)

    def _keep_links(self, state: State, applied: Applied) -> None:
        for job_id, links in applied.links.items():
            for on in {wanted.job_id for wanted in applied.before[job_id].spec.after}:
                state.dependants[on] = tuple(link for link in state.dependants.get(on, ()) if link[0] != job_id)
            for on, kind in links:
                state.dependants[on] = (*state.dependants.get(on, ()), (job_id, kind))

    def _limited(self, group: int | None) -> int | None:
        """The group, if it has a limit."""
        return group if group is not None and self._seen.groups[group].parallel else None

    def waiting_for(self, ids: Collection[int]) -> dict[int, list[tuple[int, str]]]:
        """Who depends on these jobs."""
        return {job_id: self.dependants(job_id) for job_id in ids}

    def absence(self, job_id: int) -> str:
        """Why `load` leaves a job out."""
        return f"there is no job {job_id}"

    def job(self, job_id: int) -> Job:
        job = self._seen.jobs.get(job_id)
        if job is None:
            raise NotFound(self.absence(job_id))
        return job

    def jobs(self, criteria: Criteria) -> list[Job]:
        state = self._seen
        gathered = {one.id for one in state.groups.values() if one.kind in GATHERED and not criteria.cells}
        return select((job for job in state.jobs.values() if job.group not in gathered), criteria)

    def ids(self, criteria: Criteria) -> list[int]:
        return [job.id for job in self.jobs(criteria)]

    def load(self, ids: Iterable[int]) -> dict[int, Job]:
        jobs = self._seen.jobs
        return {job_id: jobs[job_id] for job_id in ids if job_id in jobs}

    def attempts(self, job_id: int) -> list[Attempt]:
        state = self._seen
        job = state.jobs.get(job_id)
        last = job.attempt if job is not None else None
        return [*state.past.get(job_id, ()), *([last] if last else [])]

    def events(self, job_id: int) -> list[Recorded]:
        return list(self._seen.story.get(job_id, ()))

    def dependants(self, job_id: int) -> list[tuple[int, str]]:
        return sorted(self._seen.dependants.get(job_id, ()))

    def active(self, agent: str = "") -> list[Job]:
        return _active(self._seen, agent)

    def due(self, now: float) -> list[int]:
        return [job_id for wake_at, job_id in self._alarms() if wake_at <= now]

    def next_due(self) -> float | None:
        return next((wake_at for wake_at, _ in self._alarms()), None)

    def _alarms(self) -> list[tuple[float, int]]:
        return sorted((job.wake_at, job.id) for job in self._seen.jobs.values() if job.wake_at is not None)

    def view(self, now: float) -> View:
        state = self._seen
        ready: dict[int, list[Job]] = {}
        for job in state.jobs.values():
            if job.ready:
                ready.setdefault(state.job_shapes[job.id], []).append(job)
        shapes = shape_views(
            ShapeView(number, shape, tuple(sorted(map(head_of, jobs), key=attrgetter("rank"))[:HEADS_MAX]), len(jobs))
            for shape, number in state.shapes.items()
            if (jobs := ready.get(number, []))
        )
        held = tuple(item for job in _active(state) for item in occupied(job, state.job_shapes[job.id], now))
        return View(
            now=now,
            hosts=host_views(self.hosts(), self.agents()),
            queues={queue.name: queue for queue in self.queues()},
            shapes=shapes,
            occupied=held,
            limits={group.id: group.parallel for group in self.groups(groups_of(shapes, held)) if group.parallel},
        )

    def shape_of(self, job_id: int) -> int:
        self.job(job_id)
        return self._seen.job_shapes[job_id]

    def counts(self) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {}
        for job in self._seen.jobs.values():
            if job.state is not JobState.DONE:
                queue = counts.setdefault(job.spec.queue, {})
                queue[job.state.value] = queue.get(job.state.value, 0) + 1
        return counts

    def position(self, job_id: int) -> int:
        job = self.job(job_id)
        mine = head_of(job).rank
        return sum(
            other.ready and other.spec.queue == job.spec.queue and head_of(other).rank < mine
            for other in self._seen.jobs.values()
        )

    def line(self, part: Line) -> list[Standing]:
        return in_line(self._seen.jobs.values(), part)

    def last_id(self) -> int:
        return self._seen.last_job

    def usual_runtimes(self, fingerprint: str, most: int = 20) -> list[float]:
        runs = sorted(
            (job.ended_at, job.id, job.ended_at - started)
            for job in self._seen.jobs.values()
            if is_typical(job)
            and job.ended_at is not None
            and (started := started_at(job)) is not None
            and fingerprint_of(job.spec) == fingerprint
        )
        return [seconds for _, _, seconds in reversed(runs[-most:])]

    def keep_readings(self, readings: Iterable[Reading], at: float) -> None:
        measured = self._changing.measured
        for reading in readings:
            of = measured.get(reading.key.job_id, {})
            number = reading.key.number
            measured[reading.key.job_id] = {**of, number: heard(of.get(number), reading, at)}

    def measured(self, job_id: int) -> list[Measured]:
        return [one for _, one in sorted(self._seen.measured.get(job_id, {}).items())]

    def latest(self, ids: Collection[int]) -> dict[int, Measured]:
        return {job_id: briefly(found[-1]) for job_id in ids if (found := self.measured(job_id))}

    def usage(self, since: float, now: float) -> list[Usage]:
        return usage_of(self._seen.jobs.values(), self._seen.past, since, now)

    def hosts(self) -> list[Host]:
        return _sorted(self._seen.hosts)

    def save_host(self, host: Host) -> None:
        self._changing.hosts[host.id] = host

    def agents(self) -> list[Agent]:
        return _sorted(self._seen.agents)

    def save_agent(self, agent: Agent) -> None:
        self._changing.agents[agent.id] = agent

    def queues(self) -> list[Queue]:
        return _sorted(self._seen.queues)

    def save_queue(self, queue: Queue) -> Queue:
        present = self._changing.queues.get(queue.name)
        check_version(queue, present)
        saved = replace(queue, version=queue.version + 1)
        self._changing.queues[queue.name] = saved
        return saved

    def remove_queue(self, name: str) -> None:
        check_removal(name, name in self._changing.queues, sum(self.counts().get(name, {}).values()))
        del self._changing.queues[name]

    def feed(self) -> int:
        return self._seen.feed

    def prune(self, before: float) -> int:
        state = self._changing
        old = sorted(
            (job.ended_at, job.id)
            for job in state.jobs.values()
            if job.ended_at is not None and job.ended_at < before and not self._awaited(job.id)
        )
        gone = {job_id for _, job_id in old[:PRUNE_MAX]}
        self.remove(gone)
        state.submissions = {
            key: (at, added)
            for key, (at, added) in state.submissions.items()
            if at >= before or any(min(added.ids) <= job_id <= max(added.ids) for job_id in state.jobs if added.ids)
        }
        return len(gone)

    def remove(self, ids: Iterable[int]) -> None:
        state, gone = self._changing, set(ids)
        for name in ("jobs", "past", "story", "dependants", "job_shapes", "measured"):
            table = getattr(state, name)
            setattr(state, name, {key: value for key, value in table.items() if key not in gone})
        state.dependants = {
            on: tuple(link for link in links if link[0] not in gone) for on, links in state.dependants.items()
        }
        kept = {job.group for job in state.jobs.values()}
        state.groups = {key: group for key, group in state.groups.items() if key in kept}

    def _awaited(self, job_id: int) -> bool:
        return any(self._seen.jobs[who].state is not JobState.DONE for who, _ in self.dependants(job_id))

    def close(self) -> None:
        """There is nothing to let go of."""


def _sorted(table: dict[str, T]) -> list[T]:
    return [table[key] for key in sorted(table)]


def _active(state: State, agent: str = "") -> list[Job]:
    return [
        job
        for job in state.jobs.values()
        if job.state in (JobState.ASSIGNED, JobState.RUNNING)
        and job.attempt
        and (not agent or any(p.agent == agent and p.result is None for p in job.attempt.placements))
    ]
