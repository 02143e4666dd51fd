"""`queue`: named lines of jobs, their limits and defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from runyard.api import QueueRow
from runyard.cli.context import App
from runyard.cli.options import as_json, complete_queues, dry_run
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.json import of_named, plain
from runyard.cli.render.text import harmless
from runyard.cli.submit import here
from runyard.errors import Conflict, NotFound, RunyardError, UsageError
from runyard.model.nearest import meant
from runyard.model.params import assigned
from runyard.model.queue import Queue
from runyard.model.spec import DEFAULT_QUEUE
from runyard.submitting.job_options import check_defaults

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

    On a terminal that is too narrow ON-LOST, STOP-ON-FAIL, DEFAULTS, PARALLEL and REASON are left out, first of all
    what is the same for all queues.

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
        Column("QUEUE", flexible=True), Column("STATE", firm=True), Column("PARALLEL", right=True, firm=True, spare=4),
        Column("RUNNING", right=True, firm=True), Column("WAITING", right=True, firm=True),
        Column("STOP-ON-FAIL", firm=True, spare=2), Column("ON-LOST", firm=True, spare=1),
        Column("DEFAULTS", flexible=True, optional=True, spare=3),
        Column("REASON", flexible=True, optional=True, spare=5),
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
    made = made if dry_run else app.service().save_queue(made)
    return _told(app, "add", [Told(made, f"is made: {_limit(made)}")], dry_run)


@queue.command("set")
@one_name
@limits
@click.pass_obj
def set_(app: App, /, name: str, defaults: tuple[str, ...], dry_run: bool, **options: Any) -> int:
    """Change a queue; what is not named stays. At least one of --parallel, --stop-on-fail, --on-lost, --default.

    \b
    Examples:
      ry queue set default --parallel 2
      ry queue set default --default gpus=1 --default time=
    """
    if not defaults and all(value is None for value in options.values()):
        raise UsageError("nothing to set: give --parallel, --stop-on-fail, --on-lost or --default")
    wish = Wish("set", lambda held: _changed(app, held, options, defaults), _is_changed)
    return _change(app, (name,), wish, dry_run)


@queue.command("pause")
@names_argument
@click.option("--reason", help="What to tell those who wait (of a paused queue: the first reason stays).")
@dry_run
@as_json
@click.pass_obj
def pause(app: App, names: tuple[str, ...], reason: str | None, dry_run: bool) -> int:
    """Start no more jobs of a queue; running ones go on.

    \b
    Example:
      ry queue pause default --reason 'new driver'
    """

    def change(held: Queue) -> Queue:
        first = held.reason if held.paused else ""
        return replace(held, paused=True, reason=first if reason is None else reason)

    def told(before: Queue, after: Queue) -> str:
        again = before.paused and (before.reason == after.reason)
        return ("is paused already" if again else "is paused") + (f": {harmless(after.reason)}" if after.reason else "")

    return _change(app, names, Wish("pause", change, told), dry_run)


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
    wish = Wish("resume", Queue.resumed, lambda before, after: "goes on" if before.paused else "was not paused")
    return _change(app, names, wish, dry_run)


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
    known = _known(app, names)
    if not dry_run:
        # what the server will refuse comes first, so that then nothing is removed
        for name in sorted(
            known, key=lambda name: not (name == DEFAULT_QUEUE or known[name].waiting + known[name].running)
        ):
            app.service().remove_queue(name)
    return _told(app, "remove", [Told(row.queue, "is removed") for row in known.values()], dry_run)


@dataclass(frozen=True)
class Wish:
    """A change of queues: its verb, what it makes of a queue, and what is said of one, before and after."""

    verb: str
    change: Callable[[Queue], Queue]
    said: Callable[[Queue, Queue], str]


@dataclass(frozen=True)
class Told:
    """A queue as it is now, what is said of it, and whether it is another one than before."""

    queue: Queue
    said: str
    changed: bool = True


def _change(app: App, names: Sequence[str], wish: Wish, dry: bool) -> int:
    """Change each queue; none if one is not there. What was changed before something went wrong is told too."""
    done: list[Told] = []
    try:
        for name in _known(app, names):
            before, after = _one(app, name, wish.change, dry)
            done.append(Told(after, wish.said(before, after), after != before))
    except RunyardError:
        if done and not app.output.as_json:
            _told(app, wish.verb, done, dry)
        raise
    return _told(app, wish.verb, done, dry)


def _one(app: App, name: str, change: Callable[[Queue], Queue], dry: bool) -> tuple[Queue, Queue]:
    """The queue before and after its change; if somebody else was faster, the change is made again on top of that."""
    for last in (False,) * (TRIES - 1) + (True,):
        before = _known(app, (name,))[name].queue
        after = change(before)
        if dry or after == before:
            break
        try:
            return before, app.service().save_queue(after)
        except Conflict:
            if last:
                raise
    return before, after


def _known(app: App, names: Sequence[str]) -> dict[str, QueueRow]:
    """These queues, each once, as they are now; NotFound if one is not there."""
    known = {row.queue.name: row for row in app.service().queues()}
    for name in names:
        if name not in known:
            raise NotFound(f"there is no queue {name!r}{meant(name, known)}")
    return {name: known[name] for name in names}


def _changed(app: App, held: Queue, options: dict[str, Any], defaults: Sequence[str]) -> Queue:
    given = {field: value for field, value in options.items() if value is not None}
    kept = dict(held.defaults)
    for word in defaults:
        name, value = assigned(word, "FLAG=VALUE, as in time=2h", "default")
        kept.pop(name, None)
        if value:
            kept[name] = value
    check_defaults(kept, here(app))
    return replace(held, **given, defaults=kept)


def _is_changed(before: Queue, after: Queue) -> str:
    return f"is changed: {_limit(after)}"


def _limit(held: Queue) -> str:
    return f"at most {held.parallel} at a time" if held.parallel else "as many as fit"


def _told(app: App, verb: str, told: Sequence[Told], dry: bool) -> int:
    """Print each queue with what is to be said of it."""
    if app.output.as_json:
        changed = [one.queue.name for one in told if one.changed]
        app.output.json(of_named(verb, changed, [one.queue for one in told], dry))
        return 0
    for one in told:
        app.output.line(f"{'would: ' if dry else ''}queue {one.queue.name} {one.said}")
    return 0
