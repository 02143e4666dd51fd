"""Finding jobs by what they are, and choosing what is shown of them: where, sort, top, columns, Que's locations."""

from __future__ import annotations

import pytest

from tests.acceptance.typist import Typist


def ids(ry: Typist, *words: str) -> list[int]:
    return [row["id"] for row in ry.json("ls", *words)]


@pytest.fixture
def cells(ry: Typist) -> dict[str, int]:
    """Jobs by their learning rates; the last one waits."""
    made = {lr: ry.submit("--param", f"lr={lr}", "-J", f"lr{lr}", "--", "true") for lr in ("0.1", "0.01", "1")}
    ry.done(*made.values())
    made["5"] = ry.submit("--hold", "--param", "lr=5", "-J", "lr5", "--", "true")
    return made


def test_where(ry: Typist, cells: dict[str, int]) -> None:
    scope = f"{cells['0.1']}-{cells['5']}"
    assert ids(ry, scope, "--where", "lr < 0.5") == [cells["0.1"], cells["0.01"]]
    assert ids(ry, scope, "--where", "lr>=1 and not state=held") == [cells["1"]]
    assert ids(ry, scope, "--where", "(name ~ LR0 or exit_code != 0) and runtime < 1m and ended > -1h") == [
        cells["0.1"],
        cells["0.01"],
    ]
    assert "where: at character 5, before '> 1': a value was expected" in ry.refused("ls", "--where", "lr >> 1")
    assert "no job here has 'lrr'; did you mean 'lr'?" in ry("ls", scope, "--where", "lrr < 0.5").err
    assert ry("ls", scope, "--where", "lr < 0.001").err == ""
    assert "gpus is a number" in ry.refused("ls", "--where", "gpus = '__import__(\"os\")'")


def test_sort_top_and_columns(ry: Typist, cells: dict[str, int]) -> None:
    scope = f"{cells['0.1']}-{cells['5']}"
    assert ids(ry, scope, "--sort", "lr") == [cells[lr] for lr in ("0.01", "0.1", "1", "5")]
    assert ids(ry, scope, "--sort", "-lr", "--top", "2") == [cells["5"], cells["1"]]
    assert ids(ry, scope, "--sort", "state", "--sort", "-lr", "-r") == [cells[lr] for lr in ("0.01", "0.1", "1", "5")]
    table = ry.ok("ls", scope, "--sort", "lr", "--top", "1", "--columns", "id,name,lr,state")
    assert [line.split() for line in table.splitlines()] == [
        ["ID", "NAME", "LR", "STATE"],
        [str(cells["0.01"]), "lr0.01", "0.01", "succeeded"],
    ]
    assert ry.json("ls", str(cells["5"]), "--columns", "lr,ended") == [{"lr": "5", "ended": None}]
    assert "no job here has 'lrr'" in ry.refused("ls", scope, "--columns", "lrr")
    assert "exit_code" in ry.ok("ls", "--columns", "help")


def test_the_locations_of_que_and_words_of_other_systems(ry: Typist, cells: dict[str, int]) -> None:
    failed = ry.submit("exit 3")
    ry.done(failed)
    assert cells["5"] in ids(ry, "new") and cells["1"] not in ids(ry, "TO_RUN")
    assert ids(ry, "cur") == []
    assert set(cells.values()) & set(ids(ry, "old")) == {cells[lr] for lr in ("0.1", "0.01", "1")}
    assert failed in ids(ry, "fr") and failed not in ids(ry, "or")
    assert failed in ids(ry, "state:fail") and cells["1"] in ids(ry, "state:CD") and cells["5"] in ids(ry, "state:PD")
    named = ry.submit("-J", "fail", "--", "true")
    assert ids(ry, "name:fail") == [named]
