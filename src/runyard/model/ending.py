"""How an attempt ended, and what that makes of its job: from a kernel's wait status to an Outcome and an exit code."""

from __future__ import annotations

import signal
from typing import Optional

from runyard.model.attempt import Attempt, Earlier, Result
from runyard.model.checkpoint import GOES_ON, UNCHANGED
from runyard.model.outcome import Outcome
from runyard.model.record import changed

EXIT_LOST = 70
EXIT_SKIPPED = 71
EXIT_TIMEOUT = 124
EXIT_NOT_STARTED = 127
EXIT_CANCELLED = 130
EXIT_SIGNAL = 128

REVOKED = "revoked"
"""The cause in the Result of an attempt that never started and never will."""

EXIT_OF = {
    Outcome.SUCCEEDED: 0,
    Outcome.LOST: EXIT_LOST,
    Outcome.SKIPPED: EXIT_SKIPPED,
    Outcome.TIMEOUT: EXIT_TIMEOUT,
    Outcome.NOT_STARTED: EXIT_NOT_STARTED,
    Outcome.CANCELLED: EXIT_CANCELLED,
}
"""What `run` and `wait` return where the outcome, not the command, decides."""


def judge(result: Result) -> tuple[Outcome, Optional[int]]:
    """Outcome and the command's exit code (128+n for signal n; None where there is none)."""
    code = exit_code(result.wait_status)
    named = NAMED_ENDS.get(result.why)
    if named is not None:
        return named, code
    if code is None:
        return Outcome.LOST, None
    if code == 0:
        return Outcome.SUCCEEDED, 0
    return (Outcome.KILLED if (result.wait_status or 0) & 0x7F else Outcome.FAILED), code


CAUSES = {
    Outcome.FAILED: "fail",
    Outcome.KILLED: "fail",
    Outcome.OOM: "oom",
    Outcome.TIMEOUT: "timeout",
    Outcome.LOST: "lost",
}
"""Outcomes that can be repeated, and the word for each in `--retry-on`."""


def told_to_later(attempt: Attempt) -> Earlier:
    """What the attempt after this one is told of it and of those before it."""
    earlier = attempt.earlier
    if not attempt.over:
        return earlier
    result = worst(attempt)
    if result.why in GOES_ON:
        return changed(earlier, idle=earlier.idle + 1 if result.why == UNCHANGED else 0)
    cause = None if result.why == REVOKED else CAUSES.get(judge(result)[0])
    if cause is None:
        return earlier
    ends = dict(earlier.ends)
    ends[cause] = ends.get(cause, 0) + 1
    return Earlier(tuple(sorted(ends.items())))


NAMED_ENDS = {
    "cancelled": Outcome.CANCELLED,
    "timeout": Outcome.TIMEOUT,
    "oom": Outcome.OOM,
    "lost": Outcome.LOST,
    "not-started": Outcome.NOT_STARTED,
}
"""Causes in a Result that decide the outcome whatever the wait status says."""


def exit_code(wait_status: Optional[int]) -> Optional[int]:
    """The shell's view of a kernel wait status."""
    if wait_status is None:
        return None
    number = wait_status & 0x7F
    return EXIT_SIGNAL + number if number else (wait_status >> 8) & 0xFF


def describe(result: Result) -> str:
    """One sentence on how a placement ended ("" for a plain exit)."""
    if result.detail:
        return result.detail
    number = (result.wait_status or 0) & 0x7F
    if number and not result.why:
        return f"killed by {signal.Signals(number).name}" if number in KNOWN_SIGNALS else f"killed by signal {number}"
    return ""


KNOWN_SIGNALS = {int(s) for s in signal.Signals}


def worst(attempt: Attempt) -> Result:
    """The result that decides for the attempt: the first placement that did not succeed, else the first."""
    results = [p.result for p in attempt.placements if p.result is not None]
    return next((r for r in results if judge(r)[0] is not Outcome.SUCCEEDED), results[0])
