"""Requests to the yard of another machine, through a socket that is forwarded from there.

The way there may break at any moment. `FarTransport` has its `FarLink` make it again, and repeats a request only where
that is safe: one that may be done twice, or one of which it is certain that the server has not heard it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Optional, Protocol

from runyard.client.http import Request, Response
from runyard.client.transport import UnixTransport
from runyard.errors import Unavailable

TRIES = 3
"""How often one request may be sent. (How often the way is tried to be made is the link's own affair.)"""

PROBE = Request("GET", "/changes?after=0&timeout_s=0")
PROBE_S = 30.0

HARMLESS = ("/blobs", "/jobs/list", "/jobs/alike", "/jobs/drafts", "/exports")
"""What is sent in a body and changes nothing. (A blob is named by its hash: nobody needs to know that it is kept.)"""


class FarLink(Protocol):
    """The way to another machine."""

    name: str

    @property
    def socket(self) -> str:
        """Where the server of that machine is reached on this one."""

    def alive(self) -> bool:
        """Whether the connection still carries anything. Ends one that does not."""

    def renew(self) -> None:
        """Make the way again. Unavailable, and what stands in the way, if it cannot be made."""


class FarTransport:
    """Requests over a link. `changed` is called when the first request that changes something was answered."""

    def __init__(self, link: FarLink, changed: Callable[[], None] = lambda: None) -> None:
        self._link = link
        self._near = UnixTransport(link.socket, link.alive)
        self._changed = changed
        self._answers = False

    def open(self) -> None:
        """Connect to the forwarded socket as it stands. Unavailable if it does not."""
        self._near.open()

    def send(self, request: Request, timeout_s: Optional[float] = 60.0) -> Response:
        for _ in range(TRIES - 1):
            try:
                return self._once(request, timeout_s)
            except Unavailable as error:
                self._answers = False
                self._link.renew()
                if not (request.may_repeat or error.unheard):
                    raise Unavailable(
                        f"the connection to {self._link.name} broke in the middle of a call, and was made again;"
                        " whether the call was heard is not known: look, and repeat it if it was not"
                    ) from error
        return self._once(request, timeout_s)

    def stream(self, request: Request) -> tuple[Response, Iterator[bytes]]:
        for _ in range(TRIES - 1):
            try:
                return self._near.stream(request)
            except Unavailable as error:
                if not (request.may_repeat or error.unheard):
                    raise
                self._link.renew()
        return self._near.stream(request)

    def dial(self) -> socket.socket:
        return self._near.dial()

    def close(self) -> None:
        self._near.close()

    def _once(self, request: Request, timeout_s: Optional[float]) -> Response:
        if not (request.may_repeat or self._answers):
            self._probe()
        response = self._near.send(request, timeout_s)
        self._answers = True
        if request.method != "GET" and not request.path.startswith(HARMLESS) and response.status < 400:
            self._changed()
            self._changed = lambda: None
        return response

    def _probe(self) -> None:
        """A socket that is forwarded takes every connection, also where nobody listens at its other end: what must not
        be sent twice is sent where something was answered before."""
        try:
            self._near.send(PROBE, PROBE_S)
        except Unavailable as error:
            error.unheard = True
            raise
