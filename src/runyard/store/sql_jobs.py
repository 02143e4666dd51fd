"""Jobs in SQL: adding, changing and finding them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, text

from runyard.errors import Conflict, NotFound
from runyard.model import codec
from runyard.model.attempt import Attempt
from runyard.model.events import Change, Recorded
from runyard.model.job import Job
from runyard.model.view import Occupied
from runyard.store.adding import admit
from runyard.store.applying import Applied, Dependants, apply
from runyard.store.base import Added, Committed, Criteria, NewJobs
from runyard.store.memo import Memo
from runyard.store.queries import selections
from runyard.store.rows import (
    BROKEN,
    SELECT_JOBS,
    UPDATE_JOB,
    event_rows,
    placement_rows,
    plain,
    read_event,
    read_job,
    read_placement,
    short_hash,
    standing,
    standing_places,
)
from runyard.store.schema import OPEN, READY, attempts, dependencies, events, jobs, placements, shapes
from runyard.store.selection import finish
from runyard.store.sql_adding import insert_jobs, keep_submission, known_submission
from runyard.store.sql_records import SqlRecords, bites
from runyard.store.sql_shapes import Tally
from runyard.store.view import occupied

QUARANTINE = "quarantine"
"""The kind of document that keeps why a job cannot be read."""

log = logging.getLogger("runyard.store")

_J, _D = jobs.c, dependencies.c
_LOAD = SELECT_JOBS.where(_J.id.in_(bindparam("ids", expanding=True)))
_DEPENDANTS = (
    select(_D.on_id, _D.job_id, _D.kind)
    .where(_D.on_id.in_(bindparam("ids", expanding=True)))
    .order_by(_D.on_id, _D.job_id, _D.kind)
)
_ATTEMPTS = select(attempts.c.body).where(attempts.c.job_id == bindparam("job")).order_by(attempts.c.number)
_EVENTS = select(events.c.job_id, events.c.number, events.c.kind, events.c.body)
_EVENTS = _EVENTS.where(events.c.job_id == bindparam("job")).order_by(events.c.number)
_VACATE = delete(placements).where(placements.c.job_id == bindparam("job"))
_WAKES = "wake_at IS NOT NULL"
_DUE = select(_J.id).where(text(_WAKES), _J.wake_at <= bindparam("now")).order_by(_J.wake_at, _J.id)
_NEXT_DUE = select(func.min(_J.wake_at).label("at")).where(text(_WAKES))
_UNIQUE = select(_J.id).where(
    text("unique_key <> ''"), _J.user == bindparam("of"), _J.unique_key == bindparam("key"), text(OPEN)
)
_RUNTIMES = (
    select((_J.ended_at - _J.started_at).label("seconds"))
    .where(_J.fingerprint == bindparam("key"), _J.started_at.is_not(None))
    .order_by(_J.ended_at.desc(), _J.id.desc())
    .limit(bindparam("most"))
)
_ACTIVE = select(placements.c.job_id).distinct().order_by(placements.c.job_id)
_HELD = select(
    placements.c.job_id, placements.c.number, _J.queue, _J.user, _J.shape, placements.c.body, _J.group_id
).join(jobs, _J.id == placements.c.job_id)

Shaped = tuple[Job, int]
"""A job and the id of its shape."""


class SqlJobs(SqlRecords):
    """The part of a SQL store that keeps jobs."""

    _memo: Memo
    _unreadable: dict[int, str]

    def add(self, new: NewJobs) -> Added:
        known = known_submission(self._db, new)
        if known is not None:
            return known
        admission = admit(new, self._db.counters.last_job + 1, self)
        insert_jobs(self._db, self._shapes, new, admission)
        if admission.effects:
            self.commit(admission.effects)
        keep_submission(self._db, new, admission.added)
        return admission.added

    def active_unique(self, user: str, unique: str) -> int | None:
        """The id of this user's job with this unique key that is not done."""
        rows = self._db.read(_UNIQUE, {"of": plain(user), "key": plain(unique)})
        return rows[0].id if rows else None

    def commit(self, changes: Iterable[Change]) -> Committed:
        applied = apply(list(changes), self)
        if applied.jobs:
            self._keep(applied)
        return Committed(applied.jobs, tuple(applied.refused))

    def _keep(self, applied: Applied) -> None:
        tally = Tally()
        for job_id, job in applied.jobs.items():
            shape = self._memo.jobs[job_id][1]
            tally.move(shape, applied.before[job_id], job)
            self._memo.keep(job, shape)
        self._db.write(UPDATE_JOB, [standing(job) for job in applied.jobs.values()])
        counters = self._db.counters
        self._db.write(insert(events), event_rows(applied.recorded, counters.feed))
        self._db.count(replace(counters, feed=counters.feed + len(applied.recorded)))
        if applied.past:
            rows = [{"job_id": job, "number": past.number, "body": codec.dumps(past)} for job, past in applied.past]
            self._db.write(insert(attempts), rows)
        self._place(applied)
        self._shapes.count(tally)

    def _place(self, applied: Applied) -> None:
        """Keep the rows of placements that came or went."""
        gone, come = [], []
        for job_id, job in applied.jobs.items():
            before = _places(applied.before[job_id])
            if before != _places(job):
                gone += [{"job": job_id}] if before else []
                come += placement_rows(job)
        if gone:
            self._db.write(_VACATE, gone)
        if come:
            self._db.write(insert(placements), come)

    def load(self, ids: Iterable[int]) -> dict[int, Job]:
        return {job_id: job for job_id, (job, _) in self._shaped(ids).items()}

    def _shaped(self, ids: Iterable[int]) -> dict[int, Shaped]:
        """These jobs with the ids of their shapes, in this order."""
        wanted = list(dict.fromkeys(ids))
        known = self._memo.jobs if self._db.writing else {}
        found: dict[int, Shaped] = {}
        for some in bites(job_id for job_id in wanted if job_id not in known):
            found |= self._decoded(self._db.read(_LOAD, {"ids": some}))
        everything = ((job_id, known.get(job_id) or found.get(job_id)) for job_id in wanted)
        return {job_id: shaped for job_id, shaped in everything if shaped is not None}

    def _decoded(self, rows: Iterable[Any]) -> dict[int, Shaped]:
        """Jobs from rows of SELECT_JOBS; what cannot be read is left out, and set aside by the writer."""
        found: dict[int, Shaped] = {}
        for row in rows:
            try:
                found[row.id] = (read_job(row), row.shape)
            except BROKEN as error:
                self._set_aside(row.id, f"job {row.id} cannot be read ({error}); it is set aside")
                continue
            if self._db.writing:
                self._memo.keep(*found[row.id])
        return found

    def _set_aside(self, job_id: int, why: str) -> None:
        """A damaged row: nobody plans it any more, and it is on the list of what is in quarantine."""
        if job_id not in self._unreadable:
            log.error(why)
            self._unreadable[job_id] = why
        if self._db.writing and self.document(QUARANTINE, str(job_id)) is None:
            self.save_document(QUARANTINE, str(job_id), why)
            self._shapes.withdraw(job_id)

    def waiting_for(self, ids: Collection[int]) -> Dependants:
        """Who depends on these jobs."""
        found: Dependants = {}
        for some in bites(ids):
            for on, job_id, kind in self._db.read(_DEPENDANTS, {"ids": some}):
                found.setdefault(on, []).append((job_id, kind))
        return found

    def absence(self, job_id: int) -> str:
        """Why `load` leaves a job out."""
        return self._unreadable.get(job_id) or f"there is no job {job_id}"

    def job(self, job_id: int) -> Job:
        job = self.load((job_id,)).get(job_id)
        if job is None:
            raise (Conflict if job_id in self._unreadable else NotFound)(self.absence(job_id))
        return job

    def jobs(self, criteria: Criteria) -> list[Job]:
        queries = selections(criteria)
        found: dict[int, Shaped] = {}
        with self._db.reading():
            for query in queries:
                found |= self._decoded(self._db.read(query))
        jobs = [job for job, _ in found.values()]
        return jobs if len(queries) == 1 else finish(jobs, criteria)

    def attempts(self, job_id: int) -> list[Attempt]:
        past = [codec.loads(Attempt, row.body) for row in self._db.read(_ATTEMPTS, {"job": job_id})]
        job = self.load((job_id,)).get(job_id)
        return [*past, job.attempt] if job is not None and job.attempt is not None else past

    def events(self, job_id: int) -> list[Recorded]:
        return [read_event(row) for row in self._db.read(_EVENTS, {"job": job_id})]

    def dependants(self, job_id: int) -> list[tuple[int, str]]:
        return self.waiting_for((job_id,)).get(job_id, [])

    def active(self, agent: str = "") -> list[Job]:
        query = _ACTIVE.where(placements.c.agent == agent) if agent else _ACTIVE
        with self._db.reading():
            return list(self.load(row.job_id for row in self._db.read(query)).values())

    def occupied(self, now: float) -> list[Occupied]:
        """All that is held or will be taken over. What a job in quarantine was given stays held."""
        ids = [row.job_id for row in self._db.read(_ACTIVE)]
        found = self._shaped(ids)
        held = [item for job, shape in found.values() for item in occupied(job, shape, now)]
        for some in bites(job_id for job_id in ids if job_id not in found):
            for row in self._db.read(_HELD.where(placements.c.job_id.in_(some))):
                place = read_placement(row.body)
                held.append(Occupied(row.job_id, row.number, row.queue, row.user, row.shape, place, row.group_id or 0))
        return held

    def due(self, now: float) -> list[int]:
        return [row.id for row in self._db.read(_DUE, {"now": now})]

    def next_due(self) -> float | None:
        at: float | None = self._db.read(_NEXT_DUE)[0].at
        return at

    def shape_of(self, job_id: int) -> int:
        rows = self._db.read(select(_J.shape).where(_J.id == job_id))
        if not rows:
            raise NotFound(self.absence(job_id))
        return int(rows[0].shape)

    def position(self, job_id: int) -> int:
        rows = self._db.read(select(_J.queue, _J.priority).where(_J.id == job_id))
        if not rows:
            raise NotFound(self.absence(job_id))
        queue, priority = rows[0]
        before = or_(_J.priority > priority, and_(_J.priority == priority, _J.id < job_id))
        of_queue = select(shapes.c.id).where(shapes.c.queue == queue, shapes.c.open > 0)
        query = select(func.count().label("n")).where(text(READY), _J.shape.in_(of_queue), before)
        return int(self._db.read(query)[0].n)

    def usual_runtimes(self, fingerprint: str, most: int = 20) -> list[float]:
        rows = self._db.read(_RUNTIMES, {"key": short_hash(fingerprint), "most": most})
        return [row.seconds for row in rows]


def _places(job: Job) -> list[tuple[int, int]]:
    number = job.attempt.number if job.attempt else 0
    return [(number, placement.rank) for placement in standing_places(job)]
