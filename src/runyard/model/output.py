"""What is read of an attempt's output: pieces by byte range, and searches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chunk:
    """A piece of output: `data` from byte `offset` of `size` bytes so far. `final` when no more can come."""

    offset: int
    data: bytes
    size: int
    final: bool = False


@dataclass(frozen=True)
class GrepQuery:
    """As grep's own flags of these names."""

    pattern: str
    ignore_case: bool = False
    invert: bool = False
    number: bool = False
    count: bool = False
    extended: bool = False
    after: int = 0
    before: int = 0
