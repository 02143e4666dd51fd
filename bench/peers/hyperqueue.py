"""HyperQueue by its Python API: server and worker in one process, nothing kept on disk (no journal)."""

from __future__ import annotations

import os

from bench.peers.base import Latencies, Peer, Rates, can_import, run_inside
from bench.stamp import Stamp

SCRIPT = "inside/hyperqueue_inside.py"


def no_ops(jobs: int, directory: str) -> Rates:
    """One of its jobs with this many tasks, without log files; the release is the return of its submit."""
    including, excluding = run_inside(SCRIPT, ["no-ops", directory, str(jobs)], os.environ)
    return Rates(including, excluding)


def latencies(count: int, stamp: Stamp, directory: str) -> Latencies:
    """A client that is connected, and a new Python process that connects."""
    if stamp.how != "C":
        return Latencies()
    warm, process = run_inside(SCRIPT, ["latencies", directory, str(count), stamp.path], os.environ)
    return Latencies(tuple(warm), tuple(process))


def makespan(directory: str) -> float:
    """The DAG."""
    return float(run_inside(SCRIPT, ["makespan", directory], os.environ))


def bulk(jobs: int, directory: str) -> float:
    """One job with this many tasks, and no worker to run them."""
    return float(run_inside(SCRIPT, ["bulk", directory, str(jobs)], os.environ))


PEER = Peer("HyperQueue", lambda: can_import("hyperqueue"), no_ops, 10_000, latencies, makespan, bulk)
