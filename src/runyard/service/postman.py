"""Delivers the notices of one hook: a thread of the server beside the yard thread.

At least once: a notice stays in the store until its delivery was committed, so one that was delivered by a server which
then died comes again, with the same id. A hook that fails is tried again after growing pauses and given up in the end;
what it does never touches a job.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from runyard.errors import RunyardError
from runyard.model import codec
from runyard.model.hook import Hook
from runyard.model.notice import NOTIFIED, OUTBOX, Notice, Told, Undelivered
from runyard.service.controller import Controller
from runyard.service.turn import Turn

PAUSE_FIRST_S = 5.0
PAUSE_MOST_S = 3_600.0
TRIES_MAX = 16
"""The pause doubles with each failure: sixteen tries are some eight hours."""

KEPT = 100
"""So many last deliveries of each hook are remembered."""

IDLE_S = 600.0
AGAIN_S = 5.0
"""The pause after the store could not be read or written."""

log = logging.getLogger("runyard.hooks")


Deliver = Callable[[Hook, Notice], None]
"""Hands a notice over, or raises Undelivered."""


class Postman:
    """The notices of one hook."""

    def __init__(self, controller: Controller, hook: Hook, deliver: Deliver, now: Callable[[], float]) -> None:
        self._controller = controller
        self._hook = hook
        self._kind = f"{OUTBOX}{hook.name}"
        self._deliver = deliver
        self._now = now
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"hook {hook.name}"[:15], daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Begin nothing new. What is being delivered may go on until the process ends."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                position = self._controller.changes.position
                pause = self.round()
            except RunyardError as error:
                log.warning("notices of %s must wait: %s", self._hook.name, error.message)
                self._ended.wait(AGAIN_S)
                continue
            if not self._ended.is_set() and pause > 0:
                self._controller.changes.wait((self._kind,), position, pause)

    def round(self) -> float:
        """Deliver what is due; seconds until more is."""
        waiting = self._waiting()
        for notice in waiting:
            if self._ended.is_set():
                return 0.0
            if notice.next_at <= self._now():
                self._one(notice)
        left = [notice.next_at for notice in self._waiting()]
        return min(IDLE_S, max(0.0, min(left) - self._now()) + 0.001) if left else IDLE_S

    def _waiting(self) -> list[Notice]:
        found = [codec.decode(Notice, value) for value in self._controller.store.documents(self._kind).values()]
        return sorted(found, key=lambda notice: (notice.at, notice.id))

    def _one(self, notice: Notice) -> None:
        try:
            self._deliver(self._hook, notice)
        except Undelivered as error:
            self._failed(notice, error)
        else:
            self._record(notice, "", None)

    def _failed(self, notice: Notice, error: Undelivered) -> None:
        tries = notice.tries + 1
        pause = min(PAUSE_MOST_S, PAUSE_FIRST_S * 2.0 ** (tries - 1))
        again_at = None if error.for_good or tries >= TRIES_MAX else self._now() + pause
        log.warning("%s does not take %s: %s", self._hook.name, notice.id, error.message)
        self._record(replace(notice, tries=tries, next_at=again_at or 0.0), error.message, again_at)

    def _record(self, notice: Notice, problem: str, again_at: float | None) -> None:
        told = Told(
            notice.id, self._hook.name, notice.event, self._now(), notice.job_id, notice.group, problem,
            notice.tries + (not problem), again_at,
        )  # fmt: skip

        def work(turn: Turn) -> None:
            if again_at is None:
                turn.store.remove_document(self._kind, notice.id)
            else:
                turn.store.save_document(self._kind, notice.id, codec.encode(notice))
            before = turn.store.document(NOTIFIED, self._hook.name) or []
            kept = [one for one in before if one["id"] != notice.id][1 - KEPT :]
            turn.store.save_document(NOTIFIED, self._hook.name, [*kept, codec.encode(told)])
            turn.topics.add("hooks")

        self._controller.call(work)
