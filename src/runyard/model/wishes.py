"""What users' later wishes do to a job: edits, moves in line, another try. These are moves of `lifecycle.TABLE`."""

from __future__ import annotations

from dataclasses import fields
from typing import Optional

from runyard.errors import IllegalMove
from runyard.model.attempt import Attempt
from runyard.model.events import Edited, Moved, Reopened, Retried
from runyard.model.job import Job, JobState
from runyard.model.outcome import Outcome
from runyard.model.record import changed
from runyard.model.spec import JobSpec

STILL_CHANGES = ("name", "note", "priority", "time_limit_s", "retry", "on_lost", "notify")
"""What of a spec can still be changed while the job is on a host."""

REMARKS = ("name", "note")
"""What of a spec can be changed when the job has ended: how it is called and described."""

NEVER_CHANGES = ("user", "array_index")
"""Whose job it is, and which element of its array."""


def edit(job: Job, event: Edited) -> Job:
    """It waits: everything can be changed. What was not changed (a hold, a pause between tries) stays as it is."""
    before, after = job.spec, _same_job(job, event.spec)
    return changed(
        job,
        spec=after,
        held=after.hold if after.hold != before.hold else job.held,
        wake_at=begins(after, event.at) if after.begin_at != before.begin_at else job.wake_at,
        waiting_on=job.waiting_on if event.waiting_on is None else event.waiting_on,
    )


def edit_started(job: Job, event: Edited) -> Job:
    if job.ahead:
        raise IllegalMove(f"job {job.id} is about to start: `ry hold {job.id}` keeps it back, then it can be changed")
    return _edit_only(job, event, STILL_CHANGES, "stop it, and `ry retry --edit` starts it changed")


def edit_ended(job: Job, event: Edited) -> Job:
    return _edit_only(job, event, REMARKS, "`ry retry --edit` tries it again changed, `ry copy --edit` makes a new job")


def _edit_only(job: Job, event: Edited, changeable: tuple[str, ...], instead: str) -> Job:
    fixed = [name for name in differing(job.spec, event.spec) if name not in changeable]
    if fixed:
        named = ", ".join(name.removesuffix("_s").replace("_", " ") for name in fixed)
        raise IllegalMove(f"job {job.id} is {job.word}: {named} cannot be changed any more; {instead}")
    return changed(job, spec=event.spec)


def _same_job(job: Job, spec: JobSpec) -> JobSpec:
    for name in NEVER_CHANGES:
        if getattr(spec, name) != getattr(job.spec, name):
            raise IllegalMove(f"job {job.id}: its {name} never changes")
    return spec


def differing(one: JobSpec, other: JobSpec) -> list[str]:
    """The names of the fields in which two specs differ."""
    return [field.name for field in fields(one) if getattr(one, field.name) != getattr(other, field.name)]


def move(job: Job, event: Moved) -> Job:
    if event.priority in (None, job.spec.priority):
        return changed(job, place=event.place)
    return changed(job, place=event.place, spec=changed(job.spec, priority=event.priority))


def retry(job: Job, event: Retried) -> Job:
    """The same job waits for its next attempt, with all of its automatic retries before it."""
    again = changed(
        job,
        spec=job.spec if event.spec is None else _same_job(job, event.spec),
        held=False,
        retries=0,
        losses=0,
        attempt=_with_patience(job),
        resume=event.resume,
        reason=f"retried by {event.by}" if event.by else "retried",
    )
    return _pending_again(again, event.waiting_on, event.at)


def _with_patience(job: Job) -> Optional[Attempt]:
    """Its last attempt; attempts that left no new checkpoint are counted anew."""
    attempt = job.attempt
    return attempt and changed(attempt, earlier=changed(attempt.earlier, idle=0))


def reopen(job: Job, event: Reopened) -> Job:
    if job.outcome is not Outcome.SKIPPED:
        raise IllegalMove(f"job {job.id} was not skipped: it is {job.word}")
    return _pending_again(changed(job, reason=""), event.waiting_on, event.at)


def wait_again(job: Job, event: Reopened) -> Job:
    return changed(job, waiting_on=event.waiting_on)


def _pending_again(job: Job, waiting_on: int, at: float) -> Job:
    return changed(
        job,
        state=JobState.PENDING,
        outcome=None,
        exit_code=None,
        ended_at=None,
        waiting_on=waiting_on,
        wake_at=begins(job.spec, at),
    )


def begins(spec: JobSpec, now: float) -> Optional[float]:
    """The time before which it must not start, if that is still to come."""
    return spec.begin_at if spec.begin_at is not None and spec.begin_at > now else None
