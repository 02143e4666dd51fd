"""What a plain command is offered to stop and go on where it was: a directory, a signal, another attempt."""

from __future__ import annotations

from typing import Optional

from runyard.errors import InvalidSpec
from runyard.model.record import dataclass

EXIT_CHECKPOINTED = 85
"""By this exit code a command says: I have made a checkpoint, run me again."""

DIRECTORY_VARIABLE = "RUNYARD_CHECKPOINT_DIR"
RESUME_VARIABLE = "RUNYARD_RESUME"

SAVED, UNCHANGED = "checkpoint", "unchanged"
"""Causes in a Result: the command said so, and there was a new checkpoint, or none."""
GOES_ON = (SAVED, UNCHANGED)

DEFAULT_BEFORE_S = 60.0
"""How long before its time limit a command gets its signal, if nothing is said."""

DEFAULT_TRIES = 3
TRIES_MAX = 10_000
SIGNAL_MAX = 64


@dataclass(frozen=True)
class Checkpoint:
    """`directory`: the command gets one that all attempts of its job find. `signal` (0: none) is sent `signal_before_s`
    before the time limit, to the command's own process or (`signal_all`) to all of the job's. `requeue`: exit code 85
    leads to another attempt, until `tries` of them in a row have left no new checkpoint.
    """

    directory: bool = False
    signal: int = 0
    signal_before_s: float = DEFAULT_BEFORE_S
    signal_all: bool = False
    requeue: bool = False
    tries: int = DEFAULT_TRIES

    def __post_init__(self) -> None:
        if not 0 <= self.signal <= SIGNAL_MAX:
            raise InvalidSpec(f"a signal from 1 to {SIGNAL_MAX}, please", "signal")
        if not 0 <= self.signal_before_s <= 366 * 86_400:
            raise InvalidSpec("from 0 to a year before the time limit, please", "signal")
        if not 1 <= self.tries <= TRIES_MAX:
            raise InvalidSpec(f"a number from 1 to {TRIES_MAX}, please", "checkpoint-tries")

    @property
    def has_directory(self) -> bool:
        """Who is to make a checkpoint needs a place for it."""
        return self.directory or self.requeue or self.signal > 0

    def check_time(self, time_limit_s: Optional[float]) -> None:
        """InvalidSpec for a signal before an end that does not come, or comes too soon."""
        if not self.signal:
            return
        if time_limit_s is None:
            raise InvalidSpec("a signal before the time limit needs one: give --time", "signal")
        if self.signal_before_s >= time_limit_s:
            raise InvalidSpec("it would come before the job has started: the time limit is shorter than that", "signal")
