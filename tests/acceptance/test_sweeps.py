"""Sweeps as somebody types them, on real processes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

import runyard
from runyard.errors import InvalidSpec, NotFound
from runyard.model.group import GroupQuery
from tests.acceptance.typist import Typist, plain
from tests.harness.yard import Bell, Gate

FREE = ("-c0",)


def sweep(ry: Typist, name: str, *words: str, **more: Any) -> list[int]:
    """The ids of the cells of a new sweep, whose jobs need no CPU."""
    return [int(line) for line in ry.ok("sweep", "add", name, *FREE, *words, **more).splitlines()]


def line_of(ry: Typist, name: str) -> str:
    return next(line for line in ry.ok("ls").splitlines() if f"sweep:{name} " in line)


def test_a_grid_over_a_plain_command(ry: Typist) -> None:
    made = sweep(ry, "grid", "-p", "a=1,2", "-p", "b=x y,z", "--", "echo", "{a}-{b}", "${a}")
    ry.done(*made)
    assert [ry.ok("logs", f"grid[{number}]") for number in range(4)] == [
        "1-x y ${a}\n", "1-z ${a}\n", "2-x y ${a}\n", "2-z ${a}\n",
    ]  # fmt: skip
    assert [row["params"] for row in ry.json("ls", "sweep:grid")][1] == [["a", "1"], ["b", "z"]]
    assert "4/4 ####" in line_of(ry, "grid")
    assert len(ry.ok("ls", "sweep:grid").splitlines()) == 5
    assert len(ry.json("ls", "--all")) >= 4


def test_seen_as_one_while_it_runs(ry: Typist, gate: Callable[[str], Gate], bell: Bell) -> None:
    gate("door")
    made = sweep(ry, "slow", "-p", "i=range(5)", "--parallel", "2", "echo > bell; read x < door; exit {i}")
    bell.wait()
    bell.wait()
    assert "0/5 >>..." in line_of(ry, "slow") and f"{made[0]}-{made[-1]}" in line_of(ry, "slow")
    assert ry.row(made[4]).reason == "its group runs 2 of 2"
    seen = plain(ry.seen("ls"))
    assert "sweep:slow" in seen and "0/5 >>..." in seen and "slow[0]" not in seen
    assert "slow[0]" in ry.ok("ls", "--cells")
    ry.ok("sweep", "set", "slow", "--parallel", "3")
    bell.wait()
    assert ry.ok("sweep", "drop", "slow", "i=4") == f"job {made[4]} dropped\n"
    assert "0/4 >>>.-" in line_of(ry, "slow")
    ry.ok("stop", "sweep:slow", "--yes")
    ry.done(*made)


def test_a_template_with_a_canary(ry: Typist) -> None:
    ry.ok("template", "add", "fit", "-p", "lr:float(0,1)=0.1", "-p", "opt:choice(a,b)=a", *FREE, "--", "test", "-e")
    try:
        assert "cell 1: lr: at most 1, not 2" in ry.refused("sweep", "add", "fit", "-p", "lr=0.1,2")
        assert "did you mean 'opt'" in ry.refused("sweep", "add", "fit", "-p", "opf=a")
        made = sweep(ry, "fit", "-p", "lr=0.1,0.2", "-p", "opt=a,b", "--canary")
        ry.done(*made)
        words = [row["word"] for row in ry.json("ls", "sweep:fit")]
        assert words == ["failed", "skipped", "skipped", "skipped"]
        assert "1/4 x---" in line_of(ry, "fit")
    finally:
        ry.ok("template", "rm", "fit")


def test_failed_cells_are_tried_again(ry: Typist) -> None:
    made = sweep(ry, "again", "-p", "i=1,2,3", "--", "test", "{i}", "-eq", "2", "-o", "-e", "fixed")
    ry.done(*made)
    assert "3/3 x#x" in line_of(ry, "again")
    (ry.directory / "fixed").touch()
    ry.ok("retry", "sweep:again", "--failed", "--yes")
    ry.done(*made)
    assert "3/3 ###" in line_of(ry, "again")
    assert [row["attempt"] for row in ry.json("ls", "sweep:again")] == [2, 1, 2]


def test_a_cell_with_another_value(ry: Typist) -> None:
    made = sweep(ry, "wide", "-p", "i=1,2", "--", "test", "{i}", "-eq", "2")
    ry.done(*made)
    ry.ok("retry", str(made[0]), "--set", "i=2")
    assert ry.done(made[0]).outcome == "succeeded"
    assert ry.row(made[0]).params == (("i", "2"),)
    copy = ry.ok("copy", f"{made[1]}", "--set", "i=7").strip()
    assert ry.row(int(copy)).command == "test 7 -eq 2"


def test_it_grows_with_the_environment_of_its_first_cells(ry: Typist) -> None:
    made = sweep(ry, "more", "-p", "i=1,2", "--", "sh", "-c", "echo {i} $WHEN", WHEN="first")
    ry.done(*made)
    told = ry("sweep", "grow", "more", "-p", "i=2,3", WHEN="then")
    assert "1 cell of these it has already" in told.err
    new = int(told.out)
    ry.done(new)
    assert ry.ok("logs", str(new)) == "3 first\n" and ry.row(new).array_index == 2
    assert "3/3 ###" in line_of(ry, "more")


def test_numbers_are_taken_by_what_is_submitted(ry: Typist) -> None:
    ry.ok("template", "add", "counted", "-p", "i", *FREE, "--", "echo", "{n}", "{i}")
    try:
        for _ in range(2):
            assert ry.json("sweep", "add", "counted", "-p", "i=7", "--dry-run")["specs"][0]["command"][1] == "1"
        made = sweep(ry, "counted", "-p", "i=7")
        ry.ok("sweep", "grow", "counted", "-p", "i=8", "--dry-run")
        made.append(int(ry.ok("sweep", "grow", "counted", "-p", "i=8")))
        ry.done(*made)
        assert [ry.row(job_id).command for job_id in made] == ["echo 1 7", "echo 2 8"]
        assert ry("sweep", "grow", "counted", "-p", "i=8").out == ""
    finally:
        ry.ok("template", "rm", "counted")


def test_from_a_table_at_random_and_side_by_side(ry: Typist) -> None:
    words = ("--dry-run", "--", "echo")
    table = ry.json("sweep", "add", "t", "--csv", "-", *words, stdin="lr,opt\n0.1,a\n0.2,\n")
    assert [spec["command"] for spec in table["specs"]] == [
        ["echo", "--lr", "0.1", "--opt", "a"],
        ["echo", "--lr", "0.2"],
    ]
    draw = ("-p", "lr=loguniform(1e-4,1e-1)", "--random", "5", "--seed", "3")
    one, two = (ry.json("sweep", "add", "t", *draw, *words)["specs"] for _ in range(2))
    assert len(one) == 5 and [spec["params"] for spec in one] == [spec["params"] for spec in two]
    assert "drawn with --seed" in ry("sweep", "add", "t", *draw[:-2], *words).err
    zipped = ry.json("sweep", "add", "t", "-p", "a=p[0-2]", "-p", "b=1,2,3", "--zip", "--style", "hydra", *words)
    assert [spec["command"][1:] for spec in zipped["specs"]] == [["a=p0", "b=1"], ["a=p1", "b=2"], ["a=p2", "b=3"]]


def test_options_have_places_too(ry: Typist) -> None:
    """What cloudmesh's name ranges and lists of equal length do."""
    for number in range(2):
        (ry.directory / f"in{number}").write_text(f"input {number}\n")
    made = sweep(
        ry, "b", "-p", "i=0,1", "-p", "o=x,y", "--zip", "--name", "b{i}", "-i", "in{i}", "-o", "{o}.txt", "--", "cat"
    )
    ry.done(*made)
    assert [(ry.directory / f"{name}.txt").read_text() for name in "xy"] == ["input 0\n", "input 1\n"]
    assert [ry.row(job_id).name for job_id in made] == ["b0", "b1"]
    assert "no parameter 'j'" in ry.refused("sweep", "add", "c", "-p", "i=1", "--name", "{j}", "--", "true")


