"""What the server has not been told of attempts yet, and when it is.

Kept by the agent's loop. The end of an attempt is told at once: its place is free. That one has begun helps nobody to
go on, so it waits a little for other news, and while it does, or is about to come, no beat goes to the server only to
wait there. While short jobs follow each other all news are gathered for longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Optional

from runyard.model.attempt import AttemptKey
from runyard.model.beat import Observed

GATHER_S = 0.020
"""How long news may wait for more of it while short jobs follow each other."""

QUIET_S = 0.1
"""While short jobs follow each other the next news is near: the server's is only waited for after this long."""

STARTS_S = 0.010
"""The same two for an attempt that has just begun: how long that may wait, and how long it is expected."""


class News:
    """Of each attempt the last that is known. All times are monotonic."""

    def __init__(self) -> None:
        self._unsent: dict[AttemptKey, Observed] = {}
        self._since: Optional[float] = None
        self._touched_at = 0.0

    def add(self, seen: Observed, now: float) -> None:
        """This is new."""
        self._unsent[seen.key] = seen
        self._since = now if self._since is None else self._since

    def again(self, seen: Iterable[Observed]) -> None:
        """The server may not have heard this: told at once, unless there is newer."""
        for one in seen:
            self._unsent.setdefault(one.key, one)
        self._since = None

    def drop(self, key: AttemptKey) -> None:
        """Nobody wants to know any more."""
        self._unsent.pop(key, None)

    def take(self) -> tuple[Observed, ...]:
        """All of it: it is being told."""
        told = tuple(self._unsent.values())
        self._unsent, self._since = {}, None
        return told

    def touched(self, now: float) -> None:
        """A beat goes out, or has been answered."""
        self._touched_at = now

    def told_at(self, followers: bool) -> Optional[float]:
        """When what there is has to be told (None: there is nothing). `followers`: short jobs wait here for others."""
        if not self._unsent:
            return None
        if followers:
            patience_s = GATHER_S
        else:
            patience_s = STARTS_S if all(seen.stage == "started" for seen in self._unsent.values()) else 0.0
        return self._since + patience_s if self._since is not None else 0.0

    def waits_at(self, followers: bool, observed: Mapping[AttemptKey, Observed]) -> float:
        """When a beat is sent that has nothing to tell, if none waits on the server. `observed` is all that is here."""
        if followers:
            return self._touched_at + QUIET_S
        starting = any(seen.stage == "claimed" for seen in observed.values())
        return self._touched_at + STARTS_S if starting else 0.0
