"""The yard thread: one commit for all, each alone when something fails, answers only after the commit."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import NoneType
from typing import Any

import pytest

from runyard.errors import Conflict, StorageFull, Unavailable
from runyard.model.job import Job
from runyard.model.spec import JobSpec
from runyard.model.view import Plan, View
from runyard.service import controller as module
from runyard.service import sweeps
from runyard.service.controller import Controller, Surroundings, Work
from runyard.service.turn import Turn
from runyard.store.base import NewJobs
from runyard.store.memory import MemoryStore

WAIT_S = 30.0


class Watched(MemoryStore):
    """A store that counts its transactions and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__("yard")
        self.commits = 0
        self.fails: list[Exception] = []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with super().transaction():
            yield
            if self.fails:
                raise self.fails.pop(0)
        self.commits += 1


@pytest.fixture
def store() -> Watched:
    return Watched()


@pytest.fixture
def controller(store: Watched) -> Controller:
    tokens = itertools.count()
    made = Controller(store, Surroundings(lambda: 100.0, lambda: f"t{next(tokens)}"))
    made.begin()
    store.commits = 0
    return made


def add(name: str) -> Work:
    def work(turn: Turn) -> int:
        return turn.store.add(
            NewJobs([JobSpec(("true",), name=name, user="me")], f"key-of-{name}", "me", turn.now)
        ).ids[0]

    return work


def fails(error: Exception) -> Work:
    def work(turn: Turn) -> None:
        add("never")(turn)
        raise error

    return work


def turn(controller: Controller, *works: Work) -> list[Future[Any]]:
    items: list[tuple[Work, Future[Any]]] = [(work, Future()) for work in works]
    controller.turn(items)
    return [future for _, future in items]


def names(store: MemoryStore) -> set[str]:
    return {store.job(job_id).spec.name for job_id in range(1, 50) if job_id in store.load([job_id])}


def test_all_in_one_commit(controller: Controller, store: Watched) -> None:
    futures = turn(controller, add("a"), add("b"), add("c"))
    assert [future.result(0) for future in futures] == [1, 2, 3]
    assert store.commits == 1


def test_an_item_that_is_refused_leaves_nothing_behind(controller: Controller, store: Watched) -> None:
    after: list[str] = []

    def refused(turn: Turn) -> None:
        turn.after.append(lambda: after.append("refused"))
        fails(Conflict("no"))(turn)

    def fine(turn: Turn) -> None:
        turn.after.append(lambda: after.append("fine"))
        add("a")(turn)

    bad, good = turn(controller, refused, fine)
    assert isinstance(bad.exception(0), Conflict)
    assert good.exception(0) is None
    assert names(store) == {"a"}
    assert after == ["fine"]
    assert store.commits == 1


@pytest.mark.parametrize("error", [KeyError("a bug"), RecursionError(), StopIteration()])
def test_an_item_with_a_bug_fails_alone(controller: Controller, store: Watched, error: Exception) -> None:
    before, bad, behind = turn(controller, add("a"), fails(error), add("b"))
    assert isinstance(bad.exception(0), Unavailable)
    assert before.exception(0) is behind.exception(0) is None
    assert names(store) == {"a", "b"}
    assert store.commits == 2


def test_a_commit_that_fails_is_done_again_one_by_one(controller: Controller, store: Watched) -> None:
    store.fails = [Unavailable("locked")]
    futures = turn(controller, add("a"), add("b"))
    assert [future.exception(0) for future in futures] == [None, None]
    assert store.commits == 2


def test_a_full_disk_is_told_to_each(controller: Controller, store: Watched) -> None:
    store.fails = [StorageFull() for _ in range(3)]
    after: list[int] = []
    one, two = turn(controller, add("a"), lambda turn: turn.after.append(lambda: after.append(1)))
    assert isinstance(one.exception(0), StorageFull)
    assert isinstance(two.exception(0), StorageFull)
    assert names(store) == set()
    assert after == []
    assert turn(controller, add("a"))[0].exception(0) is None


def test_answers_come_after_the_commit(controller: Controller, store: Watched) -> None:
    seen: list[tuple[str, int]] = []

    def work(turn: Turn) -> None:
        turn.after.append(lambda: seen.append(("after", store.commits)))
        turn.topics.add("topic")

    controller.changes.watch(["topic"], controller.changes.position, lambda: seen.append(("published", store.commits)))
    future: Future[Any] = Future()
    future.add_done_callback(lambda _: seen.append(("answered", store.commits)))
    controller.turn([(work, future)])
    assert seen == [("after", 1), ("published", 1), ("answered", 1)]


def test_a_wake_that_fails_keeps_nobody_from_his_answer(controller: Controller) -> None:
    def broken() -> None:
        raise RuntimeError("the event loop is closed")

    def work(turn: Turn) -> None:
        turn.topics.add("topic")

    controller.changes.watch(["topic"], controller.changes.position, broken)
    future: Future[Any] = Future()
    with pytest.raises(RuntimeError):
        controller.turn([(work, future)])
    assert future.exception(0) is None


