"""`add`: ids, keys, groups, `unique`, dependencies."""

from __future__ import annotations

from typing import Any

import pytest

from runyard.errors import InvalidSpec
from runyard.model.events import Submitted
from runyard.model.group import Group
from runyard.model.job import JobState
from runyard.model.outcome import Outcome
from runyard.model.spec import DEPENDENCY_KINDS
from runyard.store.base import Added, NewGroup, Store
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


def test_ids_rise_from_one_in_the_order_of_the_specs(store: Store) -> None:
    assert added(store, new(spec(name="a"), spec(name="b"))) == Added((1, 2))
    assert add(store, spec(name="c")) == (3,)
    assert [store.job(job_id).spec.name for job_id in (1, 2, 3)] == ["a", "b", "c"]


def test_a_new_job_is_its_spec_and_its_first_event(store: Store) -> None:
    wish = spec(command=("python", "a b.py", "é\udce9"), name="n", priority=3, time_limit_s=60.0, begin_at=50.0)
    (job_id,) = add(store, wish, at=7.0)
    job = store.job(job_id)
    assert (job.spec, job.submitted_at, job.version, job.state) == (wish, 7.0, 1, JobState.PENDING)
    assert job.wake_at == 50.0
    assert not job.ready
    assert [recorded.event for recorded in store.events(job_id)] == [Submitted(7.0, wish)]
    check_stories(store)


def test_nothing_to_add_adds_nothing(store: Store) -> None:
    assert added(store, new(key="k")) == added(store, new(key="k")) == Added(())
    assert store.feed() == 0


class TestSubmissionKeys:
    def test_the_same_key_returns_the_same_ids_and_adds_nothing(self, store: Store) -> None:
        first = added(store, new(spec(), spec(), key="k"))
        feed = store.feed()
        assert added(store, new(spec(), spec(), spec(), key="k")) == first
        assert store.feed() == feed
        assert added(store, new(spec(), key="other")).ids == (3,)

    def test_a_key_belongs_to_a_user(self, store: Store) -> None:
        added(store, new(spec(), key="k", user="ann"))
        assert added(store, new(spec(user="bob"), key="k", user="bob")).ids == (2,)

    def test_no_key_is_new_each_time(self, store: Store) -> None:
        assert add(store, spec()) != add(store, spec())

    def test_what_unique_found_is_remembered_with_the_key(self, store: Store) -> None:
        add(store, spec(unique="u"))
        first = added(store, new(spec(), spec(unique="u"), spec(), key="k"))
        assert first == Added((2, 1, 3), existing=(1,))
        run(store, 1)
        assert added(store, new(key="k")) == first

    def test_a_key_of_a_rolled_back_call_is_free(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), store.transaction():
            store.add(new(spec(), key="k"))
            raise ZeroDivisionError
        assert added(store, new(spec(), spec(), key="k")).ids == (1, 2)


class TestGroups:
    def test_jobs_of_one_call_become_a_group(self, store: Store) -> None:
        made = add(store, spec(), spec(), group_kind="array", group_name="sweep", parallel=1)
        assert [store.job(job_id).group for job_id in made] == [1, 1]
        assert store.groups([1, 2]) == [Group(1, "array", "sweep", "ann", 2, 1, made_at=1.0)]

    def test_some_of_a_call_do(self, store: Store) -> None:
        """Each group is one of its own; the jobs between them are of none."""
        groups = (NewGroup("array", "a", 1, 2, 2), NewGroup("array", "b", 3, 1))
        made = add(store, spec(), spec(), spec(), spec(), spec(), groups=groups)
        assert [store.job(job_id).group for job_id in made] == [None, 1, 1, 2, None]
        assert [group.name for group in store.groups(range(9))] == ["a", "b"]
        assert [(group.size, group.parallel) for group in store.groups(range(9))] == [(2, 2), (1, 0)]
        assert store.view(1.0).limits == {1: 2}
        assert store.job(add(store, spec(), group_kind="array")[0]).group == 3
        check_stories(store)

    def test_with_dependencies_and_keys_too(self, store: Store) -> None:
        """Who is there already stays in his group, and one of whom all are there is not made."""
        groups = (
            NewGroup("array", "a", 0, 2),
            NewGroup("array", "b", 2, 1),
            NewGroup("array", "c", 3, 2, 1),
        )
        made = add(store, spec(unique="x"), spec(), spec(unique="x"), spec(-1), spec(unique="x"), groups=groups)
        assert made == (1, 2, 1, 3, 1)
        assert [store.job(job_id).group for job_id in (1, 2, 3)] == [1, 1, 2]
        assert [(group.id, group.name) for group in store.groups(range(9))] == [(1, "a"), (2, "c")]
        check_stories(store)

    def test_without_a_kind_there_is_none(self, store: Store) -> None:
        assert store.job(add(store, spec())[0]).group is None
        assert store.groups(range(3)) == []

    def test_a_limit_makes_a_shape_of_its_own(self, store: Store) -> None:
        one, two = (
            add(store, spec(), group_kind="array", parallel=2),
            add(store, spec(), group_kind="array", parallel=2),
        )
        free = add(store, spec(), group_kind="array")
        plain = add(store, spec())
        shapes = [store.shape_of(made[0]) for made in (one, two, free, plain)]
        assert len(set(shapes)) == 3
        assert shapes[2] == shapes[3]
        assert {shape.id: shape.shape.group for shape in store.view(1.0).shapes} == {
            shapes[0]: 1,
            shapes[1]: 2,
            shapes[2]: 0,
        }
        assert store.view(1.0).limits == {1: 2, 2: 2}


