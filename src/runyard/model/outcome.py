"""How a job can end."""

from __future__ import annotations

from enum import Enum


class Outcome(str, Enum):
    """How a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    KILLED = "killed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    OOM = "oom"
    LOST = "lost"
    SKIPPED = "skipped"
    NOT_STARTED = "not-started"


ENDED_BADLY = ("failed", "killed", "timeout", "oom", "lost", "not-started")
"""The outcomes that nobody wished for: they pause a queue with stop-on-fail, and `retry --failed` means them."""
