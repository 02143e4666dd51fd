"""This machine, as an agent reports it: who it is, what it has, how limits are kept here.

What is counted is what a job can get: the CPUs and the memory that the machine, or the container we are in, leaves to
its first process, not what the shell left that happened to start us.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress

from runyard.agent.gpus import Gpus, OwnerOf
from runyard.foreign.process import boot_id
from runyard.model.host import Host
from runyard.runtime.cgroup import CgroupTree, Place, places

MACHINE_ID = "/etc/machine-id"
MB = 1024 * 1024
MEASURED_EVERY_S = 60.0
"""CPUs and memory are counted again after this long; devices with each look, which jobs for them wait for."""

ACCOUNTED = "accounted"

_MACHINE_ID = re.compile(r"[0-9a-f]{32}")


class Machine:
    """The machine and its devices. `look` may take its time; one thread at a time calls it."""

    def __init__(self, host_id: str, owner_of: OwnerOf = lambda pid: "") -> None:
        """`owner_of` names the attempt ("12.1") that a process on a device belongs to, or ""."""
        self._host_id = host_id
        self._gpus = Gpus(owner_of)
        self._boot_id = boot_id()
        self._limits = limits()
        self._measured_at = float("-inf")
        self._cpus = self._memory_mb = 0

    def look(self) -> Host:
        """The machine as it is now."""
        if time.monotonic() >= self._measured_at + MEASURED_EVERY_S:
            self._measure()
        return Host(
            id=self._host_id,
            name=os.uname().nodename,
            boot_id=self._boot_id,
            cpus=self._cpus,
            memory_mb=self._memory_mb,
            devices=self._gpus.look(),
            looked_at=time.time(),
            limits=self._limits,
            problem=self._gpus.problem,
        )

    def _measure(self) -> None:
        here = places()
        self._cpus, self._memory_mb = usable_cpus(here), usable_memory_mb(here)
        self._measured_at = time.monotonic()


def host_id(kept: str, machine_id: str = MACHINE_ID) -> str:
    """A stable name for this machine, 16 hex digits: from its machine id and host name.

    Where it has no machine id, a random one is made once and kept in the file `kept`.
    """
    given = _line(machine_id)
    own = given if _MACHINE_ID.fullmatch(given) else _line(kept) or _new_id(kept)
    return hashlib.sha256(f"{own}\n{os.uname().nodename}".encode("utf-8", "surrogateescape")).hexdigest()[:16]


def limits() -> str:
    """How `-c` and `--mem` are kept here, for the user: the cgroup controllers in use, or "accounted"."""
    tree = CgroupTree.find()
    return tree.controllers if tree is not None else ACCOUNTED


def usable_cpus(here: Iterable[Place]) -> int:
    """CPUs that jobs may use: as many as the first process has, less what our own group is denied."""
    most = [_affinity(1) or _affinity(0) or os.cpu_count() or 1]
    for place in here:
        for directory in place.upwards():
            for file in ("cpuset.cpus.effective", "cpuset.effective_cpus"):
                most.append(len(cpu_list(_line(f"{directory}/{file}"))))
            most.append(math.ceil(_quota(directory)))
    return max(1, min(count for count in most if count > 0))


def usable_memory_mb(here: Iterable[Place]) -> int:
    """Memory that all jobs together may use, in MB: the machine's, or less where our own group is limited."""
    most = [_total_memory()]
    for place in here:
        for directory in place.upwards():
            for file in ("memory.max", "memory.limit_in_bytes"):
                limit = _line(f"{directory}/{file}")
                most.append(int(limit) if limit.isdigit() else 0)
    return min((size for size in most if size > 0), default=0) // MB


def cpu_list(text: str) -> list[int]:
    """The numbers in a list such as 0-3,8,10-11."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit():
            found.extend(range(int(first), int(last if last.isdigit() else first) + 1))
    return found


def _quota(directory: str) -> float:
    """How many CPUs a group may use at a time; 0 where that is not limited."""
    quota, _, period = _line(f"{directory}/cpu.max").partition(" ")
    if not quota:
        quota, period = _line(f"{directory}/cpu.cfs_quota_us"), _line(f"{directory}/cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else 0


def _affinity(pid: int) -> int:
    try:
        return len(os.sched_getaffinity(pid))
    except OSError:
        return 0


def _total_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _line(path: str) -> str:
    """The first line of a file; "" where there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.readline().strip()
    except OSError:
        return ""


def _new_id(kept: str) -> str:
    """A random id, kept in a file that appears whole: of several that try at once one wins."""
    made = f"{kept}.{os.getpid()}.{secrets.token_hex(4)}"
    os.makedirs(os.path.dirname(kept), mode=0o700, exist_ok=True)
    with open(made, "x", encoding="ascii") as file:
        file.write(secrets.token_hex(16) + "\n")
    with suppress(FileExistsError):
        os.link(made, kept)
    os.unlink(made)
    return _line(kept)
