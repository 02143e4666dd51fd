"""What is sent again when the way to another machine breaks, and what is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runyard.client.far import PROBE, FarTransport
from runyard.client.http import Request
from runyard.client.transport import UnixTransport
from runyard.errors import Unavailable
from tests.unit.client.test_transport import OK, Behaviour, Server, answers, request_on, server

GET = Request("GET", "/jobs")
CHANGE = Request("POST", "/jobs/hold", b"[1]")
SUBMIT = Request("POST", "/jobs", b"{}", repeatable=True)


class Link:
    """A way that can be made again as often as one likes."""

    name = "gpu1"

    def __init__(self, path: Path) -> None:
        self.socket = str(path)
        self.renewed = 0
        self.lives = True

    def alive(self) -> bool:
        return self.lives

    def renew(self) -> None:
        self.renewed += 1


@pytest.fixture
def link(tmp_path: Path) -> Link:
    return Link(tmp_path / "s")


@pytest.fixture
def transport(link: Link) -> Iterator[FarTransport]:
    made = FarTransport(link)
    yield made
    made.close()


def hears_and_goes(connection: socket.socket) -> None:
    """The request has come whole; the way breaks before the answer."""
    request_on(connection)


def nobody_behind(connection: socket.socket) -> None:
    """A forwarded socket at whose other end nobody listens: it takes the connection and closes it."""


@pytest.mark.parametrize("broken", [hears_and_goes, nobody_behind])
@pytest.mark.parametrize("request_", [GET, SUBMIT])
def test_what_may_be_done_twice_is_sent_again(
    link: Link, transport: FarTransport, broken: Behaviour, request_: Request
) -> None:
    with server(Path(link.socket), broken, answers(OK)):
        assert transport.send(request_, 10).body == b"ok"
    assert link.renewed == 1


def test_a_change_goes_where_something_was_answered_before(link: Link, transport: FarTransport) -> None:
    """The probe finds that nobody is there, so the change has certainly not been heard."""
    heard: list[bytes] = []

    def notes(connection: socket.socket) -> None:
        for _ in range(2):
            heard.append(request_on(connection))
            connection.sendall(OK)

    with server(Path(link.socket), nobody_behind, notes):
        assert transport.send(CHANGE, 10).body == b"ok"
    assert link.renewed == 1
    assert [line.split(b" HTTP")[0] for line in heard] == [b"GET " + PROBE.path.encode(), b"POST /jobs/hold"]


def test_a_change_that_may_have_been_heard_is_not_sent_again(link: Link, transport: FarTransport) -> None:
    def answers_and_goes(connection: socket.socket) -> None:
        answers(OK)(connection)
        request_on(connection)

    with server(Path(link.socket), answers_and_goes, answers(OK)) as running:
        transport.send(GET, 10)
        with pytest.raises(Unavailable, match="whether the call was heard is not known"):
            transport.send(CHANGE, 10)
        assert (running.accepted, link.renewed) == (1, 1), "the way is made again, the change is not"
        assert transport.send(GET, 10).body == b"ok"


def test_a_change_over_a_connection_that_was_closed_meanwhile(link: Link, transport: FarTransport) -> None:
    with server(Path(link.socket), answers(OK), answers(OK)) as running:
        transport.send(GET, 10)
        running.wait_closed(0)
        assert transport.send(CHANGE, 10).body == b"ok", "it was closed before anything was sent over it"


def test_a_way_that_stays_broken(link: Link, transport: FarTransport) -> None:
    with server(Path(link.socket), *[nobody_behind] * 3), pytest.raises(Unavailable):
        transport.send(GET, 10)
    assert link.renewed == 2


def test_the_first_change_is_told_and_no_other(link: Link) -> None:
    told: list[str] = []
    transport = FarTransport(link, lambda: told.append("changed"))
    with server(Path(link.socket), answers(*[OK] * 4)):
        for request in (GET, Request("POST", "/blobs", b"x", repeatable=True), CHANGE, CHANGE):
            transport.send(request, 10)
            assert told == (["changed"] if request is CHANGE else [])
        transport.close()


def test_a_silence_is_looked_into(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runyard.client.transport.PATIENCE_S", 0.02)
    looks: list[bool] = []
    over = threading.Event()

    def slow(connection: socket.socket) -> None:
        request_on(connection)
        over.wait(10)
        connection.sendall(OK)

    def alive() -> bool:
        looks.append(True)
        if len(looks) == 3:
            over.set()
        return True

    patient = UnixTransport(link.socket, alive)
    with server(Path(link.socket), slow):
        assert patient.send(GET, 10).body == b"ok"
    assert len(looks) >= 3
    patient.close()


def test_a_silence_of_a_dead_connection_ends(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runyard.client.transport.PATIENCE_S", 0.02)
    over = threading.Event()

    def hangs(connection: socket.socket) -> None:
        request_on(connection)
        over.wait(10)

    running = Server(link.socket, (hangs,))
    try:
        with pytest.raises(Unavailable, match="nothing comes through"):
            UnixTransport(link.socket, lambda: False).send(GET, 10)
    finally:
        over.set()
        running.close()
