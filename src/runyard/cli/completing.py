"""What the Tab key offers: ids, names and queues of a server that answers at once. Never starts one.

Loaded by `options` when a shell asks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

from runyard.api import JobRow
from runyard.cli.context import App
from runyard.cli.lazy import LazyGroup, chosen
from runyard.cli.render.text import harmless
from runyard.errors import InvalidSpec, RunyardError
from runyard.model.filter import PREFIXES, JobQuery, parse_selector
from runyard.model.group import GATHERED, SWEEP, GroupQuery
from runyard.model.job import ON_HOSTS, WAITING, WORDS
from runyard.model.outcome import Outcome
from runyard.model.spec import DEPENDENCY_KINDS
from runyard.pipeline.backends.registry import BACKENDS
from runyard.pipeline.shelf import Shelf
from runyard.settings import LOCAL

MOST = 200
SSH_CONFIG = "~/.ssh/config"
SSH_CONFIG_MAX = 1 << 20
ALIVE = WAITING + ON_HOSTS
CHANGED = {
    "stop": ALIVE, "kill": ALIVE, "hold": ("queued", "waiting"), "release": ("held",), "move": WAITING,
    "pause": ("running",), "resume": ("paused",), "retry": tuple(word for word in WORDS if word not in ALIVE),
    "recover": (Outcome.LOST.value,), "attach": ON_HOSTS, "send": ON_HOSTS,
}  # fmt: skip
"""The jobs that a verb can change, by their words."""

_PLAIN = re.compile(r"[\w%+=:,./@-]+")
"""Names that stand on a command line without quotes."""

Items = Iterable[CompletionItem[Any]]


def jobs(ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
    """Selectors, ids with their names, and names."""
    words = CHANGED.get(ctx.command.name or "", ())
    field, colon, _ = incomplete.partition(":")

    def items(app: App) -> Items:
        if colon:
            return _items(f"{field}:{value}" for value in _values(app, field, incomplete, words))
        rows = _rows(app, words)
        fields = ("all", *(() if words else ("@",)), *(f"{prefix}:" for prefix in PREFIXES))
        return [*_ids(rows), *_items(_selector(name) for name in _names(rows)), *_items(fields)]

    return _matching(ctx, incomplete, items)


def after(ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
    """What `-d` takes: each part of `afterok:12:prep,afterany:@` by itself."""
    before = incomplete[: max(incomplete.rfind(":"), incomplete.rfind(",")) + 1]
    kinds = () if before.endswith(":") else tuple(f"{kind}:" for kind in DEPENDENCY_KINDS)

    def items(app: App) -> Items:
        rows = _rows(app)
        names = (name for name in _names(rows) if not {":", ","} & set(name) and _selector(name) == name)
        found = [*_ids(rows), *_items((*names, "@", *kinds))]
        return [CompletionItem(before + item.value, help=item.help) for item in found]

    return _matching(ctx, incomplete, items)


def queues(ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
    """Names of queues."""
    return _matching(ctx, incomplete, lambda app: _items(_queues(app)))


def hosts(ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
    """Machines that ssh's configuration names."""
    return _matching(ctx, incomplete, lambda app: _items(dict.fromkeys((*_configured(), LOCAL))))