def test_a_plan_that_fails_is_left_out(controller: Controller, store: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(view: View) -> Plan:
        raise ZeroDivisionError("division by zero")

    def dirty(turn: Turn) -> int:
        turn.dirty = True
        made: int = add("a")(turn)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(module, "plan", broken)
        assert turn(controller, dirty)[0].result(0) == 1
    assert names(store) == {"a"}
    (problem,) = controller.problems
    assert "planning fails (ZeroDivisionError: division by zero)" in problem
    controller.turn([])
    assert controller.problems == ()


def test_the_thread_outlives_everything(store: Watched) -> None:
    controller = Controller(store, Surroundings(lambda: 100.0, lambda: "t"))
    controller.start()
    try:
        for error in (KeyError("bug"), Conflict("no")):
            with pytest.raises((Unavailable, Conflict)):
                controller.call(fails(error), WAIT_S)
        controller.changes.watch(["boom"], controller.changes.position, lambda: 1 // 0)
        controller.call(lambda turn: turn.topics.add("boom"), WAIT_S)
        assert controller.call(add("a"), WAIT_S) == 1
    finally:
        controller.stop()


def test_a_store_that_does_not_say_when_something_is_due(store: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def away() -> float | None:
        asked.set()
        raise OSError("gone")

    monkeypatch.setattr(store, "next_due", away)
    monkeypatch.setattr(module, "AGAIN_S", 0.001)
    controller = Controller(store, Surroundings(lambda: 100.0, lambda: "t"))
    controller.start()
    try:
        assert asked.wait(WAIT_S)
        with pytest.raises(Unavailable):
            controller.call(lambda turn: setattr(turn, "dirty", True), WAIT_S)
        monkeypatch.undo()
        assert controller.call(add("a"), WAIT_S) == 1
    finally:
        controller.stop()


def test_a_store_that_fails_altogether_leaves_nobody_without_an_answer(
    controller: Controller, store: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(agent: str = "") -> list[Job]:
        raise OSError("gone")

    monkeypatch.setattr(store, "active", away)
    store.fails = [Unavailable("gone"), Unavailable("gone")]
    futures = turn(controller, add("a"), add("b"))
    assert [type(future.exception(0)) for future in futures] == [Unavailable, NoneType]


def test_a_turn_that_fails_is_not_tried_again_at_once(store: Watched) -> None:
    """A job is due, and the disk is full."""
    now = 100.0
    controller = Controller(store, Surroundings(lambda: now, lambda: "t"))
    controller.begin()
    turn(controller, lambda turn: turn.store.add(NewJobs([JobSpec(("true",), begin_at=101.0)], "", "me", now)))
    controller.turn([])
    assert controller.pause() == pytest.approx(1.0, abs=0.01)
    now = 102.0
    store.fails = [StorageFull()]
    controller.turn([])
    assert controller.pause() == pytest.approx(module.AGAIN_S, abs=0.01)
    now = 104.0
    controller.turn([])
    assert controller.pause() == module.IDLE_S


def test_what_arrives_after_the_end_is_told_so(store: Watched) -> None:
    controller = Controller(store, Surroundings(lambda: 100.0, lambda: "t"))
    controller.start()
    controller.stop()
    with pytest.raises(Unavailable):
        controller.call(add("a"), WAIT_S)


def test_what_has_arrived_is_finished_before_the_end(store: Watched) -> None:
    controller = Controller(store, Surroundings(lambda: 100.0, lambda: "t"))
    hold, begun = threading.Event(), threading.Event()

    def slow(turn: Turn) -> None:
        begun.set()
        assert hold.wait(WAIT_S)

    controller.start()
    controller.post(slow)
    assert begun.wait(WAIT_S)
    later = [controller.post(add(name)) for name in "abc"]
    stopper = threading.Thread(target=controller.stop)
    stopper.start()
    hold.set()
    stopper.join(WAIT_S)
    assert [future.result(0) for future in later] == [1, 2, 3]


def test_each_start_raises_the_epoch(store: Watched) -> None:
    epochs = []
    for _ in range(3):
        controller = Controller(store, Surroundings(lambda: 100.0, lambda: "t"))
        epochs.append(controller.start().epoch)
        controller.stop()
    assert epochs == [1, 2, 3]


def test_cells_that_a_rule_had_still_to_end(store: Watched) -> None:
    """The server was ended in between."""
    with store.transaction():
        store.add(NewJobs([JobSpec(("true",), hold=True)] * 3, "", "me", 1.0))
        store.save_document(sweeps.ENDING, "1", {"rule": "acc >= 0.9", "ids": [1, 3]})
    controller = Controller(store, Surroundings(lambda: 100.0, lambda: "token"))
    controller.start()
    controller.call(lambda turn: None)
    controller.stop()
    assert [store.job(one).word for one in (1, 2, 3)] == ["cancelled", "held", "cancelled"]
    assert store.documents(sweeps.ENDING) == {}
