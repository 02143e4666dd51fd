"""`jobs`, `load` and what else finds jobs: each kind of selector, order, limit and narrowing."""

from __future__ import annotations

import random

import pytest

from runyard.errors import InvalidSpec, NotFound
from runyard.model.events import Change, Paused, Resumed
from runyard.model.filter import ORDERS, Selector
from runyard.model.job import Job
from runyard.store.base import Criteria, Store, fingerprint_of
from runyard.store.selection import ORDER_KEYS
from tests.contract.store.support import QUERIES, add, assign, commit, end, ids, run, selectors, spec, start, stop

NAMES = ("train-0", "train-1", "Train-1", "trains", "a b", "[x]", "x", "tr*n", "bär", "by\udce9tes", "", "100%", "a_b")


@pytest.fixture
def busy(store: Store) -> Store:
    """A yard with jobs of two users, in two queues, in every state."""
    add(store, *[spec(name=name, priority=place % 3) for place, name in enumerate(NAMES)])
    add(store, *[spec(user="bob", queue="fast", hold=place % 2 == 0) for place in range(5)], at=2.0, group_kind="array")
    commit(store, assign(1), start(1), end(1, at=9.0), assign(2), start(2), end(2, status=256, at=5.0), stop(3, at=7.0))
    commit(store, assign(4), assign(5), start(5, at=6.0), assign(6), start(6, at=4.0), stop(6))
    commit(store, assign(15), start(15), end(15, at=9.0))
    return store


def found(store: Store, *texts: str, **criteria: object) -> list[int]:
    meant = Criteria(selectors(*texts), **criteria)  # type: ignore[arg-type]
    jobs = ids(store.jobs(meant))
    assert store.ids(meant) == jobs
    return jobs


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["5"], [5]),
        (["99"], []),
        (["3-5", "4-6"], [3, 4, 5, 6]),
        (["train-1"], [2]),
        (["train-[0-1]"], [1, 2]),
        (["train-[00-01]"], []),
        (["train*"], [1, 2, 4]),
        (["t*n"], [8]),
        (["tr*n*"], [1, 2, 4, 8]),
        (["train-?"], [1, 2]),
        (["[x]"], [6]),
        (["[x]*"], [6]),
        (["b?r"], [9]),
        (["by\udce9tes"], [10]),
        (["by*"], [10]),
        (["100%"], [12]),
        (["1%"], []),
        (["a_b"], [13]),
        (["a?b"], [5, 13]),
        (["true"], [11, 14, 15, 16, 17, 18]),
        (["name:x"], [7]),
        (["queue:fast"], [14, 15, 16, 17, 18]),
        (["queue:none"], []),
        (["user:bob"], [14, 15, 16, 17, 18]),
        (["group:1"], [14, 15, 16, 17, 18]),
        (["state:failed"], [2]),
        (["state:succeeded,cancelled"], [1, 3, 15]),
        (["state:starting"], [4]),
        (["state:running"], [5]),
        (["state:stopping"], [6]),
        (["state:held"], [14, 16, 18]),
        (["state:queued"], [7, 8, 9, 10, 11, 12, 13, 17]),
        (["state:waiting", "state:paused"], []),
        (["state:pending"], [7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18]),
        (["state:assigned"], [4]),
        (["state:done"], [1, 2, 3, 15]),
        (["@"], [13]),
        (["@", "@~2"], [11, 13]),
        (["@~12"], [1]),
        (["@~13"], []),
        (["all"], list(range(1, 14))),
        (["2", "user:bob", "x"], [2, 7, 14, 15, 16, 17, 18]),
    ],
)
def test_selectors(busy: Store, texts: list[str], expected: list[int]) -> None:
    assert found(busy, *texts, user="ann") == expected


def test_nobodys_all_is_everything(busy: Store) -> None:
    assert found(busy, "all") == list(range(1, 19))


