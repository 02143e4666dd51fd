"""Who comes first: priority, then age, whatever the shape."""

from __future__ import annotations

from runyard.model.queue import Queue
from runyard.planner.planner import plan
from tests.unit.planner.build import GPU, asks, host, shape, started, yard


def test_older_jobs_first_across_shapes() -> None:
    made = plan(yard(host(gpus=8), [shape(1, [10, 13]), shape(2, [11, 12], GPU)]))
    assert started(made) == [10, 11, 12, 13]


def test_priority_before_age() -> None:
    made = plan(yard(host(cpus=2), [shape(1, [10, 11]), shape(2, [12, 13], priority=5, queue="urgent")]))
    assert started(made) == [12, 13]


def test_a_queue_at_its_limit_lets_others_by() -> None:
    shapes = [shape(1, [10, 11], queue="few"), shape(2, [12, 13])]
    made = plan(yard(host(), shapes, queues=[Queue("few", parallel=1)]))
    assert started(made) == [10, 12, 13]


def test_shapes_of_one_queue_share_its_limit_in_order() -> None:
    shapes = [shape(1, [11, 13]), shape(2, [10, 12], asks(cpus=2))]
    assert started(plan(yard(host(), shapes, queues=[Queue(parallel=3)]))) == [10, 11, 12]
