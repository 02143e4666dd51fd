"""What is read of an attempt's output: pieces by byte range, and searches."""

from __future__ import annotations

from runyard.errors import InvalidSpec
from runyard.model.record import dataclass


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

    def __post_init__(self) -> None:
        if not (0 <= self.after <= 1_000_000 and 0 <= self.before <= 1_000_000):
            raise InvalidSpec("a number of lines from 0 to 1000000, please", "after/before")
