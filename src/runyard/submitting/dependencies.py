"""What `-d` takes: `12`, `12:13`, `afterok:12:13,afterany:@`, `sweep:lr`, and names; a bare job means afterok.

A name means the latest job of that name, a pattern, range or sweep all jobs that it finds now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from runyard.errors import InvalidSpec
from runyard.model.filter import PREFIXES
from runyard.model.spec import DEPENDENCY_KINDS, Dependency

DEFAULT_KIND = "afterok"
ID_DIGITS = 18

_SELECTORS = re.compile(rf"(?<![^:])(?:(?:{'|'.join(PREFIXES)}):)?[^:]*(?=:|$)")
"""Those in a text with colons between them: a prefix belongs to what follows it."""

Lookup = Callable[[str], Iterable[int]]
"""The ids that a selector means."""


class Wanted(NamedTuple):
    """A job to wait for, as it was typed."""

    text: str
    kind: str = DEFAULT_KIND


def parse(text: str, flag: str = "after") -> tuple[Wanted, ...]:
    """The parts of one `-d`."""
    wanted = []
    for part in text.split(","):
        kind, colon, rest = part.strip().partition(":")
        if not colon or kind not in DEPENDENCY_KINDS:
            if kind.startswith("after") and colon:
                raise InvalidSpec(f"{kind!r} is none of {', '.join(DEPENDENCY_KINDS)}", flag)
            kind, rest = DEFAULT_KIND, part.strip()
        if "?" in rest:
            raise InvalidSpec(f"{text!r}: alternatives (?) are not known here; all that is named is waited for", flag)
        for item in _SELECTORS.findall(rest):
            if not item or item.endswith(":"):
                raise InvalidSpec(f"{text!r}: a job is missing; use 12, afterok:12:13, afterany:@ or a name", flag)
            wanted.append(Wanted(item, kind))
    return tuple(wanted)


def resolve(wanted: Iterable[Wanted], lookup: Lookup) -> tuple[Dependency, ...]:
    """The jobs that are meant, each once."""
    found: dict[tuple[int, str], None] = {}
    for one in wanted:
        for job_id in (int(one.text),) if is_id(one.text) else lookup(one.text):
            found[(job_id, one.kind)] = None
    return tuple(Dependency(job_id, kind) for job_id, kind in found)


def is_id(text: str) -> bool:
    """Whether this is a job's number."""
    return text.isascii() and text.isdecimal() and len(text) <= ID_DIGITS
