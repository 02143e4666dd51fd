"""`rm`: jobs go, with their events and output."""

from __future__ import annotations

import click

from runyard.api import ChangeResult, StopCall
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
        told = app.service().remove(ids)
        return _without(app, told) if stop and told.refused else told

    return change.run(app, selectors, call, yes=yes, dry=dry_run)


def _without(app: App, told: ChangeResult) -> ChangeResult:
    """The removal of those too that were refused because they ran: when they have been ended, and are dead.

    What waits is gone by then, so that nothing of it starts in the place of what is ended.
    """
    query = JobQuery(tuple(map(str, told.refused)), limit=len(told.refused))
    ran = [row for row in app.service().jobs(query) if row.state != JobState.PENDING.value]
    if not ran:
        return told
    ids = tuple(row.id for row in ran)
    app.service().stop(StopCall(ids))
    for _ in until_ended(Watcher(app), ran):
        pass
    again = app.service().remove(ids)
    refused = {job_id: why for job_id, why in told.refused.items() if job_id not in ids}
    return ChangeResult((*told.changed, *again.changed), {**refused, **again.refused})
