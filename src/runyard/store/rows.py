"""Records to rows and back.

A job's row is read into the same record that was written, or the row is broken: then `read_job` raises one of BROKEN.
Specs repeat while a job moves, so the last ones read are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from runyard.errors import InvalidSpec
from runyard.model import codec
from runyard.model.attempt import Attempt, Placement
from runyard.model.events import KIND_OF, KINDS, Event, Recorded
from runyard.model.job import Job, JobState, Outcome, StopRequest
from runyard.model.spec import JobSpec
from runyard.model.view import Shape
from runyard.store.base import fingerprint_of
from runyard.store.schema import jobs

SPECS_KEPT = 2_048

BROKEN = (InvalidSpec, ValueError, TypeError)
"""What reading a damaged row can raise. (JSON errors are ValueErrors.)"""

_J = jobs.c
_READ = (
    _J.id, _J.spec, _J.submitted_at, _J.group_id, _J.state, _J.version, _J.held, _J.waiting_on, _J.wake_at, _J.attempt,
    _J.retries, _J.losses, _J.stop, _J.outcome, _J.exit_code, _J.reason, _J.ended_at, _J.shape,
)  # fmt: skip
SELECT_JOBS = select(*_READ)
"""What `read_job` reads, in its order."""

_MOVING = (
    "version", "state", "word", "ready", "held", "waiting_on", "wake_at", "number", "retries", "losses", "outcome",
    "exit_code", "reason", "started_at", "ended_at", "fingerprint", "attempt", "stop",
)  # fmt: skip
UPDATE_JOB = update(jobs).where(_J.id == bindparam("job")).values({name: bindparam(name) for name in _MOVING})
"""Writes what `standing` gives."""


def plain(text: str) -> str:
    """A text as every database takes it: undecodable bytes (lone surrogates) as escapes. For columns to search by."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def short_hash(text: str) -> str:
    """A key for a text that may be long."""
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


def standing(job: Job) -> dict[str, Any]:
    """The columns of a job that change."""
    attempt, stop = job.attempt, job.stop
    return {
        "job": job.id,
        "version": job.version,
        "state": job.state.value,
        "word": job.word,
        "ready": int(job.ready),
        "held": int(job.held),
        "waiting_on": job.waiting_on,
        "wake_at": job.wake_at,
        "number": attempt.number if attempt else 0,
        "retries": job.retries,
        "losses": job.losses,
        "outcome": job.outcome.value if job.outcome else None,
        "exit_code": job.exit_code,
        "reason": json.dumps(job.reason) if job.reason else None,
        "started_at": attempt.started_at if attempt else None,
        "ended_at": job.ended_at,
        "fingerprint": short_hash(fingerprint_of(job.spec)) if job.succeeded else None,
        "attempt": codec.dumps(attempt) if attempt else None,
        "stop": codec.dumps(stop) if stop else None,
    }


def identity(spec: JobSpec) -> dict[str, Any]:
    """The columns of a job that come from its spec and never change."""
    return {
        "priority": spec.priority,
        "queue": spec.queue,
        "user": plain(spec.user),
        "name": plain(spec.label),
        "unique_key": plain(spec.unique),
    }


def read_job(row: Row[Any]) -> Job:
    """The job in a row of SELECT_JOBS."""
    (
        job_id, spec, submitted_at, group, state, version, held, waiting_on, wake_at, attempt,
        retries, losses, stop, outcome, exit_code, reason, ended_at, _,
    ) = tuple[Any, ...](row)  # fmt: skip
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
        reason=json.loads(reason) if reason else "",
        ended_at=ended_at,
    )


@lru_cache(maxsize=SPECS_KEPT)
def read_spec(text: str) -> JobSpec:
    """The spec in this text."""
    spec: JobSpec = codec.loads(JobSpec, text)
    return spec


def event_rows(recorded: Iterable[Recorded], feed: int) -> list[dict[str, Any]]:
    """Rows of events, numbered on from `feed`."""
    return [
        {
            "feed": place,
            "job_id": item.job_id,
            "number": item.number,
            "kind": KIND_OF[type(item.event)],
            "body": codec.dumps(item.event),
        }
        for place, item in enumerate(recorded, feed + 1)
    ]


def submitted_text(at: float, spec: str, group: int | None, waiting_on: int) -> str:
    """The event `Submitted` as the codec writes it, around a spec that is text already."""
    tail = f',"group":{group}' if group is not None else ""
    tail += f',"waiting_on":{waiting_on}' if waiting_on else ""
    return f'{{"at":{json.dumps(at)},"spec":{spec}{tail}}}'


def read_event(row: Row[Any]) -> Recorded:
    """The event in a row of (job_id, number, kind, body)."""
    event: Event = codec.loads(KINDS[row.kind], row.body)
    return Recorded(row.job_id, row.number, event)


def standing_places(job: Job) -> list[Placement]:
    """The placements that hold something or will take over."""
    if job.attempt is None or job.state in (JobState.PENDING, JobState.DONE):
        return []
    return [placement for placement in job.attempt.placements if placement.result is None]


def placement_rows(job: Job) -> list[dict[str, Any]]:
    """Rows for these placements."""
    return [
        {
            "job_id": job.id,
            "rank": placement.rank,
            "number": job.attempt.number if job.attempt else 0,
            "agent": placement.agent,
            "host": placement.host,
            "body": codec.dumps(placement),
        }
        for placement in standing_places(job)
    ]


def read_placement(text: str) -> Placement:
    """The placement in this text."""
    placement: Placement = codec.loads(Placement, text)
    return placement


@lru_cache(maxsize=SPECS_KEPT)
def read_shape(text: str) -> Shape:
    """The shape in this text."""
    shape: Shape = codec.loads(Shape, text)
    return shape
