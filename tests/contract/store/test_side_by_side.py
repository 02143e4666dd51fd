"""Whatever is done to two stores, legal or not, both show the same; and each job's events give the job."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from runyard.errors import RunyardError
from runyard.model.attempt import Attempt, AttemptKey, Result
from runyard.model.events import (
    Assigned,
    Change,
    DependencyFailed,
    DependencyMet,
    Edited,
    Ended,
    Event,
    Held,
    Moved,
    Promoted,
    Released,
    Reopened,
    Retried,
    Revoked,
    Started,
    StopRequested,
    Submitted,
    Woken,
)
from runyard.model.host import Agent, Host
from runyard.model.job import Resumption, StopRequest
from runyard.model.metrics import Metric, Progress, Reading
from runyard.model.queue import Queue
from runyard.model.spec import DEPENDENCY_KINDS, GpuRequest, JobSpec, Resources
from runyard.store.base import Criteria, NewGroup, NewJobs, Store
from runyard.store.memory import MemoryStore
from runyard.store.sql import SqlStore
from runyard.store.sqlite import sqlite_url
from tests.contract.store.support import QUERIES, check_stories, place, spec, visible

JOBS = st.integers(1, 12)
BEFORE = st.integers(-3, 8)
TIMES = st.integers(1, 60).map(float)
USERS = st.sampled_from(["ann", "bob"])
TOKENS = st.sampled_from(["t", "t", "t", "u"])
QUEUES = st.sampled_from(["default", "default", "fast"])
PLACES = st.sampled_from([place(), place("bob@b", "b", devices=("GPU-1",)), place(follows="1.1")])
VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=4)
ENDS = st.sampled_from([0, 0, 0, 256, 9, None])


@st.composite
def keys(draw: st.DrawFn) -> AttemptKey:
    return AttemptKey(draw(JOBS), draw(st.sampled_from([1, 1, 1, 2, 3])), draw(TOKENS))


@st.composite
def specs(draw: st.DrawFn, others: st.SearchStrategy[int] = BEFORE) -> JobSpec:
    links = draw(st.lists(st.tuples(others, st.sampled_from(DEPENDENCY_KINDS)), max_size=2))
    return spec(
        *links,
        user=draw(USERS),
        command=("python", draw(st.sampled_from(["a.py", "b.py"])), str(draw(st.integers(0, 3)))),
        name=draw(st.sampled_from(["", "job-1", "job-2", "tr\udce9s", "[x]"])),
        queue=draw(QUEUES),
        priority=draw(st.integers(-1, 2)),
        hold=draw(st.integers(0, 5)) == 0,
        begin_at=draw(st.sampled_from([None, None, 40.0])),
        time_limit_s=draw(st.sampled_from([None, 30.0, 7_000.0])),
        unique=draw(st.sampled_from(["", "", "only"])),
        note=draw(st.sampled_from(["", "", "some Words", "a[b Straße", "tr\udce9s"])),
        resources=draw(st.sampled_from([Resources(), Resources(2, 100, GpuRequest(1))])),
    )


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Something happens to a job: likely what may happen, but late, early and wrong things as well."""
    key = draw(keys())
    at = draw(TIMES)
    again = draw(st.sampled_from([None, None, 1.0, 55.0]))
    places = tuple(draw(st.lists(PLACES, min_size=1, max_size=2)))
    places = tuple(place(p.agent, p.host, devices=p.devices, follows=p.follows, rank=i) for i, p in enumerate(places))
    happens: list[Event] = [
        Assigned(at, Attempt(key.number, key.token, at, places)),
        Assigned(at, Attempt(key.number, key.token, at, places[:1])),
        Started(at, key, draw(st.integers(0, 1)), 5),
        Ended(at, key, Result("runner", draw(ENDS)), 0, again),
        Ended(at, key, Result("runner", draw(ENDS)), 0, again),
        Ended(at, key, Result("inferred", None, "lost"), draw(st.integers(0, 1)), again, 2.0, 6),
        Revoked(at, key, "busy", again),
        Promoted(at, key, draw(st.sampled_from(["", "2.1"]))),
        Held(at, "ann"),
        Released(at),
        Woken(at),
        StopRequested(at, StopRequest(at, "bob", grace_s=1.0)),
        DependencyMet(at, 1),
        DependencyFailed(at, 1, "because"),
        Submitted(at, spec()),
        Edited(at, draw(specs(JOBS)), "ann"),
        Edited(at, draw(specs(JOBS)), "ann"),
        Moved(at, draw(st.sampled_from([-1.0, 0.5, 2.0, 2.5, 7.75])), draw(st.sampled_from([None, 0, 2]))),
        Retried(at, "ann", draw(st.sampled_from([None, Resumption(1, (("A", "b"),))])), draw(st.none() | specs(JOBS))),
        Retried(at),
        Retried(at),
        Reopened(at, 1, 1),
    ]
    return Change(key.job_id, draw(st.sampled_from(happens)), draw(st.sampled_from([None, None, None, 1, 2])))


