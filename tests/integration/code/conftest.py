"""A repository, a place for frozen code, and both together."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.runtime.repositories import LocalRepositories
from runyard.runtime.trees import Trees
from tests.integration.code.repository import Work


@pytest.fixture(autouse=True)
def nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """git's own settings of whoever runs the tests do not count."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "work")


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(str(tmp_path / "home" / "code"))


@pytest.fixture
def repositories(trees: Trees, tmp_path: Path) -> LocalRepositories:
    return LocalRepositories(trees, str(tmp_path / "home" / "code" / "scratch"), max_mb=5)
