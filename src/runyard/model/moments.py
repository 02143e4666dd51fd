"""Moments as filters name them: a day, a day with a time, a time of today, `today`, `-2h` for two hours ago.

What time it is, which day, and when a local time is, are told by the caller (`Calendar`).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Optional

from runyard.model.record import dataclass
from runyard.model.spans import span_seconds

_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_WORDS = {"today": 0, "yesterday": 1}
NOW, AGO = "now", "-"
YEARS = range(1970, 5_001)


@dataclass(frozen=True)
class Calendar:
    """The wall time now, the local day (year, month, day), and from a local time to wall time."""

    now: float
    today: tuple[int, int, int]
    at: Callable[[datetime.datetime], float]


def is_moment(text: str) -> bool:
    """Whether this names a moment."""
    return text == NOW or text in _WORDS or _ago(text) is not None or _local(text, (2000, 1, 1)) is not None


def moment_in(text: str, calendar: Calendar) -> Optional[float]:
    """The wall time that this names; None if it names none."""
    if text == NOW:
        return calendar.now
    ago = _ago(text)
    if ago is not None:
        return calendar.now - ago
    local = _local(text, calendar.today)
    return None if local is None else calendar.at(local)


def _ago(text: str) -> Optional[float]:
    return span_seconds(text[1:]) if text.startswith(AGO) else None


def _local(text: str, today: tuple[int, int, int]) -> Optional[datetime.datetime]:
    """The local time; none where there is no such day or hour, or it is too far away."""
    try:
        if text in _WORDS:
            return datetime.datetime(*today) - datetime.timedelta(days=_WORDS[text])
        if match := _CLOCK.fullmatch(text):
            return datetime.datetime(*today, int(match[1]), int(match[2]), int(match[3] or 0))
        match = _DATE.fullmatch(text)
        if match is None:
            return None
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
        local = datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    return local if local.year in YEARS else None
