"""Topics and positions: whoever waits is woken, whoever comes late is told, nobody is missed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from runyard.service.changes import KEPT, Changes

LONG_S = 30.0


def test_a_position_rises_with_each_publication() -> None:
    changes = Changes()
    before = changes.position
    changes.publish(["a"])
    changes.publish([])
    changes.publish(["b", "c"])
    assert changes.position == before + 2


def test_since() -> None:
    changes = Changes()
    start = changes.position
    changes.publish(["a"])
    middle = changes.position
    changes.publish(["b"])
    assert changes.since(["a"], start)
    assert changes.since(["x", "b"], middle)
    assert not changes.since(["a"], middle)
    assert not changes.since(["a", "b"], changes.position)
    assert not changes.since([], start)


def test_a_position_that_is_too_old_or_from_elsewhere_counts_as_changed() -> None:
    changes = Changes()
    start = changes.position
    for _ in range(KEPT + 1):
        changes.publish(["a"])
    assert changes.since(["never"], start)
    assert not changes.since(["never"], start + 1)
    assert changes.since(["never"], changes.position + 1)


def test_positions_of_the_next_server_are_above_all_of_this_one() -> None:
    first, second = Changes(), Changes()
    first.begin(7)
    for _ in range(100):
        first.publish(["a"])
    second.begin(8)
    assert second.position > first.position
    assert second.since(["a"], first.position)


def test_wait_returns_after_when_the_time_runs_out() -> None:
    changes = Changes()
    assert changes.wait(["a"], changes.position, 0.0) == changes.position


def test_watch_wakes_once_it_is_asked_for_any_of_its_topics() -> None:
    changes = Changes()
    woken: list[str] = []
    changes.watch(["a", "b"], changes.position, lambda: woken.append("first"))
    leave = changes.watch(["a"], changes.position, lambda: woken.append("second"))
    leave()
    changes.publish(["c"])
    assert woken == []
    changes.publish(["b"])
    assert woken == ["first"]
    changes.watch(["c"], changes.position - 2, lambda: woken.append("late"))
    assert woken[-1] == "late"


def test_nothing_is_kept_of_those_who_left() -> None:
    changes = Changes()
    for _ in range(10):
        changes.wait(["a", "b"], changes.position, 0.0)
        changes.watch(["a", "b"], changes.position, lambda: None)()
    changes.watch(["a", "b"], changes.position, lambda: None)
    changes.publish(["a", "b"])
    assert changes._waiting == {}


def test_everybody_is_let_go_at_the_end() -> None:
    changes = Changes()
    woken: list[int] = []
    changes.watch(["a"], changes.position, lambda: woken.append(1))
    changes.end()
    changes.watch(["a"], changes.position, lambda: woken.append(2))
    assert woken == [1, 2]
    assert changes.wait(["a"], changes.position, LONG_S) == changes.position


@pytest.mark.parametrize("waiters", [1, 8])
def test_no_change_is_missed_between_threads(waiters: int) -> None:
    """Each waiter follows a counter that another thread raises and publishes: it must see the last value."""
    changes, last = Changes(), 300
    value = 0
    begun = threading.Barrier(waiters + 1)

    def follow() -> int:
        begun.wait()
        position = changes.position
        while value < last:
            position = changes.wait(["value"], position, LONG_S)
        return value

    with ThreadPoolExecutor(waiters) as pool:
        followers = [pool.submit(follow) for _ in range(waiters)]
        begun.wait()
        for _ in range(last):
            value += 1
            changes.publish(["value"])
        assert [follower.result(LONG_S) for follower in followers] == [last] * waiters
