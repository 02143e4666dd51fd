"""What is drawn: nodes with a label and a word for their state, and edges from who goes first to who waits for it.

Made of a pipeline's or a yard's jobs; `network`, `dot` and `svg` draw it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from runyard.model.spec import DEPENDENCY_KINDS
from runyard.pipeline.graph import Graph

OK, ANY, NOT_OK = DEPENDENCY_KINDS

REPLACED = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Node:
    """`key` tells it from all others; `label` is shown. `state` is a word of a job or a pipeline ("": none is shown),
    `detail` more about it, where there is room."""

    key: str
    label: str
    state: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Edge:
    """`target` waits for `source`, both keys of nodes; `kind` is one of `DEPENDENCY_KINDS`."""

    source: str
    target: str
    kind: str = OK


@dataclass(frozen=True)
class Picture:
    """Nodes in the order in which they are drawn where there is a choice, and edges between them, each once."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...] = ()

    @cached_property
    def graph(self) -> Graph:
        """Who waits for whom, whatever the kind."""
        return self._graph(DEPENDENCY_KINDS)

    @cached_property
    def labels(self) -> dict[str, str]:
        """The label of each node, by its key."""
        return {node.key: node.label for node in self.nodes}

    def reduced(self) -> Picture:
        """Without the edges that others imply: of those that need a success, what a chain of such edges says too."""
        kept = {target: set(needs) for target, needs in self._graph((OK,)).reduced().needs.items()}
        return replace(self, edges=tuple(e for e in self.edges if e.kind != OK or e.source in kept[e.target]))

    def _graph(self, kinds: Sequence[str]) -> Graph:
        needs: dict[str, list[str]] = {node.key: [] for node in self.nodes}
        for edge in self.edges:
            if edge.kind in kinds:
                needs[edge.target].append(edge.source)
        return Graph(needs)


def of_needs(needs: Mapping[str, Sequence[str]]) -> Picture:
    """The picture of jobs that have nothing but names."""
    nodes = tuple(Node(name, name) for name in needs)
    return Picture(nodes, tuple(Edge(need, name) for name, wanted in needs.items() for need in wanted))


def legible(text: str) -> str:
    """The text without what would be seen as something else than itself, or as nothing: see `str.isprintable`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else REPLACED for one in text)
