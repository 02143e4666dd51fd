"""Jobs that come with their story."""

from __future__ import annotations

import pytest

from runyard.errors import IllegalMove
from runyard.model.job import JobState
from runyard.store.base import NewGroup, Store, Tale
from tests.contract.store.support import FAILURE, add, assign, check_stories, end, new, spec, start, stop


def events(*changes: object) -> tuple[object, ...]:
    return tuple(change.event for change in changes)  # type: ignore[attr-defined]


def test_they_stand_as_their_story_says(store: Store) -> None:
    add(store, spec())
    tried = events(assign(2), start(2), end(2, status=FAILURE, again_at=4.0), assign(2, 2), start(2, 2), end(2, 2))
    tales = [Tale(0, tried), Tale(1, ()), Tale(0, events(stop(4)))]  # type: ignore[arg-type]
    jobs = new(spec(name="a"), spec(2, 1, name="b"), spec(), groups=(NewGroup("array", "g", 0, 2),))
    with store.transaction():
        first = store.reserve(3)
    between = add(store, spec(name="between"))
    with store.transaction():
        assert store.restore(jobs, tales, first).ids == (2, 3, 4)
    assert (first, between, store.last_id()) == (2, (5,), 5)
    check_stories(store)
    done, waiting, cancelled = (store.job(job_id) for job_id in (2, 3, 4))
    assert (done.word, done.retries, done.group) == ("succeeded", 1, 1)
    assert [attempt.number for attempt in store.attempts(2)] == [1, 2]
    assert (waiting.state, waiting.waiting_on, cancelled.word) == (JobState.PENDING, 1, "cancelled")
    assert store.dependants(2) == [(3, "afterok")] and store.dependants(1) == [(3, "afterok")]
    assert store.counts() == {"default": {"pending": 3}} and store.active() == []


def test_a_story_that_cannot_be(store: Store) -> None:
    with pytest.raises(IllegalMove), store.transaction():
        store.restore(new(spec()), [Tale(0, events(end(1)))], store.reserve(1))  # type: ignore[arg-type]
    assert store.last_id() == 0
