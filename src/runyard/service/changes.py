"""What has changed: topics are published after each commit, and waiters wake by the event.

Positions rise by one with each publication, and those of a server stand above all of the one before it (`begin`). A
waiter may be woken for nothing, never missed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from itertools import takewhile

KEPT = 4_096
"""Publications that a late waiter can still be told apart by; older positions count as changed."""

EPOCH_BITS = 32
"""How many bits below the epoch count publications."""


class Changes:
    """One yard's topics."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._position = 1
        self._recent: deque[tuple[int, frozenset[str]]] = deque(maxlen=KEPT)
        self._waiting: dict[str, dict[int, Callable[[], object]]] = {}
        self._tickets = 0
        self._ended = False

    @property
    def position(self) -> int:
        return self._position

    def begin(self, epoch: int) -> None:
        """Leave the positions of earlier servers behind: whoever waits with one of those is woken."""
        with self._lock:
            self._position = (epoch << EPOCH_BITS) + 1

    def publish(self, topics: Iterable[str]) -> None:
        """These topics have changed."""
        changed = frozenset(topics)
        if not changed:
            return
        with self._lock:
            self._position += 1
            self._recent.append((self._position, changed))
            woken = [wake for topic in changed for wake in self._waiting.pop(topic, {}).values()]
        for wake in woken:
            wake()

    def end(self) -> None:
        """Nobody waits any longer, now or later: the server is ending."""
        with self._lock:
            self._ended = True
            self._position += 1
            woken = [wake for waiting in self._waiting.values() for wake in waiting.values()]
            self._waiting.clear()
        for wake in woken:
            wake()

    def since(self, topics: Iterable[str], after: int) -> bool:
        """Whether one of the topics may have changed after this position."""
        with self._lock:
            return self._since(frozenset(topics), after)

    def watch(self, topics: Iterable[str], after: int, wake: Callable[[], object]) -> Callable[[], None]:
        """Call `wake` (once or more, from any thread) when a topic changes; at once if it has. Returns the undoing."""
        wanted = frozenset(topics)
        with self._lock:
            if not self._since(wanted, after):
                self._tickets += 1
                ticket = self._tickets
                for topic in wanted:
                    self._waiting.setdefault(topic, {})[ticket] = wake
                return lambda: self._leave(wanted, ticket)
        wake()
        return lambda: None

    def wait(self, topics: Iterable[str], after: int, timeout_s: float) -> int:
        """Block until a topic may have changed; the new position, or `after` if the time ran out."""
        wanted = tuple(topics)
        event = threading.Event()
        leave = self.watch(wanted, after, event.set)
        try:
            return self._position if event.wait(timeout_s) else after
        finally:
            leave()

    def _since(self, topics: frozenset[str], after: int) -> bool:
        if self._ended:
            return True
        if after == self._position:
            return False
        if after > self._position or not self._recent or self._recent[0][0] > after + 1:
            return True
        later = takewhile(lambda publication: publication[0] > after, reversed(self._recent))
        return any(topics & changed for _, changed in later)

    def _leave(self, topics: frozenset[str], ticket: int) -> None:
        with self._lock:
            for topic in topics:
                waiting = self._waiting.get(topic, {})
                waiting.pop(ticket, None)
                if not waiting:
                    self._waiting.pop(topic, None)
