"""A simulated machine: what is on its disk and what runs on it, with the same rules as the real runner and run file.

It outlives agents and servers. `Toy` is the engine over it; a new agent has a new one. Everything that happens there by
itself (a runner claims, starts, dies; a command ends) is a step that the simulation takes when it likes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from runyard.engines.base import Capabilities
from runyard.model.attempt import AttemptKey, Result
from runyard.model.beat import OVER, Observed, Order, StopOrder, Terms
from runyard.model.host import Device, DeviceProcess, Host
from tests.simulation.history import Forgot, History, Stopped

SIGNALLED = 15
OTHER_TOKEN = Result("inferred", None, "not-started", "another attempt has this number on this host")
PUT_AWAY = Result("inferred", None, "lost", "its files are put away already")


@dataclass
class Run:
    """A run directory and the processes that belong to it. `marked`: the command came to its own end."""

    key: AttemptKey
    order: Order | None = None
    boot: int = 0
    claim: str = ""
    runner: bool = False
    family: bool = False
    pid: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    result: Result | None = None
    stop: str = ""
    done: bool = False

    @property
    def name(self) -> tuple[int, int]:
        return (self.key.job_id, self.key.number)


@dataclass
class Ground:
    """One machine. `launches` are runners that were handed an order and have not looked at the claim yet."""

    name: str
    history: History
    now: Callable[[], float]
    cpus: int = 2
    gpus: int = 0
    boot: int = 1
    runs: dict[tuple[int, int], Run] = field(default_factory=dict)
    launches: list[Order] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)
    pids: int = 100

    @property
    def boot_id(self) -> str:
        return f"{self.name}-boot-{self.boot}"

    def look(self) -> Host:
        """The machine as a probe sees it."""
        return Host(self.name, self.name, self.boot_id, self.cpus, 8_000, self._devices(), self.now())

    def _devices(self) -> tuple[Device, ...]:
        return tuple(
            Device(self.gpu(index), index, "toy", 1_000, 0, None, self._on(self.gpu(index)))
            for index in range(self.gpus)
        )

    def gpu(self, index: int) -> str:
        return f"{self.name}-gpu-{index}"

    def _on(self, device: str) -> tuple[DeviceProcess, ...]:
        ours = [
            DeviceProcess(run.pid or 0, "me", 100, str(run.key))
            for run in self.runs.values()
            if run.family and run.order is not None and device in run.order.devices
        ]
        return (*ours, *([DeviceProcess(1, "eve", 900)] if device in self.foreign else []))

    # what happens by itself

    def claim(self, place: int) -> None:
        """A runner that was handed an order takes the claim, or finds it taken and starts nothing."""
        order = self.launches.pop(place)
        run = self.runs.get((order.key.job_id, order.key.number))
        if run is not None and run.key == order.key and not run.claim and not run.done:
            run.claim, run.runner, run.order, run.boot = "runner", True, order, self.boot

    def start(self, run: Run) -> None:
        """The command begins."""
        assert run.order is not None
        self.pids += 1
        run.pid, run.family, run.started_at = self.pids, True, self.now()
        self.history.started(self.name, run.order, self.now())

    def end(self, run: Run, status: int, why: str = "") -> None:
        """The command is over, and its runner has written it down."""
        self._dies(run, own=not why)
        run.runner = False
        run.ended_at, run.result = self.now(), Result("runner", status, why)

    def lose_runner(self, run: Run) -> None:
        """The runner is killed; the command may live on."""
        run.runner = False

    def reboot(self, forgotten: Callable[[Run], bool]) -> None:
        """Everything that ran is gone, and of what was not flushed what `forgotten` says."""
        self.boot += 1
        self.launches.clear()
        for run in list(self.runs.values()):
            self._dies(run, own=False)
            run.runner = False
            if run.result is None and not run.done and run.claim != "agent" and forgotten(run):
                del self.runs[run.name]

    def _dies(self, run: Run, own: bool) -> None:
        if run.family:
            run.family = False
            self.history.ended(self.name, run.key, self.now(), own)

    def bury(self, run: Run) -> None:
        """What is left of the family of a dead runner is ended; then it is lost."""
        self._dies(run, own=False)
        rebooted = run.boot != self.boot
        run.result = Result("inferred", None, "lost", "the host was restarted" if rebooted else "the runner died")
        run.ended_at = self.now()

    def running(self) -> list[Run]:
        return [run for run in self.runs.values() if run.family and run.runner]

    def claimed(self) -> list[Run]:
        """Claimed by a runner, its command not begun."""
        return [run for run in self.runs.values() if run.runner and run.pid is None]


class Toy:
    """An `Engine` over a Ground, with the verdicts of `runtime.verdict`."""

    capabilities = Capabilities("toy")

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._held: dict[AttemptKey, Observed] = {}

    def fileno(self) -> int:
        return 0

    def adopt(self) -> list[Observed]:
        for run in self._ground.runs.values():
            if run.claim and not run.done:
                self._held[run.key] = self._seen(run.key, Observed(run.key, "claimed"))
        return list(self._held.values())

    def start(self, order: Order, environment: str, script: str) -> None:
        key = order.key
        if key in self._held:
            return
        self._held[key] = Observed(key, "claimed", order.rank)
        run = self._ground.runs.get((key.job_id, key.number))
        if run is None:
            run = self._ground.runs[key.job_id, key.number] = Run(key, boot=self._ground.boot)
        if run.key == key and not run.claim and not run.done:
            self._ground.launches.append(order)

    def stop(self, order: StopOrder) -> None:
        if self.revoke(order.key).stage not in OVER:
            self._ground.runs[order.key.job_id, order.key.number].stop = order.why
            self._ground.history.add(Stopped(self._ground.name, order.key))

    def adjust(self, terms: Terms) -> None:
        """Commands here take no time."""

    def revoke(self, key: AttemptKey) -> Observed:
        run = self._ground.runs.setdefault((key.job_id, key.number), Run(key, boot=self._ground.boot))
        if run.key == key and not run.claim and not run.done:
            run.claim = "agent"
        return self._seen(key, self._held.setdefault(key, Observed(key, "claimed")))

    def poll(self) -> list[Observed]:
        news = []
        for key, before in self._held.items():
            seen = self._seen(key, before)
            if seen != before:
                news.append(seen)
                self._held[key] = seen
        return news

    def forget(self, key: AttemptKey) -> None:
        held = self._held.get(key)
        if held is None or self._seen(key, held).stage not in OVER:
            return
        del self._held[key]
        run = self._ground.runs.get((key.job_id, key.number))
        if run is not None and run.key == key:
            run.done = True
        self._ground.history.add(Forgot(self._ground.name, key))

    def attach_hint(self, key: AttemptKey) -> str:
        return ""

    def close(self) -> None:
        """Nothing to let go of."""

    def _seen(self, key: AttemptKey, before: Observed) -> Observed:
        if before.stage in OVER:
            return before
        run = self._ground.runs.get((key.job_id, key.number))
        if run is None or run.key != key:
            return replace(before, stage="ended", result=OTHER_TOKEN)
        if run.done:
            return replace(before, stage="ended", result=PUT_AWAY)
        if run.claim == "agent":
            return replace(before, stage="revoked", why="not-started")
        if run.claim == "runner" and not run.runner and run.result is None:
            self._ground.bury(run)
        if run.result is not None:
            return replace(
                before, stage="ended", pid=run.pid, started_at=run.started_at, ended_at=run.ended_at, result=run.result
            )
        if run.pid is not None:
            return replace(before, stage="started", pid=run.pid, started_at=run.started_at)
        return before
