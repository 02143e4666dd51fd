"""The event loop of the server process: HTTP on a listening socket until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import uvicorn

from runyard.foreign import sockets
from runyard.server.auth import App, PeerProtocol

log = logging.getLogger("runyard.server")

GRACEFUL_S = 2
"""Calls that wait are cut after this long when the server ends."""

KEEP_ALIVE_S = 120
BACKLOG = 512
LOOK_TICKS = 10
"""The loop ticks every 0.1 s; after so many it looks whether it can still be reached."""


def bind(path: str) -> socket.socket:
    """A Unix socket to listen on, 0600 from its first instant.

    A stale one is replaced: the caller holds the lock of the home. Any length of path will do.
    """
    with suppress(FileNotFoundError):
        os.unlink(path)
    listener = sockets.bind(path)
    listener.setblocking(False)
    return listener


def _nothing_new() -> socket.socket | None:
    return None


@dataclass(frozen=True)
class Moments:
    """What is to be called when calls are answered, when the server begins to end, and about once a second.

    `renewed` gives another socket where the present one cannot be reached any more. It is called in the loop: quickly.
    """

    ready: Callable[[], None]
    ending: Callable[[], None]
    renewed: Callable[[], socket.socket | None] = _nothing_new


class Server(uvicorn.Server):
    """Lets whoever waits go before it shuts down, and moves to another socket when it has to."""

    def __init__(self, app: App, moments: Moments) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=PeerProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=GRACEFUL_S,
                timeout_keep_alive=KEEP_ALIVE_S,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
            )
        )
        self._moments = moments

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._moments.ready()

    async def on_tick(self, counter: int) -> bool:
        if counter % LOOK_TICKS == 0:
            try:
                renewed = self._moments.renewed()
                if renewed is not None:
                    await self._move(renewed)
            except Exception:  # what cannot be looked at now (too many open files) must not end what is served
                log.exception("whether it can be reached is not known")
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._moments.ending()
        await super().shutdown(sockets)

    async def _move(self, listener: socket.socket) -> None:
        """Listen there instead. Whoever is connected stays so."""
        for server in self.servers:
            server.close()
        await super().startup([listener])


def run(app: App, listener: socket.socket, moments: Moments) -> None:
    """Serve until SIGTERM or SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _heard)  # uvicorn raises what it caught once more when it has ended
    asyncio.run(Server(app, moments).serve(sockets=[listener]))


def _heard(number: int, frame: object) -> None:
    """The signal has done its work: the caller has still to tidy up."""
