"""Pictures for tests: a small one, hostile labels, and any picture that there can be."""

from __future__ import annotations

from hypothesis import strategies as st

from runyard.model.job import WORDS
from runyard.model.spec import DEPENDENCY_KINDS
from runyard.pipeline.drawing.picture import ANY, NOT_OK, Edge, Node, Picture

SMALL = Picture(
    (
        Node("1", "1 prepare", "succeeded"),
        Node("2", "2 train[0]", "failed"),
        Node("3", "3 train[1]", "running"),
        Node("4", "4 evaluate", "waiting"),
        Node("5", "5 tell", "waiting", "for me"),
        Node("6", "6 alone", "held"),
    ),
    (
        Edge("1", "2"),
        Edge("1", "3"),
        Edge("2", "4"),
        Edge("3", "4"),
        Edge("1", "4"),
        Edge("2", "5", NOT_OK),
        Edge("4", "5", ANY),
    ),
)

HOSTILE = (
    "</text></title></svg><script>alert(1)</script>",
    '" onload="alert(1)',
    "' onload='alert(1)",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt; &amp; &#60; ]]> <![CDATA[",
    "\\",
    '\\"',
    "\\N \\G \\l",
    '"];x[label="',
    "\udc80\ud800 \ufffe\uffff \x00\x01\x1b[31m\x7f\x9b",
    "two\nlines\r\tand \u2028 \u202egnitirw",
    "\0" + "1\0",
    "测试 é 🚂 e\u0301",
    " ",
    "",
    "…" * 100,
)

LETTERS = "ab \"'\\<>&;#[]{}\n\t\0\x1b\x9b\u202eé测🚂\udc80\uffff"


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """Any picture: nodes wait for some of those before them, each in one way or several."""
    size = draw(st.integers(0, 12))
    texts = st.one_of(st.sampled_from(HOSTILE), st.text(LETTERS, max_size=12))
    nodes, edges = [], []
    for number in range(size):
        nodes.append(Node(f"k{number}", draw(texts), draw(st.sampled_from(("", *WORDS))), draw(texts)))
        ways = st.tuples(st.integers(0, number - 1), st.sampled_from(DEPENDENCY_KINDS))
        wanted = draw(st.lists(ways, unique=True, max_size=4)) if number else []
        edges += [Edge(f"k{source}", f"k{number}", kind) for source, kind in wanted]
    return Picture(tuple(draw(st.permutations(nodes))), tuple(edges))
