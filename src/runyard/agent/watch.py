"""Reads what running attempts report: their output and their metrics file, a bounded piece at a time.

The agent's own thread does it, between its beats: regular files alone are opened, at most LOOK_BYTES of each are read
at a look, and about BUDGET_BYTES in all. Who prints nothing is looked at more and more rarely (one `stat`), and so is
who reports all the time; an attempt that ends is read to its end at once, so that the beat that tells of the end tells
of the last lines. What was read is kept beside the run file every now and then: the next agent goes on there, and
counts nothing twice.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import NamedTuple, Optional

from runyard.agent.board import Board, Kept
from runyard.agent.lines import LINE_MAX, Fact, bars, marked, recorded
from runyard.errors import RunyardError
from runyard.model import codec
from runyard.model.attempt import AttemptKey
from runyard.model.beat import OVER, Observed
from runyard.model.metrics import Reading
from runyard.runtime.logs import Output, open_attempt, open_output
from runyard.runtime.rundir import RunDir, RunDirs

FIRST_S = 1.0
LOOK_S = 1.0
RARELY_S = 5.0
BACK_OFF = 1.5
"""Pauses between two looks at an attempt: the first ones, the longest, and how they grow."""

TELL_S = 1.0
"""What was read waits at most this long for the next beat, and makes one so often."""

KEEP_S = 10.0
"""What was read is kept on disk so often."""

LOOK_BYTES = 1 << 20
BUDGET_BYTES = 4 << 20
END_BYTES = 4 << 20
BEHIND_BYTES = 8 << 20
"""Who is further behind than this, or at its end than END_BYTES, is read from LOOK_BYTES before the end on."""

FACTS_MAX = 4_000
"""Lines of ours that are taken at one look; the others are at the next."""

END_FULL = 3
END_LAST_BYTES = 64 << 10
"""After so many times FACTS_MAX lines at the end of an attempt only the last bytes count."""

TELL_METRICS = 1_000
"""So many metrics go into one report, and all of those that have ended."""

KEPT_MAX = 4 << 20

_FAILURES = (OSError, RunyardError)
"""What reading the files of a job may raise; then there is nothing new."""


NOTHING = Kept()
"""What is kept of an attempt that has just begun."""


class Watched:
    """One attempt, and where it is looked at next. Most attempts never report: they cost little more than this."""

    def __init__(self, key: AttemptKey, run_dir: RunDir, kept: Kept, look_at: float) -> None:
        self.key = key
        self.run_dir = run_dir
        self._kept = kept
        self.output_at = kept.output_at
        self.file_at = kept.file_at
        self.look_at = look_at
        self.pause_s = LOOK_S
        self.quiet = True
        self.over = False
        self.told_at = 0.0
        self.unkept = False
        self.kept_at = look_at
        self.begun = kept is not NOTHING

    @cached_property
    def board(self) -> Board:
        """What it has reported."""
        return Board(self._kept)

    def take(self, facts: Iterable[Fact], drawn: bytes, now: float) -> bool:
        """Facts that were read, and output that may show bars."""
        news = self.board.hear(facts, bars(drawn) if b"%|" in drawn else (), now)
        self.unkept = self.unkept or news
        return news


class Watcher:
    """All attempts of an agent. `wall` and `monotonic` are its clocks."""

    def __init__(self, dirs: RunDirs, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._dirs = dirs
        self._wall = wall
        self._monotonic = monotonic
        self._watched: dict[AttemptKey, Watched] = {}
        self._untold: set[AttemptKey] = set()
        self._next = float("inf")
        self._tell_at = 0.0

    def path(self, key: AttemptKey) -> str:
        """The metrics file of an attempt."""
        return self._dirs.live(key.job_id, key.number).metrics

    def begin(self, key: AttemptKey) -> None:
        """It is being started."""
        self._watch(key, NOTHING)

    def adopt(self, key: AttemptKey) -> None:
        """An earlier agent has started it: go on where that had come to."""
        if key not in self._watched:
            self._watch(key, _load(self._dirs.live(key.job_id, key.number).watched))

    def see(self, seen: Observed) -> None:
        """How an attempt stands: one that an earlier agent has started is watched too, one that has ended is read to
        its end."""
        if seen.stage == "started" or (seen.stage == "ended" and seen.started_at is not None):
            self.adopt(seen.key)
        if seen.stage in OVER:
            self.end(seen.key)

    def end(self, key: AttemptKey) -> None:
        """It has ended: read the rest."""
        watched = self._watched.get(key)
        if watched is None or watched.over:
            return
        watched.over = True
        if self._unread(watched):
            self._read(watched)

    def forget(self, key: AttemptKey) -> None:
        """What it reported is committed."""
        self._watched.pop(key, None)
        self._untold.discard(key)

    def look(self) -> None:
        """At those whose turn it is."""
        now = self._monotonic()
        if now < self._next:
            return
        budget = BUDGET_BYTES
        living = [watched for watched in self._watched.values() if not watched.over]
        for watched in sorted((one for one in living if one.look_at <= now), key=lambda one: one.look_at):
            if budget > 0:
                budget -= self._look_at(watched, now)
        self._next = min((watched.look_at for watched in living), default=float("inf"))

    def look_due_s(self, now: float) -> float:
        """Seconds until the next look."""
        return self._next - now

    def tell_due_s(self, now: float) -> float:
        """Seconds until something has to be told."""
        return self._tell_at - now if self._untold else float("inf")

    def readings(self) -> tuple[Reading, ...]:
        """What was not told yet: of those that have ended, then of those that have waited longest."""
        if not self._untold:
            return ()
        now = self._monotonic()
        self._tell_at = now + TELL_S
        told: list[Reading] = []
        room = TELL_METRICS
        untold = [self._watched[key] for key in self._untold]
        for watched in sorted(untold, key=lambda one: (not one.over, one.told_at)):
            if room > 0 or watched.over:
                told.append(watched.board.reading(watched.key))
                room -= 1 + len(told[-1].metrics)
                watched.told_at = now
                self._untold.discard(watched.key)
        return tuple(told)

    def again(self, keys: Optional[Iterable[AttemptKey]] = None) -> None:
        """What was told of these (None: of all) may not have arrived."""
        for key in list(self._watched) if keys is None else keys:
            watched = self._watched.get(key)
            if watched is not None and not watched.board.empty:
                watched.board.again()
                self._untold.add(key)

    def close(self) -> None:
        """Keep what was read for the next agent."""
        for watched in self._watched.values():
            _save(watched)

    def _watch(self, key: AttemptKey, kept: Kept) -> None:
        look_at = self._monotonic() + FIRST_S
        self._watched[key] = Watched(key, self._dirs.live(key.job_id, key.number), kept, look_at)
        self._next = min(self._next, look_at)
        if kept.progress.reports:
            self._untold.add(key)

    def _look_at(self, watched: Watched, now: float) -> int:
        """One look; how many bytes were read."""
        before = watched.output_at + watched.file_at
        news = self._unread(watched) and self._read(watched)
        watched.pause_s = LOOK_S if news and watched.quiet else min(RARELY_S, watched.pause_s * BACK_OFF)
        watched.quiet = not news
        watched.look_at = now + watched.pause_s
        if watched.unkept and now >= watched.kept_at + KEEP_S:
            watched.kept_at = now
            _save(watched)
        return abs(watched.output_at + watched.file_at - before)

    @staticmethod
    def _unread(watched: Watched) -> bool:
        """Whether there may be something new. (For most jobs this is all that is ever done.)"""
        run_dir = watched.run_dir
        size = _size(run_dir.output)
        if size is None:
            return os.path.lexists(run_dir.output_link) or _size(run_dir.metrics) not in (None, watched.file_at)
        return size != watched.output_at or _size(run_dir.metrics) not in (None, watched.file_at)

    def _read(self, watched: Watched) -> bool:
        """Read on; whether there was news."""
        if not watched.begun:
            watched.begun = True
            watched.output_at = _number_in(watched.run_dir.output_from)
        now = self._wall()
        news = False
        with contextlib.suppress(*_FAILURES), open_attempt(watched.run_dir) as output:
            watched.output_at, news = _read_on(watched, output, watched.output_at, OUTPUT, now)
        with contextlib.suppress(*_FAILURES), open_output(watched.run_dir.metrics) as file:
            watched.file_at, more = _read_on(watched, file, watched.file_at, FILE, now)
            news = news or more
        if news:
            self._untold.add(watched.key)
        return news


class Form(NamedTuple):
    """How what a job writes is read: what ends a line, the facts in lines, and whether there may be bars."""

    ends: tuple[bytes, ...]
    facts: Callable[[bytes], Iterator[tuple[int, Fact]]]
    bars: bool


OUTPUT = Form((b"\n", b"\r"), marked, True)
FILE = Form((b"\n",), recorded, False)


def _read_on(watched: Watched, file: Output, at: int, form: Form, now: float) -> tuple[int, bool]:
    """One piece more, of what has ended all that is left; how far it was read, and whether there was news."""
    news = False
    at = _start(file, at, END_BYTES if watched.over else BEHIND_BYTES)
    full = 0
    while data := file.read(at, LOOK_BYTES):
        whole = _whole(data, watched.over, form.ends)
        found = list(islice(form.facts(whole), FACTS_MAX))
        news = watched.take((fact for _, fact in found), data if form.bars else b"", now) or news
        took = found[-1][0] if len(found) == FACTS_MAX else len(whole)
        at += took
        full += len(found) == FACTS_MAX
        if full == END_FULL:
            at = max(at, _start(file, at, END_LAST_BYTES))
        if not took or not watched.over or full > END_FULL:
            break
    return at, news


def _start(file: Output, at: int, most: int) -> int:
    """Where to read on: from the start again where the file was made new; further on, at the start of a line, where
    more than this is unread."""
    size = file.size
    if size < at:
        return 0
    if size - at <= most:
        return at
    at = size - min(most, LOOK_BYTES)
    return at + file.read(at, LINE_MAX).find(b"\n") + 1


def _whole(data: bytes, over: bool, ends: tuple[bytes, ...]) -> bytes:
    """Up to the last end of a line; all of it if no more can come, or where the line is so long that it is none."""
    end = max(data.rfind(mark) for mark in ends) + 1
    last = over and len(data) < LOOK_BYTES
    return data if last or (not end and len(data) > LINE_MAX) else data[:end]


def _size(path: str) -> Optional[int]:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _number_in(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return max(0, int(file.read(20)))
    except (OSError, ValueError):
        return 0


def _load(path: str) -> Kept:
    """What the agent before this one has kept, if it can be read."""
    try:
        with open_output(path) as file:
            return codec.loads(Kept, file.read(0, KEPT_MAX).decode("ascii"))
    except (*_FAILURES, ValueError, RecursionError):
        return NOTHING


def _save(watched: Watched) -> None:
    """Keep it, as well as the disk allows."""
    if not watched.unkept:
        return
    watched.unkept = False
    path = watched.run_dir.watched
    text = codec.dumps(watched.board.kept(watched.output_at, watched.file_at))
    with contextlib.suppress(OSError):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(f"{path}.new", flags, 0o600), "w", encoding="ascii") as file:
            file.write(text)
        os.rename(f"{path}.new", path)
