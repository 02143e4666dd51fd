"""logs, tail, head and grep: of jobs that run and of jobs that have ended, in a pipe."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.acceptance.typist import Typist, read_until
from tests.harness.yard import Bell, Gate

TEXT = "".join(f"line {n}\n" for n in range(1, 21))
WRITE = "for n in $(seq 20); do echo line $n; done"


@pytest.fixture(params=["running", "ended"])
def job(request: pytest.FixtureRequest, ry: Typist, gate: Callable[[str], Gate], bell: Bell) -> str:
    """A job that has written twenty lines: it runs on, or has ended."""
    gate("door")
    made = ry.submit("-J", "lines", f"{WRITE}; echo > bell" + ("; read x < door" * (request.param == "running")))
    bell.wait()
    if request.param == "ended":
        ry.done(made)
    return str(made)


def lines(first: int, last: int) -> str:
    return "".join(f"line {n}\n" for n in range(first, last + 1))


def test_how_much(ry: Typist, job: str) -> None:
    for words, text in {
        ("logs", job): TEXT,
        ("log",): TEXT,
        ("cat", job): TEXT,
        ("logs", "-n", "2", job): lines(19, 20),
        ("logs", job, "-2"): lines(19, 20),
        ("tail", job): lines(11, 20),
        ("tail", "-5", job): lines(16, 20),
        ("tail", job, "-5"): lines(16, 20),
        ("tail", "-n", "0", job): "",
        ("tail", "-500", job): TEXT,
        ("head",): lines(1, 10),
        ("head", "-3", job): lines(1, 3),
        ("head", "-n", "3", f"{job}.1"): lines(1, 3),
        ("head", "-f", "-n", "3", job): lines(1, 3),
    }.items():
        assert ry.ok(*words) == text, words


def test_grep(ry: Typist, job: str) -> None:
    for words, text in {
        ("line 2", job): "line 2\nline 20\n",
        ("-n", "^line 7$", job): "7:line 7\n",
        ("-i", "LINE 7", job): "line 7\n",
        ("-v", "1", job): "".join(f"line {n}\n" for n in (2, 3, 4, 5, 6, 7, 8, 9, 20)),
        ("-c", "line", job): "20\n",
        ("-c", "-v", "0", job): "18\n",
        ("-E", "line (3|4)$"): "line 3\nline 4\n",
        ("-A1", "line 5", job): "line 5\nline 6\n",
        ("-B", "1", "line 5", job): "line 4\nline 5\n",
        ("-C", "1", "-n", "line 5", job): "4-line 4\n5:line 5\n6-line 6\n",
        ("-in", "Line 20", job): "20:line 20\n",
        ("--", "-x", job): None,
        ("nothing", job): None,
    }.items():
        ended = ry("grep", *words)
        assert (ended.code, ended.out) == ((1, "") if text is None else (0, text)), words
    assert ry("grep", "-c", "nothing", job).out == "0\n"
    broken = ry("grep", "[", job)
    assert (broken.code, broken.out) == (2, "") and "regular expression" in broken.err


def test_several_jobs(ry: Typist) -> None:
    one, two = ry.run("-J", "tale", "echo a; echo b").id, ry.run("-J", "tale", "printf 'b'").id
    held = ry.submit("--hold", "-J", "tale", "--", "true")
    told = ry.ok("tail", "-1", "tale")
    assert told == f"==> {one} (tale) <==\nb\n\n==> {two} (tale) <==\nb\n==> {held} (tale) <==\n"
    assert ry.ok("grep", "b", str(one), str(two)) == f"{one}:b\n{two}:b\n"
    absent = ry.run("-J", "absent", "--", "no-such-program").id
    found = ry("grep", "b", str(one), str(absent), str(two))
    assert (found.code, found.out) == (0, f"{one}:b\n{two}:b\n") and f"job {absent} never started" in found.err
    assert ry.ok("grep", "-c", "b", str(one), str(two)) == f"{one}:1\n{two}:1\n"
    assert ry.ok("grep", "-n", "b", "tale") == f"{one}:2:b\n{two}:1:b\n"


def test_follow(ry: Typist, gate: Callable[[str], Gate]) -> None:
    door = gate("door")
    job = ry.submit("echo one; read x < door; echo two; read x < door; printf three")
    with ry.begin("logs", "-f", str(job)) as all_of_it, ry.begin("tail", "-f", "-n", "1", str(job)) as end_of_it:
        for follower in (all_of_it, end_of_it):
            read_until(follower, b"one\n")
        door.open()
        for follower in (all_of_it, end_of_it):
            read_until(follower, b"two\n")
        door.open()
        for follower in (all_of_it, end_of_it):
            assert read_until(follower, b"three") == b"three"
            assert follower.wait(30) == 0, "the job has ended, so has this"


def test_follow_what_has_not_begun(ry: Typist) -> None:
    job = ry.submit("--hold", "--", "echo", "hello")
    with ry.begin("logs", "-f", str(job)) as following:
        ry.ok("release", str(job))
        assert read_until(following, b"hello\n") == b"hello\n"
        assert following.wait(30) == 0


def test_follow_over_the_tries(ry: Typist, gate: Callable[[str], Gate]) -> None:
    door = gate("door")
    job = ry.submit("--retries", "1", "echo try $RUNYARD_ATTEMPT; test $RUNYARD_ATTEMPT = 2 || ! read x < door")
    with ry.begin("logs", "-f", str(job)) as following:
        assert read_until(following, b"try 1\n") == b"try 1\n"
        door.open()
        assert read_until(following, b"try 2\n") == b"try 2\n"
        assert following.wait(30) == 0


def test_head_that_waits_for_its_lines(ry: Typist, gate: Callable[[str], Gate]) -> None:
    door = gate("door")
    job = ry.submit("echo one; read x < door; echo two; echo three; read x < door")
    with ry.begin("head", "-f", "-2", str(job)) as waiting:
        read_until(waiting, b"one\n")
        door.open()
        assert read_until(waiting, b"two\n") == b"two\n"
        assert waiting.wait(30) == 0, "although the job runs"


def test_one_job_at_a_time_is_followed(ry: Typist) -> None:
    first, second = ry.submit_many("-a", "1-2", "--hold", "--", "true")
    assert "one job at a time" in ry.refused("tail", "-f", str(first), str(second))


def test_bytes_are_untouched_in_a_pipe(ry: Typist) -> None:
    job = ry.run(r"printf '\xff\x00\033[2J\rback\n\303\251'").id
    written = "\udcff\0\x1b[2J\rback\né"
    for words in (("logs", str(job)), ("tail", str(job)), ("head", str(job))):
        assert ry.ok(*words) == written
    assert ry.ok("grep", "", str(job)) == written + "\n", "as grep itself ends a last line"


def test_errors_and_output_come_in_their_order(ry: Typist) -> None:
    job = ry.run("echo 1; echo 2 >&2; echo 3").id
    assert ry.ok("logs", str(job)) == "1\n2\n3\n"


def test_what_has_not_begun(ry: Typist) -> None:
    job = ry.submit("--hold", "--", "true")
    assert f"job {job} has not started yet" in ry.refused("logs", str(job), code=1)
    assert "has not started yet" in ry.refused("tail", str(job), code=1)


def test_what_never_began(ry: Typist) -> None:
    job = ry.run("--", "no-such-program").id
    assert "never started" in (told := ry.refused("logs", str(job), code=1)) and "command not found" in told
    skipped = ry.submit("-d", str(job), "--", "true")
    ry.done(skipped)
    assert "never started, so it has no output: it is skipped" in ry.refused("logs", str(skipped), code=1)
    shown = ry("logs", str(job), str(skipped), str(ry.run("echo hello").id))
    assert (shown.code, "hello\n" in shown.out) == (1, True), "the others are shown"


def test_a_follower_outlives_the_server(ry: Typist, gate: Callable[[str], Gate]) -> None:
    """Who stops the server stops no job and no reader: the next server serves it."""
    door = gate("door")
    job = ry.submit("echo one; read x < door; echo two")
    with ry.begin("logs", "-f", str(job)) as following, ry.begin("wait", str(job)) as waiting:
        read_until(following, b"one\n")
        ry.ok("server", "stop")
        ry.ok("server", "start")
        door.open()
        assert read_until(following, b"two\n") == b"two\n"
        assert (following.wait(30), waiting.wait(30)) == (0, 0)


def test_a_slow_reader_of_a_short_pipe(ry: Typist) -> None:
    job = ry.run("seq 1 200000").id
    with ry.begin("logs", str(job)) as reading:
        assert reading.stdout is not None
        first = reading.stdout.readline()
        last = subprocess.run(["tail", "-n", "1"], stdin=reading.stdout, capture_output=True, timeout=60, check=True)
        assert (first, last.stdout) == (b"1\n", b"200000\n")
