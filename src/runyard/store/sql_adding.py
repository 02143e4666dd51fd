"""New jobs in SQL: the quick way for many at once.

Each spec becomes text once, for the row and for the event. Where a new job stands is asked of the lifecycle once for
all jobs that begin alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import insert, select

from runyard.model import codec
from runyard.model.events import Submitted
from runyard.model.job import Job
from runyard.model.lifecycle import begin
from runyard.model.view import shape_of
from runyard.store.adding import Admission, Entry, group_of
from runyard.store.base import Added, NewJobs
from runyard.store.database import Database
from runyard.store.rows import identity, plain, standing, submitted_text
from runyard.store.schema import dependencies, events, groups, jobs, submissions
from runyard.store.sql_shapes import SqlShapes, Tally

_FIRST = ("version", "state", "word", "ready", "held", "waiting_on", "wake_at")
"""The columns of a new job that come from where it stands; the others have their defaults."""


def insert_jobs(database: Database, shapes: SqlShapes, new: NewJobs, admission: Admission) -> None:
    """Write new jobs with their events, dependencies and group."""
    counters = database.counters
    group = group_of(new, counters.last_group + 1)
    if group is not None:
        counters = replace(counters, last_group=group.id)
        database.write(insert(groups), {"id": group.id, "parallel": group.parallel, "body": codec.dumps(group)})
    entries = admission.entries
    desk = _Desk(new, shapes, group.id if group else None)
    limited = group.id if group is not None and group.parallel else None
    rows, stories = [], []
    for place, entry in enumerate(entries, counters.feed + 1):
        text = codec.dumps(entry.spec)
        rows.append(desk.row(entry, text, limited))
        body = submitted_text(new.at, text, desk.group, entry.waiting_on)
        stories.append({"feed": place, "job_id": entry.id, "number": 1, "kind": "submitted", "body": body})
    if rows:
        database.write(insert(jobs), rows)
        database.write(insert(events), stories)
        shapes.count(desk.tally)
    links = [{"on_id": on, "job_id": e.id, "kind": kind} for e in entries for on, kind in e.links]
    if links:
        database.write(insert(dependencies), links)
    database.count(replace(counters, last_job=counters.last_job + len(rows), feed=counters.feed + len(rows)))


class _Desk:
    """Where new jobs of one call stand, and their shapes; each found once for all that are alike."""

    def __init__(self, new: NewJobs, shapes: SqlShapes, group: int | None) -> None:
        self.group = group
        self.tally = Tally()
        self._at = new.at
        self._shapes = shapes
        self._standings: dict[Any, tuple[Job, dict[str, Any]]] = {}
        self._shape_ids: dict[Any, int] = {}

    def row(self, entry: Entry, text: str, limited: int | None) -> dict[str, Any]:
        spec = entry.spec
        job, standing = self._standing(entry)
        alike = (spec.queue, spec.user, spec.resources, spec.time_limit_s)
        shape = self._shape_ids.get(alike)
        if shape is None:
            shape = self._shape_ids[alike] = self._shapes.id_of(shape_of(spec, limited))
        self.tally.move(shape, None, job)
        return {
            "id": entry.id,
            "shape": shape,
            "group_id": self.group,
            "submitted_at": self._at,
            "spec": text,
            **identity(spec),
            **standing,
        }

    def _standing(self, entry: Entry) -> tuple[Job, dict[str, Any]]:
        alike = (entry.spec.hold, entry.spec.begin_at, entry.waiting_on)
        known = self._standings.get(alike)
        if known is None:
            job = begin(entry.id, Submitted(self._at, entry.spec, self.group, entry.waiting_on))
            columns = standing(job)
            known = self._standings[alike] = (job, {name: columns[name] for name in _FIRST})
        return known


def known_submission(database: Database, new: NewJobs) -> Added | None:
    """What was added under this key before."""
    if not new.key:
        return None
    s = submissions.c
    query = select(s.first, s.last, s.body).where(s.user == plain(new.user), s.key == plain(new.key))
    for row in database.read(query):
        added: Added = codec.loads(Added, row.body) if row.body else Added(tuple(range(row.first, row.last + 1)))
        return added
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
