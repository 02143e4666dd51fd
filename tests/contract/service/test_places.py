"""What is at a path of the server's machine, for who submits from another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.errors import InvalidSpec
from runyard.model.landing import PATHS_MAX, Place
from tests.contract.service.harness import Yard


def test_places(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    (tmp_path / "tool").touch(mode=0o755)
    (tmp_path / "link").symlink_to("tool")
    (tmp_path / "broken").symlink_to("nowhere")
    paths = tuple(str(tmp_path / name) for name in ("data", "tool", "link", "broken", "no\nsuch file&x=1"))
    data, tool, link, broken, nothing = yard.service.places(paths)
    assert data == Place(paths[0], "file", False, paths[0])
    assert tool == Place(paths[1], "file", True, paths[1])
    assert link == Place(paths[2], "file", True, paths[1])
    assert (broken.kind, nothing.kind) == ("", "")
    assert yard.service.places((str(tmp_path), "/dev/null"))[0].kind == "directory"
    assert yard.service.places(("/dev/null",))[0].kind == "other"
    assert yard.service.places(()) == ()


@pytest.mark.parametrize("paths", [("relative",), ("",), ("/a\0b",), ("/",) * (PATHS_MAX + 1)])
def test_no_places(yard: Yard, paths: tuple[str, ...]) -> None:
    with pytest.raises(InvalidSpec):
        yard.service.places(paths)