Grouping = tuple[str, int]
"""The kind of a group ("": none) and its limit."""


def groupings() -> st.SearchStrategy[Grouping]:
    return st.tuples(st.sampled_from(["", "", "array", "sweep"]), st.integers(0, 2))


QUESTIONS_AT_ONCE = 2


class Undo(Exception):
    """A transaction or a part of one is given up."""


class SideBySide(RuleBasedStateMachine):
    """The reference in memory and the store in SQL."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.url = sqlite_url(str(self.directory / "yard.sqlite"))
        self.mark = str(self.directory / "mark")
        self.asked = 0
        self.memory = MemoryStore()
        self.sql = SqlStore(self.url, high_water=self.mark)

    def teardown(self) -> None:
        same(visible(self.memory), visible(self.sql))
        self.sql.close()
        shutil.rmtree(self.directory)

    def both(self, act: Callable[[Store], Any]) -> None:
        """Do it to both in a transaction; they answer, or refuse, alike."""
        answers: list[Any] = []
        asked = self.asked
        for store in (self.memory, self.sql):
            self.asked = asked
            try:
                with store.transaction():
                    answers.append((act(store), visible(store, self.questions())))
            except RunyardError as error:
                answers.append((type(error), error.message))
            except Undo:
                answers.append(Undo)
        memory, sql = answers
        if isinstance(memory, tuple) and isinstance(memory[1], dict):
            assert memory[0] == sql[0]
            same(memory[1], sql[1])
        assert memory == sql

    @initialize(machine=st.integers(1, 3))
    def begin(self, machine: int) -> None:
        self.both(lambda store: store.save_host(Host("a", "anna", "boot", machine, 1_000)))

    @rule(
        parts=st.lists(st.tuples(st.lists(specs(), max_size=3), groupings()), max_size=3),
        key=st.sampled_from(["", "", "k1", "k2"]),
        at=TIMES,
    )
    def add(self, parts: list[tuple[list[JobSpec], Grouping]], key: str, at: float) -> None:
        jobs: list[JobSpec] = []
        groups = []
        for some, (kind, parallel) in parts:
            if kind:
                groups.append(NewGroup(kind, kind, len(jobs), len(some), parallel))
            jobs += some
        self.both(lambda store: store.add(NewJobs(jobs, key, "ann", at, tuple(groups))))

    @rule(batch=st.lists(changes(), min_size=1, max_size=8))
    def commit(self, batch: list[Change]) -> None:
        self.both(lambda store: store.commit(batch))

    @rule(jobs=st.lists(JOBS, min_size=1, max_size=4, unique=True), ending=st.sampled_from([0, 0, 256, None]), at=TIMES)
    def live(self, jobs: list[int], ending: int | None, at: float) -> None:
        """Walk jobs from wherever they are towards their end."""

        def walk(store: Store) -> Any:
            batch = []
            for job in store.load(jobs).values():
                number = job.attempt.number + 1 if job.attempt else 1
                key = AttemptKey(job.id, number, "t")
                batch.append(Change(job.id, Assigned(at, Attempt(number, "t", at, (place(),))), job.version))
                batch.append(Change(job.id, Started(at, key, 0, 7)))
                if ending is not None:
                    batch.append(Change(job.id, Ended(at + 1, key, Result("runner", ending))))
            return store.commit(batch)

        self.both(walk)

    @rule(
        first=st.lists(changes(), max_size=3),
        second=st.lists(changes(), max_size=3),
        jobs=st.lists(specs(), max_size=2),
    )
    def commit_in_parts(self, first: list[Change], second: list[Change], jobs: list[JobSpec]) -> None:
        def act(store: Store) -> Any:
            told = [store.commit(first)]
            try:
                with store.savepoint():
                    store.add(NewJobs(jobs, "", "bob", 1.0, (NewGroup("array", "x", 0, len(jobs), 1),)))
                    told.append(store.commit(second))
                    store.save_document("notes", "gone", [1])
                    raise Undo
            except Undo:
                told.append(store.commit(second))
            return told

        self.both(act)

    @rule(batch=st.lists(changes(), max_size=5), jobs=st.lists(specs(), max_size=2))
    def give_up(self, batch: list[Change], jobs: list[JobSpec]) -> None:
        def act(store: Store) -> Any:
            store.add(NewJobs(jobs, "gone", "ann", 1.0, (NewGroup("array", "x", 0, len(jobs), 1),)))
            store.commit(batch)
            store.save_queue(Queue("gone"))
            raise Undo

        self.both(act)

    @rule(name=QUEUES, version=st.integers(0, 3), paused=st.booleans())
    def save_queue(self, name: str, version: int, paused: bool) -> None:
        self.both(lambda store: store.save_queue(Queue(name, paused=paused, version=version)))

    @rule(name=QUEUES)
    def remove_queue(self, name: str) -> None:
        self.both(lambda store: store.remove_queue(name))

    @rule(user=USERS, incarnation=st.integers(1, 3), at=TIMES)
    def save_agent(self, user: str, incarnation: int, at: float) -> None:
        agent = Agent(f"{user}@a", "a", user, 1, incarnation, "boot", "1", 2, at, unknown=("9.1",))
        self.both(lambda store: store.save_agent(agent))

    @rule(
        key=st.sampled_from(["x", "y"]), value=st.recursive(st.integers() | st.text(max_size=3), st.lists, max_leaves=3)
    )
    def save_document(self, key: str, value: Any) -> None:
        self.both(lambda store: store.save_document("notes", key, value))

    @rule(holder=st.sampled_from(["p", "q"]), token=st.integers(0, 3))
    def lease(self, holder: str, token: int) -> None:
        self.both(lambda store: store.lease("controller", holder, token))

    @rule(
        job=st.integers(1, 9),
        number=st.integers(1, 2),
        values=st.lists(st.floats(0, 1), min_size=1, max_size=4),
        at=TIMES,
    )
    def report(self, job: int, number: int, values: list[float], at: float) -> None:
        told = [Metric(name, len(values), values[-1], min(values), max(values), at, at) for name in ("acc", "loss")]
        progress = Progress("train", reports=len(values), at=at)
        readings = [Reading(AttemptKey(job, number, "t"), progress, tuple(told[: len(values)]))]
        self.both(lambda store: store.keep_readings(readings, at))

    @rule(before=TIMES)
    def prune(self, before: float) -> None:
        self.both(lambda store: store.prune(before))

    @rule()
    def raise_epoch(self) -> None:
        self.both(lambda store: store.raise_epoch().epoch)

    @rule()
    def reopen(self) -> None:
        self.sql.close()
        self.sql = SqlStore(self.url, high_water=self.mark)
        assert not self.sql.rolled_back

    @invariant()
    def show_the_same(self) -> None:
        questions = self.questions()
        same(visible(self.memory, questions), visible(self.sql, questions))

    @invariant()
    def stories_are_true(self) -> None:
        check_stories(self.memory)

    def questions(self) -> Sequence[Criteria]:
        """A few at a time, all in turn."""
        self.asked = (self.asked + QUESTIONS_AT_ONCE) % len(QUERIES)
        return QUERIES[self.asked : self.asked + QUESTIONS_AT_ONCE]


def same(memory: Any, sql: Any) -> None:
    """Says what differs."""
    for what in memory:
        assert sql[what] == memory[what], what


TestSideBySide = SideBySide.TestCase
TestSideBySide.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
