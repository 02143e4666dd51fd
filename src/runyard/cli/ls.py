"""`ls`: jobs in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import click

from runyard.api import JobRow
from runyard.cli.context import App
from runyard.cli.options import SELECTORS, any_jobs, as_json
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.text import clock, harmless, label, span, stamp
from runyard.errors import UsageError
from runyard.model.filter import ORDERS, JobQuery
from runyard.model.group import GroupQuery
from runyard.model.job import ON_HOSTS as PLACED
from runyard.model.job import WAITING, JobState
from runyard.model.old_words import VIEWS, location
from runyard.model.record import dataclass

if TYPE_CHECKING:
    from runyard.api import Service

HELP = "help"
LIMIT = 200
"""Without selectors and --all so many jobs are listed at most."""
ENDED = 20
"""Of those that have ended, so many are listed then (`Criteria.recent_done`)."""
DONE = JobState.DONE.value
ON_HOSTS = "state:" + ",".join(PLACED)
TIMES = {"started": attrgetter("started_at"), "ended": attrgetter("ended_at")}
"""Orders by a time that not every job has."""

EPILOG = f"""\b
new, cur, old and fail (also to_run, cur_run, old_runs, fail_runs, and tr, cr,
or, fr) list your jobs that wait, run, have succeeded or have not; state:
takes the words of other systems too (state:PD, state:crash).
{SELECTORS}"""


@dataclass(frozen=True)
class Listing:
    """What is to be listed, in which order, and how much of it."""

    selectors: tuple[str, ...] = ()
    everything: bool = False
    where: str = ""
    sort: tuple[str, ...] = ()
    reverse: bool = False
    limit: int | None = None
    top: int | None = None
    cells: bool = False

    @property
    def own(self) -> bool:
        """Whether no jobs were named, so that mine are meant."""
        return not (self.selectors or self.everything)

    @property
    def searches(self) -> bool:
        """Whether something is looked for among all jobs, not only among the latest."""
        return bool(self.where or (self.top and self.sort) or self.sort[1:] or self.order == "")

    @property
    def gathered(self) -> bool:
        """Whether a sweep or a pipeline is one line."""
        counted = self.limit or self.top
        return self.own and not self.searches and not self.sort and not self.cells and not counted

    @property
    def order(self) -> str | None:
        """What to order by, if the store can do it; "" if it cannot, None if nothing was asked for."""
        if not self.sort:
            return "-id" if self.reverse else None
        return self.keys[0] if len(self.sort) == 1 and self.sort[0].removeprefix("-") in ORDERS else ""

    @property
    def keys(self) -> tuple[str, ...]:
        """What to sort by, with --reverse the other way round."""
        return tuple(map(_turned, self.sort)) if self.reverse else self.sort

    @property
    def query(self) -> JobQuery:
        views = [location(word) for word in self.selectors]
        selectors = [
            f"state:{','.join(VIEWS[view])}" if view else word for word, view in zip(self.selectors, views, strict=True)
        ]
        return JobQuery(
            selectors=tuple(selectors),
            mine=self.own or (all(views) and not self.everything),
            recent=self.own and not self.searches,
            order=self.order or "id",
            where=self.where,
            sort=self.keys if self.order == "" else (),
            cells=not self.gathered,
        )


@click.command("ls", epilog=EPILOG)
@any_jobs
@click.option("--all", "-a", "everything", is_flag=True, help="Every job of every user, ended ones too.")
@click.option("--where", default="", metavar="TEXT", help="Only those for which this holds: 'acc > 0.8 and lr < 0.01'.")
@click.option(
    "--sort",
    "--order",
    multiple=True,
    metavar="KEY",
    help="By a field, parameter or metric, with a minus in front downwards; again: among equal ones.",
)
@click.option("-r", "--reverse", is_flag=True, help="The other way round.")
@click.option("--top", type=click.IntRange(1), help="Only the first so many of what would be listed.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1),
    help="Only so many: the newest, or with --sort the first (default: 200, with --all or JOB no limit).",
)
@click.option("--cells", is_flag=True, help="Every job of a sweep or a pipeline in a line of its own.")
@click.option("--columns", default="", metavar="A,B,C", help="These fields, parameters and metrics; `help` lists them.")
@as_json
@click.pass_obj
def ls(app: App, /, columns: str, **wished: Any) -> int:
    """List jobs: by default yours that run, wait or have lately ended, on a terminal in this order; else by id. With
    --where, a --sort by a result or --sort with --top: all of yours.

    A sweep or a pipeline is one line, with how many of its jobs have ended and a strip of what became of them; --cells
    and --json list its jobs (and so do sweep:NAME and pipeline:NAME).

    TIME is how long it has run, or has waited so far. WHEN is when it ended; of a job that runs, when it started; of
    one that waits, when it was submitted. GPU lists the devices, or in brackets how many it waits for. PROGRESS is
    there where a job that runs has told how far it is: its stage, what is done of how much, and the time left.

    In a pipe the columns are whole and aligned, an empty cell is a dash, and times are local (ISO 8601). On a terminal
    that is too narrow HOST, QUEUE, WHEN, USER, GPU and at last REASON are left out, first of all HOST and QUEUE where
    they are the same in every line; NAME and REASON are cut; ID, STATE and TIME never are.

    \b
    Examples:
      ry ls
      ry ls state:failed,lost
      ry ls --all --sort -ended -n 3
      ry ls --where 'acc > 0.8 and lr < 0.01' --sort -acc --columns name,lr,acc
      ry ls --all --json
    """
    if columns == HELP:
        app.output.grid(_columns().known())
        return 0
    listing = Listing(**wished)
    if columns or app.output.as_json:
        listing = replace(listing, cells=True)
    if listing.top and listing.limit:
        raise UsageError("--top and -n are two ways to say how many: give one")
    rows, left_out = _found(app.service(), listing, app.output.terminal)
    if listing.where and not rows:
        latest = replace(listing.query, where="", sort=(), order="-id", limit=LIMIT)
        left_out = _columns().unheard(listing.where, app.service().jobs(latest))
    if listing.sort or columns:
        _columns().check((*(key.removeprefix("-") for key in listing.sort), *columns.split(",") * bool(columns)), rows)
    if listing.query.recent and listing.order is None and app.output.terminal and not app.output.as_json:
        rows = sorted(rows, key=_importance)
    rows = rows[: listing.top]
    if app.output.as_json:
        app.output.json(_columns().records(rows, columns, app.now()) if columns else rows)
        return 0
    groups = app.service().groups(GroupQuery(mine=True, recent=True)) if listing.gathered else ()
    if groups:
        grid = table(rows, app.now(), app.output.terminal)
        keys = [_importance(row) if app.output.terminal else (row.id,) for row in rows]
        app.output.grid(import_module("runyard.cli.groups").woven(grid, keys, groups, app.now(), app.output.terminal))
    elif rows or not app.output.terminal:
        draw = partial(_columns().table, columns=columns) if columns else table
        app.output.grid(draw(rows, now=app.now(), for_people=app.output.terminal))
    else:
        app.output.note("none of your jobs waits, runs or has lately ended" if listing.query.recent else "no jobs")
    if left_out:
        app.output.note(left_out)
    return 0


def _columns() -> Any:
    """What chooses columns; a plain list does without."""
    return import_module("runyard.cli.columns")


def _turned(key: str) -> str:
    return key[1:] if key.startswith("-") else f"-{key}"


def _found(service: Service, listing: Listing, for_people: bool) -> tuple[Sequence[JobRow], str]:
    """The rows, and a remark on what is left out."""
    query = listing.query
    if listing.top and not query.recent:
        return _first(service, query, listing.top, newest=False), ""
    if listing.limit:
        return _first(service, query, listing.limit, newest=listing.order is None), ""
    if not query.recent:
        return in_order(service.jobs(query), query.order), ""
    rows, left_out = _lately(service, query, for_people)
    return in_order(rows, query.order), "" if listing.top else left_out


def _first(service: Service, query: JobQuery, limit: int, newest: bool) -> Sequence[JobRow]:
    """The first `limit` of them: the newest by id, or the first of their order."""
    if newest:
        return service.jobs(replace(query, order="-id", limit=limit))[::-1]
    rows = service.jobs(replace(query, limit=limit))
    time_of = TIMES.get(query.order.removeprefix("-"))
    if query.sort or time_of is None or all(time_of(row) is not None for row in rows):
        return rows
    return in_order(service.jobs(query), query.order)[:limit]  # those without that time came first, if it goes down


def in_order(rows: Sequence[JobRow], order: str) -> Sequence[JobRow]:
    """The same; where the order is by a time, those that have none come last, whichever way it goes."""
    time_of = TIMES.get(order.removeprefix("-"))
    return sorted(rows, key=lambda row: time_of(row) is None) if time_of else rows


def _lately(service: Service, query: JobQuery, for_people: bool) -> tuple[Sequence[JobRow], str]:
    """What `ry` alone lists, and a remark on what it leaves out."""
    rows = _first(service, query, LIMIT + 1, newest=False)
    if len(rows) > LIMIT:
        if query.order == "id":  # those that run may have higher ids than the first that wait
            running = service.jobs(JobQuery(selectors=(ON_HOSTS,), mine=True, cells=query.cells))[:LIMIT]
            ids = {row.id for row in running}
            others = [row for row in rows if row.id not in ids][: LIMIT - len(running)]
            rows = tuple(sorted((*running, *others), key=lambda row: row.id))
        return rows[
            :LIMIT
        ], f"the first {LIMIT} of your jobs; `ry ls all` lists every one, `ry ls -n 1000` more of these"
    if not for_people or sum(row.state == DONE for row in rows) < ENDED:
        return rows, ""
    ended = JobQuery(selectors=(f"state:{DONE}",), mine=True, order="-ended", limit=ENDED + 1, cells=query.cells)
    more = len(service.jobs(ended)) > ENDED
    return rows, f"of those that have ended only the last {ENDED}; `ry ls all` lists every one" if more else ""


def _importance(row: JobRow) -> tuple[int, float, float, int]:
    """What runs comes first, then what waits as it is lined up, then what has ended, the latest first."""
    if row.state == DONE:
        return 2, -(row.ended_at or 0.0), 0.0, -row.id
    return (1, -row.priority, row.place, row.id) if row.word in WAITING else (0, 0.0, 0.0, row.id)


COLUMNS = (
    Column("ID", right=True, firm=True),
    Column("NAME", flexible=True),
    Column("STATE", firm=True),
    Column("TIME", right=True, firm=True),
    Column("WHEN", spare=3),
    Column("GPU", optional=True, spare=5),
    Column("HOST", optional=True, spare=1),
    Column("QUEUE", spare=2),
    Column("USER", optional=True, spare=4),
    Column("REASON", flexible=True, optional=True, spare=6),
)


NOTE = Column("NOTE", flexible=True, spare=1)
"""On a terminal, where any job has one."""
PROGRESS = Column("PROGRESS", flexible=True)
"""Stands before REASON where a job that runs says how far it is."""


def table(rows: Sequence[JobRow], now: float, for_people: bool) -> Grid:
    """The jobs as a table. People do not need to read their own name in every line."""
    users = {row.user for row in rows}
    show_user = not for_people or len(users) > 1
    grid = Grid(COLUMNS, tuple(_row(row, now, for_people, show_user) for row in rows))
    grid = _with_progress(grid, rows)
    return _with_notes(grid, rows) if for_people and any(row.note for row in rows) else grid


def _with_notes(grid: Grid, rows: Sequence[JobRow]) -> Grid:
    """The same with what each of these jobs is for."""
    pairs = zip(grid.rows, rows, strict=True)
    lines = tuple(line._replace(cells=(*line.cells, harmless(row.note))) for line, row in pairs)
    return Grid((*grid.columns, NOTE), lines)


def _with_progress(grid: Grid, rows: Sequence[JobRow]) -> Grid:
    """The same with how far they are, where any of them says so."""
    cells = [progress(row) for row in rows]
    if not any(cells):
        return grid
    pairs = zip(grid.rows, cells, strict=True)
    lines = tuple(line._replace(cells=(*line.cells[:-1], cell, line.cells[-1])) for line, cell in pairs)
    return Grid((*grid.columns[:-1], PROGRESS, grid.columns[-1]), lines)


def _row(row: JobRow, now: float, for_people: bool, show_user: bool) -> Row:
    at = row.ended_at or row.started_at or row.submitted_at
    cells = (
        str(row.id),
        label(row),
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


def progress(row: JobRow) -> str:
    """What a job that runs says of itself: its stage, how much is done of how much, and how long the rest will take."""
    far = f"{row.done:.6g}/{row.total:.6g}" if row.done is not None and row.total else ""
    left = f"{span(row.left_s)} left" if row.left_s is not None else ""
    return " ".join(part for part in (harmless(row.stage), far, left) if part)


def elapsed(row: JobRow, now: float) -> str:
    """How long it has run, or has waited so far."""
    ran_s = row.ran_s(now)
    if ran_s is not None:
        return span(ran_s)
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
