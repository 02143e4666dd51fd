"""The one table that says what an event does to a job, and what that does to the jobs that wait for it.

`advance` is the only way in which a job changes; `consequences` tells a store which of the waiting jobs an ending wakes
or skips. Replaying a job's events gives the job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional

from runyard.errors import IllegalMove
from runyard.model import wishes
from runyard.model.attempt import Attempt, AttemptKey, Pause, Placement, Result
from runyard.model.checkpoint import GOES_ON
from runyard.model.ending import REVOKED, describe, judge, told_to_later, worst
from runyard.model.events import (
    KIND_OF,
    Assigned,
    DependencyFailed,
    DependencyMet,
    Edited,
    Ended,
    Event,
    Held,
    Moved,
    Noted,
    Paused,
    Promoted,
    Released,
    Reopened,
    Resumed,
    Retried,
    Revoked,
    Started,
    StopRequested,
    Submitted,
    Woken,
)
from runyard.model.job import Job, JobState, StopRequest
from runyard.model.outcome import Outcome
from runyard.model.record import changed
from runyard.model.spec import Dependency

HELD_BACK = "held: "
"""How the reason of a job begins that its agent did not start, and that waits for a person."""

ACCEPTED = "released all the same"


def begin(job_id: int, event: Submitted) -> Job:
    """The first event makes the job."""
    spec = event.spec
    return Job(
        id=job_id,
        spec=spec,
        submitted_at=event.at,
        group=event.group,
        held=spec.hold,
        waiting_on=event.waiting_on,
        wake_at=wishes.begins(spec, event.at),
        place=float(job_id),
    )


def advance(job: Job, event: Event) -> Job:
    """The job after the event, or IllegalMove with the reason."""
    move = TABLE.get((job.state, type(event)))
    if move is None:
        raise IllegalMove(_refusal(job, event))
    return changed(move(job, event), version=job.version + 1)


def _refusal(job: Job, event: Event) -> str:
    if isinstance(event, Retried):
        return f"job {job.id} is {job.word}: only a job that has ended can be retried"
    if isinstance(event, Moved) and job.ahead:
        return f"job {job.id} is about to start: `ry hold {job.id}` keeps it back, then it can be moved"
    if isinstance(event, Moved):
        return f"job {job.id} is {job.word}: only a job that waits has a place in line"
    if job.state is JobState.DONE:
        return f"job {job.id} has ended already: {job.word}"
    if isinstance(event, (Held, Released)):
        return f"job {job.id} is {job.word}: only a job that waits can be held or released"
    if isinstance(event, (Paused, Resumed)):
        instead = "; hold keeps it back" if isinstance(event, Paused) and job.state is JobState.PENDING else ""
        return f"job {job.id} is {job.word}: only a job that runs can be paused or resumed{instead}"
    return f"job {job.id} is {job.word}: {KIND_OF[type(event)]} does not apply"


def replay(job_id: int, events: Iterable[Event]) -> Job:
    """The job that these events, in order, make."""
    story = iter(events)
    first = next(story, None)
    if not isinstance(first, Submitted):
        raise IllegalMove(f"job {job_id}: its story does not begin with submitted")
    job = begin(job_id, first)
    for event in story:
        job = advance(job, event)
    return job


def consequences(job: Job, dependants: Iterable[tuple[int, str]], at: float) -> list[tuple[int, Event]]:
    """What the end of `job` does to those who wait for it, given as (job id, kind of dependency)."""
    if job.outcome is None:
        return []
    effects: list[tuple[int, Event]] = []
    for dependant, kind in dependants:
        met = verdict(kind, job.outcome)
        if met:
            effects.append((dependant, DependencyMet(at, job.id)))
        elif met is not None:
            detail = f"job {job.id} ({job.spec.title}) ended {job.outcome.value}"
            effects.append((dependant, DependencyFailed(at, job.id, detail)))
    return effects


def verdict(kind: str, outcome: Outcome) -> Optional[bool]:
    """Whether a dependency is met, has failed, or (None) stays open: nobody knows how a lost job ended."""
    if kind == "afterany":
        return True
    if outcome is Outcome.LOST:
        return True if kind == "afternotok" else None
    return (outcome is Outcome.SUCCEEDED) == (kind == "afterok")


def still_open(after: Iterable[Dependency], jobs: Mapping[int, Job]) -> tuple[int, Optional[Job]]:
    """How many of these dependencies are not met as things stand, and a job that has ended otherwise than wanted (None
    if there is none). A job that has been removed is waited for no more."""
    count = 0
    for job_id, kind in dict.fromkeys((wanted.job_id, wanted.kind) for wanted in after):
        job = jobs.get(job_id)
        if job is None:
            continue
        met = None if job.outcome is None else verdict(kind, job.outcome)
        if met is False:
            return 0, job
        count += not met
    return count, None


def _hold(job: Job, event: Held) -> Job:
    return changed(job, held=True)


def _hold_ahead(job: Job, event: Held) -> Job:
    """It waits again when its agent has given it back. Where it begins before that, its next attempt is held."""
    if not job.ahead:
        raise IllegalMove(_refusal(job, event))
    return changed(job, held=True)


def _release(job: Job, event: Released) -> Job:
    """What its agent held back for a reason starts in spite of that (see `_assign`)."""
    reason = ACCEPTED if job.held and job.reason.startswith(HELD_BACK) else job.reason
    return changed(job, held=False, reason=reason)


def _wake(job: Job, event: Woken) -> Job:
    return changed(job, wake_at=None)


def _dependency_met(job: Job, event: DependencyMet) -> Job:
    return changed(job, waiting_on=max(0, job.waiting_on - 1))


def _skip(job: Job, event: DependencyFailed) -> Job:
    return _done(job, Outcome.SKIPPED, None, event.detail, event.at)


def _assign(job: Job, event: Assigned) -> Job:
    expected = job.attempt.number + 1 if job.attempt else 1
    if not job.ready:
        raise IllegalMove(f"job {job.id} is {job.word}: it cannot be assigned")
    if event.attempt.number != expected:
        raise IllegalMove(f"job {job.id}: attempt {event.attempt.number} cannot follow, {expected} is next")
    attempt = event.attempt
    if job.attempt is not None:
        attempt = changed(attempt, earlier=told_to_later(job.attempt))
    if job.reason == ACCEPTED or (job.attempt is not None and job.attempt.accepted):
        attempt = changed(attempt, accepted=True)
    return changed(job, state=JobState.ASSIGNED, attempt=attempt, reason="")


def _promote(job: Job, event: Promoted) -> Job:
    attempt = _current(job, event.key)
    return changed(job, attempt=_each(attempt, lambda p: changed(p, follows=event.follows)))


def _start(job: Job, event: Started) -> Job:
    attempt = _current(job, event.key)
    placed = _rank(
        attempt,
        event.rank,
        lambda p: changed(
            p, started_at=event.at, pid=event.pid, native_id=event.native_id, follows="", ports=event.ports
        ),
    )
    return changed(job, state=JobState.RUNNING, attempt=placed)


def _pause(job: Job, event: Paused) -> Job:
    """One that stands still already does so since the first time."""
    if job.stop is not None or job.attempt is None:
        raise IllegalMove(_refusal(job, event))
    return changed(job, attempt=changed(job.attempt, pause=job.attempt.pause or Pause(event.at, event.by)))


def _resume(job: Job, event: Resumed) -> Job:
    if job.stop is not None or job.attempt is None:
        raise IllegalMove(_refusal(job, event))
    return changed(job, attempt=_moving(job.attempt, event.at), reason=event.why)


def _moving(attempt: Attempt, at: float) -> Attempt:
    """The attempt when it stands still no more."""
    if attempt.pause is None:
        return attempt
    return changed(attempt, pause=None, paused_s=attempt.paused_s + max(0.0, at - attempt.pause.at))


def _request_stop(job: Job, event: StopRequested) -> Job:
    request = event.request
    if job.state is JobState.PENDING:
        return _done(changed(job, stop=request), request.outcome, None, _by(request), event.at)
    return changed(job, stop=request)


def _revoke(job: Job, event: Revoked) -> Job:
    attempt = _current(job, event.key)
    result = Result("runner", None, REVOKED, event.why)
    over = _each(attempt, lambda p: changed(p, ended_at=event.at, result=result))
    if job.stop is not None:
        return _done(changed(job, attempt=over), job.stop.outcome, None, _by(job.stop), event.at)
    if event.hold:
        job = changed(job, held=True)
    why = f"{HELD_BACK}{event.why}" if event.hold else event.why
    return _again(changed(job, attempt=over, reason=why), event.again_at, event.at)


def _note(job: Job, event: Noted) -> Job:
    attempt = _current(job, event.key)
    if event.note in attempt.notes:
        return job
    return changed(job, attempt=changed(attempt, notes=(*attempt.notes, event.note)))


def _end(job: Job, event: Ended) -> Job:
    attempt = _rank(
        _current(job, event.key),
        event.rank,
        lambda p: changed(
            p,
            started_at=event.started_at if p.started_at is None else p.started_at,
            pid=event.pid if p.pid is None else p.pid,
            ended_at=event.at,
            result=event.result,
            follows="",
        ),
    )
    job = changed(job, attempt=attempt)
    if not attempt.over:
        return job
    job = changed(job, attempt=_moving(attempt, event.at))
    result = worst(attempt)
    outcome, code = judge(result)
    if event.again_at is None:
        reason = _by(job.stop) if job.stop and outcome is Outcome.CANCELLED else describe(result)
        return _done(job, outcome, code, reason, event.at)
    lost, goes_on = outcome is Outcome.LOST, result.why in GOES_ON
    job = changed(job, losses=job.losses + lost, retries=job.retries + (not lost and not goes_on), exit_code=code)
    detail = describe(result) or (f"exit code {code}" if code is not None else outcome.value)
    return _again(
        changed(job, reason=f"attempt {attempt.number} ended {outcome.value} ({detail})"), event.again_at, event.at
    )


def _again(job: Job, again_at: Optional[float], now: float) -> Job:
    wake_at = again_at if again_at is not None and again_at > now else None
    return changed(job, state=JobState.PENDING, wake_at=wake_at, stop=None)


def _done(job: Job, outcome: Outcome, code: Optional[int], reason: str, at: float) -> Job:
    return changed(
        job, state=JobState.DONE, outcome=outcome, exit_code=code, reason=reason, ended_at=at, wake_at=None, stop=None
    )


def _by(request: StopRequest) -> str:
    return f"by {request.by}" if request.by else ""


def _current(job: Job, key: AttemptKey) -> Attempt:
    attempt = job.attempt
    if attempt is None or attempt.number != key.number:
        raise IllegalMove(f"job {job.id}: attempt {key.number} is not its present one; noted and ignored")
    if attempt.token != key.token:
        raise IllegalMove(f"job {job.id}: attempt {key.number} has another token; this store may be an older copy")
    return attempt


def _each(attempt: Attempt, change: Callable[[Placement], Placement]) -> Attempt:
    return changed(attempt, placements=tuple(change(p) for p in attempt.placements))


def _rank(attempt: Attempt, rank: int, change: Callable[[Placement], Placement]) -> Attempt:
    if not 0 <= rank < len(attempt.placements):
        raise IllegalMove(f"attempt {attempt.number} has no placement {rank}")
    if attempt.placements[rank].result is not None:
        raise IllegalMove(f"placement {rank} of attempt {attempt.number} has ended already")
    return changed(attempt, placements=tuple(change(p) if p.rank == rank else p for p in attempt.placements))


Move = Callable[[Job, Any], Job]

TABLE: dict[tuple[JobState, type], Move] = {
    (JobState.PENDING, Held): _hold,
    (JobState.PENDING, Released): _release,
    (JobState.PENDING, Woken): _wake,
    (JobState.PENDING, DependencyMet): _dependency_met,
    (JobState.PENDING, DependencyFailed): _skip,
    (JobState.PENDING, Assigned): _assign,
    (JobState.PENDING, StopRequested): _request_stop,
    (JobState.PENDING, Edited): wishes.edit,
    (JobState.PENDING, Moved): wishes.move,
    (JobState.PENDING, Reopened): wishes.wait_again,
    (JobState.ASSIGNED, Held): _hold_ahead,
    (JobState.ASSIGNED, Released): _release,
    (JobState.ASSIGNED, Promoted): _promote,
    (JobState.ASSIGNED, Started): _start,
    (JobState.ASSIGNED, StopRequested): _request_stop,
    (JobState.ASSIGNED, Revoked): _revoke,
    (JobState.ASSIGNED, Ended): _end,
    (JobState.ASSIGNED, Edited): wishes.edit_started,
    (JobState.RUNNING, Started): _start,
    (JobState.RUNNING, Paused): _pause,
    (JobState.RUNNING, Resumed): _resume,
    (JobState.RUNNING, StopRequested): _request_stop,
    (JobState.RUNNING, Ended): _end,
    (JobState.RUNNING, Edited): wishes.edit_started,
    (JobState.DONE, Edited): wishes.edit_ended,
    (JobState.DONE, Retried): wishes.retry,
    (JobState.DONE, Reopened): wishes.reopen,
    (JobState.ASSIGNED, Noted): _note,
    (JobState.RUNNING, Noted): _note,
    (JobState.DONE, Noted): _note,
}
"""State and event to move. What is not here is refused; out of `done` leads only what a user wants."""
