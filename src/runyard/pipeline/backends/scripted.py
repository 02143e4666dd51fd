"""What backends have in common whose scripts tell of each job in files (`render.recording`), read here."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from runyard.errors import Conflict
from runyard.foreign import process, script
from runyard.model.record import changed
from runyard.pipeline.render import commands
from runyard.pipeline.render.recording import REFUSED, RUN
from runyard.pipeline.runs import Run, read_json
from runyard.pipeline.spec import PipelineSpec
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

LOOK_S = 0.1
"""A run that is not started yet is looked at so often."""


class Scripted:
    """A backend whose script sees to the whole pipeline, and tells of each job in files."""

    def readable(self, spec: PipelineSpec) -> str:
        return commands.readable(spec)

    def facts(self, spec: PipelineSpec, directory: str) -> dict[str, str]:
        return {}

    def state(self, run: Run) -> PipelineState:
        """As its scripts have told. Conflict if its directory has gone, and with it all that was told."""
        if not os.path.isdir(run.layout.directory):
            raise Conflict(f"{run.layout.directory} has gone: nobody can tell what becomes of the run")
        whole = read_json(run.layout.state)
        status = str(whole.get("status", INIT))
        alive = process_of(whole) is not None
        jobs = tuple(_missed(run.spec, [job(run, name, alive) for name in run.layout.keys]))
        if status == DONE or (status == RUNNING and not alive):
            status = INTERRUPTED if any(job.status in (PENDING, RUNNING) for job in jobs) else DONE
        return PipelineState(run.spec.name, status, jobs)

    def wait(self, run: Run, timeout_s: float) -> None:
        """Wait for the end of the process that sees to the pipeline, at most so long."""
        pid = process_of(read_json(run.layout.state))
        if pid is not None:
            script.wait(pid, timeout_s)
        else:
            time.sleep(min(timeout_s, LOOK_S))  # it may be about to start

    def kill(self, run: Run) -> None:
        """Also what it was running when its script was killed."""
        pid = process_of(read_json(run.layout.state))
        if pid is not None or self.state(run).of(RUNNING):
            script.end([pid] if pid is not None else [], f"{RUN}={os.path.realpath(run.layout.directory)}")

    def attach(self, run: Run, job: str = "") -> tuple[str, ...]:
        return ()


def start(run: Run, path: str, environ: Mapping[str, str] | None, block: bool) -> None:
    """Run the script at this path: in front of us (`block`), or behind with what it says in a file."""
    forget(run)
    argv = ["bash", path]
    if block:
        code = script.foreground(argv, environ)
        told = "status" in read_json(run.layout.state) or not os.path.isdir(run.layout.directory)
        if code in REFUSED or not told:
            raise Conflict(f"the script did not run any job (exit code {code}): its reason stands above")
    else:
        _began(run, script.background(argv, environ, run.layout.output))


def forget(run: Run) -> None:
    """What an earlier run has told counts no more: another one begins."""
    with suppress(FileNotFoundError):
        os.unlink(run.layout.state)


def _began(run: Run, pid: int) -> None:
    """This process sees to it: told before the script comes to telling it."""
    stat = process.read_stat(pid)
    with suppress(FileExistsError), open(run.layout.state, "x", encoding="utf-8") as file:
        told = {"status": RUNNING, "pid": pid, "born": stat.start_time if stat is not None else 0}
        file.write(json.dumps(told) + "\n")


def process_of(whole: dict[str, object]) -> int | None:
    """The process that sees to the pipeline, if it lives: it is the one that was born then."""
    pid, born = whole.get("pid"), whole.get("born")
    if not isinstance(pid, int):
        return None
    stat = process.read_stat(pid)
    return pid if stat is not None and not stat.dead and stat.start_time == born else None


def job(run: Run, name: str, alive: bool = True) -> JobState:
    """What is told of one job. `alive`: whoever saw to it still does."""
    layout = run.layout
    told = read_json(layout.status(name))
    status = str(told.get("status", PENDING))
    for known, mark in ((PASSED, layout.passed(name)), (FAILED, layout.failed(name)), (SKIPPED, layout.skipped(name))):
        if os.path.exists(mark):
            status = known
    if status not in (RUNNING, PASSED, FAILED, SKIPPED):
        return JobState(name)
    log = layout.log(name)
    return JobState(
        name,
        status,
        code=_whole(told.get("ret")),
        reason=_reason(status, told.get("ret"), alive),
        log=log if os.path.exists(log) else "",
        started_at=_seconds(told.get("started")),
        ended_at=_seconds(told.get("ended")),
    )


def _reason(status: str, code: object, alive: bool) -> str:
    if status == RUNNING and not alive:
        return "its script has gone"
    return "who ran it has gone" if status == FAILED and code is None else ""


def _missed(spec: PipelineSpec, jobs: Sequence[JobState]) -> Iterator[JobState]:
    """The jobs, each that was skipped with the first of its needs that did not pass: not with the one that failed
    first, which may be another one in the next run."""
    statuses = {state.name: state.status for state in jobs}
    for job, state in zip(spec.jobs, jobs, strict=True):
        missed = [need for need in job.needs if statuses[need] in (FAILED, SKIPPED)]
        yield changed(state, reason=f"{missed[0]} did not pass") if state.status == SKIPPED and missed else state


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
