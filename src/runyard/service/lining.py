"""Where moved jobs go in line: between two neighbours, pushing those before them closer together where room is scarce.

A place is a number between those of the neighbours; before the first it goes down without end, and behind the last it
stays below the next id, so that what is submitted later comes behind. (After some dozens of halvings at one point two
places have no number between them: then some of those before give way, twice as many each time until it fits.)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from runyard.store.base import Line, Standing, Store

LEAST_STEP = 2.0**-20
"""Places are never closer than this: ids up to a billion still tell them apart."""


def between(low: float | None, high: float, count: int) -> list[float]:
    """`count` places between these two (`low` None: there is nobody before), or none if they do not fit."""
    if low is None:
        return [high - count + number for number in range(count)]
    step = (high - low) / (count + 1)
    return [low + step * (number + 1) for number in range(count)] if step >= LEAST_STEP else []


def line_up(store: Store, moved: Sequence[int], anchor: Standing, *, behind: bool) -> list[tuple[int, float]]:
    """Places, by id, for jobs that are to stand before or behind the anchor, and for those that have to give way."""
    out = frozenset(moved)
    beyond = _next(store, anchor, out, 1, back=not behind)
    left, right = ([anchor], beyond) if behind else (beyond, [anchor])
    high = right[0].place if right else float(store.last_id() + 1)
    pushed: list[Standing] = []  # the nearest first
    while True:
        low = left[0].place if left else None
        ids = [*(standing.id for standing in reversed(pushed)), *moved]
        places = between(low, high, len(ids))
        if places:
            return list(zip(ids, places, strict=True))
        more = len(pushed) + 1
        further = _next(store, left[0], out, more, back=True)
        pushed += [*left, *further[: more - 1]]
        left = further[more - 1 :]


def _next(store: Store, mark: Standing, out: Collection[int], most: int, *, back: bool) -> list[Standing]:
    """The next ones beside it that are of its priority and are not moved themselves."""
    found = store.line(Line(beside=mark, back=back, most=most + len(out)))
    return [one for one in found if one.id not in out and one.priority == mark.priority][:most]
