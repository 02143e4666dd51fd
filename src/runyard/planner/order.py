"""Who comes first: priority, then the place in line (the job's id, unless a user moved it), across all shapes.

`planner.plan` walks the line; a shape that it closes (its next job cannot start now, so neither can the ones behind)
leaves the line.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from runyard.model.view import Head, ShapeView

Rank = tuple[int, float, int]
"""The place of a job in the order of the yard: smaller comes first."""

LAST: Rank = (1 << 60, 0.0, 0)
"""Behind every job."""


class Turn(NamedTuple):
    """The next job of a shape."""

    shape: ShapeView
    head: Head


def line(shapes: Sequence[ShapeView], closed: Collection[int]) -> Iterator[Turn]:
    """Job after job, best first; of shapes in `closed` (which may grow meanwhile) no more."""
    return heapq.merge(*(_turns(shape, closed) for shape in shapes), key=lambda turn: turn.head.rank)


def _turns(shape: ShapeView, closed: Collection[int]) -> Iterator[Turn]:
    for head in shape.heads:
        if shape.id in closed:
            return
        yield Turn(shape, head)
