"""Shapes in SQL: their ids, the numbers of their jobs, and their heads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import bindparam, func, insert, select, text, update

from runyard.model import codec
from runyard.model.job import Job, JobState
from runyard.model.view import Head, Shape, ShapeView
from runyard.store.base import HEADS_MAX
from runyard.store.database import Database
from runyard.store.memo import Memo
from runyard.store.prepared import Prepared
from runyard.store.rows import read_shape, short_hash
from runyard.store.schema import READY, jobs, shapes

_S = shapes.c
_MOVES = ("ready", "pending", "assigned", "running")
_COUNTS = (*_MOVES, "open")
"""`open` has an index, so it is left alone where it stays."""


def _adding(*counts: str) -> Prepared:
    changes = {name: _S[name] + bindparam(f"more_{name}") for name in counts}
    names = tuple(f"more_{name}" for name in counts)
    return Prepared(update(shapes).where(_S.id == bindparam("shape")).values(changes), (*names, "shape"))


_MOVE = _adding(*_MOVES)
_ADD = _adding(*_COUNTS)
_HEADS = Prepared(
    select(jobs.c.id, jobs.c.version, jobs.c.priority, jobs.c.number + 1, jobs.c.place)
    .where(text(READY), jobs.c.shape == bindparam("shape"))
    .order_by(jobs.c.priority.desc(), jobs.c.place, jobs.c.id)
    .limit(HEADS_MAX),
    ("shape",),
)
_WAITING = Prepared(select(_S.id, _S.body, _S.ready).where(_S.open > 0, _S.ready > 0))
_OPEN = Prepared(select(_S.queue, _S.pending, _S.assigned, _S.running).where(_S.open > 0))
_FIND = Prepared(select(_S.id).where(_S.key == bindparam("key")), ("key",))


class Tally:
    """How the numbers of jobs change, by shape."""

    def __init__(self) -> None:
        self.changes: dict[int, Counter[str]] = {}

    def come(self, shape: int, job: Job, number: int = 1) -> None:
        """So many jobs that stand as this one does."""
        changes = self.changes.setdefault(shape, Counter())
        for count in _counted(job):
            changes[count] += number

    def move(self, before: Job, shape_before: int, after: Job, shape: int) -> None:
        """A job was one thing, of one shape, and is another now."""
        self.come(shape_before, before, -1)
        self.come(shape, after)

    def rows(self, counts: Sequence[str]) -> list[tuple[int, ...]]:
        """The changes of shapes in which just these numbers have changed: all of them, or all but `open`."""
        return [
            (*(changes[name] for name in counts), shape)
            for shape, changes in self.changes.items()
            if any(changes.values()) and bool(changes["open"]) == ("open" in counts)
        ]


def _counted(job: Job) -> tuple[str, ...]:
    if job.state is JobState.DONE:
        return ()
    return (job.state.value, "open", "ready") if job.ready else (job.state.value, "open")


class SqlShapes:
    """The table of shapes."""

    def __init__(self, database: Database, memo: Memo) -> None:
        self._db = database
        self._memo = memo

    def id_of(self, shape: Shape) -> int:
        """The id of a shape, made where it is new (inside a transaction)."""
        known = self._memo.shapes.get(shape)
        if known is None:
            body = codec.dumps(shape)
            key = short_hash(body)
            found = self._db.fetch(_FIND, (key,))
            known = self._memo.shapes[shape] = found[0][0] if found else self._make(shape, body, key)
        return known

    def _make(self, shape: Shape, body: str, key: str) -> int:
        number = int(self._db.read(select(func.max(_S.id)))[0][0] or 0) + 1
        row = {"id": number, "body": body, "key": key, "queue": shape.queue, **dict.fromkeys(_COUNTS, 0)}
        self._db.write(insert(shapes), row)
        return number

    def count(self, tally: Tally) -> None:
        """Keep how the numbers changed; the heads of these shapes are to be looked up again."""
        self._db.run(_MOVE, tally.rows(_MOVES))
        self._db.run(_ADD, tally.rows(_COUNTS))
        for shape in tally.changes:
            self._memo.heads.pop(shape, None)

    def withdraw(self, job_id: int) -> None:
        """Nobody plans or wakes this job any more, whatever its state."""
        was_ready = self._db.read(select(jobs.c.shape).where(jobs.c.id == job_id, text(READY)))
        self._db.write(update(jobs).where(jobs.c.id == job_id).values(ready=0, wake_at=None))
        for row in was_ready:
            self._db.write(update(shapes).where(_S.id == row.shape).values(ready=_S.ready - 1))
            self._memo.heads.pop(row.shape, None)

    def views(self) -> list[ShapeView]:
        """All shapes with ready jobs."""
        return [
            ShapeView(number, read_shape(body), self._heads(number), ready)
            for number, body, ready in self._db.fetch(_WAITING)
        ]

    def _heads(self, shape: int) -> tuple[Head, ...]:
        known = self._memo.heads.get(shape) if self._db.writing else None
        if known is None:
            known = tuple([Head(*row) for row in self._db.fetch(_HEADS, (shape,))])
            if self._db.writing:
                self._memo.heads[shape] = known
        return known

    def counts(self) -> dict[str, dict[str, int]]:
        """Queue to state to number of jobs that are not done."""
        counts: dict[str, dict[str, int]] = {}
        for queue, *numbers in self._db.fetch(_OPEN):
            states = counts.setdefault(queue, {})
            for state, number in zip(("pending", "assigned", "running"), numbers, strict=True):
                if number:
                    states[state] = states.get(state, 0) + number
        return counts
