"""The high-water mark: the highest feed number that was ever committed, in a small file beside the database.

A database can lose its last transactions without an error (a write-ahead log that was cut or has a hole), or be an
older copy. Then it has fewer events than the mark says. The mark is written after each commit, in place, and flushed to
disk at most once a second: it may lag behind a power cut by a moment, never behind a killed process.
"""

from __future__ import annotations

import logging
import os
import time
import zlib
from collections.abc import Callable

FLUSH_EVERY_S = 1.0

log = logging.getLogger("runyard.store")


class HighWater:
    """One mark. It holds the id of its yard too, so that another store in the same place is noticed."""

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._flushed_at = clock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._yard, self._feed = self._read()

    @property
    def feed(self) -> int:
        """The highest number committed."""
        return self._feed

    def compare(self, yard: str, feed: int) -> str:
        """What is wrong with a store that has this id and this many events; "" if nothing is."""
        if self._yard and self._yard != yard:
            return f"this is another store than before (yard {yard}, it was {self._yard})"
        if feed < self._feed:
            return f"the store has lost its end: {self._feed} events were committed, {feed} are there"
        return ""

    def rise(self, yard: str, feed: int) -> None:
        """So much is committed."""
        if (yard, feed) != (self._yard, self._feed):
            self._write(yard, feed)

    def reset(self, yard: str, feed: int) -> None:
        """The store is as it is."""
        self._write(yard, feed)
        self._flush()

    def close(self) -> None:
        """Flush and let go."""
        if self._file >= 0:
            self._flush()
            os.close(self._file)
            self._file = -1

    def _write(self, yard: str, feed: int) -> None:
        """In place and of one size. That it fails (a full disk) must not fail what is committed already."""
        self._yard, self._feed = yard, feed
        text = f"{feed:020d} {yard}"
        try:
            os.pwrite(self._file, f"{text} {zlib.crc32(text.encode()):08x}\n".encode(), 0)
        except OSError as error:
            log.warning("the high-water mark cannot be written: %s", error)
            return
        if self._clock() - self._flushed_at >= FLUSH_EVERY_S:
            self._flush()

    def _flush(self) -> None:
        self._flushed_at = self._clock()
        try:
            os.fdatasync(self._file)
        except OSError as error:
            log.warning("the high-water mark cannot be flushed: %s", error)

    def _read(self) -> tuple[str, int]:
        """What the file says; nothing if it is new or damaged."""
        line = os.pread(self._file, 4096, 0).decode("ascii", "replace").partition("\n")[0]
        text, _, check = line.rpartition(" ")
        if not text:
            return "", 0
        feed, _, yard = text.partition(" ")
        if check != f"{zlib.crc32(text.encode()):08x}" or not feed.isdecimal():
            log.warning("the high-water mark is damaged and begins anew")
            return "", 0
        return yard, int(feed)
