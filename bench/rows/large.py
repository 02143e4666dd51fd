"""A yard with very many jobs, waiting in 50 shapes and done: what `ls`, `show` and a tick take, and how fast it starts.

The time in the server is that of a warm client's request less that of one that asks for nothing. Starts per second are
compared with an empty yard's, in turns: the same urgent no-op jobs in both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median

from bench import raw
from bench.figures import Beside, Line, ms, spread
from bench.fill import add_done
from bench.scale import Scale
from bench.yard import NOTHING, Yard, yard
from runyard.api import StopCall
from runyard.cli.ls import LIMIT
from runyard.model.filter import JobQuery

TARGET_S = 0.050
TARGET_SHARE = 0.9
URGENT = 1_000_000
BURST = 1_000
SLEEP_S = "3600"
TAIL = 100
"""The last jobs of a burst, among which are all that may still run when the very last has ended."""

LISTED = JobQuery(mine=True, recent=True, limit=LIMIT + 1)
"""What `ry ls` asks for."""


def measure(scale: Scale) -> Iterator[Line]:
    """Four Lines."""
    with yard() as empty, yard() as own:
        ids = _fill(own, scale)
        size = f"({_short(scale.waiting)} waiting, {_short(scale.done)} done)"
        _occupy(empty)
        _occupy(own)
        small, large = _asks(empty, empty.submit([empty.spec(raw.NO_OP)])), _asks(own, ids)
        for what in large:
            theirs = _server_side(empty, small[what], scale)
            ours = _server_side(own, large[what], scale)
            yield Line(
                f"{what} in the server {size}",
                spread(ours),
                (Beside("an empty yard", ms(median(theirs)), median(ours) / max(median(theirs), 1e-6)),),
                f"< {ms(TARGET_S)}",
                median(ours) < TARGET_S,
                {"seconds": ours, "empty_s": theirs},
            )
        _vacate(empty)
        _vacate(own)
        yield _starts(empty, own, scale)


def _occupy(own: Yard) -> None:
    """Both places are taken, so that every other job waits for one: the plan has to say so of each shape."""
    own.queue(paused=True)
    own.submit([replace(own.spec("/bin/sleep", SLEEP_S), priority=URGENT)] * 2)
    own.queue(paused=False)
    while sum(row.stage == "running" for row in own.status().running) < 2:
        time.sleep(0.01)


def _vacate(own: Yard) -> None:
    own.queue(paused=True)
    own.service.stop(StopCall(tuple(row.id for row in own.status().running), signal=9))
    while own.status().running:
        time.sleep(0.01)


def _short(number: int) -> str:
    """100,000 as 100k."""
    return f"{number // 1_000_000}M" if number >= 1_000_000 else f"{number // 1_000}k"


def _fill(own: Yard, scale: Scale) -> tuple[int, ...]:
    """Done ones by SQL, waiting ones as anybody submits them; the ids of the latter."""
    template = own.run([own.spec(raw.NO_OP)])[0]
    own.queue(paused=True)
    own.stop()
    add_done(own.home, template, scale.done)
    own.start()
    spec = own.spec(raw.NO_OP)
    shapes = [replace(spec, resources=replace(NOTHING, memory_mb=1 + n)) for n in range(scale.shapes)]
    return own.submit([shapes[n % scale.shapes] for n in range(scale.waiting)])


Ask = Callable[[], object]


def _asks(own: Yard, ids: tuple[int, ...]) -> dict[str, tuple[Ask, Ask]]:
    """What is timed, and what undoes it."""
    job_id = ids[len(ids) // 2]
    return {
        "`ls`": (lambda: own.service.jobs(LISTED), _nothing),
        "`show`": (lambda: own.service.job(job_id), _nothing),
        "a tick (a job let go: apply, plan, commit)": (
            lambda: own.service.release((job_id,)),
            lambda: own.service.hold((job_id,)),
        ),
    }


def _nothing() -> None:
    """There is nothing to undo."""


def _server_side(own: Yard, asks: tuple[Ask, Ask], scale: Scale) -> list[float]:
    """Seconds of each call, less what an empty one takes."""
    taken, nothing = [], []
    ask, undo = asks
    for _ in range(scale.latencies):
        undo()
        nothing.append(_seconds(lambda: own.service.changed((), 0, 0)))
        taken.append(_seconds(ask))
    empty = median(nothing)
    return [max(0.0, seconds - empty) for seconds in taken]


def _seconds(ask: Ask) -> float:
    begin = time.perf_counter()
    ask()
    return time.perf_counter() - begin


def _starts(empty: Yard, own: Yard, scale: Scale) -> Line:
    ours, theirs = [], []
    for _ in range(scale.repeats):
        theirs.append(_burst(empty))
        ours.append(_burst(own))
    share = median(mine / other for mine, other in zip(ours, theirs, strict=True))
    return Line(
        f"starts per second ({_short(scale.waiting)} waiting, {_short(scale.done)} done)",
        f"{median(ours):,.0f}/s",
        (Beside("an empty yard", f"{median(theirs):,.0f}/s", share),),
        f">= {TARGET_SHARE} of it",
        share >= TARGET_SHARE,
        {"per_s": ours, "empty_per_s": theirs},
    )


def _burst(own: Yard) -> float:
    """Urgent no-op jobs per second, from release; the others stay where they are."""
    own.queue(paused=True)
    ids = own.submit([replace(own.spec(raw.NO_OP), priority=URGENT)] * BURST)
    last = JobQuery((f"{ids[-TAIL]}-{ids[-1]}",))
    position = own.service.changed((), 0, 0)
    begin = time.perf_counter()
    own.queue(paused=False)
    while any(row.state != "done" for row in own.service.jobs(last)):
        position = own.service.changed((f"job:{ids[-1]}",), position, 0.02 if time.perf_counter() - begin > 1 else 1)
    taken = time.perf_counter() - begin
    own.queue(paused=True)
    own.check(ids)
    return BURST / taken
