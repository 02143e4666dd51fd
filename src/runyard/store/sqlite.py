"""SQLite: how a yard's database is opened, and what its errors mean. The one place that knows this dialect.

WAL, so that readers never wait for the writer; `synchronous=FULL`, so that a committed transaction is on disk; the file
is the owner's alone from its first instant, and so are the files that SQLite makes beside it. A file that is removed or
replaced while it is open would go on being written without anybody ever finding it: `DatabaseFile` notices.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import Any

from sqlalchemy import URL, ColumnElement, Engine, create_engine, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError, DBAPIError

from runyard.errors import RunyardError, StorageFull, Unavailable, UsageError

BUSY_S = 10.0
"""How long a statement waits for another program that has the database locked."""

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

CHECK_MAX_BYTES = 256 << 20
"""A larger database is not looked through when it is opened: that would take more than a second."""

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

FAILURES = (DBAPIError, sqlite3.Error)
"""What the database raises, through SQLAlchemy or by itself."""


class DatabaseFile:
    """The files of a database as they were opened, and whether their paths still name them."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = _identity(path)
        self._log: _Identity | None = None

    def check(self) -> None:
        """Unavailable where they do not: whatever would be written now is gone with the next start."""
        log = self._log
        if _identity(self.path) != self._file or (log is not None and _identity(self._log_path) != log):
            raise Unavailable(
                f"the database {self.path} was removed or replaced while the server had it open: nothing is accepted or"
                " started; put the same file back, or `ry server stop` and start again with what lies there now"
            )

    def hold_log(self) -> None:
        """The writer has the write-ahead log open, so it stays the same until `drop_log`."""
        if self._log is None:
            self._log = _identity(self._log_path)

    def drop_log(self) -> None:
        """The writer is gone; SQLite may make another log."""
        self._log = None

    @property
    def _log_path(self) -> str:
        return self.path + "-wal"


_Identity = tuple[int, int]


def _identity(path: str) -> _Identity | None:
    """Which file is there (device and inode); None if none is."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_engine(url: URL, refuse: Callable[[str], None]) -> tuple[Engine, DatabaseFile]:
    """The engine for this database file. Nothing is written yet; the file and its directory are made where missing."""
    path = url.database or ""
    _make_private(path, refuse)
    file = DatabaseFile(path)
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_S, "check_same_thread": False, "isolation_level": None},
        pool_size=8,
        max_overflow=READERS_MAX,
        pool_reset_on_return=None,
    )
    event.listen(engine, "begin", _begin)
    event.listen(engine, "do_connect", lambda *about: file.check())  # SQLite would make a new file there
    return engine, file


def store_url(given: str | URL) -> URL:
    """The URL of a store, or UsageError."""
    wanted = "the store needs the path of a file: sqlite:////path/to/yard.sqlite"
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise UsageError(f"{wanted}, not {given!s}") from None
    if url.get_backend_name() != "sqlite" or not os.path.isabs(url.database or ""):
        raise UsageError(f"{wanted}, not {given!s}")
    return url


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


def check_pages(connection: Connection, path: str) -> None:
    """Look through a database that is not too large for that. Conflict if it is damaged."""
    if os.path.getsize(path) > CHECK_MAX_BYTES:
        return
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found != "ok":
        raise damaged(path, " ".join(str(found).split()))


def damaged(path: str, found: str) -> Unavailable:
    """What is told of a damaged database."""
    where = f" {path}" if path else ""
    return Unavailable(
        f"the database{where} is damaged ({found}): stop the server and put a copy back, or what `sqlite3 ... .recover`"
        ' saves of it (docs/running.md, "Back up")'
    )


def is_damage(error: Exception) -> bool:
    """Whether the file itself is broken: no other try will help."""
    return _code(error) in DAMAGED


def _code(error: Exception) -> int:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return int(getattr(cause, "sqlite_errorcode", 0)) & 0xFF


def translate(error: Exception) -> RunyardError:
    """What the user is told, and whether trying again can help."""
    cause, code = error.orig if isinstance(error, DBAPIError) else error, _code(error)
    if code in DAMAGED:
        return damaged("", str(cause))
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
