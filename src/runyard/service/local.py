"""`api.Service` in the process that owns the store: one small method for each verb.

`Yard` is what all callers share; a `LocalService` is one caller's view of it. Writing verbs run in a turn of the yard
thread and return after its commit; reading ones run in the caller's thread.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from runyard.api import (
    ChangeResult,
    Chunk,
    Explanation,
    Files,
    GrepQuery,
    JobDetail,
    JobRow,
    QueueRow,
    Receipt,
    ServerStatus,
    StopCall,
    Submission,
)
from runyard.errors import Conflict, NotAllowed, NotFound, StorageFull
from runyard.model.attempt import attempt_name
from runyard.model.beat import Answer, Hello, Report, Welcome
from runyard.model.events import Change, Event, Held, Released, StopRequested
from runyard.model.filter import JobQuery, Selector, parse_selector
from runyard.model.host import Host
from runyard.model.job import Job, JobState, Outcome, StopRequest
from runyard.model.queue import Queue
from runyard.service import beats
from runyard.service.blobs import Blobs
from runyard.service.controller import CONNECTED_S, Controller
from runyard.service.explain import explain
from runyard.service.orders import stop_order
from runyard.service.rows import row_of, running_row
from runyard.service.submissions import check_queues, check_resources, new_jobs
from runyard.service.turn import Turn
from runyard.store.base import Criteria
from runyard.store.selection import is_element

SILENT_S = 90.0
"""A host whose agent has not beaten for this long is shown as unreachable."""


@dataclass(frozen=True)
class Caller:
    """The account that calls, by the kernel's word."""

    user: str
    uid: int


@dataclass(frozen=True)
class About:
    """What the server says of itself."""

    version: str
    home: str
    store: str
    config: str
    started_at: float


@dataclass(frozen=True)
class Yard:
    """What all callers of one server share."""

    controller: Controller
    files: Files
    blobs: Blobs
    about: About
    now: Callable[[], float]
    free_mb: Callable[[], int]
    collect: Callable[[bool], tuple[int, ...]]
    min_free_mb: int = 50


