"""Keeps the logs of our processes from growing without end: a large one is copied to `.1` beside it and emptied.

All of them are written through descriptors that were opened to append, so what comes next begins a file that is empty
again. What is written between the copy and the emptying is lost: a few lines every 10 MB.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress

from runyard.settings import Home

PROCESSES = ("server", "agent", "zygote")
LOG_MAX_BYTES = 10_000_000

log = logging.getLogger("runyard.server")


def cap_all(home: Home) -> None:
    """Look at every log of this home."""
    for process in PROCESSES:
        try:
            cap(home.log(process))
        except OSError as error:
            log.warning("%s cannot be cut: %s", home.log(process), error.strerror)


def cap(path: str) -> None:
    """Empty this log if it is too large; its end is in PATH.1 then."""
    try:
        source = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        size = os.fstat(source).st_size
        if size > LOG_MAX_BYTES:
            _copy(source, size - LOG_MAX_BYTES, path + ".1")
            os.ftruncate(source, 0)
    finally:
        os.close(source)


def _copy(source: int, offset: int, path: str) -> None:
    """What comes after the offset becomes the file at this path."""
    made = path + ".new"
    with suppress(FileNotFoundError):
        os.unlink(made)
    target = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        while sent := os.sendfile(target, source, offset, LOG_MAX_BYTES):
            offset += sent
        os.rename(made, path)
    except OSError:
        os.unlink(made)
        raise
    finally:
        os.close(target)
