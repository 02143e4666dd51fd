"""What is free on each host, and which devices a job would get there.

`planner.plan` builds one Ledger a round from the View and takes from it with each decision; nobody else writes to it.
Counted is what placements were given, not what they use. Whole devices are exclusive; jobs that ask for device memory
share a device as long as the sum of their shares fits, fullest device first. A placement that follows another one
holds nothing as long as that one is in the view. CPUs of a job that cannot be killed are free again (it does not run),
its memory and devices are not. A job that asks for no CPU or no memory is never refused for lack of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from runyard.model.attempt import Placement
from runyard.model.host import Device
from runyard.model.spec import GpuRequest, Resources
from runyard.model.view import HostView, Occupied, View
from runyard.model.withheld import why_withheld


@dataclass(frozen=True, slots=True)
class Holding:
    """What one placement holds on its host. `ends` is the wall time at which it lets go at the latest, if known."""

    job_id: int
    cpus: int
    memory_mb: int
    devices: tuple[str, ...]
    share_mb: int
    ends: float | None
    since: float
    stuck: bool = False


@dataclass(slots=True)
class Slot:
    """The account of one device. `withheld` says why it is given to nobody ("" if it can be)."""

    device: Device
    withheld: str = ""
    whole: int = 0
    shares: int = 0
    shared_mb: int = 0

    def open_to(self, gpus: GpuRequest) -> bool:
        if self.withheld or self.whole:
            return False
        if gpus.shared:
            return self.device.memory_mb - self.shared_mb >= gpus.memory_mb
        return not self.shares


@dataclass(slots=True)
class Free:
    """What a host has left. Slots stand in the order of their devices' indices."""

    cpus: int
    memory_mb: int
    slots: list[Slot]

    def copy(self) -> Free:
        slots = [Slot(s.device, s.withheld, s.whole, s.shares, s.shared_mb) for s in self.slots]
        return Free(self.cpus, self.memory_mb, slots)

    def take(self, holding: Holding) -> None:
        self._add(holding, 1)

    def give(self, holding: Holding) -> None:
        self._add(holding, -1)

    def _add(self, holding: Holding, sign: int) -> None:
        self.cpus -= sign * holding.cpus
        self.memory_mb -= sign * holding.memory_mb
        for slot in self.slots if holding.devices else ():
            if slot.device.uuid not in holding.devices:
                continue
            if holding.share_mb:
                slot.shares += sign
                slot.shared_mb += sign * holding.share_mb
            else:
                slot.whole += sign

    def enough(self, resources: Resources) -> bool:
        """Whether CPUs and memory suffice; devices are `pick`ed."""
        if resources.cpus and resources.cpus > self.cpus:
            return False
        return not resources.memory_mb or resources.memory_mb <= self.memory_mb


@dataclass(frozen=True, slots=True)
class Promise:
    """What stays free on a host once the job that waits for it has got its part (see `reserve`)."""

    job_id: int
    at: float | None
    free: Free


@dataclass(slots=True)
class HostLedger:
    """One host in this round. `order` is its place in the view: the first host that fits is taken."""

    view: HostView
    order: int
    free: Free
    holdings: list[Holding] = field(default_factory=list)
    promise: Promise | None = None
    changes: int = 0
    matching: dict[GpuRequest, list[int]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.view.host.name

    def take(self, holding: Holding) -> None:
        self.free.take(holding)
        self.holdings.append(holding)
        self.changes += 1

    def wanted(self, gpus: GpuRequest) -> list[int]:
        """Positions of the slots whose device is of the kind asked for, free or not."""
        found = self.matching.get(gpus)
        if found is None:
            found = [i for i, slot in enumerate(self.free.slots) if matches(slot.device, gpus)]
            self.matching[gpus] = found
        return found

    def could_hold(self, resources: Resources) -> bool:
        """Whether the host is large enough at all, were it empty and healthy."""
        host, gpus = self.view.host, resources.gpus
        if resources.cpus > host.cpus or resources.memory_mb > host.memory_mb:
            return False
        return len(self.wanted(gpus)) >= gpus.count

    def pick(self, resources: Resources, also: Free | None = None) -> list[int] | None:
        """Positions of the devices that it would get now; None where it does not fit. `also` has to allow it, too."""
        if not self.free.enough(resources) or (also is not None and not also.enough(resources)):
            return None
        gpus = resources.gpus
        if not gpus.count:
            return []
        slots = self.free.slots
        found = [i for i in self.wanted(gpus) if slots[i].open_to(gpus)]
        if also is not None:
            found = [i for i in found if also.slots[i].open_to(gpus)]
        if len(found) < gpus.count:
            return None
        if gpus.shared:
            found.sort(key=lambda i: -slots[i].shared_mb)
        return sorted(found[: gpus.count])

    def placement(self, user: str, resources: Resources, positions: Sequence[int]) -> Placement:
        """The part of the host that a job of this user gets."""
        devices = tuple(self.free.slots[i].device.uuid for i in positions)
        return Placement(
            agent=self.view.agents[user],
            host=self.view.host.id,
            cpus=resources.cpus,
            memory_mb=resources.memory_mb,
            devices=devices,
            device_memory_mb=resources.gpus.memory_mb if devices else 0,
            boot_id=self.view.host.boot_id,
        )


def matches(device: Device, gpus: GpuRequest) -> bool:
    """Whether the device is of the kind asked for: model, index, size."""
    if gpus.indices and device.index not in gpus.indices:
        return False
    if gpus.model and gpus.model.casefold() not in device.model.casefold():
        return False
    return device.memory_mb >= gpus.memory_mb


def ledger(view: View) -> list[HostLedger]:
    """The hosts of the view, less what `occupied` holds, in the view's order."""
    hosts = [_empty(view, order, host) for order, host in enumerate(view.hosts)]
    by_id = {host.view.host.id: host for host in hosts}
    known = attempts(view.occupied)
    for held in view.occupied:
        host = by_id.get(held.placement.host)
        if host is not None and held.placement.follows not in known:
            host.take(holding(held))
    for host in hosts:
        _withhold(view, host)
    return hosts


def attempts(occupied: Sequence[Occupied]) -> set[str]:
    """The attempts of the view by name. Who follows one of them has not taken over yet and holds nothing."""
    return {held.name for held in occupied}


def holding(held: Occupied) -> Holding:
    part = held.placement
    return Holding(
        job_id=held.job_id,
        cpus=0 if held.unkillable else part.cpus,
        memory_mb=part.memory_mb,
        devices=part.devices,
        share_mb=part.device_memory_mb,
        ends=held.ends_by,
        since=float("inf") if part.started_at is None else part.started_at,
        stuck=held.unkillable,
    )


def _empty(view: View, order: int, host: HostView) -> HostLedger:
    machine = host.host
    devices = sorted(machine.devices, key=lambda d: (d.index, d.uuid))
    return HostLedger(host, order, Free(machine.cpus, machine.memory_mb, [Slot(d) for d in devices]))


def _withhold(view: View, host: HostLedger) -> None:
    for slot in host.free.slots:
        ours = bool(slot.whole or slot.shares)
        slot.withheld = why_withheld(slot.device, ours, host.view.unknown, view.foreign_mb)
