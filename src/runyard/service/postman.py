"""Delivers the notices of one hook, in a thread of the server beside the yard thread.

At least once: a notice stays in the store until its delivery was committed, so one that was delivered by a server which
then died comes again, with the same id. A hook that fails is tried again after growing pauses and given up in the end;
what it does never touches a job.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from runyard.errors import RunyardError
from runyard.model import codec
from runyard.model.hook import Hook
from runyard.model.notice import NOTIFIED, OUTBOX, Notice, Told, Undelivered
from runyard.service.controller import Controller
from runyard.service.notices import plain
from runyard.service.turn import Turn
from runyard.store.base import Store

PAUSE_FIRST_S = 5.0
PAUSE_MOST_S = 3_600.0
TRIES_MAX = 16
"""The pause doubles with each failure: sixteen tries take some eight hours."""

KEPT = 100
"""How many of the last deliveries of each hook are remembered."""

IDLE_S = 600.0
AGAIN_S = 5.0
"""The pause after the store could not be read or written."""

PROBLEM_MAX = 500

TOGETHER = 500
"""The most notices in memory, however many wait."""

log = logging.getLogger("runyard.hooks")


Deliver = Callable[[Hook, Notice], None]
"""Hands a notice over, or raises Undelivered."""


class Postman:
    """The notices of one hook."""

    def __init__(self, controller: Controller, hook: Hook, deliver: Deliver, now: Callable[[], float]) -> None:
        self._controller = controller
        self.hook = hook
        self._kind = f"{OUTBOX}{hook.name}"
        self._deliver = deliver
        self._now = now
        self._ended = threading.Event()

    def end(self) -> None:
        """Begin nothing new. What is being delivered may go on until the process ends."""
        self._ended.set()

    def run(self) -> None:
        """Until `end`. Raises what nobody has foreseen, with that delivery noted as failed; it can be called again."""
        while not self._ended.is_set():
            try:
                position = self._controller.changes.position
                pause = self.round()
            except RunyardError as error:
                log.warning("notices of %s must wait: %s", self.hook.name, error.message)
                self._ended.wait(AGAIN_S)
                continue
            if not self._ended.is_set() and pause > 0:
                self._controller.changes.wait((self._kind,), position, pause)

    def round(self) -> float:
        """Deliver the oldest of those that are due; seconds until others are."""
        now, pause = self._now(), IDLE_S

        def due() -> Iterator[Notice]:
            nonlocal pause
            for notice in waiting(self._controller.store, self.hook.name):
                if notice.next_at <= now:
                    yield notice
                else:
                    pause = min(pause, notice.next_at - now + 0.001)

        oldest = heapq.nsmallest(TOGETHER, due(), key=lambda notice: (notice.at, notice.id))
        for notice in oldest:
            if not self._ended.is_set():
                self._one(notice)
        return 0.0 if oldest else pause

    def _one(self, notice: Notice) -> None:
        try:
            self._deliver(self.hook, notice)
        except Undelivered as error:
            self._failed(notice, error)
        except Exception as error:
            self._failed(notice, Undelivered(f"{type(error).__name__}: {error}"))
            raise
        else:
            self._record(notice, "", None)

    def _failed(self, notice: Notice, error: Undelivered) -> None:
        tries = notice.tries + 1
        pause = min(PAUSE_MOST_S, PAUSE_FIRST_S * 2.0 ** (tries - 1))
        again_at = None if error.for_good or tries >= TRIES_MAX else self._now() + pause
        why = plain(error.message)[:PROBLEM_MAX]  # in the words of the other side
        log.warning("%s does not take %s: %s", self.hook.name, notice.id, why)
        self._record(replace(notice, tries=tries, next_at=again_at or 0.0), why, again_at)

    def _record(self, notice: Notice, problem: str, again_at: float | None) -> None:
        told = Told(
            notice.id, self.hook.name, notice.event, self._now(), notice.job_id, notice.group, problem,
            notice.tries + (not problem), again_at,
        )  # fmt: skip

        def work(turn: Turn) -> None:
            if again_at is None:
                turn.store.remove_document(self._kind, notice.id)
            else:
                turn.store.save_document(self._kind, notice.id, codec.encode(notice))
            before = turn.store.document(NOTIFIED, self.hook.name) or []
            kept = [one for one in before if one["id"] != notice.id][1 - KEPT :]
            turn.store.save_document(NOTIFIED, self.hook.name, [*kept, codec.encode(told)])
            turn.topics.add("hooks")

        self._controller.call(work)


def waiting(store: Store, hook: str) -> Iterator[Notice]:
    """The notices in the outbox of this hook, in no order that counts."""
    kind, last = f"{OUTBOX}{hook}", ""
    while page := store.documents(kind, last, TOGETHER):
        yield from (codec.decode(Notice, value) for value in page.values())
        last = max(page)
