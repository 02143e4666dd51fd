"""Threads that last: what their work raises is written to the log, and after a pause they go on.

For the loops of server and agent, which nobody would begin again. What a loop still has to do is kept by its object, so
that one that is called again goes on with it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

AGAIN_S = 5.0

log = logging.getLogger("runyard.thread")


def lasting(name: str, loop: Callable[[], None], again_s: float = AGAIN_S) -> threading.Thread:
    """A thread, not started yet, that calls `loop` until it returns."""

    def run() -> None:
        while True:
            try:
                return loop()
            except Exception:  # Whatever has gone wrong once, nobody else does what this thread is for.
                log.exception("the thread %r goes on in %g s", name, again_s)
                time.sleep(again_s)

    return threading.Thread(target=run, name=name[:15], daemon=True)
