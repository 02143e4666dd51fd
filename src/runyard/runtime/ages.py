"""How old kept output is, by a clock that may jump.

What is kept carries wall times, and a wall clock can be set: one jump ahead by a month would make all of it a month
old. So each collection notes, beside the runs, the wall clock and the boot clock (which nobody sets). The next one
compares: within one boot both must have advanced alike, and from one boot to the next the wall clock may have advanced
by no more than what is kept (the machine was off). Where that does not hold, whatever was written before is counted as
written now: nothing goes too early, and after one more period all is as usual. What takes too much space is collected
all the same.
"""

from __future__ import annotations

import contextlib
import json
from typing import NamedTuple, Optional

from runyard.foreign import filesystem

JUMP_S = 86_400.0
"""Clocks that differ by less have drifted, or a virtual machine has slept."""


class Clocks(NamedTuple):
    """The clocks at one moment: seconds since the epoch, and since the boot."""

    boot_id: str
    wall: float
    boot: float


class Note(NamedTuple):
    """What a collection leaves for the next one. `since`: nothing counts as older than this wall time says."""

    boot_id: str
    wall: float
    boot: float
    since: float = 0.0


def counts_since(path: str, now: Clocks, keep_s: float) -> float:
    """The wall time before which nothing is believed to have been written, by the note at this path, which is renewed.
    A first collection believes all that it sees."""
    before = _read(path)
    since = 0.0 if before is None else now.wall if _has_jumped(before, now, keep_s) else before.since
    with contextlib.suppress(OSError):  # a full disk: the older note serves as well
        filesystem.put(path, json.dumps(Note(*now, since)).encode("ascii"))
    return since


def _has_jumped(before: Note, now: Clocks, keep_s: float) -> bool:
    passed = now.wall - before.wall
    if now.boot_id == before.boot_id:
        return abs(passed - (now.boot - before.boot)) > JUMP_S
    return not -JUMP_S <= passed <= max(keep_s, JUMP_S)


def _read(path: str) -> Optional[Note]:
    try:
        with open(path, encoding="ascii") as file:
            boot_id, *times = json.load(file)
        wall, boot, since = map(float, times)
    except (OSError, ValueError, TypeError):
        return None
    return Note(boot_id, wall, boot, since)