class TestUnique:
    def test_an_active_job_is_returned_instead(self, store: Store) -> None:
        (first,) = add(store, spec(unique="u"))
        assert added(store, new(spec(unique="u"))) == Added((first,), existing=(first,))
        commit(store, assign(first), start(first))
        assert added(store, new(spec(unique="u"), spec())) == Added((first, 2), existing=(first,))

    def test_a_done_one_is_not(self, store: Store) -> None:
        (first,) = add(store, spec(unique="u"))
        run(store, first)
        assert added(store, new(spec(unique="u"))) == Added((2,))

    def test_nor_another_users(self, store: Store) -> None:
        add(store, spec(unique="u", user="bob"))
        assert added(store, new(spec(unique="u"))) == Added((2,))

    def test_twice_in_one_call_is_one_new_job(self, store: Store) -> None:
        assert added(store, new(spec(unique="u"), spec(), spec(unique="u"))) == Added((1, 2, 1))
        assert ids(store.load(range(9)).values()) == [1, 2]

    def test_others_may_depend_on_what_was_found(self, store: Store) -> None:
        add(store, spec(unique="u"))
        assert added(store, new(spec(unique="u"), spec(-1))).ids == (1, 2)
        assert store.job(2).spec.after[0].job_id == 1
        run(store, 1)
        assert store.job(2).ready


class TestDependencies:
    def test_a_job_that_does_not_exist_is_named(self, store: Store) -> None:
        add(store, spec())
        with pytest.raises(InvalidSpec, match=r"after: there is no job 7\b"):
            add(store, spec(1), spec(7))
        with pytest.raises(InvalidSpec, match=r"after: there is no job -3 in this submission"):
            add(store, spec(), spec(-3))
        with pytest.raises(InvalidSpec, match=r"after: there is no job 0\b"):
            add(store, spec(0))
        assert ids(store.load(range(9)).values()) == [1]

    def test_negative_ids_count_within_the_call_and_may_name_later_ones(self, store: Store) -> None:
        add(store, spec())
        made = add(store, spec(-3, (-2, "afterany")), spec(), spec())
        assert made == (2, 3, 4)
        job = store.job(2)
        assert [(link.job_id, link.kind) for link in job.spec.after] == [(4, "afterok"), (3, "afterany")]
        assert (job.waiting_on, job.word) == (2, "waiting")
        assert store.dependants(4) == [(2, "afterok")]
        assert store.dependants(3) == [(2, "afterany")]

    def test_named_twice_counts_once(self, store: Store) -> None:
        add(store, spec(), spec(-1, -1, (-1, "afterany")))
        assert store.job(2).waiting_on == 2
        assert store.dependants(1) == [(2, "afterany"), (2, "afterok")]
        run(store, 1)
        assert store.job(2).ready

    @pytest.mark.parametrize("kind", DEPENDENCY_KINDS)
    @pytest.mark.parametrize("ending", ["succeeded", "failed", "cancelled", "lost", "skipped"])
    def test_decided_before_or_after_is_the_same(self, store: Store, kind: str, ending: str) -> None:
        """Whether the other job ends before it is named or afterwards: the same becomes of the dependant."""
        add(store, spec(), spec(-1), spec((-2, kind)))
        _end_second_as(store, ending)
        add(store, spec((2, kind)))
        early, late = store.job(3), store.job(4)
        met = {
            "afterany": True,
            "afterok": {"succeeded": True, "lost": None}.get(ending, False),
            "afternotok": ending != "succeeded",
        }[kind]
        expected: dict[bool | None, Any] = {True: "queued", False: "skipped", None: "waiting"}
        assert [early.word, late.word] == [expected[met]] * 2
        assert early.reason == late.reason
        check_stories(store)

    def test_skipped_at_once_takes_its_own_dependants_along(self, store: Store) -> None:
        run(store, *add(store, spec(name="bad")), status=256)
        add(store, spec(1), spec(-1), spec((-1, "afterany")), spec((-1, "afternotok")), spec(-2))
        assert [store.job(job_id).word for job_id in range(2, 7)] == [
            "skipped",
            "skipped",
            "queued",
            "queued",
            "skipped",
        ]
        assert store.job(2).reason == "job 1 (bad) ended failed"
        assert (store.job(3).ended_at, store.job(2).waiting_on) == (1.0, 1)
        check_stories(store)

    def test_one_failed_and_one_open(self, store: Store) -> None:
        add(store, spec(), spec())
        run(store, 1, status=256)
        (job_id,) = add(store, spec(1, 2))
        assert store.job(job_id).outcome is Outcome.SKIPPED
        run(store, 2)
        assert store.job(job_id).version == 2


def _end_second_as(store: Store, ending: str) -> None:
    """Job 2 waits for job 1."""
    run(store, 1, status=256 if ending == "skipped" else 0)
    if ending in ("succeeded", "failed"):
        run(store, 2, status=0 if ending == "succeeded" else 256)
    elif ending == "cancelled":
        commit(store, stop(2))
    elif ending == "lost":
        commit(store, assign(2), start(2), end(2, status=None, why="lost"))
    assert store.job(2).word == ending
