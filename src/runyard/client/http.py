"""Just enough HTTP/1.1 for one well-known server: a request as bytes, and a reader that is fed what arrives.

The standard library's client costs 40 ms of imports, which a command line feels (docs/decisions/0002).
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Optional

from runyard.errors import ProtocolError, Unavailable
from runyard.model.record import dataclass

HEAD_MAX = 64 * 1024

BODY_MAX = 512 * 1024 * 1024
"""A longer answer is none of ours: the yard may be another machine's, which is not to fill this one."""

REFUSAL_MAX = 1024 * 1024
"""The same for the body of an answer that says what is wrong."""


@dataclass(frozen=True)
class Request:
    """One call. `path` is percent-encoded, with its query.

    `repeatable`: that it is done twice makes no difference, so it may be sent again when nobody knows whether it was
    heard. Every GET is.
    """

    method: str
    path: str
    body: Optional[bytes] = None
    content_type: str = "application/json"
    repeatable: bool = False

    @property
    def may_repeat(self) -> bool:
        return self.repeatable or self.method == "GET"


@dataclass(frozen=True)
class Response:
    """Status, headers by lower-case name, and the whole body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def encode_request(request: Request) -> bytes:
    """The request as it goes over the wire (keep-alive)."""
    lines = [f"{request.method} {request.path} HTTP/1.1", "Host: runyard"]
    if request.body is not None:
        lines += [f"Content-Type: {request.content_type}", f"Content-Length: {len(request.body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + (request.body or b"")


ENDLESS = float("inf")
"""Of a body that is not kept."""


class ResponseReader:
    """Takes bytes as they come. `head` is there once the headers are, `done` when the body is.

    What is no HTTP raises ProtocolError, and so does a body longer than `most`; an end that comes too early raises
    Unavailable. The connection is of no use then.
    """

    def __init__(self, most: float = BODY_MAX) -> None:
        self._room = most
        self._buffer = bytearray()
        self._left = 0
        self._chunked = False
        self._to_the_end = False
        self._between = False
        self._trailer = False
        self.head: Optional[Response] = None
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """The part of the body in this data. Empty data means that the other side closed."""
        if not data:
            if not self._to_the_end:
                raise Unavailable("the server went away in the middle of an answer")
            self.done = True
            return b""
        self._buffer += data
        if self.head is None and not self._read_head():
            return b""
        body = self._read_chunks() if self._chunked else self._read_plain()
        self._room -= len(body)
        self._check(0)
        return body

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on the connection."""
        return (
            self.done
            and self.head is not None
            and not self._to_the_end
            and not self._buffer
            and self.head.headers.get("connection", "").lower() != "close"
        )

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_MAX:
                raise ProtocolError("the head of the server's answer is too long")
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        status = _STATUS.match(lines[0])
        if not status:
            raise ProtocolError("this is not a Runyard server")
        self.head = Response(int(status[1]), headers)
        if self.head.status >= 400:
            self._room = REFUSAL_MAX
        bodiless = self.head.status in (204, 304)
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked" and not bodiless
        self._to_the_end = not self._chunked and "content-length" not in headers and not bodiless
        self._left = 0 if self._chunked or bodiless else _size(headers.get("content-length", "0"), 10)
        self.done = not self._chunked and not self._to_the_end and self._left == 0
        self._check(self._left)
        return True

    def _check(self, more: int) -> None:
        if more > self._room:
            raise ProtocolError("the server's answer is too long")

    def _read_plain(self) -> bytes:
        if self._to_the_end:
            taken = bytes(self._buffer)
            self._buffer.clear()
            return taken
        taken = bytes(self._buffer[: self._left])
        del self._buffer[: len(taken)]
        self._left -= len(taken)
        self.done = self._left == 0
        return taken

    def _read_chunks(self) -> bytes:
        taken = bytearray()
        while not self.done:
            if self._left > 0:
                piece = self._buffer[: self._left]
                taken += piece
                self._left -= len(piece)
                del self._buffer[: len(piece)]
                if self._left > 0:
                    break
            if not self._next_line():
                break
        return bytes(taken)

    def _next_line(self) -> bool:
        """Read the size line of the next chunk, or a line behind the last one; False until it has arrived."""
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_MAX:
                raise ProtocolError("a line of the server's answer is too long")
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._between:
            if line:
                raise ProtocolError("a piece of the server's answer is longer than it says")
            self._between = False
            return True
        if self._trailer:
            self.done = not line
            return True
        self._left = _size(line.split(b";")[0].strip().decode("latin-1"), 16)
        self._between = self._left > 0
        self._trailer = self._left == 0
        return True


_STATUS = re.compile(r"HTTP/1\.[01] ([1-9][0-9][0-9])(?: |$)", re.ASCII)
_SIZE = {10: re.compile(r"[0-9]{1,15}", re.ASCII), 16: re.compile(r"[0-9a-fA-F]{1,12}", re.ASCII)}


def _size(text: str, base: int) -> int:
    if not _SIZE[base].fullmatch(text):
        raise ProtocolError(f"{text[:40]!r} is no size of a body")
    return int(text, base)
