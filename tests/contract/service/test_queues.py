"""Queues: limits, pauses, versions, and stop on fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runyard.errors import Conflict, InvalidSpec, NotFound
from runyard.model.queue import Queue
from tests.contract.service.harness import Yard, job


def queue(yard: Yard, name: str = "default") -> Queue:
    return next(row.queue for row in yard.service.queues() if row.queue.name == name)


def test_the_default_is_always_there(yard: Yard) -> None:
    (row,) = yard.service.queues()
    assert (row.queue.name, row.queue.parallel, row.waiting, row.running) == ("default", 0, 0, 0)
    with pytest.raises(Conflict):
        yard.service.remove_queue("default")


def test_make_change_and_remove(yard: Yard) -> None:
    made = yard.service.save_queue(Queue("night", parallel=2, defaults={"cpus": "2"}))
    assert made.version > 0
    assert queue(yard, "night") == made
    changed = yard.service.save_queue(replace(made, on_lost="requeue"))
    assert queue(yard, "night") == changed
    yard.service.remove_queue("night")
    assert [row.queue.name for row in yard.service.queues()] == ["default"]
    with pytest.raises(NotFound):
        yard.service.remove_queue("night")


def test_two_who_change_the_same(yard: Yard) -> None:
    made = yard.service.save_queue(Queue("night"))
    yard.service.save_queue(replace(made, parallel=1))
    with pytest.raises(Conflict, match="changed"):
        yard.service.save_queue(replace(made, parallel=2))
    with pytest.raises(Conflict, match="exists"):
        yard.service.save_queue(Queue("night"))
    assert queue(yard, "night").parallel == 1


def test_a_queue_with_jobs_stays(yard: Yard) -> None:
    yard.service.save_queue(Queue("night"))
    (made,) = yard.submit(job(queue="night"))
    with pytest.raises(Conflict, match="1 job"):
        yard.service.remove_queue("night")
    hand = yard.agent()
    hand.ends(made)
    yard.service.remove_queue("night")
    assert yard.row(made).queue == "night"


def test_counts(yard: Yard) -> None:
    yard.submit(job(), job(), job(hold=True))
    yard.agent()
    (row,) = yard.service.queues()
    assert (row.waiting, row.running) == (1, 2)


def test_a_limit(yard: Yard) -> None:
    yard.service.save_queue(replace(queue(yard), parallel=1))
    first, second = yard.submit(job(), job())
    hand = yard.agent()
    assert yard.words() == {first: "starting", second: "queued"}
    assert yard.row(second).reason == "queue default runs 1 of 1"
    hand.ends(first)
    assert yard.words() == {first: "succeeded", second: "starting"}


def test_a_pause(yard: Yard) -> None:
    paused = yard.service.save_queue(replace(queue(yard), paused=True, reason="for the night"))
    hand = yard.agent()
    (made,) = yard.submit()
    assert yard.service.explain(made).code == "queue-paused"
    assert "for the night" in yard.row(made).reason
    assert yard.service.status().paused == ("default",)
    yard.service.save_queue(replace(paused, paused=False, reason=""))
    hand.beat()
    assert yard.words() == {made: "starting"}
    assert len(hand.orders) == 1


@pytest.mark.parametrize(
    ("status", "why", "pauses"),
    [
        (0, "", False),
        (0x100, "", True),
        (9, "", True),
        (9, "timeout", True),
        (9, "lost", True),
        (15, "cancelled", False),
    ],
)
def test_stop_on_fail(yard: Yard, status: int, why: str, pauses: bool) -> None:
    yard.service.save_queue(replace(queue(yard), stop_on_fail=True, parallel=1))
    first, second = yard.submit(job(name="one"), job())
    hand = yard.agent()
    assert yard.service.status().stop_on_fail == ("default",)
    hand.ends(first, status, why)
    assert queue(yard).paused is pauses
    assert yard.words()[second] == ("queued" if pauses else "starting")
    if pauses:
        assert f"job {first} (one)" in queue(yard).reason


def test_a_late_word_about_a_job_whose_queue_is_gone(yard: Yard) -> None:
    """The answer with its forget was lost and the queue removed meanwhile: the agent says it again."""
    yard.service.save_queue(Queue("night"))
    (made,) = yard.submit(job(queue="night"))
    hand = yard.agent()
    hand.ends(made, 0x100)
    yard.service.remove_queue("night")
    hand.hello()
    answer = hand.beat(hand.see(hand.key(made), "ended"), whole=True)
    assert answer.forget == (hand.key(made),)
    assert yard.words() == {made: "failed"}


def test_a_queue_is_checked(yard: Yard) -> None:
    for wrong in ("", "a b", "../x", "x" * 65, "é", "-x"):
        with pytest.raises(InvalidSpec):
            Queue(wrong)
        with pytest.raises((InvalidSpec, NotFound)):
            yard.service.remove_queue(wrong or ".")
