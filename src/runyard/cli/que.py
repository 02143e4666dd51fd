"""Words of Que that are no verbs here: each says in a line what it has become, and does that.

Its other words are names of our verbs, or aliases in the table of verbs. Jobs are named by their ids and by all other
selectors; Que's LOCATION INDEX is none.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from runyard.cli.context import App
from runyard.cli.lazy import LazyGroup
from runyard.cli.render.text import harmless
from runyard.model.old_words import location

OF_QUE = ("que", "queue", "server")
"""What Que saves and loads: the runs, and the state of its server. Here both are the yard."""

WITH_TIME = "-t"
HERE = "./"
"""An output that ends so gets a name with the time in it."""

words = click.argument("words", nargs=-1, type=click.UNPROCESSED)
as_given = {"ignore_unknown_options": True}


@click.command("clear", context_settings=as_given)
@words
@click.pass_context
def clear(ctx: click.Context, words: tuple[str, ...]) -> int:
    """Remove all jobs of a location: `ry rm state:old`.

    \b
    Example:
      ry clear old
    """
    return _becomes(ctx, "rm", [f"state:{word}" if location(word) else word for word in words])


@click.group("daemon")
def daemon() -> None:
    """Have jobs started, or nothing new: `ry server resume`, `ry server drain`.

    \b
    Example:
      ry daemon stop
    """


@daemon.command("start")
@click.pass_context
def start(ctx: click.Context) -> int:
    """Start jobs: `ry server resume`.

    \b
    Example:
      ry daemon start
    """
    return _becomes(ctx, "server", ["resume"])


@daemon.command("stop", context_settings=as_given)
@words
@click.pass_context
def stop(ctx: click.Context, words: tuple[str, ...]) -> int:
    """Start nothing new: `ry server drain`. (What runs is ended by `ry stop JOB`.)

    \b
    Example:
      ry daemon stop
    """
    return _becomes(ctx, "server", ["drain"])


@daemon.command("status")
@click.pass_context
def status(ctx: click.Context) -> int:
    """What runs, and whether anything new is started: `ry server status`.

    \b
    Example:
      ry daemon status
    """
    return _becomes(ctx, "server", ["status"])


@click.group("worker")
def worker() -> None:
    """Every job is a process of its own: there is no worker to look after.

    \b
    Example:
      ry worker clear_mem
    """


@worker.command("clear_mem")
@click.pass_context
def clear_mem(ctx: click.Context) -> int:
    """A job's GPU memory goes with the job; `ry gpus` shows who holds some.

    \b
    Example:
      ry worker clear_mem
    """
    return _becomes(ctx, "gpus", [])


@click.command("save", context_settings=as_given)
@words
@click.pass_context
def save(ctx: click.Context, words: tuple[str, ...]) -> int:
    """Write jobs into a file: `ry export -o FILE`. The yard itself is on disk at all times.

    \b
    Examples:
      ry save que -op saved.jsonl
      ry save que -t
    """
    given = [word for word in words if word not in OF_QUE]
    if not given:
        app: App = ctx.obj
        app.output.note("ry: nothing has to be saved; `ry export -o FILE` writes a copy")
        return 0
    if given[0] == WITH_TIME:
        return _becomes(ctx, "export", ["-o", HERE])
    return _becomes(ctx, "export", ["-o" if word == "-op" else word for word in given])


@click.command("load", context_settings=as_given)
@words
@click.pass_context
def load(ctx: click.Context, words: tuple[str, ...]) -> int:
    """Read jobs from a file: `ry import`.

    \b
    Example:
      ry load jobs.json
    """
    return _becomes(ctx, "import", [word for word in words if word not in (*OF_QUE, "-ip")])


def _becomes(ctx: click.Context, name: str, words: Sequence[str]) -> int:
    """Say which of our verbs it is, and do it."""
    app: App = ctx.obj
    top = ctx.find_root()
    assert isinstance(top.command, LazyGroup)
    app.output.note(f"ry: this is `ry {harmless(' '.join((name, *words)))}`")
    _, verb, rest = top.command.resolve_command(top, [name, *words])
    assert verb is not None
    with verb.make_context(name, list(rest), parent=top) as made:
        code: int = verb.invoke(made)
    return code
