"""How `apply` asks: few large bites, each thing once."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from runyard.model.events import Submitted
from runyard.model.job import Job
from runyard.model.lifecycle import begin
from runyard.model.queue import Queue
from runyard.store.applying import Dependants, apply
from tests.contract.store.support import assign, end, spec, start


class Fake:
    """A source that notes what it is asked."""

    def __init__(self, links: dict[int, list[int]]) -> None:
        self.links = links
        numbers = {1, *links, *(job_id for waiting in links.values() for job_id in waiting)}
        waiting_on = {job_id: sum(job_id in waiting for waiting in links.values()) for job_id in numbers}
        self.jobs = {
            job_id: begin(job_id, Submitted(1.0, spec(), None, waiting_on[job_id])) for job_id in sorted(numbers)
        }
        self.loads: list[list[int]] = []
        self.asked: list[list[int]] = []

    def load(self, ids: Iterable[int]) -> dict[int, Job]:
        self.loads.append(list(ids))
        return {job_id: self.jobs[job_id] for job_id in self.loads[-1] if job_id in self.jobs}

    def waiting_for(self, ids: Collection[int]) -> Dependants:
        self.asked.append(list(ids))
        return {job_id: [(other, "afterok") for other in self.links[job_id]] for job_id in ids if job_id in self.links}

    def absence(self, job_id: int) -> str:
        return f"no {job_id}"

    def active_unique(self, user: str, unique: str) -> int | None:
        return None

    def queues(self) -> list[Queue]:
        return [Queue()]


def test_a_batch_is_loaded_at_once() -> None:
    source = Fake({1: [], 2: [], 3: []})
    applied = apply([change for job_id in (1, 2, 3) for change in (assign(job_id), start(job_id), end(job_id))], source)
    assert source.loads == [[1, 2, 3]]
    assert source.asked == [[1, 2, 3]]
    assert len(applied.recorded) == 9


def test_a_level_of_dependants_is_loaded_at_once() -> None:
    source = Fake({1: [2, 3, 4], 2: [5], 3: [5, 6], 4: []})
    applied = apply([assign(1), start(1), end(1, status=256)], source)
    assert source.loads == [[1], [2, 3, 4], [5, 6]]
    assert source.asked == [[1], [2, 3, 4], [5, 6]]
    assert {job.word for job in applied.jobs.values()} == {"failed", "skipped"}
    assert [recorded.job_id for recorded in applied.recorded] == [1, 1, 1, 2, 3, 4, 5, 6]


def test_nothing_is_asked_about_what_cannot_end() -> None:
    source = Fake({1: [2]})
    apply([assign(1), start(1), assign(9)], source)
    assert source.loads == [[1, 9]]
    assert source.asked == []


def test_before_and_after() -> None:
    source = Fake({1: [2]})
    applied = apply([assign(1), start(1), end(1), assign(2), assign(9)], source)
    assert applied.before == source.jobs
    assert [job.version for job in applied.jobs.values()] == [4, 3]
    assert [refused.why for refused in applied.refused] == ["no 9"]
