"""What attempts report, and who has used how much: kept once however often it is told, and gone with the job."""

from __future__ import annotations

import pytest

from runyard.model.events import Woken
from runyard.model.metrics import NAMES_MAX, POINTS_MAX, Metric, Point, Progress, Reading
from runyard.store.base import Store
from tests.contract.store.support import add, assign, change, commit, end, key, place, run, spec, start

TWO_GPUS = place(devices=("GPU-1", "GPU-2"))


def metric(name: str, *values: float, first: int = 1) -> Metric:
    """A metric whose values have these numbers, told from `first` on."""
    points: tuple[Point, ...] = tuple((n, float(n), 10.0 + n, value) for n, value in enumerate(values, first))
    count = first + len(values) - 1
    return Metric(name, count, values[-1], min(values), max(values), float(count), 10.0 + count, points)


def tell(store: Store, *readings: Reading, at: float = 50.0) -> None:
    with store.transaction():
        store.keep_readings(readings, at)


def reading(job_id: int, *metrics: Metric, number: int = 1, reports: int = 1, **progress: float) -> Reading:
    return Reading(key(job_id, number), Progress("train", reports=reports, **progress), metrics)


def test_what_is_told_is_kept_by_attempt_and_name(store: Store) -> None:
    add(store, spec(), spec())
    assert (store.measured(1), store.latest([1, 2, 99])) == ([], {})
    tell(store, reading(1, metric("loss", 0.5, 0.25), metric("acc", 0.9), done=5.0, total=10.0))
    tell(store, reading(1, metric("acc", 0.1), number=2), at=60.0)
    first, second = store.measured(1)
    assert [one.name for one in first.metrics] == ["acc", "loss"]
    assert (first.number, first.heard_at, first.progress.done, first.progress.stage) == (1, 50.0, 5.0, "train")
    assert first.metrics[1] == metric("loss", 0.5, 0.25)
    assert (second.number, second.heard_at, second.metrics[0].last) == (2, 60.0, 0.1)
    latest = store.latest([1, 2])
    assert list(latest) == [1] and latest[1].number == 2
    assert latest[1].metrics[0].last == 0.1 and latest[1].metrics[0].points == ()


def test_told_in_pieces_and_told_again(store: Store) -> None:
    add(store, spec())
    one = reading(1, metric("a", 1.0, 2.0))
    two = reading(1, metric("a", 3.0, first=3), metric("b", 7.0), reports=2)
    for told in (one, two, one, two):
        tell(store, told, at=float(told.progress.reports))
    (kept,) = store.measured(1)
    assert [point[3] for point in kept.metrics[0].points] == [1.0, 2.0, 3.0]
    assert (kept.metrics[0].count, kept.metrics[1].last, kept.heard_at) == (3, 7.0, 2.0)


def test_it_stays_small(store: Store) -> None:
    add(store, spec())
    for first in range(1, 2_000, 150):
        tell(store, reading(1, metric("a", *map(float, range(first, first + 150)), first=first)))
    for start_at in range(0, 3 * NAMES_MAX, 30):
        tell(store, reading(1, *(metric(f"n{number:03}", 1.0) for number in range(start_at, start_at + 30))))
    (kept,) = store.measured(1)
    assert len(kept.metrics) == NAMES_MAX
    numbers = [point[0] for point in kept.metrics[0].points]
    assert POINTS_MAX / 2 <= len(numbers) <= POINTS_MAX and numbers[0] == 1 and numbers[-1] > 2_000


def test_a_turn_that_is_undone_has_told_nothing(store: Store) -> None:
    add(store, spec())
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.keep_readings([reading(1, metric("a", 1.0))], 1.0)
        raise ZeroDivisionError
    assert store.measured(1) == []


def test_it_goes_with_its_job(store: Store) -> None:
    add(store, spec(), spec())
    tell(store, reading(1, metric("a", 1.0)), reading(2, metric("a", 2.0)))
    run(store, 1, 2, at=5.0)
    with store.transaction():
        assert store.prune(5.5) == 2
    assert (store.measured(1), store.latest([1, 2]), store.usage(0.0, 9.0)) == ([], {}, [])


Found = dict[tuple[str, str, str, str | None], tuple[int, float]]


def usage(store: Store, since: float = 0.0, now: float = 100.0) -> Found:
    return {(u.user, u.queue, u.state, u.outcome): (u.jobs, u.gpu_s) for u in store.usage(since, now)}


def test_jobs_and_gpu_time_by_user_queue_and_state(store: Store) -> None:
    add(store, spec(), spec(), spec(user="bob"), spec(user="bob", hold=True), spec())
    commit(store, assign(1, 1, TWO_GPUS), start(1, at=10.0), end(1, at=30.0))
    run(store, 2, status=256, at=40.0)
    commit(store, assign(3, 1, TWO_GPUS), start(3, at=90.0))
    assert usage(store) == {
        ("ann", "default", "done", None): (0, 40.0),
        ("ann", "default", "done", "failed"): (1, 0.0),
        ("ann", "default", "done", "succeeded"): (1, 0.0),
        ("ann", "default", "pending", None): (1, 0.0),
        ("bob", "default", "pending", None): (1, 0.0),
        ("bob", "default", "running", None): (1, 20.0),
    }
    assert usage(store, since=25.0)["ann", "default", "done", None] == (0, 10.0)
    assert ("ann", "default", "done", "succeeded") not in usage(store, since=35.0)
    assert usage(store, since=95.0)["bob", "default", "running", None] == (1, 10.0)


def test_every_attempt_counts(store: Store) -> None:
    add(store, spec())
    commit(store, assign(1, 1, TWO_GPUS), start(1, at=10.0), end(1, status=256, at=20.0, again_at=21.0))
    assert usage(store) == {("ann", "default", "done", None): (0, 20.0), ("ann", "default", "pending", None): (1, 0.0)}
    commit(store, change(1, Woken(21.0)), assign(1, 2, TWO_GPUS, at=30.0), start(1, 2, at=31.0), end(1, 2, at=41.0))
    assert usage(store)["ann", "default", "done", None] == (0, 40.0)
    add(store, spec())
    commit(store, assign(2, 1, TWO_GPUS, at=50.0), end(2, status=None, at=60.0, why="not-started"))
    assert usage(store)["ann", "default", "done", None] == (0, 40.0), "it never started"
