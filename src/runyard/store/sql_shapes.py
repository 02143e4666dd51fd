"""Shapes in SQL: their ids, the numbers of their jobs, their heads and reasons; and the view made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import bindparam, func, insert, select, text, update

from runyard.model import codec
from runyard.model.job import Job, JobState
from runyard.model.view import Head, Reason, Shape, ShapeView
from runyard.store.base import HEADS_MAX
from runyard.store.database import Database
from runyard.store.memo import Memo
from runyard.store.rows import read_shape, short_hash
from runyard.store.schema import READY, jobs, shapes

_S = shapes.c
_COUNTS = ("ready", "pending", "assigned", "running", "open")
_ADD = update(shapes).where(_S.id == bindparam("shape"))
_ADD = _ADD.values({name: _S[name] + bindparam(f"more_{name}") for name in _COUNTS})
_HEADS = (
    select(jobs.c.id, jobs.c.version, jobs.c.priority, jobs.c.number)
    .where(text(READY), jobs.c.shape == bindparam("shape"))
    .order_by(jobs.c.priority.desc(), jobs.c.id)
    .limit(HEADS_MAX)
)
_WAITING = select(_S.id, _S.body, _S.ready).where(_S.open > 0, _S.ready > 0)
_OPEN = select(_S.queue, _S.pending, _S.assigned, _S.running).where(_S.open > 0)
_FIND = select(_S.id).where(_S.key == bindparam("key"))
_REASON = update(shapes).where(_S.id == bindparam("shape")).values(reason=bindparam("why"))


class Tally:
    """How the numbers of jobs change, by shape."""

    def __init__(self) -> None:
        self.changes: dict[int, Counter[str]] = {}

    def move(self, shape: int, before: Job | None, after: Job) -> None:
        """A job of this shape was one thing and is another now."""
        counter = self.changes.setdefault(shape, Counter())
        if before is not None:
            counter.subtract(_counted(before))
        counter.update(_counted(after))

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"shape": shape, **{f"more_{name}": counter[name] for name in _COUNTS}}
            for shape, counter in self.changes.items()
            if any(counter.values())
        ]


def _counted(job: Job) -> list[str]:
    if job.state is JobState.DONE:
        return []
    return [job.state.value, "open", "ready"] if job.ready else [job.state.value, "open"]


class SqlShapes:
    """The table of shapes."""

    def __init__(self, database: Database, memo: Memo) -> None:
        self._db = database
        self._memo = memo

    def id_of(self, shape: Shape) -> int:
        """The id of a shape, made where it is new (inside a transaction)."""
        known = self._memo.shapes.get(shape)
        if known is not None:
            return known
        body = codec.dumps(shape)
        key = short_hash(body)
        found = self._db.read(_FIND, {"key": key})
        number: int = found[0].id if found else self._make(shape, body, key)
        self._memo.shapes[shape] = number
        return number

    def _make(self, shape: Shape, body: str, key: str) -> int:
        last = self._db.read(select(func.max(_S.id).label("last")))[0].last or 0
        row = {"id": last + 1, "body": body, "key": key, "queue": shape.queue, **dict.fromkeys(_COUNTS, 0)}
        self._db.write(insert(shapes), row)
        return int(last) + 1

    def count(self, tally: Tally) -> None:
        """Keep how the numbers changed; the heads of these shapes are to be looked up again."""
        rows = tally.rows()
        if rows:
            self._db.write(_ADD, rows)
        for shape in tally.changes:
            self._memo.heads.pop(shape, None)

    def withdraw(self, job_id: int) -> None:
        """Nobody plans this job any more, whatever its state."""
        for row in self._db.read(select(jobs.c.shape).where(jobs.c.id == job_id, text(READY))):
            self._db.write(update(jobs).where(jobs.c.id == job_id).values(ready=0))
            self._db.write(update(shapes).where(_S.id == row.shape).values(ready=_S.ready - 1))
            self._memo.heads.pop(row.shape, None)

    def views(self) -> list[ShapeView]:
        """All shapes with ready jobs."""
        return [
            ShapeView(row.id, read_shape(row.body), self._heads(row.id), row.ready) for row in self._db.read(_WAITING)
        ]

    def _heads(self, shape: int) -> tuple[Head, ...]:
        known = self._memo.heads.get(shape) if self._db.writing else None
        if known is None:
            rows = self._db.read(_HEADS, {"shape": shape})
            known = tuple([Head(number, version, priority, tries + 1) for number, version, priority, tries in rows])
            if self._db.writing:
                self._memo.heads[shape] = known
        return known

    def counts(self) -> dict[str, dict[str, int]]:
        """Queue to state to number of jobs that are not done."""
        counts: dict[str, dict[str, int]] = {}
        for queue, *numbers in self._db.read(_OPEN):
            states = counts.setdefault(queue, {})
            for state, number in zip(("pending", "assigned", "running"), numbers, strict=True):
                if number:
                    states[state] = states.get(state, 0) + number
        return counts

    def save_reasons(self, reasons: dict[int, Reason]) -> None:
        """Why each of these shapes waits."""
        rows = [{"shape": shape, "why": codec.dumps(reason)} for shape, reason in reasons.items()]
        if rows:
            self._db.write(_REASON, rows)

    def reasons(self, wanted: Iterable[int]) -> dict[int, Reason]:
        """The reasons kept."""
        query = select(_S.id, _S.reason).where(_S.id.in_(list(wanted)), _S.reason.is_not(None))
        return {row.id: codec.loads(Reason, row.reason) for row in self._db.read(query)}
