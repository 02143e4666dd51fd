"""`stop` and `kill`: the end of jobs."""

from __future__ import annotations

import click

from runyard.api import ChangeResult, StopCall
from runyard.cli.context import App
from runyard.cli.options import SELECTORS, as_json, dry_run, some_jobs, yes
from runyard.cli.render.json import of_jobs
from runyard.cli.selecting import Change
from runyard.model.filter import JobQuery
from runyard.model.job import JobState
from runyard.submitting import durations
from runyard.submitting.checkpoints import signal_number


def _alive(state: str) -> bool:
    return state != JobState.DONE.value


class End(Change):
    """The end of jobs. What has ended already is as it was wished: that is told, and is no failure."""

    def report(self, app: App, result: ChangeResult) -> int:
        code = 1 if set(result.refused) - _ended(app, tuple(result.refused)) else 0
        if app.output.as_json:
            app.output.json(of_jobs(result.changed, result.refused, code))
        else:
            super().report(app, result)
        return code


def _ended(app: App, ids: tuple[int, ...]) -> set[int]:
    """Those of these jobs that have ended."""
    if not ids:
        return set()
    rows = app.service().jobs(JobQuery(selectors=tuple(map(str, ids)), limit=len(ids)))
    return {row.id for row in rows if not _alive(row.state)}


@click.command("stop", epilog=SELECTORS)
@some_jobs
@click.option("-s", "--signal", "name", metavar="SIG", default="TERM", help="The first signal (default: TERM).")
@click.option("--grace", metavar="SPAN", help="Between it and the kill (default: the job's own).")
@yes
@dry_run
@as_json
@click.pass_obj
def stop(app: App, selectors: tuple[str, ...], name: str, grace: str | None, yes: bool, dry_run: bool) -> int:
    """End jobs: signal, grace, kill.

    A waiting job is cancelled at once. A running one gets the signal, and is killed with all its processes if they
    are not gone after the grace. Of one that has ended already this is said; it is no failure.

    \b
    Examples:
      ry stop 12
      ry stop --grace 60 'train*'
      ry stop all --yes
    """
    number = signal_number(name, "signal")
    grace_s = None if grace is None else durations.seconds(grace, "grace", bare_s=1)
    change = End("stop", "told to stop", lambda row: _alive(row.state))
    return change.run(
        app, selectors, lambda ids: app.service().stop(StopCall(ids, number, grace_s)), yes=yes, dry=dry_run
    )


@click.command("kill", epilog=SELECTORS)
@some_jobs
@click.option("-s", "--signal", "name", metavar="SIG", default="KILL", help="Another signal first (default: KILL).")
@yes
@dry_run
@as_json
@click.pass_obj
def kill(app: App, selectors: tuple[str, ...], name: str, yes: bool, dry_run: bool) -> int:
    """End jobs at once, without grace.

    \b
    Examples:
      ry kill 12
      ry kill state:stopping --yes
    """
    number = signal_number(name, "signal")
    change = End("kill", "killed", lambda row: _alive(row.state))
    return change.run(app, selectors, lambda ids: app.service().stop(StopCall(ids, number)), yes=yes, dry=dry_run)
