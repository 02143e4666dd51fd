"""The verbs on jobs that were accepted already: edit, move, retry, remove; and the yard that starts nothing new."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from runyard.api import ChangeResult
from runyard.errors import Conflict, InvalidSpec, NotFound
from runyard.model.editing import Draft, MoveCall, RetryCall
from runyard.model.events import Change, Edited, Moved, Retried, StopRequested
from runyard.model.job import Job, JobState, Resumption, StopRequest
from runyard.model.links import Variables, resuming
from runyard.model.record import changed
from runyard.service.hook_verbs import check_wishes
from runyard.service.lining import line_up
from runyard.service.submissions import check_resources
from runyard.service.turn import Turn
from runyard.service.verbs import Verbs
from runyard.store.base import Committed, Line, Standing, Store

NAMED_MAX = 4
"""How many jobs a refusal names."""


class QueueVerbs(Verbs):
    """Changing what waits, trying again what has ended, removing what nobody needs."""

    def drafts(self, ids: tuple[int, ...]) -> tuple[Draft, ...]:
        found = self._store.load(ids)
        return tuple(Draft(job.id, job.spec, job.version) for job in found.values())

    def edit(self, drafts: tuple[Draft, ...]) -> ChangeResult:
        def work(turn: Turn) -> ChangeResult:
            refused = self._unfit(turn, drafts)
            wanted = [draft for draft in drafts if draft.id not in refused]
            changes = [
                Change(draft.id, Edited(turn.now, draft.spec, self._caller.user), draft.version) for draft in wanted
            ]
            committed = turn.commit(changes)
            for job in committed.jobs.values():
                if job.state in (JobState.ASSIGNED, JobState.RUNNING):
                    turn.tell_terms(job)  # its time limit may be another
            return _result([draft.id for draft in wanted], committed, refused)

        return self._controller.call(work)

    def move(self, call: MoveCall) -> ChangeResult:
        def work(turn: Turn) -> ChangeResult:
            jobs = turn.store.load(call.ids)
            if call.beside and call.beside in jobs:
                raise Conflict(f"job {call.beside} cannot be moved {call.where} itself")
            refused = {job_id: f"there is no job {job_id}" for job_id in call.ids if job_id not in jobs}
            moved = sorted((job for job in jobs.values()), key=lambda job: _standing(job).rank)
            changes = self._moves(turn, call, [job for job in moved if job.state is JobState.PENDING])
            changes += [
                Change(job.id, Moved(turn.now, job.place)) for job in moved if job.state is not JobState.PENDING
            ]  # each is refused, in the words of the lifecycle
            return _result([job.id for job in moved], turn.commit(changes), refused)

        return self._controller.call(work)

    def _moves(self, turn: Turn, call: MoveCall, moved: list[Job]) -> list[Change]:
        """Those of one queue together, where they go to its ends."""
        if call.beside:
            return self._beside(turn, moved, _anchor(turn.store, call.beside), behind=call.where == "after")
        changes: list[Change] = []
        for queue in dict.fromkeys(job.spec.queue for job in moved):
            mine = [job for job in moved if job.spec.queue == queue]
            last = call.where == "last"
            others = turn.store.line(Line(queue, back=last, most=len(mine) + 1))
            anchor = next((one for one in others if one.id not in {job.id for job in mine}), None)
            if anchor is not None:
                changes += self._beside(turn, mine, anchor, behind=last)
            else:  # nobody else waits there
                changes += [Change(job.id, Moved(turn.now, job.place, by=self._caller.user)) for job in mine]
        return changes

    def _beside(self, turn: Turn, moved: list[Job], anchor: Standing, *, behind: bool) -> list[Change]:
        mine = {job.id: job for job in moved}
        places = line_up(turn.store, list(mine), anchor, behind=behind) if mine else []
        return [
            Change(job_id, Moved(turn.now, place, _needed(mine.get(job_id), anchor), self._caller.user))
            for job_id, place in places
        ]

    def retry(self, call: RetryCall) -> ChangeResult:
        tracked = self._tracked(call.ids) if call.resume else {}

        def work(turn: Turn) -> ChangeResult:
            jobs = turn.store.load(call.ids)
            refused = {job_id: f"there is no job {job_id}" for job_id in call.ids if job_id not in jobs}
            refused.update(self._unfit(turn, call.drafts))
            drafts = {draft.id: draft for draft in call.drafts}
            wanted = [job for job in _those_waited_for_first(jobs) if job.id not in refused]
            on = {job.id: _last_started(turn.store, job, tracked) if call.resume else None for job in wanted}
            committed = turn.commit(self._retried(turn, job, on[job.id], drafts.get(job.id)) for job in wanted)
            told = _result([job.id for job in wanted], committed, refused, but=committed.back)
            return changed(told, also=tuple(job_id for job_id in committed.back if job_id not in jobs))

        return self._controller.call(work)

    def _tracked(self, ids: Iterable[int]) -> dict[int, Variables]:
        """How these jobs' commands are told which runs of a tracking service they go on with."""
        jobs = self._store.load(ids).values()
        return {job.id: resuming(self._yard.links(job)) for job in jobs}

    def _retried(self, turn: Turn, job: Job, on: Resumption | None, draft: Draft | None) -> Change:
        event = Retried(turn.now, self._caller.user, on, draft.spec if draft else None)
        return Change(job.id, event, draft.version if draft else None)

    def remove(self, ids: tuple[int, ...]) -> ChangeResult:
        def work(turn: Turn) -> ChangeResult:
            jobs = turn.store.load(ids)
            refused = {job_id: f"there is no job {job_id}" for job_id in ids if job_id not in jobs}
            refused.update(_still_needed(turn.store, jobs))
            gone = [job for job in jobs.values() if job.id not in refused]
            by = StopRequest(turn.now, self._caller.user)
            turn.commit(Change(job.id, StopRequested(turn.now, by)) for job in gone if job.state is JobState.PENDING)
            turn.store.remove([job.id for job in gone])
            turn.topics.update(("jobs", *(f"job:{job.id}" for job in gone)))
            turn.dirty = True
            return ChangeResult(tuple(job.id for job in gone), refused)

        told = self._controller.call(work)
        self._yard.remove_output(told.changed)
        return told

    def drain(self, on: bool) -> bool:
        def work(turn: Turn) -> bool:
            before = turn.draining
            self._controller.drain(turn, on)
            return before != on

        return self._controller.call(work)

    def _unfit(self, turn: Turn, drafts: Iterable[Draft]) -> dict[int, str]:
        """Why these cannot be run here at all, as a submission would be told."""
        refused = {}
        hosts = turn.store.hosts()
        for draft in drafts:
            try:
                check_resources((draft.spec,), hosts)
                check_wishes((draft.spec,), self._controller.hooks)
            except InvalidSpec as error:
                refused[draft.id] = error.message
        return refused


