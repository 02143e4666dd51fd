"""`pipeline logs`: what jobs of a run have printed."""

from __future__ import annotations

import click

from runyard.cli.context import App
from runyard.cli.pipeline.options import one_run, shelf
from runyard.cli.render.text import harmless
from runyard.errors import NotFound
from runyard.model.nearest import meant
from runyard.pipeline.backends import registry
from runyard.pipeline.state import JobState

CHUNK_BYTES = 64 * 1024


@click.command("logs")
@one_run
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.pass_obj
def logs(app: App, target: str | None, jobs: tuple[str, ...]) -> int:
    """What the jobs of the last run of a pipeline have printed: of these, or of all, below their names.

    \b
    Examples:
      ry pipeline logs digits
      ry pipeline logs digits unpack
    """
    run = shelf(app).newest(target)
    known = {job.name: job for job in registry.of_run(run).state(run).jobs}
    for name in jobs:
        if name not in known:
            raise NotFound(f"there is no job {name!r} in {run.spec.name!r}{meant(name, known)}")
    kept = [job for name, job in known.items() if name in jobs or not jobs]
    several = len(kept) > 1
    for job in kept:
        if several and (jobs or job.log):
            app.output.line(f'### "{harmless(job.name)}"')
        if not _printed(app, job) and jobs:
            app.output.note(f"ry: of job {harmless(job.name)} ({job.status}) no output is kept in the run's directory")
    return 0


def _printed(app: App, job: JobState) -> bool:
    """Print it; False if there is nothing that could be read."""
    if not job.log:
        return False
    try:
        with open(job.log, "rb") as file:
            for chunk in iter(lambda: file.read(CHUNK_BYTES), b""):
                app.output.raw(chunk)
    except OSError:
        return False
    return True
