"""A GPU that is none: the small NVML library of our tests, for the row that needs a device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def fake_gpu() -> Iterator[dict[str, str] | None]:
    """Variables for the daemons of a yard that shall see one GPU; None where the library cannot be built."""
    yield None
