"""Streams: two callers joined, each with a GET whose answer goes on and a POST whose body does. None holds a thread.

What one sends up the other gets down, in order, with little of it held here: who reads slowly slows the other. When a
body has come to its end, so does the other's answer, after the rest; when anything else ends, all four calls do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from runyard.errors import Conflict, NotFound, Unavailable

HELD_BYTES = 256 * 1024
"""How far a sender may be ahead of its receiver."""
STREAMS_MAX = 256
MEET_S = 15.0
"""How long one end waits for the other."""


class Claimed(Protocol):
    """What `service.tickets.Claim` offers."""

    @property
    def stream(self) -> str: ...

    @property
    def asker(self) -> bool: ...


class Tickets(Protocol):
    """What `service.tickets.Tickets` offers."""

    def claim(self, ticket: str, way: str, uid: int) -> Claimed: ...

    def void(self, stream: str) -> None: ...


class NoTickets:
    """Where nothing is joined."""

    def claim(self, ticket: str, way: str, uid: int) -> Claimed:
        raise NotFound("there are no streams here")

    def void(self, stream: str) -> None: ...


class _Lane:
    """One direction. `open` until its body has ended."""

    def __init__(self, over: asyncio.Event) -> None:
        self._held = bytearray()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._over = over
        self.open = True

    async def put(self, data: bytes) -> None:
        """Hold it for the other side; waits for room."""
        while len(self._held) >= HELD_BYTES and not self._over.is_set():
            self._room.clear()
            await self._room.wait()
        self._held += data
        self._news.set()

    async def get(self) -> bytes:
        """All that is held, as soon as there is something; nothing when no more comes."""
        while not self._held and self.open and not self._over.is_set():
            self._news.clear()
            await self._news.wait()
        data = bytes(self._held)
        self._held.clear()
        self._room.set()
        return data

    def close(self) -> None:
        """No more comes."""
        self.open = False
        self._news.set()
        self._room.set()


class _Stream:
    """The two lanes, and how many of the four calls have come."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.lanes = {True: _Lane(self.over), False: _Lane(self.over)}
        self.came = 0

    def end(self) -> None:
        """Whoever is here goes."""
        self.over.set()
        for lane in self.lanes.values():
            lane.close()


class Streams:
    """All streams of one server. Used in its event loop only."""

    def __init__(self, tickets: Tickets = NoTickets()) -> None:  # noqa: B008  # it has no state
        self._tickets = tickets
        self._streams: dict[str, _Stream] = {}
        self._ending = False

    def down(self, ticket: str, uid: int) -> AsyncIterator[bytes]:
        """What the other end sends. NotFound at once where the ticket is none."""
        claim = self._tickets.claim(ticket, "GET", uid)
        return self._flow(claim, self._join(claim))

    async def up(self, ticket: str, uid: int, body: AsyncIterator[bytes]) -> None:
        """Pass the body on to the other end; returns when all has been taken in."""
        claim = self._tickets.claim(ticket, "POST", uid)
        stream = self._join(claim)
        lane = stream.lanes[claim.asker]
        ended = False
        try:
            async for data in body:
                if stream.over.is_set():
                    raise Conflict("the other end has gone")
                if data:
                    await lane.put(data)
            ended = True
            lane.close()
        finally:
            if not ended:
                self._end(claim.stream)

    def end(self) -> None:
        """The server is ending."""
        self._ending = True
        for stream in list(self._streams):
            self._end(stream)

    async def _flow(self, claim: Claimed, stream: _Stream) -> AsyncIterator[bytes]:
        lane, whole = stream.lanes[not claim.asker], False
        try:
            while data := await lane.get():
                yield data
            whole = True
        finally:
            if not whole or not any(lane.open for lane in stream.lanes.values()):
                self._end(claim.stream)

    def _join(self, claim: Claimed) -> _Stream:
        if self._ending:
            raise Unavailable("the server is ending")
        stream = self._streams.get(claim.stream)
        if stream is None:
            if len(self._streams) >= STREAMS_MAX:
                raise Unavailable("too many are attached")
            stream = self._streams[claim.stream] = _Stream()
            asyncio.get_running_loop().call_later(MEET_S, self._give_up, claim.stream)
        if stream.over.is_set():
            raise NotFound("the other end has gone")
        stream.came += 1
        return stream

    def _give_up(self, name: str) -> None:
        stream = self._streams.get(name)
        if stream is not None and stream.came < len(("GET", "POST")) * len(stream.lanes):
            self._end(name)

    def _end(self, name: str) -> None:
        stream = self._streams.pop(name, None)
        if stream is not None:
            stream.end()
            self._tickets.void(name)
