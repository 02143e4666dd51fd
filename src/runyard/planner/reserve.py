"""When a job that does not fit now will fit, and what is kept for it until then.

`planner.plan` reserves for the first job in the order that does not fit, and for further ones on hosts that keep
nothing yet: a host keeps for one job. The holdings of a host are thought away one after another, known ends first, then
the longest running; the shortest such prefix that makes room decides. The host is the one where that is known to be
soonest; where nothing is known, the one where the fewest jobs of unknown end have to go.

What remains of that host when the job sits there is the promise: a later job starts on it only if it leaves the promise
untouched, or ends (by its time limit, with a margin for its grace) before the promised time. So a known time is never
put off. Where the time is unknown, what gets free on that host is kept: whoever starts later stands behind the prefix,
so the prefix only shrinks, and the job starts after finitely many ends.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

from runyard.model.spec import GpuRequest, Resources
from runyard.planner.fit import Holding, HostLedger, Promise

MARGIN_S = 15.0
"""A job that goes ahead must end so long before the promised time: its start takes a moment, its end a grace."""

NEVER = 1 << 60
"""More ends than there can be."""


@dataclass(frozen=True, slots=True)
class Chance:
    """The first moment at which a job fits on a host: after the first `ends` releases of its timeline.

    `at` is that wall time if it is known; `unknown` counts the releases of unknown time; `positions` are the devices.
    """

    host: HostLedger
    ends: int
    at: float | None
    unknown: int
    positions: tuple[int, ...]

    @property
    def order(self) -> tuple[float, int, int]:
        return (float("inf") if self.at is None else self.at, self.unknown, self.host.order)


class Timeline:
    """The releases of one host in the order in which they are expected, and what is free after each."""

    def __init__(self, host: HostLedger) -> None:
        self.changes = host.changes
        self.line = sorted((h for h in host.holdings if not h.stuck), key=_expected)
        self.known = sum(h.ends is not None for h in self.line)
        self.cpus = [host.free.cpus]
        self.memory_mb = [host.free.memory_mb]
        self.holders: dict[str, list[tuple[int, Holding]]] = {}
        for number, holding in enumerate(self.line, 1):
            self.cpus.append(self.cpus[-1] + holding.cpus)
            self.memory_mb.append(self.memory_mb[-1] + holding.memory_mb)
            for uuid in holding.devices:
                self.holders.setdefault(uuid, []).append((number, holding))
        self.stuck = {uuid for h in host.holdings if h.stuck for uuid in h.devices}
        self._opening: dict[GpuRequest, list[tuple[int, int]]] = {}

    def opening(self, host: HostLedger, gpus: GpuRequest) -> list[tuple[int, int]]:
        """For each device of the kind asked for: after how many releases it is open, and its position; best first."""
        found = self._opening.get(gpus)
        if found is None:
            found = sorted((self._opens(host, i, gpus), i) for i in host.wanted(gpus))
            self._opening[gpus] = found
        return found

    def _opens(self, host: HostLedger, position: int, gpus: GpuRequest) -> int:
        slot = host.free.slots[position]
        if slot.open_to(gpus):
            return 0
        if slot.withheld:
            return NEVER
        holders = self.holders.get(slot.device.uuid, [])
        if not gpus.shared:
            return NEVER if slot.device.uuid in self.stuck or not holders else holders[-1][0]
        whole, free_mb = slot.whole, slot.device.memory_mb - slot.shared_mb
        for number, holding in holders:
            whole -= not holding.share_mb
            free_mb += holding.share_mb
            if not whole and free_mb >= gpus.memory_mb:
                return number
        return NEVER


def _expected(holding: Holding) -> tuple[float, float, int]:
    return (float("inf") if holding.ends is None else holding.ends, holding.since, holding.job_id)


class Outlook:
    """The timelines of the hosts, kept as long as nothing changes there."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._lines: dict[int, Timeline] = {}

    def timeline(self, host: HostLedger) -> Timeline:
        line = self._lines.get(host.order)
        if line is None or line.changes != host.changes:
            line = self._lines[host.order] = Timeline(host)
        return line

    def chances(self, resources: Resources, hosts: Sequence[HostLedger]) -> list[Chance]:
        """Where and when it will fit, best first; hosts where no end of ours helps are left out."""
        found = [chance for host in hosts if (chance := self._chance(resources, host)) is not None]
        return sorted(found, key=lambda chance: chance.order)

    def needed(self, chance: Chance, resources: Resources) -> list[Holding]:
        """The holdings that have to go before it fits there, soonest first."""
        line = self.timeline(chance.host)
        kept = chance.host.free.slots
        uuids = {kept[i].device.uuid for i in chance.positions if not kept[i].open_to(resources.gpus)}
        first = line.line[: chance.ends]
        must = [bool(uuids.intersection(holding.devices)) for holding in first]
        gone = list(compress(first, must))
        cpus = resources.cpus - line.cpus[0] - sum(h.cpus for h in gone) if resources.cpus else 0
        memory = resources.memory_mb - line.memory_mb[0] - sum(h.memory_mb for h in gone) if resources.memory_mb else 0
        extra = _cover(first, must, cpus, memory)
        return list(compress(first, map(max, must, extra)))

    def reserve(self, job_id: int, resources: Resources, chances: Sequence[Chance]) -> None:
        """Keep the best host that keeps nothing yet for this job."""
        best = next((chance for chance in chances if chance.host.promise is None), None)
        if best is None:
            return
        free = best.host.free.copy()
        for holding in self.needed(best, resources):
            free.give(holding)
        devices = tuple(free.slots[i].device.uuid for i in best.positions)
        mine = Holding(job_id, resources.cpus, resources.memory_mb, devices, resources.gpus.memory_mb, None, 0.0)
        free.take(mine)
        best.host.promise = Promise(job_id, best.at, free)

    def _chance(self, resources: Resources, host: HostLedger) -> Chance | None:
        line = self.timeline(host)
        ends = max(
            bisect_left(line.cpus, resources.cpus) if resources.cpus else 0,
            bisect_left(line.memory_mb, resources.memory_mb) if resources.memory_mb else 0,
        )
        gpus = resources.gpus
        opening: list[tuple[int, int]] = []
        if gpus.count:
            opening = line.opening(host, gpus)[: gpus.count]
            ends = max(ends, opening[-1][0])
        if ends > len(line.line):
            return None
        at: float | None = self._now
        if ends:
            last = line.line[ends - 1].ends
            at = None if last is None else max(last, self._now)
        return Chance(host, ends, at, max(0, ends - line.known), tuple(sorted(i for _, i in opening)))


def _cover(holdings: Sequence[Holding], skip: Sequence[bool], cpus: int, memory_mb: int) -> list[bool]:
    """Further holdings that free at least this, the soonest; those that are not needed after all are dropped again."""
    chosen = [False] * len(holdings)
    for i, holding in enumerate(holdings):
        if not skip[i] and ((cpus > 0 and holding.cpus) or (memory_mb > 0 and holding.memory_mb)):
            chosen[i] = True
            cpus, memory_mb = cpus - holding.cpus, memory_mb - holding.memory_mb
        if cpus <= 0 and memory_mb <= 0:
            break
    for i in reversed(range(len(holdings))):
        holding = holdings[i]
        if chosen[i] and cpus + holding.cpus <= 0 and memory_mb + holding.memory_mb <= 0:
            chosen[i] = False
            cpus, memory_mb = cpus + holding.cpus, memory_mb + holding.memory_mb
    return chosen
