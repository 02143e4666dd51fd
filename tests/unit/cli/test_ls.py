"""`ls`: which jobs it asks for, and how they look in a pipe, on a terminal and as JSON."""

from __future__ import annotations

import json

import pytest

from runyard.model.filter import JobQuery
from tests.unit.cli.fake import NOW, Cli, FakeService, ended, row, running

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
    assert cli.service.queries[0] == JobQuery(mine=True, recent=True, limit=201)


@pytest.mark.parametrize("alias", ["ps", "status", "squeue", "list"])
def test_aliases(alias: str) -> None:
    assert some().ok(alias).count("\n") == 4


def test_what_is_asked_for() -> None:
    cli = some()
    cli.ok("ls", "--all")
    cli.ok("ls", "state:failed", "3", "-n", "5", "--order", "-ended")
    assert cli.service.queries == [JobQuery(), JobQuery(("state:failed", "3"), order="-ended", limit=5)]


def test_json_has_every_field() -> None:
    told = json.loads(some().ok("ls", "--json"))
    assert [job["id"] for job in told] == [1, 2, 3]
    wanted = (
        "id name state outcome exit_code reason attempt host gpus queue user command workdir submitted_at started_at "
        "ended_at priority group array_index pid gpus_wanted flags word"
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
    assert "…" in lines[1] and "GPU" not in lines[0]


def test_times() -> None:
    cli = Cli(FakeService().add(running(1, started_at=NOW - 7_500)))
    assert cli.ok("ls").splitlines()[1].split()[3] == "2h05m"


def test_flags_stand_beside_the_state() -> None:
    assert "running!unreachable" in Cli(FakeService().add(running(1, flags=("unreachable",)))).ok("ls")
