"""Spans of time with units, as people write them: 30s, 90m, 1h30m, 1.5h, 2d, 1w."""

from __future__ import annotations

import re
from typing import Optional

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
UNIT_NAMES = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("w", "week", "weeks"), "w"),
}

_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?\s*[a-z]+\s*)+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)", re.ASCII)


def has_units(text: str) -> bool:
    """Whether this has the form of numbers with units, known or not."""
    return _WHOLE.fullmatch(text.lower()) is not None


def unknown_unit(text: str) -> str:
    """The first unit that is none ("" if all are)."""
    return next((unit for _, unit in _PART.findall(text.lower()) if unit not in UNIT_NAMES), "")


def span_seconds(text: str) -> Optional[float]:
    """The span in seconds; None for what is no span with units."""
    if not has_units(text) or unknown_unit(text):
        return None
    return sum(float(number) * UNITS_S[UNIT_NAMES[unit]] for number, unit in _PART.findall(text.lower()))
