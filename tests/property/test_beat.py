"""The beat under everything that can happen to it, on one machine: hypothesis chooses the steps and shrinks what fails.

Answers are lost, doubled, reordered and late; agent and server are killed and started again; a job is cancelled between
any two steps; a runner is slow to claim; the server comes up with an older store or an empty one, and later with the
newest again. The service, the controller, the dispatch, the agent and its reconcile are the real ones (see
`tests.simulation.world`).

What holds at every moment: a command begins only while its job waits for just that; an attempt begins at most once;
devices and CPUs are never held twice; nothing is forgotten that the store has not settled; while an older store is in
place that the agent has seen newer, nothing begins by its orders and nothing is stopped. When all is calm, every job
has one outcome. An agent that is killed may forget how far its yard had come; if it then takes orders from the older
store, the two histories have `parted`: what is already here still begins only once and shares its devices with nobody.
A reboot may cost the last run files; not together with the former: where store, agent and run files have all forgotten
an attempt, nothing is left that could know of it.
"""

from __future__ import annotations

import copy
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from runyard.errors import Conflict
from runyard.model.job import JobState
from runyard.model.spec import GpuRequest, JobSpec, Resources, Retry
from runyard.store.memory import MemoryStore
from tests.simulation.ground import Run
from tests.simulation.history import Forgot, double_starts, overlaps
from tests.simulation.wire import ANSWER_LOST, LOST, OK, Wire
from tests.simulation.world import Station, World

MEMORY = "/dev/shm"
PLACE = st.integers(0, 40)
STATUS = st.sampled_from([0, 0, 0x100, 9])


