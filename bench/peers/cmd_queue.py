"""cmd_queue: bash scripts, run one after another or in tmux sessions (of a tmux server of our own)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

from bench.peers.base import Latencies, Peer, Rates, can_import, run_inside
from bench.stamp import Stamp

SCRIPT = "inside/cmd_queue_inside.py"


def _run(directory: str, arguments: list[str]) -> list[float]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TMUX", "XDG_"))}
    environ |= {"HOME": directory, "TMUX_TMPDIR": directory, "TERM": "xterm", "HISTFILE": os.devnull}
    try:
        told: list[float] = run_inside(SCRIPT, arguments, environ)
        return told
    finally:
        if shutil.which("tmux"):
            subprocess.run(["tmux", "kill-server"], env=environ, capture_output=True, check=False)


def _no_ops(backend: str) -> Callable[[int, str], Rates]:
    def no_ops(jobs: int, directory: str) -> Rates:
        including, excluding = _run(directory, ["no-ops", backend, directory, str(jobs)])
        return Rates(including, excluding)

    return no_ops


def _latencies(backend: str) -> Callable[[int, Stamp, str], Latencies]:
    def latencies(count: int, stamp: Stamp, directory: str) -> Latencies:
        if stamp.how != "C":
            return Latencies()
        return Latencies(tuple(_run(directory, ["latencies", backend, directory, str(count), stamp.path])))

    return latencies


def makespan(directory: str) -> float:
    """The DAG in four tmux sessions; its run alone."""
    return _run(directory, ["makespan", "tmux", directory])[0]


def rendering(directory: str, jobs: int) -> float:
    """Seconds in which it makes the scripts of the same DAG, with so many jobs."""
    return _run(directory, ["rendering", "tmux", directory, str(jobs)])[0]


def tmux_installed() -> bool:
    """Both are needed."""
    return shutil.which("tmux") is not None and can_import("cmd_queue")


TMUX = Peer("cmd_queue tmux", tmux_installed, _no_ops("tmux"), 1_000, _latencies("tmux"), makespan)
SERIAL = Peer("cmd_queue serial", lambda: can_import("cmd_queue"), _no_ops("serial"), 1_000, _latencies("serial"))
