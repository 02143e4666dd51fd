"""Makes a yard old: copies of a job that has ended, written straight into the SQLite store of a stopped server."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from sqlalchemy import Table

from runyard.settings import Home
from runyard.store.schema import events, jobs

SECONDS_APART = 2.0
"""The copies have ended one after the other, the last one when the job itself did."""

TOGETHER = 50_000


def add_done(home: Home, template: int, count: int) -> None:
    """Add `count` copies of the job `template` with its events; only their ids and times differ."""
    with closing(sqlite3.connect(home.database, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous=OFF")
        database.execute("PRAGMA cache_size=-400000")
        story = database.execute("SELECT count(*) FROM events WHERE job_id = ?", (template,)).fetchone()[0]
        for done in range(0, count, TOGETHER):
            some = min(TOGETHER, count - done)
            database.execute("BEGIN IMMEDIATE")
            feed, last = database.execute("SELECT feed, last_job FROM yard").fetchone()
            values = {"template": template, "some": some, "last": last, "feed": feed, "story": story}
            values["age"] = (count - done) * SECONDS_APART
            database.execute(_copies(jobs, _JOB), values)
            database.execute(_copies(events, _EVENT), values)
            database.execute(
                "UPDATE yard SET last_job = last_job + :some, feed = feed + :some * :story, serial = serial + 1", values
            )
            database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


_PAST = f"- :age + n * {SECONDS_APART}"
_JOB = {
    "id": ":last + n",
    "submitted_at": f"submitted_at {_PAST}",
    "started_at": f"started_at {_PAST}",
    "ended_at": f"ended_at {_PAST}",
}
_EVENT = {"job_id": ":last + n", "feed": ":feed + (n - 1) * :story + number"}


def _copies(table: Table, changed: dict[str, str]) -> str:
    names = [column.name for column in table.columns]
    values = ", ".join(changed.get(name, f'"{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    key = "id" if table is jobs else "job_id"
    return (
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :some) "
        f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM numbers JOIN {table.name} ON {key} = :template"
    )
