"""The way between an agent and the server, on which everything can happen to a message.

A `Wire` belongs to one start of an agent and looks to it like `agent.link.ServerLink`. Reports that it sent and answers
that are on their way lie in lists; the simulation delivers, doubles, delays, reorders or loses them. A report that got
nothing waits at the server, as the transport lets it, until something is to be told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from runyard.agent.link import Arrived
from runyard.errors import RunyardError, Unavailable
from runyard.model.beat import Answer, Hello, Report, Welcome
from runyard.model.host import Host

OK, LOST, ANSWER_LOST = "ok", "lost", "answer lost"
"""What can happen to a call that blocks."""


class Server(Protocol):
    """The verbs of an agent."""

    def hello(self, hello: Hello) -> Welcome: ...

    def beat(self, report: Report) -> Answer: ...


@dataclass(frozen=True)
class Sent:
    """A report on its way, on the connection of this generation."""

    report: Report
    generation: int


class Wire:
    """A `ServerLink`. `fate` says what happens to the next hello."""

    def __init__(self, server: Callable[[], Server | None], fate: Callable[[], str]) -> None:
        self._server = server
        self._fate = fate
        self.up = True
        self.generation = 0
        self.awaited: list[Report] = []
        self.reports: list[Sent] = []
        self.waiting: list[Sent] = []
        self.answers: list[Arrived] = []
        self.inbox: list[Arrived] = []
        self.late: list[Sent] = []
        self.late_answers: list[Arrived] = []

    # what the agent calls

    def fileno(self) -> int:
        return 0

    @property
    def in_flight(self) -> tuple[Report, ...]:
        return tuple(self.awaited)

    def hello(self, hello: Hello) -> Welcome:
        self.drop()
        fate, server = self._fate(), self._server()
        if server is None or not self.up or fate == LOST:
            raise Unavailable("nobody there")
        welcome = server.hello(hello)
        if fate == ANSWER_LOST:
            raise Unavailable("gone in the middle")
        return welcome

    def blob(self, name: str) -> bytes:
        raise Unavailable("there are no blobs here")

    def send(self, report: Report) -> None:
        if self._server() is None or not self.up:
            raise Unavailable("nobody there")
        self.awaited.append(report)
        self.reports.append(Sent(report, self.generation))

    def receive(self) -> list[Arrived]:
        inbox, self.inbox = self.inbox, []
        for arrived in inbox:
            self._no_longer_awaited(arrived.report)
        return inbox

    def drop(self) -> None:
        self.generation += 1
        for kept in (self.awaited, self.waiting, self.answers, self.inbox, self.late_answers):
            kept.clear()

    def close(self) -> None:
        """Its connections break; what it sent may still arrive."""
        self.drop()

    def _no_longer_awaited(self, report: Report) -> None:
        self.awaited = [other for other in self.awaited if other is not report]

    # what the simulation does

    def deliver(self, place: int, again: bool = False) -> None:
        """A report arrives at the server (and, `again`, will arrive once more, late)."""
        sent = self.reports.pop(place)
        if again:
            self.late.append(sent)
        self._deliver(sent)

    def deliver_late(self, place: int) -> None:
        """The second copy of a report arrives at the server."""
        self._deliver(self.late.pop(place))

    def _deliver(self, sent: Sent) -> None:
        server = self._server()
        if server is None:
            self._breaks(sent)
            return
        for other in self.waiting:
            self._answered(other, server)  # a new beat ends the waiting ones
        self.waiting.clear()
        try:
            answer = server.beat(sent.report)
        except RunyardError as error:
            self._arrives(sent, Arrived(sent.report, error=error))
            return
        if answer.empty and sent.generation == self.generation:
            self.waiting.append(sent)
        else:
            self._arrives(sent, Arrived(sent.report, answer=answer))

    def news(self, every: bool = False) -> None:
        """The server answers the waiting beats for which it has something (or all of them: their time is over)."""
        server = self._server()
        waiting, self.waiting = self.waiting, []
        for sent in waiting:
            if server is None:
                self._breaks(sent)
            elif not self._answered(sent, server, only_news=not every):
                self.waiting.append(sent)

    def lose(self, place: int) -> None:
        """A report is lost, and its connection breaks."""
        self._breaks(self.reports.pop(place))

    def answer(self, place: int, again: bool = False) -> None:
        """An answer arrives at the agent (and, `again`, will arrive once more, late)."""
        arrived = self.answers.pop(place)
        if again:
            self.late_answers.append(arrived)
        self.inbox.append(arrived)

    def answer_late(self, place: int) -> None:
        """The second copy of an answer arrives at the agent."""
        self.inbox.append(self.late_answers.pop(place))

    def lose_answer(self, place: int) -> None:
        """An answer is lost, and its connection breaks."""
        lost = self.answers.pop(place)
        self.inbox.append(Arrived(lost.report, error=Unavailable("gone in the middle")))

    def server_died(self) -> None:
        """Every connection breaks."""
        for sent in self.waiting:
            self._breaks(sent)
        self.waiting.clear()
        for arrived in self.answers:
            self.inbox.append(Arrived(arrived.report, error=Unavailable("the server went away")))
        self.answers.clear()

    def _answered(self, sent: Sent, server: Server, only_news: bool = False) -> bool:
        try:
            answer = server.beat(replace(sent.report, observed=(), all=None, host=None))
        except RunyardError as error:
            self._arrives(sent, Arrived(sent.report, error=error))
            return True
        if only_news and answer.empty:
            return False
        self._arrives(sent, Arrived(sent.report, answer=answer))
        return True

    def _arrives(self, sent: Sent, arrived: Arrived) -> None:
        if sent.generation == self.generation:
            self.answers.append(arrived)

    def _breaks(self, sent: Sent) -> None:
        if sent.generation == self.generation:
            self.inbox.append(Arrived(sent.report, error=Unavailable("the server went away")))


class Eyes:
    """A `Looker` without its thread: a look that was asked for is done when the simulation says so."""

    def __init__(self, look: Callable[[], Host], monotonic: Callable[[], float]) -> None:
        self._look = look
        self.monotonic = monotonic
        self._asked = 0
        self._fresh: Host | None = None
        self.number = 0
        self.host: Host | None = None
        self._looked_s = monotonic()

    def fileno(self) -> int:
        return 0

    @property
    def boot_id(self) -> str:
        return self.host.boot_id if self.host else ""

    def ask(self) -> int:
        if self._asked == self.number:
            self._asked += 1
        return self._asked

    def look(self) -> None:
        """The look that was asked for is done."""
        if self._asked > self.number and self._fresh is None:
            self._fresh = self._look()

    def take(self) -> Host | None:
        fresh, self._fresh = self._fresh, None
        if fresh is not None:
            self.host, self.number, self._looked_s = fresh, self._asked, self.monotonic()
        return fresh

    def due_s(self, now: float, busy: bool) -> float:
        return 5.0 if self._asked > self.number else self._looked_s + (5.0 if busy else 60.0) - now
