"""task-spooler (`tsp`): a C queue in memory, one client process for each waiting job."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.peers.base import Latencies, Peer, Rates
from bench.raw import NO_OP
from bench.stamp import Stamp

QUEUED_MOST = 900
"""Each queued job holds one of the server's connections."""


class Spooler:
    """A server of our own, by its socket (another one each time: an ending server takes its socket away late)."""

    def __init__(self, directory: str) -> None:
        own = tempfile.mkdtemp(dir=directory)
        self._environ = {
            **os.environ,
            "TS_SOCKET": os.path.join(own, "socket"),
            "TMPDIR": own,
            "TS_SLOTS": "2",
            "TS_MAXFINISHED": "20000",
        }
        self._program = shutil.which("tsp") or "tsp"
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)

    def call(self, *arguments: str) -> None:
        """Run `tsp` with these arguments and wait for it."""
        quiet = [(os.POSIX_SPAWN_DUP2, self._null, descriptor) for descriptor in (0, 1, 2)]
        pid = os.posix_spawn(self._program, ["tsp", *arguments], self._environ, file_actions=quiet)
        os.waitpid(pid, 0)

    def close(self) -> None:
        """End the server."""
        self.call("-K")
        os.close(self._null)


@contextmanager
def spooler(directory: str) -> Iterator[Spooler]:
    """A server for the time of a measurement."""
    server = Spooler(directory)
    try:
        yield server
    finally:
        server.close()


def no_ops(jobs: int, directory: str) -> Rates:
    """Submitted one by one, which is all it can; for the second figure behind two jobs that wait for us."""
    with spooler(directory) as server:
        begin = time.perf_counter()
        for _ in range(jobs):
            server.call(NO_OP)
        server.call("-w", str(jobs - 1))
        including = jobs / (time.perf_counter() - begin)
    with spooler(directory) as server:
        gate = os.path.join(directory, "gate")
        os.mkfifo(gate)
        for _ in range(2):
            server.call("sh", "-c", f"read line <{gate}")
        queued = min(jobs, QUEUED_MOST)
        for _ in range(queued):
            server.call(NO_OP)
        begin = time.perf_counter()
        os.close(os.open(gate, os.O_WRONLY))
        server.call("-w", str(queued + 1))
        excluding = queued / (time.perf_counter() - begin)
    return Rates(including, excluding)


def latencies(count: int, stamp: Stamp, directory: str) -> Latencies:
    """It has no client but its command."""
    file = os.path.join(directory, "stamps")
    begins, taken = [], []
    with spooler(directory) as server:
        server.call(NO_OP)
        for number in range(count):
            begins.append(stamp.now_ns())
            server.call(*stamp.command(file))
            server.call("-w", str(number + 1))
    for begin, (stamped, _) in zip(begins, stamp.read(file), strict=True):
        taken.append((stamped - begin) / 1e9)
    return Latencies(process=tuple(taken))


def installed() -> bool:
    """Whether there is a `tsp` that is this program."""
    program = shutil.which("tsp")
    if program is None:
        return False
    told = subprocess.run([program, "-V"], capture_output=True, text=True, check=False)
    return "Task Spooler" in told.stdout


PEER = Peer("task-spooler", installed, no_ops, latencies=latencies)
