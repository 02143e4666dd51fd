"""A whole yard in one thread under a fake clock: server, store, machines and the agents on them.

The service, the controller, the planner, the agent and its reconcile are the real ones; machines and the wire between
are simulated. Every step is a method here; a simulation or a state machine decides which comes next. `calm` lets
everything come to its end without further trouble, `verdict` holds the history against the yard's records.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, cast

from runyard.agent.identity import Identity
from runyard.agent.link import ServerLink
from runyard.agent.look import Looker
from runyard.agent.main import Agent
from runyard.agent.prepare import Preparer
from runyard.api import ChangeResult, StopCall, Submission
from runyard.model.attempt import AttemptKey
from runyard.model.filter import JobQuery
from runyard.model.job import Job, JobState
from runyard.model.lifecycle import still_open
from runyard.model.outcome import Outcome
from runyard.model.spec import ArraySpec, JobSpec
from runyard.service.blobs import Blobs
from runyard.service.coding import CodeDesk, NoRepositories
from runyard.service.controller import Controller, Surroundings
from runyard.service.local import LocalService
from runyard.service.turn import Turn
from runyard.service.verbs import About, Caller, Yard
from runyard.settings import Home
from runyard.store.base import Criteria
from runyard.store.memory import MemoryStore
from tests.simulation.ground import SIGNALLED, Ground, Run, Toy
from tests.simulation.history import Accepted, History, check
from tests.simulation.wire import OK, Eyes, Wire

ME = Caller("me", 1000)
START = 1_000_000.0
CALM_ROUNDS = 3_000


class Driven(Controller):
    """A controller whose turns happen when something is asked of it, one at a time, without a thread."""

    def post(self, work: Callable[[Turn], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        self.turn([(work, future)])
        return future


@dataclass
class Station:
    """A machine, and the agent on it if one lives."""

    ground: Ground
    home: Home
    agent: Agent | None = None
    wire: Wire | None = None
    eyes: Eyes | None = None


class World:
    """Everything. `fate` says what happens to the next hello of an agent."""

    def __init__(self, directory: Path, fate: Callable[[], str] = lambda: OK) -> None:
        self._directory = directory
        self._fate = fate
        self._tokens = count(1)
        self._keys = count(1)
        self.at = START
        self.history = History()
        self.stations: list[Station] = []
        self.accepts = False
        self.store = MemoryStore("the-yard")
        self.service: LocalService | None = None
        self.controller: Driven | None = None
        self.start_server()

    def now(self) -> float:
        return self.at

    # the server

    def start_server(self) -> None:
        """A new controller on the present store."""
        self.controller = Driven(self.store, Surroundings(self.now, lambda: f"token-{next(self._tokens)}"))
        blobs = Blobs(str(self._directory / "blobs"))
        yard = Yard(
            controller=self.controller,
            files=cast(Any, None),
            blobs=blobs,
            about=About("sim", "", "", "", self.at),
            now=self.now,
            free_mb=lambda: 1_000,
            collect=lambda dry: (),
            remove_output=lambda jobs: None,
            adopt_output=lambda job, path: None,
            code=CodeDesk(NoRepositories(), blobs, self.controller, self.now),
            links=lambda job: (),
        )
        self.controller.accepted = self.accepts
        self.controller.begin()
        self.service = LocalService(yard, ME)

    def kill_server(self) -> None:
        """It is gone, and with it all that it had not committed."""
        self.service = self.controller = None
        for station in self.stations:
            if station.wire is not None:
                station.wire.server_died()

    def snapshot(self) -> MemoryStore:
        """A copy of the store as it is."""
        return copy.copy(self.store)

    def turn(self) -> None:
        """The yard thread looks what is due, and plans."""
        if self.controller is not None:
            self.controller.turn([])

    def submit(self, *specs: JobSpec, array: ArraySpec | None = None, twice: bool = False) -> tuple[int, ...]:
        """A client submits, and has its answer; with `twice` the first answer was lost."""
        if self.service is None:
            return ()
        submission = Submission(specs, f"simulation-{next(self._keys)}", {1: array} if array is not None else {})
        ids = self.service.submit(submission).ids
        if twice:
            assert self.service.submit(submission).ids == ids
        for job_id in ids:
            self.history.add(Accepted(job_id))
        return ids

    def cancel(self, job_id: int, signal: int = SIGNALLED) -> ChangeResult | None:
        return self.service.stop(StopCall((job_id,), signal)) if self.service else None

    def job(self, job_id: int) -> Job:
        return self.store.job(job_id)

    def jobs(self) -> dict[int, Job]:
        return {job.id: job for job in self.store.jobs(Criteria())}

    # machines and agents

    def add_station(self, cpus: int = 2, gpus: int = 0) -> Station:
        name = f"host{len(self.stations) + 1}"
        root = self._directory / name
        root.mkdir()
        station = Station(Ground(name, self.history, self.now, cpus, gpus), Home(str(root)))
        self.history.cpus[name] = cpus
        self.stations.append(station)
        self.start_agent(station)
        return station

    def start_agent(self, station: Station) -> None:
        identity = Identity(f"agent-of-{station.ground.name}", ME.user, ME.uid, "sim", foreign_mb=500)
        station.wire = Wire(lambda: self.service, self._fate)
        station.eyes = Eyes(station.ground.look, self.now)
        eyes, wire = cast(Looker, station.eyes), cast(ServerLink, station.wire)
        station.agent = Agent(identity, station.home, Toy(station.ground), eyes, Preparer(lambda code: ""), wire)
        station.agent.begin()
        station.eyes.look()

    def kill_agent(self, station: Station) -> Wire | None:
        """It is gone; what it sent may still arrive, so its wire is returned."""
        wire = station.wire
        if station.agent is not None:
            station.agent.close()
        station.agent = station.wire = station.eyes = None
        return wire

    def reboot(self, station: Station, forgotten: Callable[[Run], bool]) -> None:
        self.kill_agent(station)
        station.ground.reboot(forgotten)

    def begin(self, station: Station, run: Run) -> None:
        """A claimed command begins: the moment of truth."""
        if not self.accepts:  # by an operator's word a store counts that may never have given this attempt
            self._may_begin(run.key)
        station.ground.start(run)

    def _may_begin(self, key: AttemptKey) -> None:
        job = self.store.load([key.job_id]).get(key.job_id)
        assert job is not None, f"{key} begins and nobody knows the job"
        assert job.state is not JobState.DONE, f"{key} begins although its job is {job.word}"
        assert job.attempt is not None, f"{key} begins and was never assigned"
        assert (job.attempt.number, job.attempt.token) == (key.number, key.token), f"{key} begins, {job.attempt} is it"

    def time_out(self) -> None:
        """Runners end what has run as long as it may."""
        for station in self.stations:
            for run in station.ground.running():
                limit = run.order.time_limit_s if run.order else None
                if limit is not None and run.started_at is not None and self.at >= run.started_at + limit:
                    station.ground.end(run, SIGNALLED, "timeout")

    # the end

    def calm(self) -> None:
        """No more trouble: everything is started again, every message arrives, until nothing is left to do."""
        if self.service is None:
            self.start_server()
        for station in self.stations:
            station.ground.foreign.clear()
            if station.agent is None:
                self.start_agent(station)
            if station.wire is not None:
                station.wire.up = True
        for _ in range(CALM_ROUNDS):
            self._round()
            if all(job.state is JobState.DONE or self._stuck(job) for job in self.jobs().values()) and self._quiet():
                return
        left = [self._why(job) for job in self.jobs().values() if job.state is not JobState.DONE]
        raise AssertionError("no end in sight: " + "; ".join(left))

    def _why(self, job: Job) -> str:
        assert self.service is not None
        attempt = f" as {job.attempt.number}" if job.attempt is not None else ""
        return f"{job.id}{attempt} is {job.word} ({self.service.explain(job.id).sentence})"

    def _round(self) -> None:
        self.at += 2.0
        for station in self.stations:
            ground, agent, wire, eyes = station.ground, station.agent, station.wire, station.eyes
            assert agent is not None and wire is not None and eyes is not None
            while ground.launches:
                ground.claim(0)
            for run in ground.claimed():
                self.begin(station, run)
            for run in ground.running():
                ground.end(run, SIGNALLED if run.stop else 0, run.stop)
            eyes.look()
            agent.turn()
            while wire.reports:
                wire.deliver(0)
            wire.news()
            while wire.answers:
                wire.answer(0)
        self.turn()

    def _quiet(self) -> bool:
        """Nobody has anything left to tell."""
        return all(
            not station.ground.launches
            and not station.ground.claimed()
            and not any(run.family or run.runner for run in station.ground.runs.values())
            and all(run.done or run.claim == "agent" or not self._mine(run) for run in station.ground.runs.values())
            for station in self.stations
        )

    def _mine(self, run: Run) -> bool:
        """Whether the store gave this attempt (one that went back meanwhile may not know it)."""
        attempts = self.store.attempts(run.key.job_id)
        return any((attempt.number, attempt.token) == (run.key.number, run.key.token) for attempt in attempts)

    def _stuck(self, job: Job) -> bool:
        """It waits for a job that nobody will decide about any more: one that is lost, or waits so itself."""
        if job.state is not JobState.PENDING or not job.waiting_on:
            return False
        before = [self.job(wanted.job_id) for wanted in job.spec.after]
        return any(other.outcome is Outcome.LOST or self._stuck(other) for other in before)

    def verdict(self) -> list[str]:
        """Everything that must not have happened."""
        return check(self.history, self.jobs()) + self._held_by_nobody()

    def _held_by_nobody(self) -> list[str]:
        return [f"{job.word} job {job.id} still holds its place" for job in self.store.active()]

    def words(self) -> dict[int, str]:
        return {row.id: row.word for row in (self.service.jobs(JobQuery()) if self.service else ())}

    def alive(self) -> Sequence[Run]:
        return [run for station in self.stations for run in station.ground.runs.values() if run.family]

    def look_around(self) -> None:
        """What must be so at every moment: whatever lives is known to live, and everybody waits for what is open."""
        jobs = self.jobs()
        for job in jobs.values():
            was_let_go = job.attempt is not None and not job.waiting_on  # what it waited for may be tried again since
            if job.state is JobState.PENDING and not was_let_go:
                counted = still_open(job.spec.after, jobs)
                assert counted == (job.waiting_on, None), f"job {job.id} waits for {job.waiting_on}, not {counted}"
        for run in self.alive():
            job = self.job(run.key.job_id)
            assert job.attempt is not None
            known = (job.attempt.number, job.attempt.token) == (run.key.number, run.key.token)
            assert known and job.state in (JobState.ASSIGNED, JobState.RUNNING), (
                f"{run.key} lives, its job is {job.word} ({job.reason})"
            )
