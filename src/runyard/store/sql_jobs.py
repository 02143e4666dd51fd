"""Jobs in SQL: adding, changing and finding them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, delete, func, or_, select, text

from runyard.errors import Conflict, NotFound
from runyard.model import codec
from runyard.model.attempt import Attempt
from runyard.model.events import Assigned, Change, Recorded
from runyard.model.job import Job, JobState
from runyard.model.spec import JobSpec
from runyard.model.view import Occupied, Shape, shape_of
from runyard.store.adding import admit
from runyard.store.applying import Applied, Dependants, apply
from runyard.store.base import Added, Committed, Criteria, Line, NewJobs, Standing, Tale
from runyard.store.codes import MOST, are_alike, likeness_of
from runyard.store.measuring import usage_rows
from runyard.store.memo import Memo
from runyard.store.prepared import Prepared
from runyard.store.queries import selections
from runyard.store.restoring import bare, told
from runyard.store.rows import (
    BROKEN,
    INSERT_EVENT,
    INSERT_PLACEMENT,
    INSERT_USAGE,
    SELECT_JOBS,
    UPDATES,
    event_rows,
    inserting,
    placement_rows,
    reach,
    read_event,
    read_job,
    short_hash,
    standing,
)
from runyard.store.schema import (
    FROZEN,
    OPEN,
    READY,
    UNIQUE,
    attempts,
    codes,
    dependencies,
    events,
    jobs,
    placements,
    shapes,
)
from runyard.store.selection import finish, plain
from runyard.store.sql_adding import INSERT_LINK, insert_jobs, keep_submission, known_submission
from runyard.store.sql_records import SqlRecords, bites
from runyard.store.sql_shapes import Tally
from runyard.store.view import occupied

QUARANTINE = "quarantine"
"""The kind of document that keeps why a job cannot be read."""

ID_MAX = (1 << 63) - 1
"""The highest number that a database can keep; no job has a higher one."""

log = logging.getLogger("runyard.store")

_J, _D, _P = jobs.c, dependencies.c, placements.c
_WAKES = "wake_at IS NOT NULL"

_ACTIVE = Prepared(select(_P.job_id).distinct().order_by(_P.job_id))
_ACTIVE_ON = Prepared(
    select(_P.job_id).distinct().where(_P.agent == bindparam("agent")).order_by(_P.job_id), ("agent",)
)
_HELD = select(_P.job_id, _P.number, _J.queue, _J.user, _J.shape, _J.group_id, events.c.body)
_HELD = _HELD.join(jobs, _J.id == _P.job_id).join(events, events.c.job_id == _P.job_id)
_HELD = _HELD.where(events.c.kind == "assigned", _P.job_id == bindparam("job"), _P.rank == 0)
_HELD = _HELD.order_by(events.c.number.desc()).limit(1)
_VACATE = Prepared(delete(placements).where(_P.job_id == bindparam("job")), ("job",))
_ATTEMPTS = Prepared(
    select(attempts.c.body).where(attempts.c.job_id == bindparam("job")).order_by(attempts.c.number), ("job",)
)
_INSERT_ATTEMPT = inserting(attempts, ("job_id", "number", "body"))
_EVENTS = Prepared(
    select(events.c.job_id, events.c.number, events.c.kind, events.c.body)
    .where(events.c.job_id == bindparam("job"))
    .order_by(events.c.number),
    ("job",),
)
_DUE = Prepared(select(_J.id).where(text(_WAKES), _J.wake_at <= bindparam("now")).order_by(_J.wake_at, _J.id), ("now",))
_NEXT_DUE = Prepared(select(func.min(_J.wake_at)).where(text(_WAKES)))
_UNIQUE = Prepared(
    select(_J.id).where(text(OPEN), text(UNIQUE), _J.user == bindparam("of"), _J.unique_key == bindparam("key")),
    ("of", "key"),
)
_SHAPE = Prepared(select(_J.shape).where(_J.id == bindparam("job")), ("job",))
_RUNTIMES = Prepared(
    select(_J.ended_at - _J.started_at)
    .where(_J.fingerprint == bindparam("key"), _J.started_at.is_not(None))
    .order_by(_J.ended_at.desc(), _J.id.desc())
    .limit(bindparam("most")),
    ("key", "most"),
)

_ALIKE = Prepared(
    select(codes.c.job_id)
    .where(codes.c.likeness == bindparam("key"))
    .order_by(codes.c.job_id.desc())
    .limit(bindparam("most")),
    ("key", "most"),
)

Shaped = tuple[Job, int]
"""A job and the id of its shape."""


def _by_id(ids: list[BindParameter[Any]]) -> Select[Any]:
    return SELECT_JOBS.where(_J.id.in_(ids))


def _dependants(ids: list[BindParameter[Any]]) -> Select[Any]:
    query = select(_D.on_id, _D.job_id, _D.kind).where(_D.on_id.in_(ids))
    return query.order_by(_D.on_id, _D.job_id, _D.kind)


def _beside(mark: Standing, back: bool) -> ColumnElement[bool]:
    """Before it or after it in line."""
    if back:
        among = or_(_J.place < mark.place, and_(_J.place == mark.place, _J.id < mark.id))
        return or_(_J.priority > mark.priority, and_(_J.priority == mark.priority, among))
    among = or_(_J.place > mark.place, and_(_J.place == mark.place, _J.id > mark.id))
    return or_(_J.priority < mark.priority, and_(_J.priority == mark.priority, among))


class SqlJobs(SqlRecords):
    """The part of a SQL store that keeps jobs."""

    _memo: Memo
    _unreadable: dict[int, str]

    def add(self, new: NewJobs) -> Added:
        known = known_submission(self._db, new)
        if known is not None:
            return known
        admission = admit(new, self._db.counters.last_job + 1, self._db.counters.last_group + 1, self)
        insert_jobs(self._db, self._shapes, new, admission)
        if admission.effects:
            self.commit(admission.effects)
        keep_submission(self._db, new, admission.added)
        return admission.added

    def active_unique(self, user: str, unique: str) -> int | None:
        """The id of this user's job with this unique key that is not done."""
        rows = self._db.fetch(_UNIQUE, (plain(user), plain(unique)))
        return rows[0][0] if rows else None

    def reserve(self, count: int) -> int:
        counters = self._db.counters
        self._db.count(replace(counters, last_job=counters.last_job + count))
        return counters.last_job + 1

    def restore(self, new: NewJobs, tales: Sequence[Tale], first: int) -> Added:
        admission = admit(bare(new), first, self._db.counters.last_group + 1, self)
        admission, applied = told(new, admission, tales)
        insert_jobs(self._db, self._shapes, new, admission)
        if applied.jobs:
            self._keep(applied)
        return admission.added

    def commit(self, changes: Iterable[Change]) -> Committed:
        applied = apply(list(changes), self)
        if applied.jobs:
            self._keep(applied)
        return Committed(applied.jobs, tuple(applied.refused), tuple(applied.back))

    def _keep(self, applied: Applied) -> None:
        tally = Tally()
        rows: tuple[list[Any], ...] = tuple([] for _ in UPDATES)
        for job_id, job in applied.jobs.items():
            before = applied.before[job_id]
            known = self._memo.jobs.get(job_id)
            shape_before = known[1] if known else self.shape_of(job_id)  # what has ended is not remembered
            shape = shape_before if job.spec is before.spec else self._shapes.id_of(self._shape(job))
            tally.move(before, shape_before, job, shape)
            self._memo.keep(job, shape)
            much = reach(before, job)
            rows[much].append(standing(job, much, shape))
        for update, changed in zip(UPDATES, rows, strict=True):
            self._db.run(update, changed)
        counters = self._db.counters
        self._db.run(INSERT_EVENT, event_rows(applied.recorded, counters.feed))
        self._db.count(replace(counters, feed=counters.feed + len(applied.recorded)))
        self._db.run(_INSERT_ATTEMPT, [(job, past.number, codec.dumps(past)) for job, past in applied.past])
        self._db.run(INSERT_USAGE, usage_rows(applied))
        self._place(applied)
        self._shapes.count(tally)
        for job_id, links in applied.links.items():
            self._db.write(delete(dependencies).where(_D.job_id == job_id))
            self._db.run(INSERT_LINK, [(on, job_id, kind) for on, kind in links])

    def _shape(self, job: Job) -> Shape:
        limited = job.group is not None and any(group.parallel for group in self.groups([job.group]))
        return shape_of(job.spec, job.group if limited else None)

    def _place(self, applied: Applied) -> None:
        """Keep the rows of placements that came or went."""
        gone, come = [], []
        for job_id, job in applied.jobs.items():
            before, after = placement_rows(applied.before[job_id]), placement_rows(job)
            if before != after:
                gone += [(job_id,)] if before else []
                come += after
        self._db.run(_VACATE, gone)
        self._db.run(INSERT_PLACEMENT, come)

    def load(self, ids: Iterable[int]) -> dict[int, Job]:
        return {job_id: job for job_id, (job, _) in self._shaped(ids).items()}

    def _shaped(self, ids: Iterable[int]) -> dict[int, Shaped]:
        """These jobs with the ids of their shapes, in this order."""
        wanted = [job_id for job_id in dict.fromkeys(ids) if 0 < job_id <= ID_MAX]
        known = self._memo.jobs if self._db.writing else {}
        found: dict[int, Shaped] = {}
        for some in bites(job_id for job_id in wanted if job_id not in known):
            found |= self._decoded(self._db.pick(_by_id, some))
        everything = ((job_id, known.get(job_id) or found.get(job_id)) for job_id in wanted)
        return {job_id: shaped for job_id, shaped in everything if shaped is not None}

    def _decoded(self, rows: Iterable[Any]) -> dict[int, Shaped]:
        """Jobs from rows of SELECT_JOBS; what cannot be read is left out, and set aside by the writer."""
        found: dict[int, Shaped] = {}
        for row in rows:
            job_id, shape = row[:2]
            try:
                found[job_id] = (read_job(row), shape)
            except BROKEN as error:
                self._set_aside(job_id, f"job {job_id} cannot be read ({error}); it is set aside")
                continue
            if self._db.writing:
                self._memo.keep(*found[job_id])
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
            for on, job_id, kind in self._db.pick(_dependants, some):
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

    def ids(self, criteria: Criteria) -> list[int]:
        queries = selections(criteria)
        if len(queries) > 1:
            return [job.id for job in self.jobs(criteria)]
        return [job_id for (job_id,) in self._db.read(queries[0].with_only_columns(_J.id))]

    def attempts(self, job_id: int) -> list[Attempt]:
        with self._db.reading():
            past = [codec.loads(Attempt, body) for (body,) in self._db.fetch(_ATTEMPTS, (job_id,))]
            job = self.load((job_id,)).get(job_id)
        return [*past, job.attempt] if job is not None and job.attempt is not None else past

    def events(self, job_id: int) -> list[Recorded]:
        return [read_event(*row) for row in self._db.fetch(_EVENTS, (job_id,))]

    def dependants(self, job_id: int) -> list[tuple[int, str]]:
        return self.waiting_for((job_id,)).get(job_id, [])

    def active(self, agent: str = "") -> list[Job]:
        with self._db.reading():
            rows = self._db.fetch(_ACTIVE_ON, (agent,)) if agent else self._db.fetch(_ACTIVE)
            return list(self.load(job_id for (job_id,) in rows).values())

    def occupied(self, now: float) -> list[Occupied]:
        """All that is held or will be taken over. What a job in quarantine was given stays held."""
        ids = [job_id for (job_id,) in self._db.fetch(_ACTIVE)]
        found = self._shaped(ids)
        held = []
        for job_id in ids:
            held += occupied(*found[job_id], now) if job_id in found else self._given(job_id)
        return held

    def _given(self, job_id: int) -> list[Occupied]:
        """What a job was assigned, by its story."""
        rows = self._db.read(_HELD.params(job=job_id))
        return [
            Occupied(job_id, number, queue, user, shape, place, group or 0)
            for _, number, queue, user, shape, group, body in rows
            for place in codec.loads(Assigned, body).attempt.placements
        ]

    def due(self, now: float) -> list[int]:
        return [job_id for (job_id,) in self._db.fetch(_DUE, (now,))]

    def next_due(self) -> float | None:
        at: float | None = self._db.fetch(_NEXT_DUE)[0][0]
        return at

    def shape_of(self, job_id: int) -> int:
        rows = self._db.fetch(_SHAPE, (job_id,))
        if not rows:
            raise NotFound(self.absence(job_id))
        return int(rows[0][0])

    def position(self, job_id: int) -> int:
        rows = self._db.read(select(_J.queue, _J.priority, _J.place).where(_J.id == job_id))
        if not rows:
            raise NotFound(self.absence(job_id))
        queue, priority, place = rows[0]
        before = _beside(Standing(job_id, priority, place, queue), back=True)
        of_queue = select(shapes.c.id).where(shapes.c.queue == queue, shapes.c.open > 0)
        query = select(func.count()).where(text(READY), _J.shape.in_(of_queue), before)
        return int(self._db.read(query)[0][0])

    def line(self, part: Line) -> list[Standing]:
        order = (_J.priority.desc(), _J.place, _J.id)
        back = (_J.priority, _J.place.desc(), _J.id.desc())
        query = select(_J.id, _J.priority, _J.place, _J.queue).where(text(OPEN), _J.state == JobState.PENDING.value)
        if part.queue:
            query = query.where(_J.queue == part.queue)
        if part.beside is not None:
            query = query.where(_beside(part.beside, part.back))
        rows = self._db.read(query.order_by(*(back if part.back else order)).limit(part.most))
        return [Standing(*row) for row in rows]

    def alike(self, spec: JobSpec) -> list[Job]:
        ids = [job_id for (job_id,) in self._db.fetch(_ALIKE, (likeness_of(spec), MOST))]
        return [job for job in self.load(ids).values() if are_alike(job.spec, spec)]

    def snapshots(self, only_open: bool = False) -> set[str]:
        query = select(codes.c.snapshot).where(text(FROZEN)).distinct()
        if only_open:
            query = query.join(jobs, _J.id == codes.c.job_id).where(text(OPEN))
        return {key for (key,) in self._db.read(query)}

    def usual_runtimes(self, fingerprint: str, most: int = 20) -> list[float]:
        return [seconds for (seconds,) in self._db.fetch(_RUNTIMES, (short_hash(fingerprint), most))]
