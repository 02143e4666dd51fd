"""Stop, at every point of a job's life: what never started never will, and cancelled means dead."""

from __future__ import annotations

import pytest

from runyard.api import StopCall
from runyard.model.beat import StopOrder
from runyard.model.spec import Retry
from tests.contract.service.harness import Yard, job, stop_of


def test_what_waits_ends_at_once(yard: Yard) -> None:
    queued, held = yard.submit(job(), job(hold=True))
    assert yard.service.stop(StopCall((queued, held, 99))).changed == (queued, held)
    assert yard.words() == {queued: "cancelled", held: "cancelled"}
    assert (yard.row(queued).exit_code, yard.row(queued).reason) == (None, "by me")


def test_what_is_assigned_ends_when_the_agent_took_the_claim(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    answer = hand.report()
    yard.service.stop(stop_of(made))
    assert yard.words() == {made: "stopping"}
    told = hand.send(answer)
    assert [order.key for order in told.start] == [order.key for order in told.stop] == [hand.key(made)]
    hand.revokes(made)
    assert (yard.row(made).word, yard.row(made).started_at) == ("cancelled", None)
    assert yard.service.job(made).attempts[0].placements[0].result is not None


def test_what_started_before_the_stop_came_ends_by_it(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    yard.service.stop(stop_of(made))
    hand.starts(made)
    assert yard.words() == {made: "stopping"}
    hand.ends(made, 15, "cancelled")
    assert (yard.row(made).word, yard.row(made).exit_code) == ("cancelled", 143)


def test_what_ended_by_itself_before_the_stop_came_has_its_own_outcome(yard: Yard) -> None:
    hand = yard.agent()
    one, two = yard.submit(job(), job(retry=Retry(3)))
    hand.beat()
    hand.starts(one)
    hand.starts(two)
    yard.service.stop(stop_of(one, two))
    hand.ends(one)
    hand.ends(two, 0x200)
    assert yard.words() == {one: "succeeded", two: "failed"}


@pytest.mark.parametrize(
    ("call", "signal", "grace"),
    [
        (StopCall((1,)), 15, 10.0),
        (StopCall((1,), grace_s=3.0), 15, 3.0),
        (StopCall((1,), 2), 2, 10.0),
        (StopCall((1,), 9), 9, 0.0),
    ],
)
def test_signal_and_grace(yard: Yard, call: StopCall, signal: int, grace: float) -> None:
    hand = yard.agent()
    yard.submit()
    hand.beat()
    hand.starts(1)
    yard.service.stop(call)
    (order,) = hand.beat().stop
    assert (order.key, order.why, order.signal, order.grace_s) == (hand.key(1), "cancelled", signal, grace)


def test_a_stop_is_in_every_answer_until_one_is_acknowledged_and_kill_takes_its_place(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    hand.starts(made)
    yard.service.stop(stop_of(made))
    first = yard.service.beat(hand.report())
    assert yard.service.beat(hand.report()).stop == first.stop
    yard.service.stop(StopCall((made,), 9))
    (kill,) = hand.beat().stop
    assert kill.signal == 9
    assert hand.beat().stop == ()


def test_the_same_stop_again_is_another_one(yard: Yard) -> None:
    """A second `ry stop -s USR1` is a second signal."""
    hand = yard.agent()
    yard.submit()
    hand.beat()
    hand.starts(1)
    orders: list[StopOrder] = []
    for _ in range(2):
        yard.clock.at += 1.0
        yard.service.stop(StopCall((1,), 10))
        orders += hand.beat().stop
    assert [order.signal for order in orders] == [10, 10]
    assert orders[0] != orders[1]


def test_a_stop_reaches_a_new_incarnation(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    hand.starts(made)
    yard.service.stop(stop_of(made))
    hand.hello()
    assert [order.key for order in hand.beat(*hand.here.values(), whole=True).stop] == [hand.key(made)]


def test_what_is_done_is_refused_with_its_word(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    hand.ends(made)
    result = yard.service.stop(stop_of(made))
    assert result.changed == ()
    assert "succeeded" in result.refused[made]


def test_a_job_between_two_tries_ends_at_once(yard: Yard) -> None:
    (made,) = yard.submit(job(retry=Retry(1, (), 60.0)))
    hand = yard.agent()
    hand.ends(made, 0x100)
    assert yard.words() == {made: "waiting"}
    yard.service.stop(stop_of(made))
    assert (yard.row(made).word, yard.row(made).exit_code) == ("cancelled", None)


def test_nothing_and_many(yard: Yard) -> None:
    assert yard.service.stop(stop_of()).changed == ()
    ids = yard.submit(*[job() for _ in range(500)])
    assert yard.service.stop(stop_of(*ids, *ids)).changed == ids
