"""What running jobs say of themselves, as an agent has read it: from a beat into the store, and from there into rows.

What belongs to no attempt that this yard has given is left out; what is told again changes nothing. Inside a turn of
the yard thread; nobody is woken for it but who waits for the metrics of that job.
"""

from __future__ import annotations

from collections.abc import Iterable

from runyard.api import JobRow
from runyard.model.job import JobState
from runyard.model.metrics import Measured, Metric, Reading
from runyard.model.record import changed
from runyard.service import sweeps
from runyard.service.turn import Turn

RUNNING = JobState.RUNNING.value


def keep(turn: Turn, readings: Iterable[Reading]) -> None:
    """Readings of attempts that are, or were, the latest of their jobs."""
    told = list(readings)
    jobs = turn.store.load({reading.key.job_id for reading in told})
    known = []
    for reading in told:
        job = jobs.get(reading.key.job_id)
        attempt = job.attempt if job is not None else None
        if attempt is not None and (attempt.number, attempt.token) == (reading.key.number, reading.key.token):
            known.append(reading)
            turn.topics.add(f"metrics:{reading.key.job_id}")
    turn.store.keep_readings(known, turn.now)
    sweeps.heard(turn, [(jobs[reading.key.job_id], map(_told, reading.metrics)) for reading in known])


def _told(metric: Metric) -> sweeps.Reported:
    return sweeps.Reported(metric.name, metric.last, metric.least, metric.most, metric.step)


def shown(row: JobRow, measured: Measured | None, now: float) -> JobRow:
    """The row with what its job has reported: metrics whenever that was, progress while it runs."""
    if measured is None:
        return row
    row = changed(row, metrics={metric.name: metric.last for metric in measured.metrics})
    if row.started_at is None or row.ended_at is not None or measured.number != row.attempt:
        return row
    progress = measured.progress
    silent_s = now - measured.heard_at
    stalled = progress.stalled(silent_s) and row.word == RUNNING and "unreachable" not in row.flags
    return changed(
        row,
        stage=progress.stage,
        done=progress.done if progress.total else None,
        total=progress.total or None,
        left_s=progress.left_s(progress.at + max(0.0, silent_s)),
        flags=(*row.flags, "stalled") if stalled else row.flags,
    )
