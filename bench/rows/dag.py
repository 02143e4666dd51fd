"""A DAG of 4 layers of 25 jobs of 0.2 s, each layer waiting for all of the one before, four at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from statistics import median

from bench.directory import directory
from bench.figures import NOT_INSTALLED, Beside, Line
from bench.peers import PEERS
from bench.scale import Scale
from bench.yard import Yard, yard
from runyard.model.spec import Dependency, JobSpec

LAYERS, WIDTH, PARALLEL, JOB_S = 4, 25, 4, 0.2
IDEAL_S = LAYERS * math.ceil(WIDTH / PARALLEL) * JOB_S
TARGET = 1.05


def measure(scale: Scale) -> Iterator[Line]:
    """One Line; the ideal is what no queue can beat."""
    with yard(parallel=PARALLEL) as own:
        taken = [_run(own) for _ in range(scale.repeats)]
    seconds = median(taken)
    besides = [Beside("ideal", f"{IDEAL_S:.1f} s", seconds / IDEAL_S)]
    for peer in PEERS:
        if peer.makespan is None:
            continue
        if not peer.installed():
            besides.append(Beside(peer.name, NOT_INSTALLED))
            continue
        with directory() as path:
            theirs = peer.makespan(path)
        besides.append(Beside(peer.name, f"{theirs:.2f} s = {theirs / IDEAL_S:.2f} of ideal", seconds / theirs))
    yield Line(
        f"DAG of {LAYERS} x {WIDTH} jobs of {JOB_S} s, {PARALLEL} at a time, makespan",
        f"{seconds:.2f} s = {seconds / IDEAL_S:.3f} of ideal",
        tuple(besides),
        f"< {TARGET} of ideal",
        seconds / IDEAL_S < TARGET,
        {"seconds": taken},
    )


def _run(own: Yard) -> float:
    specs: list[JobSpec] = []
    for layer in range(LAYERS):
        before = tuple(Dependency(-place) for place in range((layer - 1) * WIDTH + 1, layer * WIDTH + 1))
        specs += [replace(own.spec("/bin/sleep", str(JOB_S)), after=before if layer else ())] * WIDTH
    begin = time.perf_counter()
    ids = own.submit(specs)
    own.drain(ids[-1])
    taken = time.perf_counter() - begin
    own.check(ids)
    return taken
