"""What is asked of a job's terminal, and the ticket for the stream that leads there."""

from __future__ import annotations

from runyard.errors import InvalidSpec
from runyard.model.record import dataclass

LINES_MAX = 100_000


@dataclass(frozen=True)
class AttachCall:
    """Join me with the terminal of this job's running attempt: to look and to type, to look only (`read_only`), or to
    type only (`quiet`). `lines`: so many of what was written before come first (0: all that is kept)."""

    job_id: int
    read_only: bool = False
    quiet: bool = False
    lines: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.lines <= LINES_MAX:
            raise InvalidSpec(f"from 0 to {LINES_MAX}, please", "lines")


@dataclass(frozen=True)
class Ticket:
    """Good for one stream, shortly: `GET /streams/{ticket}` and `POST /streams/{ticket}`, each once. `attempt` is the
    number of the one that it leads to."""

    ticket: str
    attempt: int
