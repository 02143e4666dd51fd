"""Another try for a job whose attempt has ended, or the end of the job.

Called by the service with the result that decides for the attempt (`ending.worst`), before it commits `Ended`; the
answer is that event's `again_at`. Repeated is only what the user allowed: a failure by `retry`, a loss (it may have
started, and nobody knows how it ended) by `on_lost = requeue` or `retry.on` with `lost`. What was cancelled, or could
not be started, is not repeated. An attempt that asks by its exit code to be run again spends no retry.
"""

from __future__ import annotations

from runyard.model.attempt import Earlier, Result
from runyard.model.checkpoint import GOES_ON, UNCHANGED
from runyard.model.ending import CAUSES, judge
from runyard.model.job import Job
from runyard.model.queue import Queue
from runyard.model.spec import Retry

MAX_LOST = 3
"""How many losses are made good where `on_lost` is requeue; the next one ends the job."""

LONGEST_PAUSE_S = 3_600.0
"""A pause doubles with each try up to this (or stays at the one asked for, if that is longer)."""

DEFAULT_ON = ("fail", "oom", "timeout")
"""What counts as worth a retry where the user does not say."""

REQUEUE_PAUSE_S = 1.0
"""Attempts that ask to be run again begin at least so far apart."""


def decide(job: Job, result: Result, queue: Queue, now: float) -> float | None:
    """The wall time from which the job may be tried again, or None: this was its last attempt."""
    outcome, code = judge(result)
    cause = CAUSES.get(outcome)
    if cause is None or job.stop is not None:
        return None
    if result.why in GOES_ON:
        return _next_part(job, result, now)
    if cause == "lost" and (job.spec.on_lost or queue.on_lost) == "requeue" and job.losses < MAX_LOST:
        return now
    retry = job.spec.retry
    if spent(job) >= retry.limit or not _wanted(retry.on or DEFAULT_ON, cause, code):
        return None
    return now + pause_s(retry.backoff_s, spent(job))


def _next_part(job: Job, result: Result, now: float) -> float | None:
    """When a job goes on that asked for it by its exit code. None: too many attempts have brought nothing new."""
    attempt = job.attempt
    idle = attempt.earlier.idle + 1 if attempt is not None and result.why == UNCHANGED else 0
    if idle >= job.spec.checkpoint.tries:
        return None
    started_at = attempt.started_at if attempt is not None else None
    return max(now, (now if started_at is None else started_at) + REQUEUE_PAUSE_S)


def variables(retry: Retry, earlier: Earlier) -> dict[str, str]:
    """The variables that an attempt has because of how those before it ended."""
    ends = dict(earlier.ends)
    ends[""] = sum(ends.values())
    given: dict[tuple[str, str], list[str]] = {}
    for variable in retry.env:
        given.setdefault((variable.name, variable.cause), []).append(variable.value)
    counts = {key: ends.get(key[1], 0) for key in given}
    return {key[0]: values[min(counts[key], len(values)) - 1] for key, values in given.items() if counts[key]}


def spent(job: Job) -> int:
    """How many of its retries are used up; losses count where the user wants them retried."""
    return job.retries + (job.losses if "lost" in job.spec.retry.on else 0)


def pause_s(backoff_s: float, spent: int) -> float:
    """The pause before the next try, after so many retries."""
    return min(backoff_s * 2.0 ** min(spent, 32), max(LONGEST_PAUSE_S, backoff_s))


def _wanted(on: tuple[str, ...], cause: str, code: int | None) -> bool:
    return cause in on or (cause == "fail" and str(code) in on)
