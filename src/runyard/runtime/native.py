"""The few kernel calls that the standard library does not offer, by ctypes. The zygote loads this before it forks.

`Alarm` is the engine's only clock: a descriptor that becomes readable at a time, so that a single epoll holds all
there is to wait for.
"""

from __future__ import annotations

import ctypes
import os
import time

PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
TFD_NONBLOCK = os.O_NONBLOCK
TFD_CLOEXEC = os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


class _Timerspec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "s", "ns")]


def become_subreaper() -> None:
    """Descendants that lose their parent become children of this process."""
    _checked(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def name_process(name: str) -> None:
    """What `ps` and `top` show for this process, as its name and as its command line."""
    text = name.encode("ascii")
    buffer = ctypes.create_string_buffer(text[:15])
    _checked(_libc.prctl(PR_SET_NAME, ctypes.addressof(buffer), 0, 0, 0))
    start, end = _argument_area()
    if end - start > len(text):
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, text, len(text))


def _argument_area() -> tuple[int, int]:
    """Where the kernel looks for the command line (arg_start and arg_end of /proc/self/stat)."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[45]), int(fields[46])


def return_memory() -> None:
    """Give the system back what was freed and is kept for later (where the C library can)."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)


class Alarm:
    """A timer with a descriptor: `set` it, wait for `fd`, `clear` it. Setting it again only makes it earlier."""

    def __init__(self) -> None:
        self.fd = _checked(_libc.timerfd_create(time.CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC))
        self._due = float("inf")

    def set(self, in_s: float) -> None:
        """Become readable after this many seconds, unless an earlier time is set already."""
        due = time.monotonic() + max(in_s, 0.0)
        if due < self._due:
            self._due = due
            self._arm(max(in_s, 1e-9))

    def clear(self) -> None:
        """It has been heard; nothing is set now."""
        if self._due != float("inf"):
            self._due = float("inf")
            self._arm(0.0)

    def close(self) -> None:
        os.close(self.fd)

    def _arm(self, in_s: float) -> None:
        spec = _Timerspec(0, 0, int(in_s), int(in_s % 1 * 1e9))
        _checked(_libc.timerfd_settime(self.fd, 0, ctypes.byref(spec), None))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
