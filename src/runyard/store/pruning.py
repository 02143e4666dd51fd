"""Removing old jobs in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import delete, exists, select, text

from runyard.store.base import PRUNE_MAX
from runyard.store.database import Database
from runyard.store.schema import (
    DONE,
    attempts,
    codes,
    dependencies,
    events,
    groups,
    jobs,
    metrics,
    progress,
    submissions,
    usage,
)

_J = jobs.c


def prune(database: Database, before: float) -> int:
    """Remove jobs that ended before this time, and what only they had."""
    old = _old(database, before)
    remove(database, [job_id for job_id, _ in old], {group for _, group in old if group is not None})
    s = submissions.c
    stands = exists().where(_J.id.between(s.first, s.last))
    database.write(delete(submissions).where(s.at < before, ~stands))
    return len(old)


def remove(database: Database, ids: Sequence[int], of_groups: Collection[int]) -> None:
    """Remove these jobs, what only they had, and those of their groups that have no job left."""
    for table, column in (
        (attempts, attempts.c.job_id),
        (codes, codes.c.job_id),
        (progress, progress.c.job_id),
        (metrics, metrics.c.job_id),
        (usage, usage.c.job_id),
        (events, events.c.job_id),
        (dependencies, dependencies.c.job_id),
        (dependencies, dependencies.c.on_id),
        (jobs, _J.id),
    ):
        database.write(delete(table).where(column.in_(ids)))
    has_jobs = exists().where(_J.group_id == groups.c.id)
    database.write(delete(groups).where(groups.c.id.in_(of_groups), ~has_jobs))


def _old(database: Database, before: float) -> list[tuple[int, int | None]]:
    """The jobs to remove, each with its group: those that ended first."""
    waiting = jobs.alias("waiting")
    awaited = exists().where(
        dependencies.c.on_id == _J.id, dependencies.c.job_id == waiting.c.id, waiting.c.ended_at.is_(None)
    )
    query = select(_J.id, _J.group_id).where(text(f"jobs.{DONE}"), _J.ended_at < before, ~awaited)
    return [(row[0], row[1]) for row in database.read(query.order_by(_J.ended_at, _J.id).limit(PRUNE_MAX))]
