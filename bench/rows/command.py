"""The command line's own time: `ry submit` and `ry ls` in a pipe, beside a Python that only imports click."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from statistics import median

from bench.figures import Beside, Line, ms, spread
from bench.scale import Scale
from bench.yard import COMMAND, yard

ALLOWANCE_S = 0.040
PYTHON = (sys.executable, "-c", "pass")
CLICK = (sys.executable, "-c", "import click")


def measure(scale: Scale) -> Iterator[Line]:
    """Two Lines; all four commands take turns."""
    verbs = {"submit": (COMMAND, "submit", "--", "/bin/true"), "ls": (COMMAND, "ls")}
    taken: dict[str, list[float]] = {name: [] for name in ("pass", "click", *verbs)}
    with yard() as own:
        for _ in range(scale.latencies):
            for name, argv in {"pass": PYTHON, "click": CLICK, **verbs}.items():
                taken[name].append(wall(argv, own.environ))
    base, click = median(taken["pass"]), median(taken["click"])
    for name in verbs:
        seconds = median(taken[name])
        yield Line(
            f"`ry {name}` in a pipe, wall time",
            spread(taken[name]),
            (
                Beside("python -c 'import click'", ms(click), seconds / click),
                Beside("python -c pass", ms(base), seconds / base),
            ),
            f"< import click + {ms(ALLOWANCE_S)} = {ms(click + ALLOWANCE_S)}",
            seconds < click + ALLOWANCE_S,
            {"seconds": taken[name], "click_s": taken["click"], "pass_s": taken["pass"]},
        )


def wall(argv: tuple[str, ...], environ: dict[str, str]) -> float:
    read, write = os.pipe()
    begin = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, environ, file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)])
    os.close(write)
    while os.read(read, 65_536):
        pass
    _, status = os.waitpid(pid, 0)
    taken = time.perf_counter() - begin
    os.close(read)
    if status:
        raise RuntimeError(f"{' '.join(argv)} ended with wait status {status}")
    return taken