class LocalService:
    """The verbs, as `caller`."""

    def __init__(self, yard: Yard, caller: Caller) -> None:
        self._yard = yard
        self._controller = yard.controller
        self._store = yard.controller.store
        self._caller = caller

    def submit(self, submission: Submission) -> Receipt:
        if self._controller.halted:
            raise Conflict(self._controller.halted)
        if self._yard.free_mb() < self._yard.min_free_mb:
            raise StorageFull(
                f"less than {self._yard.min_free_mb} MB are free: nothing new is accepted until there is space"
            )
        new = new_jobs(submission, self._caller.user, self._yard.now())
        check_resources(new.specs, self._store.hosts())

        def work(turn: Turn) -> Receipt:
            check_queues(new.specs, (queue.name for queue in turn.store.queues()))
            added = turn.store.add(new)
            turn.dirty = True
            turn.topics.add("jobs")
            return Receipt(added.ids, added.existing)

        return self._controller.call(work)

    def jobs(self, query: JobQuery) -> tuple[JobRow, ...]:
        selectors = tuple(parse_selector(text) for text in query.selectors)
        found = self._store.jobs(
            Criteria(
                selectors=selectors, user=self._caller.user, mine=query.mine, recent=query.recent,
                order=query.order, limit=query.limit, after_id=query.after_id,
            )
        )  # fmt: skip
        if not (query.limit or query.after_id):
            self._demand(query.selectors, selectors, found)
        return self._rows(found)

    def job(self, job_id: int) -> JobDetail:
        job = self._store.job(job_id)
        placement = job.attempt.placements[0] if job.attempt else None
        host = next((host for host in self._store.hosts() if placement and host.id == placement.host), None)
        return JobDetail(
            row=self._rows([job])[0],
            spec=job.spec,
            attempts=tuple(self._store.attempts(job_id)),
            events=tuple(self._store.events(job_id)),
            dependants=tuple(dependant for dependant, _ in self._store.dependants(job_id)),
            limits=host.limits if host else "",
            environment=self._environment(job),
        )

    def explain(self, job_id: int) -> Explanation:
        return explain(self._controller, self._store.job(job_id), self._yard.now())

    def stop(self, call: StopCall) -> ChangeResult:
        try:
            return self._change(
                call.ids,
                lambda turn: StopRequested(turn.now, self._stop_request(call, turn.now)),
                lambda turn, job: turn.tell_stop(job),
            )
        except StorageFull:
            return self._stop_unrecorded(call)

    def _stop_request(self, call: StopCall, at: float) -> StopRequest:
        return StopRequest(at, self._caller.user, signal=call.signal, grace_s=call.grace_s)

    def _stop_unrecorded(self, call: StopCall) -> ChangeResult:
        """On a full disk: what runs is told to end all the same, since it may be what fills the disk."""
        wish = self._stop_request(call, self._yard.now())
        told = []
        for job in self._store.load(call.ids).values():
            if job.attempt is None or job.state not in (JobState.ASSIGNED, JobState.RUNNING):
                continue
            for placement in job.attempt.placements:
                self._controller.dispatch.stop(placement.agent, stop_order(job, wish))
                self._controller.changes.publish((f"agent:{placement.agent}",))
            told.append(job.id)
        refused = {
            job_id: "the disk is full; only what runs can be ended now" for job_id in call.ids if job_id not in told
        }
        return ChangeResult(tuple(told), refused)

    def hold(self, ids: tuple[int, ...]) -> ChangeResult:
        def told(turn: Turn, job: Job) -> None:
            if job.ahead:
                turn.take_back(job)

        return self._change(ids, lambda turn: Held(turn.now, self._caller.user), told)

    def release(self, ids: tuple[int, ...]) -> ChangeResult:
        return self._change(ids, lambda turn: Released(turn.now, self._caller.user))

    def queues(self) -> tuple[QueueRow, ...]:
        counts = self._store.counts()
        ahead = Counter(job.spec.queue for job in self._store.active() if job.ahead)

        def row(queue: Queue) -> QueueRow:
            by_state = counts.get(queue.name, {})
            waiting = by_state.get(JobState.PENDING.value, 0) + ahead[queue.name]
            return QueueRow(queue, waiting, sum(by_state.values()) - waiting)

        return tuple(row(queue) for queue in self._store.queues())

    def save_queue(self, queue: Queue) -> Queue:
        def work(turn: Turn) -> Queue:
            saved = turn.store.save_queue(queue)
            turn.dirty = True
            turn.topics.add("jobs")
            return saved

        return self._controller.call(work)

    def remove_queue(self, name: str) -> None:
        self._controller.call(lambda turn: turn.store.remove_queue(name))

    def hosts(self) -> tuple[Host, ...]:
        return tuple(self._store.hosts())

    def status(self) -> ServerStatus:
        store, about = self._store, self._yard.about
        hosts = {host.id: host for host in store.hosts()}
        queues = store.queues()
        counts = store.counts()
        unkillable = frozenset(self._controller.unkillable)
        active = store.active()
        running = [job for job in active if not job.ahead]
        pending = sum(by_state.get(JobState.PENDING.value, 0) for by_state in counts.values())
        return ServerStatus(
            pid=os.getpid(),
            version=about.version,
            yard=self._controller.yard.id,
            epoch=self._controller.yard.epoch,
            started_at=about.started_at,
            home=about.home,
            store=about.store,
            config=about.config,
            agents=tuple(
                replace(agent, last_beat_at=self._controller.dispatch.beat_at(agent.id) or agent.last_beat_at)
                for agent in store.agents()
            ),
            running=tuple(running_row(job, hosts, unkillable) for job in running),
            waiting=pending + len(active) - len(running),
            paused=tuple(queue.name for queue in queues if queue.paused),
            draining=self._controller.draining,
            stop_on_fail=tuple(queue.name for queue in queues if queue.stop_on_fail),
            problems=self._controller.problems,
        )

    def put_blob(self, data: bytes) -> str:
        return self._yard.blobs.put(data)

    def blob(self, name: str) -> bytes:
        return self._yard.blobs.get(name)

    def output(self, job_id: int, number: int, offset: int, length: int) -> Chunk:
        number, final = self._attempt(job_id, number)
        chunk = self._yard.files.range(job_id, number, offset, length)
        return replace(chunk, final=final and chunk.offset + len(chunk.data) >= chunk.size)

    def tail(self, job_id: int, number: int, lines: int) -> Chunk:
        number, final = self._attempt(job_id, number)
        return replace(self._yard.files.tail(job_id, number, max(0, lines)), final=final)

    def head(self, job_id: int, number: int, lines: int) -> Chunk:
        return self._yard.files.head(job_id, self._attempt(job_id, number)[0], max(0, lines))

    def grep(self, job_id: int, number: int, query: GrepQuery) -> Iterator[bytes]:
        return self._yard.files.grep(job_id, self._attempt(job_id, number)[0], query)

    def clean(self, dry: bool = False) -> tuple[int, ...]:
        return self._yard.collect(dry)

    def changed(self, topics: tuple[str, ...], after: int, timeout_s: float) -> int:
        changes = self._controller.changes
        return changes.position if after <= 0 else changes.wait(topics, after, timeout_s)

    def hello(self, hello: Hello) -> Welcome:
        if hello.uid != self._caller.uid:
            raise NotAllowed(
                f"the agent says that it is uid {hello.uid}, but its connection belongs to uid {self._caller.uid}"
            )
        honest = replace(hello, user=self._caller.user)
        return self._controller.call(lambda turn: beats.hello(self._controller, turn, honest))

    def beat(self, report: Report) -> Answer:
        controller = self._controller
        dispatch, now = controller.dispatch, self._yard.now()
        before = dispatch.ready(now - CONNECTED_S)
        newest = dispatch.hear(report, now)
        back = report.agent in dispatch.ready(now - CONNECTED_S) - before

        def work(turn: Turn) -> None:
            beats.report(controller, turn, report, newest)
            turn.dirty = turn.dirty or back

        if report.observed or report.all is not None or report.host is not None or back:
            controller.call(work)
        return dispatch.answer(report, controller.yard, controller.feed)

    def _change(
        self,
        ids: Iterable[int],
        event: Callable[[Turn], Event],
        then: Callable[[Turn, Job], None] = lambda turn, job: None,
    ) -> ChangeResult:
        def work(turn: Turn) -> ChangeResult:
            wanted = list(dict.fromkeys(ids))
            known = turn.store.load(wanted)
            committed = turn.commit(Change(job_id, event(turn)) for job_id in wanted if job_id in known)
            refused = {refused.change.job_id: refused.why for refused in committed.refused}
            refused.update({job_id: f"there is no job {job_id}" for job_id in wanted if job_id not in known})
            for job_id in wanted:
                if job_id in committed.jobs and job_id not in refused:
                    then(turn, committed.jobs[job_id])
            return ChangeResult(tuple(job_id for job_id in wanted if job_id not in refused), refused)

        return self._controller.call(work)

    def _attempt(self, job_id: int, number: int) -> tuple[int, bool]:
        """The number of the attempt that is meant, and whether it can print no more."""
        job = self._store.job(job_id)
        last = job.attempt.number if job.attempt else 0
        if job.outcome is not None and number in (0, last) and (last == 0 or job.outcome is Outcome.NOT_STARTED):
            why = f" ({job.reason})" if job.reason else ""
            raise Conflict(f"job {job_id} never started, so it has no output: it is {job.word}{why}")
        if job.attempt is None:
            raise Conflict(f"job {job_id} has not started yet: it is {job.word}")
        if number > job.attempt.number or number < 0:
            raise NotFound(f"job {job_id} has no attempt {number}, the latest is {job.attempt.number}")
        number = number or job.attempt.number
        return number, number < job.attempt.number or job.attempt.over

    def _rows(self, jobs: list[Job]) -> tuple[JobRow, ...]:
        hosts = {host.id: host for host in self._store.hosts()}
        silent = self._silent()
        reasons = self._controller.reasons
        return tuple(
            row_of(
                job, hosts, reasons.get(self._controller.shape(job)) if job.ready else None, self._flags(job, silent)
            )
            for job in jobs
        )

    def _silent(self) -> frozenset[str]:
        if self._yard.now() - self._yard.about.started_at < SILENT_S:
            return frozenset()
        connected = self._controller.dispatch.connected(self._yard.now() - SILENT_S)
        return frozenset(agent.id for agent in self._store.agents() if agent.id not in connected)

    def _flags(self, job: Job, silent: frozenset[str]) -> tuple[str, ...]:
        if job.attempt is None or job.state not in (JobState.ASSIGNED, JobState.RUNNING):
            return ()
        name = attempt_name(job.id, job.attempt.number)
        unreachable = any(placement.agent in silent for placement in job.attempt.placements)
        return ("unreachable",) * unreachable + ("unkillable",) * (name in self._controller.unkillable)

    def _demand(self, texts: tuple[str, ...], selectors: tuple[Selector, ...], found: list[Job]) -> None:
        """A selector that names one job, or a queue, has to find it."""
        ids, labels = {job.id for job in found}, {job.spec.label for job in found}
        for text, selector in zip(texts, selectors, strict=True):
            if selector.queue:
                self._demand_queue(selector.queue, found)
            elif selector.spreads:
                continue
            elif selector.ids is not None and selector.ids[0] not in ids:
                raise NotFound(f"there is no job {text}")
            elif selector.last is not None and not found:
                raise NotFound(f"{text}: you have no such job")
            elif selector.names and not (
                selector.names[0] in labels or any(is_element(job, selector) for job in found)
            ):
                raise NotFound(f"there is no job named {text!r}")

    def _demand_queue(self, name: str, found: list[Job]) -> None:
        if all(job.spec.queue != name for job in found) and all(queue.name != name for queue in self._store.queues()):
            raise NotFound(f"there is no queue {name!r}")

    def _environment(self, job: Job) -> tuple[str, ...]:
        if not job.spec.environment:
            return ()
        try:
            return tuple(sorted(json.loads(self._yard.blobs.get(job.spec.environment))))
        except (NotFound, ValueError):
            return ()
