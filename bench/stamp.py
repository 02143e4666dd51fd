"""A command that writes the times of its begin and its end: C where there is a compiler, else `date`.

The C program takes CLOCK_MONOTONIC as the first thing in main, so nothing has to be subtracted. `date` is a process of
its own behind a shell: what that costs is measured and taken off.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from statistics import median

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stamp.c")
SCRIPT = """#!/bin/sh
begin=$(date +%s%N)
[ -z "$2" ] || sleep "$(printf '%d.%03d' $(($2 / 1000)) $(($2 % 1000)))"
echo "$begin $(date +%s%N)" >>"$1"
"""
COST_SAMPLES = 20


@dataclass(frozen=True)
class Stamp:
    """The program, how it stamps, and what its stamp costs (`cost_ns` lies before each)."""

    path: str
    how: str
    cost_ns: int = 0

    def command(self, file: str, milliseconds: int = 0) -> tuple[str, ...]:
        """The command of a job that takes this long."""
        return (self.path, file, str(milliseconds)) if milliseconds else (self.path, file)

    def now_ns(self) -> int:
        """The present on the clock of the stamps."""
        return time.monotonic_ns() if self.how == "C" else time.time_ns()

    def read(self, file: str) -> list[tuple[int, int]]:
        """Begin and end of every job that has stamped this file, in the order of their ends."""
        with open(file, encoding="ascii") as stamped:
            pairs = [line.split() for line in stamped]
        return [(int(begin) - self.cost_ns, int(end) - self.cost_ns) for begin, end in pairs]


def build(directory: str) -> Stamp:
    """The stamp program, made in this directory."""
    path = os.path.join(directory, "stamp")
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler:
        for static in (["-static"], []):
            made = subprocess.run([compiler, "-O2", *static, "-o", path, SOURCE], capture_output=True, check=False)
            if made.returncode == 0:
                return Stamp(path, "C")
    with open(path, "w", encoding="ascii") as file:
        file.write(SCRIPT)
    os.chmod(path, 0o700)
    return Stamp(path, "date", _cost_of_date())


def _cost_of_date() -> int:
    """Nanoseconds from just before a shell with `date` in it is started to the time that `date` tells."""
    costs = []
    for _ in range(COST_SAMPLES):
        begin = time.time_ns()
        told = subprocess.run(["sh", "-c", "date +%s%N"], capture_output=True, check=True)
        costs.append(int(told.stdout) - begin)
    return int(median(costs))
