"""Moments of what has been, as people type them: `9:00`, `yesterday`, `-2h`, `2026-11-01T12:30`."""

from __future__ import annotations

import time
from datetime import datetime

from runyard.errors import InvalidSpec
from runyard.model.moments import Calendar, moment_in

DAY_S = 86_400


def past_moment(text: str, now: float, flag: str) -> float:
    """The wall time that is meant, at most `now`: a clock time that is to come today is yesterday's."""
    for last in (now, now - DAY_S):
        day = time.localtime(last)
        at = moment_in(text.strip(), Calendar(now, (day.tm_year, day.tm_mon, day.tm_mday), datetime.timestamp))
        if at is not None and 0 <= at <= now:
            return at
    raise InvalidSpec(f"{text!r} is no moment that has been; use 9:00, yesterday, -2h, 2026-11-01T12:30", flag)
