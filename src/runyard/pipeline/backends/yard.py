"""In the queue of a yard: of this machine or of another one. A user of the public Python API (`runyard.connect`).

The jobs are one submission, under a key that is in the run's directory before it is sent: whatever ends in between,
the same run is never queued twice, and what was queued is found again. The yard does all the rest.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from typing import TYPE_CHECKING

import runyard
from runyard.api import JobRow, StopCall
from runyard.config import load
from runyard.errors import Conflict, NotFound
from runyard.foreign import filesystem
from runyard.model.filter import JobQuery
from runyard.model.group import PIPELINE, GroupQuery, GroupRow
from runyard.model.job import ON_HOSTS, WAITING
from runyard.model.outcome import Outcome
from runyard.model.record import dataclass
from runyard.pipeline import run as runs
from runyard.pipeline.backends.base import Start
from runyard.pipeline.graph import Graph
from runyard.pipeline.layout import Layout, Rendering
from runyard.pipeline.render import serial, yard
from runyard.pipeline.run import Run, read_json
from runyard.pipeline.spec import PipelineJob, PipelineSpec
from runyard.pipeline.state import (
    DONE,
    FAILED,
    INIT,
    INTERRUPTED,
    PASSED,
    PENDING,
    RUNNING,
    SKIPPED,
    JobState,
    PipelineState,
)

if TYPE_CHECKING:
    from runyard.client.handle import Yard as Link

KEY_BYTES = 16
OURS = "RUNYARD_"
"""Variables that the yard sets for every job."""

WAIT_S = 60.0
"""One call to the server waits at most this long; it is repeated."""

ENDED = {Outcome.SUCCEEDED.value: PASSED, Outcome.SKIPPED.value: SKIPPED}
"""What becomes of a job that ended so; all others have failed."""

LOST = Outcome.LOST.value


@dataclass(frozen=True)
class Queued:
    """Where the jobs are: in this group, numbered from `first` on in the order of the pipeline's."""

    group: int
    first: int


class Yard:
    """Holds connections, and how far each run has been seen; both can be lost."""

    name = "yard"

    def __init__(self) -> None:
        self._links: dict[tuple[str, str], Link] = {}
        self._seen: dict[str, int] = {}

    def lacks(self) -> str:
        return ""

    def render(self, layout: Layout) -> Rendering:
        return yard.render(layout)

    def readable(self, spec: PipelineSpec) -> str:
        return serial.readable(spec)

    def facts(self, spec: PipelineSpec, directory: str) -> dict[str, str]:
        """Which yard, and the key: that of a run which may have been sent, and was never answered, still counts."""
        home = spec.home if spec.host else os.path.abspath(spec.home or load(os.environ).home)
        return {"home": home, "host": spec.host, "key": _unanswered(spec, directory) or secrets.token_hex(KEY_BYTES)}

    def start(self, run: Run, how: Start) -> None:
        if not run.spec.jobs:
            _note(run, None)
            return
        filesystem.put(run.layout.state, json.dumps({"key": run.facts["key"]}).encode())
        shutil.rmtree(run.layout.at("logs"), ignore_errors=True)
        os.makedirs(run.layout.at("logs"), 0o700, exist_ok=True)
        spec, key = run.spec, run.facts["key"]
        environ = {name: value for name, value in (how.environ or {}).items() if not name.startswith(OURS)}
        jobs = yard.jobs(spec, environ, lambda job: _log(run, job))
        self._link(run).pipeline(spec.name, jobs, spec.size, key)
        if how.block:
            self._await(run)

    def state(self, run: Run) -> PipelineState:
        queued = self._queued(run)
        if queued is None:
            status = DONE if _is_known(run) and not run.spec.jobs else INIT
            return PipelineState(run.spec.name, status, tuple(JobState(job.name) for job in run.spec.jobs))
        link = self._link(run)
        self._seen[run.layout.directory] = link.service.changed(_topics(queued), 0, 0)
        return _told(run, queued, _rows(link, queued))

    def wait(self, run: Run, timeout_s: float) -> None:
        queued = self._queued(run)
        if queued is not None:
            seen = self._seen.get(run.layout.directory, 0)
            self._link(run).service.changed(_topics(queued), seen, timeout_s)

    def kill(self, run: Run) -> None:
        queued = self._queued(run)
        if queued is None:
            return
        link = self._link(run)
        rows = [row for row in _rows(link, queued) if row.state != "done"]
        rows.sort(key=lambda row: row.word not in WAITING)
        if rows:
            link.service.stop(StopCall(tuple(row.id for row in rows)))

    def attach(self, run: Run, job: str = "") -> tuple[str, ...]:
        queued = self._queued(run)
        if queued is None:
            return ()
        names = [one.name for one in run.spec.jobs]
        for row in _rows(self._link(run), queued):
            if row.started_at is not None and (names[row.id - queued.first] == job if job else row.state == RUNNING):
                return (sys.executable, "-m", "runyard", *_flags(run), "logs", "-f", str(row.id))
        return ()

    def _await(self, run: Run) -> None:
        """Return when all of its jobs have ended, or none can begin any more."""
        queued = self._queued(run)
        assert queued is not None
        service, seen = self._link(run).service, 0
        while True:
            seen = service.changed(_topics(queued), seen, WAIT_S if seen else 0)
            row = self._group(run, GroupQuery(PIPELINE, id=queued.group))
            if row is None or row.ended_at is not None or (row.counts.get(LOST) and self.state(run).over):
                return

    def _queued(self, run: Run) -> Queued | None:
        """Where the jobs of this run are; None: it has not been queued."""
        noted = read_json(run.layout.state)
        if noted.get("key") != run.facts["key"]:
            return None
        group, first = noted.get("group"), noted.get("first")
        if isinstance(group, int) and isinstance(first, int):
            return Queued(group, first)
        if not run.spec.jobs:
            return None
        row = self._group(run, GroupQuery(PIPELINE, run.spec.name, key=run.facts["key"]))
        if row is None:
            return None
        queued = Queued(row.group.id, row.first)
        _note(run, queued)
        return queued

    def _group(self, run: Run, query: GroupQuery) -> GroupRow | None:
        """The pipeline as the yard lists it."""
        return next(iter(self._link(run).service.groups(query)), None)

    def _link(self, run: Run) -> Link:
        place = (run.facts["home"], run.facts["host"])
        if place not in self._links:
            self._links[place] = runyard.connect(*place)
        return self._links[place]


