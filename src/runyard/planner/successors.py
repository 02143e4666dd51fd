"""Successors: short jobs are named ahead, so that the agent starts the next one without asking.

Called by `planner.plan` when all else is decided. For shapes whose runs are usually short, and whose places are all
taken, every running placement gets a chain of further jobs of the same shape: the same agent, CPUs and devices, each
following the one before. They hold nothing until they take over, so no limit is exceeded. How long a chain may be, the
shape's Pace says: the shortest are filled first. A queue that stops on a failure has no successors, and a job is not
named ahead while one of another shape, with a better place in the order, waits for what it would get.

Jobs of one shape may take very different times: none is named behind one that runs longer than it should. Who waits
behind one that takes long is withdrawn, as is who would start in a queue that was paused meanwhile, and who waits while
another place like that is free.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runyard.model.attempt import Placement, attempt_name
from runyard.model.record import changed
from runyard.model.spec import Resources
from runyard.model.view import Decision, Head, Occupied, Reason, Shape, ShapeView, View
from runyard.planner.eligible import Limits
from runyard.planner.fit import HostLedger, holding
from runyard.planner.order import Rank

STALLED_S = 0.5
"""When an attempt has run for this long, the jobs named behind it wait with all others again."""


@dataclass(frozen=True)
class Pace:
    """Of shapes whose runs usually take less than `most_s`: a chain that is shorter than `low` is filled up to `full`;
    none where the attempt that runs has taken longer than `most_s`."""

    most_s: float
    low: int
    full: int
    on_devices: bool


SHORT = Pace(0.1, 24, 32, on_devices=True)
BRIEF = Pace(0.4, 1, 1, on_devices=False)
"""One at a time: that is enough to hide the way through the server, which would cost these still some percent."""

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
        pace = _pace(view, waiting)
        if pace is not None:
            chains = [c for c in _chains(view, waiting, started, pace.most_s) if c.length < pace.low]
            named += _fill(waiting, chains, queued, pace.full)
    return named


def withdrawals(view: View, hosts: Sequence[HostLedger], limits: Limits) -> tuple[tuple[int, ...], float | None]:
    """The jobs named ahead that have to go back, and when the next ones may have to. `hosts` and `limits` are those at
    the end of the round."""
    by_name = {held.name: held for held in view.occupied}
    gone, look_at = [], None
    staying: list[tuple[Occupied, Occupied]] = []
    for held in view.occupied:
        base = _base(held, by_name)
        if base is held:
            continue
        began = base.placement.started_at
        stalls_at = began + STALLED_S if began is not None else None
        if _shut(view, held) or (stalls_at is not None and stalls_at <= view.now):
            gone.append(held.job_id)
            continue
        staying.append((held, base))
        if stalls_at is not None:
            look_at = stalls_at if look_at is None else min(look_at, stalls_at)
    return (*gone, *_to_free_places(staying, hosts, limits)), look_at


def _base(held: Occupied, by_name: Mapping[str, Occupied]) -> Occupied:
    """Who runs in the place that this one is to take over; itself if it holds one."""
    while (before := by_name.get(held.placement.follows)) is not None:
        held = before
    return held


def _to_free_places(
    staying: Sequence[tuple[Occupied, Occupied]], hosts: Sequence[HostLedger], limits: Limits
) -> list[int]:
    """The last of the longest chains, as many as there are free places for them: they need not wait. (Which other
    devices one may have, its placement does not say.)"""
    by_id = {host.view.host.id: host for host in hosts}
    lengths = Counter(base.name for _, base in staying)
    followed = {held.placement.follows for held, _ in staying}
    last = [(held, base) for held, base in staying if held.name not in followed and not held.placement.devices]
    gone = []
    for held, _ in sorted(last, key=lambda pair: -lengths[pair[1].name]):
        host, place = by_id.get(held.placement.host), held.placement
        asked = Resources(place.cpus, place.memory_mb)
        shape = Shape(held.queue, held.user, asked, 0, held.group)
        if host is None or host.view.host.draining or held.user not in host.view.agents or limits.reason(shape):
            continue
        if host.pick(asked, host.promise.free if host.promise is not None else None) is not None:
            host.take(holding(held))
            limits.count(shape, held.job_id, held.ends_by)
            gone.append(held.job_id)
    return gone


def _shut(view: View, held: Occupied) -> bool:
    """Whether no further job of its queue may start now."""
    queue = view.queues.get(held.queue)
    return view.draining or (queue is not None and (queue.paused or queue.stop_on_fail))


def _pace(view: View, waiting: Queued) -> Pace | None:
    """How jobs of this shape are named ahead; None: they are not."""
    usual_s, queue = waiting.shape.usual_s, view.queues.get(waiting.shape.shape.queue)
    if usual_s is None or not waiting.heads or waiting.reason.code not in TAKEN:
        return None
    if queue is not None and queue.stop_on_fail:
        return None
    on_devices = waiting.shape.shape.resources.gpus.count > 0
    return next((p for p in (SHORT, BRIEF) if usual_s < p.most_s and (p.on_devices or not on_devices)), None)


def _chains(view: View, waiting: Queued, started: Sequence[Decision], most_s: float) -> list[Chain]:
    """The running placements of this shape, with what is already named behind each."""
    agents = {(host.view.host.id, host.view.agents[waiting.shape.shape.user]) for host in waiting.hosts}
    mine = [held for held in view.occupied if held.shape == waiting.shape.id]
    known = {held.name for held in mine}
    behind = {held.placement.follows: held for held in mine if held.placement.follows}
    chains = []
    for held in mine:
        base = held.placement
        if base.started_at is not None and base.started_at + most_s < view.now:
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


def _fill(waiting: Queued, chains: Sequence[Chain], queued: Sequence[Queued], full: int) -> list[Decision]:
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
        if length + 1 < full:
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
