"""YAML as texts, within limits, with the lines where values stand."""

from __future__ import annotations

import pytest

from runyard import yaml_text
from runyard.errors import InvalidSpec

TEXT = """\
base: &base {cpus: 1}
jobs:
  a:
    <<: *base
    run: x
  b:
    - y
    - z
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("jobs",), 2),
        (("jobs", "a", "run"), 5),
        (("jobs", "a", "cpus"), 1),
        (("jobs", "a", "no", "such"), 3),
        (("jobs", "b", 1), 8),
        (("jobs", "b", 9), 6),
    ],
)
def test_lines(path: tuple[str | int, ...], line: int) -> None:
    assert yaml_text.placed(TEXT).line(path) == line


def test_a_merged_key_may_be_said_again() -> None:
    assert yaml_text.load("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}")["b"] == {"x": "3", "y": "2"}


def test_a_key_twice_is_refused_wherever_it_stands() -> None:
    with pytest.raises(InvalidSpec, match="line 3: 'run' is here twice, first on line 2"):
        yaml_text.load("- run: x\n- run: y\n  run: z")


def test_an_alias_that_holds_itself() -> None:
    with pytest.raises(InvalidSpec, match=r"\*a holds itself"):
        yaml_text.load("a: &a {b: [*a]}")


@pytest.mark.parametrize(
    "text", ["a\nb", "a\n", "\na", " a\nb", "a\n\n b \n", "a\tb\nc", "0x10", "no", "<<", "", "a: b"]
)
def test_texts_come_back(text: str) -> None:
    assert yaml_text.load(yaml_text.dump({"text": text, text: [text]})) == {"text": text, text: [text]}
