"""Edit, move, retry, remove, drain: what becomes of jobs that were accepted, and of what runs meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runyard.errors import Conflict, NotFound
from runyard.model.attempt import AttemptKey
from runyard.model.beat import Observed
from runyard.model.editing import Draft, MoveCall, RetryCall
from runyard.model.filter import JobQuery
from runyard.model.spec import Dependency, Resources
from tests.contract.service.harness import Hand, Yard, job, stop_of


def draft(yard: Yard, job_id: int, **fields: Any) -> Draft:
    (found,) = yard.service.drafts((job_id,))
    return replace(found, spec=replace(found.spec, **fields))


def after(*ids: int, kind: str = "afterok") -> dict[str, Any]:
    return {"after": tuple(Dependency(job_id, kind) for job_id in ids)}


def line(yard: Yard) -> list[int]:
    """The ids of those that wait, as they stand in line."""
    rows = [row for row in yard.service.jobs(JobQuery()) if row.state == "pending"]
    return [row.id for row in sorted(rows, key=lambda row: (-row.priority, row.place, row.id))]


def ended(yard: Yard, hand: Hand, job_id: int, status: int = 0) -> None:
    hand.beat()
    hand.starts(job_id)
    hand.ends(job_id, status)


# edit


def test_a_waiting_job_becomes_what_the_draft_says(yard: Yard) -> None:
    made, other = yard.submit(job(hold=True), job(hold=True))
    told = yard.service.edit((draft(yard, made, command=("false",), name="new", note="why", hold=False),))
    assert (told.changed, told.refused) == ((made,), {})
    assert (yard.row(made).name, yard.row(made).note, yard.row(made).word) == ("new", "why", "queued")
    assert yard.row(other).word == "held"


def test_a_draft_of_what_has_changed_meanwhile_is_refused(yard: Yard) -> None:
    (made,) = yard.submit(job(hold=True))
    old = draft(yard, made, priority=3)
    yard.service.release((made,))
    told = yard.service.edit((old,))
    assert told.refused[made] == f"job {made} has changed since: it is at version 2, not 1"
    assert yard.service.edit((replace(old, version=None),)).changed == (made,)


def test_many_are_checked_one_by_one_as_a_submit_is(yard: Yard) -> None:
    yard.agent()
    good, large, nowhere, untold = yard.submit(*[job(hold=True)] * 4)
    told = yard.service.edit(
        (
            draft(yard, good, priority=1),
            draft(yard, large, resources=Resources(99)),
            draft(yard, nowhere, queue="nowhere"),
            draft(yard, untold, notify=("nobody",)),
            Draft(77, job()),
        )
    )
    assert told.changed == (good,)
    assert "99 CPUs are asked for" in told.refused[large]
    assert "no queue 'nowhere'" in told.refused[nowhere]
    assert "no hook 'nobody'" in told.refused[untold]
    assert told.refused[77] == "there is no job 77"


def test_a_job_that_runs_changes_in_what_still_can(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    hand.starts(made)
    assert (
        "command cannot be changed any more"
        in yard.service.edit((draft(yard, made, command=("false",)),)).refused[made]
    )
    assert yard.service.edit((draft(yard, made, note="long", priority=7),)).changed == (made,)


def test_an_edited_job_starts_as_it_is_now(yard: Yard) -> None:
    (made,) = yard.submit(job("sleep", "1", hold=True))
    yard.service.edit((draft(yard, made, command=("sleep", "2"), resources=Resources(2), hold=False),))
    hand = yard.agent()
    (order,) = hand.orders.values()
    assert (order.command, order.cpus) == (("sleep", "2"), 2)


# move


def test_moved_jobs_keep_their_order(yard: Yard) -> None:
    yard.submit(*(job(hold=True) for _ in range(6)))
    assert yard.service.move(MoveCall((6, 4), "first")).changed == (4, 6)
    assert line(yard) == [4, 6, 1, 2, 3, 5]
    yard.service.move(MoveCall((1, 4), "last"))
    assert line(yard) == [6, 2, 3, 5, 4, 1]
    yard.service.move(MoveCall((1, 6), "before", 5))
    assert line(yard) == [2, 3, 6, 1, 5, 4]
    yard.service.move(MoveCall((2,), "after", 6))
    assert line(yard) == [3, 6, 2, 1, 5, 4]
    assert yard.submit(job(hold=True)) == (7,)
    assert line(yard)[-1] == 7, "what comes later stands behind"


def test_a_move_takes_the_priority_that_its_place_needs(yard: Yard) -> None:
    yard.submit(job(hold=True, priority=5), job(hold=True), job(hold=True), job(hold=True, priority=-2))
    yard.service.move(MoveCall((3,), "first"))
    assert (line(yard), yard.row(3).priority) == ([3, 1, 2, 4], 5)
    yard.service.move(MoveCall((1,), "after", 4))
    assert (line(yard), yard.row(1).priority) == ([3, 2, 4, 1], -2)
    yard.service.move(MoveCall((3,), "last"))
    assert (line(yard), yard.row(3).priority) == ([2, 4, 1, 3], -2)


def test_the_ends_are_those_of_each_queue(yard: Yard) -> None:
    yard.service.save_queue(replace(yard.service.queues()[0].queue, name="fast", version=0))
    yard.submit(*(job(hold=True, queue=queue) for queue in ("default", "fast", "default", "fast")))
    yard.service.move(MoveCall((3, 4), "first"))
    assert line(yard) == [3, 1, 4, 2]
    assert yard.service.move(MoveCall((1, 2, 3, 4), "last")).changed == (3, 1, 4, 2), "nobody else is there"
    assert line(yard) == [3, 1, 4, 2]


def test_the_next_to_start_is_the_first_in_line(yard: Yard) -> None:
    hand = yard.agent()
    yard.submit(*(job(resources=Resources(4)) for _ in range(3)))
    hand.beat()
    hand.starts(1)
    yard.service.move(MoveCall((3,), "first"))
    assert yard.service.explain(2).before == 1
    hand.ends(1)
    hand.beat()
    assert hand.key(3).job_id == 3


def test_only_what_waits_is_moved(yard: Yard) -> None:
    hand = yard.agent()
    running, ended_, waiting = yard.submit(job(), job(hold=True), job(hold=True))
    hand.beat()
    hand.starts(running)
    yard.service.stop(stop_of(ended_))
    told = yard.service.move(MoveCall((running, ended_, waiting, 99), "first"))
    assert told.changed == (waiting,)
    assert all("only a job that waits has a place in line" in told.refused[one] for one in (running, ended_))
    with pytest.raises(Conflict, match="only a job that waits has a place"):
        yard.service.move(MoveCall((waiting,), "before", running))
    with pytest.raises(NotFound, match="there is no job 99"):
        yard.service.move(MoveCall((waiting,), "after", 99))
    with pytest.raises(Conflict, match="cannot be moved before itself"):
        yard.service.move(MoveCall((waiting,), "before", waiting))


# retry


def test_a_retried_job_gets_its_next_attempt_on_the_same_agent(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    ended(yard, hand, made, 0x300)
    assert yard.service.retry(RetryCall((made,))).changed == (made,)
    assert yard.row(made).reason != "by me"
    ended(yard, hand, made)
    assert (yard.row(made).word, yard.row(made).attempt) == ("succeeded", 2)
    assert [attempt.number for attempt in yard.service.job(made).attempts] == [1, 2]


def test_a_late_report_of_the_first_attempt_does_not_end_the_second(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    hand.starts(made)
    first = hand.key(made)
    hand.ends(made, 0x300)
    yard.service.retry(RetryCall((made,)))
    late = hand.see(first, "ended", ended_at=yard.clock.now())
    hand.beat(late)
    assert yard.row(made).word in ("queued", "starting")
    assert first in hand.forgotten


def test_those_that_were_skipped_come_along(yard: Yard) -> None:
    hand = yard.agent()
    (first,) = yard.submit()
    second, third = yard.submit(job(**after(first)), job(**after(first, kind="afterany")))
    (fourth,) = yard.submit(job(**after(second)))
    ended(yard, hand, first, 0x100)
    ended(yard, hand, third)
    assert yard.words() == {first: "failed", second: "skipped", third: "succeeded", fourth: "skipped"}
    told = yard.service.retry(RetryCall((second, first, fourth)))
    assert (told.changed, told.refused, told.also) == ((first, second, fourth), {}, ())
    ended(yard, hand, first)
    ended(yard, hand, second)
    ended(yard, hand, fourth)
    assert set(yard.words().values()) == {"succeeded"}


def test_who_came_along_is_told(yard: Yard) -> None:
    hand = yard.agent()
    (first,) = yard.submit()
    (second,) = yard.submit(job(**after(first)))
    ended(yard, hand, first, 0x100)
    assert yard.service.retry(RetryCall((first,))).also == (second,)


def test_a_retry_may_change_the_job_and_go_on_where_it_was(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit(job("train", "--lr", "1"))
    ended(yard, hand, made, 0x100)
    yard.service.retry(RetryCall((made,), True, (draft(yard, made, command=("train", "--lr", "2")),)))
    (order,) = hand.beat().start
    variables = dict(order.variables)
    assert order.command == ("train", "--lr", "2")
    assert (variables["RUNYARD_RESUME"], variables["RUNYARD_RESUMED_FROM"]) == ("1", f"{made}.1")
    hand.starts(made)
    hand.ends(made, 0x100)
    yard.service.retry(RetryCall((made,)))
    assert "RUNYARD_RESUME" not in dict(hand.beat().start[0].variables)


def test_what_never_started_has_nothing_to_go_on_from(yard: Yard) -> None:
    (made,) = yard.submit(job(hold=True))
    yard.service.stop(stop_of(made))
    yard.service.retry(RetryCall((made,), resume=True))
    (order,) = yard.agent().orders.values()
    assert "RUNYARD_RESUME" not in dict(order.variables)


def test_only_what_has_ended_is_retried(yard: Yard) -> None:
    (made,) = yard.submit(job(hold=True))
    told = yard.service.retry(RetryCall((made, 99)))
    assert told.refused == {
        99: "there is no job 99",
        made: f"job {made} is held: only a job that has ended can be retried",
    }


# remove


def test_what_is_removed_is_gone_and_its_id_is_never_given_again(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    ended(yard, hand, made)
    (waits,) = yard.submit(job(hold=True))
    assert yard.service.remove((made, waits)).changed == (made, waits)
    assert yard.service.jobs(JobQuery()) == ()
    with pytest.raises(NotFound):
        yard.service.job(made)
    assert yard.outputs.removed == {made, waits}
    assert yard.submit(job()) == (3,)


def test_nothing_that_runs_or_is_waited_for_is_removed(yard: Yard) -> None:
    hand = yard.agent()
    running, waited = yard.submit(job(), job(hold=True))
    (waits,) = yard.submit(job(**after(waited)))
    hand.beat()
    hand.starts(running)
    told = yard.service.remove((running, waited, 99))
    assert told.refused == {
        99: "there is no job 99",
        running: f"job {running} is running: `ry rm --stop {running}` ends it first",
        waited: f"job {waited} is waited for by job {waits}: remove that too, or change it first",
    }
    assert yard.service.remove((waited, waits)).changed == (waited, waits)


def test_who_stays_keeps_what_it_waits_for_through_a_chain(yard: Yard) -> None:
    (first,) = yard.submit(job(hold=True))
    (second,) = yard.submit(job(**after(first)))
    yard.submit(job(**after(second)))
    assert set(yard.service.remove((first, second)).refused) == {first, second}


def test_an_agent_forgets_what_was_removed(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    hand.starts(made)
    key = hand.key(made)
    hand.service.beat(hand.report(hand.see(key, "ended", ended_at=1.0)))  # the answer is lost
    yard.service.remove((made,))
    hand.hello()
    hand.beat(*hand.here.values(), whole=True)
    hand.beat()
    assert key in hand.forgotten
    assert all(not agent.unknown for agent in yard.service.status().agents)


def test_what_was_never_there_stays_unknown(yard: Yard) -> None:
    hand = yard.agent()
    key = AttemptKey(50, 1, "of another store")
    hand.here[key] = Observed(key, "ended")
    hand.beat(hand.here[key], whole=True)
    hand.beat()
    assert key not in hand.forgotten


# drain


def test_a_drained_yard_finishes_what_runs_and_starts_nothing(yard: Yard) -> None:
    hand = yard.agent()
    running, waiting = yard.submit(job(resources=Resources(4)), job(resources=Resources(4)))
    hand.beat()
    hand.starts(running)
    yard.service.drain(True)
    hand.ends(running)
    assert (hand.beat().start, yard.row(waiting).word) == ((), "queued")
    assert yard.service.status().draining
    assert "draining" in yard.service.explain(waiting).sentence
    yard.controller.begin()
    assert yard.service.status().draining, "also after a restart"
    yard.service.drain(False)
    assert [order.key.job_id for order in hand.beat().start] == [waiting]
