"""Airflow: a DAG file for it, run once here by `airflow dags test` with a database of its own, one job after the other.

Beside each other jobs run where the file is put into the folder of a real installation.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping

from runyard.model.record import changed
from runyard.pipeline.backends import scripted
from runyard.pipeline.backends.base import Start
from runyard.pipeline.backends.scripted import Scripted
from runyard.pipeline.graph import Graph
from runyard.pipeline.layout import Layout, Rendering
from runyard.pipeline.render import airflow
from runyard.pipeline.runs import Run
from runyard.pipeline.state import DONE, FAILED, INIT, PENDING, RUNNING, SKIPPED, JobState, PipelineState

PROGRAM = "RUNYARD_AIRFLOW"
"""The variable that tells the script which `airflow` to run."""


class Airflow(Scripted):
    name = "airflow"

    def lacks(self) -> str:
        return "" if _program(os.environ) else "airflow is not installed here: pip install apache-airflow"

    def render(self, layout: Layout) -> Rendering:
        return airflow.render(layout)

    def start(self, run: Run, how: Start) -> None:
        environ = dict(os.environ if how.environ is None else how.environ)
        scripted.start(run, run.layout.at(airflow.RUN_SCRIPT), {**environ, PROGRAM: _program(environ)}, how.block)

    def state(self, run: Run) -> PipelineState:
        found = super().state(run)
        if found.status in (INIT, RUNNING):
            return found
        skipped = Graph(run.spec.needs).skipped({job.name for job in found.of(FAILED)})
        jobs = tuple(_skipped(job, skipped) for job in found.jobs)
        left = any(job.status in (PENDING, RUNNING) for job in jobs)  # Airflow itself could not go on
        return changed(found, jobs=jobs, status=found.status if left else DONE)


def _skipped(job: JobState, skipped: Mapping[str, str]) -> JobState:
    """Airflow does not come to the tasks after a failed one, so they tell nothing."""
    if job.status != PENDING or job.name not in skipped:
        return job
    return changed(job, status=SKIPPED, reason=f"{skipped[job.name]} did not pass")


def _program(environ: Mapping[str, str]) -> str:
    """The `airflow` that is asked for, that of our own Python, or the one in PATH; "" if there is none."""
    beside = os.path.join(os.path.dirname(sys.executable), "airflow")
    return environ.get(PROGRAM) or shutil.which("airflow", path=environ.get("PATH")) or (shutil.which(beside) or "")
