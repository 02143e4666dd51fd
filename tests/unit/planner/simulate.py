"""A yard in rounds: jobs wait, `plan` decides, jobs end. Every plan is checked against an account of its own.

The account knows nothing of the planner's ledger: it adds up what the placements say.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from runyard.model.attempt import Placement
from runyard.model.queue import Queue
from runyard.model.spec import Resources
from runyard.model.view import REASONS, Head, HostView, Occupied, Plan, Shape, ShapeView, View
from runyard.planner.planner import plan
from tests.unit.planner.build import CPU, NOW, USER, yard


@dataclass(frozen=True)
class Task:
    """A job of the simulation."""

    id: int
    resources: Resources = CPU
    priority: int = 0
    limit_s: int = 0
    queue: str = "default"
    group: int = 0

    @property
    def shape(self) -> Shape:
        return Shape(self.queue, USER, self.resources, self.limit_s, self.group)

    @property
    def rank(self) -> tuple[int, int]:
        return (-self.priority, self.id)


class Rounds:
    """What waits and what runs. `ended` counts the ends so far."""

    def __init__(
        self, hosts: Sequence[HostView], queues: Sequence[Queue] = (), limits: dict[int, int] | None = None
    ) -> None:
        self.hosts = hosts
        self.queues = queues
        self.limits = limits or {}
        self.now = NOW
        self.waiting: dict[int, Task] = {}
        self.running: dict[int, Occupied] = {}
        self.ended = 0
        self.shape_ids: dict[Shape, int] = {}
        self.usual_s: float | None = None

    def submit(self, tasks: Iterable[Task]) -> None:
        self.waiting.update({task.id: task for task in tasks})

    def view(self, heads: int = 8) -> View:
        by_shape: dict[Shape, list[Task]] = defaultdict(list)
        for task in sorted(self.waiting.values(), key=lambda task: task.rank):
            by_shape[task.shape].append(task)
        shapes = [
            ShapeView(
                self.shape_ids.setdefault(made, len(self.shape_ids) + 1),
                made,
                tuple(Head(task.id, 1, task.priority, 1, task.id) for task in tasks[:heads]),
                len(tasks),
                self.usual_s,
            )
            for made, tasks in by_shape.items()
        ]
        occupied = list(self.running.values())
        return yard(self.hosts, shapes, occupied, queues=self.queues, limits=self.limits, now=self.now)

    def turn(self) -> Plan:
        """Plan, check the plan, and start what it starts."""
        view = self.view()
        made = plan(view)
        check(view, made)
        for decision in made.decisions:
            task = self.waiting.pop(decision.job_id)
            self.running[task.id] = Occupied(
                job_id=task.id,
                number=1,
                queue=task.queue,
                user=USER,
                shape=self.shape_ids[task.shape],
                placement=replace(decision.placement, started_at=self.now),
                group=task.group,
                ends_by=self.now + task.limit_s if task.limit_s else None,
            )
        return made

    def end(self, job_id: int) -> None:
        """The job ends; whoever follows it takes over."""
        gone = self.running.pop(job_id).placement
        self.ended += 1
        for other, held in self.running.items():
            if held.placement.follows == f"{job_id}.1":
                self.running[other] = replace(held, placement=replace(held.placement, follows=gone.follows))


def check(view: View, made: Plan) -> None:
    """All that must hold of any plan."""
    check_order(view, made)
    check_capacity(view, made)
    check_limits(view, made)
    check_reasons(view, made)


def check_order(view: View, made: Plan) -> None:
    """Nothing is placed twice, every decision is of a waiting job, and within a shape the first go first."""
    ids = [decision.job_id for decision in made.decisions]
    assert len(ids) == len(set(ids))
    assert not set(ids) & {held.job_id for held in view.occupied}
    for shape in view.shapes:
        going = [head.job_id for head in shape.heads if head.job_id in ids]
        assert going == [head.job_id for head in shape.heads[: len(going)]]
        ids = [job_id for job_id in ids if job_id not in going]
    assert not ids


def check_capacity(view: View, made: Plan) -> None:
    """No host and no device has more to carry than it has; whole devices are exclusive; withheld ones untouched."""
    names = {f"{held.job_id}.{held.number}" for held in view.occupied}
    holding = [held for held in view.occupied if held.placement.follows not in names]
    idle = [replace(held.placement, cpus=0) for held in holding if held.unkillable]
    before = idle + [held.placement for held in holding if not held.unkillable]
    new = [decision.placement for decision in made.decisions if not decision.placement.follows]
    for where in view.hosts:
        host = where.host
        parts = [part for part in (*before, *new) if part.host == host.id]
        assert sum(part.cpus for part in parts) <= host.cpus
        assert sum(part.memory_mb for part in parts) <= host.memory_mb
        sound = {device.uuid: device for device in host.devices}
        for uuid, device in sound.items():
            check_device([part for part in parts if uuid in part.devices], device.memory_mb)
        for part in new:
            if part.host == host.id:
                assert not host.draining
                assert part.agent in where.agents.values()
                assert len(part.devices) == len(set(part.devices))
                assert all(sound[uuid].fault == "" for uuid in part.devices)
                assert all(process.attempt for uuid in part.devices for process in sound[uuid].processes)


def check_device(parts: Sequence[Placement], memory_mb: int) -> None:
    if any(not part.device_memory_mb for part in parts):
        assert len(parts) == 1
    assert sum(part.device_memory_mb for part in parts) <= memory_mb


def check_limits(view: View, made: Plan) -> None:
    """No queue and no group runs more than it may, and a paused queue starts nothing."""
    shape_of = {head.job_id: shape.shape for shape in view.shapes for head in shape.heads}
    new = [shape_of[decision.job_id] for decision in made.decisions if not decision.placement.follows]
    names = {f"{held.job_id}.{held.number}" for held in view.occupied}
    held = [one for one in view.occupied if one.placement.follows not in names and not one.unkillable]
    queues = Counter([shape.queue for shape in new])
    groups = Counter([shape.group for shape in new])
    for name, count in queues.items():
        queue = view.queues[name]
        assert not queue.paused
        assert not queue.parallel or count + sum(one.queue == name for one in held) <= queue.parallel
    for group, count in groups.items():
        limit = view.limits.get(group, 0)
        assert not limit or count + sum(one.group == group for one in held) <= limit


def check_reasons(view: View, made: Plan) -> None:
    """A reason, of a known kind and with words, for every shape that still waits, and for no other."""
    going = {decision.job_id for decision in made.decisions}
    left = {shape.id for shape in view.shapes if shape.waiting > sum(head.job_id in going for head in shape.heads)}
    assert set(made.reasons) == left
    assert all(reason.code in REASONS and reason.text for reason in made.reasons.values())
    assert all(reason.at is None or reason.at >= view.now for reason in made.reasons.values())
