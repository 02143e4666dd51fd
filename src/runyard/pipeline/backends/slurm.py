"""Jobs that Slurm runs: a script submits them all, their own files tell how they ended, Slurm tells what those cannot.

A file's word goes first: it has the exit code. Slurm is asked for the rest, once for all jobs and not more often than
each second: who waits for what, who was cancelled, ran out of time or memory, lost its node. What it says of an end is
kept beside the script, since it forgets. If it does not answer nothing is known to have ended.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress

from runyard.errors import Conflict
from runyard.foreign import filesystem, script, slurm
from runyard.foreign.command import CommandError
from runyard.foreign.slurm import Standing
from runyard.model.record import changed
from runyard.pipeline.backends import scripted
from runyard.pipeline.backends.base import Start
from runyard.pipeline.graph import Graph
from runyard.pipeline.layout import Layout, Rendering
from runyard.pipeline.render import slurm as rendering
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

ASK_S = 1.0
"""Slurm is asked at most so often."""

LOOK_S = 0.1
"""Files of jobs are looked for so often."""

CANCEL_S = 60.0
"""How long a submission that is broken off may take to cancel what it has submitted."""

LOST = Standing("LOST")
"""Of a job that Slurm does not know any more, and that has not told how it ended."""

WHY = {
    "CANCELLED": "cancelled",
    "TIMEOUT": "its time was over",
    "DEADLINE": "its deadline had come",
    "OUT_OF_MEMORY": "it ran out of memory",
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node did not start",
    "PREEMPTED": "it had to make room for another job",
    "REVOKED": "another cluster has taken it",
    "LOST": "lost: it has not told how it ended, and Slurm does not know it any more",
}
"""What an end in Slurm means. Other ends are a failure of the job itself."""


class Slurm:
    name = "slurm"

    def __init__(self) -> None:
        self._asked_at = -ASK_S
        self._asked: tuple[str, ...] = ()
        self._standings: dict[str, list[Standing]] = {}
        self._silence = ""

    def lacks(self) -> str:
        return slurm.missing()

    def render(self, layout: Layout) -> Rendering:
        return rendering.render(layout)

    def readable(self, spec: PipelineSpec) -> str:
        return rendering.readable(spec)

    def facts(self, spec: PipelineSpec, directory: str) -> dict[str, str]:
        return {}

    def start(self, run: Run, how: Start) -> None:
        """Submit it: Slurm goes on by itself. Conflict if it refuses a job; then none of them is left."""
        numbers = _numbers(run)
        left = [numbers[job.name] for job in self._jobs(run, numbers) if job.status == SKIPPED and job.name in numbers]
        if left:
            slurm.cancel(left)  # Slurm may not have seen yet that they cannot run any more
        output = run.layout.output
        pid = script.background(["bash", run.layout.script(), f"onfail={how.onfail}"], how.environ, output)
        try:
            while not script.wait(pid, ASK_S):
                pass
        except BaseException:
            script.end([pid], grace_s=CANCEL_S)
            raise
        whole = read_json(run.layout.state)
        if (whole.get("status"), whole.get("pid")) != (rendering.SUBMITTED, pid):
            raise Conflict(f"the pipeline was not submitted:\n{_tail(output)}")

    def state(self, run: Run) -> PipelineState:
        whole = read_json(run.layout.state)
        status = str(whole.get("status", INIT))
        numbers = _numbers(run)
        jobs = self._jobs(run, numbers)
        left = any(job.status in (PENDING, RUNNING) for job in jobs if job.name in numbers)
        if status == RUNNING and scripted.process_of(whole) is not None:
            pass
        elif left:
            status = RUNNING
        elif status != INIT:
            over = all(job.status not in (PENDING, RUNNING) for job in jobs)
            status = DONE if over and status == rendering.SUBMITTED else INTERRUPTED
        return PipelineState(run.spec.name, status, jobs)

    def wait(self, run: Run, timeout_s: float) -> None:
        """Until a job has told something, or Slurm may say something else."""
        seen, until = _marks(run), time.monotonic() + timeout_s
        while (rest := until - time.monotonic()) > 0 and _marks(run) == seen:
            time.sleep(min(rest, LOOK_S))

    def kill(self, run: Run) -> None:
        pid = scripted.process_of(read_json(run.layout.state))
        if pid is not None:
            script.end([pid], grace_s=CANCEL_S)
        numbers = _numbers(run)
        left = [number for name, number in numbers.items() if not _ended(scripted.job(run, name))]
        if left:
            slurm.cancel(left)
        self._asked_at = -ASK_S

    def attach(self, run: Run, job: str = "") -> tuple[str, ...]:
        """Its output as it comes; a shell beside it where that is not kept."""
        numbers = _numbers(run)
        for state in self._jobs(run, numbers):
            if state.status == RUNNING and job in ("", state.name):
                if state.log:
                    return ("tail", "--lines=+1", "--follow", "--", state.log)
                return ("srun", f"--jobid={numbers[state.name].partition(';')[0]}", "--overlap", "--pty", "bash")
        return ()

    def _jobs(self, run: Run, numbers: dict[str, str]) -> tuple[JobState, ...]:
        """All jobs: what they tell, and what Slurm says of those that have not told their end."""
        told = {name: scripted.job(run, name) for name in run.layout.keys}
        verdicts = _verdicts(run)
        open_numbers = {name: numbers[name] for name in numbers if not _ended(told[name]) and name not in verdicts}
        self._ask(tuple(open_numbers.values()))
        new = {}
        for name, number in open_numbers.items():
            standing = self._standing(number)
            if standing is not None and not standing.living:
                told[name] = scripted.job(run, name)  # it may have ended since
                if not _ended(told[name]):
                    new[name] = standing
        if new:
            _keep(run, {**verdicts, **new})
        found: dict[str, JobState] = {}
        for name in Graph(run.spec.needs).order:
            missed = next((n for n in run.spec.needs[name] if found[n].status in (FAILED, SKIPPED)), "")
            standing = {**verdicts, **new}.get(name) or self._standing(numbers.get(name, ""))
            found[name] = self._job(told[name], standing, missed)
            if _withdrawn(found[name], standing) and any(
                found[n].status in (PENDING, RUNNING) for n in run.spec.needs[name]
            ):
                found[name] = JobState(name, reason=found[name].reason)  # its needs may still make it a skipped one
        outputs = _outputs(run.spec)
        return tuple(_with_log(found[name], outputs.get(name), numbers.get(name, "")) for name in run.layout.keys)

    def _job(self, told: JobState, standing: Standing | None, missed: str) -> JobState:
        if _ended(told):
            return told
        if missed and told.started_at is None:
            return JobState(told.name, SKIPPED, reason=f"{missed} did not pass")
        if standing is None:
            return changed(told, reason=self._silence)
        if standing.waiting:
            return JobState(told.name, reason=standing.reason)
        if standing.living:
            return changed(told, status=RUNNING)
        if standing.state == "COMPLETED":
            return changed(told, status=PASSED, code=0)
        return changed(told, status=FAILED, reason=_why(standing))

    def _ask(self, numbers: tuple[str, ...]) -> None:
        """Ask Slurm how these stand, unless it was asked just now."""
        now = time.monotonic()
        if not numbers or (now - self._asked_at < ASK_S and set(numbers) <= set(self._asked)):
            return
        try:
            self._standings, self._silence = slurm.standings(numbers), ""
        except CommandError as error:
            self._standings, self._silence = {}, f"not known, as Slurm does not answer: {error}"
        self._asked, self._asked_at = numbers, time.monotonic()

    def _standing(self, number: str) -> Standing | None:
        """How it stands, of all its tasks the one that is decisive; None if that is not known."""
        if number not in self._asked or self._silence:
            return None
        tasks = self._standings.get(number, [LOST])
        for decisive in ([t for t in tasks if t.living], [t for t in tasks if t.state != "COMPLETED"], tasks):
            if decisive:
                return min(decisive, key=lambda task: task.waiting)
        return LOST


def _withdrawn(job: JobState, standing: Standing | None) -> bool:
    """Whether it was cancelled before it began."""
    return job.started_at is None and job.status == FAILED and standing is not None and standing.state == "CANCELLED"


def _with_log(job: JobState, output: str | None, number: str) -> JobState:
    """With the file that its output goes to, if that is another one than we would take."""
    if output is None or job.status in (PENDING, SKIPPED):
        return job
    bare = number.partition(";")[0]
    path = output.replace("%j", bare).replace("%A", bare)
    return changed(job, log=path if path.startswith("/") and "%" not in path else "")


def _outputs(spec: PipelineSpec) -> dict[str, str]:
    """Where the output goes of those that say so."""
    common = dict(spec.options).get("output")
    found = {job.name: dict(job.options).get("output", common) for job in spec.jobs}
    return {name: str(output) for name, output in found.items() if output}


def _ended(job: JobState) -> bool:
    return job.status in (PASSED, FAILED)


def _why(standing: Standing) -> str:
    """Why a job did not pass. (What Slurm gives as a reason may still be that for which the job has waited.)"""
    reason = f" ({standing.reason})" if standing.reason else ""
    return WHY.get(standing.state) or f"Slurm says {standing.state}{reason}"


def _numbers(run: Run) -> dict[str, str]:
    """Slurm's numbers of the jobs that were submitted, by their names."""
    names = {key: name for name, key in run.layout.keys.items()}
    found = {}
    with suppress(OSError), open(run.layout.at(rendering.NUMBERS), encoding="utf-8") as file:
        for line in file:
            key, _, number = line.strip().partition(" ")
            if key in names and number[:1].isdigit() and line.endswith("\n"):
                found[names[key]] = number
    return found


def _verdicts(run: Run) -> dict[str, Standing]:
    """What Slurm has said of ends."""
    names = {key: name for name, key in run.layout.keys.items()}
    told = read_json(run.layout.at(rendering.VERDICTS))
    pairs = ((names.get(key), words) for key, words in told.items())
    return {
        name: Standing(str(words[0]), str(words[1]))
        for name, words in pairs
        if name is not None and isinstance(words, list) and len(words) == 2
    }


def _keep(run: Run, verdicts: dict[str, Standing]) -> None:
    """Remember what Slurm has said. Somebody who may not write there has to ask again."""
    told = {run.layout.keys[name]: [verdict.state, verdict.reason] for name, verdict in verdicts.items()}
    with suppress(OSError):
        filesystem.put(run.layout.at(rendering.VERDICTS), json.dumps(told).encode())


def _marks(run: Run) -> list[int]:
    """What changes when a job has begun or ended."""
    return [mark for path in ("status", "passed", "failed") for mark in _mark(run.layout.at(path))]


def _mark(path: str) -> Iterator[int]:
    with suppress(OSError):
        yield os.stat(path).st_mtime_ns


def _tail(path: str) -> str:
    """The last that the script has said."""
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return "\n".join(file.read().splitlines()[-5:])
    return ""
