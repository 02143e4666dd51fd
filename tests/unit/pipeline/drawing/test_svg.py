"""SVG: a real parser reads it, everything is there, nothing overlaps, and labels stay text."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.errors import InvalidSpec
from runyard.model.job import WORDS
from runyard.pipeline.drawing.columns import Columns, columns, depths
from runyard.pipeline.drawing.palette import FAMILIES, family
from runyard.pipeline.drawing.picture import Node, Picture, legible, of_needs
from runyard.pipeline.drawing.placing import Box, apart, plan
from runyard.pipeline.drawing.svg import lines
from runyard.pipeline.graph import Graph
from runyard.pipeline.state import STATUSES
from tests.unit.pipeline.drawing.pictures import HOSTILE, pictures

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "title", "style", "defs", "marker", "path", "rect", "g", "text"}


def drawn(picture: Picture) -> ElementTree.Element:
    root = ElementTree.fromstring("\n".join(lines(picture)))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= ELEMENTS
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name]
    return root


@given(pictures())
def test_every_node_and_every_edge_is_there(picture: Picture) -> None:
    root = drawn(picture)
    nodes = [element for element in root.iter(f"{SVG}g") if "data-node" in element.attrib]
    assert [node.get("data-node") for node in nodes] == [node.key for node in picture.nodes]
    for node, element in zip(picture.nodes, nodes, strict=True):
        told = element.findtext(f"{SVG}title")
        assert told == "\n".join(legible(part) for part in (node.label, node.state, node.detail) if part)
        assert element.get("class") == f"node {family(node.state)}"
    paths = [element for element in root.iter(f"{SVG}path") if "data-from" in element.attrib]
    assert [(e.source, e.target, f"edge {e.kind}") for e in picture.edges] == [
        (path.get("data-from"), path.get("data-to"), path.get("class")) for path in paths
    ]


@given(pictures())
def test_boxes_are_apart_and_edges_go_to_the_right(picture: Picture) -> None:
    made = plan(picture.graph, {node.key: 50.0 + 7 * len(node.label) for node in picture.nodes}, 40.0)
    boxes = list(made.boxes.values())
    assert not [(one, other) for place, one in enumerate(boxes) for other in boxes[:place] if overlap(one, other)]
    assert all(box.x >= 0 and box.x + box.width <= made.width + 0.01 for box in boxes)
    assert all(box.y >= -0.01 and box.y + box.height <= made.height + 0.01 for box in boxes)
    for edge in picture.edges:
        way = made.ways[edge.source, edge.target]
        start, end = made.boxes[edge.source], made.boxes[edge.target]
        assert way[0] == pytest.approx((start.x + start.width, start.y + start.height / 2))
        assert way[-1] == pytest.approx((end.x, end.y + end.height / 2))
        assert all(left <= right for (left, _), (right, _) in pairwise(way))


def overlap(one: Box, other: Box) -> bool:
    across = one.x < other.x + other.width and other.x < one.x + one.width
    return across and one.y < other.y + other.height and other.y < one.y + one.height


def test_a_label_is_text_wherever_it_comes_from() -> None:
    root = drawn(Picture(tuple(Node(label, label, label, label) for label in dict.fromkeys(HOSTILE))))
    assert "alert(1)" in "".join(root.itertext())
    text = "\n".join(lines(Picture(tuple(Node(label, label, label, label) for label in dict.fromkeys(HOSTILE)))))
    assert not re.search(r"<(script|img)|[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", text)
    text.encode()


def test_an_edge_crosses_no_other_where_it_need_not() -> None:
    """Two chains that were submitted crosswise; a tree; an edge that passes a column."""
    graph = Graph({"a": (), "b": (), "x": ("b",), "y": ("a",), "z": ("x", "y", "a")})
    made = columns(graph, list(graph.needs), depths(graph))
    assert crossings(made) == 0
    tree = Graph({str(n): (str((n - 1) // 2),) if n else () for n in reversed(range(31))})
    made = columns(tree, list(tree.needs), depths(tree))
    assert crossings(made) == 0


def crossings(made: Columns) -> int:
    """Counted pair by pair."""
    count = 0
    place = {point.number: at for column in made.points for at, point in enumerate(column)}
    for column in made.points:
        ends = [(at, end.number) for at, point in enumerate(column) for end in made.after[point.number]]
        count += sum(a < b and place[x] > place[y] for a, x in ends for b, y in ends)
    return count


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1, 50)), min_size=1, max_size=20))
def test_apart(wanted: list[tuple[float, float]]) -> None:
    steps = [step for _, step in wanted[1:]]
    found = apart([want for want, _ in wanted], steps)
    assert all(low + step <= high + 1e-6 for (low, high), step in zip(pairwise(found), steps, strict=True))
    sorted_far = [100.0 * place for place in range(len(wanted))]
    assert apart(sorted_far, steps) == sorted_far, "who stands well is not moved"


def test_a_chain_longer_than_any_stack() -> None:
    chain = of_needs({str(number): (str(number - 1),) if number else () for number in range(2_000)})
    assert len(drawn(chain).findall(f"{SVG}path")) == 1_999


def test_a_circle_is_an_error() -> None:
    with pytest.raises(InvalidSpec, match="in a circle"):
        list(lines(of_needs({"a": ("b",), "b": ("a",)})))


def test_every_word_has_a_colour() -> None:
    assert {word for words in FAMILIES.values() for word in words} == {*STATUSES, *WORDS}
