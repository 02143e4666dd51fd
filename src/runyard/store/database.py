"""One database: its writer, its readers, and the counters that go with each transaction.

The writer is one connection that is kept; `transaction` holds it. Each read takes a connection of its own and sees one
committed state, except in the writer's thread, which sees what it has written so far. Nothing is begun or committed
once the file is not the one that was opened. What has failed is remembered until a transaction has written again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import BindParameter, CursorResult, Engine, Executable, Select, bindparam, select, update
from sqlalchemy.engine import Connection

from runyard.errors import RunyardError, Unavailable
from runyard.store.highwater import Level
from runyard.store.prepared import Compiled, Prepared, Values, compile_for
from runyard.store.schema import yard
from runyard.store.sqlite import BEGIN_WRITING, FAILURES, WRITER, DatabaseFile, is_damage, translate

log = logging.getLogger("runyard.store")

Picking = Callable[[list[BindParameter[Any]]], Select[Any]]
"""Makes a query about so many ids."""

_COUNTED = ("feed", "serial", "epoch", "last_job", "last_group")
_COUNTERS = Prepared(select(yard.c.id, *(yard.c[name] for name in _COUNTED)))
_SAVE = Prepared(update(yard).values({name: bindparam(name) for name in _COUNTED}), _COUNTED)


class Database:
    """Connections, transactions and counters.

    `begun` is called when a transaction has begun, `committed` after each one that wrote something, `forget` whenever
    what was written may be void.
    """

    def __init__(self, engine: Engine, file: DatabaseFile) -> None:
        self._engine = engine
        self._file = file
        self._compiled: dict[Prepared, Compiled] = {}
        self._picks: dict[tuple[Picking, int], Prepared] = {}
        self._lock = threading.Lock()
        self._readers = threading.local()
        self._writer: Connection | None = None
        self._thread: int | None = None
        self._counters: Level | None = None
        self._depth = 0
        self._writes = 0
        self._doomed: RunyardError | None = None
        self._trouble = ""
        self._damage = ""
        self.begun: Callable[[Level], None] = lambda counters: None
        self.committed: Callable[[Level], None] = lambda counters: None
        self.forget: Callable[[], None] = lambda: None

    @property
    def writing(self) -> bool:
        """Whether this thread is inside a transaction."""
        return self._thread == threading.get_ident()

    @property
    def problem(self) -> str:
        """What is wrong with the database ("" if nothing is known): damage stays, other failures pass."""
        try:
            self._file.check()
        except Unavailable as error:
            return error.message
        return self._damage or self._trouble

    @property
    def counters(self) -> Level:
        """As this thread sees them."""
        if self.writing and self._counters is not None:
            return self._counters
        return Level(*self.fetch(_COUNTERS)[0])

    def count(self, counters: Level) -> None:
        """Numbers have been given out (inside a transaction)."""
        self._connection()
        self._counters = counters
        self._writes += 1

    def run(self, prepared: Prepared, rows: Iterable[Values]) -> None:
        """Execute for each row (inside a transaction)."""
        values = list(rows)
        if values:
            compiled, cursor = self._ready(prepared), self._cursor(self._connection())
            self._writes += 1
            cursor.executemany(compiled.text, compiled.rows(values))

    def fetch(self, prepared: Prepared, values: Values = ()) -> list[tuple[Any, ...]]:
        """All rows of one query, as tuples."""
        compiled = self._ready(prepared)
        if self.writing:
            return self._fetch(self._connection(), compiled, values)
        with self.reading() as connection:
            return self._fetch(connection, compiled, values)

    def _fetch(self, connection: Connection, compiled: Compiled, values: Values) -> list[tuple[Any, ...]]:
        cursor = self._cursor(connection)
        cursor.execute(compiled.text, compiled.row(values))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def pick(self, query: Picking, ids: Sequence[int]) -> list[tuple[Any, ...]]:
        """All rows of a query about these ids. Its text is made for few lengths: the last id is said again to fit."""
        length = 1 << (len(ids) - 1).bit_length()
        prepared = self._picks.get((query, length))
        if prepared is None:
            names = tuple(f"id_{place}" for place in range(length))
            prepared = self._picks[query, length] = Prepared(query([bindparam(name) for name in names]), names)
        return self.fetch(prepared, [*ids, *[ids[-1]] * (length - len(ids))])

    def write(self, statement: Executable, row: dict[str, Any] | None = None) -> int:
        """Execute what is not prepared (inside a transaction); how many rows it changed."""
        connection = self._connection()
        self._writes += 1
        result: CursorResult[Any] = connection.execute(statement, row)
        return result.rowcount

    def read(self, statement: Executable) -> Sequence[Any]:
        """All rows of a query that is not prepared."""
        with self.reading() as connection:
            return connection.execute(statement).fetchall()

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
        except FAILURES as error:
            raise self._failure(error) from error
        finally:
            self._readers.connection = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the writer; commit at the end or roll back."""
        if self.writing:
            raise RuntimeError("a transaction is not begun inside another")
        with self._lock:
            try:
                self._begin()
                yield
                counters = self._commit()
            except BaseException as error:
                self._abandon(error)
                if isinstance(error, FAILURES):
                    raise self._failure(error) from error
                raise
            finally:
                self._thread = None
        if counters is not None:
            self.committed(counters)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Roll back alone what is written inside when it raises."""
        connection, counters, writes = self._connection(), self._counters, self._writes
        self._depth += 1
        name = f"point_{self._depth}"
        try:
            self._say(connection, f"SAVEPOINT {name}")
            yield
            self._say(connection, f"RELEASE SAVEPOINT {name}")
        except BaseException as error:
            self._counters = counters
            if self._writes != writes:
                self.forget()
            if isinstance(error, FAILURES):
                self._doomed = self._failure(error)  # nobody can tell what was written
                raise self._doomed from error
            self._say(connection, f"ROLLBACK TO SAVEPOINT {name}")
            self._say(connection, f"RELEASE SAVEPOINT {name}")
            raise
        finally:
            self._depth -= 1

    def close(self) -> None:
        """Let go of all connections."""
        with self._lock:
            self._drop_writer()
            self._engine.dispose()

    def _begin(self) -> None:
        self._check()
        if self._writer is None:
            self._writer = self._engine.connect().execution_options(**{WRITER: True})
        self._say(self._writer, BEGIN_WRITING)
        self._file.hold_log()
        self._thread = threading.get_ident()
        self._counters = None
        self._counters = self.counters
        self._depth = 0
        self._writes = int(self._trouble != "")  # only what is written shows that writing works again
        self._doomed = None
        self.begun(self._counters)

    def _check(self) -> None:
        """Unavailable unless the files are those that were opened."""
        try:
            self._file.check()
        except Unavailable as error:
            self._note(error)
            raise

    def _failure(self, error: Exception) -> RunyardError:
        """What is told of a failure of the database; it is remembered."""
        told = translate(error)
        if is_damage(error):
            self._damage = told.message
        self._note(told)
        return told

    def _note(self, error: RunyardError) -> None:
        if error.message != self._trouble:
            log.error("%s", error.message)
        self._trouble = error.message

    def _commit(self) -> Level | None:
        """End the transaction; the counters if anything was written."""
        connection, counters = self._connection(), self.counters
        if self._doomed is not None:
            raise self._doomed
        if self._writes:
            counters = replace(counters, serial=counters.serial + 1)
            self.run(_SAVE, [[getattr(counters, name) for name in _COUNTED]])
        self._check()
        self._say(connection, "COMMIT")
        if not self._writes:
            return None
        self._trouble = ""
        return counters

    def _abandon(self, error: BaseException) -> None:
        """Roll back. After a failure of the database itself its connection is not trusted any more."""
        self.forget()
        if self._writer is None or self._thread is None:
            return
        trusted = self._doomed is None and not isinstance(error, FAILURES)
        try:
            self._say(self._writer, "ROLLBACK")
        except FAILURES:
            trusted = False
        if not trusted:
            self._drop_writer()

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.invalidate()
            self._writer.close()
            self._writer = None
            self._file.drop_log()

    def _connection(self) -> Connection:
        if not self.writing or self._writer is None:
            raise RuntimeError("a store is changed inside transaction() only")
        return self._writer

    def _ready(self, prepared: Prepared) -> Compiled:
        compiled = self._compiled.get(prepared)
        if compiled is None:
            compiled = self._compiled[prepared] = compile_for(self._engine.dialect, prepared)
        return compiled

    def _say(self, connection: Connection, text: str) -> None:
        self._cursor(connection).execute(text)

    @staticmethod
    def _cursor(connection: Connection) -> Any:
        return connection.connection.cursor()
