"""`rm`: jobs go, with their events and output."""

from __future__ import annotations

import click

from runyard.api import ChangeResult, JobRow, StopCall
from runyard.cli.context import App
from runyard.cli.options import SELECTORS, as_json, dry_run, some_jobs, yes
from runyard.cli.selecting import Change
from runyard.cli.waiting import Watcher, until_ended
from runyard.model.filter import JobQuery
from runyard.model.job import JobState

ON_HOSTS = (JobState.ASSIGNED.value, JobState.RUNNING.value)


@click.command("rm", epilog=SELECTORS)
@some_jobs
@click.option("--stop", is_flag=True, help="End those that run first, and wait until they are dead.")
@yes
@dry_run
@as_json
@click.pass_obj
def rm(app: App, selectors: tuple[str, ...], stop: bool, yes: bool, dry_run: bool) -> int:
    """Remove jobs with their attempts, events and kept output. Their ids are never given again.

    A job that runs is not removed (see --stop), nor is one that another job waits for. A file that a job wrote by -o
    stays.

    \b
    Examples:
      ry rm 12
      ry rm --stop 12
      ry rm state:cancelled --yes
    """
    change = Change("remove", "removed", lambda row: stop or row.state not in ON_HOSTS)

    def call(ids: tuple[int, ...]) -> ChangeResult:
        if stop:
            _end(app, ids)
        return app.service().remove(ids)

    return change.run(app, selectors, call, yes=yes, dry=dry_run)


def _end(app: App, ids: tuple[int, ...]) -> None:
    """End those that run, and return when they are dead."""
    rows = [row for row in _rows(app, ids) if row.state in ON_HOSTS]
    if rows:
        app.service().stop(StopCall(tuple(row.id for row in rows)))
        for _ in until_ended(Watcher(app), rows):
            pass


def _rows(app: App, ids: tuple[int, ...]) -> tuple[JobRow, ...]:
    return app.service().jobs(JobQuery(selectors=tuple(map(str, ids)), limit=len(ids)))
