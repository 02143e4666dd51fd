"""The table: one line for each thing measured, and below it one for each further thing that stands beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from bench.figures import Line

HEAD = ("what", "ours", "beside us in the same run", "ratio", "target", "met?")


def cells(line: Line) -> Iterator[tuple[str, ...]]:
    """The rows of one Line."""
    met = {None: "", True: "yes", False: "NO"}[line.met]
    first = (line.what, line.ours)
    for beside in line.beside:
        ratio = "" if beside.ratio is None else f"{beside.ratio:.2f}"
        yield (*first, f"{beside.name} {beside.shown}", ratio, line.target, met)
        first, line, met = ("", ""), Line("", ""), ""
    if first[0]:
        yield (*first, "", "", line.target, met)


def text(lines: Sequence[Line]) -> str:
    """The whole table. `ratio` is ours to what stands beside it."""
    rows = [HEAD, *(row for line in lines for row in cells(line))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    rule = "-+-".join("-" * width for width in widths)
    shown = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([shown[0], rule, *shown[1:]])


def as_json(lines: Sequence[Line]) -> str:
    """Everything, with each sample (seconds, MB, or rates; their names say what)."""
    return json.dumps([asdict(line) for line in lines], indent=1)