def test_one_csv(ry: Typist) -> None:
    made = sweep(ry, "out", "-p", "a=1,2", "-p", 't=x"y', "--", "sh", "-c", "exit $(({a} - 1))", "{t}")
    ry.done(*made)
    rows = list(csv.DictReader(io.StringIO(ry.ok("sweep", "csv", "out"))))
    assert [(row["job"], row["cell"], row["a"], row["t"], row["state"], row["exit_code"]) for row in rows] == [
        (str(made[0]), "0", "1", 'x"y', "succeeded", "0"), (str(made[1]), "1", "2", 'x"y', "failed", "1"),
    ]  # fmt: skip
    assert all(float(row["seconds"]) >= 0 for row in rows)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("12", "-p", "a=1", "--", "true"), "no name of a sweep"),
        (("a b", "-p", "a=1", "--", "true"), "no name of a sweep"),
        (("x:y", "-p", "a=1", "--", "true"), "no name of a sweep"),
        (("x", "--", "true"), "nothing varies"),
        (("x", "-p", "a=uniform(0,1)", "--", "true"), "--random"),
        (("x", "-p", "a=1,2", "-p", "b=1,2,3", "--zip", "--", "true"), "side by side"),
        (("x", "-p", "a=1", "--stop-when", "acc", "--", "true"), "'acc' is no rule"),
        (("x", "-p", "a=1", "--template", "t", "--", "true"), "either a command or --template"),
        (("x", "-p", "a=1", "-q", "no-such", "--", "true"), "no queue"),
    ],
)
def test_refused(ry: Typist, words: tuple[str, ...], says: str) -> None:
    before = len(ry.yard.service.groups(GroupQuery()))
    assert says in ry.refused("sweep", "add", *words)
    assert len(ry.yard.service.groups(GroupQuery())) == before


