"""What running attempts report: when each is looked at, and what of it is told next.

Files are read in threads beside the agent's loop (`reading`). The longer an attempt prints nothing, or reports without
a pause, the more rarely it is looked at (a look is one `lstat`). All reading together may use a share of one CPU; an
attempt that falls too far behind is read from further on. When an attempt ends it is read to its end first, so that the
beat that tells of the end has the last lines too; if that takes too long, the end is told without them. What was read
is saved beside the run file from time to time, so that the next agent goes on there and counts nothing twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, Optional

from runyard.agent.aside import Aside
from runyard.agent.board import Kept
from runyard.agent.reading import NOTHING, Watched, load
from runyard.model.attempt import AttemptKey
from runyard.model.beat import OVER, Observed
from runyard.model.code import Note
from runyard.model.metrics import Reading
from runyard.runtime.rundir import RunDirs

FIRST_S = 1.0
LOOK_S = 1.0
RARELY_S = 5.0
BACK_OFF = 1.5
"""Pauses between two looks at an attempt: the first ones, the longest, and how they grow."""

TELL_S = 1.0
"""The longest that what was read waits to be told. If no beat comes by itself, one is sent for it."""

KEEP_S = 10.0
"""What was read is kept on disk so often."""

READERS = 8
"""How many attempts are read at a time. If so many reads hang, nothing is read any more."""

REST_S = 2.0
"""The longest that the end of an attempt is kept back until its last lines are read."""

SHORT_BYTES = 16 << 10
"""So little of the end is read at once: to hand it over would take longer."""

SHARE = 0.2
SAVED_S = 1.0
"""The share of a CPU that reading may use, and the most CPU time that it may save up. What has ended is always read."""

TELL_METRICS = 1_000
"""The most metrics in one report. Those of attempts that have ended come on top."""

NEVER = float("inf")


class _Look(NamedTuple):
    """A look at an attempt, before and after: for the `last` time, whether there was news, and what it cost."""

    watched: Watched
    last: bool
    news: bool = False
    cpu_s: float = 0.0


class Watcher:
    """All attempts of an agent. `wall` and `monotonic` are its clocks; `fileno()` is readable when `look` has something
    to do before it is due."""

    def __init__(self, dirs: RunDirs, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._dirs = dirs
        self._wall = wall
        self._monotonic = monotonic
        self._aside: Aside[_Look, _Look] = Aside("read", READERS, self._read, lambda look, error: look)
        self._watched: dict[AttemptKey, Watched] = {}
        self._being_read: set[Watched] = set()
        self._rests: dict[AttemptKey, float] = {}
        self._untold: set[AttemptKey] = set()
        self._next = NEVER
        self._tell_at = 0.0
        self._saved_s, self._saved_at = SAVED_S, monotonic()

    def fileno(self) -> int:
        return self._aside.fileno()

    @property
    def reading(self) -> int:
        """How many are being read."""
        return len(self._being_read)

    def path(self, key: AttemptKey) -> str:
        """The metrics file of an attempt."""
        return self._dirs.live(key.job_id, key.number).metrics

    def begin(self, key: AttemptKey) -> None:
        """It is being started."""
        self._watch(key, NOTHING)

    def adopt(self, key: AttemptKey) -> None:
        """An earlier agent has started it: go on where that had come to."""
        if key not in self._watched:
            self._watch(key, load(self._dirs.live(key.job_id, key.number).watched))

    def see(self, seen: Observed) -> bool:
        """How an attempt stands: one that an earlier agent has started is watched too, one that has ended is read to
        its end. Whether `look` will name it when that is done."""
        if seen.stage == "started" or (seen.stage == "ended" and seen.started_at is not None):
            self.adopt(seen.key)
        return seen.stage in OVER and self.end(seen.key)

    def end(self, key: AttemptKey) -> bool:
        """It has ended: read the rest. Whether `look` will name it when that is done."""
        watched = self._watched.get(key)
        if watched is None or watched.over:
            return False
        now = self._monotonic()
        watched.over = True
        if watched.asked_at is None:
            left = watched.unread()
            if left <= SHORT_BYTES:
                if left and watched.read(self._wall(), last=True):
                    self._untold.add(key)
                return False
            if self._stuck(now):
                return False
            self._ask(watched, now)
        self._rests[key] = now + REST_S
        return True

    def notes(self, key: AttemptKey) -> tuple[Note, ...]:
        """What the user of an attempt should know of what was read."""
        watched = self._watched.get(key)
        return watched.notes if watched is not None and watched.asked_at is None else ()

    def forget(self, key: AttemptKey) -> None:
        """What it reported is committed."""
        self._watched.pop(key, None)
        self._untold.discard(key)
        self._rests.pop(key, None)

    def look(self) -> list[AttemptKey]:
        """At those whose turn it is. Those that have ended and are read to their end by now, or too slowly."""
        now = self._monotonic()
        for look in self._aside.take():
            self._looked(look, now)
        if now >= self._next:
            self._look_at_due(now)
        read = [key for key, until in self._rests.items() if now >= until]
        for key in read:
            del self._rests[key]
        return read

    def look_due_s(self, now: float) -> float:
        """Seconds until the next look."""
        return min(self._next, *self._rests.values()) - now if self._rests else self._next - now

    def tell_due_s(self, now: float) -> float:
        """Seconds until something has to be told."""
        return self._tell_at - now if self._untold else NEVER

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
            if watched.asked_at is None and (room > 0 or watched.over):
                told.append(watched.board.reading(watched.key))
                room -= 1 + len(told[-1].metrics)
                watched.told_at = now
                self._untold.discard(watched.key)
        return tuple(told)

    def again(self, keys: Optional[Iterable[AttemptKey]] = None) -> None:
        """What was told of these (None: of all) may not have arrived."""
        for key in list(self._watched) if keys is None else keys:
            watched = self._watched.get(key)
            if watched is not None and watched.asked_at is None:
                self._tell_again(watched)
            elif watched is not None:
                watched.again = True

    def close(self) -> None:
        """Keep what was read for the next agent."""
        self._aside.close()
        for watched in self._watched.values():
            if watched.asked_at is None:
                watched.keep()

    def _watch(self, key: AttemptKey, kept: Kept) -> None:
        look_at = self._monotonic() + FIRST_S
        watched = self._watched[key] = Watched(key, self._dirs.live(key.job_id, key.number), kept, look_at)
        watched.pause_s = LOOK_S
        self._next = min(self._next, look_at)
        if kept.progress.reports:
            self._untold.add(key)

    def _look_at_due(self, now: float) -> None:
        """Have those read whose turn it is, as far as there is something to read and room for it."""
        self._saved_s = min(SAVED_S, self._saved_s + (now - self._saved_at) * SHARE)
        self._saved_at = now
        resting = [watched for watched in self._watched.values() if not watched.over and watched.asked_at is None]
        for watched in sorted((one for one in resting if one.look_at <= now), key=lambda one: one.look_at):
            if not watched.unread():
                self._rest(watched, False, now)
            elif self.reading < READERS and self._saved_s > 0:
                self._ask(watched, now)
        self._next = min((watched.look_at for watched in resting if watched.asked_at is None), default=NEVER)
        if self._next <= now:  # somebody is left: until one has been read, or all is saved again
            self._next = NEVER if self._saved_s > 0 else now + (SAVED_S - self._saved_s) / SHARE

    def _ask(self, watched: Watched, now: float) -> None:
        watched.asked_at = now
        self._being_read.add(watched)
        self._aside.ask(_Look(watched, watched.over))

    def _read(self, look: _Look) -> _Look:
        """One look, in a thread of its own."""
        watched = look.watched
        begun = time.thread_time()
        news = watched.read(self._wall(), look.last)
        now = self._monotonic()
        if watched.unkept and now >= watched.kept_at + KEEP_S:
            watched.kept_at = now
            watched.keep()
        return look._replace(news=news, cpu_s=time.thread_time() - begun)

    def _looked(self, look: _Look, now: float) -> None:
        """It has been read: it is ours again."""
        watched = look.watched
        watched.asked_at = None
        self._being_read.discard(watched)
        self._saved_s -= look.cpu_s
        self._next = now  # there is room for another one
        if self._watched.get(watched.key) is not watched:
            return
        if look.news:
            self._untold.add(watched.key)
        if watched.again:
            watched.again = False
            self._tell_again(watched)
        if not watched.over:
            self._rest(watched, look.news, now)
        elif not look.last and watched.unread():
            self._ask(watched, now)
        elif watched.key in self._rests:
            self._rests[watched.key] = now

    def _rest(self, watched: Watched, news: bool, now: float) -> None:
        """Until its next look."""
        watched.pause_s = LOOK_S if news and watched.quiet else min(RARELY_S, watched.pause_s * BACK_OFF)
        watched.quiet = not news
        watched.look_at = now + watched.pause_s

    def _tell_again(self, watched: Watched) -> None:
        if not watched.board.empty:
            watched.board.again()
            self._untold.add(watched.key)

    def _stuck(self, now: float) -> bool:
        """All threads hang: it makes no sense to wait for another read."""
        slow = (one for one in self._being_read if one.asked_at is not None and now >= one.asked_at + REST_S)
        return sum(1 for _ in slow) >= READERS
