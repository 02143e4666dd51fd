"""When a waiting job may start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runyard.model.queue import Queue
from runyard.planner.estimate import LONGEST, SHORTEST, STEPS, Estimate, Usual, estimate
from tests.unit.planner.build import CPU, GPU, NOW, asks, gpu, host, runs, shape, yard

HOUR = 3_600.0


def test_from_a_time_limit_it_is_known_when_at_the_latest() -> None:
    view = yard(host(gpus=1), [shape(1, 10, GPU)], [runs(9, GPU, gpus=[0], ends_in=HOUR)])
    assert estimate(view, 1, {}) == Estimate(NOW, NOW + HOUR, "time limits")


def test_from_earlier_runs_a_range_is_known() -> None:
    view = yard(host(gpus=1), [shape(1, 10, GPU)], [runs(9, GPU, gpus=[0], since=NOW - 100)])
    told = estimate(view, 1, {999: Usual(1_000, 6)})
    assert told is not None
    assert told.earliest == pytest.approx(NOW - 100 + 1_000 * SHORTEST)
    assert told.latest == pytest.approx(NOW - 100 + 1_000 * LONGEST)
    assert told.basis == "6 earlier runs like it"


def test_a_time_limit_bounds_what_earlier_runs_say() -> None:
    view = yard(host(gpus=1), [shape(1, 10, GPU)], [runs(9, GPU, gpus=[0], ends_in=1_000, since=NOW)])
    told = estimate(view, 1, {999: Usual(900, 2)})
    assert told is not None
    assert told.latest == NOW + 1_000


def test_a_run_that_lasts_longer_than_usual_may_last_as_long_again() -> None:
    view = yard(host(gpus=1), [shape(1, 10, GPU)], [runs(9, GPU, gpus=[0], since=NOW - 500)])
    assert estimate(view, 1, {999: Usual(100, 1)}) == Estimate(NOW, NOW + 500, "1 earlier run like it")


def test_nothing_is_said_where_nothing_is_known() -> None:
    view = yard(host(gpus=1), [shape(1, 10, GPU)], [runs(9, GPU, gpus=[0])])
    assert estimate(view, 1, {}) is None


def test_what_no_end_helps_has_no_estimate() -> None:
    paused = [Queue("default", paused=True)]
    assert estimate(yard(host(), [shape(1, 10)], queues=paused), 1, {}) is None
    assert estimate(yard(host(), [shape(1, 10, asks(gpus=9))]), 1, {}) is None
    assert estimate(yard(host(), []), 1, {}) is None


def test_jobs_that_come_first_are_waited_for() -> None:
    shapes = [shape(1, [10, 11], GPU, limit_s=600), shape(2, 12, asks(cpus=2, gpus=1))]
    view = yard(host(gpus=1), shapes, [runs(9, GPU, gpus=[0], ends_in=100)])
    told = estimate(view, 2, {1: Usual(300, 4)})
    assert told is not None
    assert told.earliest == pytest.approx(NOW + 2 * 300 * SHORTEST)
    assert told.latest == pytest.approx(NOW + 100 + 2 * 300 * LONGEST)
    assert told.basis == "time limits and 4 earlier runs like it"


def test_of_a_first_job_whose_length_nobody_knows_there_is_no_end() -> None:
    shapes = [shape(1, 10, GPU), shape(2, 12, asks(cpus=2, gpus=1))]
    view = yard(host(gpus=1), shapes, [runs(9, GPU, gpus=[0], ends_in=100)])
    assert estimate(view, 2, {}) is None


def test_jobs_before_it_that_the_view_does_not_list_leave_the_end_open() -> None:
    shapes = [shape(1, [10], GPU, unseen=5, limit_s=60), shape(2, 12, asks(cpus=2, gpus=1))]
    view = yard(host(gpus=1), shapes, [runs(9, GPU, gpus=[0], ends_in=100)])
    told = estimate(view, 2, {999: Usual(150, 3)})
    assert told is not None
    assert told.latest is None


def test_a_very_long_line_is_not_foreseen_to_its_end() -> None:
    line = shape(1, range(100, 100 + 2 * STEPS), CPU, limit_s=60)
    view = yard(host(cpus=1), [line, shape(2, 900, asks(memory_mb=1))], [runs(9, ends_in=60)])
    told = estimate(view, 2, {1: Usual(10, 9)})
    assert told is not None
    assert told.latest is None
    assert told.earliest > NOW


def test_memory_that_our_job_uses_now_is_no_stranger_when_it_has_ended() -> None:
    where = host(gpus=[replace(gpu(0), used_mb=30_000)])
    view = yard(where, [shape(1, 10, GPU)], [runs(9, GPU, gpus=[0], ends_in=HOUR)])
    assert estimate(view, 1, {}) == Estimate(NOW, NOW + HOUR, "time limits")


def test_a_place_that_is_free_is_taken_at_once() -> None:
    assert estimate(yard(host(), [shape(1, 10)]), 1, {}) == Estimate(NOW, NOW, "")
