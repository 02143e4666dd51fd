"""`wait`: exit codes, time-outs, and servers that go away."""

from __future__ import annotations

import json

import pytest

from runyard.api import JobRow
from runyard.errors import Unavailable
from tests.unit.cli.fake import Cli, FakeService, ended, row, running


@pytest.mark.parametrize(
    ("outcome", "job_code", "code"),
    [
        ("succeeded", 0, 0),
        ("failed", 3, 3),
        ("killed", 139, 139),
        ("timeout", 143, 124),
        ("cancelled", 143, 130),
        ("cancelled", None, 130),
        ("oom", 137, 137),
        ("oom", None, 137),
        ("lost", None, 70),
        ("skipped", None, 71),
        ("not-started", None, 127),
    ],
)
def test_the_code_of_one_job(outcome: str, job_code: int | None, code: int) -> None:
    cli = Cli(FakeService().add(ended(1, outcome, job_code)))
    assert cli("wait", "1").exit_code == code
    told = json.loads(cli("wait", "1", "--json").stdout)
    assert (told["outcome"], told["exit_code"], told["ry_exit_code"]) == (outcome, job_code, code)


def test_of_several_zero_only_if_all_succeeded() -> None:
    cli = Cli(FakeService().add(ended(1), ended(2)))
    assert cli("wait", "1-2").exit_code == 0
    cli.service.add(ended(2, "failed", 7))
    result = cli("wait", "all", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["ry_exit_code"], [job["ry_exit_code"] for job in told["jobs"]]) == (1, [0, 7])


def test_it_waits_for_what_changes() -> None:
    service = FakeService().add(running(1), row(2))
    service.story = [
        lambda: service.add(ended(1)),
        lambda: service.add(running(2)),
        lambda: service.add(ended(2)),
    ]
    assert Cli(service)("wait", "1", "2").exit_code == 0


def test_time_runs_out() -> None:
    cli = Cli(FakeService().add(running(1)))
    result = cli("wait", "1", "--timeout", "0")
    assert result.exit_code == 75
    error = json.loads(cli("wait", "1", "--timeout", "0", "--json").stdout)["error"]
    assert (error["kind"], error["exit_code"]) == ("TimedOut", 75)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ((row(1, word="held"),), "job 1 (job1) has not ended yet: it is held"),
        ((running(1), ended(2)), "1 of 2 jobs has not ended yet: 1 running"),
        (
            (running(1), row(2, word="held"), row(3, word="held"), ended(4)),
            "3 of 4 jobs have not ended yet: 2 held, 1 running",
        ),
    ],
)
def test_what_is_said_when_the_time_is_over(rows: tuple[JobRow, ...], told: str) -> None:
    result = Cli(FakeService().add(*rows))("wait", "all", "--timeout", "0")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (75, f"ry: {told}")


def test_when_the_time_is_over_all_are_looked_at() -> None:
    cli = Cli(FakeService().add(running(1), *(ended(number) for number in range(2, 300)), running(300)))
    assert "2 of 300 jobs" in cli("wait", "1-300", "--timeout", "0").stderr


def test_held_jobs_are_mentioned_once() -> None:
    service = FakeService().add(row(1, word="held"), row(2, word="held"), row(3))
    service.story = [
        lambda: service.add(row(3, word="held")),
        lambda: service.add(running(1)),
        lambda: service.add(ended(1), ended(2), ended(3)),
    ]
    told = Cli(service)("wait", "1-3").stderr.splitlines()
    assert told[:2] == [
        "ry: 2 of the jobs are held: 1-2; `ry release JOB...` lets them go",
        "ry: job 3 (job3) is held; `ry release 3` lets it go",
    ]
    assert len(told) == 2 + 3


def test_a_server_that_comes_back_is_asked_again() -> None:
    service = FakeService().add(running(1))

    def dies() -> None:
        service.add(ended(1))
        raise Unavailable("gone")

    service.story = [dies]
    cli = Cli(service)
    assert cli("wait", "1").exit_code == 0
    assert cli.wiring.connects == 1, "a server that went away is not started again by who waits"


def test_more_jobs_than_are_watched_at_a_time() -> None:
    service = FakeService().add(*(running(number) for number in range(1, 501)))
    service.story = [lambda: service.add(*(ended(number) for number in range(1, 501)))]
    cli = Cli(service)
    assert cli("wait", "1-500").exit_code == 0
    assert max(len(query.selectors) for query in cli.service.queries) == 1


def test_no_such_job() -> None:
    assert Cli()("wait", "9").exit_code == 2
