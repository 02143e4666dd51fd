"""What the server has not been told of attempts yet, and when it is.

Kept by the agent's loop. The end of an attempt is told at once: its place is free. Where another one follows it, the
place is taken already, and news are gathered. That one has begun helps nobody to go on either, so it waits a little for
other news. While some are near, no beat goes to the server only to wait there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Optional

from runyard.agent.reconcile import Desired
from runyard.model.attempt import AttemptKey
from runyard.model.beat import Observed

GATHER_S = 0.020
"""How long news may wait for more of it while attempts follow each other, and how long more of it is expected."""

STARTS_S = 0.010
"""The same for an attempt that has just begun."""


class News:
    """Of each attempt the last that is known. All times are monotonic."""

    def __init__(self) -> None:
        self._unsent: dict[AttemptKey, Observed] = {}
        self._due: Optional[float] = None
        self._touched_at = 0.0

    def add(self, seen: Observed, now: float, desired: Desired) -> None:
        """This is new; `desired` says who follows whom."""
        due = now + _patience_s(seen, desired)
        self._unsent[seen.key] = seen
        self._due = due if self._due is None else min(self._due, due)

    def again(self, seen: Iterable[Observed]) -> None:
        """The server may not have heard this: told at once, unless there is newer."""
        for one in seen:
            self._unsent.setdefault(one.key, one)
            self._due = 0.0

    def drop(self, key: AttemptKey) -> None:
        """Nobody wants to know any more."""
        self._unsent.pop(key, None)
        self._due = self._due if self._unsent else None

    def take(self) -> tuple[Observed, ...]:
        """All of it: it is being told."""
        told = tuple(self._unsent.values())
        self._unsent, self._due = {}, None
        return told

    def touched(self, now: float) -> None:
        """A beat goes out, or has been answered."""
        self._touched_at = now

    @property
    def due(self) -> Optional[float]:
        """When what there is has to be told (None: there is nothing)."""
        return self._due

    def waits_at(self, desired: Desired, observed: Mapping[AttemptKey, Observed]) -> float:
        """When a beat is sent that has nothing to tell, if none waits on the server. `observed` is all that is here."""
        if desired.start:
            return self._touched_at + GATHER_S
        starting = any(seen.stage == "claimed" for seen in observed.values())
        return self._touched_at + STARTS_S if starting else 0.0


def _patience_s(seen: Observed, desired: Desired) -> float:
    """How long this may wait for other news."""
    if seen.stage == "started":
        return GATHER_S if desired.start else STARTS_S
    name = str(seen.key)
    followed = seen.stage == "ended" and any(one.order.follows == name for one in desired.start.values())
    return GATHER_S if followed else 0.0
