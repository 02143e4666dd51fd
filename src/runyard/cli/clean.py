"""`clean`: the output of old jobs goes."""

from __future__ import annotations

import click

from runyard.cli.context import App
from runyard.cli.options import as_json, dry_run
from runyard.cli.render.text import counted, numbers


@click.command("clean")
@dry_run
@as_json
@click.pass_obj
def clean(app: App, dry_run: bool) -> int:
    """Collect the output of old jobs now. (It happens by itself, too.)

    Output goes when it is older than keep_runs_days (default: 30), and the oldest first when all of it is larger than
    keep_runs_mb (default: 20000 MB). Jobs stay in the list.

    \b
    Examples:
      ry clean
      ry clean --dry-run
    """
    ids = app.service().clean(dry_run)
    if app.output.as_json:
        app.output.json({"would_clean" if dry_run else "cleaned": ids})
    elif ids:
        what = "would go" if dry_run else "is gone"
        app.output.line(f"the output of {counted(len(ids), 'job')} {what}: {numbers(ids)}")
    else:
        app.output.line("nothing is old enough, or too much")
    return 0
