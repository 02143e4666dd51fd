"""Jobs that change after they were accepted: edited, moved, retried; and what that does to those that wait for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runyard.model.events import Change, Edited, Event, Moved, Retried
from runyard.model.job import Job, JobState, Resumption
from runyard.model.lifecycle import still_open
from runyard.model.outcome import Outcome
from runyard.model.queue import Queue
from runyard.model.spec import DEPENDENCY_KINDS, JobSpec, Resources
from runyard.store.base import Criteria, Store
from runyard.store.memory import MemoryStore
from tests.contract.store.support import (
    FAILURE,
    added,
    assign,
    change,
    check_stories,
    commit,
    end,
    ids,
    new,
    revoke,
    run,
    selectors,
    spec,
    start,
    stop,
)

KINDS = st.sampled_from(DEPENDENCY_KINDS)
LOST = {"status": None, "why": "lost"}


def add(store: Store, *specs: JobSpec) -> None:
    """One after the other: they may wait for those before them."""
    for one in specs:
        added(store, new(one))


def told(store: Store, job_id: int, event: Event) -> str:
    """Commit this; why it was refused, or ""."""
    refused = commit(store, change(job_id, event)).refused
    return refused[0].why if refused else ""


def retry(store: Store, *job_ids: int) -> None:
    assert not commit(store, *(change(job_id, Retried(9.0, "ann")) for job_id in job_ids)).refused


def words(store: Store) -> dict[int, str]:
    return {job.id: job.word for job in store.jobs(Criteria())}


def heads(store: Store) -> list[int]:
    return [head.job_id for shape in store.view(1.0).shapes for head in shape.heads]


# Another place in line


def test_a_moved_job_has_its_new_place_in_view_and_position(store: Store) -> None:
    add(store, *(spec() for _ in range(4)))
    assert not told(store, 4, Moved(2.0, 1.5))
    assert heads(store) == [1, 4, 2, 3]
    assert [store.position(job_id) for job_id in (1, 4, 2, 3)] == [0, 1, 2, 3]
    assert not told(store, 1, Moved(2.0, 99.0, priority=2))
    assert heads(store) == [1, 4, 2, 3]
    assert ids(store.jobs(Criteria(order="-priority"))) == [1, 4, 3, 2]
    check_stories(store)


def test_only_who_waits_is_moved(store: Store) -> None:
    add(store, spec(), spec())
    commit(store, assign(1), start(1))
    assert "only a job that waits has a place in line" in told(store, 1, Moved(2.0, 9.0))
    run(store, 2)
    assert "only a job that waits has a place in line" in told(store, 2, Moved(2.0, 9.0))


# Another spec


def test_an_edited_job_is_found_by_what_it_is_now(store: Store) -> None:
    with store.transaction():
        store.save_queue(Queue("fast"))
    add(store, spec(name="old", unique="u"), spec(name="old"))
    edited = spec(name="new", queue="fast", priority=5, unique="v", resources=Resources(2), time_limit_s=100.0)
    assert not told(store, 1, Edited(2.0, edited, "ann"))
    assert store.job(1).spec == edited
    assert ids(store.jobs(Criteria(selectors("new")))) == [1]
    assert ids(store.jobs(Criteria(selectors("old")))) == [2]
    assert ids(store.jobs(Criteria(selectors("queue:fast")))) == [1]
    assert store.counts() == {"default": {"pending": 1}, "fast": {"pending": 1}}
    assert store.shape_of(1) != store.shape_of(2)
    assert {shape.shape.queue: shape.waiting for shape in store.view(1.0).shapes} == {"fast": 1, "default": 1}
    assert store.active_unique("ann", "v") == 1  # type: ignore[attr-defined]
    check_stories(store)


def test_a_job_of_a_limited_group_keeps_that_limit(store: Store) -> None:
    added(store, new(spec(), spec(), group_kind="array", parallel=1))
    assert not told(store, 2, Edited(2.0, spec(resources=Resources(3)), "ann"))
    assert {shape.shape.group for shape in store.view(1.0).shapes} == {1}


def test_what_runs_changes_only_in_what_still_can(store: Store) -> None:
    add(store, spec(name="one"))
    commit(store, assign(1), start(1))
    assert "command, resources cannot be changed any more" in told(
        store, 1, Edited(4.0, spec(name="two", command=("false",), resources=Resources(2)))
    )
    assert not told(store, 1, Edited(4.0, spec(name="two", time_limit_s=60.0, priority=3)))
    assert (store.job(1).spec.time_limit_s, store.job(1).word) == (60.0, "running")
    assert ids(store.jobs(Criteria(selectors("state:running")))) == [1]
    assert len(store.active("ann@a")) == 1
    commit(store, end(1))
    assert "time limit cannot be changed any more" in told(store, 1, Edited(5.0, spec(name="three")))
    check_stories(store)


def test_what_it_waits_for_can_be_changed(store: Store) -> None:
    add(store, spec(), spec(), spec(1))
    assert not told(store, 3, Edited(2.0, spec(2, (2, "afterany")), "ann"))
    assert (store.dependants(1), store.dependants(2)) == ([], [(3, "afterany"), (3, "afterok")])
    assert store.job(3).waiting_on == 2
    run(store, 1)
    assert store.job(3).waiting_on == 2
    run(store, 2)
    assert store.job(3).ready
    assert not told(store, 3, Edited(5.0, spec(1), "ann"))
    assert store.job(3).ready
    check_stories(store)


def test_links_and_ends_of_one_commit_are_seen_in_order(store: Store) -> None:
    add(store, spec(), spec(), spec(1), spec(1))
    commit(store, assign(1), assign(2), start(1), start(2))
    commit(store, change(3, Edited(4.0, spec(2))), change(4, Edited(4.0, spec(2, 1))), end(1), end(2, status=FAILURE))
    assert words(store) == {1: "succeeded", 2: "failed", 3: "skipped", 4: "skipped"}
    assert store.dependants(1) == [(4, "afterok")]


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ((1,), "cannot wait for itself"),
        ((3,), "would wait for itself"),
        ((77,), "there is no job 77 that it could wait for"),
        ((4,), r"waits for job 4 \(true\), which ended failed"),
    ],
)
def test_a_job_never_waits_for_what_cannot_be(store: Store, after: tuple[int, ...], why: str) -> None:
    add(store, spec(), spec(1), spec(2), spec())
    run(store, 4, status=FAILURE)
    refused = told(store, 1, Edited(2.0, spec(*after)))
    assert re.search(why, refused)
    assert store.job(1).ready


def test_no_edit_takes_what_is_not_there(store: Store) -> None:
    add(store, spec(unique="u"), spec())
    assert "there is no queue 'nowhere'" in told(store, 2, Edited(2.0, spec(queue="nowhere")))
    assert "job 1 has the same unique key (u)" in told(store, 2, Edited(2.0, spec(unique="u")))
    assert "its user never changes" in told(store, 2, Edited(2.0, spec(user="bob")))
    assert store.job(2).version == 1


# Another try


def test_a_retried_job_waits_for_its_next_attempt(store: Store) -> None:
    add(store, spec(retry=replace(spec().retry, limit=2)))
    commit(store, assign(1), start(1), end(1, status=FAILURE, again_at=1.0), assign(1, 2), start(1, 2))
    commit(store, end(1, 2, status=FAILURE, at=6.0))
    assert (store.job(1).retries, store.job(1).outcome) == (1, Outcome.FAILED)
    retry(store, 1)
    job = store.job(1)
    assert (job.word, job.retries, job.losses, job.exit_code, job.ended_at) == ("queued", 0, 0, None, None)
    assert job.reason == "retried by ann"
    assert heads(store) == [1]
    assert store.counts() == {"default": {"pending": 1}}
    assert store.view(1.0).shapes[0].heads[0].number == 3
    run(store, 1, at=8.0)
    assert [attempt.number for attempt in store.attempts(1)] == [1, 2, 3]
    with store.transaction():
        assert (store.prune(7.0), store.prune(9.0)) == (0, 1), "its age is that of its last end"


def test_a_retry_can_change_the_job_and_go_on_from_an_attempt(store: Store) -> None:
    add(store, spec())
    run(store, 1, status=FAILURE)
    resume = Resumption(1, (("WANDB_RUN_ID", "abc"),))
    assert not told(store, 1, Retried(9.0, "ann", resume, spec(resources=Resources(4))))
    assert store.job(1).resume == resume
    assert store.view(1.0).shapes[0].shape.resources.cpus == 4
    run(store, 1, status=FAILURE)
    assert store.job(1).resume == resume
    retry(store, 1)
    assert store.job(1).resume is None
    check_stories(store)


def test_only_what_has_ended_is_retried(store: Store) -> None:
    add(store, spec(), spec())
    commit(store, assign(2))
    assert "only a job that has ended can be retried" in told(store, 1, Retried(9.0))
    assert "only a job that has ended can be retried" in told(store, 2, Retried(9.0))


def test_no_retry_where_it_could_not_wait(store: Store) -> None:
    with store.transaction():
        store.save_queue(Queue("fast"))
    add(store, spec(queue="fast"), spec(unique="u"))
    run(store, 1, 2, status=FAILURE)
    with store.transaction():
        store.remove_queue("fast")
    assert "there is no queue 'fast'" in told(store, 1, Retried(9.0))
    add(store, spec(unique="u"))
    assert "job 3 has the same unique key" in told(store, 2, Retried(9.0))


def test_a_retried_job_is_held_no_more_and_keeps_its_begin(store: Store) -> None:
    add(store, spec(hold=True), spec(begin_at=50.0))
    commit(store, stop(1), stop(2))
    retry(store, 1, 2)
    assert words(store) == {1: "queued", 2: "waiting"}
    assert store.next_due() == 50.0


# Those who wait


def test_what_was_skipped_comes_back_and_what_ran_stays(store: Store) -> None:
    add(store, spec(), spec(1), spec(2), spec((1, "afterany")), spec((1, "afternotok")))
    run(store, 1, status=FAILURE)
    run(store, 4)
    assert words(store) == {1: "failed", 2: "skipped", 3: "skipped", 4: "succeeded", 5: "queued"}
    retry(store, 1)
    assert words(store) == {1: "queued", 2: "waiting", 3: "waiting", 4: "succeeded", 5: "waiting"}
    run(store, 1)
    assert words(store) == {1: "succeeded", 2: "queued", 3: "waiting", 4: "succeeded", 5: "skipped"}
    run(store, 2, 3)
    assert words(store)[3] == "succeeded"
    check_stories(store)


def test_who_was_let_go_stays_so(store: Store) -> None:
    """What it waited for is tried again while it runs, and fails; meanwhile its own attempt came to nothing."""
    add(store, spec(), spec(1))
    run(store, 1)
    commit(store, assign(2))
    retry(store, 1)
    commit(store, revoke(2))
    assert words(store) == {1: "queued", 2: "queued"}
    commit(store, assign(1, 2), start(1, 2), end(1, 2, status=FAILURE))
    assert words(store) == {1: "failed", 2: "queued"}
    check_stories(store)


def test_a_job_that_another_failure_skipped_stays_skipped_until_both_are_retried(store: Store) -> None:
    add(store, spec(), spec(), spec(1, 2), spec(3))
    run(store, 1, 2, status=FAILURE)
    retry(store, 1)
    assert (store.job(3).word, store.job(4).word) == ("skipped", "skipped")
    assert "waits for job 2 (true), which ended failed: retry that one first" in told(store, 3, Retried(9.0))
    retry(store, 2)
    assert (store.job(3).waiting_on, store.job(4).waiting_on) == (2, 1)


def test_who_waits_for_it_twice_over_is_counted_once_each(store: Store) -> None:
    """A diamond of unequal sides: the fourth waits for the first too."""
    add(store, spec(), spec(1), spec(2), spec(1, 2, 3))
    run(store, 1, status=FAILURE)
    retry(store, 1)
    assert store.job(4).waiting_on == 3
    run(store, 1, 2, 3)
    assert store.job(4).ready


def test_who_waits_for_a_lost_job_waits_on(store: Store) -> None:
    add(store, spec(), spec(1))
    commit(store, assign(1), start(1), end(1, **LOST))  # type: ignore[arg-type]
    assert words(store) == {1: "lost", 2: "waiting"}
    retry(store, 1)
    run(store, 1)
    assert store.job(2).ready


def test_a_skipped_job_whose_unique_key_is_taken_stays_skipped(store: Store) -> None:
    add(store, spec(), spec(1, unique="u"))
    run(store, 1, status=FAILURE)
    add(store, spec(unique="u"))
    retry(store, 1)
    assert store.job(2).word == "skipped"


def test_jobs_that_are_retried_together_wait_for_each_other(store: Store) -> None:
    add(store, spec(), spec((1, "afterany")))
    run(store, 1, 2, status=FAILURE)
    retry(store, 2, 1)
    assert words(store) == {1: "queued", 2: "waiting"}


Walk = list[tuple[str, int]]


@settings(max_examples=60, deadline=None)
@given(
    after=st.lists(st.lists(st.tuples(st.integers(1, 7), KINDS)), max_size=7),
    walk=st.lists(
        st.tuples(st.sampled_from(["ok", "fail", "lost", "retry", "stop", "begin"]), st.integers(1, 7)), max_size=30
    ),
)  # fmt: skip
def test_whatever_ends_and_is_retried_everybody_waits_for_what_is_open(
    after: list[list[tuple[int, str]]], walk: Walk
) -> None:
    """The counter is what a look at the dependencies says, and a job is skipped only because of one that ended so."""
    store = MemoryStore()
    add(store, *(spec(*(link for link in links if link[0] < place)) for place, links in enumerate(after, 1)))
    for word, job_id in walk:
        job = store.load([job_id]).get(job_id)
        if job is not None:
            with store.transaction():
                store.commit(_step(word, job))
        _check(store.jobs(Criteria()))
    check_stories(store)


def _step(word: str, job: Job) -> list[Change]:
    number = job.attempt.number + (job.state in (JobState.PENDING, JobState.DONE)) if job.attempt else 1
    if word == "retry":
        return [change(job.id, Retried(9.0))]
    if word == "stop":
        return [stop(job.id)]
    begun = [assign(job.id, number), start(job.id, number)]
    ends = {
        "ok": [end(job.id, number)],
        "fail": [end(job.id, number, FAILURE)],
        "lost": [end(job.id, number, None, why="lost")],
        "begin": [],
    }
    return begun + ends[word]


def _check(jobs: Iterable[Job]) -> None:
    known = {job.id: job for job in jobs}
    for job in known.values():
        count, failed = still_open(job.spec.after, known)
        if job.state is JobState.PENDING and job.stop is None:
            assert (job.waiting_on, failed) == (count, None), job
