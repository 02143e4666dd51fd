"""`ls`: jobs in a table."""

from __future__ import annotations

from collections.abc import Sequence

import click

from runyard.api import JobRow
from runyard.cli.context import App
from runyard.cli.options import SELECTORS, any_jobs, as_json
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.text import clock, harmless, span, stamp
from runyard.model.filter import ORDERS, JobQuery
from runyard.model.job import JobState

LIMIT = 200
"""Without selectors and --all so many jobs are listed at most."""
DONE = JobState.DONE.value


@click.command("ls", epilog=SELECTORS)
@any_jobs
@click.option("--all", "-a", "everything", is_flag=True, help="Every job of every user, ended ones too.")
@click.option("-n", "--limit", type=click.IntRange(1), help="List at most so many (default: 200, with --all no limit).")
@click.option("--order", metavar="FIELD", help=f"By {', '.join(ORDERS)}; with a minus in front the other way round.")
@as_json
@click.pass_obj
def ls(app: App, selectors: tuple[str, ...], everything: bool, limit: int | None, order: str | None) -> int:
    """List jobs: by default yours that wait, run or have lately ended.

    In a pipe the columns are whole and aligned, an empty cell is a dash, and times are local (ISO 8601).

    \b
    Examples:
      ry ls
      ry ls state:failed,lost
      ry ls --all --json
    """
    own = not (selectors or everything)
    most = limit if limit is not None else (LIMIT if own else 0)
    query = JobQuery(
        selectors=selectors,
        mine=own,
        recent=own,
        order=order or "id",
        limit=most + 1 if own and limit is None else most,
    )
    rows = app.service().jobs(query)
    more = bool(most) and len(rows) > most
    rows = rows[:most] if more else rows
    if app.output.as_json:
        app.output.json(rows)
        return 0
    if rows or not app.output.terminal:
        app.output.grid(table(rows, app.now(), for_people=app.output.terminal))
    else:
        app.output.note("no jobs" if selectors or everything else "none of your jobs waits, runs or has lately ended")
    if more:
        app.output.note(f"the first {most}; --all lists everything, -n more")
    return 0


COLUMNS = (
    Column("ID", right=True),
    Column("NAME", flexible=True),
    Column("STATE"),
    Column("TIME", right=True),
    Column("WHEN"),
    Column("GPU", optional=True),
    Column("HOST", optional=True),
    Column("QUEUE"),
    Column("USER", optional=True),
    Column("REASON", flexible=True, optional=True),
)


def table(rows: Sequence[JobRow], now: float, for_people: bool) -> Grid:
    """The jobs as a table. People do not need to read their own name in every line."""
    users = {row.user for row in rows}
    show_user = not for_people or len(users) > 1
    return Grid(COLUMNS, tuple(_row(row, now, for_people, show_user) for row in rows))


def _row(row: JobRow, now: float, for_people: bool, show_user: bool) -> Row:
    at = row.ended_at or row.started_at or row.submitted_at
    cells = (
        str(row.id),
        harmless(row.name) + (f"[{row.array_index}]" if row.array_index is not None else ""),
        row.word + "".join(f"!{flag}" for flag in row.flags),
        elapsed(row, now),
        clock(at, now) if for_people else stamp(at),
        gpus(row),
        harmless(row.host),
        row.queue,
        harmless(row.user) if show_user else "",
        harmless(short_reason(row)),
    )
    return Row(cells, row.word)


def elapsed(row: JobRow, now: float) -> str:
    """How long it has run, or has waited so far."""
    if row.started_at is not None:
        return span((row.ended_at or now) - row.started_at)
    return "" if row.state == DONE else span(now - row.submitted_at)


def gpus(row: JobRow) -> str:
    """The indices of its devices; of a waiting job how many it wants."""
    if row.gpus:
        return ",".join(str(index) if index >= 0 else "?" for index in row.gpus)
    return f"({row.gpus_wanted})" if row.gpus_wanted and row.state != DONE else ""


def short_reason(row: JobRow) -> str:
    """Why it waits, or what the command returned where that was not success."""
    again = f"attempt {row.attempt}" if row.attempt > 1 else ""
    code = f"exit code {row.exit_code}" if row.exit_code and row.state == DONE else ""
    return ", ".join(part for part in (code if code not in row.reason else "", row.reason, again) if part)
