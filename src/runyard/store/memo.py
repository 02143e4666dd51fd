"""What the writer remembers between its transactions, so that a tick costs what has changed and not what there is.

Everything here can be read again from the database. It is valid as long as no other program has written (the yard's
`serial` tells) and is forgotten with every rollback.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from runyard.model.job import Job, JobState
from runyard.model.view import Head, Shape

JOBS_KEPT = 20_000


@dataclass
class Memo:
    """`jobs` that are not done, as they now are, with their shape; ids of shapes; the heads of each shape."""

    serial: int = -1
    jobs: dict[int, tuple[Job, int]] = field(default_factory=dict)
    shapes: dict[Shape, int] = field(default_factory=dict)
    heads: dict[int, tuple[Head, ...]] = field(default_factory=dict)

    def begin(self, serial: int) -> None:
        """A transaction begins at this serial of the yard."""
        if serial != self.serial or len(self.jobs) > JOBS_KEPT:
            self.forget()
            self.serial = serial

    def forget(self) -> None:
        """Nothing is known any more."""
        self.serial = -1
        self.jobs.clear()
        self.shapes.clear()
        self.heads.clear()

    def keep(self, job: Job, shape: int) -> None:
        """The job as it now is."""
        if job.state is JobState.DONE:
            self.jobs.pop(job.id, None)
        else:
            self.jobs[job.id] = (job, shape)
