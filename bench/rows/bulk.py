"""Very many jobs, each another command, in one submission that is on disk when it returns: by `ry submit --file -`, and
by a warm client."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from statistics import median

from bench import raw
from bench.directory import directory
from bench.figures import NOT_INSTALLED, Beside, Line, ms
from bench.peers import PEERS
from bench.scale import Scale
from bench.yard import Yard, yard

TARGET_S = 4.0
TARGET_JOBS = 100_000


def measure(scale: Scale) -> Iterator[Line]:
    """Two Lines."""
    jobs = scale.bulk
    warm, command = [], []
    for _ in range(scale.repeats):
        with yard() as own:
            own.queue(paused=True)
            warm.append(_warm(own, jobs))
        with yard() as own:
            own.queue(paused=True)
            command.append(_command(own, jobs))
    peers = [(peer.name, _peer(jobs, peer.bulk) if peer.installed() else None) for peer in PEERS if peer.bulk]
    for what, taken in (("by `ry submit --file -`", command), ("by a warm client", warm)):
        seconds = median(taken)
        yield Line(
            f"{jobs:,} jobs in one submission, {what}",
            f"{ms(seconds)} = {jobs / seconds:,.0f}/s",
            tuple(
                Beside(name, NOT_INSTALLED)
                if rate is None
                else Beside(name, f"{rate:,.0f}/s, in memory", jobs / seconds / rate)
                for name, rate in peers
            ),
            f"< {ms(TARGET_S)}",
            seconds < TARGET_S * jobs / TARGET_JOBS,
            {"seconds": taken},
        )


def _warm(own: Yard, jobs: int) -> float:
    specs = [own.spec(raw.NO_OP, str(number)) for number in range(jobs)]
    begin = time.perf_counter()
    ids = own.submit(specs)
    taken = time.perf_counter() - begin
    _demand(own, jobs, len(ids))
    return taken


def _command(own: Yard, jobs: int) -> float:
    lines = b"".join(
        json.dumps({"command": [raw.NO_OP, str(number)], "cpus": 0}).encode() + b"\n" for number in range(jobs)
    )
    begin = time.perf_counter()
    printed = own.ry("submit", "--file", "-", stdin=lines)
    taken = time.perf_counter() - begin
    _demand(own, jobs, len(printed.split()))
    return taken


def _demand(own: Yard, jobs: int, told: int) -> None:
    waiting = sum(row.waiting for row in own.service.queues())
    if told != jobs or waiting != jobs:
        raise RuntimeError(f"of {jobs} jobs {told} ids came back and {waiting} wait")


def _peer(jobs: int, bulk: object) -> float:
    assert callable(bulk)
    with directory() as path:
        return float(bulk(jobs, path))
