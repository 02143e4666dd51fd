"""Places that cannot be: a home that cannot be made, a working directory that is gone. One line, and no traceback."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.acceptance.typist import Typist
from tests.harness.commands import COMMAND_S, RY


@pytest.mark.parametrize("home", ["/proc/nope", "/proc/nope/deeper", "/proc/self/status/x", "/dev/null"])
@pytest.mark.parametrize("words", [("ls",), ("submit", "--", "true"), ("server", "start")])
def test_a_home_that_cannot_be_made(ry: Typist, home: str, words: tuple[str, ...]) -> None:
    assert home.removesuffix("/deeper") in ry.refused("--home", home, *words)


def test_what_a_home_is(ry: Typist) -> None:
    told = ry.refused("--home", "/proc/nope", "ls")
    assert "No such file or directory; a home is a directory that you can make and write" in told
    assert '"kind": "UsageError"' in ry("--home", "/proc/nope", "ls", "--json").out


@pytest.mark.parametrize(
    "words", ["submit -- true", "run -- true", "queue add x --default time=1", "--home relative ls"]
)
def test_a_directory_that_was_removed(ry: Typist, tmp_path: Path, words: str) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    asked = ["sh", "-c", f'rmdir "$PWD"; exec {RY} {words}']
    told = subprocess.run(
        asked, env=ry.yard.environ, cwd=gone, capture_output=True, text=True, timeout=COMMAND_S, check=False
    )
    assert not gone.exists()
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "ry: this directory was removed; go to another one\n"
