"""`queue`: named lines of jobs, their limits and defaults."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import click

from runyard.api import QueueRow
from runyard.cli.context import App
from runyard.cli.options import as_json, complete_queues, dry_run
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.json import plain
from runyard.cli.render.text import harmless
from runyard.errors import Conflict, InvalidSpec, NotFound
from runyard.model.queue import Queue
from runyard.submitting.fields import Here, check_defaults
from runyard.submitting.nearest import meant

TRIES = 5
"""How often a change is made again on top of somebody else's."""

one_name = click.argument("name", metavar="NAME", shell_complete=complete_queues)
names_argument = click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_queues)


def limits(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a queue."""
    for option in reversed(
        (
            click.option("--parallel", type=click.IntRange(0), metavar="N", help="So many jobs at a time; 0: as fit."),
            click.option(
                "--stop-on-fail/--no-stop-on-fail", default=None, help="Pause the queue when one of its jobs fails."
            ),
            click.option(
                "--on-lost", type=click.Choice(("end", "requeue")), help="Of a job whose end is unknown (default: end)."
            ),
            click.option(
                "--default", "defaults", multiple=True, metavar="FLAG=VALUE",
                help="What its jobs take where the submitter says nothing, as in time=2h; FLAG= takes it back.",
            ),
            dry_run,
            as_json,
        )
    ):  # fmt: skip
        command = option(command)
    return command


@click.group("queue")
def queue() -> None:
    """Queues: limits, pauses, defaults.

    \b
    Examples:
      ry queue ls
      ry queue set default --parallel 2 --stop-on-fail --on-lost requeue
      ry queue add night --parallel 1 --default time=8h
    """


@queue.command("ls")
@as_json
@click.pass_obj
def ls(app: App) -> int:
    """List the queues.

    \b
    Example:
      ry queue ls --json
    """
    rows = app.service().queues()
    if app.output.as_json:
        app.output.json([record(row) for row in rows])
    else:
        app.output.grid(table(rows))
    return 0


def record(row: QueueRow) -> dict[str, object]:
    """A queue for `--json`."""
    return {**plain(row.queue), "waiting": row.waiting, "running": row.running}


def table(rows: Sequence[QueueRow]) -> Grid:
    """The queues as a table."""
    columns = (
        Column("QUEUE"), Column("STATE"), Column("PARALLEL", right=True), Column("RUNNING", right=True),
        Column("WAITING", right=True), Column("STOP-ON-FAIL"), Column("ON-LOST"),
        Column("DEFAULTS", flexible=True, optional=True), Column("REASON", flexible=True, optional=True),
    )  # fmt: skip
    return Grid(columns, tuple(_row(row) for row in rows))


def _row(row: QueueRow) -> Row:
    held = row.queue
    defaults = " ".join(f"{name}={value}" for name, value in sorted(held.defaults.items()))
    cells = (
        held.name,
        "paused" if held.paused else "open",
        str(held.parallel) if held.parallel else "no limit",
        str(row.running),
        str(row.waiting),
        "yes" if held.stop_on_fail else "no",
        held.on_lost,
        harmless(defaults),
        harmless(held.reason),
    )
    return Row(cells, "paused" if held.paused else "ok")


@queue.command("add")
@one_name
@limits
@click.pass_obj
def add(app: App, /, name: str, defaults: tuple[str, ...], dry_run: bool, **options: Any) -> int:
    """Make a queue.

    \b
    Example:
      ry queue add night --parallel 1 --default time=8h
    """
    if any(row.queue.name == name for row in app.service().queues()):
        raise Conflict(f"there is a queue {name!r} already; `ry queue set` changes it")
    made = _changed(app, Queue(name), options, defaults)
    return _told(app, [made if dry_run else app.service().save_queue(made)], "is made", dry_run)


@queue.command("set")
@one_name
@limits
@click.pass_obj
def set_(app: App, /, name: str, defaults: tuple[str, ...], dry_run: bool, **options: Any) -> int:
    """Change a queue; what is not named stays.

    \b
    Examples:
      ry queue set default --parallel 2
      ry queue set default --default gpus=1 --default time=
    """
    return _change(app, (name,), lambda held: _changed(app, held, options, defaults), "is changed", dry_run)


@queue.command("pause")
@names_argument
@click.option("--reason", default="", help="What to tell those who wait.")
@dry_run
@as_json
@click.pass_obj
def pause(app: App, names: tuple[str, ...], reason: str, dry_run: bool) -> int:
    """Start no more jobs of a queue; running ones go on.

    \b
    Example:
      ry queue pause default --reason 'new driver'
    """
    return _change(app, names, lambda held: replace(held, paused=True, reason=reason), "is paused", dry_run)


@queue.command("resume")
@names_argument
@dry_run
@as_json
@click.pass_obj
def resume(app: App, names: tuple[str, ...], dry_run: bool) -> int:
    """Start jobs of a queue again.

    \b
    Example:
      ry queue resume default
    """
    return _change(app, names, lambda held: replace(held, paused=False, reason=""), "goes on", dry_run)


@queue.command("rm")
@names_argument
@dry_run
@as_json
@click.pass_obj
def rm(app: App, names: tuple[str, ...], dry_run: bool) -> int:
    """Remove queues that have no waiting or running job.

    \b
    Example:
      ry queue rm night
    """
    found = [_named(app, name) for name in names]
    if not dry_run:
        for held in found:
            app.service().remove_queue(held.name)
    return _told(app, found, "is removed", dry_run)


def _change(app: App, names: Sequence[str], change: Callable[[Queue], Queue], past: str, dry: bool) -> int:
    """Change each queue as it is now; if somebody else was faster, again on top of that."""
    changed = []
    for name in names:
        for last in (False,) * (TRIES - 1) + (True,):
            wanted = change(_named(app, name))
            try:
                changed.append(wanted if dry else app.service().save_queue(wanted))
                break
            except Conflict:
                if last:
                    raise
    return _told(app, changed, past, dry)


def _named(app: App, name: str) -> Queue:
    known = {row.queue.name: row.queue for row in app.service().queues()}
    if name not in known:
        raise NotFound(f"there is no queue {name!r}{meant(name, known)}")
    return known[name]


def _changed(app: App, held: Queue, options: dict[str, Any], defaults: Sequence[str]) -> Queue:
    given = {field: value for field, value in options.items() if value is not None}
    kept = dict(held.defaults)
    for word in defaults:
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidSpec(f"{word!r}: use FLAG=VALUE, as in time=2h", "default")
        kept.pop(name, None)
        if value:
            kept[name] = value
    check_defaults(kept, Here(app.environ, os.getcwd(), app.now()))
    return replace(held, **given, defaults=kept)


def _told(app: App, queues: Sequence[Queue], past: str, dry: bool) -> int:
    if app.output.as_json:
        app.output.json([plain(held) for held in queues] if not dry else {"would_be": [plain(held) for held in queues]})
        return 0
    for held in queues:
        limit = f"at most {held.parallel} at a time" if held.parallel else "as many as fit"
        end = f": {limit}" if past in ("is made", "is changed") else ""
        app.output.line(f"{'would: ' if dry else ''}queue {held.name} {past}{end}")
    return 0
