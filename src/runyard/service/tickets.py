"""Tickets: who may come to which end of a stream that the server joins.

A stream has two ends, the one who asked for it and the agent that he is joined with; each has a ticket of its own, 128
random bits, for its own account. A ticket takes one GET and one POST, each once, and is good for a short while only.
Nothing of it is stored: with the server its streams are gone, and whoever had one asks again. Safe from any thread.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from runyard.errors import NotFound, Unavailable

GOOD_S = 15.0
"""How long after a ticket was given its calls may come; a stream that lacks an end by then is given up."""
STREAMS_MAX = 256
"""The most streams that nobody has come to yet, and the most that are joined."""


@dataclass(frozen=True)
class Claim:
    """A call that may pass: the stream that it belongs to, and whether it is the end of who asked for it."""

    stream: str
    asker: bool


@dataclass
class _End:
    claim: Claim
    uid: int
    good_until: float
    ways: set[str] = field(default_factory=lambda: {"GET", "POST"})


class Tickets:
    """All tickets of one server that are not used up."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ends: dict[str, _End] = {}

    def issue(self, asker_uid: int, agent_uid: int) -> tuple[str, str]:
        """A new stream: the ticket of who asks for it, and that of the agent."""
        asker, agent, stream = (secrets.token_hex(16) for _ in range(3))
        with self._lock:
            now = self._clock()
            self._ends = {ticket: end for ticket, end in self._ends.items() if end.good_until > now}
            if len(self._ends) >= 2 * STREAMS_MAX:
                raise Unavailable("too many attach at the same time; try again")
            until = now + GOOD_S
            self._ends[asker] = _End(Claim(stream, True), asker_uid, until)
            self._ends[agent] = _End(Claim(stream, False), agent_uid, until)
        return asker, agent

    def void(self, stream: str) -> None:
        """It is over: who has not come yet need not."""
        with self._lock:
            self._ends = {ticket: end for ticket, end in self._ends.items() if end.claim.stream != stream}

    def claim(self, ticket: str, way: str, uid: int) -> Claim:
        """Use it for this call (GET or POST). NotFound for whatever is wrong with it."""
        with self._lock:
            end = self._ends.get(ticket)
            if end is None or end.uid != uid or end.good_until <= self._clock() or way not in end.ways:
                raise NotFound("this ticket is none, or no longer")
            end.ways.discard(way)
            if not end.ways:
                del self._ends[ticket]
            return end.claim
