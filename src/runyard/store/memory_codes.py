"""The part of the store in memory that knows which jobs have the same code, or run the same."""

from __future__ import annotations

from runyard.model.job import Job, JobState
from runyard.model.spec import JobSpec
from runyard.store.codes import MOST, are_alike, key_of_code
from runyard.store.memory_groups import MemoryGroups


class MemoryCodes(MemoryGroups):
    """Jobs by their code."""

    @property
    def _coded(self) -> list[Job]:
        return [job for job in self._seen.jobs.values() if job.spec.code is not None]

    def alike(self, spec: JobSpec) -> list[Job]:
        return sorted((job for job in self._coded if are_alike(job.spec, spec)), key=lambda job: -job.id)[:MOST]

    def snapshots(self, only_open: bool = False) -> set[str]:
        jobs = (job for job in self._coded if not (only_open and job.state is JobState.DONE))
        return {key_of_code(job.spec) for job in jobs} - {""}
