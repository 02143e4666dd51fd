"""What `submit` says of what it was given: what it takes for granted, what it doubts, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runyard.model.group import Group, GroupRow, Sweep
from runyard.model.template import Parameter, Template
from runyard.submitting.spelling import moment_text
from tests.unit.cli.fake import NOW, USER, Cli, FakeService, row

FEW = "1 cpu, no memory limit, no gpu, queue default, no time limit"


def test_what_differs_from_the_defaults_is_told(tmp_path: Path) -> None:
    cli = Cli(FakeService().add(*(row(job_id) for job_id in range(1, 5))))
    (tmp_path / "in").write_text("")
    flags = "-P 5 -b +2h -d 1:2:3,afterany:4 --retries 2 --retry-on oom,9 --backoff 1m --grace 20 --unique k -i in"
    more = f"-D {tmp_path} -o out-%j --on-lost requeue --detach -a 0-3%2"
    told = cli.ok("submit", *flags.split(), *more.split(), "--", "true", terminal=True)
    assert told.splitlines() == [
        "4 jobs queued: 5-8",
        f"  {FEW}, at most 2 at a time, after 1-3, afterany 4, priority 5, grace 20s, "
        f"begin {moment_text(NOW + 7_200)}, retries 2, "
        "retry-on oom 9, backoff 1m, on-lost requeue, unique k, output out-%j, input in, detach",
    ]
    assert ", retries 1, run by bash" in cli.ok("submit", "--retries", "1", "a b", terminal=True)


ENTRIES = [
    {"name": "prepare", "command": "true", "hold": True},
    {"name": "sweep", "command": ["sh", "train.sh"], "after": "prepare", "array": "0-9%3", "priority": 2},
    {"command": "true", "after": ["afterany:sweep", "afterany:prepare", 7]},
]


def test_a_dry_run_tells_each_job_of_a_file() -> None:
    cli = Cli()
    assert cli.ok("submit", "--dry-run", "-f", "-", text=json.dumps(ENTRIES)).splitlines() == [
        "would submit 12 jobs",
        f"  prepare: held, {FEW}, run by bash: true",
        f"  sweep[10 jobs]: {FEW}, at most 3 at a time, after prepare, priority 2: sh train.sh",
        f"  true: {FEW}, afterany sweep, prepare, after 7, run by bash",
    ]
    assert not cli.service.submissions
    would = cli.json("submit", "--dry-run", "-f", "-", text=json.dumps(ENTRIES))
    assert (would["would_submit"], list(would["arrays"])) == (12, ["2"])


@pytest.mark.parametrize("wrong", [bytes(range(200, 250)), b'[{"command": "\xe9"}]'])
def test_standard_input_that_is_no_text(wrong: bytes) -> None:
    result = Cli()("submit", "-f", "-", text=wrong)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "ry: standard input is no text in UTF-8\n"


def test_standard_input_is_utf_8() -> None:
    cli = Cli()
    assert cli("submit", "-f", "-", text="\ufeff- command: echo é\n".encode()).exit_code == 0
    assert cli.service.spec.command == ("echo é",)


@pytest.mark.parametrize("more", ["two", "-G1"])
def test_a_quoted_text_takes_no_further_words(more: str) -> None:
    cli = Cli()
    result = cli("submit", "echo one", more)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"'echo one' is quoted, and {more!r} follows it" in result.stderr
    cli.ok("submit", "-d", "7", "--", "echo one", more)
    assert cli.service.spec.command == ("echo one", more)


@pytest.mark.parametrize(("program", "told"), [("./nosuch.sh", "there is no file "), ("/", "/ is a directory")])
def test_what_cannot_start(program: str, told: str) -> None:
    cli = Cli()
    for words in ((program,), ("--", program, "x")):
        result = cli("submit", *words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"ry: command: {told}")
    assert cli.ok("submit", "-d", "7", program) == "1\n", "what it waits for may make it"
    assert cli.ok("submit", "--setup", "cd elsewhere", program) == "2\n"


MISSING = "no-such-program"


def test_what_may_not_start_is_a_remark() -> None:
    result = Cli()("submit", "-o", "nowhere/%j", MISSING)
    assert (result.exit_code, result.stdout) == (0, "1\n")
    directory, program = result.stderr.splitlines()
    assert directory.startswith("ry: there is no directory ") and "/nowhere for the output" in directory
    assert program == f"ry: there is no program '{MISSING}' on the job's PATH"
    assert MISSING in Cli()("submit", "--dry-run", MISSING).stderr


def test_no_remark_where_something_may_yet_bring_it(tmp_path: Path) -> None:
    (tmp_path / MISSING).write_text("")
    (tmp_path / MISSING).chmod(0o755)
    for flags in (("-d", "7"), ("--setup", "module load it"), ("-e", f"PATH={tmp_path}")):
        assert Cli()("submit", *flags, MISSING).stderr == ""
    assert Cli()("submit", "-d", "7", "-o", "nowhere/%j", "true").stderr == ""
    assert Cli()("submit", f"{MISSING} --for a shell").stderr == ""
    assert MISSING in Cli()("submit", "-e", "PATH=/nowhere", MISSING).stderr


FIT = Template("fit", ("true",), parameters=(Parameter("lr"),))


@pytest.mark.parametrize(
    "words",
    [
        ("submit", "--", "true"),
        ("copy", "1"),
        ("create", "fit", "--yes"),
        ("sweep", "add", "s", "-p", "a=1", "--", "true"),
        ("sweep", "grow", "lr", "-p", "lr=2"),
    ],
)
def test_what_the_server_remarks_is_told(words: tuple[str, ...]) -> None:
    group = Group(3, "sweep", "lr", USER, 1, sweep=Sweep(FIT, ("lr",)))
    service = FakeService(
        remarks=("its code is not frozen",),
        template_list={"fit": FIT},
        group_rows=[GroupRow(group, {}, 0, 1, ".", 1, 1)],
    ).add(row(1, group=3, params=(("lr", "1"),), workdir="/"))
    result = Cli(service)(*words)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "2\n", "ry: its code is not frozen\n")
