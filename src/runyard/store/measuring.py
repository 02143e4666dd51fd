"""What attempts report and what they use, said once for all stores: readings become what is kept, attempts GPU time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from runyard.model.attempt import Attempt
from runyard.model.job import Job, JobState
from runyard.model.metrics import NAMES_MAX, Measured, Metric, Reading, merged
from runyard.model.record import changed
from runyard.store.applying import Applied
from runyard.store.base import Usage

UsageRow = tuple[int, int, str, str, int, float, float]
"""Job, number of its attempt, user, queue, GPUs, and from when to when it had them."""


def heard(kept: Measured | None, reading: Reading, at: float) -> Measured:
    """What is kept of an attempt after this reading."""
    metrics = {metric.name: metric for metric in kept.metrics} if kept is not None else {}
    for told in reading.metrics:
        if told.name in metrics or len(metrics) < NAMES_MAX:
            metrics[told.name] = merged(metrics.get(told.name), told)
    progress, heard_at = reading.progress, at
    if kept is not None and progress.reports <= kept.progress.reports:
        progress, heard_at = kept.progress, kept.heard_at
    return Measured(reading.key.number, progress, heard_at, tuple(sorted(metrics.values(), key=_name)))


def briefly(measured: Measured) -> Measured:
    """The same without histories."""
    return changed(measured, metrics=tuple(changed(metric, points=()) for metric in measured.metrics))


def usage_rows(applied: Applied) -> list[UsageRow]:
    """The attempts that had GPUs and that are over since these changes."""
    return [row for job_id, job in applied.jobs.items() for row in _newly_over(applied, applied.before[job_id], job)]


def _newly_over(applied: Applied, before: Job, after: Job) -> Iterator[UsageRow]:
    if after.attempt is None or not (_gpus(after.attempt) or (before.attempt and _gpus(before.attempt))):
        return
    over = before.attempt.number if before.attempt is not None and before.attempt.over else 0
    attempts = [*(past for job_id, past in applied.past if job_id == after.id), after.attempt]
    for attempt in attempts:
        if attempt.number > over:
            yield from gpu_time(after, attempt)


def gpu_time(job: Job, attempt: Attempt) -> Iterator[UsageRow]:
    """The row of an attempt that had GPUs and is over."""
    started, ended, gpus = attempt.started_at, attempt.ended_at, _gpus(attempt)
    if gpus and attempt.over and started is not None and ended is not None:
        yield job.id, attempt.number, job.spec.user, job.spec.queue, gpus, started, max(started, ended)


def usage_of(jobs: Iterable[Job], past: Mapping[int, Sequence[Attempt]], since: float, now: float) -> list[Usage]:
    """`Store.usage` of these jobs with these earlier attempts."""
    counts: Counter[Group] = Counter()
    seconds: dict[Group, float] = {}
    for job in jobs:
        if job.ended_at is None or job.ended_at >= since:
            counts[group_of(job)] += 1
        for attempt in (*past.get(job.id, ()), *((job.attempt,) if job.attempt else ())):
            for *_, gpus, started, ended in gpu_time(job, attempt):
                spent = gpus * max(0.0, ended - max(started, since))
                add(seconds, (job.spec.user, job.spec.queue, ENDED, None), spent)
        add(seconds, group_of(job), running_gpu_s(job, since, now))
    return usages(counts, seconds)


Group = tuple[str, str, str, str | None]
"""User, queue, state, outcome."""

ENDED = JobState.DONE.value


def group_of(job: Job) -> Group:
    """What a job counts as."""
    return job.spec.user, job.spec.queue, job.state.value, job.outcome.value if job.outcome else None


def add(seconds: dict[Group, float], group: Group, spent: float) -> None:
    """Count these seconds."""
    seconds[group] = seconds.get(group, 0.0) + spent


def running_gpu_s(job: Job, since: float, now: float) -> float:
    """The GPU seconds of an attempt that runs."""
    attempt = job.attempt
    if job.state is not JobState.RUNNING or attempt is None or attempt.started_at is None:
        return 0.0
    return _gpus(attempt) * max(0.0, now - max(attempt.started_at, since))


def usages(counts: Mapping[Group, int], seconds: Mapping[Group, float]) -> list[Usage]:
    """One row for each group of which there is anything."""
    groups = sorted(
        {*counts, *(group for group, spent in seconds.items() if spent > 0)}, key=lambda group: tuple(map(str, group))
    )
    return [Usage(*group, counts.get(group, 0), seconds.get(group, 0.0)) for group in groups]


def _gpus(attempt: Attempt) -> int:
    return sum(len(placement.devices) for placement in attempt.placements)


def _name(metric: Metric) -> str:
    return metric.name
