"""Another try for a job whose attempt has ended, or the end of the job.

Called by the service with the result that decides for the attempt (`ending.worst`), before it commits `Ended`; the
answer is that event's `again_at`. Repeated is only what the user allowed: a failure by `retry`, a loss (it may have
started, and nobody knows how it ended) by `on_lost = requeue` or `retry.on` with `lost`. What was cancelled, or could
not be started, is not repeated.
"""

from __future__ import annotations

from runyard.model.attempt import Result
from runyard.model.ending import judge
from runyard.model.job import Job, Outcome
from runyard.model.queue import Queue

MAX_LOST = 3
"""So many losses are made good where `on_lost` is requeue; the next one ends the job."""

LONGEST_PAUSE_S = 3_600.0
"""A pause doubles with each try up to this (or stays at the one asked for, if that is longer)."""

DEFAULT_ON = ("fail", "oom", "timeout")
"""What counts as worth a retry where the user does not say."""

CAUSES = {
    Outcome.FAILED: "fail",
    Outcome.KILLED: "fail",
    Outcome.OOM: "oom",
    Outcome.TIMEOUT: "timeout",
    Outcome.LOST: "lost",
}
"""Outcomes that can be repeated, and the word for each in `--retry-on`."""


def decide(job: Job, result: Result, queue: Queue, now: float) -> float | None:
    """The wall time from which the job may be tried again, or None: this was its last attempt."""
    outcome, code = judge(result)
    cause = CAUSES.get(outcome)
    if cause is None or job.stop is not None:
        return None
    if cause == "lost" and (job.spec.on_lost or queue.on_lost) == "requeue" and job.losses < MAX_LOST:
        return now
    retry = job.spec.retry
    if spent(job) >= retry.limit or not _wanted(retry.on or DEFAULT_ON, cause, code):
        return None
    return now + pause_s(retry.backoff_s, spent(job))


def spent(job: Job) -> int:
    """How many of its retries are used up; losses count where the user wants them retried."""
    return job.retries + (job.losses if "lost" in job.spec.retry.on else 0)


def pause_s(backoff_s: float, spent: int) -> float:
    """The pause before the next try, after so many retries."""
    return min(backoff_s * 2.0 ** min(spent, 32), max(LONGEST_PAUSE_S, backoff_s))


def _wanted(on: tuple[str, ...], cause: str, code: int | None) -> bool:
    return cause in on or (cause == "fail" and str(code) in on)
