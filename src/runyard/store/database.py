"""One database: its writer, its readers, and the counters that go with each transaction.

The writer is one connection that is kept; `transaction` holds it. Each read takes a connection of its own and sees one
committed state, except in the writer's thread, which sees what it has written so far.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import CursorResult, Engine, Executable, bindparam, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from runyard.store.schema import yard
from runyard.store.sqlite import WRITER, translate


@dataclass(frozen=True)
class Counters:
    """The row of `yard`: who it is and what was given out last."""

    id: str
    epoch: int
    serial: int
    feed: int
    last_job: int
    last_group: int


_COUNTERS = select(yard.c.id, yard.c.epoch, yard.c.serial, yard.c.feed, yard.c.last_job, yard.c.last_group)
_COUNTED = ("serial", "feed", "last_job", "last_group", "epoch")
_SAVE = update(yard).values({name: bindparam(f"new_{name}") for name in _COUNTED})


class Database:
    """Connections, transactions and counters.

    `begun` is called when a transaction has begun, `committed` after each one that wrote something, `forget` whenever
    what was written may be void.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._readers = threading.local()
        self._writer: Connection | None = None
        self._thread: int | None = None
        self._before: Counters | None = None
        self._counters: Counters | None = None
        self._wrote = False
        self.begun: Callable[[Counters], None] = lambda counters: None
        self.committed: Callable[[Counters], None] = lambda counters: None
        self.forget: Callable[[], None] = lambda: None

    @property
    def writing(self) -> bool:
        """Whether this thread is inside a transaction."""
        return self._thread == threading.get_ident()

    @property
    def counters(self) -> Counters:
        """As this thread sees them."""
        if self.writing and self._counters is not None:
            return self._counters
        with self.reading() as connection:
            return _read_counters(connection)

    def count(self, counters: Counters) -> None:
        """Numbers have been given out (inside a transaction)."""
        self._connection()
        self._counters = counters
        self._wrote = True

    def write(self, statement: Executable, rows: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None = None) -> int:
        """Execute once, or for each of the rows; how many rows it changed (where the database says)."""
        connection = self._connection()
        self._wrote = True
        result: CursorResult[Any] = connection.execute(statement, rows)
        return result.rowcount

    def read(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """All rows of one query."""
        with self.reading() as connection:
            return connection.execute(statement, values).fetchall()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state throughout; what is read inside uses the same."""
        present: Connection | None = self._connection() if self.writing else getattr(self._readers, "connection", None)
        if present is not None:
            yield present
            return
        try:
            with self._engine.connect() as connection, connection.begin():
                self._readers.connection = connection
                yield connection
        except DBAPIError as error:
            raise translate(error) from error
        finally:
            self._readers.connection = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            try:
                self._begin()
                yield
                counters = self._commit()
            except BaseException as error:
                self._abandon(error)
                if isinstance(error, DBAPIError):
                    raise translate(error) from error
                raise
            finally:
                self._thread = None
        if counters is not None:
            self.committed(counters)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        connection, counters = self._connection(), self._counters
        point = connection.begin_nested()
        try:
            yield
            point.commit()
        except BaseException as error:
            self._counters = counters
            self.forget()
            try:
                point.rollback()
            except DBAPIError as second:  # the database has given up the whole transaction
                raise translate(second) from error
            if isinstance(error, DBAPIError):
                raise translate(error) from error
            raise

    def close(self) -> None:
        """Let go of all connections."""
        with self._lock:
            self._drop_writer()
            self._engine.dispose()

    def _connection(self) -> Connection:
        if not self.writing or self._writer is None:
            raise RuntimeError("a store is changed inside transaction() only")
        return self._writer

    def _begin(self) -> None:
        if self._writer is None:
            self._writer = self._engine.connect().execution_options(**{WRITER: True})
        self._writer.begin()
        self._thread = threading.get_ident()
        self._before = self._counters = _read_counters(self._writer)
        self._wrote = False
        self.begun(self._counters)

    def _commit(self) -> Counters | None:
        """End the transaction; the counters if anything was written."""
        connection, counters = self._connection(), self._counters
        if self._wrote and counters is not None:
            counters = replace(counters, serial=counters.serial + 1)
            connection.execute(_SAVE, {f"new_{name}": getattr(counters, name) for name in _COUNTED})
        connection.commit()
        return counters if self._wrote else None

    def _abandon(self, error: BaseException) -> None:
        """Roll back. After a failure of the database itself the connection is not trusted any more."""
        self.forget()
        connection = self._writer
        if connection is None:
            return
        if not isinstance(error, DBAPIError):
            try:
                connection.rollback()
                return
            except DBAPIError:
                pass
        self._drop_writer()

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.invalidate()
            self._writer.close()
            self._writer = None


def _read_counters(connection: Connection) -> Counters:
    return Counters(*connection.execute(_COUNTERS).one())
