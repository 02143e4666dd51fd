"""`doctor`: looks at this yard and says what to do."""

from __future__ import annotations

import os
from importlib import import_module

import click

from runyard.cli import checks
from runyard.cli.checks import FAIL, Seen, Verdict
from runyard.cli.context import App
from runyard.cli.install import config_home, installed, place_of
from runyard.cli.options import as_json
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.text import harmless
from runyard.errors import RunyardError, UsageError
from runyard.foreign import command, filesystem
from runyard.foreign.locks import HomeLock
from runyard.model.filter import JobQuery
from runyard.settings import Home

SYSTEMD = "/run/systemd/system"
NVIDIA = "/proc/driver/nvidia"
LOGINCTL_S = 5.0


@click.command("doctor")
@as_json
@click.pass_obj
def doctor(app: App) -> int:
    """Check this yard and say what to do: exit code 0, or 1 if something is broken. Starts and changes nothing.

    \b
    Example:
      ry doctor
    """
    verdicts = examine(app)
    code = 1 if any(verdict.verdict == FAIL for verdict in verdicts) else 0
    if app.output.as_json:
        app.output.json(verdicts)
        return code
    columns = (Column("CHECK"), Column("STATE"), Column("FOUND", flexible=True), Column("ADVICE", optional=True))
    rows = tuple(
        Row((verdict.check, verdict.verdict, harmless(verdict.message), harmless(verdict.advice)), verdict.verdict)
        for verdict in verdicts
    )
    if app.output.terminal:
        app.output.grid(Grid(columns[:3], tuple(Row(row.cells[:3], row.word) for row in rows)))
        for row in rows:
            if row.cells[3]:
                app.output.line(f"{row.cells[0]}: {row.cells[3]}")
    else:
        app.output.grid(Grid(columns, rows))
    return code


def examine(app: App) -> list[Verdict]:
    """All verdicts. A configuration that cannot be read is the only one then."""
    try:
        return list(checks.all_of(look(app)))
    except UsageError as error:
        return [Verdict("config", FAIL, error.message, "correct it; nothing works before that")]
    except RunyardError as error:
        return [Verdict("server", FAIL, error.message, "see `ry server logs`")]


def look(app: App) -> Seen:
    """What there is to look at now."""
    settings, home = app.settings, app.home
    service = app.reach()
    newest = service.jobs(JobQuery(order="-id", limit=1)) if service else ()
    return Seen(
        settings=settings,
        home=home,
        now=app.now(),
        version=getattr(import_module("runyard"), "__version__", ""),
        free_mb=filesystem.free_mb(settings.home),
        on_network=filesystem.is_network(settings.home),
        uid=os.getuid(),
        linger=lingers(),
        installed=installed(place_of(app), config_home(app)),
        nvidia=os.path.isdir(NVIDIA),
        status=service.status() if service else None,
        hosts=service.hosts() if service else (),
        newest_at=newest[0].submitted_at if newest else None,
        holder=holder(home),
    )


def holder(home: Home) -> int | None:
    """The pid of the server that holds this home, if one does."""
    noted = HomeLock(home.server_lock).holder()
    pid = noted.get("pid") if noted else None
    return pid if isinstance(pid, int) else None


def lingers() -> str:
    """What systemd says about keeping this user's processes after a logout; "" where there is no systemd."""
    if not os.path.isdir(SYSTEMD) or os.getuid() == 0:
        return ""
    try:
        argv = ["loginctl", "show-user", "--property=Linger", "--value", "--", str(os.getuid())]
        ended = command.run(argv, LOGINCTL_S)
    except RunyardError:
        return ""
    return ended.stdout.decode("ascii", "replace").strip() if ended.returncode == 0 else ""
