"""The columns of a layered picture: who stands in which, and in what order from top to bottom, so that few edges cross.

Every edge goes from one column to a later one; one that passes others has a bend in each (up to `LONGEST`), and edges
of one node share theirs as far as they go. `placing` makes positions of it.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runyard.pipeline.graph import Graph

SWEEPS = 16
"""How often columns are ordered by those beside them, there and back, at most ..."""
WORK = 200_000
"""... and no oftener than so many steps allow, one for each edge: where edges are that many, no order helps."""
LONGEST = 50
"""An edge that passes more columns than this has no bends: it goes straight, over all that is there."""


@dataclass(frozen=True)
class Point:
    """A node in its column, or a bend of edges: then `node` is the one that they come from."""

    number: int
    node: str
    column: int
    bend: bool = False


@dataclass(frozen=True)
class Columns:
    """Points by column, each column from top to bottom. `before` and `after` are the points of the neighbouring columns
    that a point is joined to, by its number; `ways` the points of each edge, both ends among them."""

    points: tuple[tuple[Point, ...], ...]
    before: tuple[tuple[Point, ...], ...]
    after: tuple[tuple[Point, ...], ...]
    ways: dict[tuple[str, str], tuple[Point, ...]]


def parts(graph: Graph) -> list[list[str]]:
    """The nodes that hang together, each part in the order of the graph."""
    number: dict[str, int] = {}
    for count, name in enumerate(graph.needs):
        todo = [] if name in number else [name]
        while todo:
            at = todo.pop()
            if at not in number:
                number[at] = count
                todo.extend((*graph.needs[at], *graph.dependants[at]))
    found: dict[int, list[str]] = {}
    for name in graph.order:
        found.setdefault(number[name], []).append(name)
    return list(found.values())


def columns(graph: Graph, part: Sequence[str], depth: dict[str, int]) -> Columns:
    """The columns of these nodes, which hang together; `depth` is the column of each."""
    made = _Made(graph, part, depth)
    sweeps = min(SWEEPS, WORK // (1 + sum(map(len, made.after))))
    best = [list(column) for column in made.points]
    least = made.crossings() if sweeps else 0
    for sweep in range(sweeps):
        if not least:
            break
        made.sort(forth=sweep % 2 == 0)
        count = made.crossings()
        if count < least:
            best, least = [list(column) for column in made.points], count
    return Columns(tuple(map(tuple, best)), tuple(map(tuple, made.before)), tuple(map(tuple, made.after)), made.ways)


def depths(graph: Graph) -> dict[str, int]:
    """The column of each node: after all that it needs, and who needs nobody right before the first that needs him."""
    found = {name: depth for depth, layer in enumerate(graph.layers) for name in layer}
    for name, needs in graph.needs.items():
        if not needs and graph.dependants[name]:
            found[name] = min(found[other] for other in graph.dependants[name]) - 1
    return found


class _Made:
    """Columns while they are put in order."""

    def __init__(self, graph: Graph, part: Sequence[str], depth: dict[str, int]) -> None:
        self.points: list[list[Point]] = [[] for _ in range(1 + max(depth[name] for name in part))]
        self.before: list[list[Point]] = []
        self.after: list[list[Point]] = []
        self.ways: dict[tuple[str, str], tuple[Point, ...]] = {}
        nodes = {name: self._add(name, depth[name]) for name in part}
        for name in part:
            self._join(nodes[name], [nodes[other] for other in graph.dependants[name]])
        self.place = {point.number: at for column in self.points for at, point in enumerate(column)}

    def _add(self, node: str, column: int, bend: bool = False) -> Point:
        point = Point(len(self.before), node, column, bend)
        self.points[column].append(point)
        self.before.append([])
        self.after.append([])
        return point

    def _join(self, start: Point, targets: Iterable[Point]) -> None:
        """Ways from this node to those; they share their bends."""
        way = [start]
        for target in sorted(targets, key=lambda point: point.column):
            if target.column - start.column > LONGEST:
                self.ways[start.node, target.node] = (start, target)
                continue
            while way[-1].column < target.column - 1:
                way.append(self._add(start.node, way[-1].column + 1, bend=True))
                self._link(way[-2], way[-1])
            self._link(way[-1], target)
            self.ways[start.node, target.node] = (*way, target)

    def _link(self, one: Point, other: Point) -> None:
        self.after[one.number].append(other)
        self.before[other.number].append(one)

    def sort(self, forth: bool) -> None:
        """Every column by the mean place of who is joined to it from before (`forth`), or from after."""
        joined = self.before if forth else self.after
        for column in self.points[1:] if forth else self.points[-2::-1]:
            mean = {point.number: self._mean(joined[point.number], self.place[point.number]) for point in column}
            column.sort(key=lambda point: mean[point.number])
            self.place.update((point.number, at) for at, point in enumerate(column))

    def _mean(self, joined: Sequence[Point], own: int) -> float:
        return sum(self.place[point.number] for point in joined) / len(joined) if joined else own

    def crossings(self) -> int:
        """How many pairs of edges cross."""
        count = 0
        for column in self.points[:-1]:
            seen: list[int] = []
            for point in column:
                ends = sorted(self.place[other.number] for other in self.after[point.number])
                count += sum(len(seen) - bisect_right(seen, end) for end in ends)
                for end in ends:
                    insort(seen, end)
        return count
