"""`clean`: the output of old jobs goes; with `--older` the jobs, too."""

from __future__ import annotations

import click

from runyard.api import ChangeResult
from runyard.cli.context import App
from runyard.cli.options import as_json, dry_run, yes
from runyard.cli.render.text import counted, numbers
from runyard.cli.selecting import Change
from runyard.errors import UsageError
from runyard.model.job import JobState
from runyard.submitting import durations

ENDED = f"state:{JobState.DONE.value}"


class Clean(Change):
    """Jobs that ended long ago, of all users."""

    def __init__(self, before: float) -> None:
        super().__init__("remove", "removed", lambda row: row.ended_at is not None and row.ended_at < before)


@click.command("clean")
@click.option("--older", metavar="SPAN", help="Remove jobs that ended longer ago: 30d, 12h.")
@yes
@dry_run
@as_json
@click.pass_obj
def clean(app: App, older: str | None, yes: bool, dry_run: bool) -> int:
    """Collect the output of old jobs now. (It happens by itself, too.)

    Output goes when it is older than keep_runs_days (default: 30), and the oldest first when all of it is larger than
    keep_runs_mb (default: 20000 MB). Jobs stay in the list, unless --older says how old they may get; what a waiting
    job waits for stays.

    \b
    Examples:
      ry clean
      ry clean --dry-run
      ry clean --older 30d
    """
    if older is not None:
        if older.isdecimal():
            raise UsageError(f"--older {older}: {older} of what? Say {older}d or {older}h")
        change = Clean(app.now() - durations.seconds(older, "older"))
        return change.run(app, (ENDED,), lambda ids: _removed(app, ids), yes=yes, dry=dry_run)
    ids = app.service().clean(dry_run)
    if app.output.as_json:
        app.output.json({"would_clean" if dry_run else "cleaned": ids})
    elif ids:
        what = "would go" if dry_run else "is gone"
        app.output.line(f"the output of {counted(len(ids), 'job')} {what}: {numbers(ids)}")
    else:
        app.output.line("nothing is old enough, or too much")
    return 0


def _removed(app: App, ids: tuple[int, ...]) -> ChangeResult:
    """Remove them. What has to stay is no failure, but said."""
    told = app.service().remove(ids)
    if told.refused:
        app.output.note(f"{counted(len(told.refused), 'job')} stay: others wait for {numbers(sorted(told.refused))}")
    return ChangeResult(told.changed)
