"""`pause` and `resume`: running jobs that stand still for a while."""

from __future__ import annotations

import click

from runyard.api import ChangeResult, JobRow
from runyard.cli.context import App
from runyard.cli.options import SELECTORS, as_json, dry_run, some_jobs, yes
from runyard.cli.selecting import Change
from runyard.model.filter import JobQuery


class Pause(Change):
    """Tells what stays held all the same."""

    def report(self, app: App, result: ChangeResult) -> int:
        code = super().report(app, result)
        if result.changed and not app.output.as_json:
            rows = app.service().jobs(JobQuery(tuple(map(str, result.changed)), limit=len(result.changed)))
            app.output.note(_held(rows))
        return code


def _held(rows: tuple[JobRow, ...]) -> str:
    gpus = sum(len(row.gpus) for row in rows)
    held = {0: "memory and slot stay held", 1: "1 GPU with all memory on it stays held"}.get(
        gpus, f"{gpus} GPUs with all memory on them stay held"
    )
    return f"{held}, time limits stand still; `ry resume` goes on"


@click.command("pause", epilog=SELECTORS)
@some_jobs
@yes
@dry_run
@as_json
@click.pass_obj
def pause(app: App, selectors: tuple[str, ...], yes: bool, dry_run: bool) -> int:
    """Have running jobs stand still.

    All processes of the job are stopped where they are. What it holds it keeps: its memory, also on GPUs, and its
    place. Its time limit stands still. `ry stop` ends a paused job as any other.

    To have nothing new started, pause the queue (`ry queue pause NAME`) or keep waiting jobs back (`ry hold`).

    \b
    Examples:
      ry pause 12
      ry pause queue:night --yes
    """
    change = Pause("pause", "paused", lambda row: row.word == "running")
    return change.run(app, selectors, lambda ids: app.service().pause(ids), yes=yes, dry=dry_run)


@click.command("resume", epilog=SELECTORS)
@some_jobs
@yes
@dry_run
@as_json
@click.pass_obj
def resume(app: App, selectors: tuple[str, ...], yes: bool, dry_run: bool) -> int:
    """Let paused jobs go on.

    \b
    Examples:
      ry resume 12
      ry resume state:paused --yes
    """
    change = Change("resume", "resumed", lambda row: row.word == "paused")
    return change.run(app, selectors, lambda ids: app.service().resume(ids), yes=yes, dry=dry_run)
