"""What an agent says, as facts: hello and the report of a beat become changes of jobs.

Runs inside a turn of the yard thread. Late or repeated reports are noted and change nothing; what has ended is answered
with forget, after the commit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from runyard.errors import Conflict
from runyard.model.attempt import AttemptKey, Result
from runyard.model.beat import PROTOCOL, Hello, Observed, Report, Welcome
from runyard.model.events import Change, Ended, Revoked, Started
from runyard.model.host import Agent
from runyard.model.job import Job, JobState, Outcome
from runyard.model.lifecycle import judge
from runyard.planner.retry import decide
from runyard.service.controller import Controller, Turn
from runyard.service.orders import key_of

BUSY_PAUSE_S = 3.0
"""A start that the agent refused is not planned again before this."""

COUNTS_AS_FAILURE = frozenset(
    (Outcome.FAILED, Outcome.KILLED, Outcome.TIMEOUT, Outcome.OOM, Outcome.LOST, Outcome.NOT_STARTED)
)
"""Outcomes that pause a queue with stop-on-fail."""

log = logging.getLogger("runyard.beats")


def hello(controller: Controller, turn: Turn, hello: Hello) -> Welcome:
    """A new incarnation of an agent; the earlier one is refused from now on."""
    if hello.protocol > PROTOCOL:
        raise Conflict(f"the agent speaks protocol {hello.protocol}, this server {PROTOCOL}: upgrade the server")
    if hello.yard == turn.yard.id and hello.epoch > turn.yard.epoch:
        controller.halted = (
            f"agent {hello.agent} has seen epoch {hello.epoch} of this yard, the store is at {turn.yard.epoch}: "
            "this is an older copy of the store; nothing is started"
        )
    before = next((agent for agent in turn.store.agents() if agent.id == hello.agent), None)
    incarnation = before.incarnation + 1 if before else 1
    turn.store.save_host(hello.host)
    turn.store.save_agent(
        Agent(
            id=hello.agent, host=hello.host.id, user=hello.user, uid=hello.uid, incarnation=incarnation,
            boot_id=hello.boot_id, version=hello.version, pid=hello.pid, last_beat_at=turn.now,
        )
    )  # fmt: skip
    turn.after.append(lambda: controller.dispatch.open(hello.agent, incarnation, turn.now))
    controller.resend(turn, hello.agent)
    turn.dirty = True
    return Welcome(turn.yard.id, turn.yard.epoch, incarnation)


def report(turn: Turn, report: Report) -> None:
    """One beat. (That the incarnation is the present one has been checked.)"""
    if report.host is not None:
        turn.store.save_host(report.host)
        turn.dirty = True
    if report.all is not None:
        _compare(turn, report.agent, report.all)
    _facts(turn, report.agent, report.observed)


def _facts(turn: Turn, agent: str, observed: Iterable[Observed]) -> None:
    told = list(observed)
    before = turn.store.load({seen.key.job_id for seen in told if seen.stage in ("ended", "revoked")})
    changes = [change for seen in told if (change := _change(turn, seen, before.get(seen.key.job_id)))]
    committed = turn.commit(changes)
    for refused in committed.refused:
        log.info("job %d: %s", refused.change.job_id, refused.why)
    over = [seen for seen in told if seen.stage in ("ended", "revoked")]
    turn.follow_up([(seen.key, _followed(before.get(seen.key.job_id), seen.key)) for seen in over])
    for seen in over:
        turn.after.append(lambda key=seen.key: turn.dispatch.forget(agent, key))  # type: ignore[misc]
        turn.topics.add(f"agent:{agent}")
        job = committed.jobs.get(seen.key.job_id)
        if job is not None and job.outcome is Outcome.SUCCEEDED and seen.started_at and seen.ended_at:
            turn.ran(job, max(0.0, seen.ended_at - seen.started_at))
    _stop_on_fail(turn, committed.jobs.values())


def _change(turn: Turn, seen: Observed, job: Job | None) -> Change | None:
    """The fact as a change, if it is one."""
    if seen.stage == "started":
        at = seen.started_at or turn.now
        return Change(seen.key.job_id, Started(at, seen.key, seen.rank, seen.pid, seen.native_id))
    if seen.stage == "revoked" and job is not None:
        if job.state is JobState.RUNNING:
            gone = Result("inferred", None, "lost", "its host has no record of it any more")
            return Change(job.id, _ended(turn, replace(seen, result=gone), job))
        again_at = turn.now + BUSY_PAUSE_S if seen.why else None
        return Change(job.id, Revoked(turn.now, seen.key, seen.why, again_at))
    if seen.stage == "ended" and job is not None:
        return Change(job.id, _ended(turn, seen, job))
    return None


def _ended(turn: Turn, seen: Observed, job: Job) -> Ended:
    result = seen.result or Result("inferred", None, "lost", "its agent could not say how it ended")
    again_at = None
    if judge(result)[0] is not Outcome.SUCCEEDED:
        queue = next(queue for queue in turn.store.queues() if queue.name == job.spec.queue)
        again_at = decide(job, result, queue, turn.now)
    return Ended(seen.ended_at or turn.now, seen.key, result, seen.rank, again_at, seen.started_at, seen.pid)


def _followed(job: Job | None, key: AttemptKey) -> str:
    """What an attempt was still waiting to follow when it ended or was revoked ("": it held its place)."""
    if job is None or job.attempt is None or job.attempt.number != key.number:
        return ""
    return job.attempt.placements[0].follows


def _compare(turn: Turn, agent: str, there: Iterable[AttemptKey]) -> None:
    """Everything that an agent has, against everything that this yard has on it."""
    keys = set(there)
    active = {key_of(job): job for job in turn.store.active(agent)}
    gone = [
        Observed(key, "revoked") for key, job in active.items() if key not in keys and job.state is JobState.RUNNING
    ]
    _facts(turn, agent, gone)
    unknown = []
    jobs = turn.store.load({key.job_id for key in keys if key not in active})
    for key in keys - set(active):
        job = jobs.get(key.job_id)
        settled = job is not None and job.attempt is not None and job.attempt.number >= key.number
        if settled and not _same_number_other_token(job, key):
            turn.after.append(lambda key=key: turn.dispatch.forget(agent, key))  # type: ignore[misc]
        else:
            unknown.append(str(key))
    record = next(record for record in turn.store.agents() if record.id == agent)
    if record.unknown != tuple(unknown):
        turn.store.save_agent(replace(record, unknown=tuple(unknown)))
    turn.after.append(lambda: turn.dispatch.whole_heard(agent))


def _same_number_other_token(job: Job | None, key: AttemptKey) -> bool:
    return (
        job is not None
        and job.attempt is not None
        and job.attempt.number == key.number != 0
        and (job.attempt.token != key.token)
    )


def _stop_on_fail(turn: Turn, jobs: Iterable[Job]) -> None:
    failed = [job for job in jobs if job.outcome in COUNTS_AS_FAILURE]
    if not failed:
        return
    queues = {queue.name: queue for queue in turn.store.queues()}
    for job in failed:
        queue = queues[job.spec.queue]
        if queue.stop_on_fail and not queue.paused:
            why = f"job {job.id} ({job.spec.label}) ended {job.word}"
            queues[queue.name] = turn.store.save_queue(replace(queue, paused=True, reason=why))
