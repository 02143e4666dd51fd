"""What a job wishes to be told of: `slack`, `slack:failed,lost`, `mail:ada@example.org:ended`.

First comes a hook of the yard, then events (none: those of the hook), and for mail perhaps an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from runyard.errors import InvalidSpec
from runyard.model.outcome import ENDED_BADLY, Outcome
from runyard.model.record import dataclass

STARTED, RETRIED, ENDED, FAILED, EACH = "started", "retried", "ended", "failed", "each"
EVENTS = (STARTED, RETRIED, ENDED, *(outcome.value for outcome in Outcome))

HOOK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Wish:
    """What a job asks for: a hook, events (none: those of the hook), an address ("": those of the hook).

    `each` asks to be told of every job of a group, not once of the group.
    """

    hook: str
    events: tuple[str, ...] = ()
    to: str = ""
    each: bool = False


@lru_cache(256)
def parse_wish(text: str, field: str = "notify") -> Wish:
    """What this text asks for; InvalidSpec names the field."""
    name, *rest = text.split(":")
    if not HOOK_NAME.fullmatch(name):
        raise InvalidSpec(f"{text!r}: a hook is named first, as in slack or slack:failed,lost", field)
    to, events = "", []
    for part in rest:
        if "@" in part:
            if to or not ADDRESS.fullmatch(part):
                raise InvalidSpec(f"{text!r}: {part!r} is no single mail address", field)
            to = part
        else:
            events += [word.strip() for word in part.split(",") if word.strip()]
    check_events(events, field, (*EVENTS, EACH))
    return Wish(name, tuple(word for word in events if word != EACH), to, EACH in events)


def check_events(events: Iterable[str], field: str, known: tuple[str, ...] = EVENTS) -> None:
    """InvalidSpec names an event that there is not."""
    for word in events:
        if word not in known:
            raise InvalidSpec(f"there is no event {word!r}; there are: {', '.join(known)}", field)


def matches(events: tuple[str, ...], happened: str) -> bool:
    """Whether somebody who asked for these is told of this one (an outcome, or started, retried)."""
    if happened in events:
        return True
    if happened in (STARTED, RETRIED):
        return False
    return ENDED in events or (FAILED in events and happened in ENDED_BADLY)
