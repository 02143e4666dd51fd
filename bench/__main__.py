"""`python -m bench [--only NAME ...] [--quick] [--json FILE]`: prints the table of what this machine reaches now.

Each row's yard is private and ends with it. What goes on is told on stderr, the table comes last, on stdout.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator

import runyard
from bench import raw, table
from bench.figures import Line
from bench.rows import bulk, command, dag, gap, idle, large, latency, pipeline, remote, restart, throughput
from bench.scale import QUICK, Scale

ROWS: dict[str, Callable[[Scale], Iterator[Line]]] = {
    "throughput": throughput.measure,
    "latency": latency.measure,
    "gap": gap.measure,
    "bulk": bulk.measure,
    "command": command.measure,
    "remote": remote.measure,
    "large": large.measure,
    "dag": dag.measure,
    "pipeline": pipeline.measure,
    "idle": idle.measure,
    "restart": restart.measure,
}


def main() -> int:
    """Measure what was asked for; 1 if something could not be measured. (A missed target is no failure.)"""
    parser = argparse.ArgumentParser(prog="bench", description="Speed and size of Runyard, beside its peers.")
    parser.add_argument("--only", choices=ROWS, action="append", help="this family of rows (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="few jobs, one run: does everything work?")
    parser.add_argument("--json", metavar="FILE", help="write every sample to this file")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("bench: interrupted"))  # the yard and the peers of now are ended
    scale = QUICK if arguments.quick else Scale()
    compileall.compile_dir(os.path.dirname(runyard.__file__), quiet=2)  # as an installation does
    load = os.getloadavg()[0]
    lines, failed = measure_all(arguments.only or list(ROWS), scale)
    print(
        f"{os.cpu_count()} CPUs, Python {platform.python_version()}; raw is a Python loop of posix_spawn + waitpid on"
    )
    print(f"{raw.NO_OP}, {raw.IN_FLIGHT} in flight; a ratio is ours to what stands beside it; medians.")
    print(f"Before we began others kept {load:.1f} of the CPUs busy: above 0.5 the figures are too high.\n")
    print(table.text(lines))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            file.write(table.as_json(lines) + "\n")
    return int(failed)


def measure_all(names: list[str], scale: Scale) -> tuple[list[Line], bool]:
    """The lines of these families. One that fails says so in the table."""
    lines: list[Line] = []
    failed = False
    for name in names:
        begin = time.monotonic()
        print(f"bench: {name} ...", file=sys.stderr, flush=True)
        try:
            for line in ROWS[name](scale):
                lines.append(line)
                print(f"bench:   {line.what}: {line.ours}", file=sys.stderr, flush=True)
        except Exception as error:  # noqa: BLE001  # one family must not take the others along
            failed = True
            lines.append(Line(name, f"failed: {type(error).__name__}: {' '.join(str(error).split())}"[:100]))
            print(f"bench:   failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        print(f"bench: {name} took {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    return lines, failed


if __name__ == "__main__":
    sys.exit(main())
