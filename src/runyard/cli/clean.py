"""`clean`: the output of old jobs goes."""

from __future__ import annotations

import click

from runyard.cli.context import App
from runyard.cli.options import as_json
from runyard.cli.render.text import counted, numbers


@click.command("clean")
@as_json
@click.pass_obj
def clean(app: App) -> int:
    """Collect the output of old jobs now. (It happens by itself, too.)

    Output goes when it is older than keep_runs_days (default: 30), and the oldest first when all of it is larger than
    keep_runs_mb (default: 20000 MB). Jobs stay in the list.

    \b
    Example:
      ry clean
    """
    ids = app.service().clean()
    if app.output.as_json:
        app.output.json({"cleaned": ids})
    elif ids:
        app.output.line(f"the output of {counted(len(ids), 'job')} is gone: {numbers(ids)}")
    else:
        app.output.line("nothing is old enough, or too much")
    return 0
