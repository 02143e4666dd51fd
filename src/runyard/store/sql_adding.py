"""New jobs in SQL: the quick way for many at once.

Each spec becomes text once, for the row and for the event. Where a new job stands is asked of the lifecycle once for
all jobs that begin alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Any

from sqlalchemy import insert, select

from runyard.model import codec
from runyard.model.events import Submitted
from runyard.model.job import Job
from runyard.model.lifecycle import begin
from runyard.model.spec_text import SpecWriter
from runyard.model.view import shape_of
from runyard.store.adding import Admission, Entry
from runyard.store.base import Added, NewJobs
from runyard.store.codes import TOGETHER, key_of_code, likeness_of
from runyard.store.database import Database
from runyard.store.rows import INSERT_EVENT, INSERT_JOB, inserting
from runyard.store.schema import codes, dependencies, groups, submissions
from runyard.store.selection import plain, searched
from runyard.store.sql_records import group_row, put
from runyard.store.sql_shapes import SqlShapes, Tally

INSERT_LINK = inserting(dependencies, ("on_id", "job_id", "kind"))
INSERT_CODE = inserting(codes, ("job_id", "likeness", "snapshot"))


def insert_jobs(database: Database, shapes: SqlShapes, new: NewJobs, admission: Admission) -> None:
    """Write new jobs with their events, dependencies and group."""
    counters = database.counters
    entries = admission.entries
    for group in admission.groups:
        counters = replace(counters, last_group=max(counters.last_group, group.id))
        put(database, groups, group_row(group))
    desk = _Desk(new, shapes)
    writer = SpecWriter()
    texts = [writer.text(entry.spec) for entry in entries]
    database.run(INSERT_JOB, map(desk.row, entries, texts))
    database.run(INSERT_EVENT, stories(new, entries, texts, counters.feed))
    database.run(INSERT_LINK, [(on, entry.id, kind) for entry in entries for on, kind in entry.links])
    database.run(INSERT_CODE, code_rows(entries))
    shapes.count(desk.tally())
    last = max((entry.id for entry in entries), default=0)
    database.count(replace(counters, last_job=max(counters.last_job, last), feed=counters.feed + len(entries)))


def code_rows(entries: list[Entry]) -> list[tuple[int, int | None, str]]:
    """Rows for INSERT_CODE: of many together only those that are frozen."""
    coded = [entry for entry in entries if entry.spec.code is not None]
    if len(coded) > TOGETHER:
        return [(entry.id, None, key) for entry in coded if (key := key_of_code(entry.spec))]
    return [(entry.id, likeness_of(entry.spec), key_of_code(entry.spec)) for entry in coded]


_alike = attrgetter("queue", "user", "resources", "time_limit_s", "hold", "begin_at")


class _Kind:
    """New jobs that begin alike, and how many they are. `columns` are those that they have in common."""

    def __init__(self, shape: int, job: Job) -> None:
        self.shape = shape
        self.job = job
        self.number = 0
        self.columns = (
            job.version,
            job.state.value,
            job.word,
            int(job.ready),
            int(job.held),
            job.waiting_on,
            job.wake_at,
            shape,
            job.spec.queue,
            plain(job.spec.user),
            job.group,
            job.submitted_at,
        )


class _Desk:
    """Where new jobs of one call stand, and their shapes."""

    def __init__(self, new: NewJobs, shapes: SqlShapes) -> None:
        self._at = new.at
        self._shapes = shapes
        self._kinds: dict[Any, _Kind] = {}
        self._before: Any = None
        self._last: _Kind | None = None

    def row(self, entry: Entry, text: str) -> tuple[Any, ...]:
        """The row of a job for INSERT_JOB."""
        spec = entry.spec
        kind = self._kind(entry)
        kind.number += 1
        name, unique = plain(spec.label), plain(spec.unique)
        note = searched(spec.note) if spec.note else None
        return (entry.id, *kind.columns, spec.priority, entry.id, name, spec.array_index, unique, note, text)

    def _kind(self, entry: Entry) -> _Kind:
        """Most often the same as before: then nothing has to be looked up."""
        alike = (entry.waiting_on, entry.group, _alike(entry.spec))
        if self._last is not None and alike == self._before:
            return self._last
        kind = self._kinds.get(alike)
        if kind is None:
            job = begin(entry.id, Submitted(self._at, entry.spec, entry.group, entry.waiting_on))
            shape = shape_of(entry.spec, entry.group if entry.apart else None)
            kind = self._kinds[alike] = _Kind(self._shapes.id_of(shape), job)
        self._before, self._last = alike, kind
        return kind

    def tally(self) -> Tally:
        """How many jobs of each shape have come."""
        tally = Tally()
        for kind in self._kinds.values():
            tally.come(kind.shape, kind.job, kind.number)
        return tally


def stories(new: NewJobs, entries: list[Entry], texts: list[str], feed: int) -> Iterator[Any]:
    """The first events for INSERT_EVENT, numbered on from `feed`."""
    bodies = submitted_texts(new.at, entries, texts)
    for place, (entry, body) in enumerate(zip(entries, bodies, strict=True), feed + 1):
        yield (place, entry.id, 1, "submitted", body)


def submitted_texts(at: float, entries: list[Entry], texts: list[str]) -> Iterator[str]:
    """The events `Submitted` as the codec writes them, around specs that are text already."""
    head = f'{{"at":{codec.dumps(at)},"spec":'
    for (_, _, _, waiting_on, in_group, _), text in zip(entries, texts, strict=True):
        group = f',"group":{in_group}' if in_group is not None else ""
        waits = f',"waiting_on":{waiting_on}' if waiting_on else ""
        yield f"{head}{text}{group}{waits}}}"


def known_submission(database: Database, new: NewJobs) -> Added | None:
    """What was added under this key before."""
    if not new.key:
        return None
    s = submissions.c
    query = select(s.first, s.last, s.body).where(s.user == plain(new.user), s.key == plain(new.key))
    for row in database.read(query):
        return codec.loads(Added, row.body) if row.body else Added(tuple(range(row.first, row.last + 1)))
    return None


def keep_submission(database: Database, new: NewJobs, added: Added) -> None:
    """Remember what this key stands for."""
    if not new.key:
        return
    first, last = min(added.ids, default=0), max(added.ids, default=-1)
    whole = added == Added(tuple(range(first, last + 1)))
    row = {
        "user": plain(new.user),
        "key": plain(new.key),
        "at": new.at,
        "first": first,
        "last": last,
        "body": None if whole else codec.dumps(added),
    }
    database.write(insert(submissions), row)
