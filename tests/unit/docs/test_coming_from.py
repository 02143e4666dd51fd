"""What the pages in docs/coming-from remark: the lines, flags and words in the third column of their tables exist, and
mean what they are said to mean. (Each line of the second column is run by tests/acceptance/test_coming_from.py.)"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

import pytest

import runyard
from runyard.agent.lines import marked
from runyard.cli.app import VERBS
from runyard.config import load
from runyard.foreign.daemon import OF_A_JOB
from runyard.model.checkpoint import DIRECTORY_VARIABLE, RESUME_VARIABLE
from runyard.model.filter import parse_selector
from runyard.model.job import WORDS
from runyard.model.rendering import NUMBER, names_in
from runyard.submitting.build import NOTE_VARIABLE
from tests.unit.cli.fake import Cli
from tests.unit.docs.pages import ROOT

CODE = re.compile(r"`([^`]+)`")
STATE = re.compile(r"`ry ls (state:\w+)`")
VERB = {name for verb in VERBS for name in (verb.name, *verb.aliases)}
PUBLIC = {f"{prefix}*" for prefix in load({}).public_prefixes}
VARIABLES = {*OF_A_JOB, *PUBLIC, NOTE_VARIABLE, DIRECTORY_VARIABLE, RESUME_VARIABLE}
ELSEWHERE = {"jobs", "/"}
"""A key of a jobset, the end of a name: the lines beside them use them."""


class Row(NamedTuple):
    """A row of a page."""

    where: str
    here: str
    remark: str


def rows() -> Iterator[Row]:
    for page in sorted((ROOT / "docs" / "coming-from").glob("*.md")):
        for number, text in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", text)[1:-1]]
            if len(cells) == 3:
                yield Row(f"{page.name}:{number}", cells[1], cells[2])


ROWS = list(rows())
REMARKED = [(row, code) for row in ROWS for code in CODE.findall(row.remark)]
STATES = [(row, match[1]) for row in ROWS if (match := STATE.search(row.here)) and row.remark]


@pytest.mark.parametrize(("row", "code"), REMARKED, ids=[f"{row.where} {code}" for row, code in REMARKED])
def test_what_is_remarked_exists(row: Row, code: str) -> None:
    if code.split()[0] == "ry":
        told = Cli()(*shlex.split(code)[1:], "--help")
        assert told.exit_code == 0, told.output
    elif code.startswith("-"):
        lines = [shlex.split(line) for line in CODE.findall(row.here) if line.startswith("ry ")]
        verbs = [line[1:end] for line in lines for end in (2, 3)]  # one word, or two: `ry pipeline new`
        tries = [(*verb, *shlex.split(code), *value) for verb in (*verbs, ["submit"]) for value in ((), ("1",))]
        assert any(Cli()(*words, "--help").exit_code == 0 for words in tries)
    elif code.startswith("::"):
        assert list(marked(f"{code}\n".encode()))
    elif code.startswith("runyard."):
        assert hasattr(runyard, code.removeprefix("runyard.").partition("(")[0])
    elif code.startswith("{"):
        assert names_in([code]) == {NUMBER}
    elif ":" in code:
        parse_selector(code)
    else:
        assert code in {*WORDS, *VERB, *VARIABLES, *ELSEWHERE}


@pytest.mark.parametrize(("row", "selector"), STATES, ids=[f"{row.where} {selector}" for row, selector in STATES])
def test_states_are_those_that_are_selected(row: Row, selector: str) -> None:
    """All of them, unless three dots say that there are more."""
    named = {word for word in re.findall(r"[a-z-]+", row.remark) if word in WORDS}
    selected = set(parse_selector(selector).words)
    assert named <= selected if "..." in row.remark else named in (set(), selected)
