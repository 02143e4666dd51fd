"""Options that several verbs share, and what the Tab key asks for them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import click

from runyard.cli.context import App

F = TypeVar("F", bound=Callable[..., Any])

Complete = Callable[[click.Context, click.Parameter, str], Any]
"""Says what the Tab key offers for a parameter."""


def _complete(what: str) -> Complete:
    """Asks this function of `completing`, which only the Tab key has to load."""

    def offered(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> Any:
        return getattr(import_module("runyard.cli.completing"), what)(ctx, incomplete)

    return offered


complete_jobs = _complete("jobs")
complete_after = _complete("after")
complete_queues = _complete("queues")
complete_templates = _complete("templates")
complete_pipelines = _complete("pipelines")
complete_backends = _complete("backends")
complete_sweeps = _complete("sweeps")
complete_hosts = _complete("hosts")
complete_verbs = _complete("verbs")
complete_files = _complete("files")
complete_directories = _complete("directories")


def complete_words(*words: str) -> Complete:
    """Offers these words."""
    return lambda ctx, parameter, incomplete: [word for word in words if word.startswith(incomplete)]


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

SSH_OPTIONS = (
    click.option(
        "--host", metavar="HOST", shell_complete=complete_hosts,
        help="Use the yard of this machine, over SSH (`local`: this one).",
    ),
    click.option("--ssh-user", metavar="USER", help="The account there (default: ssh's)."),
    click.option(
        "--ssh-key", metavar="FILE", shell_complete=complete_files, help="The key to log in with (default: ssh's)."
    ),
    click.option("--ssh-command", metavar="PATH", help="How ry is called there (default: ry)."),
    click.option("--ssh-retries", metavar="N", help="Tries to connect (default: 5)."),
    click.option(
        "--ssh-retry-delay", "ssh_retry_delay_s", metavar="SECONDS", help="Pause between them (default: 2)."
    ),
)  # fmt: skip


def ssh_options(command: F) -> F:
    """The options that choose another machine; their names are those of settings."""
    for option in reversed(SSH_OPTIONS):
        command = option(command)
    return command


SELECTORS = """\b
JOB is an id (12), a range (12-20), @ (your last), @~2, a name, a pattern
(train*, train[0-5]), state:failed, queue:x, group:7, sweep:y, pipeline:z,
note:word, user:me, after:12 (who waits for 12), or all (yours).
Several mean the jobs that match any of them. name:x is the job named x, also
where x looks like something else (name:12). 12.2 is the second attempt of 12,
for verbs that show one."""
