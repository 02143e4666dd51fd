"""`prune`: what goes, what stays, and that ids are never given again."""

from __future__ import annotations

import pytest

from runyard.store.base import PRUNE_MAX, Criteria, Store
from tests.contract.store.support import (
    add,
    added,
    assign,
    check_stories,
    commit,
    end,
    ids,
    new,
    run,
    spec,
    start,
    stop,
)


def prune(store: Store, before: float) -> int:
    with store.transaction():
        return store.prune(before)


def test_old_jobs_go_with_all_that_was_theirs(store: Store) -> None:
    add(store, spec(name="old"), spec(), spec())
    commit(store, assign(1), start(1), end(1, status=256, again_at=1.0))
    run(store, 1, at=5.0)
    run(store, 2, at=10.0)
    assert prune(store, 10.0) == 1
    assert ids(store.jobs(Criteria())) == [2, 3]
    assert (store.events(1), store.attempts(1), store.load([1])) == ([], [], {})
    assert store.feed() == 12
    check_stories(store)
    assert prune(store, 10.0) == 0


def test_ids_stay_used(store: Store) -> None:
    run(store, *add(store, spec(), spec(), group_kind="array"))
    assert prune(store, 99.0) == 2
    assert add(store, spec(), group_kind="array") == (3,)
    assert store.job(3).group == 2


def test_open_jobs_never_go(store: Store) -> None:
    add(store, spec(), spec(hold=True), spec())
    commit(store, assign(3))
    assert prune(store, 1e9) == 0


@pytest.mark.parametrize("lost", [True, False])
def test_what_something_open_depends_on_stays(store: Store, lost: bool) -> None:
    add(store, spec(), spec(-1, hold=True))
    commit(store, assign(1), start(1), end(1, status=None if lost else 0, why="lost" if lost else ""))
    assert prune(store, 99.0) == 0
    commit(store, stop(2))
    assert store.dependants(1) == [(2, "afterok")]
    assert prune(store, 99.0) == 2


def test_dependants_that_went_are_not_listed(store: Store) -> None:
    add(store, spec(), spec(-1))
    run(store, 1, at=9.0)
    commit(store, stop(2, at=5.0))
    assert prune(store, 6.0) == 1
    assert store.dependants(1) == []
    assert prune(store, 99.0) == 1


def test_a_group_goes_with_its_last_job(store: Store) -> None:
    add(store, spec(), spec(), group_kind="array")
    run(store, 1)
    prune(store, 99.0)
    assert [group.id for group in store.groups([1])] == [1]
    run(store, 2)
    prune(store, 99.0)
    assert store.groups([1]) == []


def test_a_submission_key_goes_with_its_jobs(store: Store) -> None:
    first = added(store, new(spec(), spec(), key="k", at=1.0))
    run(store, 1, at=5.0)
    assert prune(store, 9.0) == 1
    assert added(store, new(spec(), key="k")) == first
    run(store, 2, at=5.0)
    assert prune(store, 1.0) == 0
    assert prune(store, 9.0) == 1
    assert added(store, new(spec(), key="k")).ids == (3,)


def test_shapes_and_counts_are_right_afterwards(store: Store) -> None:
    add(store, spec(), spec())
    run(store, 1)
    prune(store, 99.0)
    assert store.counts() == {"default": {"pending": 1}}
    assert [shape.waiting for shape in store.view(1.0).shapes] == [1]


def test_not_too_many_at_a_time_and_the_oldest_first(store: Store) -> None:
    add(store, *[spec()] * (PRUNE_MAX + 2))
    commit(store, *[stop(job_id, at=float(PRUNE_MAX + 9 - job_id)) for job_id in range(1, PRUNE_MAX + 3)])
    assert prune(store, 1e6) == PRUNE_MAX
    assert ids(store.jobs(Criteria())) == [1, 2]
    assert prune(store, 1e6) == 2
