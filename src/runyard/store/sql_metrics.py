"""What attempts report, and GPU time, in SQL."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, case, delete, func, or_, select

from runyard.model import codec
from runyard.model.metrics import Measured, Metric, Progress, Reading
from runyard.store.base import Usage
from runyard.store.measuring import ENDED, Group, add, group_of, heard, running_gpu_s, usages
from runyard.store.prepared import Prepared
from runyard.store.rows import inserting
from runyard.store.schema import jobs, metrics, progress, usage
from runyard.store.sql_jobs import SqlJobs
from runyard.store.sql_records import bites

_P, _M, _U, _J = progress.c, metrics.c, usage.c, jobs.c

_BRIEF = (_M.name, _M.count, _M.last, _M.least, _M.most, _M.step, _M.at)
_PROGRESS = Prepared(
    select(_P.number, _P.heard_at, _P.body).where(_P.job_id == bindparam("job")).order_by(_P.number), ("job",)
)
_METRICS = Prepared(
    select(_M.number, *_BRIEF, _M.points).where(_M.job_id == bindparam("job")).order_by(_M.number, _M.name), ("job",)
)
_DROP_PROGRESS = Prepared(
    delete(progress).where(_P.job_id == bindparam("job"), _P.number == bindparam("of")), ("job", "of")
)
_DROP_METRIC = Prepared(
    delete(metrics).where(_M.job_id == bindparam("job"), _M.number == bindparam("of"), _M.name == bindparam("called")),
    ("job", "of", "called"),
)
_INSERT_PROGRESS = inserting(progress, ("job_id", "number", "heard_at", "body"))
_INSERT_METRIC = inserting(
    metrics, ("job_id", "number", "name", "count", "last", "least", "most", "step", "at", "points")
)


def _progress_of(ids: list[BindParameter[Any]]) -> Select[Any]:
    return select(_P.job_id, _P.number, _P.heard_at, _P.body).where(_P.job_id.in_(ids)).order_by(_P.job_id, _P.number)


def _brief_of(ids: list[BindParameter[Any]]) -> Select[Any]:
    return select(_M.job_id, _M.number, *_BRIEF).where(_M.job_id.in_(ids)).order_by(_M.job_id, _M.number, _M.name)


class SqlMetrics(SqlJobs):
    """The part of a SQL store that keeps what attempts report and use."""

    def keep_readings(self, readings: Iterable[Reading], at: float) -> None:
        for reading in readings:
            job, number = reading.key.job_id, reading.key.number
            kept = next((one for one in self.measured(job) if one.number == number), None)
            now = heard(kept, reading, at)
            names = {metric.name for metric in reading.metrics}
            fresh = [metric for metric in now.metrics if metric.name in names]
            self._db.run(_DROP_PROGRESS, [(job, number)])
            self._db.run(_INSERT_PROGRESS, [(job, number, now.heard_at, codec.dumps(now.progress))])
            self._db.run(_DROP_METRIC, [(job, number, metric.name) for metric in fresh])
            self._db.run(_INSERT_METRIC, [(job, number, *_row(metric)) for metric in fresh])

    def measured(self, job_id: int) -> list[Measured]:
        with self._db.reading():
            found = self._db.fetch(_PROGRESS, (job_id,))
            rows = self._db.fetch(_METRICS, (job_id,)) if found else []
        return [
            Measured(
                number,
                codec.loads(Progress, body),
                heard_at,
                tuple(_metric(row[1:]) for row in rows if row[0] == number),
            )
            for number, heard_at, body in found
        ]

    def latest(self, ids: Collection[int]) -> dict[int, Measured]:
        found: dict[int, Measured] = {}
        with self._db.reading():
            for some in bites(ids):
                for job_id, number, heard_at, body in self._db.pick(_progress_of, some):
                    found[job_id] = Measured(number, codec.loads(Progress, body), heard_at)
            for some in bites(found):
                rows = self._db.pick(_brief_of, some)
                for job_id, measured in self._briefly({job_id: found[job_id] for job_id in some}, rows):
                    found[job_id] = measured
        return found

    @staticmethod
    def _briefly(found: dict[int, Measured], rows: Iterable[Sequence[Any]]) -> Iterator[tuple[int, Measured]]:
        """Each with its metrics."""
        of: dict[int, list[Metric]] = {}
        for job_id, number, *brief in rows:
            if number == found[job_id].number:
                of.setdefault(job_id, []).append(Metric(*brief))
        for job_id, measured in found.items():
            yield job_id, Measured(measured.number, measured.progress, measured.heard_at, tuple(of.get(job_id, ())))

    def usage(self, since: float, now: float) -> list[Usage]:
        counting = select(_J.user, _J.queue, _J.state, _J.outcome, func.count())
        counting = counting.where(or_(_J.ended_at.is_(None), _J.ended_at >= since))
        counting = counting.group_by(_J.user, _J.queue, _J.state, _J.outcome)
        began = case((_U.started_at > since, _U.started_at), else_=since)
        spending = select(_U.user, _U.queue, func.sum(_U.gpus * (_U.ended_at - began)))
        spending = spending.where(_U.ended_at > since).group_by(_U.user, _U.queue)
        with self._db.reading():
            counts: dict[Group, int] = {tuple(row[:4]): row[4] for row in self._db.read(counting)}
            spent = self._db.read(spending)
            seconds: dict[Group, float] = {(user, queue, ENDED, None): gpu_s for user, queue, gpu_s in spent}
            for job in self.active():
                add(seconds, group_of(job), running_gpu_s(job, since, now))
        return usages(counts, seconds)


def _row(metric: Metric) -> tuple[Any, ...]:
    return (
        metric.name, metric.count, metric.last, metric.least, metric.most, metric.step, metric.at,
        json.dumps(metric.points, separators=(",", ":")),
    )  # fmt: skip


def _metric(row: Sequence[Any]) -> Metric:
    name, count, last, least, most, step, at, points = row
    return Metric(name, count, last, least, most, step, at, tuple(tuple(point) for point in json.loads(points)))
