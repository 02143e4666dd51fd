"""A terminal that shows another one: bytes as they are, and a clean end, whatever they have done to it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from runyard.model.screen import Modes


class Screen:
    """Standard output while a job's terminal is shown on it."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._modes = Modes()
        self._fd = sys.stdout.fileno()
        self._line_begins = True

    def show(self, data: bytes) -> None:
        """A piece of what the job writes."""
        self._modes.feed(data)
        self._line_begins = data.endswith(b"\n")
        self._put(data)

    def note(self, text: str) -> None:
        """A remark of ours between what the job writes; not on a screen that a program owns."""
        if not self._modes.alternate:
            self._put(f"{'' if self._line_begins else chr(13) + chr(10)}{text}\r\n".encode())
            self._line_begins = True

    def leave(self) -> None:
        """Take back what the job has set, and begin a line."""
        with suppress(OSError):  # it is gone
            self._put(self._modes.undo() + (b"" if self._line_begins else b"\r\n"))
        self._modes = Modes()
        self._line_begins = True

    def _put(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd, data) :]
