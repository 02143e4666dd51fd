"""What every family of verbs stands on: the yard that all callers share, and one of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from runyard.api import ChangeResult, Files
from runyard.errors import NotFound
from runyard.model.events import Change, Event
from runyard.model.job import Job
from runyard.model.link import Link
from runyard.service.blobs import Blobs
from runyard.service.coding import CodeDesk
from runyard.service.controller import Controller
from runyard.service.tickets import Tickets
from runyard.service.turn import Turn


@dataclass(frozen=True)
class Caller:
    """The account that calls, by the kernel's word."""

    user: str
    uid: int


@dataclass(frozen=True)
class About:
    """What the server says of itself."""

    version: str
    home: str
    store: str
    config: str
    started_at: float


@dataclass(frozen=True)
class Yard:
    """What all callers of one server share."""

    controller: Controller
    files: Files
    blobs: Blobs
    about: About
    now: Callable[[], float]
    free_mb: Callable[[], int]
    collect: Callable[[bool], tuple[int, ...]]
    remove_output: Callable[[Collection[int]], None]
    adopt_output: Callable[[int, str], None]
    code: CodeDesk
    links: Callable[[Job], tuple[Link, ...]]
    min_free_mb: int = 50
    tickets: Tickets = field(default_factory=Tickets)


class Verbs:
    """Some of the verbs, as `caller`. Each family of them is one class; `LocalService` is all of them."""

    def __init__(self, yard: Yard, caller: Caller) -> None:
        self._yard = yard
        self._controller = yard.controller
        self._store = yard.controller.store
        self._caller = caller

    def _change(
        self,
        ids: Iterable[int],
        event: Callable[[Turn], Event],
        then: Callable[[Turn, Job], None] = lambda turn, job: None,
    ) -> ChangeResult:
        def work(turn: Turn) -> ChangeResult:
            wanted = list(dict.fromkeys(ids))
            known = turn.store.load(wanted)
            committed = turn.commit(Change(job_id, event(turn)) for job_id in wanted if job_id in known)
            refused = {refused.change.job_id: refused.why for refused in committed.refused}
            refused.update({job_id: f"there is no job {job_id}" for job_id in wanted if job_id not in known})
            for job_id in wanted:
                if job_id in committed.jobs and job_id not in refused:
                    then(turn, committed.jobs[job_id])
            return ChangeResult(tuple(job_id for job_id in wanted if job_id not in refused), refused)

        return self._controller.call(work)

    def _blob(self, name: str) -> bytes:
        """What was kept under this hash; nothing for "", or where it is not here."""
        try:
            return self._yard.blobs.get(name) if name else b""
        except NotFound:
            return b""

    def _environment(self, job: Job) -> dict[str, str]:
        """The environment that a job was submitted with, as far as it can be read."""
        try:
            held = json.loads(self._blob(job.spec.environment) or b"{}")
        except ValueError:
            held = {}
        return held if isinstance(held, dict) else {}
