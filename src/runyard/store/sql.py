"""The store in SQL: what stands behind a yard on a disk.

`SqlStore` opens the database, makes its tables where there are none, and is put together of its parts: jobs, records,
shapes. A database that a newer Runyard made is left as it is. One that has lost what was committed before (see
`highwater`) is opened and says so.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace

from sqlalchemy import URL, Engine, insert, inspect, select

from runyard.errors import Conflict, Unavailable
from runyard.model import codec
from runyard.model.queue import Queue
from runyard.model.spec import DEFAULT_QUEUE
from runyard.model.view import View
from runyard.store.base import YardId
from runyard.store.database import Database
from runyard.store.highwater import HighWater, Level
from runyard.store.memo import Memo
from runyard.store.pruning import prune, remove
from runyard.store.schema import SCHEMA, metadata, queues, yard
from runyard.store.sql_metrics import SqlMetrics
from runyard.store.sql_records import bites
from runyard.store.sql_shapes import SqlShapes
from runyard.store.sqlite import (
    BEGIN_WRITING,
    FAILURES,
    WRITER,
    DatabaseFile,
    check_pages,
    open_engine,
    prepare,
    store_url,
    translate,
)
from runyard.store.view import groups_of, host_views, shape_views


def anywhere(directory: str) -> None:
    """Refuses no directory."""


class SqlStore(SqlMetrics):
    """A `Store` in a database. `refuse` raises for a directory in which no database may lie; `seen_job` is the highest
    job of which there is a trace outside."""

    def __init__(
        self, url: str | URL, refuse: Callable[[str], None] = anywhere, high_water: str = "", seen_job: int = 0
    ) -> None:
        self._db = Database(*_opened(store_url(url), refuse))
        self._memo = Memo()
        self._shapes = SqlShapes(self._db, self._memo)
        self._unreadable: dict[int, str] = {}
        self._mark = HighWater(high_water) if high_water else None
        self._db.begun = lambda counters: self._memo.begin(counters.serial)
        self._db.committed = self._committed
        self._db.forget = self._memo.forget
        self._seen_job = seen_job
        self.rolled_back = self._behind(self._db.counters)

    @property
    def problem(self) -> str:
        """What is wrong with the database now ("" if nothing is known)."""
        return self._db.problem

    def _behind(self, counters: Level) -> str:
        """What says that this store was further once ("" if nothing does)."""
        behind = self._mark.compare(counters) if self._mark else ""
        if not behind and counters.last_job < self._seen_job:
            return f"the store has lost its end: job {self._seen_job} has run here, {counters.last_job} is its last"
        return behind

    def accept(self) -> None:
        """What is missing will not come back. What was counted goes on from the mark, so no id is given again, also
        where this store has had events of its own since it went back."""
        if not self.rolled_back:
            return
        mark = self._mark.level if self._mark else Level()
        with self._db.transaction():
            self._db.count(self._db.counters.raised(mark, Level(last_job=self._seen_job)))
        if self._mark is not None:
            self._mark.write(self._db.counters, flush=True)
        self.rolled_back = ""

    def _committed(self, counters: Level) -> None:
        self._memo.serial = counters.serial
        if self._mark is not None and not self.rolled_back:
            self._mark.write(counters)

    def yard(self) -> YardId:
        counters = self._db.counters
        return YardId(counters.yard, counters.epoch)

    def raise_epoch(self) -> YardId:
        counters = self._db.counters
        self._db.count(replace(counters, epoch=counters.epoch + 1))
        return self.yard()

    def transaction(self) -> AbstractContextManager[None]:
        return self._db.transaction()

    def savepoint(self) -> AbstractContextManager[None]:
        return self._db.savepoint()

    def feed(self) -> int:
        return self._db.counters.feed

    def view(self, now: float) -> View:
        with self._db.reading():
            shapes = shape_views(self._shapes.views())
            held = tuple(self.occupied(now))
            return View(
                now=now,
                hosts=host_views(self.hosts(), self.agents()),
                queues={queue.name: queue for queue in self.queues()},
                shapes=shapes,
                occupied=held,
                limits={group.id: group.parallel for group in self.groups(groups_of(shapes, held)) if group.parallel},
            )

    def counts(self) -> dict[str, dict[str, int]]:
        return self._shapes.counts()

    def prune(self, before: float) -> int:
        return prune(self._db, before)

    def remove(self, ids: Iterable[int]) -> None:
        for some in bites(dict.fromkeys(ids)):
            found = self.load(some).values()
            remove(self._db, [job.id for job in found], {job.group for job in found if job.group is not None})

    def last_id(self) -> int:
        return self._db.counters.last_job

    def close(self) -> None:
        self._db.close()
        if self._mark is not None:
            self._mark.close()


def _opened(url: URL, refuse: Callable[[str], None]) -> tuple[Engine, DatabaseFile]:
    """The database, with tables. Those of a newer Runyard are not touched, nor is one that is damaged."""
    engine, file = open_engine(url, refuse)
    try:
        with engine.connect() as connection:
            exists = inspect(connection).has_table(yard.name)
            version = connection.execute(select(yard.c.schema_version)).scalar() if exists else SCHEMA
            check_pages(connection, file.path)
        if version != SCHEMA:
            engine.dispose()
            made = "a newer" if version is not None and version > SCHEMA else "an older"
            raise Conflict(f"{url.database} was made by {made} Runyard (schema {version}, this one has {SCHEMA})")
        prepare(engine)
        if not exists:
            _make_tables(engine)
    except FAILURES as error:
        engine.dispose()
        raise translate(error) from error
    except Unavailable:
        engine.dispose()
        raise
    return engine, file


def _make_tables(engine: Engine) -> None:
    with engine.connect().execution_options(**{WRITER: True}) as connection:
        connection.exec_driver_sql(BEGIN_WRITING)
        metadata.create_all(connection)
        if connection.execute(select(yard.c.id)).first() is None:
            counters = dict.fromkeys(("epoch", "serial", "feed", "last_job", "last_group"), 0)
            row = {"id": secrets.token_hex(8), "schema_version": SCHEMA, **counters}
            connection.execute(insert(yard), row)
            first = Queue(name=DEFAULT_QUEUE, version=1)
            connection.execute(insert(queues), {"name": first.name, "body": codec.dumps(first)})
        connection.exec_driver_sql("COMMIT")
