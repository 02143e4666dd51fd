"""Following the output of a job while it is written, over its attempts, to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from runyard.api import Chunk, JobRow
from runyard.cli.context import App
from runyard.cli.render.text import harmless, label
from runyard.cli.waiting import CALL_S, DONE, HELD, Remarks, Watcher
from runyard.errors import Conflict, NotFound
from runyard.model.job import WAITING

if TYPE_CHECKING:
    from runyard.api import Service

CHUNK_BYTES = 256 * 1024
RAN = ("succeeded", "failed", "killed", "timeout", "oom")
"""Outcomes of jobs that have had an output."""
MOMENT_S = 1.0
"""A job that has not started after so long is said to wait."""
LOOKS = 2
"""That is said at this look: the first one is at once, the next when something happens or after MOMENT_S."""
QUICK_S = 0.05
SLOW_S = 0.5
"""How often a quiet output is looked at: between these, the longer the quieter."""


class Sink(Protocol):
    """Takes the bytes of an output."""

    def write(self, data: bytes) -> None:
        """Show a piece."""


class Enough(Exception):
    """A sink that wants no more."""


class Follower:
    """Shows the output of one job as it comes. `number` is the attempt to follow (0: from the present one to the last).

    Where it stands is kept between calls of `to_the_end`, so that an interrupted one can go on.
    """

    def __init__(self, app: App, job_id: int, sink: Sink, number: int = 0) -> None:
        self._app = app
        self._job_id = job_id
        self._sink = sink
        self._only = number
        self._number = number
        self._offset = 0
        self._watcher = Watcher(app)
        self._starting = Starting(app)

    def reconnect(self) -> None:
        """Begin a new connection: the old one may have been interrupted in the middle of an answer."""
        self._app.forget_service()
        self._watcher = Watcher(self._app)

    def skip(self, chunk: Chunk, number: int) -> None:
        """What was shown already: go on after this chunk of this attempt."""
        self._number = number
        self._offset = chunk.offset + len(chunk.data)

    def to_the_end(self) -> JobRow:
        """Show everything that comes; the job's row when nothing more can come."""
        pause = QUICK_S
        while True:
            row = self._watcher.rows([self._job_id])[self._job_id]
            self._number = self._number or row.attempt
            shown, over = self._look(row)
            if over and not self._only and row.attempt > self._number:
                self._next()
                continue
            if over and (self._only or row.state == DONE):
                return row
            pause = QUICK_S if shown else min(SLOW_S, pause * 1.5)
            patience = self._starting.look(row)
            if patience is None:
                patience = CALL_S if over or not self._number else pause
            self._watcher.news([self._job_id], patience)

    def _next(self) -> None:
        self._number += 1
        self._offset = 0
        self._app.output.note(f"ry: attempt {self._number} of job {self._job_id}")

    def _look(self, row: JobRow) -> tuple[bool, bool]:
        """Show what there is of the attempt that is followed: whether something, and whether no more can come."""
        if not 0 < self._number <= row.attempt:
            return False, row.state == DONE
        try:
            return self._drain()
        except (Conflict, NotFound) as error:  # not begun yet, never, collected, or no file that can be read
            if row.state == DONE and row.outcome in RAN:
                self._app.output.note(f"ry: {error.message}")
            return False, row.state == DONE

    def _drain(self) -> tuple[bool, bool]:
        """Show what is there: whether there was something, and whether nothing more can come."""
        shown = False
        while True:
            chunk = self._watcher.call(self._read)
            if chunk.data:
                self._offset = chunk.offset + len(chunk.data)
                self._sink.write(chunk.data)
                shown = True
            if chunk.final or not chunk.data:
                return shown, chunk.final

    def _read(self, service: Service) -> Chunk:
        return service.output(self._job_id, self._number, self._offset, CHUNK_BYTES)


class Starting:
    """Says once, on standard error, what a job waits for that does not start: held at once, else after a moment."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._held = Remarks(app)
        self._looks = 0

    def look(self, row: JobRow) -> float | None:
        """Where the job stands; how long to wait for news of it now, or None if that makes no difference to us."""
        self._held.held([row])
        if row.word == HELD:
            return None
        if row.word not in WAITING:
            self._looks = LOOKS + 1  # it has begun: its next tries are another matter
        if self._looks > LOOKS:
            return None
        self._looks += 1
        if self._looks <= LOOKS:
            return MOMENT_S
        why = f": {harmless(row.reason)}" if row.reason else ""
        self._app.output.note(f"ry: job {row.id} ({label(row)}) is {row.word}{why}")
        return None
