"""Locks that the kernel drops with their holder: one server per home, one agent per account and host, a run file.

They are OFD locks: they belong to an open file, not to a process. Looking (`is_locked`) never takes one.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

_FLOCK = "hhqqi4x"
_WRITE_LOCK = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


def try_lock(fd: int) -> bool:
    """Lock this open file, for as long as it is open. False: another one has the lock."""
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _WRITE_LOCK)
    except (BlockingIOError, PermissionError):
        return False
    return True


def is_locked(fd: int) -> bool:
    """Whether another open file holds the lock; never takes it."""
    answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _WRITE_LOCK)
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


@contextmanager
def held(path: str) -> Iterator[None]:
    """Hold the lock of this file for a moment; wait for whoever has it."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, _WRITE_LOCK)
        yield
    finally:
        os.close(descriptor)


class HomeLock:
    """A lock file that says who holds it. The descriptor is never inherited."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: Optional[int] = None

    def take(self, **about: object) -> bool:
        """Take the lock and note `about` in the file; False if another process has it."""
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        taken = False
        try:
            taken = try_lock(descriptor)
        finally:
            if not taken:
                os.close(descriptor)
        if not taken:
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), **about}).encode("ascii"), 0)
        self._descriptor = descriptor
        return True

    def holder(self) -> Optional[dict[str, object]]:
        """What the holder noted, or None if nobody holds it. Looks only; never takes it, not even for a moment."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            if not is_locked(descriptor):
                return None
            noted = json.loads(os.pread(descriptor, 4096, 0) or b"{}")
            return noted if isinstance(noted, dict) else {}
        except ValueError:
            return {}
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Let it go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
