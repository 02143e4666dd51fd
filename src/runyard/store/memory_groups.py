"""The part of the memory store that keeps groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from runyard.errors import NotFound
from runyard.model.group import Group
from runyard.model.job import Job, JobState
from runyard.store.base import Cell
from runyard.store.memory_documents import MemoryDocuments, Papers
from runyard.store.selection import started_at


class State(Papers, Protocol):
    """What it needs of the store's state."""

    jobs: dict[int, Job]
    groups: dict[int, Group]


class MemoryGroups(MemoryDocuments):
    """Groups and their jobs."""

    @property
    def _seen(self) -> State:
        raise NotImplementedError

    @property
    def _changing(self) -> State:
        raise NotImplementedError

    def groups(self, ids: Iterable[int]) -> list[Group]:
        kept = self._seen.groups
        return [kept[group] for group in sorted(set(ids)) if group in kept]

    def groups_of(self, kind: str, name: str = "") -> list[Group]:
        kept = sorted(self._seen.groups.items())
        return [group for _, group in kept if group.kind == kind and name in ("", group.name)]

    def save_group(self, group: Group) -> None:
        if group.id not in self._changing.groups:
            raise NotFound(f"there is no group {group.id}")
        self._changing.groups[group.id] = group

    def cells(self, groups: Iterable[int]) -> dict[int, list[Cell]]:
        found: dict[int, list[Cell]] = {group: [] for group in groups}
        for job_id, job in sorted(self._seen.jobs.items()):
            if job.group in found:
                cell = Cell(job_id, job.word, started_at(job), job.ended_at, job.exit_code, job.reason)
                found[job.group].append(cell)
        return found

    def group_open(self, group: int) -> bool:
        return any(job.group == group and job.state is not JobState.DONE for job in self._seen.jobs.values())
