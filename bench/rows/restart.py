"""kill -9 with very many jobs waiting and hundreds running: until the server serves again, and all are adopted."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from bench import processes, raw
from bench.figures import Line, ms
from bench.scale import Scale
from bench.yard import Yard, yard
from runyard.model.filter import JobQuery

TARGET_S = 3.0
SLEEP_S = "3600"
PATIENCE_S = 60.0
OF_ONE_SUBMIT = 50_000


@dataclass(frozen=True)
class Comeback:
    """Seconds from the start of the server to its first answer and to the last adopted job; jobs with a new pid."""

    serving_s: float
    adopted_s: float
    changed: int


def measure(scale: Scale) -> Iterator[Line]:
    """A Line for the server alone and one for server and agent."""
    with yard(parallel=scale.running) as own:
        _fill(own, scale)
        for what, names in (("the server", ("ry-server",)), ("server and agent", ("ry-server", "ry-agent"))):
            back = [_restart(own, names, scale.running) for _ in range(scale.repeats)]
            serving, adopted = median(b.serving_s for b in back), median(b.adopted_s for b in back)
            lost = sum(b.changed for b in back)
            yield Line(
                f"serving after kill -9 of {what} ({scale.waiting // 1_000}k waiting, {scale.running} running)",
                f"{ms(serving)}; all {scale.running - lost} adopted after {ms(adopted)}",
                target=f"< {ms(TARGET_S)}, all adopted",
                met=serving < TARGET_S and not lost,
                samples={"serving_s": [b.serving_s for b in back], "adopted_s": [b.adopted_s for b in back]},
            )


def _fill(own: Yard, scale: Scale) -> None:
    own.submit([own.spec("/bin/sleep", SLEEP_S)] * scale.running)
    for first in range(0, scale.waiting, OF_ONE_SUBMIT):
        own.submit([own.spec(raw.NO_OP)] * min(OF_ONE_SUBMIT, scale.waiting - first))
    deadline = time.monotonic() + PATIENCE_S
    while len(_running(own)) < scale.running:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {len(_running(own))} of {scale.running} jobs have started")
        time.sleep(0.1)


def _running(own: Yard) -> dict[int, int]:
    """Job to pid, of all that run."""
    return {row.id: row.pid for row in own.status().running if row.stage == "running" and row.pid}


def _restart(own: Yard, names: tuple[str, ...], running: int) -> Comeback:
    before = _running(own)
    beaten = time.time()
    pids = [pid for name in names for pid in processes.named(own.home.root, name)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    while any(pid in processes.of_home(own.home.root) for pid in pids):
        time.sleep(0.001)
    begin = time.perf_counter()
    beaten = time.time()
    own.start_server()
    own.service.jobs(JobQuery(mine=True, recent=True, limit=50))
    serving = time.perf_counter() - begin
    deadline = time.monotonic() + PATIENCE_S
    while not _adopted(own, beaten, running):
        if time.monotonic() > deadline:
            break
        time.sleep(0.005)
    adopted = time.perf_counter() - begin
    after = _running(own)
    return Comeback(serving, adopted, sum(after.get(job) != pid for job, pid in before.items()))


def _adopted(own: Yard, since: float, running: int) -> bool:
    """The agent has reported to the new server (twice: its hello, and its whole list), which knows all it has."""
    status = own.status()
    agents = status.agents
    heard = bool(agents) and all(agent.last_beat_at > since and not agent.unknown for agent in agents)
    return heard and sum(row.stage == "running" for row in status.running) >= running
