"""Waiting for jobs: one call that sleeps in the server, and a client that outlives the server's restart.

A server that goes away is waited for, never started: who stopped it did so on purpose, and the jobs run on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from runyard.api import JobRow
from runyard.cli.context import App
from runyard.cli.render.text import label, numbers, ranges
from runyard.errors import StorageFull, TimedOut, Unavailable
from runyard.model.ending import EXIT_OF, EXIT_SIGNAL
from runyard.model.filter import JobQuery
from runyard.model.job import JobState
from runyard.model.outcome import Outcome

if TYPE_CHECKING:
    from runyard.api import Service

T = TypeVar("T")

CALL_S = 20.0
"""How long one call waits in the server."""
WINDOW = 200
"""How many jobs are watched at a time; those after them are looked at when these have ended."""
AWAY_S = 30.0
"""How long a server may be away before we give up."""
AGAIN_S = 0.25
SIGKILL = 9
DONE = JobState.DONE.value
HELD = "held"


class Watcher:
    """Calls to a server that may come and go, and its news."""

    def __init__(self, app: App, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self.clock = clock
        self._service = app.service()
        self._position = 0

    def call(self, verb: Callable[[Service], T]) -> T:
        """The verb's answer, asked again when the server has come back."""
        end = self.clock() + AWAY_S
        while True:
            try:
                return verb(self._service)
            except StorageFull:
                raise
            except Unavailable:
                if self.clock() > end:
                    raise Unavailable(
                        "the server has gone; the jobs run on (`ry server start` starts it again)"
                    ) from None
                self._position = 0
                self._app.sleep(AGAIN_S)
                self._service = self._app.reach() or self._service

    def rows(self, ids: Sequence[int]) -> dict[int, JobRow]:
        """Where these jobs stand, by id."""
        selectors = tuple(str(low) if low == high else f"{low}-{high}" for low, high in ranges(ids))
        wanted = set(ids)
        rows = self.call(lambda service: service.jobs(JobQuery(selectors=selectors)))
        return {row.id: row for row in rows if row.id in wanted}

    def news(self, ids: Sequence[int], timeout_s: float) -> None:
        """Return when one of the jobs may have changed, or after the time. The first call returns at once."""
        topics = tuple(f"job:{job_id}" for job_id in ids)
        self._position = self.call(lambda service: service.changed(topics, self._position, timeout_s))


def until_ended(
    watcher: Watcher,
    rows: Sequence[JobRow],
    timeout_s: float | None = None,
    seen: Callable[[Iterable[JobRow]], None] = lambda rows: None,
) -> Iterator[JobRow]:
    """Each of these jobs as it is found to have ended; TimedOut when the time is over before that.

    `seen` is called with rows that have not ended, as they are found to be.
    """
    end = None if timeout_s is None else watcher.clock() + timeout_s
    yield from (row for row in rows if row.state == DONE)
    left = [row.id for row in rows if row.state != DONE]
    seen(row for row in rows if row.state != DONE)
    while left:
        over = end is not None and watcher.clock() >= end
        window = left if over else left[:WINDOW]
        now = watcher.rows(window)
        yield from (row for row in now.values() if row.state == DONE)
        waiting = [now[job_id] for job_id in window if job_id in now and now[job_id].state != DONE]
        left = [row.id for row in waiting] + left[len(window) :]
        seen(waiting)
        if over and left:
            raise TimedOut(_not_ended(waiting, len(rows)))
        if len(waiting) == len(window):
            watcher.news(window, _wait_s(watcher, end))


def _not_ended(left: Sequence[JobRow], total: int) -> str:
    """What is said of jobs when the time is over: nothing has been done to them."""
    words = Counter(row.word for row in left)
    if total == 1:
        return f"job {left[0].id} ({label(left[0])}) has not ended yet: it is {left[0].word}"
    counts = ", ".join(f"{count} {word}" for word, count in words.most_common())
    return f"{len(left)} of {total} jobs {'has' if len(left) == 1 else 'have'} not ended yet: {counts}"


class Remarks:
    """Says of jobs that somebody waits for, once each, that they are held, and how they are released."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._told: set[int] = set()

    def held(self, rows: Iterable[JobRow]) -> None:
        """Look at these jobs."""
        new = [row for row in rows if row.word == HELD and row.id not in self._told]
        self._told |= {row.id for row in new}
        if len(new) == 1:
            self._app.output.note(f"ry: job {new[0].id} ({label(new[0])}) is held; `ry release {new[0].id}` lets it go")
        elif new:
            ids = [row.id for row in new]
            self._app.output.note(
                f"ry: {len(ids)} of the jobs are held: {numbers(ids)}; `ry release JOB...` lets them go"
            )


def _wait_s(watcher: Watcher, end: float | None) -> float:
    return CALL_S if end is None else max(0.0, min(CALL_S, end - watcher.clock()))


def exit_code(row: JobRow) -> int:
    """What `run` and `wait` return for a job that has ended."""
    outcome = Outcome(row.outcome) if row.outcome else Outcome.LOST
    if outcome in EXIT_OF:
        return EXIT_OF[outcome]
    if row.exit_code is not None:
        return row.exit_code
    return EXIT_SIGNAL + SIGKILL if outcome is Outcome.OOM else 1
