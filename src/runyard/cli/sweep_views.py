"""Seeing sweeps: `sweep ls`, `show` and `csv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from runyard.api import JobRow
from runyard.cli.context import App
from runyard.cli.groups import group_grid, strip
from runyard.cli.options import as_json, complete_sweeps
from runyard.cli.render.facts import command as quoted
from runyard.cli.render.grid import Column, Grid, Row
from runyard.cli.render.text import harmless, moment
from runyard.errors import NotFound
from runyard.model.filter import JobQuery
from runyard.model.group import SWEEP, GroupQuery, GroupRow

one_name = click.argument("name", metavar="NAME", shell_complete=complete_sweeps)


@click.command("ls")
@click.option("--all", "-a", "everything", is_flag=True, help="Those of every user, ended ones too.")
@as_json
@click.pass_obj
def ls(app: App, everything: bool) -> int:
    """List the sweeps: what has become of their cells.

    In the strip each mark is a cell, or some neighbours where there are many: # succeeded, x ended badly, > runs,
    . is to come, - was cancelled or skipped.

    \b
    Example:
      ry sweep ls
    """
    rows = app.service().groups(GroupQuery(SWEEP, mine=not everything, recent=not everything))
    if app.output.as_json:
        app.output.json([record(row) for row in rows])
    elif not rows and app.output.terminal:
        app.output.note("no sweeps; `ry sweep add` makes one")
    else:
        app.output.grid(group_grid(rows[::-1], app.now(), app.output.terminal))
    return 0


def record(row: GroupRow) -> dict[str, Any]:
    """A sweep for `--json`."""
    held = row.group
    sweep = held.sweep
    return {
        "id": held.id, "name": held.name, "user": held.user, "parallel": held.parallel, "size": held.size,
        "done": row.done, "total": row.total, "counts": row.counts, "strip": row.strip, "first": row.first,
        "last": row.last, "made_at": held.made_at, "started_at": row.started_at, "ended_at": row.ended_at,
        "template": sweep.template.name if sweep else "", "varied": sweep.varied if sweep else (),
        "canary": sweep.canary if sweep else 0, "rules": [rule.text for rule in sweep.rules] if sweep else (),
        "stopped": sweep.stopped if sweep else "",
    }  # fmt: skip


def sweep_of(app: App, name: str) -> GroupRow:
    """The sweep of this name, the latest of several; or of this number."""
    rows = app.service().groups(GroupQuery(SWEEP, name))
    if not rows and name.isdecimal():
        rows = app.service().groups(GroupQuery(SWEEP, id=int(name)))
    if not rows:
        raise NotFound(f"there is no sweep {name!r}")
    return rows[0]


@click.command("show")
@one_name
@as_json
@click.pass_obj
def show(app: App, name: str) -> int:
    """A sweep and its cells: their parameters, where they stand, and what they have reported.

    \b
    Example:
      ry sweep show lr
    """
    row = sweep_of(app, name)
    cells = cells_of(app, row)
    if app.output.as_json:
        app.output.json({**record(row), "cells": cells})
        return 0
    app.output.facts(_facts(row))
    app.output.line()
    app.output.grid(cells_grid(row, cells))
    return 0


def cells_of(app: App, row: GroupRow) -> tuple[JobRow, ...]:
    return app.service().jobs(JobQuery((f"group:{row.group.id}",)))


def _facts(row: GroupRow) -> list[tuple[str, str]]:
    held = row.group
    facts = [("sweep", f"{held.name} (group {held.id})"), ("cells", f"{row.done}/{row.total}  {strip(row.strip)}")]
    facts.append(("states", ", ".join(f"{number} {word}" for word, number in sorted(row.counts.items()))))
    facts.append(("at a time", str(held.parallel) if held.parallel else "as many as fit"))
    if held.sweep is not None:
        made = held.sweep
        facts.append(("command", made.template.command[0] if made.template.shell else quoted(made.template.command)))
        if made.template.name:
            facts.append(("template", made.template.name))
        facts += [("stop when", rule.text) for rule in made.rules]
        if made.canary:
            facts.append(("canary", f"job {made.canary}"))
        if made.stopped:
            facts.append(("stopped", made.stopped))
    facts.append(("made", moment(held.made_at)))
    if row.ended_at is not None:
        facts.append(("ended", moment(row.ended_at)))
    return [(key, harmless(value)) for key, value in facts]


def cells_grid(row: GroupRow, cells: Sequence[JobRow]) -> Grid:
    """The cells as a table: what varies, then what they report."""
    varied = row.group.sweep.varied if row.group.sweep is not None else ()
    metrics = list(dict.fromkeys(name for cell in cells for name in cell.metrics))
    columns = (
        Column("ID", right=True, firm=True), Column("CELL", right=True, firm=True),
        *(Column(harmless(name.upper()), firm=True) for name in varied),
        Column("STATE", firm=True), *(Column(harmless(name.upper()), right=True) for name in metrics),
        Column("REASON", flexible=True, optional=True),
    )  # fmt: skip
    return Grid(columns, tuple(_cell_row(cell, varied, metrics) for cell in cells))


def _cell_row(cell: JobRow, varied: Sequence[str], metrics: Sequence[str]) -> Row:
    params = dict(cell.params)
    texts = (
        str(cell.id), str(cell.array_index if cell.array_index is not None else ""),
        *(params.get(name, "") for name in varied), cell.word,
        *(f"{cell.metrics[name]:.6g}" if name in cell.metrics else "" for name in metrics), cell.reason,
    )  # fmt: skip
    return Row(tuple(map(harmless, texts)), cell.word)


@click.command("csv")
@one_name
@click.option("--all-params", is_flag=True, help="Every parameter, not only those that vary.")
@click.pass_obj
def csv(app: App, name: str, all_params: bool) -> int:
    """The cells as CSV: parameters, how they ended, and the last value of each metric.

    \b
    Example:
      ry sweep csv lr > results.csv
    """
    row = sweep_of(app, name)
    cells = cells_of(app, row)
    varied = row.group.sweep.varied if row.group.sweep is not None and not all_params else ()
    params = list(varied) or list(dict.fromkeys(key for cell in cells for key, _ in cell.params))
    metrics = list(dict.fromkeys(key for cell in cells for key in cell.metrics))
    head = ["job", "cell", *params, "state", "exit_code", "started_at", "ended_at", "seconds", *metrics]
    app.output.csv([head, *(_csv_row(cell, params, metrics) for cell in cells)])
    return 0


def _csv_row(cell: JobRow, params: Sequence[str], metrics: Sequence[str]) -> list[Any]:
    values = dict(cell.params)
    ended = cell.ended_at if cell.started_at is not None else None
    seconds = round(ended - cell.started_at, 3) if ended is not None and cell.started_at is not None else None
    return [
        cell.id, cell.array_index, *(values.get(name) for name in params), cell.word, cell.exit_code, cell.started_at,
        cell.ended_at, seconds, *(cell.metrics.get(name) for name in metrics),
    ]  # fmt: skip
