"""Positions: boxes in columns from left to right, near who they are joined to, and the ways of edges between them.

What does not hang together is laid out by itself, and all of it put on rows, as words are on a page. Lengths are in
pixels; x grows to the right, y downwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from runyard.pipeline.drawing.columns import Columns, Point, columns, depths, parts
from runyard.pipeline.graph import Graph

GAP = 64.0
"""From a column to the next."""
ROOM = 14.0
"""From a box to the next below it."""
BEND_HEIGHT = 4.0
BETWEEN = 36.0
"""From a part to the next."""
SHAPE = 1.7
"""How much wider than high the whole is to be, where there is a choice."""
PASSES = 6
"""How often boxes are moved towards those that they are joined to, there and back."""


@dataclass(frozen=True)
class Box:
    """Where a node is: its left and upper corner, and its size."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Plan:
    """Where everything is. A way is the points that an edge goes through: level past each column, then to the next."""

    width: float
    height: float
    boxes: dict[str, Box]
    ways: dict[tuple[str, str], tuple[tuple[float, float], ...]]


def plan(graph: Graph, widths: Mapping[str, float], height: float) -> Plan:
    """The plan of a graph whose nodes have these widths and are all of this height. InvalidSpec names a circle."""
    depth = depths(graph)
    plans = []
    for part in parts(graph):
        least = min(depth[name] for name in part)
        plans.append(_part(columns(graph, part, {name: depth[name] - least for name in part}), widths, height))
    return _packed(plans)


def _part(made: Columns, widths: Mapping[str, float], height: float) -> Plan:
    """A part that hangs together, in its own corner."""
    middles = _Heights(made, height).settled()
    lefts, wides = [], []
    x = 0.0
    for column in made.points:
        wides.append(max((widths[point.node] for point in column if not point.bend), default=0.0))
        lefts.append(x)
        x += wides[-1] + GAP
    boxes = {
        point.node: Box(lefts[point.column], middles[point.number] - height / 2, widths[point.node], height)
        for column in made.points
        for point in column
        if not point.bend
    }
    ways = {}
    for edge, (first, *bends, last) in made.ways.items():
        start = boxes[edge[0]].x + boxes[edge[0]].width
        level = [(start, first), *((lefts[bend.column], bend) for bend in bends)]
        ends = [
            (at, middles[point.number])
            for left, point in level
            for at in (left, lefts[point.column] + wides[point.column])
        ]
        ways[edge] = (*ends, (lefts[last.column], middles[last.number]))
    top = min(middles)
    return _moved(Plan(x - GAP, max(middles) - top + height, boxes, ways), 0.0, height / 2 - top)


class _Heights:
    """The middles of points, moved until they stand well."""

    def __init__(self, made: Columns, height: float) -> None:
        self.made = made
        self.height = height
        self.middles = [0.0] * len(made.before)
        for column in made.points:
            steps = self._steps(column)
            at = -sum(steps) / 2
            for point, step in zip(column, (*steps, 0.0), strict=True):
                self.middles[point.number] = at
                at += step

    def settled(self) -> list[float]:
        for _ in range(PASSES):
            for column in self.made.points[1:]:
                self._move(column, self.made.before)
            for column in self.made.points[-2::-1]:
                self._move(column, self.made.after)
        for column in self.made.points:
            self._move(column, [(*b, *a) for b, a in zip(self.made.before, self.made.after, strict=True)])
        return self.middles

    def _move(self, column: Sequence[Point], joined: Sequence[Sequence[Point]]) -> None:
        wanted = []
        for point in column:
            near = joined[point.number]
            own = self.middles[point.number]
            wanted.append(sum(self.middles[other.number] for other in near) / len(near) if near else own)
        for point, at in zip(column, apart(wanted, self._steps(column)), strict=True):
            self.middles[point.number] = at

    def _steps(self, column: Sequence[Point]) -> list[float]:
        """How far the middle of each point at least is from that of the next."""
        half = [(BEND_HEIGHT if point.bend else self.height) / 2 for point in column]
        return [one + other + ROOM for one, other in pairwise(half)]


def apart(wanted: Sequence[float], steps: Sequence[float]) -> list[float]:
    """Positions as near to the wanted ones as can be (in squares), each at least its step before the next."""
    offsets = [0.0]
    for step in steps:
        offsets.append(offsets[-1] + step)
    runs: list[tuple[float, int]] = []  # of neighbours that stand as close as they may: the mean, and how many
    for want, offset in zip(wanted, offsets, strict=False):
        mean, count = want - offset, 1
        while runs and runs[-1][0] > mean:
            before, many = runs.pop()
            mean, count = (mean * count + before * many) / (count + many), count + many
        runs.append((mean, count))
    means = [mean for mean, count in runs for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]


def _packed(plans: Sequence[Plan]) -> Plan:
    """All parts on one page: the high ones first, in rows of those that are not too different."""
    area = sum((one.width + BETWEEN) * (one.height + BETWEEN) for one in plans)
    page = max((SHAPE * area) ** 0.5, max((one.width for one in plans), default=0.0))
    boxes: dict[str, Box] = {}
    ways: dict[tuple[str, str], tuple[tuple[float, float], ...]] = {}
    x = y = row = wide = 0.0
    for one in sorted(plans, key=lambda one: (-one.height, not one.ways)):
        if x and (x + one.width > page or one.height < row / 2):
            x, y, row = 0.0, y + row + BETWEEN, 0.0
        moved = _moved(one, x, y)
        boxes.update(moved.boxes)
        ways.update(moved.ways)
        x += one.width + BETWEEN
        row, wide = max(row, one.height), max(wide, x - BETWEEN)
    return Plan(wide, y + row, boxes, ways)


def _moved(one: Plan, x: float, y: float) -> Plan:
    boxes = {key: replace(box, x=box.x + x, y=box.y + y) for key, box in one.boxes.items()}
    ways = {edge: tuple((at + x, height + y) for at, height in way) for edge, way in one.ways.items()}
    return Plan(one.width, one.height, boxes, ways)
