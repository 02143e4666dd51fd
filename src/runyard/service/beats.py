"""What an agent says, as facts: hello and the report of a beat become changes of jobs.

Runs inside a turn of the yard thread. Late or repeated reports are noted and change nothing; what has ended is answered
with forget, after the commit.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable
from dataclasses import replace

from runyard.errors import Conflict, NotFound
from runyard.model.attempt import Attempt, AttemptKey, Result
from runyard.model.beat import OVER, PROTOCOL, Hello, Observed, Report, Welcome
from runyard.model.ending import judge
from runyard.model.events import Change, Ended, Noted, Resumed, Revoked, Started
from runyard.model.host import Agent
from runyard.model.job import Job, JobState
from runyard.model.outcome import ENDED_BADLY, Outcome
from runyard.planner.retry import decide
from runyard.service import reported
from runyard.service.controller import Controller
from runyard.service.orders import key_of
from runyard.service.turn import Turn
from runyard.store.base import YardId

BUSY_PAUSE_S = 3.0
BUSY_DOUBLINGS = 6
"""A start that the agent refused is not planned again before this; the pause doubles with each attempt, so often."""

ACCEPTED = "accepted-attempts"
"""Kind of the documents (by agent) that list what a person has accepted together with an older store."""

log = logging.getLogger("runyard.beats")


def hello(controller: Controller, turn: Turn, hello: Hello) -> Welcome:
    """A new incarnation of an agent; the earlier one is refused from now on. Orders go to it when it has told all."""
    if hello.protocol > PROTOCOL:
        raise Conflict(f"the agent speaks protocol {hello.protocol}, this server {PROTOCOL}: upgrade the server")
    feed = turn.store.feed()
    if hello.yard == turn.yard.id and not controller.accepted and (why := _older(turn.yard, feed, hello)):
        controller.halt(why)
    before = _agent(turn, hello.agent)
    incarnation = before.incarnation + 1 if before else 1
    turn.store.save_host(hello.host)
    turn.store.save_agent(
        Agent(
            id=hello.agent, host=hello.host.id, user=hello.user, uid=hello.uid, incarnation=incarnation,
            boot_id=hello.boot_id, version=hello.version, pid=hello.pid, last_beat_at=turn.now,
            unknown=before.unknown if before else (),
        )
    )  # fmt: skip
    turn.joined.discard(hello.agent)
    turn.left.add(hello.agent)
    turn.topics.add("hosts")
    turn.after.append(lambda: controller.dispatch.open(hello.agent, incarnation, turn.now))
    return Welcome(turn.yard.id, turn.yard.epoch, incarnation, feed=feed, accepted=controller.accepted)


def _older(yard: YardId, feed: int, hello: Hello) -> str:
    """Why this store must be an older copy ("" if nothing says so)."""
    if hello.epoch > yard.epoch:
        seen = f"epoch {hello.epoch} of this yard, the store is at {yard.epoch}"
    elif hello.feed > feed:
        seen = f"event {hello.feed} of this yard, the store ends at {feed}"
    else:
        return ""
    return f"this is an older copy of the store: agent {hello.agent} has seen {seen}"


def report(controller: Controller, turn: Turn, report: Report, newest: bool) -> list[Job]:
    """One beat: the jobs that it changed. What a late one says of the present is not taken, what has happened is."""
    controller.dispatch.check(report.agent, report.incarnation)
    if report.host is not None and newest:
        turn.store.save_host(report.host)
        turn.dirty = True
    reported.keep(turn, report.readings)
    jobs = _facts(controller, turn, report.agent, report.observed)
    if report.all is not None and newest:
        _compare(controller, turn, report)
        if not report.problem:
            controller.resend(turn, report.agent)
            turn.joined.add(report.agent)
        turn.dirty = True
    return jobs


def _facts(controller: Controller, turn: Turn, agent: str, observed: Iterable[Observed]) -> list[Job]:
    told = list(observed)
    before = turn.store.load({seen.key.job_id for seen in told})
    changes = [change for seen in told if (change := _change(turn, seen, before.get(seen.key.job_id)))]
    changes += [note for seen in told if seen.notes for note in _notes(turn, seen, before.get(seen.key.job_id))]
    over = [seen for seen in told if seen.stage in OVER]
    changes += turn.follow_up({str(seen.key): _followed(before.get(seen.key.job_id), seen.key) for seen in over})
    committed = turn.commit(changes)
    for refused in committed.refused:
        log.info("job %d: %s", refused.change.job_id, refused.why)
    _note_unkillable(controller, turn, told)
    now = {**before, **committed.jobs}
    for seen in over:
        if _settled(turn, now.get(seen.key.job_id), seen.key) or _removed(turn, seen.key.job_id, now):
            _forget(controller, turn, agent, seen.key)
            turn.topics.add(f"agent:{agent}")
            if seen.key.job_id not in committed.jobs:
                _known_after_all(turn, agent, seen.key)
        job = committed.jobs.get(seen.key.job_id)
        if job is not None and job.outcome is Outcome.SUCCEEDED and seen.started_at and seen.ended_at:
            paused_s = job.attempt.paused_s if job.attempt else 0.0
            turn.ran(job, max(0.0, seen.ended_at - seen.started_at - paused_s))
    _stop_on_fail(turn, committed.jobs.values())
    return list(committed.jobs.values())


def _notes(turn: Turn, seen: Observed, job: Job | None) -> list[Change]:
    """What its agent has to say of an attempt, once."""
    known = job.attempt.notes if job is not None and job.attempt is not None else ()
    return [Change(seen.key.job_id, Noted(turn.now, seen.key, note)) for note in seen.notes if note not in known]


def _change(turn: Turn, seen: Observed, job: Job | None) -> Change | None:
    """The fact as a change, if it is one and is news."""
    if job is None or job.attempt is None or job.state is JobState.DONE:
        return None
    if seen.stage == "started":
        if job.state is JobState.RUNNING and key_of(job) == seen.key and _known(job.attempt, seen):
            return Change(job.id, Resumed(turn.now, why=seen.why)) if seen.why and job.paused else None
        at = seen.started_at or turn.now
        return Change(job.id, Started(at, seen.key, seen.rank, seen.pid, seen.native_id, seen.ports))
    if seen.stage == "revoked":
        if job.state is JobState.RUNNING:
            gone = Result("inferred", None, "lost", "its host has no record of it any more")
            return Change(job.id, _ended(turn, replace(seen, result=gone), job))
        pause_s = BUSY_PAUSE_S * 2.0 ** min(job.attempt.number - 1, BUSY_DOUBLINGS)
        again_at = turn.now + pause_s if seen.why and not seen.hold else None
        return Change(job.id, Revoked(turn.now, seen.key, seen.why, again_at, seen.hold))
    if seen.stage == "ended":
        return Change(job.id, _ended(turn, seen, job))
    return None


def _known(attempt: Attempt, seen: Observed) -> bool:
    placements = attempt.placements[seen.rank : seen.rank + 1] if seen.rank >= 0 else ()
    return any(placement.pid == seen.pid and placement.started_at is not None for placement in placements)


def _ended(turn: Turn, seen: Observed, job: Job) -> Ended:
    result = seen.result or Result("inferred", None, "lost", "its agent could not say how it ended")
    again_at = None
    if judge(result)[0] is not Outcome.SUCCEEDED:
        queue = next(queue for queue in turn.store.queues() if queue.name == job.spec.queue)
        again_at = decide(job, result, queue, turn.now)
    return Ended(seen.ended_at or turn.now, seen.key, result, seen.rank, again_at, seen.started_at, seen.pid)


def _note_unkillable(controller: Controller, turn: Turn, told: Iterable[Observed]) -> None:
    for seen in told:
        name = str(seen.key)
        if seen.stage == "unkillable" and name not in controller.unkillable:
            controller.unkillable.add(name)
            turn.dirty = True
            turn.topics.update((f"job:{seen.key.job_id}", "jobs"))
        elif seen.stage in OVER:
            controller.unkillable.discard(name)


def _followed(job: Job | None, key: AttemptKey) -> str:
    """What an attempt was still waiting to follow when it ended or was revoked ("": it held its place)."""
    if job is None or job.attempt is None or job.attempt.number != key.number:
        return ""
    return job.attempt.placements[0].follows


def _settled(turn: Turn, job: Job | None, key: AttemptKey) -> bool:
    """Whether this very attempt is over in the store: only then may its agent forget it."""
    if job is None or job.attempt is None or job.attempt.number < key.number:
        return False
    if job.attempt.number == key.number:
        return job.attempt.token == key.token and job.attempt.over
    return any(attempt.number == key.number and attempt.token == key.token for attempt in turn.store.attempts(job.id))


def _removed(turn: Turn, job_id: int, known: Container[int]) -> bool:
    """Whether there was such a job in this store, and a user has removed it."""
    if job_id in known or job_id > turn.store.last_id():
        return False
    try:
        turn.store.shape_of(job_id)  # what cannot be read is not removed
    except NotFound:
        return True
    return False


def _compare(controller: Controller, turn: Turn, report: Report) -> None:
    """Everything that an agent has, against everything that this yard has on it."""
    agent, keys = report.agent, set(report.all or ())
    active = {key_of(job): job for job in turn.store.active(agent)}
    gone = [
        Observed(key, "revoked") for key, job in active.items() if key not in keys and job.state is JobState.RUNNING
    ]
    _facts(controller, turn, agent, gone)
    living = {seen.key for seen in report.observed if seen.stage not in OVER}
    jobs = turn.store.load({key.job_id for key in keys if key not in active})
    unknown, never_given = [], []
    for key in sorted(keys - set(active)):
        settled = _settled(turn, jobs.get(key.job_id), key) or _removed(turn, key.job_id, jobs)
        if settled and key not in living:
            _forget(controller, turn, agent, key)
        else:
            unknown.append(str(key))
        if not settled and key.job_id in jobs:
            never_given.append(str(key))
    _doubt(controller, turn, agent, never_given)
    _save_unknown(turn, agent, tuple(unknown))
    turn.after.append(lambda: turn.dispatch.whole_heard(agent))


def _doubt(controller: Controller, turn: Turn, agent: str, never_given: list[str]) -> None:
    """An agent has attempts of our jobs that this store never gave: it is an older copy, unless a person has accepted
    it since they are there."""
    if not never_given:
        return
    accepted = turn.store.document(ACCEPTED, agent) or []
    if controller.accepted:
        turn.store.save_document(ACCEPTED, agent, never_given)
    elif new := [name for name in never_given if name not in accepted]:
        controller.halt(f"this is an older copy of the store: agent {agent} has attempt {new[0]}, which it never gave")


def _forget(controller: Controller, turn: Turn, agent: str, key: AttemptKey) -> None:
    """Its result is on disk, in a store that counts."""
    if not controller.halted:
        turn.after.append(lambda: turn.dispatch.forget(agent, key))


def _known_after_all(turn: Turn, agent: str, key: AttemptKey) -> None:
    """An attempt that ran on after the yard had settled it has ended, too: its devices are free."""
    record = _agent(turn, agent)
    if record is not None:
        _save_unknown(turn, agent, tuple(name for name in record.unknown if name != str(key)))


def _agent(turn: Turn, agent: str) -> Agent | None:
    return next((record for record in turn.store.agents() if record.id == agent), None)


def _save_unknown(turn: Turn, agent: str, unknown: tuple[str, ...]) -> None:
    record = _agent(turn, agent)
    if record is not None and record.unknown != unknown:
        turn.store.save_agent(replace(record, unknown=unknown))
        turn.dirty = True


def _stop_on_fail(turn: Turn, jobs: Iterable[Job]) -> None:
    failed = [job for job in jobs if job.outcome in ENDED_BADLY]
    if not failed:
        return
    queues = {queue.name: queue for queue in turn.store.queues()}
    for job in failed:
        queue = queues[job.spec.queue]
        if queue.stop_on_fail and not queue.paused:
            why = f"job {job.id} ({job.spec.title}) ended {job.word}"
            lost = job.id if job.outcome is Outcome.LOST else 0
            queues[queue.name] = turn.store.save_queue(replace(queue, paused=True, reason=why, lost_job=lost))
