"""Who calls: the kernel's word on the other end of the socket, never what the client says.

`PeerProtocol` notes the peer's uid when a connection is made; `Guard` stands before every route and refuses everybody
whom `allowed` does not know.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

PEER = "uid:"
REFUSED = json.dumps({"error": {"kind": "NotAllowed", "message": "this server serves its own account alone"}}).encode()


class PeerProtocol(HttpToolsProtocol):
    """HTTP on a Unix socket whose client address is the peer's uid."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        self.client = (PEER + str(peer_uid(connection)), 0)


def peer_uid(connection: Any) -> int:
    """The uid of the process at the other end, as it was when it connected (-1: not a Unix socket)."""
    if connection is None or connection.family != socket.AF_UNIX:
        return -1
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def caller_uid(scope: Scope) -> int:
    """The uid that `PeerProtocol` noted (-1: none)."""
    client = scope.get("client")
    if not client or not str(client[0]).startswith(PEER):
        return -1
    return int(str(client[0])[len(PEER) :])


class Guard:
    """Lets nobody pass to any route, known or unknown, whose uid is not allowed."""

    def __init__(self, app: App, allowed: Callable[[int], bool]) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and self._allowed(caller_uid(scope))):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(REFUSED)).encode())]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": REFUSED})
