"""`server install` and `uninstall`: a server that starts with the machine, by systemd or by a line of crontab.

What is written is shown; each question has a flag; what is removed is exactly what was written.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from contextlib import suppress
from dataclasses import replace

import click

from runyard.cli.context import App
from runyard.cli.options import dry_run
from runyard.cli.render.text import harmless
from runyard.config import DEFAULT_HOME, home_path
from runyard.errors import Conflict, NotAllowed, NotFound, RunyardError, UsageError
from runyard.foreign import crontab, systemd
from runyard.foreign.systemd import Service
from runyard.model.spec import DEFAULT_QUEUE

SYSTEMD, CRON = "systemd", "cron"
YES = ("y", "yes")

by = click.option("--by", type=click.Choice((SYSTEMD, CRON)), help="What starts it (default: systemd where it runs).")
as_root = click.option("--as-root", is_flag=True, help="Let it run as root, and every job too.")
account = click.option("--account", metavar="NAME", help="As root: whose server it is (default: who called sudo).")


@click.command("install")
@by
@account
@as_root
@click.option("--now/--no-now", default=None, help="Let it take over now, too.")
@click.option(
    "--linger/--no-linger", default=None, help="Let it run while nobody is logged in (a unit of a user's own)."
)
@click.option(
    "--on-lost",
    type=click.Choice(("end", "requeue")),
    help="What becomes of jobs of the default queue that a power cut ends (nothing said: as it is).",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask: start it now, let it linger.")
@dry_run
@click.pass_obj
def install(
    app: App, by: str | None, account: str | None, as_root: bool, now: bool | None, linger: bool | None,
    on_lost: str | None, yes: bool, dry_run: bool,
) -> int:  # fmt: skip
    """Have the server start with the machine.

    A user gets a unit of systemd of their own; as root it is a unit of the system that runs as the account which
    called sudo (or --account), as root itself only with --as-root. Where systemd does not run it is a line `@reboot`
    in the crontab. Each home has a unit of its own.

    \b
    Examples:
      ry server install --dry-run
      ry server install --on-lost requeue
      sudo ry server install --yes
    """
    place = _place(app, account, as_root)
    if on_lost is not None and place.account not in ("", "root"):
        raise UsageError(f"{place.account} says that: `ry queue set {DEFAULT_QUEUE} --on-lost {on_lost}`")
    kind = by or (SYSTEMD if os.path.isdir(systemd.BOOTED) else CRON)
    if dry_run:
        _show(app, place, kind)
        return 0
    asks = app.output.asks and not yes
    if not asks and not yes and (now is None or (linger is None and kind == SYSTEMD and not place.account)):
        raise UsageError("say --now or --no-now, and --linger or --no-linger, or --yes for both")
    if kind == SYSTEMD:
        _write_unit(app, place)
        if not place.account and _wanted(app, linger, asks, "let it run while nobody is logged in (enable-linger)?"):
            systemd.enable_linger(pwd.getpwuid(os.getuid()).pw_name)
    else:
        _write_line(app, place)
    own = not place.account or place.account == pwd.getpwuid(os.getuid()).pw_name
    if on_lost is None and asks and own and _ask(app, "start jobs again that a power cut has ended (on-lost requeue)?"):
        on_lost = "requeue"
    if on_lost is not None:
        _set_on_lost(app, on_lost)
    if _wanted(app, now, asks, "let it take over now?"):
        _take_over(app, place, kind)
    return 0


@click.command("uninstall")
@by
@account
@as_root
@click.option("--force", is_flag=True, help="Also if it was changed since.")
@dry_run
@click.pass_obj
def uninstall(app: App, by: str | None, account: str | None, as_root: bool, force: bool, dry_run: bool) -> int:
    """Take back what `install` wrote, and nothing else. Jobs run on.

    \b
    Example:
      ry server uninstall
    """
    place = _place(app, account, as_root)
    done = [kind for kind in (SYSTEMD, CRON) if by in (None, kind) and _remove(app, place, kind, force, dry_run)]
    if not done:
        raise NotFound(f"nothing is installed for {place.home}")
    return 0


def installed(place: Service, config_home: str) -> str:
    """What starts this home's server with the machine ("": nothing)."""
    path = systemd.unit_path(place, config_home)
    if os.path.exists(path):
        return path
    if shutil.which("crontab"):
        with suppress(RunyardError):
            if crontab.marked(crontab.read(place.account), place.home):
                return "a line of crontab"
    return ""


def place_of(app: App) -> Service:
    """The caller's own service, whoever that is."""
    return _service(app, "")


def config_home(app: App) -> str:
    """Where this user's configuration lies."""
    return app.environ.get("XDG_CONFIG_HOME") or os.path.join(app.environ.get("HOME", ""), ".config")


