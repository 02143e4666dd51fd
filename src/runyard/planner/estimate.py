"""When the next job of a shape may start: a range, and what it rests on.

Called by the service to explain one job, with a view and what earlier runs took. The planner itself is asked again and
again while the running jobs end one after another, so priorities, limits and reservations count. Twice: once with every
run as short as it may be, once as long. Where an end that is needed is unknown (no time limit, no earlier run) there is
no estimate, or one without an end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from runyard.model.host import Device
from runyard.model.view import Decision, HostView, Occupied, Shape, ShapeView, View
from runyard.planner.fit import attempts
from runyard.planner.planner import plan
from runyard.planner.words import plural

SHORTEST, LONGEST = 0.8, 1.5
"""Between these parts of its usual time a run is expected to end."""

STEPS = 64
"""The most ends that are replayed; what comes later is not foreseen."""

NEVER = float("inf")


class Usual(NamedTuple):
    """What earlier runs of the same command took, and how many there were."""

    seconds: float
    runs: int


class Estimate(NamedTuple):
    """Wall times between which the job may start (`latest` None: nobody knows), and the basis in words."""

    earliest: float
    latest: float | None
    basis: str


def estimate(view: View, shape_id: int, usual: Mapping[int, Usual]) -> Estimate | None:
    """When the first waiting job of this shape may start; `usual` is by shape id. None where nothing is known."""
    target = next((shape for shape in view.shapes if shape.id == shape_id), None)
    if target is None or not target.heads:
        return None
    early = Replay(view, target, Pace(usual, short=True)).run()
    if early is None:
        return None
    late = Replay(view, target, Pace(usual, short=False)).run()
    latest = late.at if late is not None and late.sure else None
    first = early.at if latest is None else min(early.at, latest)
    return Estimate(first, None if latest is None else max(early.at, latest), (late or early).basis)


class Moment(NamedTuple):
    """What a replay found. Not `sure`: it starts then at the earliest, no more could be foreseen."""

    at: float
    sure: bool
    basis: str


@dataclass(frozen=True)
class Pace:
    """How long runs are taken to last: as short as they may be, or as long."""

    usual: Mapping[int, Usual]
    short: bool

    def end(self, held: Occupied, now: float) -> float:
        """The wall time at which this one is taken to end."""
        usual = self.usual.get(held.shape)
        if held.unkillable or held.paused or (usual is None and held.ends_by is None):
            return NEVER
        limit = NEVER if held.ends_by is None else max(held.ends_by, now)
        if usual is None:
            return now if self.short else limit
        started = now if held.placement.started_at is None else held.placement.started_at
        return min(limit, now + self._rest(usual.seconds, now - started))

    def _rest(self, usual_s: float, lasted_s: float) -> float:
        """A run that lasts longer than is usual may end now, or last as long again."""
        if self.short:
            return max(0.0, usual_s * SHORTEST - lasted_s)
        rest = usual_s * LONGEST - lasted_s
        return rest if rest > 0 else lasted_s


class Replay:
    """The yard as it may go on from the view, until the first job of the target starts."""

    def __init__(self, view: View, target: ShapeView, pace: Pace) -> None:
        self.now = view.now
        self.pace = pace
        self.target = target.heads[0]
        mine = self.target.rank
        self.before = {s.id for s in view.shapes if s.id != target.id and (not s.heads or s.heads[-1].rank < mine)}
        known = attempts(view.occupied)
        running = tuple(held for held in view.occupied if held.placement.follows not in known)
        held = {uuid for each in running for uuid in each.placement.devices}
        self.view = replace(
            view,
            occupied=running,
            hosts=tuple(_without_traces(host, held) for host in view.hosts),
            shapes=tuple(replace(shape, usual_s=None) for shape in view.shapes),
        )
        self.ends = {_key(each): pace.end(each, view.now) for each in running}
        self.ended: list[Occupied] = []

    def run(self) -> Moment | None:
        """The moment of its start; None where that is not foreseen at all."""
        for _ in range(STEPS):
            decisions = plan(self.view).decisions
            if any(decision.job_id == self.target.job_id for decision in decisions):
                return Moment(self.view.now, True, self.basis())
            self._carry_out(decisions)
            if self._unseen():
                return Moment(self.view.now, False, self.basis())
            if min(self.ends.values(), default=NEVER) == NEVER:
                return None
            self._end_next()
        return Moment(self.view.now, False, self.basis())

    def basis(self) -> str:
        """What the ends so far rest on."""
        known = [self.pace.usual[held.shape] for held in self.ended if held.shape in self.pace.usual]
        parts = []
        if len(known) < len(self.ended):
            parts.append("time limits")
        if known:
            parts.append(f"{plural(min(usual.runs for usual in known), 'earlier run')} like it")
        return " and ".join(parts)

    def _carry_out(self, decisions: tuple[Decision, ...]) -> None:
        started = {decision.job_id: decision for decision in decisions}
        occupied, shapes = list(self.view.occupied), []
        for shape in self.view.shapes:
            mine = [started[head.job_id] for head in shape.heads if head.job_id in started]
            occupied += [_running(shape, decision, self.view.now) for decision in mine]
            heads = tuple(head for head in shape.heads if head.job_id not in started)
            shapes.append(replace(shape, heads=heads, waiting=shape.waiting - len(mine)))
        for held in occupied:
            self.ends.setdefault(_key(held), self.pace.end(held, self.view.now))
        self.view = replace(self.view, occupied=tuple(occupied), shapes=tuple(shapes))

    def _unseen(self) -> bool:
        """Whether jobs may stand before the target that the view does not list."""
        return any(s.id in self.before and s.waiting > 0 and not s.heads for s in self.view.shapes)

    def _end_next(self) -> None:
        at = max(self.view.now, min(self.ends.values()))
        over = {key for key, end in self.ends.items() if end <= at}
        self.ended += [held for held in self.view.occupied if _key(held) in over]
        self.ends = {key: end for key, end in self.ends.items() if key not in over}
        self.view = replace(
            self.view, now=at, occupied=tuple(held for held in self.view.occupied if _key(held) not in over)
        )


def _key(held: Occupied) -> tuple[int, int, int]:
    return (held.job_id, held.number, held.placement.rank)


def _running(shape: ShapeView, decision: Decision, now: float) -> Occupied:
    made: Shape = shape.shape
    return Occupied(
        job_id=decision.job_id,
        number=decision.number,
        queue=made.queue,
        user=made.user,
        shape=shape.id,
        placement=replace(decision.placement, started_at=now),
        group=made.group,
        ends_by=now + made.time_limit_s if made.time_limit_s else None,
    )


def _without_traces(host: HostView, held: set[str]) -> HostView:
    """The host as it will look once our jobs have ended: what they use now must not count as a stranger's then."""
    devices = tuple(_cleared(device) if device.uuid in held else device for device in host.host.devices)
    return replace(host, host=replace(host.host, devices=devices))


def _cleared(device: Device) -> Device:
    return replace(device, used_mb=0, processes=tuple(p for p in device.processes if not p.attempt))
