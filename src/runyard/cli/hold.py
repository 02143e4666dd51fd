"""`hold` and `release`: jobs that are kept back."""

from __future__ import annotations

import click

from runyard.cli.context import App
from runyard.cli.options import SELECTORS, as_json, dry_run, some_jobs, yes
from runyard.cli.selecting import Change
from runyard.model.job import JobState


@click.command("hold", epilog=SELECTORS)
@some_jobs
@yes
@dry_run
@as_json
@click.pass_obj
def hold(app: App, selectors: tuple[str, ...], yes: bool, dry_run: bool) -> int:
    """Keep waiting jobs back.

    \b
    Examples:
      ry hold 12
      ry hold queue:night --dry-run
    """
    change = Change("hold", "held", lambda row: row.state == JobState.PENDING.value and row.word != "held")
    return change.run(app, selectors, lambda ids: app.service().hold(ids), yes=yes, dry=dry_run)


@click.command("release", epilog=SELECTORS)
@some_jobs
@yes
@dry_run
@as_json
@click.pass_obj
def release(app: App, selectors: tuple[str, ...], yes: bool, dry_run: bool) -> int:
    """Let held jobs go.

    \b
    Examples:
      ry release 12
      ry release state:held --yes
    """
    change = Change("release", "released", lambda row: row.word == "held")
    return change.run(app, selectors, lambda ids: app.service().release(ids), yes=yes, dry=dry_run)
