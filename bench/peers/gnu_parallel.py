"""GNU parallel: no queue of its own, a Perl loop over its input."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

from bench.peers.base import Latencies, Peer, Rates
from bench.raw import NO_OP
from bench.stamp import Stamp


def _run(command: list[str], lines: int, directory: str) -> None:
    environ = {**os.environ, "HOME": directory, "TMPDIR": directory}
    subprocess.run(
        ["parallel", "--will-cite", "-j2", "-N1", *command],
        input=b"".join(b"%d\n" % number for number in range(lines)),
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )


def no_ops(jobs: int, directory: str) -> Rates:
    """Reading its input is its submission."""
    begin = time.perf_counter()
    _run([NO_OP], jobs, directory)
    return Rates(jobs / (time.perf_counter() - begin))


def latencies(count: int, stamp: Stamp, directory: str) -> Latencies:
    """Its own start, each time."""
    file = os.path.join(directory, "stamps")
    begins = []
    for _ in range(count):
        begins.append(stamp.now_ns())
        _run([f"{stamp.path} {file} # {{}}"], 1, directory)
    stamped = [begin for begin, _ in stamp.read(file)]
    return Latencies(process=tuple((b - a) / 1e9 for a, b in zip(begins, stamped, strict=True)))


def installed() -> bool:
    """Whether `parallel` is GNU's."""
    if shutil.which("parallel") is None:
        return False
    told = subprocess.run(["parallel", "--version"], capture_output=True, text=True, check=False)
    return told.stdout.startswith("GNU parallel")


PEER = Peer("GNU parallel", installed, no_ops, no_ops_most=10_000, latencies=latencies)