class Beats(RuleBasedStateMachine):
    """One machine with two CPUs and a GPU, one agent, one server."""

    def __init__(self) -> None:
        super().__init__()
        logging.getLogger("runyard").setLevel(logging.CRITICAL)
        self.directory = tempfile.mkdtemp(dir=MEMORY if os.path.isdir(MEMORY) else None)
        self.fates: list[str] = []
        self.world = World(Path(self.directory), lambda: self.fates.pop() if self.fates else OK)
        self.station: Station = self.world.add_station(cpus=2, gpus=1)
        self.ghosts: list[Wire] = []
        self.copies: list[MemoryStore] = []
        self.newest: MemoryStore | None = None
        self.knows: object = None
        self.parted = False
        self.forgot = False
        self.seen = 0

    def teardown(self) -> None:
        self.world.kill_agent(self.station)
        shutil.rmtree(self.directory)
        logging.getLogger("runyard").setLevel(logging.NOTSET)

    @property
    def wire(self) -> Wire | None:
        return self.station.wire

    # users

    @initialize(jobs=st.integers(1, 6))
    def begins(self, jobs: int) -> None:
        self.world.submit(*[JobSpec(("true",), workdir="/") for _ in range(jobs)])
        self.flow(2)

    @precondition(lambda self: self.newest is None)
    @rule(gpu=st.booleans(), retries=st.integers(0, 1), requeue=st.booleans(), jobs=st.integers(1, 4))
    def submit(self, gpu: bool, retries: int, requeue: bool, jobs: int) -> None:
        spec = JobSpec(
            ("true",),
            workdir="/",
            resources=Resources(gpus=GpuRequest(int(gpu))),
            retry=Retry(retries),
            on_lost="requeue" if requeue else "end",
        )
        if jobs:
            with suppress(Conflict):  # a store that is known to have gone back accepts nothing
                self.world.submit(*[spec] * jobs)

    @precondition(lambda self: self.newest is None)
    @rule(place=PLACE, signal=st.sampled_from([15, 9]))
    def cancel(self, place: int, signal: int) -> None:
        open_jobs = [job.id for job in self.world.jobs().values() if job.state is not JobState.DONE]
        if open_jobs:
            self.world.cancel(open_jobs[place % len(open_jobs)], signal)

    @rule(seconds=st.sampled_from([0.0, 0.02, 6.0, 70.0]))
    def tick(self, seconds: float) -> None:
        self.world.at += seconds
        self.world.turn()

    # messages

    @rule(rounds=st.integers(1, 3), ends=st.booleans())
    def flow(self, rounds: int, ends: bool = True) -> None:
        """Things go their way for a while."""
        if self.newest is None:
            self.copies = [*self.copies[-3:], self.world.snapshot()]
        for _ in range(rounds):
            for step in (self.look, self.agent, self.reports, self.news, self.answers, self.agent, self.runners):
                step()
            for run in self.station.ground.running()[::2] if ends else ():
                self.station.ground.end(run, 0)

    @rule(jobs=st.integers(0, 4), gpu=st.booleans(), place=PLACE, ends=st.booleans())
    def busy(self, jobs: int, gpu: bool, place: int, ends: bool) -> None:
        """More comes in, something is cancelled, and things go their way."""
        if self.newest is None:
            self.submit(gpu, 0, False, jobs)
            self.cancel(place, 15)
        self.flow(1, ends)

    @rule()
    def agent(self) -> None:
        if self.station.agent is not None:
            self.station.agent.turn()

    @rule()
    def look(self) -> None:
        if self.station.eyes is not None:
            self.station.eyes.look()

    def reports(self) -> None:
        while self.wire is not None and self.wire.reports:
            self.wire.deliver(0)

    def answers(self) -> None:
        while self.wire is not None and self.wire.answers:
            self.wire.answer(0)

    @rule(every=st.booleans())
    def news(self, every: bool = False) -> None:
        if self.wire is not None:
            self.wire.news(every)

    @rule(place=PLACE, what=st.sampled_from(["arrives", "arrives again", "lost"]))
    def report(self, place: int, what: str) -> None:
        wire = self.wire
        if wire is not None and wire.reports:
            at = place % len(wire.reports)
            if what == "lost":
                wire.lose(at)
            else:
                wire.deliver(at, again=what == "arrives again")

    @rule(place=PLACE, what=st.sampled_from(["arrives", "arrives again", "lost"]))
    def answer(self, place: int, what: str) -> None:
        wire = self.wire
        if wire is not None and wire.answers:
            at = place % len(wire.answers)
            if what == "lost":
                wire.lose_answer(at)
            else:
                wire.answer(at, again=what == "arrives again")

    @rule(place=PLACE)
    def report_of_a_dead_agent(self, place: int) -> None:
        left = [wire for wire in self.ghosts if wire.reports]
        if left:
            wire = left[place % len(left)]
            wire.deliver(place % len(wire.reports))

    @rule(place=PLACE, answer=st.booleans())
    def second_copy(self, place: int, answer: bool) -> None:
        """Of something that arrived long ago."""
        wire = self.wire
        if wire is not None and answer and wire.late_answers:
            wire.answer_late(place % len(wire.late_answers))
        elif wire is not None and not answer and wire.late:
            wire.deliver_late(place % len(wire.late))

    @rule(fate=st.sampled_from([LOST, ANSWER_LOST]))
    def next_hello(self, fate: str) -> None:
        self.fates.append(fate)

    # the machine

    @rule(place=PLACE)
    def claim(self, place: int) -> None:
        launches = self.station.ground.launches
        if launches:
            self.station.ground.claim(place % len(launches))

    @rule(place=PLACE)
    def begin(self, place: int) -> None:
        self._with(self.station.ground.claimed(), place, self._begins)

    def _begins(self, run: Run) -> None:
        if self.newest is None and not self.parted:
            self.world.begin(self.station, run)
        else:
            self.station.ground.start(run)  # ordered before: the run file decides, not the store of this moment

    @rule(place=PLACE, status=STATUS)
    def end(self, place: int, status: int) -> None:
        self._with(self.station.ground.running(), place, lambda run: self.station.ground.end(run, status))

    @rule()
    def obey(self) -> None:
        for run in self.station.ground.running():
            if run.stop:
                self.station.ground.end(run, 15, run.stop)

    @rule(place=PLACE)
    def runner_killed(self, place: int) -> None:
        ground = self.station.ground
        self._with([*ground.running(), *ground.claimed()], place, ground.lose_runner)

    def runners(self) -> None:
        """They claim, begin and obey."""
        ground = self.station.ground
        while ground.launches:
            ground.claim(0)
        for run in ground.claimed():
            self._begins(run)
        self.obey()

    @rule()
    def agent_killed(self) -> None:
        wire = self.world.kill_agent(self.station)
        if wire is not None:
            self.ghosts = [*self.ghosts[-1:], wire]

    @rule()
    def agent_started(self) -> None:
        if self.station.agent is None:
            self.world.start_agent(self.station)
            self.parted = self.parted or self.newest is not None

    @precondition(lambda self: self.newest is None)
    @rule(forgets=st.booleans())
    def reboot(self, forgets: bool) -> None:
        self.agent_killed()
        forgets = forgets and not self.parted
        self.forgot = self.forgot or forgets
        self.world.reboot(self.station, lambda run: forgets)

    # the server

    @rule()
    def server_killed(self) -> None:
        if self.world.service is not None:
            self.world.kill_server()

    @rule()
    def server_started(self) -> None:
        if self.world.service is None:
            self.world.start_server()

    @precondition(lambda self: self.newest is None and self.station.agent is not None)
    @rule(place=PLACE)
    def an_older_store(self, place: int) -> None:
        """The server comes up with a backup, or with nothing; the agent, which lives, has seen more."""
        choice = [MemoryStore("another-yard"), *filter(self._seen_newer, self.copies)]
        older = choice[place % len(choice)]
        if not self._seen_newer(older):
            return
        self.world.kill_server()
        self.newest, self.world.store = self.world.store, copy.copy(older)
        self.begun_before = len(self.world.history.starts())
        self.stopped_before = self._stops()
        self.knows = self.station.agent
        self.world.start_server()
        self.flow(2)

    def _seen_newer(self, store: MemoryStore) -> bool:
        """Whether the agent can know that this is not the store that it serves."""
        assert self.station.agent is not None
        seen = self.station.agent.seen
        if store.yard().id == seen.yard:
            return seen.feed > store.feed()
        return bool(seen.yard) and any(not run.done for run in self.station.ground.runs.values())

    @precondition(lambda self: self.newest is not None)
    @rule()
    def the_newest_store(self) -> None:
        """The operator has put the right one back."""
        assert self.newest is not None
        self.world.kill_server()
        self.world.store, self.newest = self.newest, None
        self.world.start_server()

    def _stops(self) -> int:
        return sum(type(happening).__name__ == "Stopped" for happening in self.world.history.happened)

    # what must hold

    @invariant()
    def nothing_begins_twice(self) -> None:
        history = self.world.history
        if len(history.happened) != self.seen:
            found = [*double_starts(history), *overlaps(history)]
            assert not found, found

    @invariant()
    def nothing_is_forgotten_that_is_not_settled(self) -> None:
        happened = self.world.history.happened
        for happening in happened[self.seen :]:
            if isinstance(happening, Forgot):
                key = happening.key
                kept = [
                    attempt
                    for store in (self.world.store, self.newest)  # that one may have said it before it was replaced
                    for attempt in (store.attempts(key.job_id) if store is not None else ())
                    if (attempt.number, attempt.token) == (key.number, key.token)
                ]
                assert any(attempt.over for attempt in kept), f"{key} was forgotten, the stores have {kept}"
        self.seen = len(happened)

    @invariant()
    def what_lives_is_known_to_live(self) -> None:
        if self.newest is None and not self.parted:
            self.world.look_around()

    @invariant()
    def an_older_store_begins_and_stops_nothing(self) -> None:
        if self.newest is not None and self.station.agent is self.knows and not self.parted:
            for began in self.world.history.starts()[self.begun_before :]:
                key = (began.key.job_id, began.key.number, began.key.token)
                assert self._told_before(key), f"{key} was begun by an older store"
            assert self._stops() == self.stopped_before

    def _told_before(self, key: tuple[int, int, str]) -> bool:
        """The newest store had given this order, and the agent had it already."""
        assert self.newest is not None
        attempts = self.newest.attempts(key[0])
        return any((attempt.number, attempt.token) == key[1:] for attempt in attempts)

    @invariant()
    def time_passes(self) -> None:
        self.world.at += 0.001

    def _with(self, choice: list[Run], place: int, act: Callable[[Run], None]) -> None:
        if choice:
            act(choice[place % len(choice)])


