"""Tables on a terminal: the only module that imports rich. `Output` loads it when there is a terminal to draw on."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runyard.cli.render import grid as grids
from runyard.cli.render.grid import Grid, Row

GAP = 2
NARROWEST = 8
"""A flexible column is not cut further than this."""

STYLES = {
    "held": "magenta",
    "waiting": "yellow",
    "queued": "yellow",
    "starting": "cyan",
    "running": "bold cyan",
    "paused": "magenta",
    "stopping": "dark_orange",
    "succeeded": "green",
    "failed": "bold red",
    "killed": "red",
    "timeout": "red",
    "cancelled": "bright_black",
    "oom": "bold red",
    "lost": "bold red",
    "skipped": "bright_black",
    "not-started": "red",
    "ok": "green",
    "warn": "yellow",
    "fail": "bold red",
}
"""The colour of each word of a job and of each verdict."""


def draw(grid: Grid, stream: TextIO, width: int | None = None) -> None:
    """Draw the table, fit to the terminal's width. Cells are texts, never markup."""
    grid = grid.without_empty()
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    table = Table(box=None, pad_edge=False, header_style="bold dim", padding=(0, GAP, 0, 0))
    for column, wide in zip(grid.columns, fitted(grid, console.width), strict=True):
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="ellipsis",
            max_width=wide,
        )
    state = next((place for place, column in enumerate(grid.columns) if column.title == "STATE"), 0)
    for row in grid.rows:
        table.add_row(*_cells(row, state), style="dim" if row.dim else "")
    console.print(table)


def fitted(grid: Grid, width: int) -> list[int]:
    """The width of each column: what it needs, the widest flexible ones cut until the line fits."""
    columns = range(len(grid.columns))
    lines = [tuple(column.title for column in grid.columns), *(row.cells for row in grid.rows)]
    wide = [max(grids.width(line[place]) for line in lines) for place in columns]
    while sum(wide) + GAP * len(wide) > width:
        cuttable = [place for place in columns if grid.columns[place].flexible and wide[place] > NARROWEST]
        if not cuttable:
            break
        widest = max(cuttable, key=lambda place: wide[place])
        wide[widest] -= 1
    return wide


def _cells(row: Row, state: int) -> list[Text]:
    style = STYLES.get(row.word, "")
    return [Text(cell, style=style if place == state else "") for place, cell in enumerate(row.cells)]
