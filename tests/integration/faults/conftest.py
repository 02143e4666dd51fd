"""Yards that are broken on purpose: each test has one of its own, and whatever happens nobody of it is left alive."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.harness.history import History
from tests.harness.nursery import Nursery
from tests.harness.yard import Bell, Gate, Yard


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where servers come from quickly."""
    with closing(Nursery()) as made:
        yield made


@pytest.fixture
def make_yard(tmp_path: Path, nursery: Nursery) -> Iterator[Callable[..., Yard]]:
    """Makes yards, with settings; the first one in the test's own directory."""
    made: list[Yard] = []

    def make(home: str = "", **settings: object) -> Yard:
        yard = Yard(tmp_path / f"yard-{len(made) + 1}", nursery, home, **settings)
        made.append(yard)
        return yard

    yield make
    for yard in made:
        yard.end()


@pytest.fixture
def yard(make_yard: Callable[..., Yard]) -> Yard:
    """A yard whose server runs."""
    yard = make_yard()
    yard.start()
    return yard


@pytest.fixture
def history(yard: Yard) -> History:
    return History(yard)


@pytest.fixture
def bell(yard: Yard) -> Iterator[Bell]:
    """Jobs tell the test something here."""
    with closing(Bell(yard.out / "bell")) as made:
        yield made


@pytest.fixture
def gates(yard: Yard) -> Iterator[Callable[[str], Gate]]:
    """Makes gates at which jobs wait, below `out/` by name."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(closing(Gate(yard.out / name)))


def random_kills() -> int:
    """How often processes are killed at random: 100 in CI, fewer on a laptop, RUNYARD_TEST_RANDOM_KILLS where set."""
    return int(os.environ.get("RUNYARD_TEST_RANDOM_KILLS") or (100 if os.environ.get("CI") else 40))
