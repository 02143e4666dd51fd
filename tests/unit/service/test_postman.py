"""Deliveries of one hook: in order, a few at a time, and on whatever one of them raises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runyard.foreign.lasting import lasting
from runyard.model import codec
from runyard.model.hook import Hook
from runyard.model.notice import OUTBOX, Notice, Undelivered
from runyard.service import postman as module
from runyard.service.controller import Controller, Surroundings
from runyard.service.hook_verbs import told_by
from runyard.service.postman import Postman, waiting
from runyard.service.turn import Turn
from runyard.store.memory import MemoryStore

HOOK = Hook("desk", command=("true",))
WAIT_S = 30.0


@pytest.fixture
def controller() -> Iterator[Controller]:
    made = Controller(MemoryStore("yard"), Surroundings(lambda: 100.0, lambda: "token"))
    made.start()
    yield made
    made.changes.end()
    made.stop()


def put(controller: Controller, *notices: Notice) -> None:
    def work(turn: Turn) -> None:
        for notice in notices:
            turn.store.save_document(f"{OUTBOX}{notice.hook}", notice.id, codec.encode(notice))

    controller.call(work)


def notice(name: str, at: float = 1.0, next_at: float = 0.0) -> Notice:
    return Notice(name, HOOK.name, "succeeded", at, f"{name} has ended", next_at=next_at)


def test_one_that_raises_does_not_keep_the_others(controller: Controller) -> None:
    put(controller, notice("bad", 1.0), notice("good", 2.0))
    delivered = []

    def deliver(hook: Hook, one: Notice) -> None:
        if one.id == "bad":
            raise KeyError("nobody has foreseen this")
        delivered.append(one.id)
        postman.end()

    postman = Postman(controller, HOOK, deliver, lambda: 100.0)
    thread = lasting("hook", postman.run, again_s=0.0)
    thread.start()
    thread.join(WAIT_S)
    assert delivered == ["good"]
    assert [(one.id, one.tries, one.next_at) for one in waiting(controller.store, HOOK.name)] == [("bad", 1, 105.0)]
    assert [(one.id, one.problem) for one in told_by(controller.store, HOOK.name)] == [
        ("bad", "KeyError: 'nobody has foreseen this'"),
        ("good", ""),
    ]


def test_the_oldest_go_first_however_many_wait(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOGETHER", 3)
    put(controller, *(notice(f"n{place}", 20.0 - place) for place in range(8)), notice("later", 0.0, next_at=130.0))
    delivered: list[str] = []
    postman = Postman(controller, HOOK, lambda hook, one: delivered.append(one.id), lambda: 100.0)
    rounds = [postman.round() for _ in range(4)]
    assert delivered == [f"n{place}" for place in reversed(range(8))]
    assert rounds == [0.0, 0.0, 0.0, pytest.approx(30.0, abs=0.01)]


def test_what_is_not_taken_comes_again(controller: Controller) -> None:
    put(controller, notice("one"))

    def deliver(hook: Hook, one: Notice) -> None:
        raise Undelivered("closed\ntoday\x1b[2J" + "!" * 1_000)

    postman = Postman(controller, HOOK, deliver, lambda: 100.0)
    assert postman.round() == 0.0
    assert postman.round() == pytest.approx(5.0, abs=0.01)
    (told,) = told_by(controller.store, HOOK.name)
    assert told.problem.startswith("closed?today?[2J!!") and len(told.problem) == module.PROBLEM_MAX
