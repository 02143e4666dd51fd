"""The verbs on the yard itself: queues, hosts, the server, blobs, waiting."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

from runyard.api import QueueRow, ServerStatus
from runyard.model.host import Host
from runyard.model.job import JobState
from runyard.model.queue import Queue
from runyard.service.hook_verbs import failing
from runyard.service.rows import running_row
from runyard.service.turn import Turn
from runyard.service.verbs import Verbs


class YardVerbs(Verbs):
    """Queues, hosts and the server."""

    def queues(self) -> tuple[QueueRow, ...]:
        counts = self._store.counts()
        ahead = Counter(job.spec.queue for job in self._store.active() if job.ahead)

        def row(queue: Queue) -> QueueRow:
            by_state = counts.get(queue.name, {})
            waiting = by_state.get(JobState.PENDING.value, 0) + ahead[queue.name]
            return QueueRow(queue, waiting, sum(by_state.values()) - waiting)

        return tuple(row(queue) for queue in self._store.queues())

    def save_queue(self, queue: Queue) -> Queue:
        def work(turn: Turn) -> Queue:
            saved = turn.store.save_queue(queue)
            turn.dirty = True
            turn.topics.add("jobs")
            return saved

        return self._controller.call(work)

    def remove_queue(self, name: str) -> None:
        self._controller.call(lambda turn: turn.store.remove_queue(name))

    def hosts(self) -> tuple[Host, ...]:
        return tuple(self._store.hosts())

    def status(self) -> ServerStatus:
        store, about = self._store, self._yard.about
        hosts = {host.id: host for host in store.hosts()}
        queues = store.queues()
        counts = store.counts()
        unkillable = frozenset(self._controller.unkillable)
        active = store.active()
        running = [job for job in active if not job.ahead]
        pending = sum(by_state.get(JobState.PENDING.value, 0) for by_state in counts.values())
        return ServerStatus(
            pid=os.getpid(),
            version=about.version,
            yard=self._controller.yard.id,
            epoch=self._controller.yard.epoch,
            started_at=about.started_at,
            home=about.home,
            store=about.store,
            config=about.config,
            agents=tuple(
                replace(agent, last_beat_at=self._controller.dispatch.beat_at(agent.id) or agent.last_beat_at)
                for agent in store.agents()
            ),
            running=tuple(running_row(job, hosts, unkillable) for job in running),
            waiting=pending + len(active) - len(running),
            paused=tuple(queue.name for queue in queues if queue.paused),
            draining=self._controller.draining,
            stop_on_fail=tuple(queue.name for queue in queues if queue.stop_on_fail),
            problems=self._controller.problems + failing(store, self._controller.hooks),
        )

    def put_blob(self, data: bytes) -> str:
        return self._yard.blobs.put(data)

    def blob(self, name: str) -> bytes:
        return self._yard.blobs.get(name)

    def changed(self, topics: tuple[str, ...], after: int, timeout_s: float) -> int:
        changes = self._controller.changes
        return changes.position if after <= 0 else changes.wait(topics, after, timeout_s)
