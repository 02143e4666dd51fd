"""Short jobs are named ahead, behind the placements that run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from runyard.model.queue import Queue
from runyard.model.view import Occupied, Plan, ShapeView
from runyard.planner.planner import plan
from runyard.planner.successors import BRIEF, SHORT, STALLED_S
from tests.unit.planner.build import CPU, GPU, NOW, asks, decision_of, host, runs, shape, started, yard
from tests.unit.planner.simulate import check

FULL, LOW = SHORT.full, SHORT.low
SHORT_S = 0.01


def short(jobs: range, shape_id: int = 1, queue: str = "default", unseen: int = 0) -> ShapeView:
    return shape(shape_id, jobs, CPU, usual_s=SHORT_S, queue=queue, unseen=unseen)


def slots(*job_ids: int) -> list[Occupied]:
    return [runs(job_id, shape_id=1, since=NOW - SHORT_S) for job_id in job_ids]


def chain(first: int, length: int, since: float | None = NOW - SHORT_S, queue: str = "default") -> list[Occupied]:
    """A running job, and so many that follow it."""
    behind = [runs(first + n, shape_id=1, follows=f"{first + n - 1}.1", queue=queue) for n in range(1, length + 1)]
    return [runs(first, shape_id=1, since=since, queue=queue), *behind]


def follows(made: Plan) -> dict[int, str]:
    return {decision.job_id: decision.placement.follows for decision in made.decisions}


def test_a_chain_follows_the_running_job_and_then_itself() -> None:
    made = plan(yard(host(cpus=1), [short(range(10, 13))], slots(5)))
    assert follows(made) == {10: "5.1", 11: "10.1", 12: "11.1"}
    assert made.reasons == {}, "none of them waits for the planner any more"


def test_a_successor_takes_over_the_very_same_place() -> None:
    job = asks(cpus=2, gpus=1)
    held = [runs(5, job, gpus=[1], shape_id=1, since=NOW)]
    made = plan(yard(host(cpus=3, gpus=2), [shape(1, [10], job, usual_s=SHORT_S)], held))
    after, before = decision_of(made, 10).placement, held[0].placement
    assert (after.agent, after.host, after.cpus, after.devices) == (
        before.agent, before.host, before.cpus, before.devices
    )  # fmt: skip
    assert after.started_at is None


def test_jobs_are_shared_evenly_among_the_chains() -> None:
    made = plan(yard(host(cpus=2), [short(range(10, 20))], slots(5, 6)))
    assert longest(made, [5, 6]) == [5, 5]


def test_free_places_are_filled_before_chains_are_made() -> None:
    made = plan(yard(host(cpus=2), [short(range(10, 20))], slots(5)))
    assert started(made) == [10]
    assert longest(made, [5, 10]) == [5, 4]


def test_no_chain_is_made_while_a_place_is_free() -> None:
    made = plan(yard(host(cpus=4), [short(range(10, 12))], slots(5)))
    assert started(made) == [10, 11]


def test_a_chain_is_filled_up_to_its_length() -> None:
    made = plan(yard(host(cpus=1), [short(range(100, 200))], slots(5)))
    assert len(made.decisions) == FULL
    assert made.reasons[1].code == "resources"


def test_a_chain_that_is_still_long_is_left_alone() -> None:
    made = plan(yard(host(cpus=2), [short(range(100, 200))], [*chain(5, LOW), *chain(50, LOW - 1)]))
    assert len(made.decisions) == FULL - (LOW - 1)
    assert follows(made)[100] == f"{50 + LOW - 1}.1"


def test_a_full_queue_has_successors_and_they_do_not_count_in_it() -> None:
    held = chain(4, 1, queue="few")
    made = plan(yard(host(), [short(range(10, 13), queue="few")], held, queues=[Queue("few", parallel=2)]))
    assert started(made) == [10]
    assert follows(made) == {10: "", 11: "10.1", 12: "5.1"}


@pytest.mark.parametrize("usual_s", [None, BRIEF.most_s, 5.0])
def test_only_short_jobs_are_named_ahead(usual_s: float | None) -> None:
    assert not plan(yard(host(cpus=1), [shape(1, [10], usual_s=usual_s)], slots(5))).decisions


def test_of_brief_jobs_one_is_named_ahead_for_each_place() -> None:
    held = [*chain(5, 0), *chain(50, 1)]
    made = plan(yard(host(cpus=3), [shape(1, range(100, 110), usual_s=SHORT.most_s)], held))
    assert follows(made) == {100: "", 101: "5.1", 102: "100.1"}
    assert made.reasons[1].code == "resources"


def test_a_brief_job_is_named_behind_one_that_is_not_short_but_not_behind_one_that_takes_long() -> None:
    def behind(since: float) -> dict[int, str]:
        return follows(plan(yard(host(cpus=1), [shape(1, 10, usual_s=0.2)], chain(5, 0, since=since))))

    assert behind(NOW - SHORT.most_s - 0.01) == {10: "5.1"}
    assert behind(NOW - BRIEF.most_s - 0.01) == {}


def test_a_brief_job_on_devices_is_not_named_ahead() -> None:
    """Whether another device would do as well is not known of who was named ahead."""
    held = [runs(5, GPU, gpus=[0], shape_id=1, since=NOW)]
    assert not plan(yard(host(gpus=1), [shape(1, [10], GPU, usual_s=0.2)], held)).decisions


def test_a_queue_that_stops_on_a_failure_has_no_successors() -> None:
    strict = Queue("strict", parallel=1, stop_on_fail=True)
    held = [runs(5, shape_id=1, queue="strict")]
    assert not plan(yard(host(), [short(range(10, 13), queue="strict")], held, queues=[strict])).decisions


def test_a_paused_queue_has_no_successors() -> None:
    paused = Queue("default", paused=True)
    assert not plan(yard(host(cpus=1), [short(range(10, 13))], slots(5), queues=[paused])).decisions


def test_another_shape_with_a_better_place_is_not_overtaken() -> None:
    other = shape(2, 11, asks(cpus=2))
    mine = shape(1, [10, 12, 13], usual_s=SHORT_S)
    made = plan(yard(host(cpus=2), [mine, other], slots(5, 6)))
    assert follows(made) == {10: "5.1"}, "job 10 is older than job 11, the others are not"


def test_another_shape_that_waits_for_something_else_does_not_matter() -> None:
    other = shape(2, 7, asks(cpus=0, gpus=1))
    held = [*slots(5), runs(6, asks(cpus=0, gpus=1), gpus=[0])]
    assert len(plan(yard(host(cpus=1, gpus=1), [short(range(10, 13)), other], held)).decisions) == 3


def test_another_shape_in_the_same_full_queue_is_not_overtaken() -> None:
    shapes = [short(range(10, 13), queue="few"), shape(2, 9, GPU, queue="few")]
    held = [runs(5, shape_id=1, queue="few")]
    assert not plan(yard(host(gpus=1), shapes, held, queues=[Queue("few", parallel=1)])).decisions


def test_an_unkillable_job_has_no_successors() -> None:
    held = [runs(5, asks(cpus=0, gpus=1), gpus=[0], shape_id=1, unkillable=True)]
    job = shape(1, [10], asks(cpus=0, gpus=1), usual_s=SHORT_S)
    assert not plan(yard(host(gpus=1), [job], held)).decisions


def test_none_is_named_behind_one_that_takes_long() -> None:
    """Jobs of one shape may run other commands."""
    held = [*chain(5, 0, since=NOW - SHORT.most_s - 0.01), *chain(6, 0)]
    assert set(follows(plan(yard(host(cpus=2), [short(range(10, 13))], held))).values()) == {"6.1", "10.1", "11.1"}


def test_behind_one_that_has_not_been_heard_of_yet() -> None:
    assert follows(plan(yard(host(cpus=1), [short(range(10, 11))], chain(5, 0, since=None)))) == {10: "5.1"}


class TestWithdrawn:
    def test_who_follows_one_that_takes_long(self) -> None:
        long, quick = chain(5, 2, since=NOW - STALLED_S), chain(50, 2)
        made = plan(yard(host(cpus=2), [], [*long, *quick]))
        assert made.withdrawn == (6, 7)
        assert made.look_at == pytest.approx(NOW - SHORT_S + STALLED_S)

    def test_nobody_while_all_goes_well(self) -> None:
        made = plan(yard(host(cpus=2), [], [*chain(5, 0, since=NOW - 99), *chain(50, 3, since=None)]))
        assert (made.withdrawn, made.look_at) == ((), None)

    @pytest.mark.parametrize("queue", [Queue("q", paused=True), Queue("q", stop_on_fail=True)])
    def test_everybody_in_a_queue_that_was_paused_or_became_strict(self, queue: Queue) -> None:
        made = plan(yard(host(cpus=2), [], [*chain(5, 2, queue="q"), *chain(50, 2)], queues=[queue]))
        assert made.withdrawn == (6, 7)

    def test_the_last_of_the_longest_chains_where_places_are_free(self) -> None:
        held = [*chain(5, 1), *chain(50, 3), *chain(70, 2)]
        assert plan(yard(host(cpus=4), [], held)).withdrawn == (53,)
        assert plan(yard(host(cpus=8), [], held)).withdrawn == (53, 72, 6)

    def test_nobody_for_a_place_that_another_job_gets(self) -> None:
        made = plan(yard(host(cpus=2), [shape(2, 10)], chain(5, 1)))
        assert started(made) == [10] and made.withdrawn == ()

    def test_nobody_for_a_place_that_is_kept_for_a_larger_job(self) -> None:
        made = plan(yard(host(cpus=2), [shape(2, 10, asks(cpus=2))], chain(5, 1)))
        assert started(made) == [] and made.withdrawn == ()

    def test_nobody_whose_queue_is_full(self) -> None:
        held, queue = chain(5, 1, queue="q"), Queue("q", parallel=1)
        assert plan(yard(host(), [], held, queues=[queue])).withdrawn == ()
        assert plan(yard(host(), [], held, queues=[replace(queue, parallel=2)])).withdrawn == (6,)

    def test_nobody_whose_place_has_devices(self) -> None:
        held = [runs(5, GPU, gpus=[0], since=NOW), runs(6, GPU, gpus=[0], follows="5.1")]
        assert plan(yard(host(gpus=2), [], held)).withdrawn == ()

    def test_everybody_in_a_yard_that_drains(self) -> None:
        assert plan(yard(host(), [], chain(5, 2), draining=True)).withdrawn == (6, 7)


def test_successors_keep_all_rules_of_a_plan() -> None:
    view = yard(host(cpus=3), [short(range(100, 164), unseen=900), shape(2, 300)], [*chain(5, 3), *slots(50, 60)])
    check(view, plan(view))


def longest(made: Plan, bases: list[int]) -> list[int]:
    """How many follow each of these running jobs."""
    root: dict[str, str] = {f"{base}.1": f"{base}.1" for base in bases}
    counts: Counter[str] = Counter()
    for decision in made.decisions:
        if decision.placement.follows:
            base = root[f"{decision.job_id}.1"] = root[decision.placement.follows]
            counts[base] += 1
    return [counts[f"{base}.1"] for base in bases]
