"""One yard for all tests here; each types from a directory of its own, and leaves nothing running behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from runyard.api import StopCall
from runyard.model.queue import Queue
from runyard.model.spec import DEFAULT_QUEUE
from tests.acceptance.typist import Typist
from tests.harness.yard import Bell, Gate, Yard

SIGKILL = 9
NOT_DONE = "state:pending,assigned,running"


@pytest.fixture(scope="session")
def everybodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """The yard, started by the first command that needs it."""
    yard = Yard(tmp_path_factory.mktemp("yard"))
    assert yard.ry("run", "--", "true").code == 0
    yield yard
    yard.end()


@pytest.fixture
def yard(everybodys: Yard) -> Iterator[Yard]:
    """The yard; afterwards every job of the test is ended, and every queue of it gone."""
    yield everybodys
    tidy(everybodys)


@pytest.fixture
def ry(yard: Yard, tmp_path: Path) -> Typist:
    """`ry`, typed in the test's own directory."""
    return Typist(yard, tmp_path)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Callable[[str], Gate]]:
    """Makes gates in the test's directory: a job waits there (`read x < NAME`) until it is opened."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(closing(Gate(tmp_path / name)))


@pytest.fixture
def bell(tmp_path: Path) -> Iterator[Bell]:
    """Where jobs say something at once (`echo ... > bell`)."""
    with closing(Bell(tmp_path / "bell")) as made:
        yield made


def tidy(yard: Yard) -> None:
    """End what is left of a test."""
    left = tuple(row.id for row in yard.rows(NOT_DONE))
    if left:
        yard.service.stop(StopCall(left, SIGKILL))
        yard.done(*left)
    for row in yard.service.queues():
        if row.queue.name != DEFAULT_QUEUE:
            yard.service.remove_queue(row.queue.name)
        elif row.queue != Queue(DEFAULT_QUEUE, version=row.queue.version):
            yard.service.save_queue(Queue(DEFAULT_QUEUE, version=row.queue.version))
