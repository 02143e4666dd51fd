"""A temporary directory of the benchmark's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def directory() -> Iterator[str]:
    """A directory for the time of a measurement."""
    path = tempfile.mkdtemp(prefix="ry-bench-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
