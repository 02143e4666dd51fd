"""Which shapes may start anything now, on which hosts; for all others the Reason.

`split` is asked once, at the start of a round, for what no end of a job can change: pauses, drains, missing agents,
jobs too large for every host. Limits of queues and groups change with each decision: `Limits` is asked at every turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runyard.model.listing import shown
from runyard.model.spec import Resources
from runyard.model.view import Reason, Shape, ShapeView, View
from runyard.planner.fit import HostLedger, attempts
from runyard.planner.words import BLOCKERS, LISTED, asks

NEVER = float("inf")


@dataclass(frozen=True)
class Able:
    """A shape that may start jobs, and the hosts that could hold them, in the view's order."""

    shape: ShapeView
    hosts: Sequence[HostLedger]


def split(view: View, hosts: Sequence[HostLedger]) -> tuple[dict[int, Able], dict[int, Reason]]:
    """The shapes that may start jobs, and why the others may not, by shape id."""
    able: dict[int, Able] = {}
    reasons: dict[int, Reason] = {}
    for shape in view.shapes:
        if not shape.waiting and not shape.heads:
            continue
        reason = _closed(view, shape.shape)
        fitting = [host for host in hosts if _reachable(host, shape.shape.user, shape.shape.resources)]
        if reason is None and not fitting:
            reason = _homeless(shape.shape, hosts)
        if reason is None:
            able[shape.id] = Able(shape, fitting)
        else:
            reasons[shape.id] = reason
    return able, reasons


def _closed(view: View, shape: Shape) -> Reason | None:
    if view.draining:
        return Reason("draining", "the yard is draining: `ry server resume` goes on")
    queue = view.queues.get(shape.queue)
    if queue is not None and queue.paused:
        why = f": {queue.reason}" if queue.reason else ""
        return Reason("queue-paused", f"queue {shape.queue} is paused{why}")
    return None


def _reachable(host: HostLedger, user: str, resources: Resources) -> bool:
    return user in host.view.agents and not host.view.host.draining and host.could_hold(resources)


def _homeless(shape: Shape, hosts: Sequence[HostLedger]) -> Reason:
    """Why none of the hosts will do; the nearest miss is told."""
    large = [host for host in hosts if host.could_hold(shape.resources)]
    mine = [host for host in hosts if shape.user in host.view.agents]
    if not mine:
        return Reason("no-agent", f"the agent of {shape.user} is not up yet")
    if not large:
        return Reason("never", f"asks for {asks(shape.resources)}; no host has that")
    if any(shape.user in host.view.agents for host in large):
        names = shown([host.name for host in large if shape.user in host.view.agents], LISTED)
        return Reason("draining", f"{names} is draining")
    names = shown([host.name for host in large], LISTED)
    return Reason("no-agent", f"no agent of {shape.user} on {names}, and no other host is large enough")


class Limits:
    """Counts what runs in each queue and group. Successors take over a place: they are not counted before they do."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._queues: dict[str, dict[int, float]] = {}
        self._groups: dict[int, dict[int, float]] = {}
        known = attempts(view.occupied)
        for held in view.occupied:
            if held.placement.follows not in known and not held.unkillable:
                self._count(held.queue, held.group, held.job_id, held.ends_by)

    def count(self, shape: Shape, job_id: int, ends: float | None) -> None:
        """A job of this shape starts."""
        self._count(shape.queue, shape.group, job_id, ends)

    def reason(self, shape: Shape) -> Reason | None:
        """Why no further job of this shape may start, if so."""
        queue = self._view.queues.get(shape.queue)
        running = self._queues.get(shape.queue, {})
        if queue is not None and queue.parallel and len(running) >= queue.parallel:
            text = f"queue {shape.queue} runs {len(running)} of {queue.parallel}"
            return self._full("queue-limit", text, running, queue.parallel)
        limit = self._view.limits.get(shape.group, 0) if shape.group else 0
        running = self._groups.get(shape.group, {})
        if limit and len(running) >= limit:
            return self._full("group-limit", f"its group runs {len(running)} of {limit}", running, limit)
        return None

    def _full(self, code: str, text: str, running: dict[int, float], limit: int) -> Reason:
        order = sorted(running, key=lambda job: (running[job], job))
        at = running[order[len(order) - limit]]
        return Reason(code, text, tuple(order[:BLOCKERS]), None if at == NEVER else max(at, self._view.now))

    def _count(self, queue: str, group: int, job_id: int, ends: float | None) -> None:
        at = NEVER if ends is None else ends
        for running in (self._queues.setdefault(queue, {}), *self._of(group)):
            running[job_id] = max(at, running.get(job_id, at))

    def _of(self, group: int) -> Iterable[dict[int, float]]:
        return (self._groups.setdefault(group, {}),) if group else ()