def _unanswered(spec: PipelineSpec, directory: str) -> str:
    """The key of the same pipeline that was to be queued from here, if nobody has noted that it is ("": no such)."""
    try:
        run = runs.load(directory)
    except (NotFound, Conflict):
        return ""
    noted = read_json(run.layout.state)
    key = run.facts.get("key", "")
    same = run.manifest.backend == Yard.name and run.spec == spec and noted.get("key") == key
    return key if same and "group" not in noted else ""


def _note(run: Run, queued: Queued | None) -> None:
    noted = {"key": run.facts["key"], **(vars(queued) if queued is not None else {"group": None})}
    filesystem.put(run.layout.state, json.dumps(noted).encode())


def _is_known(run: Run) -> bool:
    return read_json(run.layout.state).get("key") == run.facts["key"]


def _topics(queued: Queued) -> tuple[str, ...]:
    return (f"group:{queued.group}",)


def _flags(run: Run) -> tuple[str, ...]:
    """Which yard, for `ry`."""
    given = {"--host": run.facts["host"], "--home": run.facts["home"]}
    return tuple(word for flag, value in given.items() if value for word in (flag, value))


def _log(run: Run, job: PipelineJob) -> str:
    """The file with what a job prints: only where the yard is on this machine."""
    return run.layout.log(job.name) if job.log and not run.facts["host"] else ""


def _rows(link: Link, queued: Queued) -> tuple[JobRow, ...]:
    try:
        return link.service.jobs(JobQuery((f"group:{queued.group}",)))
    except NotFound:
        return ()


def _told(run: Run, queued: Queued, rows: tuple[JobRow, ...]) -> PipelineState:
    """How it stands, going by the jobs that are there."""
    by_id = {row.id: row for row in rows}
    spec = run.spec
    words = {job.name: row.word for number, job in enumerate(spec.jobs, queued.first) if (row := by_id.get(number))}
    bad = [name for name, word in words.items() if word != Outcome.SUCCEEDED.value and word in OUTCOMES]
    missed = Graph(spec.needs).skipped(bad)
    jobs = tuple(_job(run, job, by_id.get(number), missed) for number, job in enumerate(spec.jobs, queued.first))
    left = [job.name for job in jobs if job.status in (PENDING, RUNNING)]
    if not left:
        return PipelineState(spec.name, DONE, jobs)
    stuck = Graph(spec.needs).skipped([name for name, word in words.items() if word == LOST])
    return PipelineState(spec.name, INTERRUPTED if all(name in stuck for name in left) else RUNNING, jobs)


OUTCOMES = frozenset(outcome.value for outcome in Outcome)


def _job(run: Run, job: PipelineJob, row: JobRow | None, missed: dict[str, str]) -> JobState:
    if row is None:
        return JobState(job.name, FAILED, reason="it was removed from the yard")
    log = _log(run, job) if row.started_at is not None else ""
    if row.state != "done":
        status = RUNNING if row.word in ON_HOSTS else PENDING
        return JobState(job.name, status, reason=row.reason, log=log, started_at=row.started_at)
    status = ENDED.get(row.word, FAILED)
    if status == SKIPPED:
        need = missed.get(job.name, "")
        return JobState(job.name, status, reason=f"{need} did not pass" if need else row.reason)
    reason = "" if status == PASSED else _why(row)
    return JobState(job.name, status, row.exit_code, reason, log, row.started_at, row.ended_at)


def _why(row: JobRow) -> str:
    """How it ended, where that was not by its exit code alone."""
    return ": ".join(part for part in (row.word if row.word != FAILED else "", row.reason) if part)
