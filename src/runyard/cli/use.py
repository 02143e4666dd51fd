"""`use`: which machine's yard is used when nobody says so."""

from __future__ import annotations

import json
import os
from contextlib import suppress

import click

from runyard.cli.context import App
from runyard.cli.options import as_json, complete_hosts
from runyard.config import REMEMBERED, remembered_host
from runyard.errors import UsageError
from runyard.foreign import filesystem
from runyard.settings import LOCAL, Home


@click.command("use")
@click.argument("host", required=False, metavar="[HOST]", shell_complete=complete_hosts)
@as_json
@click.pass_obj
def use(app: App, host: str | None) -> int:
    """Remember another machine: later commands use its yard, over SSH, until `ry use local`.

    It is logged in to at once, anew if there was a connection. The options of `ry` itself (--ssh-user, --ssh-key,
    --ssh-command) are remembered with it. Without HOST it says which machine is used. Inside a job nothing is
    remembered: a job belongs to the yard that runs it.

    \b
    Examples:
      ry use gpu1
      ry --ssh-user ada use gpu1
      ry use local
    """
    if host is None:
        return _tell(app)
    if host == LOCAL:
        return _forget(app)
    if app.flags.get("host") not in (None, host):
        raise UsageError("name the machine once: `ry use HOST`")
    app.use({**app.flags, "host": host})
    landing = app.far.enter()
    remember(app)
    if app.output.as_json:
        app.output.json({"host": host, "landing": landing})
    else:
        app.output.line(
            f"{host} is used from now on (runyard {landing.version}, {landing.user}, {landing.home});"
            " `ry use local` forgets it"
        )
    return 0


def remember(app: App) -> None:
    """Have later commands use the machine that this one uses."""
    if app.shell is not None:
        app.shell.flags.clear()
    _write(app, {name: getattr(app.settings, name) for name in REMEMBERED if getattr(app.settings, name)})


def _write(app: App, chosen: dict[str, str]) -> None:
    path = Home(app.settings.home).remembered
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    filesystem.put(path, json.dumps(chosen).encode("ascii"))


def _forget(app: App) -> int:
    """Use this machine again."""
    chosen = remembered_host(app.settings.home)
    if chosen.get("host", LOCAL) != LOCAL:
        app.use(chosen)
        app.far.leave()
    if app.shell is not None:
        app.shell.flags.clear()
    with suppress(FileNotFoundError):
        os.unlink(Home(app.settings.home).remembered)
    app.use({"home": app.flags.get("home")})
    if app.settings.is_far:  # so the file or the environment has it, and the file at least can be overruled
        _write(app, {"host": LOCAL})
    app.use({"home": app.flags.get("home")}, anew=True)
    return _tell(app)


def _tell(app: App) -> int:
    host = app.settings.host if app.settings.is_far else LOCAL
    if app.output.as_json:
        app.output.json({"host": host})
    elif host == LOCAL:
        app.output.line("local: the yard of this machine is used")
    else:
        app.output.line(f"{host}: its yard is used; `ry use local` forgets it")
    return 0
