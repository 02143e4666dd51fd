"""How a run of a pipeline stands: what every backend tells, whoever asks. Pure.

`status` of a job is pending, running, passed, failed or skipped; that of the whole is init (not started), running,
done, or interrupted (whoever saw to it has gone, and jobs are left).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from runyard.model.record import dataclass

PENDING, RUNNING, PASSED, FAILED, SKIPPED = "pending", "running", "passed", "failed", "skipped"
STATUSES = (PENDING, RUNNING, PASSED, FAILED, SKIPPED)
INIT, DONE, INTERRUPTED = "init", "done", "interrupted"


@dataclass(frozen=True)
class JobState:
    """One job. `code` is its exit code when it has ended (None: not known), `reason` why it was skipped or failed.

    `log` is the file with its output ("": none is kept). Times are wall times.
    """

    name: str
    status: str = PENDING
    code: int | None = None
    reason: str = ""
    log: str = ""
    started_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True)
class PipelineState:
    """A whole pipeline. `jobs` are in the order of their submission."""

    name: str
    status: str
    jobs: tuple[JobState, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs have each of the statuses."""
        counted = Counter(job.status for job in self.jobs)
        return {status: counted[status] for status in STATUSES}

    @property
    def summary(self) -> str:
        """The counts in a line: `3 passed, 1 failed, 1 skipped`."""
        counts = self.counts
        told = [f"{counts[status]} {status}" for status in (PASSED, FAILED, SKIPPED)]
        told.extend(f"{counts[status]} {status}" for status in (RUNNING, PENDING) if counts[status])
        return ", ".join(told)

    @property
    def over(self) -> bool:
        return self.status in (DONE, INTERRUPTED)

    @property
    def good(self) -> bool:
        """All jobs have passed."""
        return self.status == DONE and all(job.status == PASSED for job in self.jobs)

    def of(self, *statuses: str) -> Sequence[JobState]:
        return [job for job in self.jobs if job.status in statuses]

    def as_dict(self) -> dict[str, Any]:
        """As `read_state` gives it: the counts beside the status, and a dict for each job."""
        return {
            "name": self.name,
            "status": self.status,
            **self.counts,
            "total": len(self.jobs),
            "jobs": [dict(vars(job)) for job in self.jobs],
        }
