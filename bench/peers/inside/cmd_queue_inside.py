"""Run by the peers' Python: measures cmd_queue and prints JSON.

cmd_queue_inside.py no-ops BACKEND DIRECTORY JOBS | latencies BACKEND DIRECTORY COUNT STAMP | makespan tmux DIRECTORY
cmd_queue_inside.py rendering tmux DIRECTORY JOBS
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from typing import Any

import cmd_queue  # type: ignore[import-not-found,unused-ignore]

LAYERS, WIDTH = 4, 25


def new_queue(backend: str, directory: str, number: int = 0, size: int = 2) -> Any:
    """An empty queue with its files in this directory."""
    more = {"size": size} if backend == "tmux" else {}
    return cmd_queue.Queue.create(backend=backend, name=f"bench{number}", dpath=directory, **more)


def run(queue: Any, backend: str) -> None:
    """Until the last job has ended."""
    more = {"monitor": "none", "other_session_handler": "ignore"} if backend == "tmux" else {"verbose": 0}
    queue.run(block=True, system=False, **more)


def no_ops(backend: str, directory: str, jobs: int) -> list[float]:
    begin = time.perf_counter()
    queue = new_queue(backend, directory)
    for _ in range(jobs):
        queue.submit("true")
    filled = time.perf_counter()
    run(queue, backend)
    end = time.perf_counter()
    return [jobs / (end - begin), jobs / (end - filled)]


def latencies(backend: str, directory: str, count: int, stamp: str) -> list[float]:
    file = os.path.join(directory, "stamps")
    begins = []
    for number in range(count):
        begins.append(time.monotonic_ns())
        queue = new_queue(backend, directory, number, size=1)
        queue.submit(f"{stamp} {file}")
        run(queue, backend)
    with open(file, encoding="ascii") as stamped:
        ends = [int(line.split()[0]) for line in stamped]
    return [(end - begin) / 1e9 for begin, end in zip(begins, ends, strict=True)]


def makespan(backend: str, directory: str) -> list[float]:
    queue = new_queue(backend, directory, size=4)
    layer: list[Any] = []
    for depth in range(LAYERS):
        layer = [queue.submit("sleep 0.2", name=f"job-{depth}-{n}", depends=list(layer)) for n in range(WIDTH)]
    begin = time.perf_counter()
    run(queue, backend)
    return [time.perf_counter() - begin]


def rendering(backend: str, directory: str, jobs: int) -> list[float]:
    queue = new_queue(backend, directory, size=4)
    layer: list[Any] = []
    for depth in range(jobs // WIDTH):
        layer = [queue.submit("true", name=f"job-{depth}-{n}", depends=list(layer)) for n in range(WIDTH)]
    begin = time.perf_counter()
    queue.finalize_text()
    for worker in queue.workers:
        worker.finalize_text()
    return [time.perf_counter() - begin]


if __name__ == "__main__":
    verb, backend, directory, *rest = sys.argv[1:]
    with contextlib.redirect_stdout(io.StringIO()):
        if verb == "no-ops":
            told = no_ops(backend, directory, int(rest[0]))
        elif verb == "latencies":
            told = latencies(backend, directory, int(rest[0]), rest[1])
        elif verb == "rendering":
            told = rendering(backend, directory, int(rest[0]))
        else:
            told = makespan(backend, directory)
    print(json.dumps(told))
