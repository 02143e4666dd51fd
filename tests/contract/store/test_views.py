"""`view` against the same made by hand from all jobs."""

from __future__ import annotations

from runyard.model.host import Agent, Host
from runyard.model.job import JobState
from runyard.model.queue import Queue
from runyard.model.spec import GpuRequest, Resources
from runyard.model.view import Head, HostView, Occupied, shape_of
from runyard.store.base import HEADS_MAX, SHAPES_MAX, Criteria, Store
from tests.contract.store.support import (
    AGENT,
    HOST,
    add,
    assign,
    commit,
    end,
    ids,
    place,
    promote,
    run,
    spec,
    start,
    stop,
)


def check(store: Store, now: float = 50.0) -> None:
    """The view is what all jobs together say, for the writer too."""
    with store.transaction():
        _check(store, now)
    _check(store, now)


def _check(store: Store, now: float) -> None:
    view = store.view(now)
    jobs = store.jobs(Criteria())
    ready = sorted((job for job in jobs if job.ready), key=lambda job: (-job.spec.priority, job.id))
    by_shape: dict[int, list[Head]] = {}
    for job in ready:
        head = Head(job.id, job.version, job.spec.priority, job.attempt.number + 1 if job.attempt else 1, job.place)
        by_shape.setdefault(store.shape_of(job.id), []).append(head)
    assert [shape.id for shape in view.shapes] == list(by_shape)[:SHAPES_MAX]
    for shape in view.shapes:
        assert list(shape.heads) == by_shape[shape.id][:HEADS_MAX]
        assert shape.waiting == len(by_shape[shape.id])
        job = store.job(shape.heads[0].job_id)
        assert shape.shape == shape_of(job.spec, shape.shape.group or None)
    held = [
        (job.id, job.attempt.number, placement)
        for job in jobs
        if job.state in (JobState.ASSIGNED, JobState.RUNNING) and job.attempt
        for placement in job.attempt.placements
        if placement.result is None
    ]
    assert [(item.job_id, item.number, item.placement) for item in view.occupied] == held


def test_an_empty_yard(store: Store) -> None:
    view = store.view(5.0)
    assert (view.now, view.hosts, view.shapes, view.occupied, view.limits) == (5.0, (), (), (), {})
    assert list(view.queues) == ["default"]


def test_ready_jobs_by_shape_the_best_first(store: Store) -> None:
    gpu = Resources(gpus=GpuRequest(1))
    add(
        store,
        spec(),
        spec(user="bob"),
        spec(priority=2),
        spec(resources=gpu),
        spec(hold=True),
        spec(),
        spec(begin_at=99.0),
    )
    add(store, spec(1, priority=9), spec(user="bob", priority=2, time_limit_s=50.0), spec(queue="fast", priority=-1))
    check(store)
    view = store.view(1.0)
    assert [[head.job_id for head in shape.heads] for shape in view.shapes] == [[3, 1, 6], [9], [2], [4], [10]]
    assert [shape.shape.time_limit_s for shape in view.shapes] == [0, 60, 0, 0, 0]


def test_no_more_heads_than_the_planner_wants_but_all_are_counted(store: Store) -> None:
    add(store, *[spec()] * (HEADS_MAX + 5), spec(priority=1))
    (shape,) = store.view(1.0).shapes
    assert (len(shape.heads), shape.waiting) == (HEADS_MAX, HEADS_MAX + 6)
    assert shape.heads[0].job_id == HEADS_MAX + 6
    check(store)


def test_no_more_shapes_than_the_planner_wants_and_the_best_of_them(store: Store) -> None:
    add(store, *[spec(queue=f"q{number}") for number in range(SHAPES_MAX + 3)], spec(queue="last", priority=1))
    view = store.view(1.0)
    assert len(view.shapes) == SHAPES_MAX
    assert view.shapes[0].shape.queue == "last"
    assert view.shapes[-1].shape.queue == f"q{SHAPES_MAX - 2}"
    assert {shape.waiting for shape in view.shapes} == {1}


