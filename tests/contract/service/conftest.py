"""Every implementation of the service, over every store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runyard.server.app import Backend
from runyard.store.base import Store
from runyard.store.memory import MemoryStore
from runyard.store.sql import SqlStore
from tests.contract.service.harness import Stage, Yard, running, serving


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store
    if request.param == "memory":
        made = MemoryStore("test-yard")
    else:
        made = SqlStore(f"sqlite:///{tmp_path}/yard.sqlite", high_water=f"{tmp_path}/high-water")
    yield made
    made.close()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(str(tmp_path_factory.mktemp("stage") / "server.sock"))
    with serving(Backend(made.service_for, made, lambda uid: True, "1.2.3"), made.path):
        yield made


@pytest.fixture(params=["local", "remote"])
def yard(request: pytest.FixtureRequest, store: Store, tmp_path: Path) -> Iterator[Yard]:
    with ExitStack() as stack:
        made = stack.enter_context(running(store, tmp_path))
        if request.param == "remote":
            made = stack.enter_context(request.getfixturevalue("stage").plays(made))
        yield made
