"""Processes as a test sees them: who lives, the end of one by its pidfd, all of one yard by its home.

Nothing is ended by name, and a zombie is dead (some machines reap late).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal

from runyard.foreign import process

PATIENCE_S = 30.0

OF_THE_C_LIBRARY = 1 << 31 | 1 << 32
"""Signals 32 and 33 in a mask: a C library keeps them to itself, and no program can set them back."""


def alive(pid: int) -> bool:
    """Whether it runs."""
    stat = process.read_stat(pid)
    return stat is not None and not stat.dead


def parent(pid: int) -> int:
    """Its parent's pid: of a job's first process, its runner."""
    stat = process.read_stat(pid)
    assert stat is not None, f"{pid} is gone"
    return stat.ppid


def name(pid: int) -> str:
    """What `ps` and `top` show: ry-server, ry-agent, ry-zygote, ry-runner, or the command of a job."""
    try:
        with open(f"/proc/{pid:d}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def descriptors(pid: int) -> list[str]:
    """Where its descriptors lead (`socket:[1]`, a path). One that it closes just now is passed over."""
    directory, targets = f"/proc/{pid:d}/fd", []
    for entry in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):
            targets.append(os.readlink(f"{directory}/{entry}"))
    return targets


def send(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal it if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def ended(pid: int, timeout_s: float = PATIENCE_S) -> bool:
    """Wait for its end, whoever's child it is; False if that takes longer. One of ours is reaped."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        over = bool(select.select([descriptor], [], [], timeout_s)[0])
    finally:
        os.close(descriptor)
    if over:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return over


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal it and wait until it is dead."""
    send(pid, number)
    assert ended(pid), f"{pid} ({name(pid)}) lives on after signal {number}"


def marked(mark: str) -> list[int]:
    """Everybody alive who was born with this variable (`NAME=value`), but us."""
    return [pid for pid in process.processes() if pid != os.getpid() and alive(pid) and process.environ_has(pid, mark)]


def of_home(home: str) -> list[int]:
    """Everybody alive who was born with this RUNYARD_HOME: the yard's own processes and its jobs'."""
    return marked(f"RUNYARD_HOME={home}")


def below(pid: int) -> list[int]:
    """All its descendants."""
    found = []
    for child in process.children(pid):
        found += [child, *below(child)]
    return found


def ours(pid: int) -> bool:
    """Whether it is one of the product's own processes, not a job's."""
    return name(pid).startswith("ry-") or "runyard." in process.command_line(pid)


def end_all(home: str) -> None:
    """Kill everybody of this home, those who are born meanwhile too."""
    end_marked(f"RUNYARD_HOME={home}")


def end_marked(mark: str) -> None:
    """Kill everybody who was born with this variable, and whom they have started, those who are born meanwhile too."""
    while found := {pid for one in marked(mark) for pid in (one, *below(one))}:
        for number in (signal.SIGSTOP, signal.SIGKILL):  # at one blow: nobody records how another one ended
            for pid in found:
                send(pid, number)
        for pid in found:
            assert ended(pid), f"{pid} ({name(pid)}) cannot be killed"
