"""What holds of every plan, whatever the yard: see `simulate.check`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from runyard.model.host import Device, DeviceProcess
from runyard.model.queue import Queue
from runyard.model.spec import GpuRequest, Resources
from runyard.model.view import HostView
from runyard.planner.planner import plan
from tests.unit.planner.build import GPU_MB, gpu, host
from tests.unit.planner.simulate import Rounds, Task

MODELS = ("NVIDIA A100", "Tesla V100")


@st.composite
def devices(draw: st.DrawFn, name: str) -> list[Device]:
    found = []
    for index in range(draw(st.integers(0, 4))):
        device = gpu(index, name, draw(st.sampled_from(MODELS)))
        trouble = draw(st.sampled_from(["", "", "", "", "fault", "foreign", "used"]))
        if trouble == "fault":
            device = replace(device, fault="broken")
        if trouble == "foreign":
            device = replace(device, processes=(DeviceProcess(4711, "bob", 1_000),))
        if trouble == "used":
            device = replace(device, used_mb=2_000)
        found.append(device)
    return found


@st.composite
def hosts(draw: st.DrawFn) -> list[HostView]:
    made = []
    for name in draw(st.sampled_from([["one"], ["one", "two"], ["one", "two", "three"]])):
        users = draw(st.sampled_from(["ann", "ann", "ann bob", "bob"]))
        where = host(name, draw(st.integers(0, 8)), draw(st.integers(0, 8_000)), draw(devices(name)), users)
        draining = draw(st.sampled_from([False, False, False, True]))
        made.append(replace(where, host=replace(where.host, draining=draining)))
    return made


@st.composite
def requests(draw: st.DrawFn) -> Resources:
    kind = draw(st.sampled_from(["none", "whole", "share", "index"]))
    gpus = GpuRequest()
    if kind == "whole":
        gpus = GpuRequest(draw(st.integers(1, 3)), model=draw(st.sampled_from(["", "", "v100"])))
    if kind == "share":
        gpus = GpuRequest(draw(st.integers(1, 2)), draw(st.sampled_from([5_000, 15_000, GPU_MB])))
    if kind == "index":
        chosen = draw(st.sets(st.integers(0, 3), min_size=1, max_size=2))
        gpus = GpuRequest(len(chosen), indices=tuple(sorted(chosen)))
    return Resources(draw(st.integers(0, 5)), draw(st.sampled_from([0, 0, 1_000, 5_000])), gpus)


@st.composite
def tasks(draw: st.DrawFn, first_id: int) -> list[Task]:
    kinds: Sequence[Resources] = draw(st.lists(requests(), min_size=1, max_size=4))
    return [
        Task(
            id=first_id + number,
            resources=draw(st.sampled_from(kinds)),
            priority=draw(st.sampled_from([0, 0, 0, 5])),
            limit_s=draw(st.sampled_from([0, 60, 3_600])),
            queue=draw(st.sampled_from(["default", "few", "paused"])),
            group=draw(st.sampled_from([0, 0, 7])),
        )
        for number in range(draw(st.integers(0, 14)))
    ]


@st.composite
def rounds(draw: st.DrawFn) -> Rounds:
    """A yard in the middle of its life: some jobs run, others wait."""
    queues = [Queue("few", parallel=draw(st.integers(1, 3))), Queue("paused", paused=True)]
    made = Rounds(draw(hosts()), queues, {7: 2})
    made.usual_s = draw(st.sampled_from([None, 0.01]))
    made.submit(draw(tasks(100)))
    made.turn()
    followed = {held.placement.follows for held in made.running.values()}
    for job_id, held in made.running.items():
        if (
            f"{job_id}.1" not in followed
            and not held.placement.follows
            and draw(st.sampled_from([False, False, False, True]))
        ):
            made.running[job_id] = replace(held, unkillable=True)
    made.submit(draw(tasks(200)))
    return made


@given(rounds(), st.data())
def test_every_plan_is_sound_while_jobs_come_and_go(yard: Rounds, data: st.DataObject) -> None:
    for _ in range(4):
        yard.now += 50
        yard.turn()
        for job_id in data.draw(st.sets(st.sampled_from(sorted(yard.running)))) if yard.running else ():
            yard.end(job_id)


@given(rounds())
def test_the_same_yard_gives_the_same_plan_however_it_is_listed(yard: Rounds) -> None:
    view = yard.view()
    made = plan(view)
    assert plan(view) == made
    turned = replace(view, occupied=view.occupied[::-1], shapes=view.shapes[::-1])
    assert plan(turned) == made


@given(rounds())
def test_a_draining_yard_starts_nothing(yard: Rounds) -> None:
    made = plan(replace(yard.view(), draining=True))
    assert made.decisions == ()
    assert {reason.code for reason in made.reasons.values()} <= {"draining"}


@given(rounds())
def test_a_job_that_is_first_and_fits_starts(yard: Rounds) -> None:
    """Nothing idles for no reason: the best job of all waits only for what its reason says."""
    view = yard.view()
    first = min(
        (s for s in view.shapes if s.heads), key=lambda s: (-s.heads[0].priority, s.heads[0].job_id), default=None
    )
    made = plan(view)
    if first is not None and first.heads[0].job_id not in {decision.job_id for decision in made.decisions}:
        assert made.reasons[first.id].code != "priority"
