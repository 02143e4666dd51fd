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
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import runyard
from runyard.api import StopCall
from runyard.config import load
from runyard.errors import Conflict, NotFound, Unavailable
from runyard.foreign import filesystem
from runyard.model.group import PIPELINE, GroupQuery, GroupRow, Members
from runyard.model.job import ON_HOSTS, WAITING
from runyard.model.outcome import Outcome
from runyard.model.record import dataclass
from runyard.pipeline import runs
from runyard.pipeline.backends.base import Start
from runyard.pipeline.graph import Graph
from runyard.pipeline.layout import Layout, Rendering
from runyard.pipeline.render import commands, yard
from runyard.pipeline.runs import Run, read_json
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

T = TypeVar("T")
KEY_BYTES = 16
OURS = "RUNYARD_"
"""Variables that the yard sets for every job."""

OUTPUT = "output"
"""The option of sbatch that names a file of the job's own."""

WAIT_S = 60.0
"""One call to the server waits at most this long; it is repeated."""

LOST = Outcome.LOST.value
BAD = frozenset(outcome.value for outcome in Outcome) - {Outcome.SUCCEEDED.value, Outcome.SKIPPED.value}
"""Words of jobs that have failed, one way or the other."""

NOBODY = Members((), (), (), (), (), ())


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
        return commands.readable(spec)

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
        self._ask(run, lambda link: link.pipeline(spec.name, jobs, spec.size, key))
        if how.block:
            self._await(run)

    def state(self, run: Run) -> PipelineState:
        queued = self._queued(run)
        if queued is None:
            status = DONE if _is_known(run) and not run.spec.jobs else INIT
            return PipelineState(run.spec.name, status, tuple(JobState(job.name) for job in run.spec.jobs))
        self._seen[run.layout.directory] = self._changed(run, queued, 0, 0)
        return _told(run, queued, self._members(run, queued))

    def wait(self, run: Run, timeout_s: float) -> None:
        queued = self._queued(run)
        if queued is not None:
            self._changed(run, queued, self._seen.get(run.layout.directory, 0), timeout_s)

    def kill(self, run: Run) -> None:
        queued = self._queued(run)
        if queued is None:
            return
        members = self._members(run, queued)
        words = dict(zip(members.ids, members.words, strict=True))
        ids = [job_id for job_id, word in words.items() if word in WAITING or word in ON_HOSTS]
        ids.sort(key=lambda job_id: words[job_id] not in WAITING)  # before those that run, so that none follows them
        if ids:
            self._ask(run, lambda link: link.service.stop(StopCall(tuple(ids))))

    def attach(self, run: Run, job: str = "") -> tuple[str, ...]:
        queued = self._queued(run)
        if queued is None:
            return ()
        members = self._members(run, queued)
        for job_id, word, started_at in zip(members.ids, members.words, members.started_at, strict=True):
            name = run.spec.jobs[job_id - queued.first].name
            if started_at is not None and (name == job or (not job and word in ON_HOSTS)):
                return (sys.executable, "-m", "runyard", *_flags(run), "logs", "-f", str(job_id))
        return ()

    def _await(self, run: Run) -> None:
        """Return when all of its jobs have ended, or none can begin any more."""
        queued = self._queued(run)
        assert queued is not None
        seen = 0
        while True:
            seen = self._changed(run, queued, seen, WAIT_S if seen else 0)
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
        return next(iter(self._ask(run, lambda link: link.service.groups(query))), None)

    def _members(self, run: Run, queued: Queued) -> Members:
        """Its jobs as they are now, those that were not removed."""
        row = self._group(run, GroupQuery(PIPELINE, id=queued.group, members=True))
        return row.members if row is not None and row.members is not None else NOBODY

    def _changed(self, run: Run, queued: Queued, after: int, timeout_s: float) -> int:
        """Wait until its last job has ended or one is lost, or the pipeline goes on; the position then."""
        return self._ask(run, lambda link: link.service.changed((f"group:{queued.group}",), after, timeout_s))

    def _ask(self, run: Run, ask: Callable[[Link], T]) -> T:
        """The answer of its yard. Where the server has gone meanwhile, of the next one: all that is asked may be asked
        twice."""
        try:
            return ask(self._link(run))
        except Unavailable:
            self._links.clear()
            return ask(self._link(run))

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


def _flags(run: Run) -> tuple[str, ...]:
    """Which yard, for `ry`."""
    given = {"--host": run.facts["host"], "--home": run.facts["home"]}
    return tuple(word for flag, value in given.items() if value for word in (flag, value))


def _log(run: Run, job: PipelineJob) -> str:
    """The file with what a job prints: where the yard is on this machine, and nobody says another file."""
    elsewhere = run.facts["host"] or any(name == OUTPUT for name, _ in (*run.spec.options, *job.options))
    return run.layout.log(job.name) if job.log and not elsewhere else ""


class _Job(NamedTuple):
    """A job as the yard has it."""

    word: str
    exit_code: int | None
    reason: str
    started_at: float | None
    ended_at: float | None


def _told(run: Run, queued: Queued, members: Members) -> PipelineState:
    """How it stands, going by the jobs that are there."""
    every = (members.words, members.exit_codes, members.reasons, members.started_at, members.ended_at)
    there = dict(zip(members.ids, map(_Job, *every), strict=True))
    graph = Graph(run.spec.needs)
    found = {job.name: there.get(number) for number, job in enumerate(run.spec.jobs, queued.first)}
    bad = {name for name, one in found.items() if one is None or one.word in BAD}
    missed = graph.skipped(bad) if bad else {}
    jobs = tuple(_job(run, job, found[job.name], missed.get(job.name, "")) for job in run.spec.jobs)
    left = [job.name for job in jobs if job.status in (PENDING, RUNNING)]
    if not left:
        return PipelineState(run.spec.name, DONE, jobs)
    lost = {name for name, one in found.items() if one is not None and one.word == LOST}
    stuck = graph.skipped(lost) if lost else {}
    return PipelineState(run.spec.name, INTERRUPTED if all(name in stuck for name in left) else RUNNING, jobs)


def _job(run: Run, job: PipelineJob, found: _Job | None, missed: str) -> JobState:
    if found is None:
        return JobState(job.name, FAILED, reason="it was removed from the yard")
    if found.word in WAITING:
        return JobState(job.name)
    log = _log(run, job) if found.started_at is not None else ""
    if found.word in ON_HOSTS:
        return JobState(job.name, RUNNING, log=log, started_at=found.started_at)
    if found.word == Outcome.SKIPPED.value:
        return JobState(job.name, SKIPPED, reason=f"{missed} did not pass" if missed else found.reason)
    status = FAILED if found.word in BAD else PASSED
    reason = _why(found) if found.word in BAD else ""
    return JobState(job.name, status, found.exit_code, reason, log, found.started_at, found.ended_at)


def _why(found: _Job) -> str:
    """How it ended, where that was not by its exit code alone."""
    return ": ".join(part for part in (found.word if found.word != FAILED else "", found.reason) if part)
