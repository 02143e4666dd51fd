"""Tables on a terminal: the only module that imports rich. `Output` loads it when there is a terminal to draw on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from runyard.cli.render.grid import Column, Grid, Row

GAP = 2
ENOUGH = 20
"""A flexible column is cut to this before another is left out ..."""
NARROWEST = 10
"""... and to this when none is to spare."""

TITLES = "bold dim"
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
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    grid = spared(grid.without_empty(), console.width)
    widths = fitted(grid, console.width)
    titles = [Text(column.title, style=TITLES) for column in grid.columns]
    state = next((place for place, column in enumerate(grid.columns) if column.title == "STATE"), 0)
    lines = [_line(titles, widths, grid.columns)]
    lines += [_line(_cells(row, state), widths, grid.columns) for row in grid.rows]
    # no line is wrapped or cropped: rather a broken line than an id that is cut
    console.print(Text("\n").join(lines), no_wrap=True, overflow="ignore", crop=False)


def painted(word: str, stream: TextIO) -> str:
    """The word of a state in its colour, as far as this terminal has colours."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(Text(word, style=STYLES.get(word, "")), end="")
    return captured.get()


def _line(cells: Sequence[Text], widths: Sequence[int], columns: Sequence[Column]) -> Text:
    for cell, wide, column in zip(cells, widths, columns, strict=True):
        cell.truncate(wide, overflow="ellipsis")
        cell.align("right" if column.right else "left", wide)
    line = Text(" " * GAP).join(cells)
    line.rstrip()
    return line


def spared(grid: Grid, width: int) -> Grid:
    """The same without as many of the columns that may be spared as it takes to fit.

    First go those that are not flexible and say the same in every row, then the others in the order of their numbers.
    Flexible columns keep a comfortable width until it is the turn of one of them.
    """
    columns, wide = grid.columns, grid.widths()
    spare = [place for place, column in enumerate(columns) if column.spare]
    spare.sort(key=lambda place: (columns[place].flexible or not grid.agrees(place), columns[place].spare))
    kept, least = list(range(len(columns))), ENOUGH
    for place in spare:
        least = NARROWEST if columns[place].flexible else least
        if needed([min(wide[one], least) if columns[one].flexible else wide[one] for one in kept]) <= width:
            break
        kept.remove(place)
    return grid.only(kept)


def needed(widths: Sequence[int]) -> int:
    """The length of a line of such columns."""
    return sum(widths) + GAP * (len(widths) - 1)


def fitted(grid: Grid, width: int) -> list[int]:
    """The width of each column: what it needs; the widest flexible ones cut until the line fits, then all but firm."""
    wide = grid.widths()
    places = range(len(wide))
    for cuttable, least in (
        ([place for place in places if grid.columns[place].flexible], NARROWEST),
        ([place for place in places if not grid.columns[place].firm], 1),
    ):
        while needed(wide) > width:
            long = [place for place in cuttable if wide[place] > least]
            if not long:
                break
            wide[max(long, key=lambda place: wide[place])] -= 1
    return wide


def _cells(row: Row, state: int) -> list[Text]:
    dim = "dim" if row.dim else ""
    style = f"{dim} {STYLES.get(row.word, '')}".strip()
    return [Text(cell, style=style if place == state else dim) for place, cell in enumerate(row.cells)]
