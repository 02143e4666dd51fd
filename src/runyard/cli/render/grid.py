"""A table before it is drawn, and its plain form for pipes: aligned, whole, without colour."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

GAP = "  "
NOTHING = "-"


class Column(NamedTuple):
    """A column. What it says of itself counts on a terminal alone; in a pipe every column is there, and whole.

    One that is `optional` is left out where it is empty in all rows. Where the line is too long, those with a `spare`
    number are left out, the lowest first; `flexible` ones are cut; and `firm` ones never are.
    """

    title: str
    right: bool = False
    flexible: bool = False
    optional: bool = False
    firm: bool = False
    spare: int = 0


class Row(NamedTuple):
    """Cells as harmless text; `word` colours the row's cell under STATE, `dim` the whole row."""

    cells: tuple[str, ...]
    word: str = ""
    dim: bool = False


class Grid(NamedTuple):
    """Columns and rows."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def without_empty(self) -> Grid:
        """The same without optional columns that say nothing."""
        return self.only(
            place
            for place, column in enumerate(self.columns)
            if not column.optional or any(row.cells[place] for row in self.rows)
        )

    def agrees(self, place: int) -> bool:
        """Whether this column says the same, or nothing, in all of several rows."""
        return len(self.rows) > 1 and len({row.cells[place] for row in self.rows} - {""}) <= 1

    def only(self, places: Iterable[int]) -> Grid:
        """The same with these columns alone."""
        kept = list(places)
        return Grid(
            tuple(self.columns[place] for place in kept),
            tuple(Row(tuple(row.cells[place] for place in kept), row.word, row.dim) for row in self.rows),
        )

    def widths(self) -> list[int]:
        """What each column needs."""
        lines = [tuple(column.title for column in self.columns), *(row.cells for row in self.rows)]
        return [max(width(line[place]) for line in lines) for place in range(len(self.columns))]


def plain(grid: Grid) -> list[str]:
    """The lines of a table for a pipe; an empty cell is a dash, so that every line has as many words as columns."""
    titles = tuple(column.title for column in grid.columns)
    lines = [titles, *(tuple(cell or NOTHING for cell in row.cells) for row in grid.rows)]
    widths = [max(width(line[place]) for line in lines) for place in range(len(titles))]
    return [_line(line, widths, grid.columns) for line in lines]


def _line(cells: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    padded = []
    for cell, wide, column in zip(cells, widths, columns, strict=True):
        space = " " * (wide - width(cell))
        padded.append(space + cell if column.right else cell + space)
    return GAP.join(padded).rstrip()


def width(text: str) -> int:
    """How many places a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)