def _place(app: App, account: str | None, as_root: bool) -> Service:
    """Whose service it is. Under sudo it is that of whoever called it."""
    if os.getuid() != 0:
        if account is not None or as_root:
            raise UsageError("only root installs for others; without --account it is yours")
        return _service(app, "")
    name = account or app.environ.get("SUDO_USER", "")
    if as_root:
        name = "root"
    if not name or (name == "root" and not as_root):
        raise NotAllowed("as root every job would be root's: say --account NAME, or --as-root if that is meant")
    try:
        pwd.getpwnam(name)
    except KeyError:
        raise UsageError(f"there is no account {name!r}") from None
    return _service(app, name)


def _service(app: App, account: str) -> Service:
    chosen = app.flags.get("home") or app.environ.get("RUNYARD_HOME")
    owner = {"HOME": pwd.getpwnam(account).pw_dir} if account else dict(app.environ)
    default = home_path(DEFAULT_HOME, owner)
    home = os.path.realpath(home_path(chosen, owner) if chosen else default)
    return Service(home, sys.executable, systemd.service_name(home, default), account)


def _show(app: App, place: Service, kind: str) -> None:
    if kind == SYSTEMD:
        app.output.line(f"would write {harmless(systemd.unit_path(place, config_home(app)))}:\n\n{systemd.unit(place)}")
    else:
        whose = f"the crontab of {place.account}" if place.account else "your crontab"
        app.output.line(f"would add to {whose}:\n\n{crontab.line_of(place.home, place.python)}")


def _write_unit(app: App, place: Service) -> None:
    path, text = systemd.unit_path(place, config_home(app)), systemd.unit(place)
    with suppress(FileNotFoundError):
        if systemd.is_ours(_text(path)) is not True:
            raise Conflict(f"{path} is there and not as `ry server install` writes it; look at it, or remove it first")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    app.output.line(f"written: {harmless(path)}\n\n{text}")
    systemd.systemctl(place, "daemon-reload")
    systemd.systemctl(place, "enable", "--", place.file)


def _write_line(app: App, place: Service) -> None:
    if not shutil.which("crontab"):
        line = crontab.line_of(place.home, place.python)
        raise NotFound(
            f"neither systemd nor crontab is here; have this started at boot: {line.removeprefix('@reboot ')}"
        )
    line, before = crontab.line_of(place.home, place.python), crontab.read(place.account)
    others = [other for other in crontab.marked(before, place.home) if other != line]
    crontab.write(crontab.added(crontab.removed(before, others), line), place.account)
    app.output.line(f"added to the crontab:\n\n{line}\n")


def _remove(app: App, place: Service, kind: str, force: bool, dry: bool) -> bool:
    """Remove it; False if there is nothing."""
    if kind == CRON:
        return _remove_line(app, place, force, dry)
    path = systemd.unit_path(place, config_home(app))
    try:
        ours = systemd.is_ours(_text(path))
    except FileNotFoundError:
        return False
    if ours is not True and not force:
        raise Conflict(f"{path} {'was changed' if ours is False else 'is not ours'}; --force removes it all the same")
    if dry:
        app.output.line(f"would remove {harmless(path)}")
        return True
    if os.path.isdir(systemd.BOOTED):
        systemd.systemctl(place, "disable", "--now", "--", place.file)
    os.unlink(path)
    if os.path.isdir(systemd.BOOTED):
        systemd.systemctl(place, "daemon-reload")
    app.output.line(f"removed {harmless(path)}; jobs run on")
    return True


def _remove_line(app: App, place: Service, force: bool, dry: bool) -> bool:
    if not shutil.which("crontab"):
        return False
    before = crontab.read(place.account)
    found = crontab.marked(before, place.home)
    if not found:
        return False
    if found != [crontab.line_of(place.home, place.python)] and not force:
        raise Conflict("its line in the crontab was changed; --force removes it all the same")
    if dry:
        app.output.line("\n".join(["would remove from the crontab:", *map(harmless, found)]))
    else:
        crontab.write(crontab.removed(before, found), place.account)
        app.output.line("removed its line from the crontab; the server runs on")
    return True


def _take_over(app: App, place: Service, kind: str) -> None:
    if kind == SYSTEMD:
        app.wiring.stop_server(replace(app.settings, home=place.home), place.account)
        systemd.systemctl(place, "restart", "--", place.file)
        app.output.line(f"{place.file} runs; its log: journalctl {' '.join([*place.scope, '-u', place.file])}")
    elif not place.account or place.account == pwd.getpwuid(os.getuid()).pw_name:
        app.output.line(f"the server runs: pid {app.wiring.start_server(app.settings)}")
    else:
        app.output.note(f"ry: {place.account} starts it with any `ry` command, and the machine at its next start")


def _set_on_lost(app: App, on_lost: str) -> None:
    service = app.service()
    queue = next(row.queue for row in service.queues() if row.queue.name == DEFAULT_QUEUE)
    service.save_queue(replace(queue, on_lost=on_lost))
    app.output.line(f"queue {DEFAULT_QUEUE}: on-lost {on_lost}")


def _wanted(app: App, said: bool | None, asks: bool, question: str) -> bool:
    """What a flag says, else the answer, else yes."""
    return said if said is not None else _ask(app, question) if asks else True


def _ask(app: App, question: str) -> bool:
    return app.output.ask(f"{question} [y/N]") in YES


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
