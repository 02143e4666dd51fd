"""The verbs on what jobs print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from runyard.api import Chunk, GrepQuery
from runyard.errors import Conflict, NotFound
from runyard.model.outcome import Outcome
from runyard.service.verbs import Verbs


class OutputVerbs(Verbs):
    """Reading and collecting the output of attempts."""

    def output(self, job_id: int, number: int, offset: int, length: int) -> Chunk:
        number, final = self._attempt(job_id, number)
        chunk = self._yard.files.range(job_id, number, offset, length)
        return replace(chunk, final=final and chunk.offset + len(chunk.data) >= chunk.size)

    def tail(self, job_id: int, number: int, lines: int) -> Chunk:
        number, final = self._attempt(job_id, number)
        return replace(self._yard.files.tail(job_id, number, max(0, lines)), final=final)

    def head(self, job_id: int, number: int, lines: int) -> Chunk:
        return self._yard.files.head(job_id, self._attempt(job_id, number)[0], max(0, lines))

    def grep(self, job_id: int, number: int, query: GrepQuery) -> Iterator[bytes]:
        return self._yard.files.grep(job_id, self._attempt(job_id, number)[0], query)

    def clean(self, dry: bool = False) -> tuple[int, ...]:
        return self._yard.collect(dry)

    def _attempt(self, job_id: int, number: int) -> tuple[int, bool]:
        """The number of the attempt that is meant, and whether it can print no more."""
        job = self._store.job(job_id)
        last = job.attempt.number if job.attempt else 0
        if job.outcome is not None and number in (0, last) and (last == 0 or job.outcome is Outcome.NOT_STARTED):
            why = f" ({job.reason})" if job.reason else ""
            raise Conflict(f"job {job_id} never started, so it has no output: it is {job.word}{why}")
        if job.attempt is None:
            raise Conflict(f"job {job_id} has not started yet: it is {job.word}")
        if number > job.attempt.number or number < 0:
            raise NotFound(f"job {job_id} has no attempt {number}, the latest is {job.attempt.number}")
        number = number or job.attempt.number
        return number, number < job.attempt.number or job.attempt.over
