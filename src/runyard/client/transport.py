"""How a request reaches the server: one method, `send`, and `stream` for bodies without end.

`UnixTransport` talks to a server's socket. It trusts a socket only if it belongs to the caller (or to root), by the
kernel's word on the peer, and reaches sockets whose path is too long through their directory's descriptor.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Optional, Protocol, TypeVar

from runyard.client.http import ENDLESS, Request, Response, ResponseReader, encode_request
from runyard.errors import NotAllowed, Unavailable
from runyard.foreign import sockets

T = TypeVar("T")

RECEIVE_BYTES = 256 * 1024

PATIENCE_S = 10.0
"""How long a silence lasts before the way to another machine is checked."""

NO_LIMIT_S = float("inf")


class Transport(Protocol):
    """Carries requests."""

    def send(self, request: Request, timeout_s: Optional[float]) -> Response:
        """The whole answer. `Unavailable` if there is no server or it goes away."""

    def stream(self, request: Request) -> tuple[Response, Iterator[bytes]]:
        """The head of the answer and its body, piece by piece."""

    def dial(self) -> socket.socket:
        """Another connection to the same server, for the caller's own use."""

    def close(self) -> None:
        """Let go of the connection."""


class UnixTransport:
    """One kept connection to the socket at `path`; not for use by several threads at a time.

    `alive`, if there is one, is asked whether the other end can still answer whenever nothing has come for a while.
    """

    def __init__(self, path: str, alive: Optional[Callable[[], bool]] = None) -> None:
        self._path = path
        self._alive = alive
        self._socket: Optional[socket.socket] = None

    def open(self) -> None:
        """Connect now, to learn whether a server is there."""
        if self._socket is None:
            self._socket = connect(self._path)

    def send(self, request: Request, timeout_s: Optional[float] = 60.0) -> Response:
        wire = encode_request(request)
        if self._socket is not None and not _closed(self._socket):
            try:
                return self._exchange(self._socket, wire, timeout_s)
            except _Stale as error:  # the server closed the kept connection, perhaps before it heard us
                if error.sent and not request.may_repeat:
                    raise _gone(error) from error
        self.close()
        self._socket = connect(self._path)
        try:
            return self._exchange(self._socket, wire, timeout_s)
        except _Stale as error:
            raise _gone(error) from error

    def stream(self, request: Request) -> tuple[Response, Iterator[bytes]]:
        connection = connect(self._path)
        reader = ResponseReader(ENDLESS)
        first = b""
        try:
            self._send(connection, encode_request(request), None)
            while reader.head is None:
                first += reader.feed(self._receive(connection, None))
        except OSError as error:
            connection.close()
            raise Unavailable(f"the server went away in the middle of a call ({error})") from error
        except BaseException:
            connection.close()
            raise
        return reader.head, self._pieces(connection, reader, first)

    def dial(self) -> socket.socket:
        return connect(self._path)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, connection: socket.socket, wire: bytes, timeout_s: Optional[float]) -> Response:
        """One request and its whole answer. The connection is kept only after one that ended well: the rest of an
        answer that nobody waited for must never be taken for the next one."""
        reader = ResponseReader()
        pieces, sent, heard = [], False, False
        try:
            self._send(connection, wire, timeout_s)
            sent = True
            while not reader.done:
                data = self._receive(connection, timeout_s)
                if not data and not heard:
                    raise _Stale("it closed the connection", sent)
                heard = True
                pieces.append(reader.feed(data))
        except socket.timeout as error:
            raise Unavailable(f"the server has not answered within {timeout_s:.0f} s") from error
        except OSError as error:
            if heard:
                raise Unavailable(f"the server went away ({error})") from error
            raise _Stale(f"the server went away ({error})", sent) from error
        finally:
            if not reader.reusable:
                self.close()
        head = reader.head or Response(0)
        return Response(head.status, head.headers, b"".join(pieces))

    def _send(self, connection: socket.socket, wire: bytes, timeout_s: Optional[float]) -> None:
        left = memoryview(wire)
        while left:
            left = left[self._patiently(connection, timeout_s, partial(connection.send, left)) :]

    def _receive(self, connection: socket.socket, timeout_s: Optional[float]) -> bytes:
        return self._patiently(connection, timeout_s, partial(connection.recv, RECEIVE_BYTES))

    def _patiently(self, connection: socket.socket, timeout_s: Optional[float], act: Callable[[], T]) -> T:
        """Send or receive a piece within this time (None: at any time), as long as the other end lives."""
        if self._alive is None:
            connection.settimeout(timeout_s)
            return act()
        left = NO_LIMIT_S if timeout_s is None else timeout_s
        while True:
            connection.settimeout(min(left, PATIENCE_S))
            try:
                return act()
            except socket.timeout:
                left -= PATIENCE_S
                if left <= 0:
                    raise
                if not self._alive():
                    raise ConnectionAbortedError("nothing comes through the connection any more") from None

    def _pieces(self, connection: socket.socket, reader: ResponseReader, first: bytes) -> Iterator[bytes]:
        with connection:
            if first:
                yield first
            while not reader.done:
                try:
                    piece = reader.feed(self._receive(connection, None))
                except OSError as error:
                    raise Unavailable(f"the server went away ({error})") from error
                if piece:
                    yield piece


class _Stale(Exception):
    """The connection broke before there was an answer. `sent`: the server may have got the whole request."""

    def __init__(self, message: str, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


def _gone(stale: _Stale) -> Unavailable:
    error = Unavailable(f"the server went away in the middle of a call ({stale})")
    error.unheard = not stale.sent
    return error


def _closed(connection: socket.socket) -> bool:
    """Whether the other end has closed a kept connection: between two calls nothing else can come."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def connect(path: str) -> socket.socket:
    """A connected socket whose other end belongs to us (or to root)."""
    try:
        connection = sockets.connect(path)
    except OSError as error:
        nobody = Unavailable(f"no server answers at {path} ({error.strerror or error}); `ry server start` starts one")
        nobody.unheard = True
        raise nobody from error
    uid = sockets.peer_uid(connection)
    if uid not in (os.getuid(), 0):
        connection.close()
        raise NotAllowed(f"the socket {path} belongs to another user (uid {uid}); it is not used")
    return connection
