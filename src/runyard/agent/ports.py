"""Ports of this host, granted to attempts as GPUs are: two jobs never get the same one.

The agent knows which it has granted; whether somebody else has a port is asked of the kernel, by binding it for a
moment, right before the start. (It cannot be held until the job binds it: the job could not bind it then.) Grants go
round the range, so that a port is given again late: what a job leaves behind on it (connections that linger) is gone by
then. Another account's agent on the same host has its own grants; it begins elsewhere in the range.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable
from typing import Optional

from runyard.model.attempt import AttemptKey

_NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)

STRIDE = 997
"""How far apart agents of different accounts begin."""


def is_free(port: int) -> bool:
    """Whether this port can be bound now, on all addresses."""
    for kind, address in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):
        try:
            with socket.socket(kind, socket.SOCK_STREAM) as asked:
                if kind == socket.AF_INET6:
                    asked.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                asked.bind((address, port))
        except OSError as error:
            if error.errno not in _NO_SUCH_FAMILY:
                return False
    return True


class Ports:
    """The range `first` to `last`, and who has what of it."""

    def __init__(self, first: int, last: int, begin: int = 0, free: Callable[[int], bool] = is_free) -> None:
        self._first = first
        self._count = max(0, last - first + 1)
        self._next = begin * STRIDE % self._count if self._count else 0
        self._free = free
        self._granted: dict[AttemptKey, tuple[int, ...]] = {}

    def grant(self, key: AttemptKey, count: int) -> Optional[tuple[int, ...]]:
        """`count` ports for this attempt, which are its own until `release`; None: there are not so many."""
        taken = {port for ports in self._granted.values() for port in ports}
        found: list[int] = []
        for step in range(self._count if count else 0):
            port = self._first + (self._next + step) % self._count
            if port not in taken and self._free(port):
                found.append(port)
            if len(found) == count:
                self._next = (self._next + step + 1) % self._count
                self._granted[key] = tuple(found)
                return tuple(found)
        return None if count else ()

    def keep(self, key: AttemptKey, ports: Iterable[int]) -> None:
        """This attempt has them already: an earlier agent gave them."""
        self._granted[key] = tuple(ports)

    def release(self, key: AttemptKey) -> None:
        """It has ended."""
        self._granted.pop(key, None)
