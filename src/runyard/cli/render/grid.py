"""A table before it is drawn, and its plain form for pipes: aligned, whole, without colour."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

GAP = "  "
NOTHING = "-"


class Column(NamedTuple):
    """A column. On a terminal `flexible` ones are cut first, and one that is empty in all rows may be `optional`."""

    title: str
    right: bool = False
    flexible: bool = False
    optional: bool = False


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
        kept = [
            place
            for place, column in enumerate(self.columns)
            if not column.optional or any(row.cells[place] for row in self.rows)
        ]
        return Grid(
            tuple(self.columns[place] for place in kept),
            tuple(Row(tuple(row.cells[place] for place in kept), row.word, row.dim) for row in self.rows),
        )


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
