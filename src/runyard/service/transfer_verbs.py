"""The verbs by which jobs leave a yard and come into another."""

from __future__ import annotations

import os
from collections.abc import Iterator

from runyard.errors import Conflict, NotAllowed, NotFound
from runyard.model.attempt import AttemptKey
from runyard.model.job import Job
from runyard.model.metrics import Reading
from runyard.model.transfer import Cargo, Story, Unloaded
from runyard.service.unloading import Unloading
from runyard.service.verbs import Verbs


class TransferVerbs(Verbs):
    """Export and import."""

    def pack(self, ids: tuple[int, ...]) -> Cargo:
        store = self._store
        found = store.load(ids)
        for job_id in ids:
            if job_id not in found:
                raise NotFound(f"there is no job {job_id}")
        stories = tuple(Story(job_id, tuple(store.events(job_id))) for job_id in ids)
        queues = {spec.queue for story in stories for spec in story.specs}
        return Cargo(
            "",
            self._controller.yard.id,
            self._yard.now(),
            stories,
            tuple(store.groups({job.group for job in found.values() if job.group is not None})),
            tuple(queue for queue in store.queues() if queue.name in queues),
            readings=tuple(reading for job in found.values() for reading in self._readings(job)),
        )

    def _readings(self, job: Job) -> Iterator[Reading]:
        """What its attempts have reported."""
        measured = self._store.measured(job.id) if job.attempt is not None else []
        tokens = {one.number: one.token for one in self._store.attempts(job.id)} if measured else {}
        for one in measured:
            yield Reading(AttemptKey(job.id, one.number, tokens.get(one.number, "")), one.progress, one.metrics)

    def unload(self, cargo: Cargo) -> Unloaded:
        if self._controller.halted:
            raise Conflict(self._controller.halted)
        if cargo.outputs and self._caller.uid not in (0, os.getuid()):
            raise NotAllowed("only the account of the server may name files that it is to read")

        unloading = Unloading(cargo, self._yard.blobs.has, self._caller.user)
        done = None
        while done is None:  # others have their turns between these
            done = self._controller.call(unloading.step)
        for old, path in cargo.outputs.items():
            self._yard.adopt_output(done.ids[old], path)
        return done
