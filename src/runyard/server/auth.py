"""Who calls: the kernel's word on the other end of the socket, never what the client says.

`PeerProtocol` notes the peer's uid when a connection is made, in the state that every request of it carries; `Guard`
stands before every route and refuses everybody whom `allowed` does not know. A connection that says nothing, or stops
in the middle of a request, is closed after a while.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runyard.foreign.sockets import peer_uid

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

UID = "runyard_uid"
"""The name in the state of a request under which the caller's uid is."""

REQUEST_S = 30.0
"""The longest silence in the middle of a request."""

PATIENT = "/streams/"
"""But bodies that go on as long as somebody looks at a terminal."""

REFUSED = json.dumps({"error": {"kind": "NotAllowed", "message": "this server serves its own account alone"}}).encode()


class PeerProtocol(HttpToolsProtocol):
    """HTTP on a Unix socket that knows its peer's uid and has little patience."""

    _asking = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, UID: peer_uid(transport.get_extra_info("socket"))}
        self._close_after(self.timeout_keep_alive)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._asking and not self.transport.is_closing():
            self._close_after(REQUEST_S)

    def on_message_begin(self) -> None:
        self._asking = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._asking = self._asking and not self.scope["path"].startswith(PATIENT)

    def on_message_complete(self) -> None:
        self._asking = False
        super().on_message_complete()

    def _close_after(self, seconds: float) -> None:
        """Close unless something comes before; by the same timer as a connection that is kept idle."""
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)


def caller_uid(scope: Scope) -> int:
    """The uid that `PeerProtocol` noted (-1: none)."""
    noted = scope.get("state", {}).get(UID, -1)
    return noted if isinstance(noted, int) else -1


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
