"""`results` and `stats`: ranking, tables, CSV, JSON and plots."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.cli.render.plot import HEIGHT, MARKS, WIDTH, Axes, Line, lines
from runyard.model.filter import JobQuery
from runyard.model.metrics import Measured, Metric, Progress
from runyard.model.usage import UsageQuery, UsageRow
from tests.unit.cli.fake import NOW, Cli, FakeService, ended, row, running


def history(name: str, *values: float) -> Measured:
    points = tuple((place, 10.0 * place, NOW, value) for place, value in enumerate(values, 1))
    last = Metric(name, len(values), values[-1], min(values), max(values), 10.0 * len(values), NOW, points)
    return Measured(1, Progress(), NOW, (last,))


def trained() -> Cli:
    """Three runs of a sweep, one that has not reported and one of something else."""
    jobs = [
        ended(number, name="cell", params=(("lr", lr), ("opt", opt)), metrics={"acc": acc, "loss": 1 - acc})
        for number, (lr, opt, acc) in enumerate((("0.1", "sgd", 0.75), ("0.01", "adam", 0.5), ("1", "sgd", 0.9)), 1)
    ]
    service = FakeService().add(*jobs, running(4, name="cell", params=(("lr", "5"), ("opt", "adam"))), row(5))
    service.measured = {number: (history("acc", 0.25, 0.5, jobs[number - 1].metrics["acc"]),) for number in (1, 2, 3)}
    return Cli(service)


def ids(table: str) -> list[int]:
    return [int(line.split()[0]) for line in table.splitlines()[1:]]


def refused(cli: Cli, *words: str) -> str:
    result = cli(*words)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    return result.stderr


def test_runs_are_ranked_by_a_metric() -> None:
    cli = trained()
    assert ids(cli.ok("results", "cell", "--metric", "acc")) == [3, 1, 2, 4], "what has none comes last"
    assert ids(cli.ok("results", "cell", "-m", "loss", "--min")) == [3, 1, 2, 4]
    assert ids(cli.ok("results", "cell", "-m", "loss", "--top", "2")) == [2, 1]
    assert ids(cli.ok("results", "--where", "lr < 0.5", "-m", "acc")) == [1, 2]
    assert cli.service.queries[-1] == JobQuery(mine=True, where="lr < 0.5")
    assert ids(cli.ok("results")) == [1, 2, 3], "of all of mine those that have results"
    head, first, *_ = cli.ok("results", "cell", "-m", "loss", "--min").splitlines()
    assert head.split() == ["ID", "NAME", "STATE", "lr", "opt", "loss", "acc"]
    assert first.split() == ["3", "cell", "succeeded", "1", "sgd", "0.1", "0.9"]
    assert "none of these runs has reported 'accc'" in refused(cli, "results", "-m", "accc")
    assert "none of your jobs" in Cli()("results", terminal=True).stderr


def test_as_csv_and_json() -> None:
    cli = trained()
    table = list(csv.reader(io.StringIO(cli.ok("results", "cell", "-m", "acc", "--csv"))))
    assert table[0] == ["id", "name", "state", "lr", "opt", "acc", "loss"]
    assert table[1][:6] == ["3", "cell", "succeeded", "1", "sgd", "0.9"] and table[4][5:] == ["", ""]
    first = cli.json("results", "cell", "-m", "acc", "--top", "1")
    assert first == [
        {"rank": 1, "id": 3, "name": "cell", "array_index": None, "state": "succeeded",
         "params": {"lr": "1", "opt": "sgd"}, "metrics": {"acc": 0.9, "loss": pytest.approx(0.1)}}
    ]  # fmt: skip
    same = Cli(FakeService().add(ended(1, params=(("acc", "x,\n"),), metrics={"acc": 1.0})))
    assert list(csv.reader(io.StringIO(same.ok("results", "--csv")))) == [
        ["id", "name", "state", "param:acc", "metric:acc"],
        ["1", "job1", "succeeded", "x,\n", "1.0"],
    ]


def test_plots_in_the_terminal() -> None:
    cli = trained()
    over_steps = cli.ok("results", "cell", "-m", "acc", "--plot").splitlines()
    assert over_steps[0] == "acc" and over_steps[-3:] == [
        "      o 3 cell lr=1 opt=sgd",
        "      x 1 cell lr=0.1 opt=sgd",
        "      + 2 cell lr=0.01 opt=adam",
    ]
    assert over_steps[1].startswith(" 0.9 |") and over_steps[1].rstrip().endswith("o")
    assert "step" in over_steps[HEIGHT + 2] and "10" in over_steps[HEIGHT + 2]
    by_lr = cli.ok("results", "cell", "-m", "acc", "--plot", "--x", "lr").splitlines()
    assert sum(line.count("o") for line in by_lr) == 3 and "lr" in by_lr[-1]
    by_opt = cli.ok("results", "cell", "-m", "acc", "--plot", "--x", "opt").splitlines()
    assert by_opt[-1].strip() == "opt: adam, sgd"
    assert "say which with --metric" in refused(cli, "results", "cell", "--plot")
    assert "none of these runs has both 'acc' and 'nothing'" in refused(
        cli, "results", "cell", "-m", "acc", "--plot", "--x", "nothing"
    )


def test_plots_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli = trained()
    for number, words in enumerate(((), ("--x", "lr"), ("--x", "opt"))):
        path = tmp_path / f"{number}.png"
        assert cli("results", "cell", "-m", "acc", "--png", str(path), *words).exit_code == 0
        assert path.read_bytes().startswith(b"\x89PNG")
    assert "No such file" in refused(cli, "results", "cell", "-m", "acc", "--png", str(tmp_path / "no" / "x.png"))
    monkeypatch.delitem(sys.modules, "runyard.cli.render.picture")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    lacking = cli("results", "cell", "-m", "acc", "--png", str(tmp_path / "x.png"))
    assert lacking.exit_code == 1 and "pip install 'runyard[plot]'" in lacking.stderr


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5).map(tuple)


@given(st.lists(st.builds(Line, st.text(max_size=3), POINTS), max_size=10), st.integers(5, 80), st.integers(2, 20))
def test_anything_can_be_plotted(plotted: list[Line], width: int, height: int) -> None:
    drawn = lines(plotted, Axes("x", "y"), width, height)
    if not any(line.points for line in plotted):
        assert drawn == []
        return
    assert len(drawn) == height + 3 + len(plotted) * (len(plotted) > 1)
    assert any(mark in line for line in drawn[1 : height + 1] for mark in MARKS)


def test_a_plot() -> None:
    drawn = lines([Line("a", ((0.0, 0.0), (1.0, 1.0)))], Axes("x", "y"), width=4, height=2)
    assert drawn == ["y", "1 |   o", "0 |o", "  +----", "   0x 1"]
    assert len(lines([Line("a", ((1.0, 1.0),))], Axes("x", "y"))[1]) <= WIDTH + 10


def test_stats() -> None:
    service = FakeService()
    service.used = (
        UsageRow("ada", "default", 1, 2, {"succeeded": 3, "failed": 1}, 1.5),
        UsageRow("ada", "gpu", 0, 0, {"oom": 1}, 0.25),
        UsageRow("eve", "default", 0, 1, {}, 0.0),
    )
    cli = Cli(service)
    table = [line.split() for line in cli.ok("stats", "--since", "7d").splitlines()]
    assert table[0] == ["USER", "QUEUE", "ACTIVE", "WAITING", "SUCCEEDED", "FAILED", "OOM", "GPU-HOURS"]
    assert table[1] == ["ada", "default", "1", "2", "3", "1", "0", "1.50"]
    assert table[3] == ["ada", "all", "1", "2", "3", "1", "1", "1.75"]
    assert table[4][:2] == ["eve", "default"]
    assert [line[:2] for line in table[5:]] == [["all", "default"], ["all", "gpu"], ["all", "all"]]
    assert table[-1][2:] == ["1", "3", "3", "1", "1", "1.75"]
    assert service.usage_asked == [UsageQuery("7d")]
    second = {"user": "ada", "queue": "gpu", "active": 0, "waiting": 0, "ended": {"oom": 1}, "gpu_hours": 0.25}
    assert cli.json("stats")[1] == second
    assert "there are no jobs" in Cli()("stats", terminal=True).stderr
