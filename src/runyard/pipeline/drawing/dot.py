"""The language of Graphviz: what `dot` and many others draw, and what other programs can read."""

from __future__ import annotations

from collections.abc import Iterator

from runyard.pipeline.drawing.palette import DAY, EDGES, family
from runyard.pipeline.drawing.picture import ANY, NOT_OK, OK, Edge, Node, Picture, legible

STYLES = {OK: "solid", ANY: "dashed", NOT_OK: "dotted"}

HEAD = """\
digraph {
  rankdir=LR
  node [shape=box, style="rounded,filled", fontname="monospace", fontsize=11]
  edge [arrowsize=0.7]"""


def lines(picture: Picture) -> Iterator[str]:
    """The lines of the file; nodes are n1, n2 ... in their order."""
    yield HEAD
    names = {node.key: f"n{number}" for number, node in enumerate(picture.nodes, 1)}
    for node in picture.nodes:
        yield f"  {names[node.key]} [{_node(node)}]"
    for edge in picture.edges:
        yield f"  {names[edge.source]} -> {names[edge.target]} [{_edge(edge)}]"
    yield "}"


def _node(node: Node) -> str:
    colours = DAY[family(node.state)]
    label = _escaped(node.label) + (rf"\n{_escaped(node.state)}" if node.state else "")
    tooltip = _escaped(node.detail or node.label)
    return f'label="{label}", tooltip="{tooltip}", fillcolor="{colours.fill}", color="{colours.ink}"'


def _edge(edge: Edge) -> str:
    return f'style={STYLES[edge.kind]}, color="{EDGES[edge.kind]}", tooltip="{edge.kind}"'


def _escaped(text: str) -> str:
    """For between quotes: a backslash would escape what comes after it, and `&` would begin a character's name."""
    return legible(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
