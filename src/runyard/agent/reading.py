"""Reads on in what one attempt writes, its output and its metrics file, a bounded piece at a time.

This is done aside of the agent's loop, which leaves a `Watched` alone meanwhile: output may lie wherever its user wants
it, and a file system may hang. Regular files alone are opened, never through a symbolic link. `Watched.unread` is the
loop's to call: it looks at the run directory alone, which is ours. So is `read` where that has said that it is little.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import islice
from typing import NamedTuple, Optional

from runyard.agent.board import Board, Kept
from runyard.agent.lines import LINE_MAX, Fact, bars, marked, recorded
from runyard.errors import RunyardError
from runyard.foreign import filesystem
from runyard.model import codec
from runyard.model.attempt import AttemptKey
from runyard.model.code import METRICS_MISSED, Note
from runyard.runtime.logs import Output, open_attempt, open_output
from runyard.runtime.rundir import RunDir

LOOK_BYTES = 1 << 20
"""How much is read at a time."""

FACTS_MAX = 4_000
"""The most lines of ours that one look takes from a file; the next look takes the others."""

BEHIND_BYTES = 8 << 20
END_BYTES = 4 << 20
"""With more than this unread (END_BYTES, once the attempt has ended) a file is read from LOOK_BYTES before its end."""

END_LAST_BYTES = 64 << 10
"""When the last look at an attempt has taken FACTS_MAX lines, only so much of the rest is read."""

KEPT_MAX = 4 << 20

_FAILURES = (OSError, RunyardError)
"""What reading the files of a job may raise; then there is nothing new."""

NOTHING = Kept()
"""What is kept of an attempt that has just begun."""


class Watched:
    """One attempt, and where it is looked at next. Most attempts never report: they cost little more than this."""

    def __init__(self, key: AttemptKey, run_dir: RunDir, kept: Kept, look_at: float) -> None:
        self.key = key
        self._run_dir = run_dir
        self._kept = kept
        self._output_at = kept.output_at
        self._file_at = kept.file_at
        self._missed = 0
        self._begun = kept is not NOTHING
        self.unkept = False
        self.kept_at = self.look_at = look_at
        self.pause_s = 0.0
        self.quiet = True
        self.over = False
        self.told_at = 0.0
        self.asked_at: Optional[float] = None
        """Since when it is being read."""
        self.again = False
        """What was told of it has to be told again."""

    @cached_property
    def board(self) -> Board:
        """What it has reported."""
        return Board(self._kept)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What its user should know of it."""
        if not self._missed or self.board.empty:
            return ()
        return (Note(METRICS_MISSED, f"{-(-self._missed // 1024):,} KB of what it wrote, too much to read it all"),)

    def unread(self) -> float:
        """How many bytes there may be to read: infinitely many, if its output is not in our directory. (For most jobs
        this is all that is ever done.)"""
        size = _size(self._run_dir.output)
        if size is None and os.path.lexists(self._run_dir.output_link):
            return float("inf")
        of_output = 0 if size is None else abs(size - self._output_at)
        size = _size(self._run_dir.metrics)
        return of_output + (0 if size is None else abs(size - self._file_at))

    def read(self, now: float, last: bool) -> bool:
        """Read on, `last`: for the last time; whether there was news."""
        if not self._begun:
            self._begun = True
            self._output_at = _number_in(self._run_dir.output_from)
        news = False
        with contextlib.suppress(*_FAILURES), open_output(self._run_dir.metrics) as file:
            self._file_at, news = self._read_on(_Source(file, FILE, last), self._file_at, now)
        with contextlib.suppress(*_FAILURES), open_attempt(self._run_dir) as output:
            self._output_at, more = self._read_on(_Source(output, OUTPUT, last), self._output_at, now)
            news = news or more
        self.unkept = self.unkept or news
        return news

    def keep(self) -> None:
        """Keep what was read for the next agent, as well as the disk allows."""
        if not self.unkept:
            return
        self.unkept = False
        text = codec.dumps(self.board.kept(self._output_at, self._file_at))
        with contextlib.suppress(OSError):
            filesystem.put(self._run_dir.watched, text.encode("ascii"))

    def _read_on(self, source: _Source, at: int, now: float) -> tuple[int, bool]:
        """Up to FACTS_MAX facts more; how far it was read, and whether there was news."""
        at = self._skipped(at, source.start(at, END_BYTES if source.last else BEHIND_BYTES))
        at, room, news = self._take(source, at, FACTS_MAX, now)
        if source.last and not room:
            at = self._skipped(at, source.start(at, END_LAST_BYTES))
            at, _, more = self._take(source, at, FACTS_MAX, now)
            news = news or more
        return at, news

    def _take(self, source: _Source, at: int, room: int, now: float) -> tuple[int, int, bool]:
        """Read pieces as long as there is room for facts; how far, the room left, and whether there was news."""
        news, until = False, at + BEHIND_BYTES
        while room and at < until and (data := source.file.read(at, LOOK_BYTES)):
            whole = source.whole(data)
            found = list(islice(source.form.facts(whole), room))
            drawn = bars(data) if source.form.bars and b"%|" in data else ()
            news = self.board.hear((fact for _, fact in found), drawn, now) or news
            room -= len(found)
            took = len(whole) if room else found[-1][0]
            at += took
            if not took:
                break
        return at, room, news

    def _skipped(self, at: int, start: int) -> int:
        self._missed += max(0, start - at)
        return start


class Form(NamedTuple):
    """How what a job writes is read: what ends a line, the facts in lines, and whether there may be bars."""

    ends: tuple[bytes, ...]
    facts: Callable[[bytes], Iterator[tuple[int, Fact]]]
    bars: bool


OUTPUT = Form((b"\n", b"\r"), marked, True)
FILE = Form((b"\n",), recorded, False)


class _Source(NamedTuple):
    """An open file; `last`: no more can come."""

    file: Output
    form: Form
    last: bool

    def start(self, at: int, most: int) -> int:
        """Where to read on: from the start again where the file was made new; further on, at the start of a line, where
        more than this is unread."""
        size = self.file.size
        if size < at:
            return 0
        if size - at <= most:
            return at
        at = size - min(most, LOOK_BYTES)
        return at + self.file.read(at, LINE_MAX).find(b"\n") + 1

    def whole(self, data: bytes) -> bytes:
        """Up to the last end of a line; all of it if no more can come, or where the line is so long that it is none."""
        end = max(data.rfind(mark) for mark in self.form.ends) + 1
        last = self.last and len(data) < LOOK_BYTES
        return data if last or (not end and len(data) > LINE_MAX) else data[:end]


def load(path: str) -> Kept:
    """What the agent before this one has kept, if it can be read."""
    try:
        with open_output(path) as file:
            return codec.loads(Kept, file.read(0, KEPT_MAX).decode("ascii"))
    except (*_FAILURES, ValueError, RecursionError):
        return NOTHING


def _size(path: str) -> Optional[int]:
    try:
        return os.lstat(path).st_size
    except OSError:
        return None


def _number_in(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return max(0, int(file.read(20)))
    except (OSError, ValueError):
        return 0
