"""A place in a template's command is a parameter, and what the script's own parser says of it holds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.acceptance.typist import Typist

SCRIPT = """
import argparse, sys
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.01, help="learning rate")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out")
print(vars(parser.parse_args()))
"""


@pytest.fixture
def train(tmp_path: Path) -> list[str]:
    (tmp_path / "train.py").write_text(SCRIPT)
    return [sys.executable, "train.py"]


def test_it_has_the_type_and_default_of_the_parser(ry: Typist, train: list[str]) -> None:
    ry.ok("template", "add", "placed", "--", *train, "--lr", "{lr}", "--out", "runs/{lr}")
    found = {one["name"]: one for one in ry.json("template", "show", "placed")["parameters"]}
    assert set(found) == {"lr", "seed"}, "what the command gives without a place is no parameter"
    assert (found["lr"]["type"], found["lr"]["default"]) == ("float", "0.01")
    assert "a number was expected" in ry.refused("create", "placed", "--lr", "fast")
    job = int(ry.ok("create", "placed", "--lr", "0.5", "--yes"))
    ry.done(job)
    assert ry.ok("logs", str(job)) == "{'lr': 0.5, 'seed': 0, 'out': 'runs/0.5'}\n"


def test_one_that_the_parser_does_not_know_is_a_text(ry: Typist, train: list[str]) -> None:
    ry.ok("template", "add", "unknown", "--", *train, "--out", "runs/{where}")
    found = {one["name"]: one for one in ry.json("template", "show", "unknown")["parameters"]}
    assert found["where"].get("type", "text") == "text" and "seed" in found


def test_a_command_that_is_no_python(ry: Typist) -> None:
    ended = ry("template", "add", "plain", "--", "echo", "{word}")
    assert ended.code == 0 and "no Python script" in ended.err
    assert [one["name"] for one in ry.json("template", "show", "plain")["parameters"]] == ["word"]
