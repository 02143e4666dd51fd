"""The tables of a yard in SQL.

What queries need is a column; the rest of a record is JSON text by `model.codec`. A job is one row: its spec is
written once, its standing at each change. Counters (job ids, feed numbers) are in the one row of `yard`, so an id is
never given twice, also after jobs were removed. Each shape counts its own jobs, so nothing counts rows in a tick.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

SCHEMA = 2
"""Raised with each change of a released schema, which then needs a migration."""

NAME = String(255)
NUMBER = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER PRIMARY KEY is SQLite's own row number

BY_KEY: dict[str, Any] = {"sqlite_with_rowid": False}
"""Small rows that are found by their key alone lie in the key's own tree."""

metadata = MetaData()

yard = Table(
    "yard",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("epoch", NUMBER, nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("serial", NUMBER, nullable=False),
    Column("feed", NUMBER, nullable=False),
    Column("last_job", NUMBER, nullable=False),
    Column("last_group", NUMBER, nullable=False),
)
"""One row. `serial` counts the transactions that wrote anything."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("word", String(16), nullable=False),
    Column("ready", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    Column("waiting_on", Integer, nullable=False),
    Column("wake_at", Float(53)),
    Column("shape", Integer, nullable=False),
    Column("queue", String(64), nullable=False),
    Column("user", NAME, nullable=False),
    Column("group_id", NUMBER),
    Column("submitted_at", Float(53), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("place", Float(53), nullable=False),
    Column("name", NAME, nullable=False),
    Column("array_index", Integer),
    Column("unique_key", NAME, nullable=False),
    Column("note", Text),
    Column("spec", Text, nullable=False),
    Column("number", Integer, nullable=False, server_default=text("0")),
    Column("retries", Integer, nullable=False, server_default=text("0")),
    Column("losses", Integer, nullable=False, server_default=text("0")),
    Column("outcome", String(16)),
    Column("exit_code", Integer),
    Column("reason", Text),
    Column("started_at", Float(53)),
    Column("ended_at", Float(53)),
    Column("fingerprint", String(64)),
    Column("attempt", Text),
    Column("stop", Text),
    Column("resume", Text),
)
"""`word` is the one of lists, `number` and `attempt` are the present attempt's, `fingerprint` is set by success."""


def _part(where: str) -> dict[str, Any]:
    """An index over some of the rows, where the database can."""
    return {"sqlite_where": text(where), "postgresql_where": text(where)}


READY = "ready = 1"
OPEN = "ended_at IS NULL"
DONE = "ended_at IS NOT NULL"
UNIQUE = "unique_key <> ''"
"""Said literally in queries too, so that the database sees that one of these indexes will do."""

Index("jobs_ready", jobs.c.shape, jobs.c.priority.desc(), jobs.c.place, jobs.c.id, **_part(READY))
Index("jobs_open", jobs.c.id, **_part(OPEN))
Index("jobs_open_user", jobs.c.user, jobs.c.id, **_part(OPEN))
Index("jobs_wake", jobs.c.wake_at, **_part("wake_at IS NOT NULL"))
Index("jobs_name", jobs.c.name)
Index("jobs_group", jobs.c.group_id, jobs.c.ended_at, **_part("group_id IS NOT NULL"))
Index("jobs_unique", jobs.c.user, jobs.c.unique_key, **_part(UNIQUE))
Index("jobs_ended", jobs.c.ended_at, **_part(DONE))
Index("jobs_user_ended", jobs.c.user, jobs.c.ended_at, **_part(DONE))
Index("jobs_outcome", jobs.c.outcome, **_part("outcome IS NOT NULL"))
Index("jobs_fingerprint", jobs.c.fingerprint, jobs.c.ended_at, **_part("fingerprint IS NOT NULL"))

attempts = Table(
    "attempts",
    metadata,
    Column("job_id", NUMBER, ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    **BY_KEY,
)
"""Earlier tries; the present or last one of a job is in its row."""

codes = Table(
    "codes",
    metadata,
    Column("job_id", NUMBER, ForeignKey("jobs.id"), primary_key=True),
    Column("likeness", NUMBER, index=True),
    Column("snapshot", String(32), nullable=False),
    **BY_KEY,
)
"""Jobs whose code is under version control. `snapshot` is the key of frozen code ("": in place)."""

FROZEN = "snapshot <> ''"
Index("codes_snapshot", codes.c.snapshot, **_part(FROZEN))

usage = Table(
    "usage",
    metadata,
    Column("job_id", NUMBER, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("user", NAME, nullable=False),
    Column("queue", String(64), nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("started_at", Float(53), nullable=False),
    Column("ended_at", Float(53), nullable=False, index=True),
    **BY_KEY,
)
"""Attempts that had GPUs and are over."""

progress = Table(
    "progress",
    metadata,
    Column("job_id", NUMBER, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("heard_at", Float(53), nullable=False),
    Column("body", Text, nullable=False),
    **BY_KEY,
)
"""How far attempts say that they are: a row for each that has reported anything."""

metrics = Table(
    "metrics",
    metadata,
    Column("job_id", NUMBER, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(64), primary_key=True),
    Column("count", NUMBER, nullable=False),
    Column("last", Float(53), nullable=False),
    Column("least", Float(53), nullable=False),
    Column("most", Float(53), nullable=False),
    Column("step", Float(53), nullable=False),
    Column("at", Float(53), nullable=False),
    Column("points", Text, nullable=False),
    **BY_KEY,
)
"""What attempts have reported, by name; `points` is a thinned history (JSON)."""

placements = Table(
    "placements",
    metadata,
    Column("job_id", NUMBER, ForeignKey("jobs.id"), primary_key=True),
    Column("rank", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("agent", NAME, nullable=False, index=True),
    Column("host", NAME, nullable=False),
    **BY_KEY,
)
"""What holds something or will take over; a row goes when its placement ends. (The rest of it is in its job's row.)"""

dependencies = Table(
    "dependencies",
    metadata,
    Column("on_id", NUMBER, primary_key=True, autoincrement=False),
    Column("job_id", NUMBER, ForeignKey("jobs.id"), primary_key=True, index=True),
    Column("kind", String(16), primary_key=True),
    **BY_KEY,
)

events = Table(
    "events",
    metadata,
    Column("feed", NUMBER, primary_key=True, autoincrement=False),
    Column("job_id", NUMBER, nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("job_id", "number"),
)

shapes = Table(
    "shapes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("key", String(64), nullable=False, unique=True),
    Column("queue", String(64), nullable=False),
    Column("ready", Integer, nullable=False),
    Column("pending", Integer, nullable=False),
    Column("assigned", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    Column("open", Integer, nullable=False, index=True),
)
"""`key` is a hash of `body`. The numbers count its jobs; `open` are all that are not done."""

groups = Table(
    "groups",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False, index=True),
    Column("name", NAME, nullable=False),
    Column("body", Text, nullable=False),
)

submissions = Table(
    "submissions",
    metadata,
    Column("user", NAME, primary_key=True),
    Column("key", NAME, primary_key=True),
    Column("at", Float(53), nullable=False, index=True),
    Column("first", NUMBER, nullable=False),
    Column("last", NUMBER, nullable=False),
    Column("body", Text),
)
"""What a submission key stands for: the ids from `first` to `last`, or (`body`) those of an `Added` in between."""

queues = Table("queues", metadata, Column("name", String(64), primary_key=True), Column("body", Text, nullable=False))

hosts = Table("hosts", metadata, Column("id", NAME, primary_key=True), Column("body", Text, nullable=False))

agents = Table(
    "agents",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("host", NAME, nullable=False),
    Column("user", NAME, nullable=False),
    Column("body", Text, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("key", NAME, primary_key=True),
    Column("value", Text, nullable=False),
    Column("version", Integer, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("holder", NAME, nullable=False),
    Column("token", NUMBER, nullable=False),
)
