"""docs/cli.md and docs/exit-codes.md say what the command line does."""

from __future__ import annotations

import re
from pathlib import Path

from runyard.errors import BY_NAME
from runyard.model.ending import EXIT_OF
from runyard.model.outcome import Outcome
from tests.unit.cli.reference import PAGE, docs

CODES = Path(PAGE).with_name("exit-codes.md")


def test_the_page_is_what_help_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == docs(), "stale: run `python -m tests.unit.cli.reference`"


def rows(heading: str) -> dict[str, str]:
    """First and second cell of each row of the table below this heading."""
    text = CODES.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = [re.findall(r"[^|]+", line) for line in text.splitlines() if line.startswith("|")]
    return {cell[0].strip().strip("`"): cell[1].strip() for cell in cells[2:]}


def test_the_codes_of_outcomes() -> None:
    table = rows("`ry run` and `ry wait`, of one job")
    for outcome in Outcome:
        code = EXIT_OF.get(outcome)
        assert table[outcome.value] == (str(code) if code is not None else table[outcome.value])
        assert code is not None or not table[outcome.value].isdecimal()
    assert len(table) == len(Outcome)


def test_the_codes_of_errors() -> None:
    table = rows("Every verb")
    told = {name: int(code) for name, code in table.items() if name in BY_NAME}
    assert told == {name: kind.exit_code for name, kind in BY_NAME.items()}