def test_mine_narrows(busy: Store) -> None:
    assert found(busy, "1-3", "14-16", user="bob", mine=True) == [14, 15, 16]
    assert found(busy, user="nobody", mine=True) == []


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("down", [False, True])
def test_orders(busy: Store, name: str, down: bool) -> None:
    def place(job: Job) -> tuple[bool, object, int]:
        return (ORDER_KEYS[name](job) is None, ORDER_KEYS[name](job), job.id)

    jobs = busy.jobs(Criteria(order="-" * down + name))
    assert jobs == sorted(jobs, key=place, reverse=down)
    assert len(jobs) == 18
    assert busy.jobs(Criteria(order="-" * down + name, limit=4)) == jobs[:4]


def test_an_unknown_order_is_refused(store: Store) -> None:
    with pytest.raises(InvalidSpec, match="order: 'id; drop table jobs' is none of id, name"):
        store.jobs(Criteria(order="id; drop table jobs"))


def test_pages_by_id(busy: Store) -> None:
    assert found(busy, after_id=16) == [17, 18]
    assert found(busy, after_id=3, limit=2) == [4, 5]
    assert found(busy, after_id=3, order="-id") == [2, 1]
    assert found(busy, after_id=3, order="-id", limit=1) == [2]
    assert set(found(busy, after_id=15, order="name")) == {16, 17, 18}


class TestRecent:
    def test_all_open_ones_and_the_last_to_end(self, busy: Store) -> None:
        assert found(busy, recent=True, recent_done=2) == [1, *range(4, 19)]
        assert found(busy, recent=True, recent_done=1) == list(range(4, 19))
        assert found(busy, recent=True, recent_done=0) == [i for i in range(4, 19) if i != 15]
        assert found(busy, recent=True) == list(range(1, 19))

    def test_the_last_of_those_that_are_meant(self, busy: Store) -> None:
        assert found(busy, "state:done", recent=True, recent_done=2, user="ann", mine=True) == [1, 3]
        assert found(busy, "1-3", recent=True, recent_done=1) == [1]

    def test_in_order_and_cut(self, busy: Store) -> None:
        assert found(busy, recent=True, recent_done=2, order="-ended", limit=17)[-2:] == [15, 1]
        assert found(busy, recent=True, recent_done=2, order="-id", limit=3) == [18, 17, 16]
        assert found(busy, recent=True, recent_done=2, limit=2) == [1, 4]
        assert found(busy, recent=True, recent_done=2, after_id=14, limit=1) == [15]


class TestMany:
    """More than one statement can hold."""

    def test_names(self, busy: Store) -> None:
        assert found(busy, "n-[0-9999]", "train-[0-9999]", "x") == [1, 2, 7]
        assert found(busy, "train-[0-9999]", "n-[0-9999]", order="-name", limit=1) == [2]

    def test_patterns(self, busy: Store) -> None:
        assert found(busy, "train*-[0-250]", "*[0-9]x*") == [1, 2]

    def test_ids(self, busy: Store) -> None:
        assert found(busy, *map(str, range(3, 40_000, 7)), order="-id") == [17, 10, 3]

    def test_ranges(self, busy: Store) -> None:
        spread = [f"{start}-{start + 1}" for start in range(1, 4_000, 5)]
        assert found(busy, *spread, recent=True, recent_done=1, limit=4, after_id=1) == [6, 7, 11, 12]

    def test_the_last_that_ended_of_all_of_them(self, busy: Store) -> None:
        assert found(busy, "train-0", "n-[0-9999]", "2-3", "true", recent=True, recent_done=1, limit=9, order="id") == [
            11, 14, 15, 16, 17, 18,
        ]  # fmt: skip


