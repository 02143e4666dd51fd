"""Work that may take its time, or hang, done in threads of its own: the agent's loop never waits for it.

`ask` hands an item over; `fileno()` is readable when `take` has what became of one. At most `most` items are worked on
at a time; work that hangs for good keeps its thread. What work raises becomes a result as well (`failed` makes it).
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger("runyard.agent")


class Aside(Generic[Item, Result]):
    """Threads that are started when there is something to do for them. All methods are the loop's to call."""

    def __init__(
        self, name: str, most: int, work: Callable[[Item], Result], failed: Callable[[Item, Exception], Result]
    ) -> None:
        self._name = name
        self._most = most
        self._work = work
        self._failed = failed
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._done: list[Result] = []
        self._asked = 0
        self._threads = 0
        self._closed = False
        self._read, self._write = os.pipe()

    def fileno(self) -> int:
        return self._read

    def ask(self, item: Item) -> None:
        """Work on this one."""
        self._asked += 1
        self._items.put(item)
        if self._threads < min(self._asked, self._most):
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
            self._threads += 1

    def take(self) -> list[Result]:
        """What is done since the last call."""
        if not self._done:
            return []
        with self._lock:
            os.read(self._read, 1)
            taken, self._done = self._done, []
        self._asked -= len(taken)
        return taken

    def close(self) -> None:
        """Nobody waits for what is still being done."""
        with self._lock:
            self._closed = True
            os.close(self._read)
            os.close(self._write)

    def _run(self) -> None:
        while True:
            item = self._items.get()
            try:
                result = self._work(item)
            except Exception as error:  # whatever is wrong with one item, the next ones must be worked on
                log.exception("to %s failed", self._name)
                result = self._failed(item, error)
            self._finish(result)

    def _finish(self, result: Result) -> None:
        """There is a byte in the pipe as long as there is something to take."""
        with self._lock:
            if self._closed:
                return
            if not self._done:
                os.write(self._write, b"\0")
            self._done.append(result)
