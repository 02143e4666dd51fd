"""The stores that keep the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runyard.store.base import Store
from runyard.store.memory import MemoryStore
from runyard.store.sql import SqlStore
from runyard.store.sqlite import sqlite_url

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda directory: MemoryStore(),
    "sqlite": lambda directory: SqlStore(sqlite_url(str(directory / "store" / "yard.sqlite"))),
}
"""A new implementation joins here."""


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = STORES[request.param](tmp_path)
    yield made
    made.close()
