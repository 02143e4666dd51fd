"""Words of Que that are no verbs here: each says in a line what it has become, and does that.

Its other words are names of our verbs, or aliases in the table of verbs. Jobs are named by their ids and by all other
selectors; Que's LOCATION INDEX is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import click

from runyard.cli.context import App
from runyard.cli.lazy import LazyGroup
from runyard.cli.render.text import harmless
from runyard.model.old_words import location

OF_QUE = ("que", "queue", "server")
"""What Que saves and loads: the runs, and the state of its server. Here both are the yard."""

WITH_TIME = ["-t"]
HERE = "./"
"""An output that ends so gets a name with the time in it."""


class Word(NamedTuple):
    """A word of Que, as Que's user types it in `example`. `becomes` makes a line of ours of what follows it; none where
    there is nothing to do."""

    help: str
    example: str
    becomes: Callable[[list[str]], list[str]]


def _saved(words: list[str]) -> list[str]:
    given = [word for word in words if word not in OF_QUE]
    if given == WITH_TIME:
        return ["export", "-o", HERE]
    return ["export", *("-o" if word == "-op" else word for word in given)] if given else []


WORDS = {
    "clear": Word(
        "Remove all jobs of a location: `ry rm state:old`.",
        "clear old",
        lambda words: ["rm", *(f"state:{word}" if location(word) else word for word in words)],
    ),
    "save": Word(
        "Write jobs into a file: `ry export -o FILE`. The yard itself is on disk at all times.",
        "save que -op saved.jsonl",
        _saved,
    ),
    "load": Word(
        "Read jobs from a file: `ry import`.",
        "load jobs.json",
        lambda words: ["import", *(word for word in words if word not in (*OF_QUE, "-ip"))],
    ),
}
OF_DAEMON = {
    "start": Word("Start jobs: `ry server resume`.", "daemon start", lambda words: ["server", "resume"]),
    "stop": Word(
        "Start nothing new: `ry server drain`. (What runs is ended by `ry stop JOB`.)",
        "daemon stop",
        lambda words: ["server", "drain"],
    ),
    "status": Word(
        "What runs, and whether anything new is started: `ry server status`.",
        "daemon status",
        lambda words: ["server", "status"],
    ),
}
OF_WORKER = {
    "clear_mem": Word(
        "A job's GPU memory goes with the job; `ry gpus` shows who holds some.",
        "worker clear_mem",
        lambda words: ["gpus"],
    ),
}


def _command(name: str, word: Word) -> click.Command:
    @click.command(name, help=_help(word.help, word.example), context_settings={"ignore_unknown_options": True})
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def command(ctx: click.Context, words: tuple[str, ...]) -> int:
        line = word.becomes(list(words))
        if line:
            return _run(ctx, line)
        app: App = ctx.obj
        app.output.note(f"ry: nothing has to be done. {word.help}")
        return 0

    return command


def _group(name: str, text: str, words: dict[str, Word]) -> click.Group:
    example = next(iter(words.values())).example
    return click.Group(name, {key: _command(key, word) for key, word in words.items()}, help=_help(text, example))


def _help(text: str, example: str) -> str:
    return f"{text}\n\n\b\nExample:\n  ry {example}"


def _run(ctx: click.Context, line: Sequence[str]) -> int:
    """Say which line of ours it is, and do that."""
    app: App = ctx.obj
    top = ctx.find_root()
    assert isinstance(top.command, LazyGroup)
    app.output.note(f"ry: this is `ry {harmless(' '.join(line))}`")
    _, verb, rest = top.command.resolve_command(top, list(line))
    assert verb is not None
    with verb.make_context(line[0], list(rest), parent=top) as made:
        code: int = verb.invoke(made)
    return code


clear, save, load = (_command(name, word) for name, word in WORDS.items())
daemon = _group("daemon", "Have jobs started, or nothing new: `ry server resume`, `ry server drain`.", OF_DAEMON)
worker = _group("worker", "Every job is a process of its own: there is no worker to look after.", OF_WORKER)
