"""Small yards to plan for. Every builder has defaults, so that a test names only what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from runyard.model.attempt import Placement
from runyard.model.host import Device, Host
from runyard.model.queue import Queue
from runyard.model.spec import GpuRequest, Resources
from runyard.model.view import Decision, Head, HostView, Occupied, Plan, Shape, ShapeView, View

NOW = 1_000_000.0
USER = "ann"
GPU_MB = 40_000


def gpu(index: int, host: str = "one", model: str = "NVIDIA A100-SXM4-40GB") -> Device:
    return Device(f"GPU-{host}-{index}", index, model, GPU_MB)


def host(
    name: str = "one", cpus: int = 8, memory_mb: int = 64_000, gpus: int | Sequence[Device] = 0, users: str = USER
) -> HostView:
    devices = tuple(gpu(i, name) for i in range(gpus)) if isinstance(gpus, int) else tuple(gpus)
    machine = Host(name, name, f"boot-{name}", cpus, memory_mb, devices)
    return HostView(machine, {user: f"{user}@{name}" for user in users.split()})


def with_device(where: HostView, device: Device) -> HostView:
    """The host with this device in the place of the one with its index."""
    devices = tuple(device if device.index == old.index else old for old in where.host.devices)
    return replace(where, host=replace(where.host, devices=devices))


def asks(
    cpus: int = 1, gpus: int = 0, share_mb: int = 0, memory_mb: int = 0, indices: tuple[int, ...] = (), model: str = ""
) -> Resources:
    return Resources(cpus, memory_mb, GpuRequest(len(indices) or gpus, share_mb, model, indices))


CPU = asks()
GPU = asks(gpus=1)


def shape(
    shape_id: int,
    jobs: Iterable[int] | int,
    resources: Resources = CPU,
    *,
    limit_s: int = 0,
    priority: int = 0,
    unseen: int = 0,
    usual_s: float | None = None,
    queue: str = "default",
    user: str = USER,
    group: int = 0,
) -> ShapeView:
    """Jobs of one shape that wait, given as ids; `unseen` more of them are not in the view."""
    ids = [jobs] if isinstance(jobs, int) else list(jobs)
    heads = tuple(Head(job_id, version=3, priority=priority, number=1, place=float(job_id)) for job_id in ids)
    return ShapeView(shape_id, Shape(queue, user, resources, limit_s, group), heads, len(heads) + unseen, usual_s)


def runs(
    job_id: int,
    resources: Resources = CPU,
    on: str = "one",
    gpus: Sequence[int] = (),
    *,
    ends_in: float | None = None,
    since: float | None = NOW - 100,
    follows: str = "",
    shape_id: int = 999,
    queue: str = "default",
    user: str = USER,
    group: int = 0,
    unkillable: bool = False,
) -> Occupied:
    """A job that runs on these GPUs of the host (or, with `follows`, waits to take over)."""
    placement = Placement(
        agent=f"{user}@{on}",
        host=on,
        cpus=resources.cpus,
        memory_mb=resources.memory_mb,
        devices=tuple(f"GPU-{on}-{index}" for index in gpus),
        device_memory_mb=resources.gpus.memory_mb if gpus else 0,
        follows=follows,
        started_at=None if follows else since,
    )
    ends_by = None if ends_in is None else NOW + ends_in
    return Occupied(job_id, 1, queue, user, shape_id, placement, group, ends_by, unkillable)


def yard(
    hosts: HostView | Sequence[HostView],
    shapes: Sequence[ShapeView] = (),
    occupied: Sequence[Occupied] = (),
    *,
    queues: Sequence[Queue] = (),
    limits: dict[int, int] | None = None,
    draining: bool = False,
    now: float = NOW,
) -> View:
    every = (hosts,) if isinstance(hosts, HostView) else tuple(hosts)
    named = {queue.name: queue for queue in (Queue(), *queues)}
    return View(now, every, named, tuple(shapes), tuple(occupied), limits or {}, draining)


def started(plan: Plan) -> list[int]:
    """Jobs that start now, in the order of their decisions."""
    return [decision.job_id for decision in plan.decisions if not decision.placement.follows]


def indices(plan: Plan, job_id: int) -> list[int]:
    """The GPUs that the job was given, by index."""
    return [int(uuid.rsplit("-", 1)[1]) for uuid in decision_of(plan, job_id).placement.devices]


def decision_of(plan: Plan, job_id: int) -> Decision:
    (found,) = (decision for decision in plan.decisions if decision.job_id == job_id)
    return found
