"""The event loop of the server process: HTTP on a listening socket until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from runyard.server.auth import App, PeerProtocol

GRACEFUL_S = 2
"""Calls that wait are cut after this long when the server ends."""

KEEP_ALIVE_S = 120
BACKLOG = 512
STARTED_LOOK_S = 0.005


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


def run(app: App, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called once when calls are answered."""
    config = uvicorn.Config(
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
    asyncio.run(_serve(uvicorn.Server(config), listener, ready))


async def _serve(server: uvicorn.Server, listener: socket.socket, ready: Callable[[], None]) -> None:
    async def tell() -> None:
        while not server.started:
            await asyncio.sleep(STARTED_LOOK_S)
        ready()

    told = asyncio.create_task(tell())
    await server.serve(sockets=[listener])
    told.cancel()
