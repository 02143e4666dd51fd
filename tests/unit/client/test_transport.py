"""Requests over a real Unix socket: kept connections, servers that go away in every moment, sockets of others."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from runyard.client.http import Request, Response
from runyard.client.transport import UnixTransport, connect
from runyard.errors import NotAllowed, Unavailable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = Request("GET", "/")

Behaviour = Callable[[socket.socket], None]


def answers(*answers: bytes) -> Behaviour:
    """Each request on this connection gets the next answer; then it is closed."""

    def behave(connection: socket.socket) -> None:
        for answer in answers:
            if not request_on(connection):
                return
            connection.sendall(answer)

    return behave


def request_on(connection: socket.socket) -> bytes:
    heard = b""
    while b"\r\n\r\n" not in heard:
        data = connection.recv(65536)
        if not data:
            return b""
        heard += data
    return heard


class Server:
    """Accepts connections one after another; the n-th one is treated as the n-th behaviour says."""

    def __init__(self, path: str, behaviours: tuple[Behaviour, ...]) -> None:
        self.accepted = 0
        self._behaviours = behaviours
        self._listener = socket.socket(socket.AF_UNIX)
        bind(self._listener, path)
        self._listener.listen()
        self._closed = [threading.Event() for _ in behaviours]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def wait_closed(self, number: int) -> None:
        """Until the server has closed its end of this connection."""
        assert self._closed[number].wait(10)

    def _serve(self) -> None:
        for number, behave in enumerate(self._behaviours):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            with connection, suppress(ConnectionError):
                behave(connection)
            self._closed[number].set()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive(), "it waits for a request that nobody sends"


def bind(listener: socket.socket, path: str) -> None:
    """As a server does it, so that the length of the path does not matter."""
    directory = os.open(os.path.dirname(path), os.O_PATH)
    listener.bind(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
    os.close(directory)


@contextmanager
def server(path: Path, *behaviours: Behaviour) -> Iterator[Server]:
    running = Server(str(path), behaviours)
    try:
        yield running
    finally:
        running.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
def transport(path: Path) -> Iterator[UnixTransport]:
    made = UnixTransport(str(path))
    yield made
    made.close()


def test_requests_share_a_connection(path: Path, transport: UnixTransport) -> None:
    with server(path, answers(OK, OK, OK)) as running:
        assert [transport.send(GET, 10).body for _ in range(3)] == [b"ok"] * 3
        assert running.accepted == 1


def test_a_kept_connection_that_was_closed_is_replaced(path: Path, transport: UnixTransport) -> None:
    with server(path, answers(OK), answers(OK)) as running:
        transport.send(GET, 10)
        running.wait_closed(0)
        assert transport.send(GET, 10).body == b"ok"
        assert running.accepted == 2


def test_a_kept_connection_that_breaks_when_it_is_used_is_replaced(path: Path, transport: UnixTransport) -> None:
    def hears_and_goes(connection: socket.socket) -> None:
        answers(OK)(connection)
        request_on(connection)

    with server(path, hears_and_goes, answers(OK)):
        transport.send(GET, 10)
        assert transport.send(GET, 10).body == b"ok"


def test_a_new_connection_that_breaks_is_not_tried_again(path: Path, transport: UnixTransport) -> None:
    with server(path, lambda connection: None, answers(OK)) as running:
        with pytest.raises(Unavailable):
            transport.send(GET, 10)
        assert running.accepted == 1
        assert transport.send(GET, 10).body == b"ok"


def test_a_connection_is_closed_when_the_server_says_so(path: Path, transport: UnixTransport) -> None:
    with server(path, answers(OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)), answers(OK)) as running:
        assert [transport.send(GET, 10).body for _ in range(2)] == [b"ok"] * 2
        assert running.accepted == 2


@pytest.mark.parametrize("part", [OK[:1], OK[:20], OK[:-1]])
def test_half_an_answer_is_an_error_and_the_next_call_is_not_harmed(
    path: Path, transport: UnixTransport, part: bytes
) -> None:
    with server(path, answers(OK, part), answers(OK)):
        transport.send(GET, 10)
        with pytest.raises(Unavailable):
            transport.send(GET, 10)
        assert transport.send(GET, 10).body == b"ok"


def test_a_late_answer_is_never_taken_for_the_next_one(path: Path, transport: UnixTransport) -> None:
    waited = threading.Event()

    def late(connection: socket.socket) -> None:
        request_on(connection)
        waited.wait(10)
        connection.sendall(OK.replace(b"ok", b"no"))

    with server(path, late, answers(OK)):
        with pytest.raises(Unavailable):
            transport.send(GET, 0.05)
        waited.set()
        assert transport.send(GET, 10).body == b"ok"


def test_a_call_that_was_interrupted_leaves_nothing_behind(
    path: Path, transport: UnixTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control-C in the middle of a wait: the answer that comes later belongs to nobody."""

    def interrupted(*args: object) -> bytes:
        raise KeyboardInterrupt

    with server(path, answers(OK.replace(b"ok", b"no")), answers(OK)):
        with monkeypatch.context() as patch:
            patch.setattr("runyard.client.http.ResponseReader.feed", interrupted)
            with pytest.raises(KeyboardInterrupt):
                transport.send(GET, 10)
        assert transport.send(GET, 10).body == b"ok"


