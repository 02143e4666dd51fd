"""Processes as /proc shows them: those of one yard, their memory, their time."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Kilobytes, from smaps_rollup. `own` is what this process alone has written (Private_Dirty)."""

    rss: int
    pss: int
    own: int


def of_home(home: str) -> dict[int, str]:
    """Every process of ours that has this RUNYARD_HOME in its environment: pid to name."""
    wanted = b"RUNYARD_HOME=" + os.fsencode(home)
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with suppress(OSError):
                if wanted in _read(f"/proc/{entry}/environ").split(b"\0") and state(int(entry)) != "Z":
                    found[int(entry)] = _read(f"/proc/{entry}/comm").decode().strip()
    return found


def named(home: str, name: str) -> list[int]:
    """The processes of a yard with this name (`ry-server`, `ry-runner` ...)."""
    return sorted(pid for pid, its in of_home(home).items() if its == name)


def state(pid: int) -> str:
    """One letter; Z is dead."""
    return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[0].decode()


def memory(pid: int) -> Memory:
    """What a process has in memory."""
    values = {}
    for line in _read(f"/proc/{pid}/smaps_rollup").decode().splitlines()[1:]:
        name, _, rest = line.partition(":")
        values[name] = int(rest.split()[0])
    return Memory(values["Rss"], values["Pss"], values["Private_Dirty"])


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds that these processes have used so far, children not counted."""
    used = 0
    for pid in pids:
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / TICKS


def end(home: str, patience_s: float) -> list[str]:
    """Wait until a yard's last process has gone; what had to be killed."""
    deadline = time.monotonic() + patience_s
    while of_home(home) and time.monotonic() < deadline:
        time.sleep(0.02)
    left = of_home(home)
    for pid in left:
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                if pid in of_home(home):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    select.select([descriptor], [], [], 5.0)
            finally:
                os.close(descriptor)
    return sorted(left.values())


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
