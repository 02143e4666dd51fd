"""The verbs on jobs: submit, see, explain, stop, hold."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from runyard.api import ChangeResult, Explanation, JobDetail, JobRow, Receipt, StopCall, Submission
from runyard.errors import Conflict, NotFound, StorageFull
from runyard.model.attempt import attempt_name
from runyard.model.events import Held, Released, StopRequested
from runyard.model.filter import JobQuery, Selector, parse_selector
from runyard.model.job import Job, JobState, StopRequest
from runyard.service import reported
from runyard.service.coding import record_of
from runyard.service.explain import explain
from runyard.service.finding import Demands, narrowed, needs_rows
from runyard.service.hook_verbs import check_wishes, told_of
from runyard.service.orders import stop_order
from runyard.service.rows import row_of
from runyard.service.submissions import check_queues, check_resources, new_jobs
from runyard.service.sweeps import check_growth, note_cells
from runyard.service.turn import Turn
from runyard.service.verbs import Verbs
from runyard.store.base import Criteria

TOGETHER = 1_000
"""How many jobs are in memory at a time when all are looked through."""

SILENT_S = 90.0
"""A host whose agent has not beaten for this long is shown as unreachable."""


class JobVerbs(Verbs):
    """Accepting jobs, seeing them, ending them."""

    def submit(self, submission: Submission) -> Receipt:
        if self._controller.halted:
            raise Conflict(self._controller.halted)
        if self._yard.free_mb() < self._yard.min_free_mb:
            raise StorageFull(
                f"less than {self._yard.min_free_mb} MB are free: nothing new is accepted until there is space"
            )
        coded = self._yard.code.coded(submission.specs)
        new = new_jobs(submission, self._caller.user, self._yard.now(), coded.of)
        check_resources(new.specs, self._store.hosts())
        check_wishes(new.specs, self._controller.hooks)
        request = submission.group

        def work(turn: Turn) -> Receipt:
            check_queues(new.specs, (queue.name for queue in turn.store.queues()))
            if request is not None and request.into:
                check_growth(turn, request, self._caller.user)
            added = turn.store.add(new)
            if request is not None:
                note_cells(turn, request, added.ids)
            turn.dirty = True
            turn.topics.add("jobs")
            turn.after.append(lambda: self._yard.code.submitted(coded))
            return Receipt(added.ids, added.existing, coded.remarks)

        return self._controller.call(work)

    def jobs(self, query: JobQuery) -> tuple[JobRow, ...]:
        selectors = tuple(self._selector(text) for text in query.selectors)
        meant = self._with_dependants(selectors)
        if selectors and not meant:
            return ()
        by_row = needs_rows(query)
        criteria = Criteria(
            selectors=meant, user=self._caller.user, mine=query.mine, recent=query.recent,
            order=query.order, limit=0 if by_row else query.limit, after_id=query.after_id, cells=query.cells,
        )  # fmt: skip
        demands = Demands(query.selectors, selectors)
        if by_row:
            rows = narrowed(self._batches(criteria, demands), query, self._yard.now())
        else:
            found = self._store.jobs(criteria)
            demands.meet(found)
            rows = self._rows(found)
        if not (query.limit or query.after_id):
            demands.insist(lambda: [queue.name for queue in self._store.queues()])
        return rows

    def _batches(self, criteria: Criteria, demands: Demands) -> Iterator[tuple[JobRow, ...]]:
        """All that are meant, some at a time."""
        ids = iter(self._store.ids(criteria))
        while some := list(islice(ids, TOGETHER)):
            jobs = list(self._store.load(some).values())
            demands.meet(jobs)
            yield self._rows(jobs)

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
            environment=tuple(sorted(self._environment(job))),
            code=record_of(self._store, job.spec.code.record if job.spec.code else ""),
            told=told_of(self._store, self._controller.hooks, job),
            links=self._yard.links(job),
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

    def _selector(self, text: str) -> Selector:
        """The selector; that of a sweep or pipeline by the number of its group, the latest of several of one name."""
        selector = parse_selector(text)
        if selector.gathered is None:
            return selector
        kind, name = selector.gathered
        found = self._store.groups_of(kind, name)
        if not found and name.isdecimal():
            found = [group for group in self._store.groups([int(name)]) if group.kind == kind]
        if not found:
            raise NotFound(f"there is no {kind} {name!r}")
        return Selector(group=found[-1].id)

    def _with_dependants(self, selectors: tuple[Selector, ...]) -> tuple[Selector, ...]:
        """The same with the ids of those who wait for a job in the place of that job."""
        links = self._store.waiting_for({one.after for one in selectors if one.after is not None})
        waiting = sorted({job_id for found in links.values() for job_id, _ in found})
        kept = (one for one in selectors if one.after is None)
        return (*kept, *(Selector(ids=(job_id, job_id)) for job_id in waiting))

    def _rows(self, jobs: list[Job]) -> tuple[JobRow, ...]:
        hosts = {host.id: host for host in self._store.hosts()}
        silent = self._silent()
        reasons = self._controller.reasons
        rows = [
            row_of(
                job, hosts, reasons.get(self._controller.shape(job)) if job.ready else None, self._flags(job, silent)
            )
            for job in jobs
        ]
        measured = self._store.latest([row.id for row in rows if row.attempt])
        return tuple(reported.shown(row, measured.get(row.id), self._yard.now()) for row in rows)

    def _silent(self) -> frozenset[str]:
        if self._yard.now() - self._yard.about.started_at < SILENT_S:
            return frozenset()
        connected = self._controller.dispatch.connected(self._yard.now() - SILENT_S)
        return frozenset(agent.id for agent in self._store.agents() if agent.id not in connected)

    def _flags(self, job: Job, silent: frozenset[str]) -> tuple[str, ...]:
        if job.attempt is None or job.state not in (JobState.ASSIGNED, JobState.RUNNING):
            return ()
        name = attempt_name(job.id, job.attempt.number)
        notes = tuple(dict.fromkeys(note.kind for note in job.attempt.notes))
        unreachable = any(placement.agent in silent for placement in job.attempt.placements)
        return ("unreachable",) * unreachable + ("unkillable",) * (name in self._controller.unkillable) + notes
