"""Arrays: `0-9`, `1,3,5-7:2`, and with `%2` at most two at a time."""

from __future__ import annotations

import re

from runyard.errors import InvalidSpec
from runyard.model.spec import ARRAY_INDEX_MAX, ARRAY_MAX, ArraySpec

_PART = r"(\d{1,18})(?:-(\d{1,18})(?::(\d{1,18}))?)?"


def parse(text: str, flag: str = "array") -> ArraySpec:
    """The indices, in order, and the limit."""
    wanted, percent, limit = text.replace(" ", "").partition("%")
    if percent and not (limit.isdecimal() and 1 <= int(limit) <= ARRAY_MAX):
        raise InvalidSpec(f"{text!r}: after % comes how many may run at a time: at least 1, as in 0-9%2", flag)
    indices: dict[int, None] = {}
    for part in wanted.split(","):
        for index in _indices(part, text, flag):
            if index in indices:
                raise InvalidSpec(f"{text!r}: index {index} comes twice", flag)
            indices[index] = None
        if len(indices) > ARRAY_MAX:
            raise InvalidSpec(f"{text!r}: at most {ARRAY_MAX} jobs in one array", flag)
    return ArraySpec(tuple(indices), int(limit) if limit else 0)


def _indices(part: str, text: str, flag: str) -> range:
    match = re.fullmatch(_PART, part)
    if not match:
        raise InvalidSpec(f"{text!r} is no array; use 0-9, 1,3,5-7:2 or 0-9%2", flag)
    first = int(match[1])
    last = int(match[2]) if match[2] else first
    step = int(match[3]) if match[3] else 1
    if last < first:
        raise InvalidSpec(f"{text!r}: a range goes from the lower index to the higher: {last}-{first}", flag)
    if step < 1:
        raise InvalidSpec(f"{text!r}: after : comes the step: at least 1, as in 0-9:2", flag)
    if last > ARRAY_INDEX_MAX:
        raise InvalidSpec(f"{text!r}: the highest index is {ARRAY_INDEX_MAX}", flag)
    if (last - first) // step >= ARRAY_MAX:
        raise InvalidSpec(f"{text!r}: at most {ARRAY_MAX} jobs in one array", flag)
    return range(first, last + 1, step)
