"""Streams: what one end sends the other gets, with bounds, and nobody is left waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from runyard.errors import NotFound, RunyardError
from runyard.server.streams import HELD_BYTES, Streams

PATIENCE_S = 10.0


@dataclass(frozen=True)
class Claim:
    stream: str
    asker: bool


class Everybody:
    """Tickets that are called as their stream and end."""

    def claim(self, ticket: str, way: str, uid: int) -> Claim:
        stream, _, end = ticket.partition("/")
        if end not in ("asker", "agent"):
            raise NotFound("no ticket")
        return Claim(stream, end == "asker")

    def void(self, stream: str) -> None: ...


class Body:
    """A body that is written while it is read."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()

    def say(self, piece: bytes | Exception | None) -> None:
        """None is the end, an error a caller who is gone."""
        self._pieces.put_nowait(piece)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece


class Pair:
    """Both ends of one stream."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self.bodies = {"asker": Body(), "agent": Body()}
        self.downs = {end: streams.down(f"s/{end}", 1) for end in self.bodies}
        self.ups = {
            end: asyncio.create_task(streams.up(f"s/{end}", 1, aiter(body))) for end, body in self.bodies.items()
        }

    async def next(self, end: str) -> bytes | None:
        """What this end gets next; None: it is over."""
        return await asyncio.wait_for(anext(self.downs[end], None), PATIENCE_S)

    async def gone(self, end: str) -> None:
        """The POST of this end is answered, in whatever way."""
        await asyncio.wait_for(asyncio.wait([self.ups[end]]), PATIENCE_S)
        assert self.ups[end].done()
        self.ups[end].exception()


def joined(test: Callable[[Pair], Awaitable[None]]) -> None:
    async def run() -> None:
        pair = Pair(Streams(Everybody()))
        await test(pair)
        for up in pair.ups.values():
            up.cancel()

    asyncio.run(run())


def test_both_ways() -> None:
    async def test(pair: Pair) -> None:
        pair.bodies["asker"].say(b"keys")
        pair.bodies["agent"].say(b"screen")
        assert await pair.next("agent") == b"keys"
        assert await pair.next("asker") == b"screen"

    joined(test)


def test_the_end_of_a_body_comes_after_the_rest_and_leaves_the_other_way_open() -> None:
    async def test(pair: Pair) -> None:
        pair.bodies["asker"].say(b"last")
        pair.bodies["asker"].say(None)
        assert await pair.next("agent") == b"last"
        assert await pair.next("agent") is None
        pair.bodies["agent"].say(b"answer")
        assert await pair.next("asker") == b"answer"

    joined(test)


@pytest.mark.parametrize("end", ["asker", "agent"])
def test_who_goes_in_the_middle_ends_it_for_both(end: str) -> None:
    async def test(pair: Pair) -> None:
        other = "agent" if end == "asker" else "asker"
        pair.bodies[end].say(ConnectionResetError())
        assert await pair.next(other) is None
        pair.bodies[other].say(b"more")
        await pair.gone(other)

    joined(test)


def test_who_does_not_read_slows_the_other_and_takes_no_memory() -> None:
    async def test(pair: Pair) -> None:
        piece = b"x" * 50_000
        for _ in range(40):
            pair.bodies["agent"].say(piece)
        pair.bodies["agent"].say(None)
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert not pair.ups["agent"].done()
        first = await pair.next("asker")
        assert first is not None and len(first) < HELD_BYTES + len(piece)
        got = len(first)
        while (more := await pair.next("asker")) is not None:
            got += len(more)
        assert got == 40 * len(piece)

    joined(test)


def test_the_end_of_the_server_is_the_end_of_all() -> None:
    async def test(pair: Pair) -> None:
        pair.streams.end()
        assert await pair.next("asker") is None and await pair.next("agent") is None
        with pytest.raises(RunyardError):
            pair.streams.down("t/asker", 1)

    joined(test)


def test_without_a_ticket_there_is_nothing() -> None:
    async def test(pair: Pair) -> None:
        with pytest.raises(NotFound):
            pair.streams.down("s/nobody", 1)
        with pytest.raises(NotFound):
            await pair.streams.up("s/nobody", 1, aiter(Body()))

    joined(test)
