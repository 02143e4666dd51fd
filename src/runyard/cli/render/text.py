"""Values as people read them: times, spans, sizes, and foreign text made harmless (see `model.wording`)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runyard.model.wording import DAY_S
from runyard.model.wording import counted as counted
from runyard.model.wording import harmless as harmless
from runyard.model.wording import span as span

if TYPE_CHECKING:
    from runyard.api import JobRow


def label(job: JobRow) -> str:
    """How a job is called wherever it is named: its name, and of an element of an array the index too, train[0]."""
    return harmless(job.name) + (f"[{job.array_index}]" if job.array_index is not None else "")


def one_line(text: str) -> str:
    """A message without line breaks and without anything that acts on a terminal."""
    return "".join(one if one.isprintable() else "?" for one in " ".join(text.split()))


def words(seconds: float) -> str:
    """A span in words: 1 day 12 hours, 2 hours, 90 minutes as 1 hour 30 minutes."""
    left = seconds
    parts = []
    for name, size in (("day", DAY_S), ("hour", 3_600), ("minute", 60)):
        count, left = divmod(left, size)
        if count:
            parts.append(counted(int(count), name))
    if left or not parts:
        parts.append(f"{left:g} second{'' if left == 1 else 's'}")
    return " ".join(parts)


def clock(at: float, now: float) -> str:
    """A local time for people: 14:10 today, `Mon 14:10` within the week around now, else the date."""
    there, here = time.localtime(at), time.localtime(now)
    if there[:3] == here[:3]:
        return time.strftime("%H:%M", there)
    if abs(at - now) < 6 * DAY_S:
        return time.strftime("%a %H:%M", there)
    return time.strftime("%Y-%m-%d %H:%M", there)


def moment(at: float) -> str:
    """A local time in full for people: 2026-11-23 14:10:05."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def stamp(at: float | None) -> str:
    """A local time for programs."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at)) if at is not None else ""


def memory(megabytes: float) -> str:
    """An amount of memory: 512M, 10G, 1.5G."""
    if megabytes < 1_024:
        return f"{megabytes:.0f}M"
    return f"{megabytes / 1_024:.1f}".removesuffix(".0") + "G"


def size(count: float) -> str:
    """An amount of bytes."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1_024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1_024
    return f"{count:.1f} TB"


def numbers(ids: Sequence[int], most: int = 12) -> str:
    """Ids in a sentence, runs as ranges: 3-7, 9."""
    runs = ranges(ids)
    shown = [str(low) if low == high else f"{low}-{high}" for low, high in runs[:most]]
    return ", ".join(shown) + (", ..." if len(runs) > most else "")


def ranges(ids: Sequence[int]) -> list[tuple[int, int]]:
    """The runs of consecutive numbers among these."""
    runs: list[tuple[int, int]] = []
    for number in sorted(set(ids)):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
