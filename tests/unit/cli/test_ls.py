"""`ls`: which jobs it asks for, and how they look in a pipe, on a terminal and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runyard.api import JobRow
from runyard.cli.groups import ids_of, strip, word_of
from runyard.cli.ls import ENDED
from runyard.model.filter import JobQuery
from runyard.model.group import CELLS_SHOWN, Group, GroupRow, strip_of
from runyard.store.base import Criteria
from tests.unit.cli.fake import NOW, USER, Cli, FakeService, ended, row, running

EVIL = "a\x1b]0;x\x07\u202eb\nc"


def some() -> Cli:
    return Cli(
        FakeService().add(
            ended(1, "failed", 3, name="train one"),
            running(2, gpus=(0, 2), attempt=2),
            row(3, gpus_wanted=4, reason="needs 4 GPUs, 2 are free", array_index=7),
        )
    )


def test_in_a_pipe_columns_are_whole_and_aligned() -> None:
    lines = some().ok("ls").splitlines()
    assert lines[0].split() == ["ID", "NAME", "STATE", "TIME", "WHEN", "GPU", "HOST", "QUEUE", "USER", "REASON"]
    assert lines[1].startswith(" 1  train one  failed     10s  20")
    assert lines[1].endswith("-    box   default  ada   exit code 3")
    assert lines[3].split()[:2] == ["3", "job3[7]"] and lines[3].endswith("needs 4 GPUs, 2 are free")
    assert (
        len({line.index(word) for line, word in zip(lines, ("STATE", "failed", "running", "queued"), strict=True)}) == 1
    )


def test_alone_it_lists_mine() -> None:
    cli = some()
    assert cli.ok() == cli.ok("ls")
    assert cli.service.queries[0] == JobQuery(mine=True, recent=True, limit=201, cells=False)


def group(**fields: Any) -> GroupRow:
    """A sweep of five cells that runs."""
    kept = {
        "counts": {"running": 1, "succeeded": 2, "queued": 2}, "done": 2, "total": 5, "strip": "oor..", "first": 7,
        "last": 11, "started_at": NOW - 90,
    }  # fmt: skip
    return GroupRow(Group(3, "sweep", "lr", USER, 5, made_at=NOW - 100), **{**kept, **fields})


def test_a_sweep_is_one_line() -> None:
    cli = some()
    cli.service.group_rows = [group()]
    line = next(line for line in cli.ok("ls").splitlines() if "sweep:lr" in line)
    assert line.split()[:4] == ["7-11", "sweep:lr", "running", "1m30s"] and line.endswith("2/5 ##>..")
    assert "sweep:lr" not in cli.ok("ls", "--cells") + cli.ok("ls", "--all") + cli.ok("ls", "--sort", "id")
    assert cli.service.queries[-1].cells


def test_a_sweep_stands_beside_jobs_with_progress_and_notes() -> None:
    cli = Cli(FakeService().add(running(2, stage="training", done=3, total=9), row(3, note="for the paper")))
    cli.service.group_rows = [group()]
    line = next(line for line in cli.ok("ls").splitlines() if "sweep:lr" in line)
    assert line.split()[-3:] == ["-", "2/5", "##>.."]
    seen = cli.ok("ls", terminal=True)
    assert "training 3/9" in seen and "for the paper" in seen and "2/5 ##>.." in seen


@pytest.mark.parametrize(
    ("fields", "word", "ids"),
    [
        ({"counts": {"queued": 5}}, "queued", "7-11"),
        ({"counts": {"succeeded": 4, "oom": 1}, "ended_at": NOW}, "failed", "7-11"),
        ({"counts": {"succeeded": 4, "cancelled": 1}, "ended_at": NOW}, "succeeded", "7-11"),
        ({"counts": {"cancelled": 5}, "ended_at": NOW}, "cancelled", "7-11"),
        ({"counts": {"running": 5}, "last": 30}, "running", "7.."),
    ],
)
def test_the_word_and_the_ids_of_a_sweep(fields: dict[str, Any], word: str, ids: str) -> None:
    assert (word_of(group(**fields)), ids_of(group(**fields))) == (word, ids)


@pytest.mark.parametrize("number", [1, 40, 41, 200, 1_000])
def test_a_strip_of_any_number_of_cells(number: int) -> None:
    """The most telling of neighbours is shown: a failure never disappears."""
    words = ["succeeded"] * number
    words[number // 2] = "failed"
    letters = strip_of(words)
    assert len(letters) == min(number, CELLS_SHOWN) and len(strip(letters)) == min(number, 40)
    assert strip(letters).count("x") == 1 and set(strip(letters)) <= {"#", "x"}


@pytest.mark.parametrize("alias", ["ps", "status", "squeue", "list"])
def test_aliases(alias: str) -> None:
    assert some().ok(alias).count("\n") == 4


def test_what_is_asked_for() -> None:
    cli = some()
    cli.ok("ls", "--all")
    cli.ok("ls", "state:failed", "-n", "5", "--order", "-ended")
    assert cli.service.queries == [JobQuery(), JobQuery(("state:failed",), order="-ended", limit=5)]


def test_json_has_every_field() -> None:
    told = json.loads(some().ok("ls", "--json"))
    assert [job["id"] for job in told] == [1, 2, 3]
    wanted = (
        "id name state outcome exit_code reason attempt host gpus queue user command workdir submitted_at started_at "
        "ended_at priority group array_index pid gpus_wanted flags word params template metrics place note version "
        "public stage done total left_s paused_at paused_s"
    )
    assert set(told[2]) == set(wanted.split())
    assert told[2]["outcome"] is None and told[1]["gpus"] == [0, 2]


def test_an_empty_list() -> None:
    cli = Cli()
    assert cli.json("ls") == []
    assert cli.ok("ls").split()[0] == "ID"
    assert "none of your jobs" in cli("ls", terminal=True).stderr


def test_more_than_fit_are_mentioned() -> None:
    cli = Cli(FakeService().add(*(row(number) for number in range(1, 301))))
    result = cli("ls")
    assert result.stdout.count("\n") == 201
    assert "the first 200" in result.stderr
    assert len(cli.json("ls", "--all")) == 300


@pytest.mark.parametrize("terminal", [False, True])
def test_foreign_text_does_nothing_to_the_terminal(terminal: bool) -> None:
    cli = Cli(FakeService().add(row(1, name=EVIL, reason="[bold]x[/bold] \x9b2J", user="ada\x07")))
    shown = cli.ok("ls", terminal=terminal)
    printable = shown.replace("\n", "")
    assert all(ord(c) >= 32 and not 0x7F <= ord(c) <= 0x9F and c != "\u202e" for c in printable)
    assert "\\e]0;x\\x07\\u202eb\\nc"[:5] in shown
    assert shown.count("\n") == 2


def test_on_a_terminal_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    cli = Cli(FakeService().add(row(1, name="n" * 100, reason="r" * 100), running(2)))
    lines = cli.ok("ls", terminal=True).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert lines[1].split()[:4] == ["2", "job2", "running", "10s"]
    assert "…" in lines[2] and "GPU" not in lines[0]


@pytest.mark.parametrize("columns", [30, 40, 50, 60, 80, 120, 200])
def test_however_narrow_it_is_what_matters_stays_whole(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    jobs = (
        running(98_765, name="train", array_index=7, flags=("unreachable",)),
        row(98_766, name="n" * 90, reason="waits for 2 jobs"),
        ended(98_767, "succeeded", queue="night"),
    )
    lines = Cli(FakeService().add(*jobs)).ok("ls", terminal=True).splitlines()
    for line, whole in zip(
        lines[1:], ("98765 running!unreachable 10s", "98766 queued 1m00s", "98767 succeeded 10s"), strict=True
    ):
        assert set(whole.split()) <= set(line.split()), line
    assert columns < 40 or max(map(len, lines)) <= columns
    left = [title for title in ("HOST", "QUEUE", "WHEN", "REASON") if title in lines[0]]
    assert left == ["HOST", "QUEUE", "WHEN", "REASON"][4 - len(left) :] or "HOST" not in left


def test_what_is_the_same_in_every_line_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "54")
    alike = Cli(FakeService().add(running(1, name="n" * 30), running(2))).ok("ls", terminal=True)
    assert "HOST" not in alike and "WHEN" in alike
    mixed = Cli(FakeService().add(running(1, name="n" * 30), running(2, host="other"))).ok("ls", terminal=True)
    assert "HOST" in mixed and "QUEUE" not in mixed


def test_what_runs_comes_first_on_a_terminal() -> None:
    jobs = (
        ended(1, ended_at=NOW - 50), row(2, state="pending", word="held"), ended(3, ended_at=NOW - 9),
        running(4), row(5), running(6), ended(7, ended_at=NOW - 30),
    )  # fmt: skip
    cli = Cli(FakeService().add(*jobs))
    assert ids(cli.ok("ls", terminal=True)) == [4, 6, 2, 5, 3, 7, 1]
    assert ids(cli.ok("ls", "all", terminal=True)) == ids(cli.ok("ls")) == [1, 2, 3, 4, 5, 6, 7]
    assert [job["id"] for job in cli.json("ls")] == [1, 2, 3, 4, 5, 6, 7]


def ids(table: str) -> list[int]:
    return [int(line.split()[0]) for line in table.splitlines()[1:]]


def test_what_runs_is_listed_however_many_wait() -> None:
    cli = Cli(FakeService().add(*(row(number) for number in range(1, 301)), running(301)))
    result = cli("ls", terminal=True)
    assert ids(result.stdout)[:2] == [301, 1] and len(ids(result.stdout)) == 200
    assert "the first 200" in result.stderr and "`ry ls all`" in result.stderr


def test_ended_ones_that_are_left_out_are_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Criteria.recent_done == ENDED
    cli = Cli(FakeService().add(*(ended(number) for number in range(1, ENDED + 1))))
    assert cli("ls", terminal=True).stderr == "", "there are no more"
    whole, jobs = ended(ENDED + 1), cli.service.jobs

    def some(query: JobQuery) -> tuple[JobRow, ...]:
        found = jobs(query)
        return found if not query.recent else tuple(one for one in found if one != whole)

    cli.service.add(whole)
    monkeypatch.setattr(cli.service, "jobs", some)
    assert "only the last 20; `ry ls all` lists every one" in cli("ls", terminal=True).stderr
    assert cli("ls").stderr == "", "a program is not kept waiting for it"


def test_with_a_limit_the_newest_are_listed() -> None:
    cli = Cli(FakeService().add(*(row(number) for number in range(1, 10))))
    assert ids(cli.ok("ls", "-n", "3")) == ids(cli.ok("ls", "--all", "-n", "3")) == [7, 8, 9]
    assert ids(cli.ok("ls", "--order", "id", "-n", "3")) == [1, 2, 3]


@pytest.mark.parametrize(("order", "wanted"), [("ended", [3, 1, 2, 4]), ("-ended", [1, 3, 4, 2])])
def test_what_has_no_such_time_comes_last(order: str, wanted: list[int]) -> None:
    jobs = (ended(1, ended_at=NOW - 5), row(2), ended(3, ended_at=NOW - 50), running(4))
    cli = Cli(FakeService().add(*jobs))
    for words in ((), ("--all",), ("all",)):
        assert ids(cli.ok("ls", *words, "--order", order)) == wanted
        assert ids(cli.ok("ls", *words, "--order", order, "-n", "3")) == wanted[:3]


def test_times() -> None:
    cli = Cli(FakeService().add(running(1, started_at=NOW - 7_500)))
    assert cli.ok("ls").splitlines()[1].split()[3] == "2h05m"


def test_flags_stand_beside_the_state() -> None:
    assert "running!unreachable" in Cli(FakeService().add(running(1, flags=("unreachable",)))).ok("ls")


# looking for, sorting, choosing columns


def trained() -> Cli:
    """Three trainings with results, and one that waits."""
    runs = (("0.1", 0.7), ("0.01", 0.9), ("1", 0.8))
    jobs = [
        ended(number, params=(("lr", lr),), metrics={"acc": acc}, user="ada" if number > 1 else "eve")
        for number, (lr, acc) in enumerate(runs, 1)
    ]
    return Cli(FakeService().add(*jobs, row(4, params=(("lr", "0.5"),))))


def refused(cli: Cli, *words: str) -> str:
    result = cli("ls", *words)
    assert result.exit_code == 2 and result.stdout == "", result.output
    return result.stderr


def test_where_looks_among_all_of_mine() -> None:
    cli = trained()
    assert ids(cli.ok("ls", "--where", "acc > 0.75 and lr < 0.5")) == [2]
    assert ids(cli.ok("ls", "--where", "not acc > 0.75", "--all")) == [1]
    assert cli.service.queries[0] == JobQuery(mine=True, where="acc > 0.75 and lr < 0.5")
    assert "where: at its end: a value was expected behind '>'" in refused(cli, "--where", "acc >")


def test_sorted_by_results_and_parameters() -> None:
    cli = trained()
    assert ids(cli.ok("ls", "--sort", "-acc")) == [2, 3, 1, 4], "what has none comes last"
    assert ids(cli.ok("ls", "--sort", "acc")) == [1, 3, 2, 4]
    assert ids(cli.ok("ls", "--sort", "acc", "-r")) == [2, 3, 1, 4]
    assert ids(cli.ok("ls", "--sort", "lr")) == [2, 1, 4, 3], "numbers by size"
    assert ids(cli.ok("ls", "--sort", "-user", "--sort", "-lr")) == [1, 3, 4, 2]
    assert ids(cli.ok("ls", "-r")) == [4, 3, 2, 1]


def test_the_top_of_them() -> None:
    cli = trained()
    assert ids(cli.ok("ls", "--sort", "-acc", "--top", "2")) == [2, 3]
    assert ids(cli.ok("ls", "--where", "acc > 0", "--top", "1")) == [1]
    assert cli.service.queries[0].limit == 2 and cli.service.queries[0].mine
    assert "give one" in refused(cli, "--top", "1", "-n", "1")


def test_the_top_of_what_is_shown() -> None:
    cli = Cli(FakeService().add(ended(1), row(2), running(3), ended(4, ended_at=NOW), row(5)))
    shown = [line.split()[0] for line in cli.ok("ls", terminal=True).splitlines()[1:]]
    assert shown == ["3", "2", "5", "4", "1"]
    top = [line.split()[0] for line in cli.ok("ls", "--top", "3", terminal=True).splitlines()[1:]]
    assert top == shown[:3]
    assert ids(cli.ok("ls", "--top", "3")) == [1, 2, 3]


def test_columns_that_were_chosen() -> None:
    cli = trained()
    lines = cli.ok("ls", "2-4", "--columns", "id,name,lr,acc,runtime,submitted,gpu").splitlines()
    assert lines[0].split() == ["ID", "NAME", "LR", "ACC", "RUNTIME", "SUBMITTED", "GPU"]
    assert [line.split()[2:5] for line in lines[1:]] == [["0.01", "0.9", "10s"], ["1", "0.8", "10s"], ["0.5", "-", "-"]]
    told = cli.json("ls", "2", "--columns", "id,state,lr,acc,runtime,metric:lr")
    assert told == [{"id": 2, "state": "succeeded", "lr": "0.01", "acc": 0.9, "runtime": 10.0, "metric:lr": None}]


def test_what_can_be_a_column_is_told() -> None:
    cli = trained()
    told = cli.ok("ls", "--columns", "help")
    assert "exit_code  number  what its command returned" in told and "a parameter of that name" in told
    assert cli.service.queries == []
    for option in ("--columns", "--sort"):
        error = refused(cli, option, "accc")
        assert error == "ry: no job here has 'accc'; did you mean 'acc'?\n"
        error = refused(cli, option, "weight")
        assert "no job here has 'weight'; `ry ls" in error and "of these jobs lr, acc" in error


def test_locations_of_que_are_views() -> None:
    jobs = (row(1), row(2, state="pending", word="held"), running(3), ended(4), ended(5, "failed", 1, user="eve"))
    cli = Cli(FakeService().add(*jobs, ended(6, "cancelled", None), row(7, name="new")))
    for words, wanted in (
        (("new", "to_run", "TR"), [1, 2, 7]), (("cur", "CUR_RUN", "cr"), [3]), (("old", "old_runs", "or"), [4]),
        (("fail", "fail_runs", "FR"), [5, 6]),
    ):  # fmt: skip
        for word in words:
            assert ids(cli.ok("ls", word)) == wanted
    assert cli.service.queries[-1] == JobQuery(
        ("state:failed,killed,timeout,oom,lost,not-started,cancelled,skipped",), mine=True
    )
    assert ids(cli.ok("ls", "name:new")) == [7], "a job of that name"
    assert ids(cli.ok("ls", "state:crash,PD")) == [1, 2, 7]
    assert not cli.service.queries[-1].mine


@pytest.mark.parametrize(
    ("facts", "seconds"),
    [
        ({}, 100.0),
        ({"ended_at": 60.0}, 60.0),
        ({"paused_at": 40.0}, 40.0),
        ({"paused_at": 40.0, "paused_s": 10.0}, 30.0),
        ({"paused_s": 10.0}, 90.0),
        ({"paused_s": 10.0, "ended_at": 60.0}, 50.0),
    ],
)
def test_the_time_that_a_job_stood_still_is_not_counted(facts: dict[str, float], seconds: float) -> None:
    assert row(1, started_at=0.0, **facts).ran_s(100.0) == seconds
