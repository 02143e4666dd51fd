"""The verbs on what jobs report and use."""

from __future__ import annotations

from collections.abc import Iterable

from runyard.model.job import JobState
from runyard.model.metrics import Measured
from runyard.model.usage import UsageQuery, UsageRow
from runyard.service.finding import since_at
from runyard.service.verbs import Verbs
from runyard.store.base import Usage

HOUR_S = 3_600.0


class ResultVerbs(Verbs):
    """Metrics and GPU hours."""

    def metrics(self, job_id: int) -> tuple[Measured, ...]:
        self._store.job(job_id)
        return tuple(self._store.measured(job_id))

    def usage(self, query: UsageQuery) -> tuple[UsageRow, ...]:
        found: dict[tuple[str, str], list[Usage]] = {}
        now = self._yard.now()
        for one in self._store.usage(since_at(query.since, now), now):
            found.setdefault((one.user, one.queue), []).append(one)
        return tuple(_row(user, queue, groups) for (user, queue), groups in sorted(found.items()))


def _row(user: str, queue: str, groups: Iterable[Usage]) -> UsageRow:
    active = waiting = 0
    ended: dict[str, int] = {}
    gpu_s = 0.0
    for one in groups:
        gpu_s += one.gpu_s
        if one.outcome is not None:
            ended[one.outcome] = ended.get(one.outcome, 0) + one.jobs
        elif one.state == JobState.PENDING.value:
            waiting += one.jobs
        else:
            active += one.jobs
    return UsageRow(user, queue, active, waiting, ended, gpu_s / HOUR_S)
