"""What a runner has of terminals: that of its attempt, and those of earlier ones whose viewers still read the rest."""

from __future__ import annotations

import select
import socket
from typing import Optional

from runyard.runtime.protocol import Message, Start
from runyard.runtime.rundir import RunDir
from runyard.runtime.terminal import Terminal, View, open_terminal

NEVER = float("inf")

LEFT_MAX = 16
"""How many earlier attempts may have viewers who still read the rest."""


class Terminals:
    """`due` says when `tick` has something to do."""

    def __init__(self, poll: select.poll) -> None:
        self._poll = poll
        self._present: Optional[Terminal] = None
        self._left: list[Terminal] = []
        self.due = NEVER

    @property
    def read(self) -> bool:
        """Whether somebody still reads the rest of one."""
        return bool(self._left)

    @property
    def refusal(self) -> Optional[str]:
        """Why nobody can be attached to the present attempt (None: somebody can)."""
        if self._present is None:
            return "it has no terminal"
        return "too many look at it already" if self._present.full else None

    def open(self, start: Start, run_dir: RunDir) -> Optional[int]:
        """The job's end of a terminal for this attempt, if it asks for one. NotStarted where none is to be had."""
        if start.tty:
            self._present = open_terminal(start, run_dir, self._poll)
        return self._present.slave if self._present else None

    def attach(self, connection: socket.socket, message: Message) -> None:
        """A viewer of the present one, as the message wants it."""
        if self._present is not None:
            view = View(bool(message["read_only"]), bool(message["quiet"]), int(message["lines"]))
            self._present.attach(connection, view)

    def finish(self, why: str, wait_status: Optional[int]) -> None:
        """The attempt is over: all of its output is in the log before anybody learns of that."""
        terminal, self._present = self._present, None
        if terminal is not None:
            terminal.finish(why, wait_status)
            self._left.append(terminal)
            for older in self._left[:-LEFT_MAX]:
                older.tick(NEVER)
            self._look()

    def ready(self, fd: int) -> None:
        """Something can be done with a descriptor that is one of theirs."""
        if self._present is not None and self._present.ready(fd):
            return
        if any(terminal.ready(fd) for terminal in self._left):
            self._look()

    def tick(self, now: float) -> None:
        """Let those go who have not read the rest in time."""
        for terminal in self._left:
            terminal.tick(now)
        self._look()

    def _look(self) -> None:
        self._left = [terminal for terminal in self._left if not terminal.done]
        self.due = min((terminal.due for terminal in self._left), default=NEVER)