def test_a_stream_comes_in_pieces(path: Path, transport: UnixTransport) -> None:
    first_read = threading.Event()

    def pieces(connection: socket.socket) -> None:
        request_on(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        assert first_read.wait(10)
        connection.sendall(b"3\r\ntwo\r\n0\r\n\r\n")

    with server(path, pieces):
        head, body = transport.stream(GET)
        assert head.status == 200
        assert next(body) == b"one"
        first_read.set()
        assert b"".join(body) == b"two"


def test_a_stream_that_breaks_off(path: Path, transport: UnixTransport) -> None:
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"
    with server(path, answers(cut), lambda connection: None):
        _, body = transport.stream(GET)
        with pytest.raises(Unavailable):
            list(body)
        with pytest.raises(Unavailable):
            transport.stream(GET)


def test_nobody_there(path: Path, transport: UnixTransport, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="server start"):
        transport.send(GET, 10)
    with server(path):
        pass
    with pytest.raises(Unavailable):
        transport.send(GET, 10)
    with pytest.raises(Unavailable):
        connect(str(tmp_path / "no" / "such" / ("directory" * 20) / "s"))


def test_a_path_that_is_too_long_for_an_address(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    deep.mkdir(parents=True)
    path = deep / "server.sock"
    assert len(os.fsencode(path)) > 200
    transport = UnixTransport(str(path))
    with server(path, answers(OK)):
        assert transport.send(GET, 10).body == b"ok"
        transport.close()


FOREIGN = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
listener.listen()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="takes root and setpriv")
def test_a_socket_of_another_user_is_not_used() -> None:
    """Somebody has put a socket where ours should be. (Below /tmp: pytest's own directories are closed to him.)"""
    directory = subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip()
    os.chmod(directory, 0o777)
    path = os.path.join(directory, "s")
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", FOREIGN, path]
    squatter = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
    try:
        assert squatter.stdout is not None
        assert squatter.stdout.readline() == b"ready\n"
        with pytest.raises(NotAllowed, match="65534"):
            UnixTransport(path).send(Request("POST", "/jobs", b"secret"), 10)
    finally:
        squatter.communicate()
        shutil.rmtree(directory)


def test_the_answer_is_whole(path: Path, transport: UnixTransport) -> None:
    body = os.urandom(3_000_000)
    with server(path, answers(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + body)):
        assert transport.send(GET, 30) == Response(200, {"content-length": "3000000"}, body)
