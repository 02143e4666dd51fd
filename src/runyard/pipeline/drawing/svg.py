"""A picture that any browser shows, by day and by night: one file that needs no other, and holds no program."""

from __future__ import annotations

import html
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from runyard.model.wording import counted
from runyard.pipeline.drawing import placing
from runyard.pipeline.drawing.palette import DAY, EDGES, NIGHT, Colours, family
from runyard.pipeline.drawing.picture import ANY, NOT_OK, OK, Edge, Node, Picture, legible
from runyard.pipeline.drawing.placing import Box

MARGIN = 24.0
PADDING = 12.0
LETTER = 7.25
"""How wide a letter is: the typeface has one width for all."""
LETTERS_MOST = 32
NARROWEST = 72.0
HEIGHT = 30.0
HEIGHT_WITH_STATE = 42.0
LEGEND = 34.0
LEGEND_GAP = 22.0

WIDE = ("W", "F")
DASHES = {ANY: "6 4", NOT_OK: "2 4"}

STYLE = """\
text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1f2328 }
.word { font-size: 10.5px }
.ground { fill: #ffffff }
.edge { fill: none; stroke-width: 1.4 }
.edge:hover, .node:hover rect { stroke-width: 2.6 }
rect { stroke-width: 1.2 }"""
STYLE_BY_NIGHT = "text { fill: #e6edf3 }\n.ground { fill: #0d1117 }"


def lines(picture: Picture) -> Iterator[str]:
    """The lines of the file. InvalidSpec names a circle."""
    high = HEIGHT_WITH_STATE if any(node.state for node in picture.nodes) else HEIGHT
    plan = placing.plan(picture.graph, {node.key: _width(node) for node in picture.nodes}, high)
    legend = list(_legend(picture))
    width = max(plan.width, *(at + length for at, length, _ in legend), 0.0) + 2 * MARGIN
    height = plan.height + 2 * MARGIN + (LEGEND if legend else 0.0)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="{-MARGIN:g} {-MARGIN:g} {width:.0f} {height:.0f}">'
    )
    yield f"<title>{_summary(picture)}</title>"
    yield from _styles()
    yield f'<rect class="ground" x="{-MARGIN:g}" y="{-MARGIN:g}" width="100%" height="100%"/>'
    for edge in picture.edges:
        yield _edge(picture, edge, plan.ways[edge.source, edge.target])
    for node in picture.nodes:
        yield from _node(node, plan.boxes[node.key])
    for at, _, text in legend:
        yield f'<g transform="translate({at:.1f} {plan.height + LEGEND:.1f})">{text}</g>'
    yield "</svg>"


def _styles() -> Iterator[str]:
    yield f"<style>\n{STYLE}"
    yield from _coloured(DAY)
    for kind, colour in EDGES.items():
        dashes = f"; stroke-dasharray: {DASHES[kind]}" if kind in DASHES else ""
        yield f".{kind} {{ stroke: {colour}{dashes} }}"
    yield f"@media (prefers-color-scheme: dark) {{\n{STYLE_BY_NIGHT}"
    yield from _coloured(NIGHT)
    yield "}\n</style>\n<defs>"
    for kind, colour in EDGES.items():
        yield (
            f'<marker id="{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"'
            f' markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.5 8 4 0 7.5 2 4z" fill="{colour}"/></marker>'
        )
    yield "</defs>"


def _coloured(families: dict[str, Colours]) -> Iterator[str]:
    for name, colours in families.items():
        yield f".{name} rect {{ fill: {colours.fill}; stroke: {colours.ink} }} .{name} .word {{ fill: {colours.ink} }}"


def _node(node: Node, box: Box) -> Iterator[str]:
    state = legible(node.state)
    more = "\n".join(_escaped(part) for part in (node.label, state, node.detail) if part)
    yield f'<g class="node {family(node.state)}" data-node="{_escaped(node.key)}"><title>{more}</title>'
    yield f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="7"/>'
    x, middle = box.x + PADDING, box.y + box.height / 2
    yield f'<text x="{x:.1f}" y="{middle + (-3 if state else 4):.1f}">{_escaped(_cut(node.label))}</text>'
    if state:
        yield f'<text class="word" x="{x:.1f}" y="{middle + 12.5:.1f}">{_escaped(_cut(state))}</text>'
    yield "</g>"


def _edge(picture: Picture, edge: Edge, way: Sequence[tuple[float, float]]) -> str:
    (x, y), *rest = way
    drawn = [f"M{x:.1f} {y:.1f}"]
    for to_x, to_y in rest:
        if to_y != y:
            half = (x + to_x) / 2
            drawn.append(f"C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}")
        else:
            drawn.append(f"H{to_x:.1f}")
        x, y = to_x, to_y
    return (
        f'<path class="edge {edge.kind}" data-from="{_escaped(edge.source)}" data-to="{_escaped(edge.target)}"'
        f' d="{"".join(drawn)}" marker-end="url(#{edge.kind})"><title>{_escaped(_words(picture, edge))}</title></path>'
    )


def _words(picture: Picture, edge: Edge) -> str:
    label = picture.labels
    return f"{legible(label[edge.target])} {edge.kind} {legible(label[edge.source])}"


def _legend(picture: Picture) -> Iterator[tuple[float, float, str]]:
    """What the colours and lines mean, as far as they are there: where, how long, what is drawn."""
    x = 0.0
    for word, count in Counter(node.state for node in picture.nodes if node.state).items():
        text = f"{count} {_cut(word)}"
        mark = '<rect y="-9" width="10" height="10" rx="3"/>'
        yield x, 16 + _length(text), f'<g class="{family(word)}">{mark}</g><text x="16">{_escaped(text)}</text>'
        x += 16 + _length(text) + LEGEND_GAP
    kinds = [kind for kind in EDGES if any(edge.kind == kind for edge in picture.edges)]
    for kind in kinds if kinds != [OK] else ():
        mark = f'<path class="edge {kind}" d="M0 -4H30" marker-end="url(#{kind})"/>'
        yield x, 36 + _length(kind), f'{mark}<text x="36">{kind}</text>'
        x += 36 + _length(kind) + LEGEND_GAP


def _summary(picture: Picture) -> str:
    return f"{counted(len(picture.nodes), 'job')}, {counted(len(picture.edges), 'edge')}"


def _width(node: Node) -> float:
    return max(NARROWEST, _length(_cut(node.label)) + 2 * PADDING, _length(_cut(node.state)) + 2 * PADDING)


def _length(text: str) -> float:
    return LETTER * sum(map(_places, text))


def _places(letter: str) -> int:
    """How many places of a line it takes: two for the wide ones of East Asia."""
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in WIDE else 1


def _cut(text: str) -> str:
    """The text, as much of it as there is room for."""
    text = legible(text)
    left = LETTERS_MOST
    for place, letter in enumerate(text):
        left -= _places(letter)
        if left < 0:
            return text[: place - 1] + "…"
    return text


def _escaped(text: str) -> str:
    return html.escape(legible(text))
