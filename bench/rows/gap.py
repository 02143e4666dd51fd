"""One slot: from the end of one job to the start of the next, for short and for longer jobs, and on a GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from statistics import median

from bench import stamp
from bench.fake_gpu import fake_gpu
from bench.figures import Beside, Line, ms, spread
from bench.scale import Scale
from bench.stamp import Stamp
from bench.yard import NOTHING, Yard, yard
from runyard.model.spec import GpuRequest

TARGET_S = 0.010
SHORT_MS, LONG_MS = 20, 150
_ON_GPU = f"gap between two jobs of {LONG_MS} ms on one GPU"
"""Runs under 100 ms have a chain of successors, those under 400 ms one. With a GPU these take the whole way."""


def measure(scale: Scale) -> Iterator[Line]:
    """A Line for each kind."""
    with yard(parallel=1) as own:
        program = stamp.build(own.directory)
        raw = _raw(program, own, scale.gaps)
        for milliseconds in (SHORT_MS, LONG_MS):
            what = f"gap between two jobs of {milliseconds} ms on one slot"
            yield _line(what, _gaps(own, program, milliseconds, scale.gaps), raw)
    with yard(parallel=1) as own:
        if own.service.hosts()[0].devices:
            yield _line(f"{_ON_GPU} (real)", _gaps(own, stamp.build(own.directory), LONG_MS, scale.gaps, gpus=1), raw)
    with fake_gpu() as variables:
        if variables is None:
            yield Line(f"{_ON_GPU} (fake)", "no C compiler to build it")
            return
        with yard(parallel=0, **variables) as own:
            yield _line(f"{_ON_GPU} (fake)", _gaps(own, stamp.build(own.directory), LONG_MS, scale.gaps, gpus=1), raw)


def _line(what: str, gaps: list[float], raw: float) -> Line:
    beside = Beside("raw posix_spawn loop", ms(raw), median(gaps) / raw)
    return Line(what, spread(gaps), (beside,), f"< {ms(TARGET_S)}", median(gaps) < TARGET_S, {"seconds": gaps})


def _gaps(own: Yard, program: Stamp, milliseconds: int, count: int, gpus: int = 0) -> list[float]:
    """Seconds between jobs, the first few left out."""
    file = os.path.join(own.directory, f"stamps-{milliseconds}-{gpus}")
    spec = replace(
        own.spec(*program.command(file, milliseconds)), resources=replace(NOTHING, gpus=GpuRequest(count=gpus))
    )
    own.run([spec] * (count + 3))
    stamps = program.read(file)[2:]
    return [(after[0] - before[1]) / 1e9 for before, after in pairwise(stamps)]


def _raw(program: Stamp, own: Yard, count: int) -> float:
    """The same from a loop that does nothing else."""
    file = os.path.join(own.directory, "stamps-raw")
    for _ in range(count + 1):
        command = program.command(file, SHORT_MS)
        os.waitpid(os.posix_spawn(command[0], command, own.environ), 0)
    stamps = program.read(file)
    return median((after[0] - before[1]) / 1e9 for before, after in pairwise(stamps))
