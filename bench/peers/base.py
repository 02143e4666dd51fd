"""What a peer can be measured at. Each has a module with one `PEER`; what a peer cannot do is None."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.stamp import Stamp

VENV_PYTHON = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), ".venv-peers", "bin", "python")
"""Where `bench/peers.sh` puts the peers from PyPI."""

RUN_S = 600.0


@dataclass(frozen=True)
class Rates:
    """No-op jobs per second: the submission included, and from the release of a filled queue (None: cannot be had)."""

    including: float
    excluding: float | None = None


@dataclass(frozen=True)
class Latencies:
    """Seconds from the submission to the command's first instruction: by a warm client, by a new process."""

    warm: tuple[float, ...] = ()
    process: tuple[float, ...] = ()


@dataclass(frozen=True)
class Peer:
    """One peer. Directories are private to the call, and the peer leaves nothing running.

    `no_ops(jobs, directory)` two at a time, `no_ops_most` is as many as it is asked for; `latencies(count, stamp,
    directory)`; `makespan(directory)` of the DAG in seconds; `bulk(jobs, directory)` jobs per second accepted.
    """

    name: str
    installed: Callable[[], bool]
    no_ops: Callable[[int, str], Rates] | None = None
    no_ops_most: int = 1_000
    latencies: Callable[[int, Stamp, str], Latencies] | None = None
    makespan: Callable[[str], float] | None = None
    bulk: Callable[[int, str], float] | None = None


def run_inside(script: str, arguments: list[str], environ: Mapping[str, str]) -> Any:
    """Run a script of ours by the peers' Python; what it prints as its last line is JSON."""
    told = subprocess.run(
        [VENV_PYTHON, os.path.join(os.path.dirname(os.path.abspath(__file__)), script), *arguments],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=RUN_S,
        check=False,
    )
    if told.returncode:
        raise RuntimeError(f"{script} failed: {told.stderr.decode(errors='replace')[-400:]}")
    return json.loads(told.stdout.splitlines()[-1])


def can_import(module: str) -> bool:
    """Whether the peers' Python has this module."""
    if not os.access(VENV_PYTHON, os.X_OK):
        return False
    return subprocess.run([VENV_PYTHON, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0