def test_heads_and_counts_follow_every_change(store: Store) -> None:
    add(store, *[spec(priority=number % 3, hold=number == 4) for number in range(9)])
    check(store)
    commit(store, assign(2, version=1), start(2), assign(3))
    check(store)
    commit(store, end(2, status=256, again_at=1.0), stop(1))
    check(store)
    assert Head(2, 4, 1, 2, 2.0) in store.view(1.0).shapes[0].heads
    try:
        with store.transaction():
            store.commit([assign(4), stop(6)])
            _check(store, 50.0)
            raise KeyError
    except KeyError:
        check(store)
    with store.transaction():
        try:
            with store.savepoint():
                store.commit([assign(4), stop(6)])
                raise KeyError
        except KeyError:
            _check(store, 50.0)
    check(store)


def test_what_is_occupied(store: Store) -> None:
    wish = spec(time_limit_s=100.0, grace_s=5.0)
    add(store, wish, wish, spec(), group_kind="array", parallel=2)
    devices = place(devices=("GPU-1", "GPU-2"), cpus=4, memory_mb=10)
    commit(
        store,
        assign(1, 1, devices),
        start(1, at=20.0),
        assign(2, 1, place(follows="1.1")),
        assign(3, 1, place(), place(rank=1)),
    )
    running, follower, *two = store.view(30.0).occupied
    shape = store.shape_of(1)
    first = store.job(1).attempt
    assert first
    assert running == Occupied(1, 1, "default", "ann", shape, first.placements[0], 1, ends_by=125.0)
    assert (follower.placement.follows, follower.ends_by) == ("1.1", 135.0)
    assert [(item.job_id, item.placement.rank, item.ends_by) for item in two] == [(3, 0, None), (3, 1, None)]
    check(store)
    commit(store, end(1), promote(2, follows=""))
    assert [(item.job_id, item.placement.follows) for item in store.view(30.0).occupied] == [(2, ""), (3, ""), (3, "")]
    check(store)


def test_limits_of_the_groups_that_matter(store: Store) -> None:
    add(store, spec(), group_kind="array", parallel=3)
    add(store, spec(), group_kind="array")
    add(store, spec(), group_kind="array", parallel=2)
    assert store.view(1.0).limits == {1: 3, 3: 2}
    run(store, 1)
    assert store.view(1.0).limits == {3: 2}
    commit(store, assign(3))
    assert store.view(1.0).limits == {3: 2}


def test_hosts_with_their_agents(store: Store) -> None:
    other = Host("b", "berta", "boot", 2, 100)
    with store.transaction():
        store.save_host(HOST)
        store.save_host(other)
        store.save_agent(AGENT)
        store.save_agent(Agent("bob@a", "a", "bob", 1001, 1, "boot", "1", 78, 6.0, unknown=("3.1", "4.1")))
        store.save_agent(Agent("ann@a2", "a", "ann", 1000, 1, "boot", "1", 79, 9.0, unknown=("5.1",)))
    assert store.view(1.0).hosts == (
        HostView(HOST, {"ann": "ann@a2", "bob": "bob@a"}, ("3.1", "4.1", "5.1")),
        HostView(other, {}),
    )


def test_queues_with_their_limits(store: Store) -> None:
    with store.transaction():
        saved = store.save_queue(Queue("fast", parallel=2, paused=True, defaults={"gpus": "1"}))
    assert store.view(1.0).queues == {"default": Queue(version=1), "fast": saved}


def test_a_job_keeps_its_shape(store: Store) -> None:
    add(store, spec(), spec(), spec(user="bob"))
    assert store.shape_of(1) == store.shape_of(2) != store.shape_of(3)
    shape = store.shape_of(1)
    run(store, 1)
    assert store.shape_of(1) == shape
    assert ids(store.jobs(Criteria())) == [1, 2, 3]
