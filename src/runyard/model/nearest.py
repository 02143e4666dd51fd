"""What was probably meant: the nearest of the known words."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is a slip of the keyboard away from this one, or ""."""
    best, least = "", max(1, len(word) // 3) + 1
    for candidate in known:
        if abs(len(candidate) - len(word)) < least:
            steps = distance(word, candidate)
            if steps < least:
                best, least = candidate, steps
    return best


def meant(word: str, known: Iterable[str], else_said: str = "") -> str:
    """The end of a message: `; did you mean 'x'?`, or `; ` and `else_said` where no known word is near."""
    found = nearest(word, known)
    if found:
        return f"; did you mean {found!r}?"
    return f"; {else_said}" if else_said else ""


def distance(one: str, other: str) -> int:
    """How many letters to add, drop, change or swap with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if last and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
