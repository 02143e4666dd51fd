"""One simulated day, decided by a seed: submissions, results and every trouble that we know, then calm and the verdict.

The same seed gives the same day. Most days are mixed, some have no trouble and some are one long disaster; on some
there are only short jobs on one small machine, so that many are named ahead, and many are cancelled.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from runyard.errors import RunyardError
from runyard.model.editing import Draft, MoveCall, RetryCall
from runyard.model.spec import ArraySpec, Dependency, GpuRequest, JobSpec, Resources, Retry
from tests.simulation.ground import Run
from tests.simulation.wire import ANSWER_LOST, LOST, OK, Wire
from tests.simulation.world import Station, World

T = TypeVar("T")
FAILED = 0x100
FLOW = (
    "tick",
    "look",
    "agent",
    "report",
    "news",
    "answer",
    "agent",
    "claim",
    "begin",
    "obey",
    "end",
    "agent",
    "report",
)
"""How things go when nothing comes between."""


class Day:
    """The world of one seed and what happens in it. `log` names the steps taken."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.dice = random.Random(seed)
        self.trouble = self.dice.choice([0.0, 0.3, 1.0, 1.0, 3.0])
        self.short = self.dice.random() < 0.3
        self.world = World(directory, self._fate)
        self.ghosts: list[Wire] = []
        self.ids: list[int] = []
        self.log: list[str] = []
        for _ in range(1 if self.short else self.dice.randint(1, 3)):
            self.world.add_station(self.dice.randint(1, 3), 0 if self.short else self.dice.randint(0, 2))
        self.steps = self._steps()

    def play(self, steps: int) -> None:
        """The whole day."""
        for _ in range(steps):
            for name in self._next():
                self._take(name)
        self.log.append("calm")
        self._settle()
        self.world.calm()
        found = self.world.verdict()
        assert not found, "\n".join(found)

    def _next(self) -> Sequence[str]:
        """What goes its way, or something else that comes between."""
        if self.dice.random() < 0.5:
            return [name for name in FLOW if self._likely()]
        return self.dice.choices(list(self.steps), [weight for weight, _ in self.steps.values()])

    def _take(self, name: str) -> None:
        self.log.append(name)
        try:
            self.steps[name][1]()
        except RunyardError:
            self.log[-1] += " (refused)"
        self.world.look_around()

    def _steps(self) -> dict[str, tuple[float, Callable[[], None]]]:
        bad = self.trouble
        return {
            "submit": (4, self.submit),
            "cancel": (8 if self.short else 2, self.cancel),
            "hold": (0.5, self.hold),
            "release": (1, self.release),
            "queue": (1, self.queue),
            "retry": (1, self.retry),
            "edit": (0.5, self.edit),
            "move": (0.5, self.move),
            "drain": (0.3, self.drain),
            "tick": (4, self.tick),
            "night": (0.3, self.night),
            "agent": (3, self.agent),
            "report": (1, self.report),
            "answer": (1, self.answer),
            "news": (1, self.news),
            "claim": (1, self.claim),
            "begin": (1, self.begin),
            "end": (1, self.end),
            "obey": (1, self.obey),
            "look": (1, self.look),
            "report again": (bad, self.report_again),
            "report late": (bad, self.report_late),
            "report lost": (bad, self.report_lost),
            "answer again": (bad, self.answer_again),
            "answer late": (bad, self.answer_late),
            "answer lost": (bad, self.answer_lost),
            "ghost": (bad, self.ghost),
            "runner killed": (bad, self.runner_killed),
            "agent killed": (bad, self.agent_killed),
            "agent started": (2 + 2 * bad, self.agent_started),
            "reboot": (0.5 * bad, self.reboot),
            "server killed": (bad, self.server_killed),
            "server started": (2 + 2 * bad, self.server_started),
            "cable": (bad, self.cable),
            "foreign": (0.5 * bad, self.foreign),
        }

    # clients

    def submit(self) -> None:
        if self.dice.random() < 0.15:
            array = ArraySpec(tuple(range(self.dice.randint(1, 4))), self.dice.randint(0, 2))
            self.ids += self.world.submit(self._spec(0), array=array)
            return
        specs = [self._spec(place) for place in range(self.dice.choice([1, 1, 2, 3, 8]))]
        self.ids += self.world.submit(*specs, twice=self.dice.random() < 0.1)

    def _spec(self, place: int) -> JobSpec:
        dice = self.dice
        if self.short:
            return JobSpec((f"job{place}",), workdir="/")
        spec = JobSpec(
            (f"job{place}",), workdir="/", resources=self._resources(), priority=dice.choice([0, 0, 0, 5, -5])
        )
        if dice.random() < 0.3:
            spec = replace(spec, retry=Retry(dice.randint(0, 3), backoff_s=dice.choice([0.0, 0.0, 30.0])))
        if dice.random() < 0.2:
            spec = replace(spec, on_lost="requeue")
        if dice.random() < 0.2:
            spec = replace(spec, time_limit_s=dice.choice([1.0, 20.0, 500.0]))
        if dice.random() < 0.1:
            spec = replace(spec, begin_at=self.world.at + dice.choice([5.0, 100.0]))
        if dice.random() < 0.05:
            spec = replace(spec, hold=True)
        if dice.random() < 0.3:
            spec = replace(spec, after=self._after(place))
        return spec

    def _after(self, place: int) -> tuple[Dependency, ...]:
        earlier = self.ids[-6:] + [-before for before in range(1, place + 1)]
        wanted = self.dice.sample(earlier, min(len(earlier), self.dice.randint(1, 2)))
        return tuple(
            Dependency(on, self.dice.choice(["afterok", "afterok", "afterany", "afternotok"])) for on in wanted
        )

    def _resources(self) -> Resources:
        """What one of the machines could give."""
        dice, ground = self.dice, self._station().ground
        if dice.random() < 0.5:
            return Resources()
        gpus = GpuRequest()
        if ground.gpus and dice.random() < 0.6:
            share = dice.choice([0, 0, 300, 600])
            gpus = GpuRequest(dice.randint(1, ground.gpus) if not share else 1, share)
        return Resources(dice.randint(0 if gpus.count else 1, ground.cpus), 0, gpus)

    def cancel(self) -> None:
        self._each(self.ids[-12:], lambda job_id: self.world.cancel(job_id, self.dice.choice([15, 15, 9])))

    def hold(self) -> None:
        if self.world.service:
            self.world.service.hold(tuple(self.ids[-3:]))

    def release(self) -> None:
        if self.world.service:
            self.world.service.release(tuple(self.ids))

    def queue(self) -> None:
        if self.world.service:
            (row,) = self.world.service.queues()
            changed = replace(
                row.queue,
                parallel=self.dice.choice([0, 0, 1, 3]),
                paused=self.dice.random() < 0.2,
                stop_on_fail=self.dice.random() < 0.2,
            )
            self.world.service.save_queue(changed)

    def retry(self) -> None:
        """Some of the last jobs once more, whether they have ended or not."""
        ids = self._some()
        if self.world.service:
            self.world.service.retry(RetryCall(ids, self.dice.random() < 0.3))

    def edit(self) -> None:
        ids, dice = self._some(), self.dice
        if self.world.service:
            drafts = self.world.service.drafts(ids)
            resources, limit = self._resources(), dice.choice([None, 20.0, 500.0])
            specs = [replace(draft.spec, resources=resources, time_limit_s=limit) for draft in drafts]
            self.world.service.edit(
                tuple(Draft(draft.id, spec, draft.version) for draft, spec in zip(drafts, specs, strict=True))
            )

    def move(self) -> None:
        ids, where = self._some(), self.dice.choice(["first", "last"])
        if self.world.service:
            self.world.service.move(MoveCall(ids, where))

    def drain(self) -> None:
        if self.world.service:
            self.world.service.drain(self.dice.random() < 0.3)

    def _some(self) -> tuple[int, ...]:
        last = self.ids[-12:]
        return tuple(self.dice.sample(last, min(len(last), self.dice.randint(1, 4))))

    # time

    def tick(self) -> None:
        self.world.at += self.dice.choice([0.0, 0.01, 0.05] if self.short else [0.01, 0.05, 1.0, 5.0])
        self.world.time_out()
        if self.dice.random() < 0.5:
            self.world.turn()

    def night(self) -> None:
        self.world.at += 5_000.0
        self.world.time_out()
        self.world.turn()

    # agents and messages

    def agent(self) -> None:
        for station in self.world.stations:
            if station.agent is not None and self._likely():
                station.agent.turn()

    def look(self) -> None:
        for station in self.world.stations:
            if station.eyes is not None:
                station.eyes.look()

    def report(self) -> None:
        self._messages(lambda wire: wire.reports, lambda wire, place: wire.deliver(place))

    def report_again(self) -> None:
        self._message(lambda wire: wire.reports, lambda wire, place: wire.deliver(place, again=True))

    def report_late(self) -> None:
        self._message(lambda wire: wire.late, lambda wire, place: wire.deliver_late(place))

    def report_lost(self) -> None:
        self._message(lambda wire: wire.reports, lambda wire, place: wire.lose(place))

    def answer(self) -> None:
        self._messages(lambda wire: wire.answers, lambda wire, place: wire.answer(place))

    def answer_again(self) -> None:
        self._message(lambda wire: wire.answers, lambda wire, place: wire.answer(place, again=True))

    def answer_late(self) -> None:
        self._message(lambda wire: wire.late_answers, lambda wire, place: wire.answer_late(place))

    def answer_lost(self) -> None:
        self._message(lambda wire: wire.answers, lambda wire, place: wire.lose_answer(place))

    def news(self) -> None:
        for wire in self._wires():
            wire.news(every=self.dice.random() < 0.2)

    def ghost(self) -> None:
        """Something that a dead agent had sent arrives after all."""
        if self.ghosts:
            wire = self.dice.choice(self.ghosts)
            if wire.reports:
                wire.deliver(self.dice.randrange(len(wire.reports)))

    def cable(self) -> None:
        for wire in self._wires():
            wire.up = self.dice.random() < 0.7

    def _messages(self, kind: Callable[[Wire], Sequence[object]], act: Callable[[Wire, int], None]) -> None:
        """Most of what is on its way, in any order."""
        for wire in self._wires():
            while kind(wire) and self._likely():
                act(wire, self.dice.randrange(len(kind(wire))))

    def _message(self, kind: Callable[[Wire], Sequence[object]], act: Callable[[Wire, int], None]) -> None:
        wires = [wire for wire in self._wires() if kind(wire)]
        if wires:
            wire = self.dice.choice(wires)
            act(wire, self.dice.randrange(len(kind(wire))))

    def _wires(self) -> list[Wire]:
        return [station.wire for station in self.world.stations if station.wire is not None]

    def _fate(self) -> str:
        if self.dice.random() > 0.1 * self.trouble:
            return OK
        return self.dice.choice([LOST, ANSWER_LOST])

    # machines

    def claim(self) -> None:
        for station in self.world.stations:
            while station.ground.launches and self._likely():
                station.ground.claim(self.dice.randrange(len(station.ground.launches)))

    def begin(self) -> None:
        for station in self.world.stations:
            for run in station.ground.claimed():
                if self._likely():
                    self.world.begin(station, run)

    def end(self) -> None:
        for station in self.world.stations:
            for run in station.ground.running():
                if not self._likely():
                    station.ground.end(run, self.dice.choice([0, 0, 0, FAILED, 9]))

    def obey(self) -> None:
        for station in self.world.stations:
            for run in station.ground.running():
                if run.stop:
                    station.ground.end(run, 15, run.stop)

    def runner_killed(self) -> None:
        ground = self._station().ground
        self._each([*ground.running(), *ground.claimed()], ground.lose_runner)

    def agent_killed(self) -> None:
        wire = self.world.kill_agent(self._station())
        if wire is not None:
            self.ghosts = [*self.ghosts[-2:], wire]

    def agent_started(self) -> None:
        for station in self.world.stations:
            if station.agent is None:
                self.world.start_agent(station)

    def reboot(self) -> None:
        def forgotten(run: Run) -> bool:
            return self.dice.random() < 0.5

        self.world.reboot(self._station(), forgotten)

    def foreign(self) -> None:
        ground = self._station().ground
        ground.foreign.clear()
        if ground.gpus and self.dice.random() < 0.5:
            ground.foreign.add(ground.gpu(self.dice.randrange(ground.gpus)))

    # the server

    def server_killed(self) -> None:
        if self.world.service is not None:
            self.world.kill_server()

    def server_started(self) -> None:
        if self.world.service is None:
            self.world.start_server()

    # the end

    def _settle(self) -> None:
        """Nothing of what users had asked for stands in the way of an end."""
        self.server_started()
        self.trouble = 0.0
        service = self.world.service
        assert service is not None
        service.save_queue(replace(service.queues()[0].queue, paused=False, stop_on_fail=False, parallel=0))
        service.drain(False)
        service.release(tuple(job.id for job in self.world.jobs().values() if job.held))

    def _likely(self) -> bool:
        return self.dice.random() < 0.7

    def _station(self) -> Station:
        return self.dice.choice(self.world.stations)

    def _each(self, choice: Sequence[T], act: Callable[[T], object]) -> None:
        if choice:
            act(self.dice.choice(choice))
