"""Every row of the pages in docs/coming-from: its line does what the page says.

A row is `| old | here | what is different |`. Its second cell holds lines to type (`ry ...`), each of which has to
succeed in a yard with the jobs `waits`, `next`, `runs`, `ended` and `broken`, with `made` of the template `train`, and
with the pipeline `demo`; or it says, as *later: ...*, which work will bring it. Pages are found by themselves.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from runyard.model.filter import JobQuery
from tests.acceptance.typist import Typist
from tests.harness.yard import Yard

PAGES = sorted((Path(__file__).parents[2] / "docs" / "coming-from").glob("*.md"))
LINE = re.compile(r"`(ry[^`]*)`")
ANOTHER = re.compile(r" && (?=ry )")
LATER = re.compile(r"\*later: [^*]+\*")
CELL = re.compile(r"(?<!\\)\|")
TRAIN = """import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--out", default="")
parser.parse_args()
"""


class Row(NamedTuple):
    """A row of a page."""

    page: str
    old: str
    here: str


def rows() -> Iterator[Row]:
    for page in PAGES:
        for text in page.read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in CELL.split(text)[1:-1]]
            if len(cells) == 3 and not set(cells[0]) <= set("-: ") and cells[1] != "here":
                yield Row(page.stem, cells[0], cells[1])


ROWS = list(rows())
LINES = {line.replace("\\|", "|"): row for row in reversed(ROWS) for line in LINE.findall(row.here)}
"""What is to be typed, each once, and the first row that says so."""


@pytest.fixture
def scene(yard: Yard, ry: Typist) -> Iterator[Typist]:
    """The jobs that the pages name, in a directory with scripts and a list of jobs; nothing of them is left behind."""
    (ry.directory / "train.py").write_text(TRAIN)
    (ry.directory / "train.sh").write_text("#!/bin/sh\necho trained\n")
    (ry.directory / "jobs.yaml").write_text("- {name: one, command: [uname, -a]}\n- {name: two, command: echo two}\n")
    ended, broken = yard.submit(
        yard.sh("echo '::metric acc=0.9 lr=0.1'; echo trained", name="ended", workdir=str(ry.directory)),
        yard.sh("echo no; exit 3", name="broken", workdir=str(ry.directory)),
    )
    yard.done(ended, broken)
    runs, *_ = yard.submit(
        yard.sh("sleep 1000", name="runs"),
        *(yard.sh("true", name=name, hold=True) for name in ("waits", "next")),
        yard.sh("true", name="made", hold=True, params=(("lr", "0.1"),), template="train"),
    )
    yard.running(runs)
    ry.ok("template", "add", "train", "--replace", "--", "python3", "train.py")
    yield ry
    ry("server", "resume")
    left = tuple(row.id for row in yard.service.jobs(JobQuery()))
    ry("rm", "--stop", *map(str, left), "--yes")


@pytest.fixture
def demo(ry: Typist, line: str) -> Iterator[None]:
    """The pipeline, for a line that is about pipelines."""
    if not line.startswith("ry pipeline"):
        yield
        return
    ry.ok("pipeline", "new", "demo")
    ry.ok("pipeline", "submit", "demo", "--name", "first", "--", "true")
    yield
    ry.ok("pipeline", "rm", "--all", "--yes")


def test_every_row_says_something() -> None:
    assert PAGES
    for row in ROWS:
        assert LINE.search(row.here) or LATER.fullmatch(row.here), f"{row.page}: {row.old} has neither line nor later"


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("line", LINES)
def test_a_line(scene: Typist, line: str) -> None:
    for command in ANOTHER.split(line):
        ended = scene(*shlex.split(command)[1:], EDITOR="true", BROWSER="true", SUDO_USER="nobody")
        assert ended.code == 0, f"{LINES[line]} is said to be `{line}`, which ends with {ended.code}: {ended.err}"
