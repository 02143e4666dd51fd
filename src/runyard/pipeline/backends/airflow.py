"""Airflow: a DAG file for it, run once here by `airflow dags test` with a database of its own, one job after the other.

Beside each other jobs run where the file is put into the folder of a real installation.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping

from runyard.foreign import script
from runyard.model.record import changed
from runyard.pipeline.backends import scripted
from runyard.pipeline.backends.base import Start
from runyard.pipeline.graph import Graph
from runyard.pipeline.layout import Layout, Rendering
from runyard.pipeline.render import airflow, serial
from runyard.pipeline.runs import Run, read_json
from runyard.pipeline.spec import PipelineSpec
from runyard.pipeline.state import DONE, FAILED, INIT, PENDING, RUNNING, SKIPPED, JobState, PipelineState

PROGRAM = "RUNYARD_AIRFLOW"
"""The variable that tells the script which `airflow` to run."""


class Airflow:
    name = "airflow"

    def lacks(self) -> str:
        return "" if _program(os.environ) else "airflow is not installed here: pip install apache-airflow"

    def render(self, layout: Layout) -> Rendering:
        return airflow.render(layout)

    def readable(self, spec: PipelineSpec) -> str:
        return serial.readable(spec)

    def facts(self, spec: PipelineSpec, directory: str) -> dict[str, str]:
        return {}

    def start(self, run: Run, how: Start) -> None:
        scripted.forget(run)
        environ = dict(os.environ if how.environ is None else how.environ)
        argv = ["bash", run.layout.at("run.sh")]
        chosen = {**environ, PROGRAM: _program(environ)}
        if how.block:
            script.foreground(argv, chosen)
        else:
            scripted.began(run, script.background(argv, chosen, output=run.layout.at("output.log")))

    def state(self, run: Run) -> PipelineState:
        found = scripted.state(run)
        if found.status in (INIT, RUNNING):
            return found
        skipped = Graph(run.spec.needs).skipped({job.name for job in found.of(FAILED)})
        jobs = tuple(_skipped(job, skipped) for job in found.jobs)
        left = any(job.status in (PENDING, RUNNING) for job in jobs)  # Airflow itself could not go on
        return changed(found, jobs=jobs, status=found.status if left else DONE)

    def wait(self, run: Run, timeout_s: float) -> None:
        scripted.wait(run, timeout_s)

    def kill(self, run: Run) -> None:
        pid = scripted.process_of(read_json(run.layout.state))
        if pid is not None:
            script.end([pid])

    def attach(self, run: Run, job: str = "") -> tuple[str, ...]:
        return ()


def _skipped(job: JobState, skipped: Mapping[str, str]) -> JobState:
    """Airflow does not come to the tasks after a failed one, so they tell nothing."""
    if job.status != PENDING or job.name not in skipped:
        return job
    return changed(job, status=SKIPPED, reason=f"{skipped[job.name]} did not pass")


def _program(environ: Mapping[str, str]) -> str:
    """The `airflow` that is asked for, that of our own Python, or the one in PATH; "" if there is none."""
    beside = os.path.join(os.path.dirname(sys.executable), "airflow")
    return environ.get(PROGRAM) or shutil.which("airflow", path=environ.get("PATH")) or (shutil.which(beside) or "")
