"""A named line of jobs with limits."""

from __future__ import annotations

from dataclasses import field

from runyard.errors import InvalidSpec
from runyard.model.record import changed, dataclass
from runyard.model.spec import DEFAULT_QUEUE, ON_LOST, QUEUE_NAME


@dataclass(frozen=True)
class Queue:
    """Limits and defaults of the jobs in it. `parallel` 0 means: as many as fit.

    `defaults` are keys of `submit` (as the flags are called) that a job takes where its submitter says nothing.
    `reason` says why the queue is paused, `lost_job` which lost job has paused it (0: none).
    """

    name: str = DEFAULT_QUEUE
    parallel: int = 0
    paused: bool = False
    stop_on_fail: bool = False
    on_lost: str = "end"
    reason: str = ""
    defaults: dict[str, str] = field(default_factory=dict)
    version: int = 0
    lost_job: int = 0

    def __post_init__(self) -> None:
        if not QUEUE_NAME.fullmatch(self.name):
            raise InvalidSpec(f"{self.name!r} is no name of a queue (letters, digits, '.', '_', '-')", "queue")
        if not 0 <= self.parallel <= 1_000_000:
            raise InvalidSpec("a number from 0 (no limit) to 1000000, please", "parallel")
        if self.on_lost not in ON_LOST[1:]:
            raise InvalidSpec(f"{self.on_lost!r} is neither end nor requeue", "on-lost")

    def resumed(self) -> Queue:
        """The queue when it goes on."""
        return changed(self, paused=False, reason="", lost_job=0)
