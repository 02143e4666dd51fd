"""The small tables in SQL: queues, hosts, agents, groups, documents, leases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import BindParameter, Select, Table, bindparam, delete, insert, select, update

from runyard.errors import NotFound
from runyard.model import codec
from runyard.model.group import Group
from runyard.model.host import Agent, Host
from runyard.model.queue import Queue
from runyard.store.base import Cell
from runyard.store.database import Database
from runyard.store.prepared import Prepared
from runyard.store.queueing import check_removal, check_version
from runyard.store.rows import reason_of
from runyard.store.schema import agents, documents, groups, hosts, jobs, leases, queues
from runyard.store.selection import plain
from runyard.store.sql_shapes import SqlShapes

TOGETHER = 1_000
"""The most values in one statement."""

T = TypeVar("T")

_QUEUES = Prepared(select(queues.c.body).order_by(queues.c.name))
_HOSTS = Prepared(select(hosts.c.body).order_by(hosts.c.id))
_AGENTS = Prepared(select(agents.c.body).order_by(agents.c.id))
_DOCUMENT = Prepared(
    select(documents.c.value).where(documents.c.kind == bindparam("kind"), documents.c.key == bindparam("key")),
    ("kind", "key"),
)

_GROUP_OPEN = Prepared(
    select(jobs.c.id).where(jobs.c.group_id == bindparam("group"), jobs.c.ended_at.is_(None)).limit(1), ("group",)
)


def bites(values: Iterable[T]) -> Iterator[Sequence[T]]:
    """The values in pieces that fit into a statement."""
    rest = iter(values)
    while piece := list(islice(rest, TOGETHER)):
        yield piece


@lru_cache(maxsize=1_024)
def _record(cls: Any, text: str) -> Any:
    return codec.loads(cls, text)


def put(database: Database, table: Table, row: dict[str, Any]) -> None:
    """Make or replace a row by its primary key."""
    keys = [column.name for column in table.primary_key]
    where = [table.c[key] == row[key] for key in keys]
    rest = {name: value for name, value in row.items() if name not in keys}
    if not database.write(update(table).where(*where).values(rest)):
        database.write(insert(table), row)


def group_row(group: Group) -> dict[str, Any]:
    """The row of a group."""
    return {"id": group.id, "kind": group.kind, "name": plain(group.name), "body": codec.dumps(group)}


class SqlRecords:
    """The part of a SQL store that keeps whole records."""

    _db: Database
    _shapes: SqlShapes

    def hosts(self) -> list[Host]:
        return self._records(Host, _HOSTS)

    def save_host(self, host: Host) -> None:
        put(self._db, hosts, {"id": host.id, "body": codec.dumps(host)})

    def agents(self) -> list[Agent]:
        return self._records(Agent, _AGENTS)

    def save_agent(self, agent: Agent) -> None:
        row = {"id": agent.id, "host": agent.host, "user": agent.user, "body": codec.dumps(agent)}
        put(self._db, agents, row)

    def queues(self) -> list[Queue]:
        return self._records(Queue, _QUEUES)

    def save_queue(self, queue: Queue) -> Queue:
        check_version(queue, self._queue(queue.name))
        saved = replace(queue, version=queue.version + 1)
        put(self._db, queues, {"name": saved.name, "body": codec.dumps(saved)})
        return saved

    def remove_queue(self, name: str) -> None:
        check_removal(name, self._queue(name) is not None, sum(self._shapes.counts().get(name, {}).values()))
        self._db.write(delete(queues).where(queues.c.name == name))

    def groups(self, ids: Iterable[int]) -> list[Group]:
        bodies = [body for some in bites(sorted(set(ids))) for (body,) in self._db.pick(_groups, some)]
        return [_record(Group, body) for body in bodies]

    def groups_of(self, kind: str, name: str = "") -> list[Group]:
        query = select(groups.c.body).where(groups.c.kind == kind).order_by(groups.c.id)
        found = self._db.read(query.where(groups.c.name == plain(name)) if name else query)
        return [_record(Group, body) for (body,) in found]

    def save_group(self, group: Group) -> None:
        row = group_row(group)
        if not self._db.write(update(groups).where(groups.c.id == group.id).values(row)):
            raise NotFound(f"there is no group {group.id}")

    def cells(self, groups: Iterable[int]) -> dict[int, list[Cell]]:
        found: dict[int, list[Cell]] = {group: [] for group in groups}
        for some in bites(found):
            for group, job_id, word, started_at, ended_at, code, reason in self._db.pick(_cells, some):
                found[group].append(Cell(job_id, word, started_at, ended_at, code, reason_of(reason)))
        return found

    def group_open(self, group: int) -> bool:
        return bool(self._db.fetch(_GROUP_OPEN, (group,)))

    def document(self, kind: str, key: str) -> Any | None:
        rows = self._db.fetch(_DOCUMENT, (kind, key))
        return json.loads(rows[0][0]) if rows else None

    def save_document(self, kind: str, key: str, value: Any) -> None:
        version = documents.c.version + 1
        where = (documents.c.kind == kind, documents.c.key == key)
        text = json.dumps(value)
        if not self._db.write(update(documents).where(*where).values(value=text, version=version)):
            self._db.write(insert(documents), {"kind": kind, "key": key, "value": text, "version": 1})

    def documents(self, kind: str, after: str = "", most: int = 0) -> dict[str, Any]:
        query = select(documents.c.key, documents.c.value).where(documents.c.kind == kind).order_by(documents.c.key)
        query = query.where(documents.c.key > after) if after else query
        query = query.limit(most) if most else query
        return {row.key: json.loads(row.value) for row in self._db.read(query)}

    def remove_document(self, kind: str, key: str) -> None:
        self._db.write(delete(documents).where(documents.c.kind == kind, documents.c.key == key))

    def lease(self, name: str, holder: str, token: int) -> bool:
        rows = self._db.read(select(leases.c.holder, leases.c.token).where(leases.c.name == name))
        present, highest = rows[0] if rows else (holder, token)
        if present != holder and token <= highest:
            return False
        put(self._db, leases, {"name": name, "holder": holder, "token": max(token, highest)})
        return True

    def _queue(self, name: str) -> Queue | None:
        return next((queue for queue in self.queues() if queue.name == name), None)

    def _records(self, cls: Any, query: Prepared) -> list[Any]:
        return [_record(cls, body) for (body,) in self._db.fetch(query)]


def _cells(ids: list[BindParameter[Any]]) -> Select[Any]:
    c = jobs.c
    columns = (c.group_id, c.id, c.word, c.started_at, c.ended_at, c.exit_code, c.reason)
    return select(*columns).where(jobs.c.group_id.in_(ids)).order_by(jobs.c.id)


def _groups(ids: list[BindParameter[Any]]) -> Select[Any]:
    return select(groups.c.body).where(groups.c.id.in_(ids)).order_by(groups.c.id)
