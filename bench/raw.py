"""The yardstick: how fast this machine starts and ends processes at all, at this moment.

One Python loop of posix_spawn and waitpid on `/bin/true`, two in flight. It is run just before and just after whatever
is compared with it, because the same machine may be twice as fast a minute later.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from bench.figures import Sample

NO_OP = "/bin/true"
IN_FLIGHT = 2


def rate(jobs: int, in_flight: int = IN_FLIGHT) -> float:
    """No-op processes per second."""
    environ = dict(os.environ)
    running: set[int] = set()
    started = ended = 0
    begin = time.perf_counter()
    while ended < jobs:
        while started < jobs and len(running) < in_flight:
            running.add(os.posix_spawn(NO_OP, [NO_OP], environ))
            started += 1
        pid, _ = os.waitpid(-1, 0)
        if pid in running:
            running.remove(pid)
            ended += 1
    return jobs / (time.perf_counter() - begin)


def beside(measures: list[Callable[[], float]], jobs: int) -> Iterator[Sample]:
    """Each rate between two runs of the yardstick: raw, first, raw, second, raw ..."""
    before = rate(jobs)
    for measure in measures:
        measured = measure()
        after = rate(jobs)
        yield Sample(measured, before, after)
        before = after
