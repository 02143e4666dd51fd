"""Graphviz's language: what the real `dot` makes of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given

from runyard.pipeline.drawing.dot import STYLES, lines
from runyard.pipeline.drawing.picture import Node, Picture, legible
from tests.unit.pipeline.drawing.pictures import HOSTILE, SMALL, pictures

QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def read_again(picture: Picture) -> Iterator[tuple[str, ...]]:
    """The statements of the file: names and values, quoted ones without their quotes and escapes."""
    head, *body, end = lines(picture)
    assert head.startswith("digraph {") and end == "}"
    for line in body:
        left, _, values = line.strip().partition(" [")
        assert values.endswith("]") and re.fullmatch(r"n\d+( -> n\d+)?", left)
        bare = QUOTED.sub("", values)
        assert not set('"\\\n') & set(bare)
        texts = [re.sub(r"\\(.)", r"\1", found).replace("&amp;", "&") for found in QUOTED.findall(values)]
        yield (left, bare, *texts)


@given(pictures())
def test_every_node_and_every_edge_is_there(picture: Picture) -> None:
    found = list(read_again(picture))
    names = {node.key: f"n{number}" for number, node in enumerate(picture.nodes, 1)}
    labels = [(left, texts[0]) for left, _, *texts in found if "->" not in left]
    # the n is that of the line's end before the state
    assert labels == [
        (names[node.key], legible(node.label) + (f"n{node.state}" if node.state else "")) for node in picture.nodes
    ]
    edges = [(left, bare.split(",")[0]) for left, bare, *_ in found if "->" in left]
    assert edges == [(f"{names[e.source]} -> {names[e.target]}", f"style={STYLES[e.kind]}") for e in picture.edges]


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
def test_dot_reads_it() -> None:
    hostile = tuple(Node(f"h{number}", label, "failed", label) for number, label in enumerate(HOSTILE))
    text = "\n".join(lines(Picture((*SMALL.nodes, *hostile), SMALL.edges)))
    ended = subprocess.run(["dot", "-Tjson0"], input=text, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    read = json.loads(ended.stdout)
    assert [node["name"] for node in read["objects"]] == [
        f"n{n}" for n in range(1, len(SMALL.nodes) + len(HOSTILE) + 1)
    ]
    assert len(read["edges"]) == len(SMALL.edges)
