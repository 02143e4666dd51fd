"""Network text: the tree, what is said beside it, and that no size is too much for it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given

from runyard.errors import InvalidSpec
from runyard.pipeline.drawing.network import DEEPEST, lines
from runyard.pipeline.drawing.picture import Edge, Node, Picture, legible, of_needs
from runyard.pipeline.pipeline import Pipeline
from tests.unit.pipeline.drawing.pictures import HOSTILE, SMALL, pictures


def text(picture: Picture, vertical: bool = False) -> str:
    return "\n".join(lines(picture, vertical))


def test_a_small_one() -> None:
    assert (
        text(SMALL.reduced())
        == """\
╟── 1 prepare (succeeded)
╎   ├─╼ 2 train[0] (failed)
╎   │   ├─╼ 4 evaluate (waiting) ╾ 3 train[1]
╎   │   │   └─╼ 5 tell (waiting, afternotok 2 train[0], afterany 4 evaluate) ╾ 2 train[0]
╎   │   └─╼  ...
╎   └─╼ 3 train[1] (running)
╎       └─╼  ...
╙── 6 alone (held)"""
    )


def test_edges_that_others_imply_are_left_out_only_where_a_success_is_needed() -> None:
    assert set(SMALL.edges) - set(SMALL.reduced().edges) == {Edge("1", "4")}
    chain = (Edge("1", "2"), Edge("2", "3", "afterany"), Edge("1", "3"))
    nodes = tuple(Node(key, key) for key in "123")
    assert Picture(nodes, chain).reduced().edges == chain, "3 is to be run only if 1 succeeds, whatever becomes of 2"


def test_a_pipeline_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = Pipeline.create("demo")
    first = pipeline.submit("true", "first")
    second = pipeline.submit("true", "second", depends=first)
    pipeline.submit("true", "third", depends=[first, second])
    pipeline.print_graph()
    assert (
        capsys.readouterr().out
        == """\
Graph (reduced):
╙── first
    └─╼ second
        └─╼ third
"""
    )
    pipeline.print_graph(reduced=False, vertical_chains=True)
    assert (
        capsys.readouterr().out
        == """\
Graph:
╙── first
    ├─╼ second
    │   ╽
    │   third ╾ first
    └─╼  ...
"""
    )
    assert pipeline.graph_text(vertical_chains=True) == "╙── first\n    ╽\n    second\n    ╽\n    third\n"
    assert Pipeline.create("empty").graph_text() == "╙\n"


def test_a_circle_is_an_error() -> None:
    with pytest.raises(InvalidSpec, match="in a circle: 'a' needs 'b' needs 'a'"):
        text(of_needs({"a": ("b",), "b": ("a",)}))


def test_the_word_of_a_state_is_painted() -> None:
    painted = list(lines(SMALL, paint=lambda word: f"*{word}*"))
    assert painted[0] == "╟── 1 prepare (*succeeded*)"


@given(pictures())
def test_every_node_has_a_line_and_every_edge_is_there(picture: Picture) -> None:
    """Labels are taken for numbers, so that lines can be read again."""
    numbered = replace(picture, nodes=tuple(Node(node.key, f"<{node.key}>") for node in picture.nodes))
    for vertical in (False, True):
        assert edges_in(text(numbered, vertical)) == {(edge.source, edge.target) for edge in picture.edges}
    drawn = [line for line in lines(picture) if not line.endswith("╼  ...")]
    assert len(drawn) == max(1, len(picture.nodes)) and all(map(str.isprintable, drawn))


def edges_in(drawn: str) -> set[tuple[str, str]]:
    """The edges that can be read in a network text whose labels are `<key>`: above (a tree), and behind the label."""
    found: set[tuple[str, str]] = set()
    above: dict[int, str] = {}
    for line in drawn.splitlines():
        column = line.find("<")
        if column < 0:
            continue
        own, *others = re.findall(r"<(\w+)>", re.sub(r"\(.*?\)", "", line))
        upright = line[:column].rstrip()[-1:] not in ("╼", "─")  # straight below who it waits for
        parent = above.get(column if upright else column - 4)
        if parent is not None and not line[:column].endswith(("╟── ", "╙── ")):
            found.add((parent, own))
        above = {at: name for at, name in above.items() if at < column} | {column: own}
        found |= {(other, own) for other in others}
    return found


def test_labels_are_shown_and_do_nothing() -> None:
    drawn = text(Picture(tuple(Node(str(number), label) for number, label in enumerate(HOSTILE))))
    assert drawn.splitlines() == [
        f"{'╙' if label is HOSTILE[-1] else '╟'}── {legible(label)}" for label in HOSTILE
    ] and all(map(str.isprintable, drawn.splitlines()))


@pytest.mark.parametrize("vertical", [False, True])
def test_a_deep_one_goes_on_at_the_margin(vertical: bool) -> None:
    levels = 3 * DEEPEST
    ladder = of_needs({f"<{n}{s}>": (f"<{n - 1}a>", f"<{n - 1}b>") if n else () for n in range(levels) for s in "ab"})
    drawn = text(ladder, vertical)
    assert edges_in(drawn) == {(e.source.strip("<>"), e.target.strip("<>")) for e in ladder.edges}
    assert max(map(len, drawn.splitlines())) < 4 * DEEPEST + 60


def test_ten_thousand_are_no_matter() -> None:
    """Every node is drawn once, however many ways lead to it."""
    size = 10_000
    chain = of_needs({str(n): (str(n - 1), str(n - 2)) if n > 1 else () for n in range(size)})
    assert sum(1 for line in lines(chain.reduced()) if "..." not in line) == size
