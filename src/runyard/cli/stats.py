"""`stats`: how many jobs users have, and how many GPU hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import click

from runyard.cli.context import App
from runyard.cli.options import as_json
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.text import harmless
from runyard.model.outcome import Outcome
from runyard.model.usage import UsageQuery, UsageRow

ALL = "all"


@click.command("stats")
@click.option(
    "--since", default="", metavar="WHEN", help="Since then: 7d, 2026-12-01, today (default: as far as known)."
)
@as_json
@click.pass_obj
def stats(app: App, since: str) -> int:
    """Jobs and GPU hours by user: active, waiting, and ended by outcome; in each queue and in all of the yard.

    ACTIVE jobs are on a host now. --since counts jobs that ended since then, and what was used of GPUs since then. All
    attempts count; a GPU that is shared counts as a whole one. Jobs that were removed do not count.

    \b
    Examples:
      ry stats
      ry stats --since 7d
      ry stats --since 2026-12-01 --json
    """
    rows = app.service().usage(UsageQuery(since))
    if app.output.as_json:
        app.output.json(rows)
        return 0
    if rows or not app.output.terminal:
        app.output.grid(_table(rows))
    else:
        app.output.note("there are no jobs")
    return 0


def _table(rows: Sequence[UsageRow]) -> Grid:
    """Each user's queues, their sum where there are several, and at last that of the yard."""
    outcomes = [one.value for one in Outcome if any(row.ended.get(one.value) for row in rows)]
    columns = (
        Column("USER", firm=True), Column("QUEUE", firm=True), Column("ACTIVE", right=True, firm=True),
        Column("WAITING", right=True, firm=True), *(Column(outcome.upper(), right=True) for outcome in outcomes),
        Column("GPU-HOURS", right=True, firm=True),
    )  # fmt: skip
    shown: list[UsageRow] = []
    users = sorted({row.user for row in rows})
    for user in users:
        own = [row for row in rows if row.user == user]
        shown += [*own, _sum(own, user)] if len(own) > 1 else own
    if len(users) > 1:
        queues = sorted({row.queue for row in rows})
        shown += [_sum([row for row in rows if row.queue == queue], ALL, queue) for queue in queues if len(queues) > 1]
        shown.append(_sum(rows, ALL))
    return Grid(columns, tuple(_line(row, outcomes) for row in shown))


def _sum(rows: Iterable[UsageRow], user: str, queue: str = ALL) -> UsageRow:
    own = list(rows)
    ended: Counter[str] = Counter()
    for row in own:
        ended.update(row.ended)
    active, waiting = sum(row.active for row in own), sum(row.waiting for row in own)
    return UsageRow(user, queue, active, waiting, dict(ended), sum(row.gpu_hours for row in own))


def _line(row: UsageRow, outcomes: Iterable[str]) -> Row:
    counts = [str(row.ended.get(outcome, 0)) for outcome in outcomes]
    cells = (harmless(row.user), row.queue, str(row.active), str(row.waiting), *counts, f"{row.gpu_hours:.2f}")
    return Row(cells, dim=ALL in (row.user, row.queue))
