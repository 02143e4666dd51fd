"""Records to rows and back.

A job's row is read into the same record that was written, or the row is broken: then `read_job` raises one of BROKEN.
Specs repeat while a job moves, so the last ones read are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Table, bindparam, insert, select, update

from runyard.errors import InvalidSpec
from runyard.model import codec
from runyard.model.attempt import Attempt, Placement
from runyard.model.events import KIND_OF, KINDS, Recorded
from runyard.model.job import Job, JobState, Resumption, StopRequest
from runyard.model.outcome import Outcome
from runyard.model.spec import JobSpec
from runyard.model.view import Shape
from runyard.store.base import fingerprint_of, is_typical
from runyard.store.prepared import Prepared
from runyard.store.schema import events, jobs, placements, usage
from runyard.store.selection import plain, searched

SPECS_KEPT = 2_048

BROKEN = (InvalidSpec, ValueError, TypeError)
"""What reading a damaged row can raise. (JSON errors are ValueErrors.)"""


def inserting(table: Table, names: tuple[str, ...]) -> Prepared:
    """The statement that adds rows with these columns."""
    return Prepared(insert(table).values({name: bindparam(name) for name in names}), names)


_J = jobs.c
SELECT_JOBS = select(
    _J.id, _J.shape, _J.spec, _J.submitted_at, _J.group_id, _J.state, _J.version, _J.held, _J.waiting_on, _J.wake_at,
    _J.attempt, _J.retries, _J.losses, _J.stop, _J.outcome, _J.exit_code, _J.reason, _J.ended_at, _J.place, _J.resume,
)  # fmt: skip
"""What `read_job` reads, in its order."""

INSERT_USAGE = inserting(usage, ("job_id", "number", "user", "queue", "gpus", "started_at", "ended_at"))

_MOVING = (
    "version", "state", "word", "held", "waiting_on", "number", "retries", "losses", "exit_code", "reason",
    "started_at", "attempt", "stop",
)  # fmt: skip
_WAITING = ("ready", "wake_at")
_ENDING = ("outcome", "ended_at", "fingerprint", "resume")
_WANTED = ("spec", "place", "priority", "shape", "queue", "name", "unique_key", "note")


def _updating(*names: str) -> Prepared:
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    return Prepared(update(jobs).where(_J.id == bindparam("job")).values(values), (*names, "job"))


UPDATES = (
    _updating(*_MOVING),
    _updating(*_MOVING, *_WAITING),
    _updating(*_MOVING, *_WAITING, *_ENDING),
    _updating(*_MOVING, *_WAITING, *_ENDING, *_WANTED),
)
"""What a job's row is changed with, from little to everything: a column that is set costs its indexes even when its
value stays. See `reach` and `standing`."""

NEW_JOB = (
    "id", "version", "state", "word", "ready", "held", "waiting_on", "wake_at", "shape", "queue", "user", "group_id",
    "submitted_at", "priority", "place", "name", "array_index", "unique_key", "note", "spec",
)  # fmt: skip
"""The columns of a new job; the others have their defaults."""

INSERT_JOB = inserting(jobs, NEW_JOB)
INSERT_EVENT = inserting(events, ("feed", "job_id", "number", "kind", "body"))
INSERT_PLACEMENT = inserting(placements, ("job_id", "rank", "number", "agent", "host"))


def short_hash(text: str) -> str:
    """A key for a text that may be long."""
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


def reach(before: Job, after: Job) -> int:
    """Which of UPDATES this change needs."""
    if before.spec is not after.spec or before.place != after.place:
        return 3
    if JobState.DONE in (before.state, after.state) or before.resume is not after.resume:
        return 2
    return int(before.ready or after.ready or before.wake_at != after.wake_at)


def standing(job: Job, reach: int, shape: int) -> tuple[Any, ...]:
    """The row for this one of UPDATES; `shape` is the id of its shape."""
    attempt, stop = job.attempt, job.stop
    moving = (
        job.version,
        job.state.value,
        job.word,
        int(job.held),
        job.waiting_on,
        attempt.number if attempt else 0,
        job.retries,
        job.losses,
        job.exit_code,
        json.dumps(job.reason) if job.reason else None,
        attempt.started_at if attempt else None,
        codec.dumps(attempt) if attempt else None,
        codec.dumps(stop) if stop else None,
    )
    if reach == 0:
        return (*moving, job.id)
    waiting = (int(job.ready), job.wake_at)
    if reach == 1:
        return (*moving, *waiting, job.id)
    fingerprint = short_hash(fingerprint_of(job.spec)) if is_typical(job) else None
    resume = codec.dumps(job.resume) if job.resume else None
    ending = (job.outcome.value if job.outcome else None, job.ended_at, fingerprint, resume)
    if reach == 2:
        return (*moving, *waiting, *ending, job.id)
    spec = job.spec
    names = (spec.queue, plain(spec.label), plain(spec.unique), searched(spec.note) or None)
    return (*moving, *waiting, *ending, codec.dumps(spec), job.place, spec.priority, shape, *names, job.id)


def reason_of(kept: str | None) -> str:
    """The reason in a row: as JSON, since it may hold what no database takes."""
    return str(json.loads(kept)) if kept else ""


def read_job(row: Sequence[Any]) -> Job:
    """The job in a row of SELECT_JOBS."""
    (
        job_id, _, spec, submitted_at, group, state, version, held, waiting_on, wake_at,
        attempt, retries, losses, stop, outcome, exit_code, reason, ended_at, place, resume,
    ) = row  # fmt: skip
    return Job(
        id=job_id,
        spec=read_spec(spec),
        submitted_at=submitted_at,
        group=group,
        state=JobState(state),
        version=version,
        held=bool(held),
        waiting_on=waiting_on,
        wake_at=wake_at,
        attempt=codec.loads(Attempt, attempt) if attempt else None,
        retries=retries,
        losses=losses,
        stop=codec.loads(StopRequest, stop) if stop else None,
        outcome=Outcome(outcome) if outcome else None,
        exit_code=exit_code,
        reason=reason_of(reason),
        ended_at=ended_at,
        place=place,
        resume=codec.loads(Resumption, resume) if resume else None,
    )


@lru_cache(maxsize=SPECS_KEPT)
def read_spec(text: str) -> JobSpec:
    """The spec in this text."""
    return codec.loads(JobSpec, text)


@lru_cache(maxsize=SPECS_KEPT)
def read_shape(text: str) -> Shape:
    """The shape in this text."""
    return codec.loads(Shape, text)


def event_rows(recorded: Iterable[Recorded], feed: int) -> list[tuple[Any, ...]]:
    """Rows for INSERT_EVENT, numbered on from `feed`."""
    return [
        (place, item.job_id, item.number, KIND_OF[type(item.event)], codec.dumps(item.event))
        for place, item in enumerate(recorded, feed + 1)
    ]


def read_event(job_id: int, number: int, kind: str, body: str) -> Recorded:
    """The event in these columns."""
    event: Any = codec.loads(KINDS[kind], body)
    return Recorded(job_id, number, event)


def standing_places(job: Job) -> list[Placement]:
    """The placements that hold something or will take over."""
    if job.attempt is None or job.state in (JobState.PENDING, JobState.DONE):
        return []
    return [placement for placement in job.attempt.placements if placement.result is None]


def placement_rows(job: Job) -> list[tuple[Any, ...]]:
    """Rows of these for INSERT_PLACEMENT."""
    number = job.attempt.number if job.attempt else 0
    return [(job.id, place.rank, number, place.agent, place.host) for place in standing_places(job)]
