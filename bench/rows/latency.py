"""An idle yard: from the request to the command's first instruction, by a warm client and from the start of `ry`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from bench import stamp
from bench.directory import directory
from bench.figures import NOT_INSTALLED, Beside, Line, ms, spread
from bench.peers import PEERS
from bench.peers.base import Latencies
from bench.scale import Scale
from bench.stamp import Stamp
from bench.yard import COMMAND, Yard, yard

WARM_TARGET_S, PROCESS_TARGET_S = 0.010, 0.120
PAUSE_S = 0.05
"""Between two jobs, so that each finds an idle yard."""


def measure(scale: Scale) -> Iterator[Line]:
    """Two Lines."""
    with yard(parallel=2) as own:
        program = stamp.build(own.directory)
        spawned = _ours(scale, own, program, lambda command: _spawn(command, own))
        warm = _ours(scale, own, program, lambda command: _submit(command, own))
        process = _ours(scale, own, program, lambda command: _call(command, own))
    peers = {peer.name: _peer(peer.latencies, scale) if peer.installed() else None for peer in PEERS if peer.latencies}
    raw = Beside("raw posix_spawn", ms(median(spawned)), median(warm) / median(spawned))
    yield Line(
        f"idle yard: request to first instruction ({program.how} stamp)",
        spread(warm),
        (raw, *_besides(median(warm), {name: None if told is None else told.warm for name, told in peers.items()})),
        f"< {ms(WARM_TARGET_S)}",
        median(warm) < WARM_TARGET_S,
        {"seconds": warm},
    )
    yield Line(
        "idle yard: from the start of `ry submit`",
        spread(process),
        _besides(median(process), {name: None if told is None else told.process for name, told in peers.items()}),
        f"< {ms(PROCESS_TARGET_S)}",
        median(process) < PROCESS_TARGET_S,
        {"seconds": process},
    )


def _ours(scale: Scale, own: Yard, program: Stamp, start: Callable[[tuple[str, ...]], object]) -> list[float]:
    """Seconds from just before `start` to the stamp, once for each job."""
    taken = []
    for number in range(scale.latencies):
        file = os.path.join(own.directory, f"stamp-{number}-{time.monotonic_ns()}")
        begin = program.now_ns()
        start(program.command(file))
        while not (os.path.exists(file) and os.path.getsize(file)):
            time.sleep(0.001)
        taken.append((program.read(file)[0][0] - begin) / 1e9)
        time.sleep(PAUSE_S)
    return taken


def _submit(command: tuple[str, ...], own: Yard) -> None:
    own.submit([own.spec(*command)])


def _spawn(command: tuple[str, ...], own: Yard) -> None:
    os.waitpid(os.posix_spawn(command[0], command, own.environ), 0)


def _call(command: tuple[str, ...], own: Yard) -> None:
    """The command line, with its output thrown away."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    argv = [COMMAND, "submit", "-c", "0", "--", *command]
    _, status = os.waitpid(os.posix_spawn(COMMAND, argv, own.environ, file_actions=quiet), 0)
    if status:
        raise RuntimeError(f"`ry submit` ended with wait status {status}")


def _peer(latencies: Callable[[int, Stamp, str], Latencies], scale: Scale) -> Latencies:
    with directory() as path:
        return latencies(scale.latencies, stamp.build(path), path)


def _besides(ours: float, peers: Mapping[str, Sequence[float] | None]) -> tuple[Beside, ...]:
    """Each peer that can do this at all."""
    return tuple(
        Beside(name, NOT_INSTALLED) if theirs is None else Beside(name, ms(median(theirs)), ours / median(theirs))
        for name, theirs in peers.items()
        if theirs is None or theirs
    )
