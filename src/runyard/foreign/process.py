"""Processes of this machine, as /proc shows them: whether they live, whose children and whose they are, what they run.

The runner, the agent and `doctor` call this. A pid alone names nobody: it is used again (`runtime/family` has
identities, and signals exactly one process). A zombie is dead, whoever fails to reap it; but a process whose first
thread has ended while others run shows the same letter and lives. What is gone, or hidden from us, is None or False,
never an error.
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Iterator
from typing import NamedTuple, Optional, Union

DEAD = "ZXx"
COMMAND_MAX = 4096
"""At most so many bytes of a command line are read."""

EXEC_MAX_S = 0.2
"""How long a process may take to begin a program before we take it that it has no environment."""

_GONE = (FileNotFoundError, ProcessLookupError, NotADirectoryError)


class Stat(NamedTuple):
    """A line of /proc/PID/stat. `start_time` is in ticks since the boot."""

    state: str
    ppid: int
    pgrp: int
    session: int
    threads: int
    start_time: int

    @property
    def dead(self) -> bool:
        """Ended, reaped or not: no thread of it is left."""
        return self.state in DEAD and self.threads <= 1


def read_stat(pid: int) -> Optional[Stat]:
    """What the kernel says of this pid now; None if nobody has it."""
    text = _read(f"/proc/{pid:d}/stat")
    if not text:
        return None
    fields = text[text.rindex(b")") + 2 :].split()
    state, (ppid, pgrp, session) = fields[0].decode("ascii"), map(int, fields[1:4])
    return Stat(state, ppid, pgrp, session, threads=int(fields[17]), start_time=int(fields[19]))


def boot_id() -> str:
    """Of this boot of the machine; another one after each reboot."""
    return _read("/proc/sys/kernel/random/boot_id").strip().decode("ascii")


def pid_namespace() -> int:
    """The inode number of the namespace in which our pids count."""
    return os.stat("/proc/self/ns/pid").st_ino


def open_pidfd(pid: int) -> int:
    """A descriptor (closed on exec) that becomes readable when the process ends. ProcessLookupError: nobody has it."""
    return os.pidfd_open(pid)


def processes() -> Iterator[int]:
    """Every pid that we can see."""
    with os.scandir("/proc") as entries:
        yield from (int(entry.name) for entry in entries if entry.name.isdigit())


def children(pid: int) -> list[int]:
    """The children of all its threads, dead ones too. One that ends while we look may hide a sibling: look again."""
    if not os.path.exists("/proc/thread-self/children"):  # a kernel without CONFIG_PROC_CHILDREN
        return [other for other in processes() if (stat := read_stat(other)) is not None and stat.ppid == pid]
    try:
        threads = os.listdir(f"/proc/{pid:d}/task")
    except _GONE:
        return []
    return [int(child) for thread in threads for child in _read(f"/proc/{pid:d}/task/{thread}/children").split()]


def environ_has(pid: int, entry: Union[str, bytes]) -> bool:
    """Whether the process was started with exactly this `NAME=value`. False where we may not look."""
    return os.fsencode(entry) in environ(pid)


def environ(pid: int) -> list[bytes]:
    """The `NAME=value`s that the process was started with; none where we may not look."""
    patience = time.monotonic() + EXEC_MAX_S
    while True:
        begins = _between_programs(pid)
        text = _read(f"/proc/{pid:d}/environ")
        if text or not begins or time.monotonic() > patience:
            return text.split(b"\0")
        time.sleep(0.0002)


def owner(pid: int) -> str:
    """The name of the user whose process it is (the number where there is no name); "" if it is gone."""
    for line in _read(f"/proc/{pid:d}/status").splitlines():
        if line.startswith(b"Uid:"):
            uid = int(line.split()[1])
            try:
                return pwd.getpwuid(uid).pw_name
            except KeyError:
                return str(uid)
    return ""


def command_line(pid: int) -> str:
    """Its arguments with blanks between them, at most some KB; [name] where it has none; "" if it is gone."""
    arguments = _read(f"/proc/{pid:d}/cmdline", COMMAND_MAX).rstrip(b"\0").replace(b"\0", b" ")
    if not arguments:
        name = _read(f"/proc/{pid:d}/comm").rstrip(b"\n")
        arguments = b"[" + name + b"]" if name else b""
    return arguments.decode("utf-8", "replace")


def _between_programs(pid: int) -> bool:
    """Whether it is inside execve, where for a moment a process with memory has no environment at all: the kernel
    notes where the code begins only when the environment is in its place (1: it does not tell us)."""
    text = _read(f"/proc/{pid:d}/stat")
    fields = text[text.rfind(b")") + 2 :].split()
    if len(fields) < 24:
        return False
    memory, start_of_code = int(fields[20]), int(fields[23])
    return memory > 0 and start_of_code == 0


def _read(path: str, most: int = 1 << 30) -> bytes:
    """The file's content (at most so many bytes), or nothing where it is gone or hidden."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (*_GONE, PermissionError):
        return b""
    try:
        text = b""
        while len(text) < most and (more := os.read(fd, min(most - len(text), 65536))):
            text += more
        return text
    except (*_GONE, PermissionError):
        return b""
    finally:
        os.close(fd)
