"""Runners that somebody has stopped (a job may have stopped its own) would never end what is to end: they are woken."""

from __future__ import annotations

import time

from runyard.runtime.held import Held
from runyard.runtime.watch import Watch

WAKE_EVERY_S = 1.0


class Waker:
    """While attempts are to end, their runners are woken now and then."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._ending: set[Held] = set()
        self._at = 0.0

    def add(self, held: Held) -> None:
        """It is to end."""
        self._ending.add(held)
        self._at = 0.0
        self.attend()

    def attend(self) -> None:
        """Wake who is due; called whenever the watch wakes."""
        self._ending = {held for held in self._ending if not held.final}
        if not self._ending:
            return
        left_s = self._at - time.monotonic()
        if left_s <= 0:
            for held in self._ending:
                held.wake_runner()
            left_s = WAKE_EVERY_S
            self._at = time.monotonic() + left_s
        self._watch.wake(left_s)
