"""`logs`, `tail`, `head` and `grep`."""

from __future__ import annotations

import pytest

from runyard.api import Chunk
from runyard.errors import NotFound
from tests.unit.cli.fake import Cli, FakeService, ended, row, running

TEXT = b"".join(b"line %d\n" % number for number in range(1, 21))


def cli_with(*outputs: bytes) -> Cli:
    service = FakeService()
    for number, output in enumerate(outputs, 1):
        service.add(ended(number, name=f"train{number}"))
        service.outputs[(number, 1)] = output
    return Cli(service)


def test_logs_in_a_pipe_are_the_bytes() -> None:
    noise = bytes(range(256)) * 4_000
    assert cli_with(noise)("logs", "1").stdout_bytes == noise


def test_logs_default_to_my_last_job() -> None:
    assert cli_with(b"old\n", b"new\n").ok("logs") == "new\n"


@pytest.mark.parametrize("alias", ["logs", "log", "cat"])
def test_aliases(alias: str) -> None:
    assert cli_with(b"x\n").ok(alias, "train1") == "x\n"


def test_a_terminal_sees_colours_and_nothing_else() -> None:
    text = b"\x1b[31mred\x1b[0m \x1b]0;owned\x07title \x1b[2Jclear \x9b c1"
    assert cli_with(text).ok("logs", terminal=True) == "\x1b[31mred\x1b[0m title clear \ufffd c1\x1b[0m"
    assert cli_with(text)("logs", "--raw", terminal=True).stdout_bytes == text


@pytest.mark.parametrize(
    ("args", "first", "last"),
    [
        ("tail 1", 11, 20),
        ("tail -3 1", 18, 20),
        ("tail -n 3 1", 18, 20),
        ("logs -n 2 1", 19, 20),
        ("head 1", 1, 10),
        ("head -2 1", 1, 2),
    ],
)
def test_parts(args: str, first: int, last: int) -> None:
    expected = "".join(f"line {number}\n" for number in range(first, last + 1))
    assert cli_with(TEXT).ok(*args.split()) == expected


def test_several_jobs_have_headings() -> None:
    assert cli_with(b"a\n", b"b\n").ok("tail", "1-2") == "==> 1 (train1) <==\na\n\n==> 2 (train2) <==\nb\n"


def test_an_earlier_attempt() -> None:
    cli = cli_with()
    cli.service.add(ended(1, attempt=2))
    cli.service.outputs = {(1, 1): b"first\n", (1, 2): b"second\n"}
    assert cli.ok("logs", "1.1") == "first\n"
    assert cli.ok("logs", "1") == "second\n"
    assert cli.ok("logs", "job1.1") == "first\n"
    assert cli.ok("tail", "1", "job1.1").endswith("first\n")
    cli.service.add(ended(2, name="job1.1"))
    cli.service.outputs[2, 1] = b"another\n"
    assert cli.ok("logs", "job1.1") == "another\n", "a name goes first"
    assert "no job" in cli("logs", "other.1").stderr


def test_following_goes_to_the_end_of_the_job() -> None:
    service = FakeService().add(row(1))
    cli = Cli(service)

    def starts() -> None:
        service.add(running(1))
        service.outputs[(1, 1)] = b"one\n"

    def writes() -> None:
        service.outputs[(1, 1)] += b"two\n"

    def ends() -> None:
        service.outputs[(1, 1)] += b"three\n"
        service.add(ended(1))

    service.story = [starts, writes, ends]
    assert cli.ok("logs", "-f", "1") == "one\ntwo\nthree\n"


def test_tail_follows_after_the_last_lines() -> None:
    service = FakeService(outputs={(1, 1): b"a\nb\nc\n"}).add(running(1))

    def ends() -> None:
        service.outputs[(1, 1)] += b"d\n"
        service.add(ended(1))

    service.story = [ends]
    assert Cli(service).ok("tail", "-1", "-f", "1") == "c\nd\n"


def test_head_follows_until_it_has_enough() -> None:
    service = FakeService(outputs={(1, 1): b"a\n"}).add(running(1))

    def writes() -> None:
        service.outputs[(1, 1)] += b"b\nc\n"

    service.story = [writes]
    assert Cli(service).ok("head", "-2", "-f", "1") == "a\nb\n"


def test_only_one_job_is_followed() -> None:
    assert cli_with(b"", b"")("tail", "-f", "1-2").exit_code == 2


def test_a_job_that_has_not_started() -> None:
    result = Cli(FakeService().add(row(1)))("logs", "1")
    assert (result.exit_code, result.stderr) == (1, "ry: job 1 has not started yet: it is queued\n")


def test_a_follower_says_what_a_job_waits_for() -> None:
    service = FakeService(outputs={(1, 1): b"x\n"}).add(row(1, reason="1 CPU; 0 free", array_index=3))
    service.story = [
        lambda: None,  # the moment is over
        lambda: service.add(row(1, reason="another reason")),
        lambda: service.add(running(1)),
        lambda: service.add(ended(1)),
    ]
    result = Cli(service)("logs", "-f", "1")
    assert (result.exit_code, result.stdout) == (0, "x\n")
    assert result.stderr == "ry: job 1 (job1[3]) is queued: 1 CPU; 0 free\n", "once"


def test_a_follower_is_silent_about_what_starts_at_once() -> None:
    service = FakeService(outputs={(1, 1): b"", (1, 2): b""}).add(row(1))
    service.story = [
        lambda: service.add(running(1)),
        lambda: service.add(row(1, attempt=1, reason="attempt 1 ended failed")),
        lambda: None,
        lambda: None,
        lambda: service.add(ended(1, attempt=2)),
    ]
    assert "is queued" not in Cli(service)("logs", "-f", "1").stderr


def test_a_follower_says_how_a_held_job_is_released() -> None:
    service = FakeService(outputs={(1, 1): b""}).add(row(1, word="held"))
    service.story = [lambda: None, lambda: service.add(running(1)), lambda: service.add(ended(1))]
    assert Cli(service)("logs", "-f", "1").stderr == "ry: job 1 (job1) is held; `ry release 1` lets it go\n"


def test_grep_is_found_or_not() -> None:
    cli = cli_with(TEXT, b"other\n")
    assert cli.ok("grep", "line 7", "1") == "line 7\n"
    assert cli("grep", "nothing", "1").exit_code == 1
    assert cli("grep", "x", "9").exit_code == 2
    assert cli.ok("grep", "o", "1-2", "-i") == "2:other\n"
    assert cli("grep", "-c", "line", "1", "2").stdout == "1:20\n2:0\n"


def test_grep_on_a_terminal_is_tame() -> None:
    assert cli_with(b"x\x1b]0;t\x07\n").ok("grep", "x", "1", terminal=True) == "x\n"


def test_an_output_that_is_not_there_yet_is_waited_for() -> None:
    service = FakeService().add(running(1))
    real, calls = service.output, iter([NotFound("it has not begun")])

    def output(job_id: int, number: int, offset: int, length: int) -> Chunk:
        for error in calls:
            raise error
        return real(job_id, number, offset, length)

    service.output = output  # type: ignore[method-assign]
    service.outputs[(1, 1)] = b"x\n"
    service.story = [lambda: service.add(ended(1))]
    assert Cli(service).ok("logs", "-f", "1") == "x\n"