def _result(
    ids: Iterable[int], committed: Committed, refused: Mapping[int, str], but: Collection[int] = ()
) -> ChangeResult:
    """What became of these jobs."""
    whys = {one.change.job_id: one.why for one in committed.refused}
    whys = {job_id: why for job_id, why in whys.items() if job_id not in but}
    return ChangeResult(tuple(job_id for job_id in ids if job_id not in whys), {**refused, **whys})


def _standing(job: Job) -> Standing:
    return Standing(job.id, job.spec.priority, job.place, job.spec.queue)


def _anchor(store: Store, job_id: int) -> Standing:
    job = store.load((job_id,)).get(job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id}")
    if job.state is not JobState.PENDING:
        raise Conflict(f"job {job_id} is {job.word}: only a job that waits has a place in line")
    return _standing(job)


def _needed(job: Job | None, anchor: Standing) -> int | None:
    """The priority that a moved job has to take to stand beside the anchor (None: it has it)."""
    return None if job is None or job.spec.priority == anchor.priority else anchor.priority


def _those_waited_for_first(jobs: Mapping[int, Job]) -> Iterator[Job]:
    """The jobs, each behind those of them that it waits for."""
    seen: set[int] = set()
    stack = [(job_id, False) for job_id in sorted(jobs, reverse=True)]
    while stack:
        job_id, ready = stack.pop()
        if ready:
            yield jobs[job_id]
        elif job_id in jobs and job_id not in seen:
            seen.add(job_id)
            stack.append((job_id, True))
            stack += [(wanted.job_id, False) for wanted in jobs[job_id].spec.after]


def _last_started(store: Store, job: Job, tracked: Mapping[int, Variables]) -> Resumption | None:
    """The attempt to go on from (None: it never started)."""
    numbers = [attempt.number for attempt in store.attempts(job.id) if attempt.started_at is not None]
    return Resumption(numbers[-1], tracked.get(job.id, ())) if numbers else None


def _still_needed(store: Store, jobs: Mapping[int, Job]) -> dict[int, str]:
    """Why these cannot be removed: they are on a host, or others that stay wait for them."""
    on_hosts = [job.id for job in jobs.values() if job.state in (JobState.ASSIGNED, JobState.RUNNING)]
    refused = {
        job_id: f"job {job_id} is {jobs[job_id].word}: `ry rm --stop {job_id}` ends it first" for job_id in on_hosts
    }
    waiting_for = {on: [who for who, _ in links] for on, links in store.waiting_for(jobs.keys()).items()}
    others = store.load(who for whos in waiting_for.values() for who in whos)
    pending = {job.id for job in others.values() if job.state is JobState.PENDING}
    news = True
    while news:  # who stays keeps in turn what it waits for
        news = False
        for job_id in waiting_for.keys() - refused.keys():
            stays = sorted(who for who in waiting_for[job_id] if who in pending and (who not in jobs or who in refused))
            if stays:
                named = ", ".join(map(str, stays[:NAMED_MAX])) + (" and more" if len(stays) > NAMED_MAX else "")
                refused[job_id] = f"job {job_id} is waited for by job {named}: remove that too, or change it first"
                news = True
    return refused
