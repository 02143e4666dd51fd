"""Machines, their devices, and the agents on them."""

from __future__ import annotations

from typing import Optional

from runyard.model.record import dataclass


@dataclass(frozen=True)
class DeviceProcess:
    """A process that holds memory on a device. `attempt` ("12.1") is set where it is one of ours; `draws` means that it
    does nothing else there: a desktop."""

    pid: int
    user: str = ""
    memory_mb: int = 0
    attempt: str = ""
    command: str = ""
    draws: bool = False


@dataclass(frozen=True)
class Device:
    """One GPU, known by its UUID; `index` is its place in UUID-stable order on the host.

    `fault` says why it cannot be used at all ("" if it can).
    """

    uuid: str
    index: int
    model: str = ""
    memory_mb: int = 0
    used_mb: int = 0
    utilization: Optional[int] = None
    processes: tuple[DeviceProcess, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class Host:
    """A machine and what it has. `looked_at` is the wall time of the last look at its devices, `problem` what is wrong
    with their driver as a whole ("" if nothing is)."""

    id: str
    name: str
    boot_id: str
    cpus: int
    memory_mb: int
    devices: tuple[Device, ...] = ()
    looked_at: float = 0.0
    draining: bool = False
    limits: str = ""
    """How `-c` and `--mem` are enforced here: "accounted", or the cgroup controllers in use."""
    problem: str = ""


@dataclass(frozen=True)
class Agent:
    """One account on one host. Each start of it is a new incarnation."""

    id: str
    host: str
    user: str
    uid: int
    incarnation: int
    boot_id: str
    version: str
    pid: int
    last_beat_at: float
    unknown: tuple[str, ...] = ()
    """Attempts that run there although this yard does not know them; they keep their devices."""