def test_every_question_has_the_same_answer_as_by_hand(busy: Store) -> None:
    """What a store selects is what the words mean, whatever the question."""
    everything = busy.jobs(Criteria())
    chance = random.Random(5)
    for criteria in QUERIES:
        answer = busy.jobs(criteria)
        assert len(set(ids(answer))) == len(answer)
        assert all(job in everything for job in answer)
        if not criteria.selectors and not criteria.recent and not criteria.limit and not criteria.after_id:
            assert len(answer) == len(everything)
    picked = chance.sample(range(1, 19), 7)
    listed = tuple(Selector(ids=(job_id, job_id)) for job_id in picked)
    assert ids(busy.jobs(Criteria(listed))) == sorted(picked)


class TestOne:
    def test_a_job(self, busy: Store) -> None:
        assert busy.job(3).id == 3

    @pytest.mark.parametrize("job_id", [0, -1, 99, 1 << 70])
    def test_none(self, busy: Store, job_id: int) -> None:
        with pytest.raises(NotFound, match=f"there is no job {job_id}"):
            busy.job(job_id)
        assert busy.load([job_id]) == {}
        assert busy.events(job_id if job_id < 100 else 99) == []

    def test_load_leaves_out_what_does_not_exist(self, busy: Store) -> None:
        assert list(busy.load([5, 99, 2, 5])) == [5, 2]
        assert list(busy.load(range(1, 5_000))) == list(range(1, 19))

    def test_shape_and_position_of_none(self, store: Store) -> None:
        for ask in (store.shape_of, store.position):
            with pytest.raises(NotFound):
                ask(5)


def test_active_jobs(busy: Store) -> None:
    assert ids(busy.active()) == ids(busy.active("ann@a")) == [4, 5, 6]
    assert busy.active("bob@b") == []


def test_counts_leave_done_jobs_out(busy: Store) -> None:
    assert busy.counts() == {"default": {"pending": 7, "assigned": 1, "running": 2}, "fast": {"pending": 4}}
    run(busy, 17)
    commit(busy, *[stop(job_id) for job_id in (14, 16, 18)])
    assert "fast" not in {queue: states for queue, states in busy.counts().items() if any(states.values())}


def test_position_counts_ready_jobs_of_the_queue_by_priority_and_age(store: Store) -> None:
    add(
        store,
        spec(),
        spec(priority=1),
        spec(user="bob"),
        spec(queue="fast"),
        spec(hold=True),
        spec(),
        spec(priority=-1),
    )
    assert [store.position(job_id) for job_id in range(1, 8)] == [1, 0, 2, 0, 3, 3, 4]
    commit(store, assign(2))
    assert [store.position(job_id) for job_id in (1, 7)] == [0, 3]


def test_usual_run_times_are_those_of_the_last_successes_of_the_command(store: Store) -> None:
    same = [spec(command=("python", "t.py", "--lr", str(place / 10))) for place in range(6)]
    add(store, *same, spec(command=("python", "u.py")), spec(command=("python", "t.py", "--lr", "1"), user="bob"))
    for job_id, seconds, status in (
        (1, 10, 0),
        (2, 20, 0),
        (3, 30, 256),
        (4, 40, 0),
        (5, 50, 0),
        (7, 70, 0),
        (8, 80, 0),
    ):
        at = 100.0 if job_id > 3 else 200.0
        commit(store, assign(job_id), start(job_id, at=at), end(job_id, status=status, at=at + seconds))
    fingerprint = fingerprint_of(same[0])
    assert store.usual_runtimes(fingerprint) == [20.0, 10.0, 50.0, 40.0]
    assert store.usual_runtimes(fingerprint, 2) == [20.0, 10.0]
    assert store.usual_runtimes("never run") == []


def test_of_one_that_stood_still_nobody_learns_how_long_it_runs(store: Store) -> None:
    add(store, spec())
    commit(store, assign(1), start(1, at=100.0), Change(1, Paused(110.0)), Change(1, Resumed(500.0)))
    commit(store, end(1, at=520.0))
    assert store.usual_runtimes(fingerprint_of(spec())) == []
