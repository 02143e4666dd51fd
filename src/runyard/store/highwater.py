"""The high-water mark: how far this yard's store had come, in a small file beside the database.

A database can lose its last transactions without an error (a write-ahead log that was cut or has a hole), or be an
older copy. Then it is behind the mark. The mark is written after each commit, in place, and flushed to disk at most
once a second: it may lag behind a power cut by a moment, never behind a killed process.
"""

from __future__ import annotations

import logging
import os
import time
import zlib
from collections.abc import Callable
from dataclasses import astuple, dataclass

FLUSH_EVERY_S = 1.0

log = logging.getLogger("runyard.store")


@dataclass(frozen=True)
class Level:
    """Which yard, how many events, transactions and starts of a controller it has seen, and the last ids given.

    The one row of the table `yard`, and the line in the mark's file.
    """

    yard: str = ""
    feed: int = 0
    serial: int = 0
    epoch: int = 0
    last_job: int = 0
    last_group: int = 0

    def raised(self, *others: Level) -> Level:
        """The same yard, each number as high as the highest of all of these."""
        numbers = (astuple(level)[1:] for level in (self, *others))
        return Level(self.yard, *map(max, zip(*numbers, strict=True)))


class HighWater:
    """The mark in one file."""

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._flushed_at = clock()
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.level = self._read()

    def compare(self, level: Level) -> str:
        """What is wrong with a store at this level; "" if nothing is."""
        mark = self.level
        if mark.yard and mark.yard != level.yard:
            return f"this is another store than before (yard {level.yard}, it was {mark.yard})"
        if level.feed < mark.feed:
            return f"the store has lost its end: {mark.feed} events were committed, {level.feed} are there"
        if level.serial < mark.serial or level.epoch < mark.epoch:
            return f"the store has lost its end: {mark.serial} transactions were committed, {level.serial} are there"
        return ""

    def write(self, level: Level, flush: bool = False) -> None:
        """The store is there. That it fails (a full disk) must not fail what is committed already."""
        if level != self.level:
            self.level = level
            ids = f"{level.last_job:020d} {level.last_group:020d}"
            text = f"{level.feed:020d} {level.serial:020d} {level.epoch:010d} {ids} {level.yard}"
            try:
                os.pwrite(self._file, f"{text} {zlib.crc32(text.encode()):08x}\n".encode(), 0)
            except OSError as error:
                log.warning("the high-water mark cannot be written: %s", error)
        if flush or self._clock() - self._flushed_at >= FLUSH_EVERY_S:
            self._flush()

    def close(self) -> None:
        """Flush and let go."""
        if self._file >= 0:
            self._flush()
            os.close(self._file)
            self._file = -1

    def _flush(self) -> None:
        self._flushed_at = self._clock()
        try:
            os.fdatasync(self._file)
        except OSError as error:
            log.warning("the high-water mark cannot be flushed: %s", error)

    def _read(self) -> Level:
        """What the file says; nothing if it is new or damaged."""
        line = os.pread(self._file, 4096, 0).decode("ascii", "replace").partition("\n")[0]
        text, _, check = line.rpartition(" ")
        parts = text.split(" ")
        if check == f"{zlib.crc32(text.encode()):08x}" and len(parts) == 6:
            return Level(parts[5], *map(int, parts[:5]))
        if line:
            log.warning("the high-water mark is damaged and begins anew")
        return Level()
