"""What the Tab key offers: ids, names and queues of a server that answers at once. Never starts one.

Loaded by `options` when a shell asks."""

from __future__ import annotations

from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

from runyard.cli.context import App
from runyard.cli.render.text import harmless
from runyard.errors import RunyardError
from runyard.model.filter import JobQuery

MOST = 200
WORDS = ("all", "@", "state:", "queue:", "user:")


def jobs(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Selectors, ids with their names, and names."""

    def items(app: App) -> list[CompletionItem]:
        service = app.reach()
        rows = service.jobs(JobQuery(mine=True, recent=True, order="-id", limit=MOST)) if service else ()
        ids = [CompletionItem(str(row.id), help=harmless(f"{row.name} ({row.word})")) for row in rows]
        names = [CompletionItem(name) for name in dict.fromkeys(row.name for row in rows) if " " not in name]
        return [*ids, *names, *(CompletionItem(word) for word in WORDS)]

    return _matching(ctx, incomplete, items)


def queues(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Names of queues."""

    def items(app: App) -> list[CompletionItem]:
        service = app.reach()
        return [CompletionItem(row.queue.name) for row in service.queues()] if service else []

    return _matching(ctx, incomplete, items)


def _matching(
    ctx: click.Context, incomplete: str, items: Callable[[App], list[CompletionItem]]
) -> list[CompletionItem]:
    if not isinstance(ctx.obj, App):
        return []
    try:
        return [item for item in items(ctx.obj) if item.value.startswith(incomplete)]
    except (RunyardError, OSError):
        return []  # the Tab key complains about nothing