def templates(ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
    """Names of templates."""

    def items(app: App) -> Items:
        service = app.reach()
        return (
            [CompletionItem(one.name, help=harmless(one.description)) for one in service.templates()] if service else ()
        )

    return _matching(ctx, incomplete, items)


def sweeps(ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
    """Names of sweeps."""
    return _matching(ctx, incomplete, lambda app: _items(_groups(app, SWEEP)))


def pipelines(ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
    """Names of pipelines; files, where there is none that begins so."""
    found = _matching(ctx, incomplete, lambda app: _items(filter(_PLAIN.fullmatch, Shelf(app.home).names())))
    return found or files(ctx, incomplete)


def backends(ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
    """Ways to run a pipeline."""
    return _matching(ctx, incomplete, lambda app: _items(BACKENDS))


def verbs(ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
    """Verbs, and below one that has verbs of its own those."""
    command: click.Command | None = ctx.find_root().command
    for word in ctx.params.get("verbs") or ():
        command = command.get_command(ctx, word) if isinstance(command, click.Group) else None
    if isinstance(command, LazyGroup):
        return command.offered(incomplete)
    names = command.list_commands(ctx) if isinstance(command, click.Group) else ()
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def files(ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
    """Whatever the shell finds."""
    return [CompletionItem(incomplete, type="file")]


def directories(ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
    """Directories that the shell finds."""
    return [CompletionItem(incomplete, type="dir")]


def _configured() -> Iterator[str]:
    """The names after `Host`, patterns apart."""
    try:
        with open(os.path.expanduser(SSH_CONFIG), encoding="utf-8", errors="replace") as file:
            lines = file.read(SSH_CONFIG_MAX).splitlines()
    except OSError:
        return
    for line in lines:
        word, *names = line.replace("=", " ", 1).split() or [""]
        if word.lower() == "host":
            yield from (name for name in names if _PLAIN.fullmatch(name))


def _values(app: App, field: str, incomplete: str, words: tuple[str, ...]) -> Iterable[str]:
    """What may come after `field:`."""
    if field == "state":
        first, comma, _ = incomplete.partition(":")[2].rpartition(",")
        return [first + comma + word for word in words or WORDS]
    if field == "queue":
        return _queues(app)
    if field in GATHERED:
        return _groups(app, field)
    if field == "user":
        return dict.fromkeys(("me", *(row.user for row in _rows(app, words, mine=False))))
    rows = _rows(app, words)
    if field == "name":
        return _names(rows)
    if field == "after":
        return [str(row.id) for row in rows]
    if field == "note":
        return dict.fromkeys(word for row in rows for word in re.findall(r"\w+", row.note))
    return dict.fromkeys(str(row.group) for row in rows if row.group is not None) if field == "group" else ()


def _rows(app: App, words: tuple[str, ...] = (), mine: bool = True) -> tuple[JobRow, ...]:
    """My newest jobs, of these words only if some are given."""
    service = app.reach()
    if service is None:
        return ()
    selectors = (f"state:{','.join(words)}",) if words else ()
    return service.jobs(JobQuery(selectors, mine=mine, recent=not words, order="-id", limit=MOST))


def _groups(app: App, kind: str) -> list[str]:
    service = app.reach()
    rows = service.groups(GroupQuery(kind, mine=True)) if service else ()
    return [name for name in dict.fromkeys(row.group.name for row in rows) if _PLAIN.fullmatch(name)]


def _queues(app: App) -> list[str]:
    service = app.reach()
    return [row.queue.name for row in service.queues()] if service else []


def _ids(rows: Iterable[JobRow]) -> Items:
    return [CompletionItem(str(row.id), help=harmless(f"{row.name} ({row.word})")) for row in rows]


def _names(rows: Iterable[JobRow]) -> list[str]:
    return [name for name in dict.fromkeys(row.name for row in rows) if _PLAIN.fullmatch(name)]


def _selector(name: str) -> str:
    """The selector of a name, also where that looks like something else."""
    try:
        is_name = parse_selector(name).names == (name,)
    except InvalidSpec:
        is_name = False
    return name if is_name else f"name:{name}"


def _items(values: Iterable[str]) -> Items:
    return [CompletionItem(value) for value in values]


def _matching(ctx: click.Context, incomplete: str, items: Callable[[App], Items]) -> list[CompletionItem[Any]]:
    app = ctx.obj
    if not isinstance(app, App):
        return []
    given = {name: value for name, value in ctx.find_root().params.items() if value is not None}
    if given:
        app.use(chosen({name: os.path.expandvars(value) for name, value in given.items() if isinstance(value, str)}))
    try:
        return [item for item in items(app) if item.value.startswith(incomplete)]
    except (RunyardError, OSError):
        return []  # the Tab key complains about nothing
