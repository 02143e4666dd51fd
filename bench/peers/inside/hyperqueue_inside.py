"""Run by the peers' Python: measures HyperQueue and prints JSON.

hyperqueue_inside.py no-ops DIRECTORY JOBS | latencies DIRECTORY COUNT STAMP | makespan DIRECTORY
                     | bulk DIRECTORY JOBS | submit SERVER STAMP FILE
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

from hyperqueue import Client, Job, LocalCluster  # type: ignore[import-not-found,unused-ignore]
from hyperqueue.cluster import WorkerConfig  # type: ignore[import-not-found,unused-ignore]

LAYERS, WIDTH = 4, 25


def start(directory: str, cores: int) -> Any:
    """A server, and a worker with as many cores (0: none)."""
    return LocalCluster(os.path.join(directory, "server"), WorkerConfig(cores=cores) if cores else None)


def quiet_job(commands: list[list[str]]) -> Any:
    """A job with these tasks and no log files."""
    job = Job()
    for command in commands:
        job.program(command, stdout=None, stderr=None)
    return job


def no_ops(directory: str, jobs: int) -> list[float]:
    with start(directory, 2) as cluster:
        client = cluster.client()
        client.wait_for_jobs([client.submit(quiet_job([["/bin/true"]]))])
        begin = time.perf_counter()
        submitted = client.submit(quiet_job([["/bin/true"]] * jobs))
        filled = time.perf_counter()
        client.wait_for_jobs([submitted])
        end = time.perf_counter()
    return [jobs / (end - begin), jobs / (end - filled)]


def latencies(directory: str, count: int, stamp: str) -> list[list[float]]:
    file = os.path.join(directory, "stamps")
    with start(directory, 2) as cluster:
        client = cluster.client()
        begins = []
        for _ in range(count):
            begins.append(time.monotonic_ns())
            client.wait_for_jobs([client.submit(quiet_job([[stamp, file]]))])
        for _ in range(count):
            begins.append(time.monotonic_ns())
            submit = [sys.executable, __file__, "submit", os.path.join(directory, "server"), stamp, file]
            subprocess.run(submit, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(file, encoding="ascii") as stamped:
        ends = [int(line.split()[0]) for line in stamped]
    taken = [(end - begin) / 1e9 for begin, end in zip(begins, ends, strict=True)]
    return [taken[:count], taken[count:]]


def submit(server: str, stamp: str, file: str) -> None:
    client = Client(server)
    client.wait_for_jobs([client.submit(quiet_job([[stamp, file]]))])


def makespan(directory: str) -> float:
    with start(directory, 4) as cluster:
        client = cluster.client()
        client.wait_for_jobs([client.submit(quiet_job([["/bin/true"]]))])
        begin = time.perf_counter()
        job = Job()
        layer: list[Any] = []
        for _ in range(LAYERS):
            command = ["sleep", "0.2"]
            layer = [job.program(command, stdout=None, stderr=None, deps=list(layer)) for _ in range(WIDTH)]
        client.wait_for_jobs([client.submit(job)])
        return time.perf_counter() - begin


def bulk(directory: str, jobs: int) -> float:
    with start(directory, 0) as cluster:
        client = cluster.client()
        begin = time.perf_counter()
        client.submit(quiet_job([["/bin/true"]] * jobs))
        return jobs / (time.perf_counter() - begin)


if __name__ == "__main__":
    verb, arguments = sys.argv[1], sys.argv[2:]
    if verb == "submit":
        submit(*arguments)
        told: Any = None
    elif verb == "latencies":
        told = latencies(arguments[0], int(arguments[1]), arguments[2])
    elif verb == "makespan":
        told = makespan(arguments[0])
    else:
        told = (no_ops if verb == "no-ops" else bulk)(arguments[0], int(arguments[1]))
    print(json.dumps(told))
