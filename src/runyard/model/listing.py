"""Some of many, in a sentence."""

from __future__ import annotations

from collections.abc import Iterable


def shown(items: Iterable[str], most: int = 5) -> str:
    """The first items, and how many more there are: "a, b and 3 more"."""
    some = list(items)
    return ", ".join(some[:most]) + (f" and {len(some) - most} more" if len(some) > most else "")
