"""Each test has a yard of its own and must leave no process of it behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.runtime.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig. A test that leaves a command running on purpose stops it itself."""
    made = Rig(tmp_path)
    yield made
    left = made.clean()
    assert not left, f"processes were left: {left}"


@pytest.fixture
def nobody_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent leaves a stopped runner as it is (as it has to leave one that a debugger holds)."""
    monkeypatch.setattr("runyard.runtime.family.wake", lambda member: None)
