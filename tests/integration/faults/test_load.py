"""A job that writes 100 MB a second while whoever follows it has stopped: it never waits, and we stay small."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.harness import processes
from tests.harness.yard import Bell, Gate, Yard

OUTPUT_MB = 600
GROWTH_MAX_MB = 60
JOB_MAX_S = 60.0


def peak_mb(pid: int) -> float:
    """The most memory that it has had resident."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def test_a_stopped_follower(yard: Yard, bell: Bell, gates: Callable[[str], Gate]) -> None:
    gate = gates("gate")
    text = f"echo >> bell; read x < gate; head -c {OUTPUT_MB}M /dev/zero; echo >> bell; read x < gate; exit 6"
    (job,) = yard.submit(yard.sh(text))
    bell.wait()
    server, agent = yard.server, yard.agent
    before = {pid: peak_mb(pid) for pid in (server, agent)}
    read_to = yard.out / "followed"
    with read_to.open("wb") as sink:
        argv = [str(Path(sys.executable).parent / "ry"), "logs", "-f", str(job)]
        follower = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=sink, env=yard.environ, cwd=yard.out)
    try:
        yard.when("the follower", lambda: processes.alive(follower.pid))
        processes.send(follower.pid, signal.SIGSTOP)
        begun = time.monotonic()
        gate.open()
        bell.wait(timeout_s=JOB_MAX_S)  # it has written everything, and nobody has read
        assert time.monotonic() - begun < JOB_MAX_S
        processes.send(follower.pid, signal.SIGCONT)
        gate.open()
        assert yard.done(job)[0].exit_code == 6
        size = yard.service.output(job, 0, -1, 1).size
        assert size == OUTPUT_MB * 1024 * 1024
        assert follower.wait(JOB_MAX_S) == 0
        assert read_to.stat().st_size == size
    finally:
        with suppress(ProcessLookupError):
            follower.kill()
        follower.wait(processes.PATIENCE_S)
    for pid, peak in before.items():
        assert peak_mb(pid) - peak < GROWTH_MAX_MB, f"{processes.name(pid)} grew by {peak_mb(pid) - peak:.0f} MB"
