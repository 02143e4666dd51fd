"""Unix sockets: bound private, reached by paths of any length, and who is at the other end.

The server and each runner listen and ask who calls; clients and the agent connect. A socket address holds 108 bytes, so
a socket is named through a descriptor of its directory. All raise OSError.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional, Union

_CREDENTIALS = "3i"

Identity = tuple[int, int]
"""A file and no other as long as it exists: device and inode."""


def bind(path: str) -> socket.socket:
    """A socket that is bound to this path, 0600 from its first instant. Nothing may be there yet.

    The kernel takes the mode from the unbound socket, so no other thread meets a changed umask.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(made.fileno(), 0o600)
        with _address(path) as address:
            made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def connect(path: str, wait: bool = True) -> socket.socket:
    """A connection to the socket at this path; one that is not to `wait` never blocks, now or later."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(wait)
    try:
        with _address(path) as address:
            made.connect(address)
    except OSError:
        made.close()
        raise
    return made


def peer_uid(connection: Union[socket.socket, None]) -> int:
    """The uid of the process at the other end, as it was when it connected (-1: not a Unix socket)."""
    if connection is None or connection.family != socket.AF_UNIX:
        return -1
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(_CREDENTIALS))
    return int(struct.unpack(_CREDENTIALS, credentials)[1])


def identity(path: str) -> Optional[Identity]:
    """Which socket is at this path; None if none is."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISSOCK(found.st_mode) else None


@contextmanager
def _address(path: str) -> Iterator[str]:
    directory = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{os.path.basename(path)}"
    finally:
        os.close(directory)
