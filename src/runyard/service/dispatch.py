"""What each agent still has to be told: orders, stops, terms, revokes and forgets that it has not acknowledged.

An answer carries everything that is open, so a lost answer costs nothing; the number that an agent applied acknowledges
all that was open when that answer was made. Filled only after the commit that decided it. Safe from any thread.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from runyard.errors import Conflict
from runyard.model.attempt import AttemptKey
from runyard.model.beat import Answer, AttachOrder, Order, Report, StopOrder, Terms
from runyard.store.base import YardId


@dataclass
class _Outbox:
    """One agent's. The number beside each item is that of the first answer that can hold it. `heard` is the highest
    number of a report; `whole` stands until the agent has told everything that it has."""

    incarnation: int
    beat_at: float
    number: int = 0
    heard: int = 0
    whole: bool = True
    problem: str = ""
    start: dict[AttemptKey, tuple[int, Order]] = field(default_factory=dict)
    stop: dict[AttemptKey, tuple[int, StopOrder]] = field(default_factory=dict)
    terms: dict[AttemptKey, tuple[int, Terms]] = field(default_factory=dict)
    revoke: dict[AttemptKey, int] = field(default_factory=dict)
    forget: dict[AttemptKey, int] = field(default_factory=dict)
    attach: dict[str, tuple[int, AttachOrder]] = field(default_factory=dict)


class Dispatch:
    """The outboxes of all agents that have said hello to this server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outboxes: dict[str, _Outbox] = {}

    def open(self, agent: str, incarnation: int, now: float) -> None:
        """A new incarnation: what the earlier one was told is void, but for viewers who wait."""
        with self._lock:
            before = self._outboxes.get(agent)
            self._outboxes[agent] = _Outbox(incarnation, now, attach=_renumbered(before) if before else {})

    def connected(self, since: float) -> set[str]:
        """Agents that have beaten since this time."""
        with self._lock:
            return {agent for agent, outbox in self._outboxes.items() if outbox.beat_at >= since}

    def ready(self, since: float) -> set[str]:
        """Agents that have beaten since this time, have told everything that they have, and take orders."""
        with self._lock:
            return {
                agent
                for agent, outbox in self._outboxes.items()
                if outbox.beat_at >= since and not outbox.whole and not outbox.problem
            }

    def problems(self) -> tuple[str, ...]:
        """Why agents take no orders."""
        with self._lock:
            return tuple(f"agent {agent}: {box.problem}" for agent, box in self._outboxes.items() if box.problem)

    def beat_at(self, agent: str) -> float:
        """The time of its last beat (0: none since this server started)."""
        with self._lock:
            outbox = self._outboxes.get(agent)
            return outbox.beat_at if outbox else 0.0

    def hear(self, report: Report, now: float) -> bool:
        """A report has come: its agent is alive, and all that was open in the answer that it names has arrived.

        False for a late one: a newer one has been heard already, so it says nothing about the present.
        """
        with self._lock:
            outbox = self._box(report.agent, report.incarnation)
            outbox.beat_at = now
            if not (outbox.problem or report.problem):  # what was kept back has not arrived
                _acknowledge(outbox, report.applied)
            if report.number < outbox.heard:
                return False
            outbox.heard, outbox.problem = report.number, report.problem
            return True

    def check(self, agent: str, incarnation: int) -> None:
        """Conflict unless this is the agent's present incarnation."""
        with self._lock:
            self._box(agent, incarnation)

    def whole_heard(self, agent: str) -> None:
        """It has told us everything that it has."""
        with self._lock:
            if outbox := self._outboxes.get(agent):
                outbox.whole = False

    def order(self, agent: str, order: Order) -> None:
        with self._lock:
            if outbox := self._outboxes.get(agent):
                outbox.start[order.key] = (outbox.number + 1, order)

    def stop(self, agent: str, order: StopOrder) -> None:
        with self._lock:
            if outbox := self._outboxes.get(agent):
                outbox.stop[order.key] = (outbox.number + 1, order)

    def terms(self, agent: str, terms: Terms) -> None:
        with self._lock:
            if outbox := self._outboxes.get(agent):
                outbox.terms[terms.key] = (outbox.number + 1, terms)

    def revoke(self, agent: str, key: AttemptKey) -> None:
        with self._lock:
            if outbox := self._outboxes.get(agent):
                outbox.revoke.setdefault(key, outbox.number + 1)

    def forget(self, agent: str, key: AttemptKey) -> None:
        with self._lock:
            if outbox := self._outboxes.get(agent):
                for open_ones in (outbox.start, outbox.stop, outbox.terms, outbox.revoke):
                    open_ones.pop(key, None)
                outbox.forget[key] = outbox.number + 1

    def attach(self, agent: str, order: AttachOrder) -> None:
        with self._lock:
            if outbox := self._outboxes.get(agent):
                outbox.attach[order.ticket] = (outbox.number + 1, order)

    def answer(self, report: Report, yard: YardId, feed: int) -> Answer:
        """The next answer, with everything open; with nothing for an agent that would not do it."""
        with self._lock:
            outbox = self._box(report.agent, report.incarnation)
            outbox.number += 1
            if outbox.problem:
                return Answer(yard.id, yard.epoch, outbox.number, feed=feed)
            return Answer(
                yard.id,
                yard.epoch,
                outbox.number,
                start=tuple(order for _, order in outbox.start.values()),
                stop=tuple(order for _, order in outbox.stop.values()),
                forget=tuple(outbox.forget),
                revoke=tuple(outbox.revoke),
                whole=outbox.whole,
                feed=feed,
                terms=tuple(terms for _, terms in outbox.terms.values()),
                attach=tuple(order for _, order in outbox.attach.values()),
            )

    def _box(self, agent: str, incarnation: int) -> _Outbox:
        outbox = self._outboxes.get(agent)
        if outbox is None:
            raise Conflict(f"agent {agent} has not said hello to this server")
        if outbox.incarnation != incarnation:
            raise Conflict(
                f"agent {agent} has been started anew; this is incarnation {incarnation}, not {outbox.incarnation}"
            )
        return outbox


def _renumbered(outbox: _Outbox) -> dict[str, tuple[int, AttachOrder]]:
    return {ticket: (1, order) for ticket, (_, order) in outbox.attach.items()}


def _acknowledge(outbox: _Outbox, number: int) -> None:
    outbox.start = {key: item for key, item in outbox.start.items() if item[0] > number}
    outbox.stop = {key: item for key, item in outbox.stop.items() if item[0] > number}
    outbox.terms = {key: item for key, item in outbox.terms.items() if item[0] > number}
    outbox.revoke = {key: first for key, first in outbox.revoke.items() if first > number}
    outbox.forget = {key: first for key, first in outbox.forget.items() if first > number}
    outbox.attach = {ticket: item for ticket, item in outbox.attach.items() if item[0] > number}
