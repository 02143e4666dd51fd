"""The one waiting call: it wakes by the event, keeps quiet otherwise, and misses nothing."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from runyard.errors import InvalidSpec
from runyard.server.waiting import TOPICS_MAX
from tests.contract.service.harness import Yard, job

LONG_S = 60.0


def waiting(yard: Yard, pool: ThreadPoolExecutor, after: int, *topics: str) -> Future[int]:
    """Another caller, waiting in a thread of its own."""
    service, begun = yard.connect(), threading.Event()

    def wait() -> int:
        begun.set()
        return service.changed(topics, after, LONG_S)

    future = pool.submit(wait)
    assert begun.wait(10)
    return future


def test_position_at_once(yard: Yard) -> None:
    before = yard.service.changed(("jobs",), 0, LONG_S)
    yard.submit()
    assert yard.service.changed(("jobs",), 0, LONG_S) > before


def test_it_wakes_when_a_topic_changes(yard: Yard) -> None:
    (made,) = yard.submit()
    after = yard.service.changed((), 0, 0)
    with ThreadPoolExecutor() as pool:
        one, every, other = (
            waiting(yard, pool, after, *topics) for topics in ((f"job:{made}",), ("x", "jobs"), ("x",))
        )
        yard.service.hold((made,))
        assert one.result(30) > after
        assert every.result(30) > after
        assert not other.done()
        yard.controller.changes.publish(["x"])
        assert other.result(30) > after


def test_what_changed_before_the_wait_is_not_missed(yard: Yard) -> None:
    (made,) = yard.submit()
    after = yard.service.changed((), 0, 0)
    yard.service.hold((made,))
    assert yard.service.changed((f"job:{made}",), after, LONG_S) > after


@pytest.mark.parametrize("topics", [(), ("job:99",)])
def test_the_time_runs_out(yard: Yard, topics: tuple[str, ...]) -> None:
    yard.submit()
    after = yard.service.changed(topics, 0, LONG_S)
    assert yard.service.changed(topics, after, 0.0) == after
    yard.submit()
    assert yard.service.changed(topics, after, 0.01) == after


def test_each_job_of_a_commit_is_told(yard: Yard) -> None:
    ids = yard.submit(*[job() for _ in range(3)])
    after = yard.service.changed((), 0, 0)
    yard.service.hold(ids)
    assert all(yard.service.changed((f"job:{made}",), after, LONG_S) > after for made in ids)


def test_a_position_of_the_server_before_this_one_wakes(yard: Yard) -> None:
    """Whoever follows a job across a restart comes with a position that the new server has never given."""
    after = yard.service.changed((), 0, 0)
    for other in (1, 5_000, after + 5_000):
        assert yard.service.changed(("jobs",), other, LONG_S) == after


@pytest.mark.parametrize("yard", ["remote"], indirect=True)
def test_too_many_topics(yard: Yard) -> None:
    after = yard.service.changed((), 0, 0)
    topics = tuple(f"job:{number}" for number in range(TOPICS_MAX + 1))
    with pytest.raises(InvalidSpec):
        yard.service.changed(topics, after, 0.0)


def test_whoever_waits_is_let_go_when_the_server_ends(yard: Yard) -> None:
    after = yard.service.changed((), 0, 0)
    with ThreadPoolExecutor() as pool:
        future = waiting(yard, pool, after, "never")
        yard.controller.changes.end()
        assert future.result(30) > after
