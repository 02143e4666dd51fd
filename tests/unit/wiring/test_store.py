"""The store of a home: its own database, or one by URL, are opened in the same way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runyard.errors import Conflict
from runyard.settings import Home, Settings
from runyard.wiring import server
from runyard.wiring.server import open_store
from tests.contract.store.support import add, spec

WHERE = pytest.mark.parametrize("by_url", [False, True], ids=["own", "by-url"])


def settings(tmp_path: Path, by_url: bool) -> tuple[Settings, Home, str]:
    """With the path of the database."""
    home = Home(str(tmp_path / "home"))
    path = str(tmp_path / "elsewhere" / "yard.sqlite") if by_url else home.database
    return Settings(home.root, store=f"sqlite:///{path}" if by_url else ""), home, path


@WHERE
def test_none_lies_on_a_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_url: bool) -> None:
    given, home, path = settings(tmp_path, by_url)
    monkeypatch.setattr(server, "is_network", lambda place: place == os.path.dirname(path))
    with pytest.raises(Conflict, match=f"{os.path.dirname(path)} is on a network file system"):
        open_store(given, home, 0)
    assert not os.path.exists(path)


@WHERE
def test_one_that_went_back_is_noticed(tmp_path: Path, by_url: bool) -> None:
    given, home, path = settings(tmp_path, by_url)
    store = open_store(given, home, 0)
    add(store, spec())
    store.close()
    os.unlink(path)
    store = open_store(given, home, 0)
    assert "this is another store than before" in store.rolled_back
    store.close()


@WHERE
def test_jobs_that_have_run_are_known_to_have_run(tmp_path: Path, by_url: bool) -> None:
    given, home, _ = settings(tmp_path, by_url)
    store = open_store(given, home, 12)
    assert "job 12 has run here" in store.rolled_back
    store.accept()
    assert add(store, spec()) == (13,)
    store.close()
