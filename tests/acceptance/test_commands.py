"""What tests type into a pipe does what a line does that starts an interpreter (see `tests.harness.commands`)."""

from __future__ import annotations

import subprocess

import pytest

from tests.acceptance.typist import Typist
from tests.harness.commands import COMMAND_S, RY
from tests.harness.yard import Ended


def really(ry: Typist, *words: str) -> Ended:
    """The line, typed with a start of its own."""
    ended = subprocess.run(
        [RY, *words], stdin=subprocess.DEVNULL, env=ry.environ, cwd=ry.directory, capture_output=True,
        encoding="utf-8", errors="surrogateescape", timeout=COMMAND_S, check=False,
    )  # fmt: skip
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.parametrize("words", [("--version",), ("nonsense",), ("show", "\udcff"), ("ls", "--help"), ("ls", "-x")])
def test_it_says_the_same(ry: Typist, words: tuple[str, ...]) -> None:
    assert ry(*words) == really(ry, *words)


def test_its_jobs_have_the_same_environment_and_directory(ry: Typist) -> None:
    words = ("run", "-c0", "--", "sh", "-c", "pwd; env | grep -v ^RUNYARD_ | sort; exit 3")
    typed, real = ry(*words), really(ry, *words)
    assert typed.code == real.code == 3
    assert typed.out == real.out
