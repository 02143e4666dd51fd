"""Where a job of frozen code runs, and what it imports."""

from __future__ import annotations

import pytest

from runyard.agent.prepare import import_path, moved

ROOT, TREE = "/home/ada/work", "/yard/code/ab/1"


@pytest.mark.parametrize(
    ("path", "twin"),
    [
        (ROOT, TREE),
        (f"{ROOT}/src", f"{TREE}/src"),
        (f"{ROOT}/a/b", f"{TREE}/a/b"),
        (f"{ROOT}er/src", ""),
        ("/usr/lib", ""),
        ("src", ""),
    ],
)
def test_the_twin_of_a_path(path: str, twin: str) -> None:
    assert moved(path, ROOT, TREE) == twin


@pytest.mark.parametrize(
    ("given", "editable", "path"),
    [
        ("", (), ""),
        ("/usr/lib:/opt", (), ""),
        (f"{ROOT}/src", (), f"{TREE}/src"),
        (f"/opt:{ROOT}/src:", (), f"/opt:{TREE}/src"),
        ("", (f"{ROOT}/src",), f"{TREE}/src"),
        ("/opt", (f"{ROOT}/src", "/other"), f"{TREE}/src:/opt"),
        (f"{ROOT}/src", (f"{ROOT}/src",), f"{TREE}/src"),
    ],
)
def test_what_is_imported_from_the_tree(given: str, editable: tuple[str, ...], path: str) -> None:
    assert import_path(given, editable, ROOT, TREE) == path
