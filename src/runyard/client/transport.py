"""How a request reaches the server: one method, `send`, and `stream` for bodies without end.

`UnixTransport` talks to a server's socket. It trusts a socket only if it belongs to the caller (or to root), by the
kernel's word on the peer, and reaches sockets whose path is too long through their directory's descriptor.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Optional, Protocol

from runyard.client.http import Request, Response, ResponseReader, encode_request
from runyard.errors import NotAllowed, Unavailable
from runyard.foreign import sockets

RECEIVE_BYTES = 256 * 1024


class Transport(Protocol):
    """Carries requests."""

    def send(self, request: Request, timeout_s: Optional[float]) -> Response:
        """The whole answer. `Unavailable` if there is no server or it goes away."""

    def stream(self, request: Request) -> tuple[Response, Iterator[bytes]]:
        """The head of the answer and its body, piece by piece."""

    def close(self) -> None:
        """Let go of the connection."""


class UnixTransport:
    """One kept connection to the socket at `path`; not for use by several threads at a time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: Optional[socket.socket] = None

    def open(self) -> None:
        """Connect now, to learn whether a server is there."""
        if self._socket is None:
            self._socket = connect(self._path)

    def send(self, request: Request, timeout_s: Optional[float] = 60.0) -> Response:
        wire = encode_request(request)
        if self._socket is not None:
            try:
                return self._exchange(self._socket, wire, timeout_s)
            except _Stale:
                pass  # The server closed the kept connection, perhaps before it heard us: once more on a new one.
        self._socket = connect(self._path)
        try:
            return self._exchange(self._socket, wire, timeout_s)
        except _Stale as error:
            raise Unavailable(f"the server went away in the middle of a call ({error})") from error

    def stream(self, request: Request) -> tuple[Response, Iterator[bytes]]:
        connection = connect(self._path)
        reader = ResponseReader()
        first = b""
        try:
            connection.settimeout(None)
            connection.sendall(encode_request(request))
            while reader.head is None:
                first += reader.feed(connection.recv(RECEIVE_BYTES))
        except OSError as error:
            connection.close()
            raise Unavailable(f"the server went away in the middle of a call ({error})") from error
        except BaseException:
            connection.close()
            raise
        return reader.head, _pieces(connection, reader, first)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, connection: socket.socket, wire: bytes, timeout_s: Optional[float]) -> Response:
        """One request and its whole answer. The connection is kept only after one that ended well: the rest of an
        answer that nobody waited for must never be taken for the next one."""
        reader = ResponseReader()
        pieces, heard = [], False
        try:
            connection.settimeout(timeout_s)
            connection.sendall(wire)
            while not reader.done:
                data = connection.recv(RECEIVE_BYTES)
                if not data and not heard:
                    raise _Stale("it closed the connection")
                heard = True
                pieces.append(reader.feed(data))
        except socket.timeout as error:
            raise Unavailable(f"the server has not answered within {timeout_s:.0f} s") from error
        except OSError as error:
            raise (Unavailable if heard else _Stale)(f"the server went away ({error})") from error
        finally:
            if not reader.reusable:
                self.close()
        head = reader.head or Response(0)
        return Response(head.status, head.headers, b"".join(pieces))


class _Stale(Exception):
    """The connection broke before there was an answer."""


def _pieces(connection: socket.socket, reader: ResponseReader, first: bytes) -> Iterator[bytes]:
    with connection:
        if first:
            yield first
        while not reader.done:
            try:
                piece = reader.feed(connection.recv(RECEIVE_BYTES))
            except OSError as error:
                raise Unavailable(f"the server went away ({error})") from error
            if piece:
                yield piece


def connect(path: str) -> socket.socket:
    """A connected socket whose other end belongs to us (or to root)."""
    try:
        connection = sockets.connect(path)
    except OSError as error:
        raise Unavailable(
            f"no server answers at {path} ({error.strerror or error}); `ry server start` starts one"
        ) from error
    uid = sockets.peer_uid(connection)
    if uid not in (os.getuid(), 0):
        connection.close()
        raise NotAllowed(f"the socket {path} belongs to another user (uid {uid}); it is not used")
    return connection
