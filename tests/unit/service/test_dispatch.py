"""What an agent still has to be told: told until acknowledged, and only by the incarnation that it is meant for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.errors import Conflict
from runyard.model.attempt import AttemptKey
from runyard.model.beat import Answer, AttachOrder, Order, Report, StopOrder
from runyard.service.dispatch import Dispatch
from runyard.store.base import YardId

YARD = YardId("yard", 3)


def key(job: int) -> AttemptKey:
    return AttemptKey(job, 1, "t")


def order(job: int) -> Order:
    return Order(key(job), ("true",), "/")


def stop(job: int, signal: int = 15) -> StopOrder:
    return StopOrder(key(job), "cancelled", signal)


class Box:
    """A dispatch with one agent."""

    def __init__(self, incarnation: int = 1) -> None:
        self.dispatch = Dispatch()
        self.incarnation = incarnation
        self.now = 100.0
        self.dispatch.open("a", incarnation, self.now)
        self.dispatch.whole_heard("a")

    def hear(self, applied: int, number: int = 0, problem: str = "") -> bool:
        return self.dispatch.hear(Report("a", self.incarnation, applied, number, problem=problem), self.now)

    def answer(self) -> Answer:
        return self.dispatch.answer(Report("a", self.incarnation), YARD, 17)


def test_an_answer_says_whose_it_is_and_holds_everything_open() -> None:
    box = Box()
    for item in (1, 2):
        box.dispatch.order("a", order(item))
    box.dispatch.stop("a", stop(3))
    box.dispatch.forget("a", key(4))
    answer = box.answer()
    assert answer == Answer("yard", 3, 1, (order(1), order(2)), (stop(3),), (key(4),), feed=17)
    assert box.answer().number == 2


def test_an_answer_acknowledges_what_it_held_and_nothing_more() -> None:
    box = Box()
    box.dispatch.order("a", order(1))
    first = box.answer()
    box.dispatch.order("a", order(2))
    assert box.answer().start == (order(1), order(2))
    box.hear(first.number)
    assert box.answer().start == (order(2),)


def test_a_number_that_was_never_given_acknowledges_what_was_open_then() -> None:
    box = Box()
    box.hear(99)
    box.dispatch.order("a", order(1))
    assert box.answer().start == (order(1),)


def test_a_newer_stop_takes_the_place_of_the_older_one() -> None:
    box = Box()
    box.dispatch.stop("a", stop(1))
    told = box.answer().number
    box.dispatch.stop("a", stop(1, 9))
    box.hear(told)
    assert box.answer().stop == (stop(1, 9),)


def test_what_is_over_is_neither_started_nor_stopped() -> None:
    box = Box()
    box.dispatch.order("a", order(1))
    box.dispatch.stop("a", stop(1))
    box.dispatch.forget("a", key(1))
    answer = box.answer()
    assert (answer.start, answer.stop, answer.forget) == ((), (), (key(1),))


def test_a_new_incarnation_begins_with_nothing_and_refuses_the_old_one() -> None:
    box = Box()
    box.dispatch.order("a", order(1))
    box.dispatch.open("a", 2, box.now)
    with pytest.raises(Conflict, match="incarnation 1"):
        box.answer()
    with pytest.raises(Conflict):
        box.hear(0)
    box.incarnation = 2
    assert box.answer().start == ()
    assert box.answer().whole


def test_an_agent_that_never_said_hello() -> None:
    dispatch = Dispatch()
    dispatch.order("nobody", order(1))
    dispatch.stop("nobody", stop(1))
    dispatch.forget("nobody", key(1))
    dispatch.whole_heard("nobody")
    assert dispatch.beat_at("nobody") == 0.0
    with pytest.raises(Conflict, match="hello"):
        dispatch.check("nobody", 1)


def test_a_late_report_is_told_apart() -> None:
    box = Box()
    assert box.hear(0, number=1)
    assert box.hear(0, number=3)
    assert not box.hear(0, number=2)
    assert box.hear(0, number=3)
    assert box.hear(0, number=4)


def test_a_late_report_acknowledges_all_the_same() -> None:
    box = Box()
    box.hear(0, number=5)
    box.dispatch.order("a", order(1))
    told = box.answer().number
    assert not box.hear(told, number=4)
    assert box.answer().start == ()


def test_who_is_connected_and_who_is_ready() -> None:
    box = Box()
    assert box.dispatch.ready(100.0) == box.dispatch.connected(100.0) == {"a"}
    assert box.dispatch.connected(100.1) == set()
    box.now = 200.0
    box.hear(0, number=1)
    assert box.dispatch.connected(199.0) == {"a"}
    assert box.dispatch.beat_at("a") == 200.0
    box.dispatch.open("a", 2, 200.0)
    assert box.dispatch.connected(199.0) == {"a"}
    assert box.dispatch.ready(199.0) == set()


def test_an_agent_with_a_problem_is_told_nothing_and_has_heard_nothing() -> None:
    box = Box()
    box.dispatch.order("a", order(1))
    box.hear(0, number=1, problem="another yard")
    assert box.answer().empty
    assert box.dispatch.ready(0.0) == set()
    assert box.dispatch.problems() == ("agent a: another yard",)
    box.hear(box.answer().number, number=2)
    assert box.dispatch.problems() == ()
    assert box.answer().start == (order(1),)


@given(st.lists(st.sampled_from(["order", "answer", "lose", "arrive", "ack"]), max_size=60))
def test_each_order_arrives_whatever_is_lost(steps: list[str]) -> None:
    """Answers arrive in any order or never; in the end one arrives, and all that was ordered has been heard."""
    box = Box()
    on_the_way: list[Answer] = []
    ordered, heard, applied = 0, set[int](), 0

    def arrive(answer: Answer) -> None:
        nonlocal applied
        if answer.number > applied:
            applied = answer.number
            heard.update(told.key.job_id for told in answer.start)

    for step in steps:
        if step == "order":
            ordered += 1
            box.dispatch.order("a", order(ordered))
        elif step == "answer":
            on_the_way.append(box.answer())
        elif step == "lose" and on_the_way:
            on_the_way.pop(len(on_the_way) // 2)
        elif step == "arrive" and on_the_way:
            arrive(on_the_way.pop())
        elif step == "ack":
            box.hear(applied)
    box.hear(applied)
    arrive(box.answer())
    assert heard == set(range(1, ordered + 1))
    box.hear(applied)
    assert box.answer().empty


def test_viewers_are_told_of_until_heard_also_to_the_next_incarnation() -> None:
    box = Box()
    one, other = AttachOrder(key(1), "one"), AttachOrder(key(1), "other")
    box.dispatch.attach("a", one)
    told = box.answer()
    box.dispatch.attach("a", other)
    assert (told.attach, box.answer().attach) == ((one,), (one, other)) and not told.empty
    box.hear(told.number)
    assert box.answer().attach == (other,)
    box.dispatch.open("a", 2, box.now)
    box.incarnation = 2
    again = box.answer()
    assert again.attach == (other,)
    box.hear(again.number)
    assert box.answer().attach == ()
    box.dispatch.attach("nobody", one)
