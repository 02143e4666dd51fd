"""Spans and moments as people type them.

A bare number is minutes, as in sbatch, whose other forms work too: `MM:SS`, `HH:MM:SS`, `D-HH`, `D-HH:MM`,
`D-HH:MM:SS`. With units: `30s`, `90m`, `1h30m`, `2d`, `1.5h`.
"""

from __future__ import annotations

import re
import time

from runyard.errors import InvalidSpec
from runyard.model.spans import has_units, span_seconds, unknown_unit

_NUMBER = r"\d+(?:\.\d+)?"
_COLONS = r"(?:(\d{1,9})-)?(\d{1,9})(?::(\d{1,9}))?(?::(\d{1,9}))?"
_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2}))?"
_DATE = r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2}))?)?"

FORMS = "30s, 90m, 2h, 1h30m, 1-12:00:00, or a number of minutes"
MOMENTS = "22:00, +2h, 2026-12-31T08:00"
LATEST_YEAR = 5_000
LATEST_S = (LATEST_YEAR - 1970) * 31_556_952.0
"""No moment is later: the start of that year, give or take a day."""


def seconds(text: str, flag: str, bare_s: int = 60) -> float:
    """The span in seconds, a bare number counting `bare_s` each; InvalidSpec names the flag."""
    lower = text.strip().lower()
    if re.fullmatch(_NUMBER, lower):
        return float(lower) * bare_s
    if has_units(lower):
        return _units(lower, text, flag)
    match = re.fullmatch(_COLONS, lower)
    if not match:
        raise InvalidSpec(f"{text!r} is no time span; use {FORMS}", flag)
    days, *rest = match.groups()
    numbers = [int(part) for part in rest if part is not None]
    if days is not None:
        hours, minutes, rest_s = (*numbers, 0, 0)[:3]
    elif len(numbers) == 2:
        hours, (minutes, rest_s) = 0, numbers
    else:
        hours, minutes, rest_s = numbers
    return float(int(days or 0) * 86_400 + hours * 3_600 + minutes * 60 + rest_s)


def _units(lower: str, text: str, flag: str) -> float:
    span = span_seconds(lower)
    if span is None:
        raise InvalidSpec(f"{text!r}: {unknown_unit(lower)!r} is no unit of time; use {FORMS}", flag)
    return span


def moment(text: str, now: float, flag: str) -> float:
    """The wall time that is meant; a clock time that has passed today is tomorrow's."""
    at = _moment(text, now, flag)
    if at < 0:
        raise InvalidSpec(f"{text!r} is before 1970; use {MOMENTS}", flag)
    if at > LATEST_S:
        raise InvalidSpec(f"{text!r} is too far away: later than the year {LATEST_YEAR}; use {MOMENTS}", flag)
    return at


def _moment(text: str, now: float, flag: str) -> float:
    clean = text.strip()
    if clean in ("now", "+0"):
        return now
    if clean.startswith(("+", "now+")):
        return now + seconds(clean.partition("+")[2], flag)
    if match := re.fullmatch(_CLOCK, clean):
        return _clock(match, now, text, flag)
    match = re.fullmatch(_DATE, clean)
    if not match:
        raise InvalidSpec(f"{text!r} is no moment; use {MOMENTS}", flag)
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    at = _local((year, month, day, hour, minute, second), text, flag)
    if time.localtime(at)[1:3] != (month, day):
        raise InvalidSpec(f"{text!r}: there is no such day", flag)
    return at


def _clock(match: re.Match[str], now: float, text: str, flag: str) -> float:
    hour, minute, second = (int(part or 0) for part in match.groups())
    today = time.localtime(now)
    at = _local((*today[:3], hour, minute, second), text, flag)
    if at > now:
        return at
    return _local((*today[:2], today[2] + 1, hour, minute, second), text, flag)


def _local(parts: tuple[int, int, int, int, int, int], text: str, flag: str) -> float:
    year, month, day, hour, minute, second = parts
    if not (1 <= month <= 12 and 1 <= day <= 32 and hour <= 23 and minute <= 59 and second <= 60):
        raise InvalidSpec(f"{text!r} is no moment; use {MOMENTS}", flag)
    try:
        return time.mktime((year, month, day, hour, minute, second, 0, 0, -1))
    except (OverflowError, ValueError):
        raise InvalidSpec(f"{text!r} is too far away; use {MOMENTS}", flag) from None
