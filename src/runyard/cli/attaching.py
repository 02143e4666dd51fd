"""From a job to its terminal and back again: waiting for its start, streams that break, further attempts, its end.

For `attach`, and for `run` of a job with a terminal. A server or an agent that goes away is waited for, as long as it
takes, with the terminal as it was; the job notices nothing. Ctrl-C ends the waiting.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple, TypeVar

from runyard.api import JobRow
from runyard.cli.context import App
from runyard.cli.following import Starting
from runyard.cli.keys import parse, spelled
from runyard.cli.render.text import harmless, label
from runyard.cli.viewer import CONTINUED, DETACHED, LOST, NOT_IN, OVER, STOPPED, Killed, Parting, Viewer
from runyard.cli.waiting import AGAIN_S, CALL_S, DONE, Watcher
from runyard.errors import Conflict, NotFound, StorageFull, Unavailable
from runyard.foreign.terminal import is_terminal, window_size
from runyard.model.attaching import AttachCall
from runyard.model.job import JobState

T = TypeVar("T")

RUNNING = JobState.RUNNING.value
SOON_S = 0.5
"""When a terminal has told of the end, how long its news is waited for before it is asked for."""


class Manner(NamedTuple):
    """How to attach. `keys` leave; `whole`: all that is kept of what was written before comes, not one screen of it."""

    keys: bytes
    read_only: bool = False
    whole: bool = False


def possible() -> bool:
    """Whether there is a terminal to attach: standard input and output are one."""
    return is_terminal(0) and is_terminal(1)


def keys_that_leave(app: App, given: str | None) -> bytes:
    """As the flag says, else as the settings do."""
    return parse(app.settings.detach_keys if given is None else given)


class Attached:
    """One job on this terminal. `seen`: something of it was shown."""

    def __init__(self, app: App, job_id: int, manner: Manner) -> None:
        self._app = app
        self._job_id = job_id
        self._manner = manner
        self._watcher = Watcher(app)
        self._starting = Starting(app)
        self._viewer = Viewer(manner.keys, manner.read_only)
        self._over = 0
        self._away = False
        self.seen = False

    def to_the_end(self) -> JobRow | None:
        """The job's last row, or None where the user detached. A signal that ends us ends us as it would have."""
        try:
            while True:
                row = self._started()
                if row.state == DONE:
                    return row
                parting = self._one_stream(row)
                if parting.how == DETACHED:
                    return None
                self._after(parting)
        except Killed as killed:
            self._app.output.last_word(f"ry: job {self._job_id} runs on; `ry attach {self._job_id}` comes back")
            signal.signal(killed.number, signal.SIG_DFL)
            os.kill(os.getpid(), killed.number)
            raise KeyboardInterrupt from None

    def _started(self) -> JobRow:
        """The job, when an attempt whose end we have not seen runs, or none will."""
        while True:
            row = self._patiently(self._row)
            if row.state == DONE or (row.state == RUNNING and row.attempt > self._over):
                return row
            patience = self._starting.look(row)
            self._news(CALL_S if patience is None else patience)

    def _one_stream(self, row: JobRow) -> Parting:
        """Ask for a stream, and look at it to its end."""
        try:
            service = self._app.service()
            ticket = service.attach(AttachCall(row.id, self._manner.read_only, lines=self._lines()))
            stream = self._app.wiring.stream(service, ticket.ticket)
        except Conflict:
            if row.state != self._patiently(self._row).state:
                return Parting(NOT_IN)  # it has ended meanwhile
            raise
        except NotFound:
            return Parting(NOT_IN)
        except Unavailable as error:
            return Parting(LOST, error.message)
        with closing(stream):
            parting = self._viewer.watch(stream, self._greeting(row))
        if self._viewer.joined:
            self.seen, self._away = True, False
        if parting.how == OVER:
            self._over = ticket.attempt
        return parting

    def _row(self) -> JobRow:
        return self._watcher.rows([self._job_id])[self._job_id]

    def _lines(self) -> int:
        size = window_size(1)
        return 0 if self._manner.whole or size is None else max(1, size.rows - 1)

    def _greeting(self, row: JobRow) -> str:
        """What the user is told on entering: which keys leave."""
        if self.seen:
            return f"ry: attached to job {row.id} again"
        keys = spelled(self._manner.keys)
        ways = [*([keys] if keys else []), *(["Ctrl-C"] if self._manner.read_only else [])]
        how = f"{' or '.join(ways)} detaches" if ways else "no key detaches"
        looking = ", looking only" if self._manner.read_only else ""
        return f"ry: attached to job {row.id} ({label(row)}){looking}; {how}"

    def _after(self, parting: Parting) -> None:
        """What is to be done before the next look."""
        if parting.how == STOPPED:
            signal.raise_signal(signal.SIGSTOP)
        elif parting.how == LOST:
            self._app.sleep(AGAIN_S)  # whoever is about to die is dead then
            self._gone(parting.why)
        elif parting.how == CONTINUED:
            return
        elif parting.why:
            raise Conflict(f"job {self._job_id} cannot be attached: {parting.why}")
        else:
            self._news(SOON_S)

    def _gone(self, why: str) -> None:
        """Say once that server or agent are away."""
        if not self._away:
            self._away = True
            there = self._app.settings.host if self._app.settings.is_far else ""
            server = f"the connection to {there}" if there else "the server"
            who = server if self._app.reach() is None else "the agent"
            self._app.output.note(
                f"ry: {who} has gone{f' ({harmless(why)})' if why else ''}; the job runs on, and this attaches again"
                " when it is back (Ctrl-C ends the waiting)"
            )

    def _news(self, wait_s: float) -> None:
        self._patiently(lambda: self._watcher.news([self._job_id], wait_s))

    def _patiently(self, call: Callable[[], T]) -> T:
        """The answer, however long the server is away."""
        while True:
            try:
                return call()
            except StorageFull:
                raise
            except Unavailable as error:
                self._gone(error.message)
