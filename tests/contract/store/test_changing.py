"""`commit`: what applies, what is refused, and what the end of one job does to others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runyard.model.events import DependencyFailed, DependencyMet, Held, Promoted, Released, Submitted, Woken
from runyard.model.job import JobState
from runyard.model.outcome import Outcome
from runyard.store.base import Store
from tests.contract.store.support import (
    add,
    assign,
    change,
    check_stories,
    commit,
    end,
    ids,
    key,
    place,
    promote,
    revoke,
    run,
    spec,
    start,
    stop,
)


def test_the_walk_of_a_job(store: Store) -> None:
    add(store, spec())
    commit(store, assign(1, version=1))
    assert store.job(1).word == "starting"
    commit(store, start(1))
    assert store.job(1).word == "running"
    told = commit(store, end(1))
    job = store.job(1)
    assert told.jobs == {1: job}
    assert (job.word, job.exit_code, job.ended_at, job.version) == ("succeeded", 0, 4.0, 4)
    assert [recorded.number for recorded in store.events(1)] == [1, 2, 3, 4]
    check_stories(store)


def test_all_in_one_commit_is_the_same(store: Store) -> None:
    add(store, spec(), spec())
    commit(store, assign(1), start(1), end(1))
    for one in (assign(2), start(2), end(2)):
        commit(store, one)
    mine, other = store.job(1), store.job(2)
    assert replace(mine, id=2, attempt=None, place=2.0) == replace(other, attempt=None)
    assert len(store.events(1)) == len(store.events(2)) == 4
    assert store.feed() == 8


def test_refused_changes_are_returned_with_the_reason_and_change_nothing(store: Store) -> None:
    add(store, spec(), spec())
    bad = [start(1), end(2), assign(9), assign(1, 2), change(1, Submitted(1.0, spec()))]
    told = commit(store, bad[0], assign(2), *bad[1:])
    assert [refused.change for refused in told.refused] == [bad[0], *bad[2:]]
    assert [refused.why for refused in told.refused] == [
        "job 1 is queued: started does not apply",
        "there is no job 9",
        "job 1: attempt 2 cannot follow, 1 is next",
        "job 1 is queued: submitted does not apply",
    ]
    assert list(told.jobs) == [2]
    assert (store.job(1).version, len(store.events(1))) == (1, 1)


def test_a_proposal_for_another_version_is_refused(store: Store) -> None:
    add(store, spec())
    commit(store, change(1, Held(2.0)), change(1, Released(2.0)))
    told = commit(store, assign(1, version=1))
    assert [refused.why for refused in told.refused] == ["job 1 has changed since: it is at version 3, not 1"]
    assert not commit(store, assign(1, version=3)).refused


def test_versions_are_compared_within_a_batch_too(store: Store) -> None:
    add(store, spec())
    told = commit(store, change(1, Held(2.0), version=1), change(1, Released(2.0), version=1))
    assert len(told.refused) == 1
    assert told.jobs[1].held


def test_late_words_about_an_older_attempt_or_another_token_are_refused(store: Store) -> None:
    add(store, spec())
    commit(store, assign(1), start(1), end(1, status=256, again_at=1.0), assign(1, 2), start(1, 2))
    told = commit(store, end(1), change(1, Promoted(5.0, key(1, 2, "wrong"))), end(1, 2))
    assert ["attempt 1 is not its present one" in told.refused[0].why, len(told.refused)] == [True, 2]
    assert store.job(1).word == "succeeded"
    check_stories(store)


def test_final_is_final(store: Store) -> None:
    run(store, *add(store, spec()))
    before = store.job(1)
    told = commit(
        store, end(1, status=256), start(1), assign(1, 2), stop(1), change(1, Held(1.0)), change(1, Woken(1.0))
    )
    assert len(told.refused) == 6
    assert store.job(1) == before
    assert not told.jobs


def test_each_attempt_is_kept(store: Store) -> None:
    add(store, spec())
    assert store.attempts(1) == []
    commit(store, assign(1), start(1), end(1, status=256, again_at=1.0))
    assert [attempt.number for attempt in store.attempts(1)] == [1]
    commit(store, assign(1, 2), revoke(1, 2, why="busy"), assign(1, 3), start(1, 3), end(1, 3))
    first, second, third = store.attempts(1)
    assert [first.placements[0].result, second.placements[0].result, third.placements[0].result] == [
        attempt.placements[0].result for attempt in (first, second, third)
    ]
    assert (first.number, second.number, third.number) == (1, 2, 3)
    assert second.placements[0].started_at is None
    assert third == store.job(1).attempt
    assert store.attempts(9) == []


def test_an_attempt_of_two_placements_ends_with_the_last(store: Store) -> None:
    add(store, spec())
    commit(store, assign(1, 1, place(), place("bob@b", "b", rank=1)), start(1), start(1, rank=1))
    assert ids(store.active("bob@b")) == ids(store.active("ann@a")) == [1]
    commit(store, end(1, rank=0))
    assert store.job(1).word == "running"
    assert store.active("ann@a") == []
    assert [held.placement.rank for held in store.view(5.0).occupied] == [1]
    commit(store, end(1, rank=1, status=256))
    assert store.job(1).word == "failed"
    assert store.active() == []


def test_a_stop_of_a_waiting_job_ends_it_and_of_a_running_one_is_a_wish(store: Store) -> None:
    add(store, spec(), spec())
    commit(store, assign(2), start(2), stop(1), stop(2))
    assert [store.job(1).word, store.job(2).word] == ["cancelled", "stopping"]
    assert ids(store.active()) == [2]


def test_a_retry_waits_for_its_time(store: Store) -> None:
    add(store, spec())
    commit(store, assign(1), start(1), end(1, status=256, again_at=30.0))
    assert (store.job(1).word, store.due(29.0), store.due(30.0), store.next_due()) == ("waiting", [], [1], 30.0)
    commit(store, change(1, Woken(30.0)))
    assert (store.job(1).ready, store.due(99.0), store.next_due()) == (True, [], None)


def test_a_held_job_is_woken_too(store: Store) -> None:
    add(store, spec(hold=True, begin_at=30.0))
    commit(store, change(1, Woken(30.0)))
    assert (store.job(1).word, store.due(99.0), store.next_due()) == ("held", [], None)
    commit(store, change(1, Released(31.0)))
    assert [head.job_id for head in store.view(31.0).shapes[0].heads] == [1]


def test_what_is_due_comes_in_order(store: Store) -> None:
    add(store, spec(begin_at=30.0), spec(begin_at=20.0), spec(begin_at=20.0), spec(begin_at=40.0), spec())
    assert store.due(30.0) == [2, 3, 1]
    commit(store, stop(2))
    assert store.due(30.0) == [3, 1]
    assert store.next_due() == 20.0


class TestConsequences:
    def test_a_chain_wakes_link_by_link(self, store: Store) -> None:
        add(store, spec(), spec(-1), spec(-2))
        run(store, 1)
        assert [store.job(2).word, store.job(3).word] == ["queued", "waiting"]
        run(store, 2)
        assert store.job(3).ready

    def test_a_failure_skips_the_chain_in_the_same_commit(self, store: Store) -> None:
        length = 1_500
        add(store, spec(), *[spec(-before) for before in range(1, length)])
        told = commit(store, assign(1), start(1), end(1, status=256))
        assert len(told.jobs) == length
        assert {job.word for job in told.jobs.values()} == {"failed", "skipped"}
        assert store.job(length).reason == f"job {length - 1} (true) ended skipped"
        assert [type(recorded.event) for recorded in store.events(length)] == [Submitted, DependencyFailed]

    def test_a_diamond(self, store: Store) -> None:
        add(store, spec(), spec(-1), spec(-1), spec(-2, -3))
        run(store, 1, 2)
        assert (store.job(4).waiting_on, store.job(4).word) == (1, "waiting")
        run(store, 3)
        assert store.job(4).ready
        check_stories(store)

    def test_a_diamond_whose_sides_both_fail(self, store: Store) -> None:
        add(store, spec(), spec(-1), spec(-1), spec(-2, -3), spec((-4, "afterany")))
        told = commit(store, assign(1), start(1), end(1, status=256))
        assert sorted(told.jobs) == [1, 2, 3, 4, 5]
        assert store.job(4).version == 2
        assert store.job(5).ready
        check_stories(store)

    def test_a_wide_fan_out(self, store: Store) -> None:
        wide = 10_000
        add(store, spec(), *[spec(-1)] * wide)
        told = commit(store, assign(1), start(1), end(1))
        assert len(told.jobs) == wide + 1
        assert all(job.ready for job in told.jobs.values() if job.id > 1)
        assert store.view(5.0).shapes[0].waiting == wide
        assert store.feed() == 1 + wide + 3 + wide

    def test_a_lost_job_leaves_its_dependants_waiting(self, store: Store) -> None:
        add(store, spec(), spec(-1), spec((-1, "afterany")), spec((-1, "afternotok")))
        commit(store, assign(1), start(1), end(1, status=None, why="lost"))
        assert store.job(1).outcome is Outcome.LOST
        assert [store.job(job_id).word for job_id in (2, 3, 4)] == ["waiting", "queued", "queued"]

    def test_consequences_carry_the_time_of_the_end(self, store: Store) -> None:
        add(store, spec(), spec(-1))
        commit(store, assign(1), start(1), end(1, at=8.0))
        assert store.events(2)[-1].event == DependencyMet(8.0, 1)

    def test_who_was_stopped_is_not_woken(self, store: Store) -> None:
        add(store, spec(), spec(-1))
        commit(store, stop(2))
        told = commit(store, assign(1), start(1), end(1))
        assert list(told.jobs) == [1]
        assert store.job(2).word == "cancelled"

    def test_changes_after_a_consequence_in_the_same_batch_see_it(self, store: Store) -> None:
        add(store, spec(), spec(-1), spec(-1))
        told = commit(store, assign(1), start(1), end(1), assign(2, version=2), assign(3, version=1))
        assert told.jobs[2].state is JobState.ASSIGNED
        assert [refused.change.job_id for refused in told.refused] == [3]


class TestFollowers:
    def test_a_follower_is_promoted_by_the_service_alone(self, store: Store) -> None:
        add(store, spec(), spec())
        commit(store, assign(1), start(1), assign(2, 1, place(follows="1.1")))
        commit(store, end(1))
        assert [held.placement.follows for held in store.view(5.0).occupied] == ["1.1"]
        commit(store, promote(2))
        (held,) = store.view(5.0).occupied
        assert (held.job_id, held.placement.follows) == (2, "")

    @pytest.mark.parametrize("again_at", [None, 9.0])
    def test_a_revoked_one_holds_nothing_and_waits_again(self, store: Store, again_at: float | None) -> None:
        add(store, spec())
        commit(store, assign(1, 1, place(follows="7.1")), revoke(1, again_at=again_at, why="busy"))
        assert store.view(5.0).occupied == ()
        assert store.active() == []
        assert (store.job(1).reason, store.job(1).wake_at) == ("busy", again_at)
        assert not commit(store, change(1, Woken(9.0)), assign(1, 2)).refused
