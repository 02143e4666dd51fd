"""Who needs whom: order, cycles, what a failure leaves unrun. Nodes are names, edges go by `needs`. Pure.

Built from a pipeline's or a yard's jobs; renderers, backends and drawings ask it. Costs grow with nodes and edges, but
for `reduced`, which takes the square of the nodes in bits.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

from runyard.errors import InvalidSpec

Needs = Mapping[str, Sequence[str]]
CYCLE_SHOWN = 10


class Graph:
    """Of nodes and what each needs. A need that is no node does not count. InvalidSpec names a cycle."""

    def __init__(self, needs: Needs) -> None:
        self.needs: dict[str, tuple[str, ...]] = {
            name: tuple(need for need in dict.fromkeys(wanted) if need in needs) for name, wanted in needs.items()
        }

    @cached_property
    def dependants(self) -> dict[str, tuple[str, ...]]:
        """Who needs each of them directly."""
        found: dict[str, list[str]] = {name: [] for name in self.needs}
        for name, wanted in self.needs.items():
            for need in wanted:
                found[need].append(name)
        return {name: tuple(others) for name, others in found.items()}

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All nodes, each after what it needs: in the order given wherever that is possible."""
        place = {name: number for number, name in enumerate(self.needs)}
        names = tuple(self.needs)
        missing = [len(self.needs[name]) for name in names]
        ready = [number for number, count in enumerate(missing) if not count]
        found: list[str] = []
        while ready:
            name = names[heapq.heappop(ready)]
            found.append(name)
            for other in self.dependants[name]:
                missing[place[other]] -= 1
                if not missing[place[other]]:
                    heapq.heappush(ready, place[other])
        if len(found) < len(names):
            raise InvalidSpec(f"jobs need each other in a circle: {' needs '.join(self._cycle(set(found)))}", "needs")
        return tuple(found)

    @cached_property
    def layers(self) -> tuple[tuple[str, ...], ...]:
        """The nodes by how many others at most stand before them one after the other: first those that need nobody."""
        depth: dict[str, int] = {}
        for name in self.order:
            depth[name] = 1 + max((depth[need] for need in self.needs[name]), default=-1)
        found: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
        for name in self.needs:
            found[depth[name]].append(name)
        return tuple(tuple(layer) for layer in found)

    @property
    def sinks(self) -> tuple[str, ...]:
        """Whom nobody needs."""
        return tuple(name for name in self.needs if not self.dependants[name])

    def reduced(self) -> Graph:
        """Without the edges that others imply (the transitive reduction)."""
        place = {name: number for number, name in enumerate(self.order)}
        above: dict[str, int] = {}  # of each node, a bit for all that stand before it
        kept: dict[str, tuple[str, ...]] = {}
        for name in self.order:
            implied = 0
            for need in self.needs[name]:
                implied |= above[need]
            kept[name] = tuple(need for need in self.needs[name] if not implied >> place[need] & 1)
            for need in self.needs[name]:
                implied |= 1 << place[need]
            above[name] = implied
        return Graph({name: kept[name] for name in self.needs})

    def skipped(self, failed: Collection[str]) -> dict[str, str]:
        """Who is not run if these fail, each with the first of its needs that did not pass."""
        found: dict[str, str] = {}
        for name in self.order:
            for need in self.needs[name]:
                if need in found or (need in failed):
                    found[name] = need
                    break
        return found

    def _cycle(self, sound: Collection[str]) -> list[str]:
        """Nodes of a circle, the first of them again at its end."""
        at = next(name for name in self.needs if name not in sound)
        path: dict[str, None] = {}
        while at not in path:
            path[at] = None
            at = next(need for need in self.needs[at] if need not in sound)
        circle = list(path)[list(path).index(at) :]
        shown = circle[:CYCLE_SHOWN]
        return [repr(name) for name in (*shown, *(["..."] if len(circle) > len(shown) else []), at)]
