"""Successors: short jobs are named ahead, so that the agent starts the next one without asking.

Called by `planner.plan` when all else is decided. For shapes whose runs are usually shorter than SHORT_S, and whose
places are all taken, every running placement gets a chain of further jobs of the same shape: the same agent, CPUs and
devices, each following the one before. They hold nothing until they take over, so no limit is exceeded. A chain is
filled up to FULL when it has fallen below LOW, the shortest first. A queue that stops on a failure has no successors,
and a job is not named ahead while one of another shape, with a better place in the order, waits for what it would get.

Jobs of one shape may take very different times: none is named behind one that runs longer than a short one should, and
whoever was is withdrawn, as is who would start in a queue that was paused meanwhile.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from runyard.model.attempt import Placement, attempt_name
from runyard.model.record import changed
from runyard.model.spec import Resources
from runyard.model.view import Decision, Head, Occupied, Reason, ShapeView, View
from runyard.planner.fit import HostLedger
from runyard.planner.order import Rank

SHORT_S = 0.1
STALLED_S = 0.5
"""When an attempt has run for this long, the jobs named behind it wait with all others again."""

LOW = 24
FULL = 32

TAKEN = ("queue-limit", "group-limit", "resources", "priority")
"""Reasons that mean: all places are taken."""


@dataclass(frozen=True)
class Queued:
    """A shape whose next job waits. `heads` are those left, `waiting` counts all left, `first` is the best rank."""

    shape: ShapeView
    heads: Sequence[Head]
    waiting: int
    reason: Reason
    first: Rank
    hosts: Sequence[HostLedger]


@dataclass(frozen=True)
class Chain:
    """The placement that runs, the last attempt named behind it ("12.1"), and how many are."""

    base: Placement
    last: str
    length: int


def successors(view: View, started: Sequence[Decision], queued: Sequence[Queued]) -> list[Decision]:
    """The jobs named ahead in this round."""
    named: list[Decision] = []
    for waiting in queued:
        if _short(view, waiting):
            named += _fill(waiting, [c for c in _chains(view, waiting, started) if c.length < LOW], queued)
    return named


def withdrawals(view: View) -> tuple[tuple[int, ...], float | None]:
    """The jobs named ahead that have to go back, and when the next ones may have to."""
    by_name = {held.name: held for held in view.occupied}
    gone, look_at = [], None
    for held in view.occupied:
        base = held
        while (before := by_name.get(base.placement.follows)) is not None:
            base = before
        if base is held:
            continue
        began = base.placement.started_at
        stalls_at = began + STALLED_S if began is not None else None
        if _shut(view, held) or (stalls_at is not None and stalls_at <= view.now):
            gone.append(held.job_id)
        elif stalls_at is not None:
            look_at = stalls_at if look_at is None else min(look_at, stalls_at)
    return tuple(gone), look_at


def _shut(view: View, held: Occupied) -> bool:
    """Whether no further job of its queue may start now."""
    queue = view.queues.get(held.queue)
    return view.draining or (queue is not None and (queue.paused or queue.stop_on_fail))


def _short(view: View, waiting: Queued) -> bool:
    usual_s, queue = waiting.shape.usual_s, view.queues.get(waiting.shape.shape.queue)
    if usual_s is None or usual_s >= SHORT_S or not waiting.heads:
        return False
    return waiting.reason.code in TAKEN and not (queue is not None and queue.stop_on_fail)


def _chains(view: View, waiting: Queued, started: Sequence[Decision]) -> list[Chain]:
    """The running placements of this shape, with what is already named behind each."""
    agents = {(host.view.host.id, host.view.agents[waiting.shape.shape.user]) for host in waiting.hosts}
    mine = [held for held in view.occupied if held.shape == waiting.shape.id]
    known = {held.name for held in mine}
    behind = {held.placement.follows: held for held in mine if held.placement.follows}
    chains = []
    for held in mine:
        base = held.placement
        if base.started_at is not None and base.started_at + SHORT_S < view.now:
            continue
        if base.follows not in known and (base.host, base.agent) in agents and not (held.unkillable or base.rank):
            chains.append(_walk(held, behind))
    heads = {head.job_id for head in waiting.shape.heads}
    fresh = [d for d in started if d.job_id in heads]
    return chains + [Chain(d.placement, attempt_name(d.job_id, d.number), 0) for d in fresh]


def _walk(base: Occupied, behind: dict[str, Occupied]) -> Chain:
    last, length = base.name, 0
    while (after := behind.get(last)) is not None:
        last, length = after.name, length + 1
    return Chain(base.placement, last, length)


def _fill(waiting: Queued, chains: Sequence[Chain], queued: Sequence[Queued]) -> list[Decision]:
    """Job after job behind the shortest chain that may have it."""
    before = [_contender(waiting, chain, queued) for chain in chains]
    heap = [(chain.length, i, chain.last) for i, chain in enumerate(chains)]
    heapq.heapify(heap)
    named: list[Decision] = []
    for head in waiting.heads:
        while heap and (best := before[heap[0][1]]) is not None and best < head.rank:
            heapq.heappop(heap)
        if not heap:
            break
        length, i, last = heapq.heappop(heap)
        placement = changed(_place(chains[i].base), follows=last)
        named.append(Decision(head.job_id, head.version, head.number, placement))
        if length + 1 < FULL:
            heapq.heappush(heap, (length + 1, i, attempt_name(head.job_id, head.number)))
    return named


def _contender(waiting: Queued, chain: Chain, queued: Sequence[Queued]) -> Rank | None:
    """The best job of another shape that waits for what this chain holds."""
    return min((o.first for o in queued if o is not waiting and _contends(o, waiting, chain.base)), default=None)


def _contends(other: Queued, waiting: Queued, base: Placement) -> bool:
    code, ours, theirs = other.reason.code, waiting.shape.shape, other.shape.shape
    if code == "queue-limit":
        return theirs.queue == ours.queue
    if code == "group-limit":
        return theirs.group == ours.group
    if code not in TAKEN or all(host.view.host.id != base.host for host in other.hosts):
        return False
    return _overlaps(theirs.resources, base)


def _overlaps(asked: Resources, base: Placement) -> bool:
    if (asked.cpus and base.cpus) or (asked.memory_mb and base.memory_mb):
        return True
    return bool(asked.gpus.count and base.devices)


def _place(base: Placement) -> Placement:
    """The same place, with nothing of the run that is there now."""
    return Placement(
        agent=base.agent,
        host=base.host,
        cpus=base.cpus,
        memory_mb=base.memory_mb,
        devices=base.devices,
        device_memory_mb=base.device_memory_mb,
        boot_id=base.boot_id,
    )
