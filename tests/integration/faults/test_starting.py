"""A verb that needs a server while another one ends, or fails, or does not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from runyard.config import load
from runyard.errors import Unavailable
from runyard.wiring import connect
from runyard.wiring.home import server_lock
from tests.harness import processes
from tests.harness.processes import PATIENCE_S
from tests.harness.yard import Yard


@contextmanager
def held(yard: Yard) -> Iterator[Callable[[], None]]:
    """The home is held by a server that is ending and answers nobody; gives what lets it go."""
    lock = server_lock(yard.home)
    assert lock.take()
    try:
        yield lock.release
    finally:
        lock.release()


def watched(monkeypatch: pytest.MonkeyPatch, name: str) -> threading.Event:
    """An event for the first time that this function of `connect` has returned."""
    seen = threading.Event()
    real = getattr(connect, name)

    def spied(*args: Any) -> Any:
        try:
            return real(*args)
        finally:
            seen.set()

    monkeypatch.setattr(connect, name, spied)
    return seen


def starting(yard: Yard) -> Future[int]:
    """A verb's wish for a server, in a thread."""
    wish: Future[int] = Future()

    def start() -> None:
        try:
            wish.set_result(connect.start_server(load(yard.environ)))
        except Unavailable as error:
            wish.set_exception(error)

    threading.Thread(target=start, daemon=True).start()
    return wish


def test_while_another_one_ends(make_yard: Callable[..., Yard], monkeypatch: pytest.MonkeyPatch) -> None:
    yard = make_yard()
    looked = watched(monkeypatch, "_answers")
    with held(yard) as let_go:
        wish = starting(yard)
        assert looked.wait(PATIENCE_S)
        let_go()
        assert wish.result(PATIENCE_S) == yard.server
    assert yard.run("true").word == "succeeded"


def test_while_another_one_was_quicker_and_ends(
    make_yard: Callable[..., Yard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours finds the home taken, and that one is gone before we look again."""
    yard = make_yard()
    launched = watched(monkeypatch, "_launch")
    blind = iter([None])
    real = connect.server_pid
    monkeypatch.setattr(connect, "server_pid", lambda place: next(blind, real(place)))
    with held(yard) as let_go:
        wish = starting(yard)
        assert launched.wait(PATIENCE_S)
        let_go()
        assert wish.result(PATIENCE_S) == yard.server


def test_one_that_fails_is_told_at_once_and_by_its_own_words(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard(store="sqlite:///relative")
    for _ in range(2):
        ended = yard.ry("ls")
        assert ended.code == Unavailable.exit_code
        assert "the server did not start: " in ended.err and "the store needs the path of a file" in ended.err, ended


def test_one_that_does_not_answer_is_named(make_yard: Callable[..., Yard], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what its log says last, which may be that all is well."""
    monkeypatch.setattr(connect, "START_S", 0.05)
    yard = make_yard()
    with held(yard):
        with pytest.raises(Unavailable, match=r"\(pid \d+\) holds .* but does not answer at .*server\.sock"):
            starting(yard).result(PATIENCE_S)
        doctor = yard.ry("doctor")
        assert doctor.code == 1 and "holds this home, but does not answer" in doctor.out, doctor


def test_verbs_beside_a_server_that_is_stopped_again_and_again(yard: Yard) -> None:
    """Whatever moment they meet, none of them is turned away."""
    first = yard.server
    for _ in range(3):
        stopping = threading.Thread(target=yard.ry, args=("server", "stop"))
        stopping.start()
        listed = yard.ry("server", "start")
        stopping.join(PATIENCE_S)
        assert listed.code == 0, listed
    assert processes.ended(first)
