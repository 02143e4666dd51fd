"""The yard thread: the one place where anything is written.

Each turn takes what has arrived, applies it, plans, commits once, and only then releases the answers. A turn that fails
as a whole is done again item by item, so that a bad one fails alone.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from runyard.errors import RunyardError, Unavailable
from runyard.model.attempt import Attempt, AttemptKey
from runyard.model.events import Assigned, Change, Promoted, Woken
from runyard.model.host import Host
from runyard.model.job import Job, JobState
from runyard.model.view import Decision, Reason, Shape, View, shape_of
from runyard.planner.planner import plan
from runyard.service.changes import Changes
from runyard.service.dispatch import Dispatch
from runyard.service.orders import key_of, order_of, stop_order
from runyard.store.base import Committed, Store, YardId

T = TypeVar("T")

TURN_ITEMS_MAX = 512
IDLE_S = 60.0
CONNECTED_S = 60.0
"""An agent that has not beaten for this long gets nothing new."""

SHORT_RUNS_KEPT = 0.7
"""Weight of the past in the usual run time of a shape."""

log = logging.getLogger("runyard.controller")


@dataclass(frozen=True)
class Surroundings:
    """What the controller needs from outside: the wall clock, fresh tokens, and the policy on foreign device memory."""

    now: Callable[[], float]
    token: Callable[[], str]
    foreign_mb: int = 500


class Turn:
    """One round of the yard thread: what its items may use."""

    def __init__(self, controller: Controller, now: float) -> None:
        self.store = controller.store
        self.dispatch = controller.dispatch
        self.yard = controller.yard
        self.now = now
        self.dirty = False
        self.topics: set[str] = set()
        self.after: list[Callable[[], None]] = []
        self._controller = controller

    def commit(self, changes: Iterable[Change]) -> Committed:
        """Change jobs; whoever waits for them is woken after the commit."""
        committed = self.store.commit(changes)
        for job in committed.jobs.values():
            self.topics.update((f"job:{job.id}", "jobs"))
        self.dirty = self.dirty or bool(committed.jobs)
        return committed

    def follow_up(self, gone: Sequence[tuple[AttemptKey, str]]) -> None:
        """These attempts are over (with what they followed themselves): whoever follows them moves up."""
        changes = []
        for key, followed in gone:
            follower = self._controller.followers.pop(str(key), None)
            if follower is not None:
                changes.append(Change(follower.job_id, Promoted(self.now, follower, followed)))
                if followed:
                    self._controller.followers[followed] = follower
        if changes:
            self.commit(changes)

    def ran(self, job: Job, seconds: float) -> None:
        """A job of this shape ran this long."""
        self._controller.learn(job, seconds)


Work = Callable[[Turn], Any]


class Controller:
    """Owns the yard thread. `call` from any thread; the store is written by this thread alone."""

    def __init__(self, store: Store, surroundings: Surroundings) -> None:
        self.store = store
        self.dispatch = Dispatch()
        self.changes = Changes()
        self.followers: dict[str, AttemptKey] = {}
        self.reasons: dict[Shape, Reason] = {}
        self.draining = False
        self.halted = ""
        self.yard = store.yard()
        self._surroundings = surroundings
        self._usual: dict[Shape, float] = {}
        self._limited: dict[int, bool] = {}
        self._inbox: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="yard", daemon=True)

    def start(self) -> YardId:
        """Take the yard (the epoch rises) and begin."""
        with self.store.transaction():
            self.yard = self.store.raise_epoch()
        for job in self.store.active():
            for placement in job.attempt.placements if job.attempt else ():
                if placement.follows:
                    self.followers[placement.follows] = key_of(job)
        self._thread.start()
        return self.yard

    def stop(self) -> None:
        """Finish what has arrived, and end."""
        self._inbox.put(None)
        self._thread.join()

    def post(self, work: Work) -> Future[Any]:
        """Have this done in one of the next turns."""
        future: Future[Any] = Future()
        self._inbox.put((work, future))
        return future

    def call(self, work: Callable[[Turn], T], timeout_s: float = 600.0) -> T:
        """Have this done and wait for it."""
        result: T = self.post(work).result(timeout_s)
        return result

    def learn(self, job: Job, seconds: float) -> None:
        """Keep the usual run time of a shape."""
        shape = self.shape(job)
        before = self._usual.get(shape)
        self._usual[shape] = seconds if before is None else SHORT_RUNS_KEPT * before + (1 - SHORT_RUNS_KEPT) * seconds

    def shape(self, job: Job) -> Shape:
        """The shape that the planner sees this job in."""
        if job.group is not None and job.group not in self._limited:
            self._limited[job.group] = self.store.groups([job.group])[0].parallel > 0
        limited = job.group is not None and self._limited[job.group]
        return shape_of(job.spec, job.group if limited else None)

    def _run(self) -> None:
        while True:
            items, ended = self._take()
            try:
                self._turn(items)
            except Exception:  # The yard thread must outlive any one turn: the items have failed, the next may not.
                log.exception("a turn failed")
                for _, future in items:
                    if not future.done():
                        future.set_exception(Unavailable("the server could not do this; its log says why"))
            if ended:
                return

    def _take(self) -> tuple[list[tuple[Work, Future[Any]]], bool]:
        due = self.store.next_due()
        wait_s = IDLE_S if due is None else min(IDLE_S, max(0.0, due - self._surroundings.now()) + 0.001)
        items: list[tuple[Work, Future[Any]]] = []
        try:
            item = self._inbox.get(timeout=wait_s)
            while item is not None:
                items.append(item)
                if len(items) >= TURN_ITEMS_MAX:
                    return items, False
                item = self._inbox.get_nowait()
        except queue.Empty:
            return items, False
        return items, True

    def _turn(self, items: Sequence[tuple[Work, Future[Any]]]) -> None:
        try:
            self._together(items)
        except RunyardError as error:
            if len(items) <= 1:
                for _, future in items:
                    future.set_exception(error)
                return
            log.warning("a turn of %d items failed (%s); they are done one by one", len(items), error)
            for item in items:
                self._turn([item])

    def _together(self, items: Sequence[tuple[Work, Future[Any]]]) -> None:
        turn = Turn(self, self._surroundings.now())
        results: list[tuple[Future[Any], Any, RunyardError | None]] = []
        with self.store.transaction():
            self._wake(turn)
            for work, future in items:
                results.append((future, *self._item(turn, work)))
            if turn.dirty or not items:
                self._plan(turn)
        for action in turn.after:
            action()
        self.changes.publish(turn.topics)
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
            return None, error

    def _wake(self, turn: Turn) -> None:
        due = self.store.due(turn.now)
        if due:
            turn.commit(Change(job_id, Woken(turn.now)) for job_id in due)

    def _plan(self, turn: Turn) -> None:
        if self.halted:
            return
        view = self.view(turn.now)
        decided = plan(view)
        hosts = {host.host.id: host.host for host in view.hosts}
        committed = turn.commit(self._assignment(turn.now, decision, hosts) for decision in decided.decisions)
        assigned = [job for job in committed.jobs.values() if job.state is JobState.ASSIGNED]
        for job in assigned:
            self._send(turn, job, hosts)
        reasons = {shape.shape: decided.reasons[shape.id] for shape in view.shapes if shape.id in decided.reasons}
        turn.after.append(lambda: self._remember(reasons))

    def _remember(self, reasons: dict[Shape, Reason]) -> None:
        self.reasons = reasons

    def view(self, now: float) -> View:
        """What the planner sees now: the store's view, with what only this process knows."""
        view = self.store.view(now)
        connected = self.dispatch.connected(now - CONNECTED_S)
        hosts = tuple(
            replace(host, agents={user: agent for user, agent in host.agents.items() if agent in connected})
            for host in view.hosts
        )
        shapes = tuple(replace(shape, usual_s=self._usual.get(shape.shape)) for shape in view.shapes)
        return replace(
            view, hosts=hosts, shapes=shapes, draining=self.draining, foreign_mb=self._surroundings.foreign_mb
        )

    def _assignment(self, now: float, decision: Decision, hosts: dict[str, Host]) -> Change:
        placement = replace(decision.placement, boot_id=hosts[decision.placement.host].boot_id)
        attempt = Attempt(decision.number, self._surroundings.token(), now, (placement,))
        return Change(decision.job_id, Assigned(now, attempt), decision.version)

    def _send(self, turn: Turn, job: Job, hosts: dict[str, Host]) -> None:
        for placement in job.attempt.placements if job.attempt else ():
            if placement.follows:
                self.followers[placement.follows] = key_of(job)
            order = order_of(job, placement, hosts.get(placement.host))
            turn.after.append(lambda agent=placement.agent, order=order: self.dispatch.order(agent, order))  # type: ignore[misc]
            turn.topics.add(f"agent:{placement.agent}")

    def resend(self, turn: Turn, agent: str) -> None:
        """An agent has started anew: tell it again what is assigned to it, and what is to stop."""
        hosts = {host.id: host for host in self.store.hosts()}
        for job in self.store.active(agent):
            if job.state is JobState.ASSIGNED and job.stop is None:
                self._send(turn, job, hosts)
            elif job.stop is not None:
                order = stop_order(job, job.stop)
                turn.after.append(lambda order=order: self.dispatch.stop(agent, order))  # type: ignore[misc]
