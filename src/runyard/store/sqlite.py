"""SQLite: how a yard's database is opened, and what its errors mean. The one place that knows this dialect.

WAL, so that readers never wait for the writer; `synchronous=FULL`, so that a committed transaction is on disk; the file
is the owner's alone from its first instant, and so are the files that SQLite makes beside it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import Any

from sqlalchemy import URL, ColumnElement, Engine, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from runyard.errors import RunyardError, StorageFull, Unavailable, UsageError

BUSY_S = 10.0
"""So long a statement waits for another program that has the database locked."""

READERS_MAX = 64
WAL_PAGES = 4_000
"""The WAL is folded into the database when it has grown to this (16 MB)."""

WAL_BYTES_KEPT = 64 << 20
"""What a large transaction leaves is cut to this."""

PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA wal_autocheckpoint={WAL_PAGES}",
    f"PRAGMA journal_size_limit={WAL_BYTES_KEPT}",
    "PRAGMA temp_store=MEMORY",
)

WRITER = "runyard_writer"
"""The execution option that marks the one connection that writes: its transactions are begun by hand."""

BEGIN_WRITING = "BEGIN IMMEDIATE"

FAILURES = (DBAPIError, sqlite3.Error)
"""What the database raises, through SQLAlchemy or by itself."""


def open_engine(url: URL, refuse: Callable[[str], None]) -> Engine:
    """The engine for this database file. Nothing is written yet; the file and its directory are made where missing."""
    path = url.database
    if not path or path == ":memory:":
        raise UsageError("the store needs the path of a file: sqlite:////path/to/yard.sqlite")
    _make_private(path, refuse)
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_S, "check_same_thread": False, "isolation_level": None},
        pool_size=8,
        max_overflow=READERS_MAX,
        pool_reset_on_return=None,
    )
    event.listen(engine, "begin", _begin)
    return engine


def sqlite_url(path: str) -> URL:
    """The URL of a database file; any path will do."""
    return URL.create("sqlite", database=path)


def prepare(engine: Engine) -> None:
    """From now on every connection has our settings."""

    def settle(connection: Any, record: object) -> None:
        for pragma in PRAGMAS:
            connection.execute(pragma)

    engine.dispose()
    event.listen(engine, "connect", settle)


def translate(error: Exception) -> RunyardError:
    """What the user is told, and whether trying again can help."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull()
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable("another program keeps the database locked; end it and try again")
    return Unavailable(f"the database failed: {cause}")


def like(column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    """A name against a pattern in which only `*` and `?` are special."""
    return column.op("GLOB", is_comparison=True)(pattern.replace("[", "[[]"))


def _begin(connection: Connection) -> None:
    if not connection.get_execution_options().get(WRITER):
        connection.exec_driver_sql("BEGIN")


def _make_private(path: str, refuse: Callable[[str], None]) -> None:
    directory = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        refuse(directory)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise Unavailable(f"the database cannot be opened: {error.strerror} ({path})") from error
