"""Reservations: big jobs are not starved by small ones, and small ones use what would idle meanwhile."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from runyard.model.host import DeviceProcess
from runyard.planner.planner import plan
from runyard.planner.reserve import MARGIN_S
from tests.unit.planner.build import CPU, GPU, NOW, asks, gpu, host, indices, runs, shape, started, yard
from tests.unit.planner.simulate import Rounds, Task

BIG = asks(cpus=2, gpus=4)
HOUR = 3_600


def test_a_short_job_goes_ahead_of_a_big_one_if_it_ends_before_its_turn() -> None:
    held = [runs(1, GPU, gpus=[0], ends_in=HOUR + MARGIN_S)]
    made = plan(yard(host(gpus=2), [shape(1, 10, asks(gpus=2)), shape(2, 11, GPU, limit_s=HOUR)], held))
    assert started(made) == [11]
    assert made.reasons[1].at == NOW + HOUR + MARGIN_S


def test_a_job_that_ends_too_late_or_never_waits_behind_the_big_one() -> None:
    held = [runs(1, GPU, gpus=[0], ends_in=HOUR)]
    shapes = [shape(1, 10, asks(gpus=2)), shape(2, 11, GPU, limit_s=HOUR), shape(3, 12, GPU)]
    made = plan(yard(host(gpus=2), shapes, held))
    assert started(made) == []
    assert made.reasons[2].code == made.reasons[3].code == "priority"


def test_where_ends_are_unknown_the_free_gpus_are_kept_but_not_the_cpus_beyond_its_need() -> None:
    held = [runs(1, GPU, gpus=[0])]
    shapes = [shape(1, 10, asks(cpus=2, gpus=2)), shape(2, 11, GPU), shape(3, range(12, 20), CPU)]
    made = plan(yard(host(cpus=8, gpus=2), shapes, held))
    assert started(made) == [12, 13, 14, 15, 16, 17], "8 CPUs, less the 2 that it waits for (job 1 gives back one)"


def test_devices_that_the_big_job_cannot_get_are_not_kept() -> None:
    where = host(gpus=[gpu(0), gpu(1), gpu(2, model="Tesla V100")])
    shapes = [shape(1, 10, asks(gpus=2, model="A100")), shape(2, [11, 12], GPU)]
    made = plan(yard(where, shapes, [runs(1, GPU, gpus=[0])]))
    assert started(made) == [11]
    assert indices(made, 11) == [2]


def test_another_host_is_not_kept() -> None:
    hosts = [host("one", gpus=2), host("two", gpus=2)]
    held = [runs(1, GPU, on="one", gpus=[0]), runs(2, GPU, on="two", gpus=[0])]
    made = plan(yard(hosts, [shape(1, 10, asks(gpus=2)), shape(2, [11, 12], GPU)], held))
    assert [decision.placement.host for decision in made.decisions] == ["two"]


def test_the_host_where_the_end_is_known_is_the_one_that_is_kept() -> None:
    hosts = [host("one", gpus=2), host("two", gpus=2)]
    held = [runs(1, GPU, on="one", gpus=[0]), runs(2, GPU, on="two", gpus=[0], ends_in=HOUR)]
    made = plan(yard(hosts, [shape(1, 10, asks(gpus=2)), shape(2, [11, 12], GPU)], held))
    assert [decision.placement.host for decision in made.decisions] == ["one"]


def test_a_job_that_waits_for_an_outsider_keeps_nothing() -> None:
    busy = replace(gpu(0), processes=(DeviceProcess(4711, "bob", 9_000),))
    made = plan(yard(host(gpus=[busy, gpu(1)]), [shape(1, 10, asks(gpus=2)), shape(2, 11, GPU)]))
    assert started(made) == [11]
    assert made.reasons[1].code == "foreign"


def test_a_job_at_its_queues_limit_keeps_nothing() -> None:
    shapes = [shape(1, [10, 11], asks(gpus=2), group=7), shape(2, 12, GPU)]
    made = plan(yard(host(gpus=4), shapes, [runs(1, group=7)], limits={7: 1}))
    assert started(made) == [12]


def test_a_job_that_shares_goes_where_the_big_one_will_not_be() -> None:
    share = asks(gpus=1, share_mb=10_000)
    held = [runs(1, GPU, gpus=[0]), runs(2, share, gpus=[2])]
    made = plan(yard(host(gpus=3), [shape(1, 10, asks(gpus=2)), shape(2, range(11, 16), share)], held))
    assert started(made) == [11, 12, 13]
    assert all(indices(made, job) == [2] for job in (11, 12, 13))


def test_a_higher_priority_that_does_not_fit_is_waited_for() -> None:
    held = [runs(1, GPU, gpus=[0])]
    made = plan(yard(host(gpus=2), [shape(1, 10, GPU), shape(2, 11, asks(gpus=2), priority=1)], held))
    assert started(made) == []


SMALL = [CPU, asks(cpus=2), GPU, asks(cpus=0, gpus=1, share_mb=10_000), asks(gpus=2)]


@given(st.integers(0, 1 << 32))
def test_a_big_job_starts_when_all_that_ran_before_it_has_ended(seed: int) -> None:
    """One host, no time limits, and never a moment without small jobs waiting: whatever order they end in."""
    chance = Random(seed)
    rounds = Rounds([host(cpus=6, gpus=4)])
    rounds.submit(Task(number, chance.choice(SMALL)) for number in range(1, 9))
    rounds.turn()
    before = set(rounds.running)
    big, new = Task(50, BIG), count(100)
    rounds.waiting = {big.id: big}
    while before & set(rounds.running) and big.id not in rounds.running:
        rounds.submit(Task(next(new), chance.choice(SMALL)) for _ in range(3))
        rounds.now += 1
        rounds.turn()
        for job_id in chance.sample(sorted(rounds.running), chance.randint(0, min(2, len(rounds.running)))):
            rounds.end(job_id)
    rounds.turn()
    assert big.id not in rounds.waiting


@given(st.integers(0, 1 << 32))
def test_a_big_job_starts_after_finitely_many_ends_on_several_hosts(seed: int) -> None:
    """With and without time limits; every third end is that of the longest running job, so that each ends some day."""
    chance = Random(seed)
    rounds = Rounds([host("one", cpus=6, gpus=4), host("two", cpus=6, gpus=4)])
    big, new = Task(50, BIG, limit_s=HOUR), count(100)
    rounds.submit([Task(number, GPU) for number in range(1, 9)])
    rounds.turn()
    rounds.submit([big])
    while big.id in rounds.waiting:
        assert rounds.ended < 60, "starved"
        limits = [chance.choice([0, 60, HOUR]) for _ in range(8 - len(rounds.waiting))]
        rounds.submit(Task(next(new), chance.choice(SMALL), limit_s=limit_s) for limit_s in limits)
        rounds.now += 20
        rounds.turn()
        over = [job for job, held in rounds.running.items() if held.ends_by is not None and held.ends_by <= rounds.now]
        for job_id in over or [chance.choice(sorted(rounds.running)) if rounds.ended % 3 else min(rounds.running)]:
            rounds.end(job_id)


@given(st.integers(0, 1 << 32))
def test_a_promised_time_is_kept_whatever_goes_ahead(seed: int) -> None:
    """All jobs have time limits and use them up; whoever is first in the order starts by the first `at` he was told."""
    chance = Random(seed)
    rounds = Rounds([host("one", cpus=4, gpus=2), host("two", cpus=3, gpus=1)])
    promised: dict[int, float] = {}
    kinds, new = [CPU, asks(cpus=4), GPU, asks(cpus=2, gpus=2), asks(gpus=2)], count(100)
    for _ in range(25):
        limits = chance.choices([60, 300, 900, HOUR], k=chance.randint(0, 3))
        rounds.submit(Task(next(new), chance.choice(kinds), limit_s=limit_s) for limit_s in limits)
        made = rounds.turn()
        assert all(rounds.now <= promised.get(job_id, rounds.now) for job_id in started(made))
        assert all(rounds.now < promised.get(job_id, rounds.now + 1) for job_id in rounds.waiting)
        if rounds.waiting:
            first = min(rounds.waiting.values(), key=lambda task: task.rank)
            at = made.reasons[rounds.shape_ids[first.shape]].at
            assert at is not None
            promised[first.id] = min(at, promised.get(first.id, at))
        ends = {job: held.ends_by for job, held in rounds.running.items() if held.ends_by is not None}
        rounds.now = min([rounds.now + chance.choice([1.0, 30.0, 500.0]), *ends.values()])
        for job_id in [job for job, end in ends.items() if end <= rounds.now]:
            rounds.end(job_id)
