"""The yard thread: the one place where anything is written.

Each turn takes what has arrived, applies it, plans, commits once, and only then releases the answers. A turn that fails
as a whole is done again item by item, so that a bad one fails alone; a plan that fails is left out of its turn.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from runyard.errors import RunyardError, Unavailable
from runyard.model.attempt import Attempt, AttemptKey
from runyard.model.events import Assigned, Change, Woken
from runyard.model.hook import Hook
from runyard.model.host import Host
from runyard.model.job import Job, JobState
from runyard.model.record import changed
from runyard.model.view import Decision, Reason, Shape, View, shape_of
from runyard.planner.planner import plan
from runyard.service import sweeps
from runyard.service.changes import Changes
from runyard.service.dispatch import Dispatch
from runyard.service.orders import key_of, order_of
from runyard.service.turn import Turn
from runyard.store.base import Store, YardId

T = TypeVar("T")

TURN_ITEMS_MAX = 512
IDLE_S = 60.0
AGAIN_S = 1.0
"""The pause after a turn that failed, or a store that could not say when something is due."""

CONNECTED_S = 60.0
"""An agent that has not beaten for this long gets nothing new."""

PUT_BACK = (
    "nothing is started or accepted; put the newer database back, or accept this one with "
    "`ry server start --accept-older-store`"
)

DRAINING = ("yard", "draining")
"""The document that says whether the yard starts nothing new."""

SHORT_RUNS_KEPT = 0.7
"""Weight of the past in the usual run time of a shape."""

log = logging.getLogger("runyard.controller")


@dataclass(frozen=True)
class Surroundings:
    """What the controller needs from outside: the wall clock, fresh tokens, the policy on foreign device memory, and
    what is wrong with the store now ("" if nothing is)."""

    now: Callable[[], float]
    token: Callable[[], str]
    foreign_mb: int = 500
    store_problem: Callable[[], str] = str
    hooks: Mapping[str, Hook] = field(default_factory=dict)


Work = Callable[[Turn], Any]
Result = tuple[Future[Any], Any, RunyardError | None]


class Controller:
    """Owns the yard thread. `call` from any thread; the store is written by this thread alone.

    `halted` says why nothing is planned, `trouble` why the last plan failed ("" each, if all is well). `feed` is that
    of the last commit. `accepted`: an operator has said that this store counts even where agents saw a newer one.
    """

    def __init__(self, store: Store, surroundings: Surroundings) -> None:
        self.store = store
        self.dispatch = Dispatch()
        self.changes = Changes()
        self.reasons: dict[Shape, Reason] = {}
        self.draining = False
        self.halted = ""
        self.trouble = ""
        self.accepted = False
        self.unkillable: set[str] = set()
        self.yard = store.yard()
        self.feed = store.feed()
        self._surroundings = surroundings
        self.hooks = surroundings.hooks
        self._followers: dict[str, AttemptKey] | None = None
        self._usual: dict[Shape, float] = {}
        self._limited: dict[int, bool] = {}
        self._due: float | None = None
        self._due_known = False
        self._look_at: float | None = None
        self._door = threading.Lock()
        self._ending = False
        self._inbox: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="yard", daemon=True)

    def halt(self, why: str) -> None:
        """This store has gone back: nothing is begun from it before a person has decided."""
        self.halted = self.halted or f"{why}: {PUT_BACK}"

    def start(self) -> YardId:
        """Take the yard and begin."""
        self.begin()
        self._thread.start()
        return self.yard

    def begin(self) -> None:
        """Take the yard: the epoch rises."""
        with self.store.transaction():
            self.yard = self.store.raise_epoch()
        self.draining = bool(self.store.document(*DRAINING))
        self.feed = self.store.feed()
        self.changes.begin(self.yard.epoch)
        for group in self.store.documents(sweeps.ENDING):
            self.post(partial(sweeps.go_on, group=group))

    def drain(self, turn: Turn, on: bool) -> None:
        """Finish what runs and start nothing new, or go on (inside a turn)."""
        turn.store.save_document(*DRAINING, on)
        turn.draining, turn.dirty = on, True
        turn.topics.add("jobs")
        turn.after.append(lambda: setattr(self, "draining", on))

    def stop(self) -> None:
        """Finish what has arrived, and end."""
        with self._door:
            self._ending = True
            self._inbox.put(None)
        self._thread.join()

    def post(self, work: Work) -> Future[Any]:
        """Have this done in one of the next turns. Unavailable when the yard thread has been told to end."""
        future: Future[Any] = Future()
        with self._door:
            if self._ending:
                raise Unavailable("the server is ending")
            self._inbox.put((work, future))
        return future

    def call(self, work: Callable[[Turn], T], timeout_s: float = 600.0) -> T:
        """Have this done and wait for it."""
        result: T = self.post(work).result(timeout_s)
        return result

    @property
    def followers(self) -> dict[str, AttemptKey]:
        """Who follows whom ("12.1"), read from the store where a turn, or a part of one, was undone. In a turn only."""
        if self._followers is None:
            self._followers = {
                placement.follows: key_of(job)
                for job in self.store.active()
                for placement in (job.attempt.placements if job.attempt else ())
                if placement.follows
            }
        return self._followers

    @property
    def problems(self) -> tuple[str, ...]:
        """Why less is done than could be."""
        found = (self._surroundings.store_problem(), self.halted, self.trouble)
        return tuple(problem for problem in found if problem) + self.dispatch.problems()

    def learn(self, job: Job, seconds: float) -> None:
        """Keep the usual run time of a shape."""
        shape = self.shape(job)
        before = self._usual.get(shape)
        self._usual[shape] = seconds if before is None else SHORT_RUNS_KEPT * before + (1 - SHORT_RUNS_KEPT) * seconds

    def shape(self, job: Job) -> Shape:
        """The shape that the planner sees this job in."""
        if job.group is not None and job.group not in self._limited:
            self._limited[job.group] = self.store.groups([job.group])[0].apart
        limited = job.group is not None and self._limited[job.group]
        return shape_of(job.spec, job.group if limited else None)

    def _run(self) -> None:
        ended = False
        while not ended:
            items, ended = self._take()
            try:
                self.turn(items)
            except Exception:  # The yard thread must outlive whatever happens when answers are released.
                log.exception("answers could not be released")

    def _take(self) -> tuple[list[tuple[Work, Future[Any]]], bool]:
        items: list[tuple[Work, Future[Any]]] = []
        try:
            item = self._inbox.get(timeout=self.pause())
            while item is not None:
                items.append(item)
                if len(items) >= TURN_ITEMS_MAX:
                    return items, False
                item = self._inbox.get_nowait()
        except queue.Empty:
            return items, False
        return items, True

    def pause(self) -> float:
        """Seconds until something is due even if nothing arrives."""
        try:
            if not self._due_known:
                self._due, self._due_known = self.store.next_due(), True
            due = min((at for at in (self._due, self._look_at) if at is not None), default=None)
        except Exception:  # A store that is away for a while must not end the yard thread.
            log.exception("the store does not say when something is due")
            return AGAIN_S
        return IDLE_S if due is None else min(IDLE_S, max(0.0, due - self._surroundings.now()) + 0.001)

    def turn(self, items: Sequence[tuple[Work, Future[Any]]]) -> None:
        """One round with these items; without any only what is due, and a plan. Called by the yard thread alone."""
        turn = Turn(self, self._surroundings.now())
        try:
            results = self._together(turn, items)
        except RunyardError as error:
            self._failed(items, error)
        except Exception:  # Whatever is wrong with one item, the others must live.
            log.exception("a turn of %d items failed", len(items))
            self._failed(items, Unavailable("the server could not do this; its log says why"))
        else:
            self._release(turn, results)

    def _failed(self, items: Sequence[tuple[Work, Future[Any]]], error: RunyardError) -> None:
        self._followers = None
        self._due, self._due_known = self._surroundings.now() + AGAIN_S, True
        self._look_at = None
        if len(items) == 1:
            items[0][1].set_exception(error)
        elif items:
            log.warning("a turn of %d items failed (%s); they are done one by one", len(items), error)
            for item in items:
                self.turn([item])

    def _together(self, turn: Turn, items: Sequence[tuple[Work, Future[Any]]]) -> list[Result]:
        results: list[Result] = []
        with self.store.transaction():
            self._wake(turn)
            for work, future in items:
                results.append((future, *self._item(turn, work)))
            if turn.groups_moved:
                sweeps.settle(turn)
            if turn.dirty or not items:
                self._plan(turn)
                self._due, self._due_known = self.store.next_due(), True
            feed = self.store.feed()
        self.feed = feed
        return results

    def _release(self, turn: Turn, results: Sequence[Result]) -> None:
        try:
            for action in turn.after:
                action()
            for work in turn.next:
                self._inbox.put((work, Future()))
            self.changes.publish(turn.topics)
        finally:
            for future, value, error in results:
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(value)

    def _item(self, turn: Turn, work: Work) -> tuple[Any, RunyardError | None]:
        after = len(turn.after)
        try:
            with self.store.savepoint():
                return work(turn), None
        except Unavailable:
            raise
        except RunyardError as error:
            del turn.after[after:]
            self._followers = None
            return None, error

    def _wake(self, turn: Turn) -> None:
        due = self.store.due(turn.now)
        if due:
            turn.commit(Change(job_id, Woken(turn.now)) for job_id in due)

    def _plan(self, turn: Turn) -> None:
        if self.halted:
            return
        after = len(turn.after)
        try:
            with self.store.savepoint():
                self._assign(turn)
            self.trouble = ""
        except Unavailable:
            raise
        except Exception as error:  # What has been reported must be committed even if nothing can be planned.
            log.exception("planning failed")
            del turn.after[after:]
            self._followers = None
            self.trouble = f"planning fails ({type(error).__name__}: {error}); nothing is started; see `ry server logs`"

    def _assign(self, turn: Turn) -> None:
        view = self._view_of(turn)
        decided = plan(view)
        hosts = {host.host.id: host.host for host in view.hosts}
        committed = turn.commit(self._assignment(turn.now, decision, hosts) for decision in decided.decisions)
        assigned = [job for job in committed.jobs.values() if job.state is JobState.ASSIGNED]
        for job in assigned:
            self._send(turn, job, hosts)
        for job in self.store.load(decided.withdrawn).values():
            turn.take_back(job)
        reasons = {shape.shape: decided.reasons[shape.id] for shape in view.shapes if shape.id in decided.reasons}
        turn.after.append(lambda: self._remember(reasons, decided.look_at))

    def _remember(self, reasons: dict[Shape, Reason], look_at: float | None) -> None:
        self.reasons, self._look_at = reasons, look_at

    def view(self, now: float) -> View:
        """What the planner sees now: the store's view, with what only this process knows."""
        return self._view(now, self.dispatch.ready(now - CONNECTED_S))

    def _view_of(self, turn: Turn) -> View:
        ready = self.dispatch.ready(turn.now - CONNECTED_S)
        return replace(self._view(turn.now, (ready - turn.left) | turn.joined), draining=turn.draining)

    def _view(self, now: float, ready: Collection[str]) -> View:
        view = self.store.view(now)
        hosts = tuple(
            replace(host, agents={user: agent for user, agent in host.agents.items() if agent in ready})
            for host in view.hosts
        )
        shapes = tuple(replace(shape, usual_s=self._usual.get(shape.shape)) for shape in view.shapes)
        occupied = view.occupied
        if self.unkillable:
            occupied = tuple(replace(o, unkillable=o.name in self.unkillable) for o in occupied)
        return replace(
            view, hosts=hosts, shapes=shapes, occupied=occupied, draining=self.draining,
            foreign_mb=self._surroundings.foreign_mb,
        )  # fmt: skip

    def _assignment(self, now: float, decision: Decision, hosts: dict[str, Host]) -> Change:
        placement = changed(decision.placement, boot_id=hosts[decision.placement.host].boot_id)
        attempt = Attempt(decision.number, self._surroundings.token(), now, (placement,))
        return Change(decision.job_id, Assigned(now, attempt), decision.version)

    def _send(self, turn: Turn, job: Job, hosts: dict[str, Host]) -> None:
        for placement in job.attempt.placements if job.attempt else ():
            if placement.follows:
                self.followers[placement.follows] = key_of(job)
            order = order_of(job, placement, hosts.get(placement.host), self._group_size(job))
            turn.after.append(lambda agent=placement.agent, order=order: self.dispatch.order(agent, order))  # type: ignore[misc]
            turn.topics.add(f"agent:{placement.agent}")

    def _group_size(self, job: Job) -> int:
        """How many jobs its group has, where the job asks for Slurm's variables."""
        if job.group is None or not job.spec.slurm_env:
            return 0
        return self.store.groups([job.group])[0].size

    def resend(self, turn: Turn, agent: str) -> None:
        """An agent that has started anew has said what it has: tell it what is assigned to it, what is to stop, and
        how the others go on.

        One that is to stop before it started is told both, so that the agent knows whom it followed.
        """
        if self.halted:
            return
        hosts = {host.id: host for host in self.store.hosts()}
        for job in self.store.active(agent):
            if job.state is JobState.ASSIGNED:
                self._send(turn, job, hosts)
            else:
                turn.tell_terms(job)
            if job.held:
                turn.take_back(job)
            turn.tell_stop(job)
