"""The event loop of the server process: HTTP on a listening socket until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import uvicorn

from runyard.server.auth import App, PeerProtocol

GRACEFUL_S = 2
"""Calls that wait are cut after this long when the server ends."""

KEEP_ALIVE_S = 120
BACKLOG = 512


def bind(path: str) -> socket.socket:
    """A Unix socket to listen on, 0600 from its first instant.

    A stale one is replaced: the caller holds the lock of the home. Any length of path will do.
    """
    with suppress(FileNotFoundError):
        os.unlink(path)
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
    finally:
        os.umask(before)
        os.close(directory)
    listener.setblocking(False)
    return listener


@dataclass(frozen=True)
class Moments:
    """What is to be called when calls are answered, and when the server begins to end."""

    ready: Callable[[], None]
    ending: Callable[[], None]


class Server(uvicorn.Server):
    """Lets whoever waits go before it shuts down."""

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
                backlog=BACKLOG,
            )
        )
        self._moments = moments

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._moments.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._moments.ending()
        await super().shutdown(sockets)


def run(app: App, listener: socket.socket, moments: Moments) -> None:
    """Serve until SIGTERM or SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _heard)  # uvicorn raises what it caught once more when it has ended
    asyncio.run(Server(app, moments).serve(sockets=[listener]))


def _heard(number: int, frame: object) -> None:
    """The signal has done its work: the caller has still to tidy up."""
