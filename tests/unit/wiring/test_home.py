"""Where a home is: one yard, however its path is spelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.errors import NotAllowed
from runyard.wiring.home import home_at, prepare


def test_two_spellings_are_one_home(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    (tmp_path / "to-come").symlink_to(tmp_path / "data" / "yard")
    plain = prepare(home_at(str(tmp_path / "data" / "yard")))
    for spelled in ("link/yard", "to-come", "data/../link/./yard"):
        assert home_at(str(tmp_path / spelled)) == plain
    assert (tmp_path / "data" / "yard" / "run").is_dir()


def test_a_home_behind_a_link_is_made(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data" / "yard")
    prepare(home_at(str(tmp_path / "link")))
    assert (tmp_path / "data" / "yard").stat().st_mode & 0o777 == 0o700


def test_what_the_link_names_has_to_be_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    mine = (tmp_path / "data").stat().st_uid
    monkeypatch.setattr("os.getuid", lambda: mine + 1)
    with pytest.raises(NotAllowed, match=f"{tmp_path / 'data'} is not a directory of yours"):
        prepare(home_at(str(tmp_path / "link")))


@pytest.mark.parametrize("name", ["run", "locks", "logs"])
def test_a_link_inside_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / name).symlink_to(tmp_path / "other")
    with pytest.raises(NotAllowed, match=name):
        prepare(home_at(str(tmp_path / "home")))
