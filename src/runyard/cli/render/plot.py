"""A plot of numbers in the characters of a terminal: one mark for each line of points, axes with their ends. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from runyard.cli.render.text import harmless

WIDTH, HEIGHT = 72, 16
MARKS = "ox+*#@%&"
"""The first line of points has the first mark; after the last one they begin anew."""


class Line(NamedTuple):
    """Points with one name."""

    name: str
    points: tuple[tuple[float, float], ...]


class Axes(NamedTuple):
    """What goes to the right and what goes up. `ticks` are names for x where it has no numbers (0 is the first)."""

    x: str
    y: str
    ticks: tuple[str, ...] = ()


def lines(plotted: Sequence[Line], axes: Axes, width: int = WIDTH, height: int = HEIGHT) -> list[str]:
    """The plot; nothing if there is no point."""
    points = [point for line in plotted for point in line.points]
    if not points:
        return []
    across, up = _range([x for x, _ in points]), _range([y for _, y in points])
    field = [[" "] * width for _ in range(height)]
    for place, line in enumerate(plotted):
        for x, y in line.points:
            field[height - 1 - _cell(y, up, height)][_cell(x, across, width)] = MARKS[place % len(MARKS)]
    labels = [f"{up[1]:.4g}", *[""] * (height - 2), f"{up[0]:.4g}"]
    margin = max(map(len, labels))
    rows = ["".join(row) for row in field]
    drawn = [harmless(axes.y)]
    drawn += [f"{label:>{margin}} |{row}".rstrip() for label, row in zip(labels, rows, strict=True)]
    drawn.append(" " * margin + " +" + "-" * width)
    drawn.append(" " * (margin + 2) + _below(axes, across, width))
    if len(plotted) > 1:
        names = [(MARKS[place % len(MARKS)], harmless(line.name)) for place, line in enumerate(plotted)]
        drawn += [f"{'':>{margin}}  {mark} {name}" for mark, name in names]
    return drawn


def _range(values: Sequence[float]) -> tuple[float, float]:
    """From the least to the greatest, with some room where they are the same."""
    least, most = min(values), max(values)
    return (least, most) if least < most else (least - (abs(least) or 1.0) * 0.5, most + (abs(most) or 1.0) * 0.5)


def _cell(value: float, between: tuple[float, float], cells: int) -> int:
    span = between[1] / 2 - between[0] / 2  # halves: the whole may be too large
    share = (value / 2 - between[0] / 2) / span if span else 0.0
    return max(0, min(cells - 1, int(share * cells))) if math.isfinite(share) else 0


def _below(axes: Axes, across: tuple[float, float], width: int) -> str:
    """What stands below the axis: its ends, or the names of its ticks."""
    if axes.ticks:
        return harmless(f"{axes.x}: {', '.join(axes.ticks)}")
    first, last = f"{across[0]:.4g}", f"{across[1]:.4g}"
    return first + harmless(axes.x).center(max(len(axes.x), width - len(first) - len(last))) + last
