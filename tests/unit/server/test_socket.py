"""The application on a real socket: who is asked for the caller, and callers that stop, go away or stay silent."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from runyard.client.http import ResponseReader
from runyard.foreign import sockets
from runyard.server import auth, run
from runyard.server.app import Backend, make_app
from runyard.server.run import Moments, Server, bind
from tests.unit.server.client import NoTopics, Recorder

PATIENCE_S = 30.0
STATUS = b"GET /queues HTTP/1.1\r\nHost: x\r\n%b\r\n"
HALF_BODY = b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


class Quiet(Recorder):
    """Has no queues, and fails at everything else."""

    def queues(self) -> tuple[()]:
        return ()


@contextmanager
def serving(
    path: Path, allowed: Callable[[int], bool] = lambda uid: True, renewed: Callable[[], Any] = lambda: None
) -> Iterator[None]:
    """The application on a socket at this path. When this ends all calls have been dealt with."""
    ready = threading.Event()
    service: Any = Quiet()
    server = Server(
        make_app(Backend(lambda uid: service, NoTopics(), allowed, "test")), Moments(ready.set, lambda: None, renewed)
    )
    listener = bind(str(path))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        assert ready.wait(PATIENCE_S)
        yield
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        listener.close()


def connected(path: Path) -> socket.socket:
    connection = sockets.connect(str(path))
    connection.settimeout(PATIENCE_S)
    return connection


def answer(connection: socket.socket, request: bytes) -> int:
    """The status of the answer, which is read to its end."""
    connection.sendall(request)
    reader = ResponseReader()
    while not reader.done:
        reader.feed(connection.recv(65536))
    assert reader.head is not None
    return reader.head.status


def closed(connection: socket.socket) -> bool:
    """Waits for the end; whatever comes before does not count."""
    with suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return True


def test_a_forwarding_header_names_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this variable of uvicorn's says in the environment."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    somebody = os.getuid() + 1
    with serving(tmp_path / "s", lambda uid: uid == somebody), connected(tmp_path / "s") as connection:
        for header in (b"X-Forwarded-For: uid:%d\r\n", b"X-Forwarded-For: %d\r\n", b"Forwarded: for=%d\r\n"):
            assert answer(connection, STATUS % (header % somebody)) == 403
    with serving(tmp_path / "s", lambda uid: uid == os.getuid()), connected(tmp_path / "s") as connection:
        assert answer(connection, STATUS % b"X-Forwarded-For: 10.0.0.1\r\n") == 200


def test_who_goes_away_in_the_middle_of_a_body_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(tmp_path / "s"):
        with connected(tmp_path / "s") as connection:
            connection.sendall(HALF_BODY)
        with connected(tmp_path / "s") as connection:
            assert answer(connection, STATUS % b"") == 200
    assert [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


@pytest.mark.parametrize("part", [HALF_BODY, HALF_BODY[:40], STATUS[:3]], ids=["body", "headers", "line"])
def test_half_a_request_holds_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: bytes) -> None:
    monkeypatch.setattr(auth, "REQUEST_S", 0.02)
    with serving(tmp_path / "s"), connected(tmp_path / "s") as connection:
        connection.sendall(part)
        assert closed(connection)


def test_who_says_nothing_holds_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "KEEP_ALIVE_S", 0.02)
    with serving(tmp_path / "s"), connected(tmp_path / "s") as connection:
        assert closed(connection)


def test_a_body_in_pieces_is_waited_for(tmp_path: Path) -> None:
    """After each piece the patience begins anew, and after the last one it is over."""
    with serving(tmp_path / "s"), connected(tmp_path / "s") as connection:
        connection.sendall(HALF_BODY)
        assert answer(connection, b"x" * 99) == 400
        assert answer(connection, STATUS % b"") == 200


def test_it_moves_to_another_socket(tmp_path: Path) -> None:
    """Who is connected stays connected."""
    moves: list[socket.socket] = []
    moved = threading.Event()

    def renewed() -> socket.socket | None:
        if moves:
            moved.set()
        return moves.pop() if moves else None

    with serving(tmp_path / "first", renewed=renewed), connected(tmp_path / "first") as kept:
        assert answer(kept, STATUS % b"") == 200
        moves.append(bind(str(tmp_path / "second")))
        assert moved.wait(PATIENCE_S)
        assert answer(kept, STATUS % b"") == 200  # by the same loop: it has moved by now
        with connected(tmp_path / "second") as connection:
            assert answer(connection, STATUS % b"") == 200
        with pytest.raises(ConnectionRefusedError):
            connected(tmp_path / "first")


def test_it_goes_on_where_it_cannot_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LOOK_TICKS", 1)
    looks = threading.Semaphore(0)

    def renewed() -> None:
        looks.release()
        raise OSError("too many open files")

    with serving(tmp_path / "s", renewed=renewed), connected(tmp_path / "s") as connection:
        assert looks.acquire(timeout=PATIENCE_S) and looks.acquire(timeout=PATIENCE_S)
        assert answer(connection, STATUS % b"") == 200


def test_a_socket_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        (tmp_path / ("x" * 200)).mkdir()
        path = tmp_path / ("x" * 200) / "s"
        with bind(str(path)):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)
