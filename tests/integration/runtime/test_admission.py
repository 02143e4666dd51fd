"""How an agent asks a runner to let a viewer in, whatever the runner answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runyard.agent.attach import NotAttached, reach
from runyard.foreign import sockets
from runyard.model.attempt import AttemptKey
from runyard.model.beat import AttachOrder

ORDER = AttachOrder(AttemptKey(1, 1, "token"), "ticket", lines=5)
GREETING = b'{"is":"state","v":2,"attempt":null}\n{"is":"from the future"}\n'


@contextmanager
def runner(path: Path, *says: bytes) -> Iterator[str]:
    """One that says this when it is called, whatever it hears, and then goes."""
    listener = sockets.bind(str(path))
    listener.listen(1)

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            for one in says:
                connection.sendall(one)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield str(path)
    finally:
        thread.join()
        listener.close()


def test_it_is_let_in_and_nothing_is_lost_of_what_follows(tmp_path: Path) -> None:
    with runner(tmp_path / "s", GREETING, b'{"is":"attached"}\no\0\0\0\1x') as path:
        connection, first = reach(path, ORDER)
        with connection:
            while len(first) < 6:
                first += connection.recv(4096)
        assert first == b"o\0\0\0\1x"


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ((GREETING, b'{"is":"not-attached","reason":"it has no terminal"}\n'), "^it has no terminal$"),
        ((GREETING, b'{"is":"not-attached","reason":""}\n'), "^$"),
        ((b'{"is":"state","v":1,"attempt":null}\n',), "older version, which has no terminals"),
        ((GREETING,), "^$"),
        ((), "^$"),
        ((b"nonsense\n",), "does not answer"),
    ],
)
def test_it_is_told_why_not(tmp_path: Path, says: tuple[bytes, ...], why: str) -> None:
    with runner(tmp_path / "s", *says) as path, pytest.raises(NotAttached, match=why):
        reach(path, ORDER)


def test_nobody_is_there(tmp_path: Path) -> None:
    with pytest.raises(NotAttached, match=r"^$"):
        reach("", ORDER)
    with pytest.raises(NotAttached, match="cannot be reached"):
        reach(str(tmp_path / "gone"), ORDER)
    with sockets.bind(str(tmp_path / "deaf")), pytest.raises(NotAttached, match="cannot be reached"):
        reach(str(tmp_path / "deaf"), ORDER)
