"""All that one engine waits for, behind one descriptor: an epoll set with a handler for each member, and an alarm."""

from __future__ import annotations

import select
from collections.abc import Callable

from runyard.runtime.native import Alarm

READ, WRITE = select.EPOLLIN, select.EPOLLOUT


class Watch:
    """`fileno()` is readable when `dispatch` has something to do."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._alarm = Alarm()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._epoll.register(self._alarm.fd, READ)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def add(self, fd: int, handler: Callable[[], None]) -> None:
        """Call this when the descriptor is readable or hung up."""
        self._epoll.register(fd, READ)
        self._handlers[fd] = handler

    def writing(self, fd: int, wanted: bool) -> None:
        """Whether this member is also waited for until it can be written to."""
        self._epoll.modify(fd, READ | WRITE if wanted else READ)

    def remove(self, fd: int) -> None:
        """Before it is closed."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def wake(self, in_s: float) -> None:
        """Make `fileno()` readable by then at the latest."""
        self._alarm.set(in_s)

    def dispatch(self, wait_s: float = 0.0) -> None:
        """Call the handlers of all that is ready; waits for the first of them at most so long."""
        for fd, _ in self._epoll.poll(wait_s):
            handler = self._handlers.get(fd)
            if handler is not None:
                handler()
            elif fd == self._alarm.fd:
                self._alarm.clear()

    def close(self) -> None:
        self._epoll.close()
        self._alarm.close()
