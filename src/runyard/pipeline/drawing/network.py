"""Network text: a tree in lines, with the edges that are no part of it named behind their node. Networkx writes it.

The only module that imports networkx, which takes a third of a second: it is loaded when text is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import networkx

from runyard.pipeline.drawing.picture import OK, Picture, legible

DEEPEST = 100
"""After so many steps to the right a tree goes on at the margin, as one of its own: the lines of a long chain would get
longer and longer, and all of them together too much for any memory."""

MARK = "\0{}\0"
"""Stands for the label of a node until networkx is done; no label holds this character."""

_MARKED = re.compile("\0([0-9]+)\0")


def lines(picture: Picture, vertical: bool = False, paint: Callable[[str], str] = str) -> Iterator[str]:
    """The lines of the text; each node has one. InvalidSpec names a circle.

    `vertical`: who waits for one alone stands below it, not to its right. `paint` makes the word of a state coloured.
    """
    starts, ends = _cut(picture, vertical)
    place = {node.key: number for number, node in enumerate(picture.nodes)}
    drawn = networkx.DiGraph()
    for node in picture.nodes:
        drawn.add_node(place[node.key], label=MARK.format(place[node.key]), collapse=node.key in ends)
    drawn.add_edges_from((place[edge.source], place[edge.target]) for edge in picture.edges)
    names = [legible(node.label) for node in picture.nodes]
    said = _said(picture, paint)
    sources = [place[key] for key in starts]
    for line in networkx.generate_network_text(drawn, sources=sources, vertical_chains=vertical):
        yield _named(line, names, said)


def _cut(picture: Picture, vertical: bool) -> tuple[list[str], set[str]]:
    """Where trees begin, in the order in which they are drawn, and the nodes where they end before their time."""
    graph = picture.graph
    depth: dict[str, int] = {}
    for name in graph.order:
        right = (depth[need] + (not vertical or len(graph.dependants[need]) > 1) for need in graph.needs[name])
        depth[name] = max(right, default=0)
    ends = {
        need for name in graph.order for need in graph.needs[name] if depth[need] // DEEPEST < depth[name] // DEEPEST
    }
    starts = [name for name, needs in graph.needs.items() if not needs]
    later = {name: None for name in graph.order for need in graph.needs[name] if need in ends}
    return [*starts, *later], ends


def _said(picture: Picture, paint: Callable[[str], str]) -> list[str]:
    """What is said of each node behind its label: its state, and whose end it waits for in another way than `OK`."""
    others: dict[str, list[str]] = {}
    for edge in picture.edges:
        if edge.kind != OK:
            others.setdefault(edge.target, []).append(f"{edge.kind} {legible(picture.labels[edge.source])}")
    said = []
    for node in picture.nodes:
        words = [paint(node.state)] if node.state else []
        said.append(", ".join((*words, *others.get(node.key, ()))))
    return said


def _named(line: str, names: Sequence[str], said: Sequence[str]) -> str:
    """The line with labels for marks: the first is that of its node, the others those of who else comes before it."""
    own = _MARKED.search(line)
    if own is None:
        return line
    number = int(own[1])
    more = f" ({said[number]})" if said[number] else ""
    rest = _MARKED.sub(lambda match: names[int(match[1])], line[own.end() :])
    return f"{line[: own.start()]}{names[number]}{more}{rest}"
