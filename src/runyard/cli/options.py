"""Options that several verbs share, and what the Tab key asks for them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from runyard.cli.context import App


def complete_jobs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> Any:
    """What the Tab key offers for a job."""
    return import_module("runyard.cli.completing").jobs(ctx, incomplete)


def complete_queues(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> Any:
    """What the Tab key offers for a queue."""
    return import_module("runyard.cli.completing").queues(ctx, incomplete)


def _json_asked(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and isinstance(ctx.obj, App):
        ctx.obj.output.as_json = True


as_json = click.option(
    "--json", is_flag=True, is_eager=True, expose_value=False, callback=_json_asked, help="Print JSON, errors too."
)
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
some_jobs = click.argument("selectors", nargs=-1, required=True, metavar="JOB...", shell_complete=complete_jobs)
any_jobs = click.argument("selectors", nargs=-1, metavar="[JOB]...", shell_complete=complete_jobs)
one_job = click.argument("selector", default="@", metavar="[JOB]", shell_complete=complete_jobs)

SELECTORS = """\b
JOB is an id (12), a range (12-20), @ (your last), @~2, a name, a pattern
(train*, train[0-5]), state:failed, queue:x, group:7, user:me, or all (yours)."""