def test_what_there_is_not(ry: Typist) -> None:
    for words in (
        ("sweep", "show", "no-such"),
        ("ls", "sweep:no-such"),
        ("stop", "sweep:no-such"),
        ("sweep", "csv", "no"),
    ):
        told = ry(*words)
        assert told.code != 0 and "there is no sweep" in told.err


REPORTS = """
lr={lr}
for step in 1 2 3 4 5 6 7 8 9; do
    echo "::metric acc=$lr step=$step"
    echo > bell
    read x < door
done
"""


def test_stop_rules_on_what_cells_report(ry: Typist, gate: Callable[[str], Gate], bell: Bell) -> None:
    gate("door")
    made = sweep(ry, "rules", "-p", "lr=1,2,9", "--stop-when", "acc > 5", REPORTS)
    ry.yard.until("the end of the others", lambda: ry.row(made[0]).word == ry.row(made[1]).word == "cancelled")
    assert ry.row(made[2]).word == "running" and ry.row(made[0]).reason == "by the rule acc > 5"
    shown = ry.json("sweep", "show", "rules")
    assert shown["stopped"] == f"acc > 5: job {made[2]} (rules[2])" and shown["cells"][2]["metrics"] == {"acc": 9.0}
    assert "acc > 5" in line_of(ry, "rules")
    rows = list(csv.DictReader(io.StringIO(ry.ok("sweep", "csv", "rules"))))
    assert rows[2]["acc"] == "9.0"


def test_from_python(ry: Typist) -> None:
    yard = runyard.connect(ry.yard.home.root)
    ry.ok("template", "add", "py", "-p", "lr:float(0,1)=0.1", "-p", "flag:bool=false", *FREE, "--", "echo", "{lr}")
    try:
        job = yard.create("py", lr=0.5, flag=True, options={"name": "mine"})
        cells = yard.sweep("py", {"lr": [0.1, 0.2], "flag": "true,false"}, parallel=2, note="x")
        zipped = yard.sweep("z", {"a": [1, 2], "b": "p[0-1]"}, ["echo", "{a}{b}"], side_by_side=True, cpus=0)
        yard.wait([job, *cells, *zipped], timeout_s=60)
        assert (job.logs(), job.row.name, job.row.command) == (b"0.5 --flag\n", "mine", "echo 0.5 --flag")
        assert [cell.logs() for cell in cells] == [b"0.1 --flag\n", b"0.1\n", b"0.2 --flag\n", b"0.2\n"]
        assert [cell.logs() for cell in zipped] == [b"1p0\n", b"2p1\n"]
        for wrong, says in (
            ({"lr": 2}, "at most 1"),
            ({"lrr": 1}, "did you mean 'lr'"),
            ({"lr": object()}, "no value"),
        ):
            with pytest.raises(InvalidSpec, match=says):
                yard.create("py", **wrong)
        with pytest.raises(NotFound, match="did you mean 'py'"):
            yard.create("pyy")
    finally:
        ry.ok("template", "rm", "py")
