"""One round of planning: what may start now, where, and why the rest waits.

`plan` is called by the controller with a view and its result is committed as proposals; what the store refuses (a job
has changed meanwhile) is planned again. The same view always gives the same plan. Decisions stand in the order in which
they have to be committed: a successor behind the one that it follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from runyard.model.view import Decision, Plan, Reason, ShapeView, View
from runyard.planner import misfit
from runyard.planner.eligible import Able, Limits, split
from runyard.planner.fit import Free, Holding, HostLedger, ledger
from runyard.planner.order import LAST, Turn, line
from runyard.planner.reserve import MARGIN_S, Outlook
from runyard.planner.sequential import arrange
from runyard.planner.successors import Queued, successors, withdrawals


def plan(view: View) -> Plan:
    """The decisions of this round, and for every shape that still waits its reason."""
    hosts = ledger(view)
    able, reasons = split(view, hosts)
    desk = Desk(view)
    for turn in line([each.shape for each in able.values()], desk.closed):
        desk.decide(turn, able[turn.shape.id])
    for each in able.values():
        desk.close(each)
    chained = successors(view, desk.decisions, desk.queued)
    reasons.update(desk.reasons_after(chained))
    return Plan((*desk.decisions, *chained), reasons, *withdrawals(view, hosts, desk.limits))


class Place(NamedTuple):
    """Where a job fits now: host, devices, and the promise that it has to leave whole."""

    host: HostLedger
    positions: list[int]
    promised: Free | None


class Desk:
    """The decisions of one round as they are made. `closed` are the shapes whose next job cannot start."""

    def __init__(self, view: View) -> None:
        self.now = view.now
        self.limits = Limits(view)
        self.outlook = Outlook(view.now)
        self.decisions: list[Decision] = []
        self.closed: set[int] = set()
        self.started: dict[int, int] = {}
        self.queued: list[Queued] = []

    def decide(self, turn: Turn, able: Able) -> None:
        """Start this job; or close its shape and keep for the job what it will need."""
        reason = self.limits.reason(turn.shape.shape)
        found = self._place(turn.shape, able.hosts) if reason is None else None
        if found is not None:
            self._start(turn, found)
        else:
            self._close(able, reason or self._misfit(able, turn.head.job_id))

    def close(self, able: Able) -> None:
        """A reason for a shape whose heads all start while more of its jobs wait, unseen in this view."""
        shape = able.shape
        if shape.id in self.closed or shape.waiting <= self.started.get(shape.id, 0):
            return
        reason = self.limits.reason(shape.shape)
        if reason is None and self._place(shape, able.hosts) is None:
            reason = self._misfit(able, None)
        self._close(able, reason or Reason("priority", "its turn comes next"))

    def reasons_after(self, chained: Sequence[Decision]) -> dict[int, Reason]:
        """The reasons of closed shapes, less those whose last waiting jobs became successors."""
        named = {decision.job_id for decision in chained}
        return {q.shape.id: q.reason for q in self.queued if q.waiting > sum(h.job_id in named for h in q.heads)}

    def _misfit(self, able: Able, job_id: int | None) -> Reason:
        """Why no host takes a job of this shape; what it needs is kept for the job."""
        asked = able.shape.shape.resources
        chances = self.outlook.chances(asked, able.hosts)
        reason = misfit.reason(asked, able.hosts, chances, self.outlook)
        if job_id is not None:
            self.outlook.reserve(job_id, asked, chances)
        return reason

    def _close(self, able: Able, reason: Reason) -> None:
        shape = able.shape
        started = self.started.get(shape.id, 0)
        heads = shape.heads[started:]
        best = min((head.rank for head in heads[:1] or shape.heads[-1:]), default=LAST)
        self.closed.add(shape.id)
        self.queued.append(Queued(shape, heads, shape.waiting - started, reason, best, able.hosts))

    def _start(self, turn: Turn, found: Place) -> None:
        shape, head = turn
        asked, limit = shape.shape.resources, shape.shape.time_limit_s
        placement = found.host.placement(shape.shape.user, asked, found.positions)
        ends = self.now + limit + MARGIN_S if limit else None
        share_mb = placement.device_memory_mb
        mine = Holding(head.job_id, asked.cpus, asked.memory_mb, placement.devices, share_mb, ends, self.now)
        found.host.take(mine)
        if found.promised is not None:
            found.promised.take(mine)
        self.limits.count(shape.shape, head.job_id, ends)
        self.started[shape.id] = self.started.get(shape.id, 0) + 1
        self.decisions.append(Decision(head.job_id, head.version, head.number, placement))

    def _place(self, shape: ShapeView, hosts: Sequence[HostLedger]) -> Place | None:
        """The first host that takes a job of this shape now."""
        asked = shape.shape.resources
        for host in arrange(hosts, asked):
            promise = None if self._over_before(shape, host) else host.promise
            promised = promise.free if promise is not None else None
            positions = host.pick(asked, promised)
            if positions is not None:
                return Place(host, positions, promised)
        return None

    def _over_before(self, shape: ShapeView, host: HostLedger) -> bool:
        """Whether a job of this shape is sure to end before what is promised there."""
        limit, promise = shape.shape.time_limit_s, host.promise
        if promise is None or promise.at is None or not limit:
            return False
        return self.now + limit + MARGIN_S <= promise.at
