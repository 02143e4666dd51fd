"""The agent's beats over the wire, without ever blocking its loop.

One beat waits on the server while there is no news; news travel in another beat at once, which makes the server end the
waiting one. `hello` and `blob` are short calls that block. A link that breaks is reported by `receive` and mended by
the next hello.
"""

from __future__ import annotations

import select
import socket
from dataclasses import dataclass
from typing import Optional

from runyard.client.http import Request, Response, ResponseReader, encode_request
from runyard.client.remote import RemoteService, error_of, quote
from runyard.client.transport import RECEIVE_BYTES, UnixTransport, connect
from runyard.errors import ProtocolError, RunyardError, Unavailable
from runyard.model import codec
from runyard.model.beat import Answer, Hello, Report, Welcome

SEND_S = 30.0


@dataclass
class _Flight:
    """A beat whose answer has not come yet."""

    connection: socket.socket
    reader: ResponseReader
    report: Report
    body: bytearray


@dataclass(frozen=True)
class Arrived:
    """A beat that is over: its report, and the answer or what went wrong."""

    report: Report
    answer: Optional[Answer] = None
    error: Optional[RunyardError] = None


class ServerLink:
    """The way to the server at a socket. `fileno()` is readable when `receive` has something."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._epoll = select.epoll()
        self._flights: dict[int, _Flight] = {}
        self._idle: list[socket.socket] = []
        self._service = RemoteService(UnixTransport(path))

    def fileno(self) -> int:
        return self._epoll.fileno()

    @property
    def in_flight(self) -> tuple[Report, ...]:
        """Reports whose answers are awaited."""
        return tuple(flight.report for flight in self._flights.values())

    def hello(self, hello: Hello) -> Welcome:
        """Tell the server that this agent has started. Blocks shortly."""
        self.drop()
        return self._service.hello(hello)

    def blob(self, name: str) -> bytes:
        """Fetch an environment or a script. Blocks shortly."""
        return self._service.blob(name)

    def send(self, report: Report) -> None:
        """Send a beat. Unavailable if the server is not there."""
        wire = encode_request(
            Request("POST", f"/agents/{quote(report.agent)}/beat", codec.dumps(report).encode("ascii"))
        )
        connection = self._kept() or connect(self._path)
        connection.settimeout(SEND_S)
        try:
            connection.sendall(wire)
        except OSError as error:
            connection.close()
            raise Unavailable(f"the server went away ({error})") from error
        connection.setblocking(False)
        self._flights[connection.fileno()] = _Flight(connection, ResponseReader(), report, bytearray())
        self._epoll.register(connection.fileno(), select.EPOLLIN)

    def receive(self) -> list[Arrived]:
        """Beats that are over by now."""
        arrived = []
        for descriptor, _ in self._epoll.poll(0):
            flight = self._flights[descriptor]
            try:
                if not self._read(flight):
                    continue
            except (OSError, RunyardError) as error:
                self._forget(flight)
                flight.connection.close()
                arrived.append(Arrived(flight.report, error=Unavailable(f"the server went away ({error})")))
            else:
                arrived.append(self._land(flight))
        return arrived

    def drop(self) -> None:
        """Let go of all connections."""
        for flight in list(self._flights.values()):
            self._forget(flight)
            flight.connection.close()
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def close(self) -> None:
        self.drop()
        self._epoll.close()

    def _read(self, flight: _Flight) -> bool:
        try:
            data = flight.connection.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return False
        flight.body += flight.reader.feed(data)
        return flight.reader.done

    def _land(self, flight: _Flight) -> Arrived:
        self._forget(flight)
        if flight.reader.reusable:
            self._idle.append(flight.connection)
        else:
            flight.connection.close()
        head = flight.reader.head or Response(0)
        response = Response(head.status, head.headers, bytes(flight.body))
        if response.status >= 400:
            return Arrived(flight.report, error=error_of(response))
        try:
            return Arrived(flight.report, answer=codec.loads(Answer, response.body.decode("ascii")))
        except (ValueError, RunyardError) as error:
            return Arrived(flight.report, error=ProtocolError(f"the server's answer is not understood: {error}"))

    def _kept(self) -> Optional[socket.socket]:
        """An idle connection that the server has not closed meanwhile."""
        while self._idle:
            connection = self._idle.pop()
            try:
                connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                return connection
            except OSError:
                pass
            connection.close()
        return None

    def _forget(self, flight: _Flight) -> None:
        self._epoll.unregister(flight.connection.fileno())
        del self._flights[flight.connection.fileno()]