class Calm(Beats):
    """The same, and at the end everything comes to rest."""

    def teardown(self) -> None:
        try:
            if self.newest is not None:
                self.the_newest_store()
            if self.parted:
                self.world.kill_server()
                self.world.accepts = True
            self.fates.clear()
            self.world.calm()
            found = self.world.verdict()
            assert not found, found
        finally:
            super().teardown()


class Parted(Calm):
    """The same, and often an agent forgets what it had seen just when an older store is put in place."""

    @precondition(lambda self: self.newest is None and bool(self.copies) and not self.forgot)
    @rule(place=PLACE, keeps_its_word=st.booleans())
    def an_older_store_and_a_new_agent(self, place: int, keeps_its_word: bool) -> None:
        self.agent_killed()
        self.world.kill_server()
        self.newest, self.world.store = self.world.store, copy.copy(self.copies[place % len(self.copies)])
        self.parted = True
        self.world.start_server()
        if not keeps_its_word:
            Path(self.station.home.agent_state).unlink(missing_ok=True)
        self.world.start_agent(self.station)
        self.flow(3, ends=False)


for machine in (Calm, Parted):
    machine.TestCase.settings = settings(
        max_examples=int(os.environ.get("RUNYARD_EXAMPLES", "100")),
        stateful_step_count=60,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
TestBeat, TestParted = Calm.TestCase, Parted.TestCase
