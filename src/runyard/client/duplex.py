"""A stream in both directions through the server: a GET whose answer goes on and on, and a POST whose body does.

Both ends of a stream come so, a face and an agent; each has a ticket, and what one sends the other receives. Nothing
here blocks once it is made: wait for the descriptors, then `flush` and `receive`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Optional

from runyard.client.http import ENDLESS, Request, Response, ResponseReader, encode_request
from runyard.client.remote import error_of, quote
from runyard.client.transport import RECEIVE_BYTES
from runyard.errors import ProtocolError, Unavailable

OPEN_S = 30.0
"""How long the server may take to let us in."""
ANSWER_BYTES = 4096
"""More of an answer to the body that goes up is not of interest."""


class Duplex:
    """Our end of the stream with this ticket; `dial` makes connections to the server. Opening it blocks shortly and
    raises what the server answers: NotFound for a ticket that is none any more. `down` and `up` are its descriptors."""

    def __init__(self, dial: Callable[[], socket.socket], ticket: str) -> None:
        self._reader = ResponseReader(ENDLESS)
        self._early = bytearray()
        self._out = bytearray()
        self._ended = False
        self._down = dial()
        try:
            self._up = dial()
        except Unavailable:
            self._down.close()
            raise
        try:
            self._open(f"/streams/{quote(ticket)}")
        except BaseException:
            self.close()
            raise
        self.down, self.up = self._down.fileno(), self._up.fileno()

    @property
    def unsent(self) -> int:
        """Bytes that wait to be sent: who has much of it takes no more from where it comes."""
        return len(self._out)

    @property
    def waiting(self) -> bool:
        """There is something to `receive` that `down` does not tell of."""
        return bool(self._early) or self._reader.done

    def send(self, data: bytes) -> None:
        """Send it, or keep what does not fit for `flush`. Unavailable: the stream is over."""
        if data:
            self._out += b"%x\r\n%b\r\n" % (len(data), data)
            self.flush()

    def end(self) -> None:
        """No more goes up."""
        if not self._ended:
            self._ended = True
            self._out += b"0\r\n\r\n"
            self.flush()

    def flush(self) -> None:
        """Send what is left. Unavailable: the stream is over."""
        try:
            while self._out:
                del self._out[: self._up.send(self._out)]
        except BlockingIOError:
            return
        except OSError as error:
            raise Unavailable(f"the stream has broken ({error})") from error

    @property
    def closed(self) -> bool:
        """Whether the server takes no more: call it when `up` is readable."""
        try:
            self._up.recv(ANSWER_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def receive(self) -> Optional[bytes]:
        """What has come down (perhaps nothing); None when no more comes."""
        if self._early:
            data = bytes(self._early)
            self._early.clear()
            return data
        if self._reader.done:
            return None
        try:
            data = self._reader.feed(self._down.recv(RECEIVE_BYTES))
            return None if self._reader.done and not data else data
        except BlockingIOError:
            return b""
        except (OSError, Unavailable, ProtocolError):
            return None

    def close(self) -> None:
        self._down.close()
        self._up.close()

    def _open(self, target: str) -> None:
        self._down.settimeout(OPEN_S)
        head = f"POST {target} HTTP/1.1\r\nHost: runyard\r\nContent-Type: application/octet-stream\r\n"
        try:
            self._down.sendall(encode_request(Request("GET", target)))
            while self._reader.head is None:
                self._early += self._reader.feed(self._down.recv(RECEIVE_BYTES))
            if self._reader.head.status >= 400:
                raise error_of(self._whole(self._reader.head))
            self._up.settimeout(OPEN_S)
            self._up.sendall(head.encode("ascii") + b"Transfer-Encoding: chunked\r\n\r\n")
        except OSError as error:
            raise Unavailable(f"the server went away ({error})") from error
        self._down.setblocking(False)
        self._up.setblocking(False)

    def _whole(self, head: Response) -> Response:
        """The refusal, to its end."""
        while not self._reader.done:
            self._early += self._reader.feed(self._down.recv(RECEIVE_BYTES))
        return Response(head.status, head.headers, bytes(self._early))
