"""The tables of docs/exit-codes.md, each line of them brought about."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.typist import Typist
from tests.harness import processes
from tests.harness.yard import Bell

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exit-codes.md"

Make = Callable[[Typist, Bell], int]
"""Submits a job that will end so; its id."""


def _lost(ry: Typist, bell: Bell) -> int:
    job = ry.submit("echo $$ > bell; exec sleep 600")
    processes.kill(processes.parent(int(bell.wait()[0])))
    return job


def _cancelled(ry: Typist, bell: Bell) -> int:
    job = ry.submit("echo > bell; exec sleep 600")
    bell.wait()
    ry.ok("stop", str(job))
    return job


def _skipped(ry: Typist, bell: Bell) -> int:
    return ry.submit("-d", str(ry.submit("--", "false")), "--", "true")


ENDS: dict[str, tuple[Make, int]] = {
    "succeeded": (lambda ry, bell: ry.submit("--", "true"), 0),
    "failed": (lambda ry, bell: ry.submit("exit 7"), 7),
    "killed": (lambda ry, bell: ry.submit("kill -SEGV $$"), 139),
    "timeout": (lambda ry, bell: ry.submit("-t", "0.1s", "--", "sleep", "600"), 124),
    "cancelled": (_cancelled, 130),
    "lost": (_lost, 70),
    "skipped": (_skipped, 71),
    "not-started": (lambda ry, bell: ry.submit("--", "no-such-program"), 127),
}
"""Outcome: how to bring it about, and the exit code. (oom has a test of its own in test_limits.)"""


def table() -> dict[str, str]:
    """The first table of the page: outcome and code, as written."""
    return dict(re.findall(r"^\| `([a-z-]+)` \| ([^|]+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_outcome_of_the_page_is_tried() -> None:
    assert set(table()) == {*ENDS, "oom"}
    for outcome, (_, code) in ENDS.items():
        written = table()[outcome]
        assert not written.isdecimal() or int(written) == code, outcome


@pytest.mark.parametrize("outcome", ENDS)
def test_wait(ry: Typist, bell: Bell, outcome: str) -> None:
    make, code = ENDS[outcome]
    job = make(ry, bell)
    assert ry("wait", str(job)).code == code
    ended = ry("wait", "--json", str(job))
    told = json.loads(ended.out)
    assert (ended.code, told["outcome"], told["ry_exit_code"]) == (code, outcome, code)
    assert told["exit_code"] == ry.row(job).exit_code


@pytest.mark.parametrize(
    ("words", "code", "own"),
    [
        (("--", "true"), 0, 0),
        (("exit 7",), 7, 7),
        (("exit 255",), 255, 255),
        (("kill -TERM $$",), 143, 143),
        (("-t", "0.1s", "--", "sleep", "600"), 124, 143),
        (("--", "no-such-program"), 127, None),
    ],
)
def test_run(ry: Typist, words: tuple[str, ...], code: int, own: int | None) -> None:
    ended = ry("run", "--json", *words)
    told = json.loads(ended.out)
    assert (ended.code, told["ry_exit_code"], told["exit_code"]) == (code, code, own)


def test_run_of_what_is_skipped_and_of_what_is_lost(ry: Typist, bell: Bell) -> None:
    first = ry.submit("--", "false")
    assert ry("run", "-d", str(first), "--", "true").code == 71
    with ry.begin("run", "echo $$ > bell; exec sleep 600") as running:
        processes.kill(processes.parent(int(bell.wait()[0])))
        assert running.wait(30) == 70


def test_run_tells_apart_its_output_and_its_words(ry: Typist) -> None:
    ended = ry("run", "echo out; echo err >&2; exit 5")
    assert ended.out == "out\nerr\n"
    assert "failed (exit code 5)" in ended.err
    ended = ry("run", "--json", "echo out; exit 5")
    assert "out" in ended.err and json.loads(ended.out)["exit_code"] == 5


def test_several(ry: Typist) -> None:
    good, bad = ry.submit("--", "true"), ry.submit("exit 9")
    assert ry("wait", str(good), str(good)).code == 0
    ended = ry("wait", str(good), str(bad), "--json")
    told = json.loads(ended.out)
    assert (ended.code, told["ry_exit_code"]) == (1, 1)
    assert [job["ry_exit_code"] for job in told["jobs"]] == [0, 9]


def test_a_wait_that_runs_out(ry: Typist) -> None:
    job = ry.submit("--hold", "--", "true")
    ended = ry("wait", str(job), "--timeout", "0.1")
    assert ended.code == 75 and "not ended yet" in ended.err
    assert ry("wait", str(job), "--timeout", "0.1", "--json").code == 75


def test_interrupted_where_nobody_can_be_asked(ry: Typist, bell: Bell) -> None:
    """Ctrl-C stops the job: nobody would know of it any more. (On a terminal it asks: test_terminal.)"""
    with ry.begin("run", "echo > bell; exec sleep 600") as running:
        bell.wait()
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
    assert ry.yard.rows("@")[0].outcome == "cancelled"


def test_a_wait_that_is_interrupted(ry: Typist) -> None:
    job = ry.submit("exec sleep 600")
    ry.yard.running(job)
    with ry.begin("wait", str(job)) as waiting:
        ry.yard.when("the wait", lambda: _waits(waiting.pid))
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(30) == 130
    assert ry.row(job).word == "running"


def _waits(pid: int) -> bool:
    """Whether it has a connection and sleeps."""
    talks = any(target.startswith("socket:") for target in processes.descriptors(pid))
    return talks and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def test_grep(ry: Typist) -> None:
    job = str(ry.run("echo found").id)
    held = str(ry.submit("--hold", "--", "true"))
    assert [ry("grep", *words).code for words in ((("found"), job), ("nothing", job), ("[", job), ("x", held))] == [
        0, 1, 2, 2,
    ]  # fmt: skip


def test_no_server(ry: Typist, tmp_path: Path) -> None:
    ended = ry("server", "status", RUNYARD_HOME=str(tmp_path / "none"))
    assert ended.code == 69 and "no server runs" in ended.err
    assert not (tmp_path / "none").exists(), "status starts none"


def test_a_pipe_whose_reader_has_gone(ry: Typist, tmp_path: Path) -> None:
    job = ry.run("seq 1 100000").id
    with ry.begin("logs", str(job)) as reading:
        assert reading.stdout is not None
        reading.stdout.read(10)
        reading.stdout.close()
        assert reading.wait(30) == 141
        assert reading.stderr is not None
        assert reading.stderr.read() == b"", "nobody complains"


def test_a_run_whose_reader_has_gone(ry: Typist) -> None:
    with ry.begin("run", "-c0", "seq 1 1000000; exec sleep 600") as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.read(10)
        running.stdout.close()
        assert running.wait(30) == 141
        job = ry.yard.rows("@")[0]
        assert f"ry: job {job.id} runs on; `ry stop {job.id}` stops it" in running.stderr.read().decode()
    assert job.word in ("starting", "running")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_ended(ry: Typist, bell: Bell, number: int) -> None:
    with ry.begin("run", "-c0", "echo > bell; exec sleep 600") as running:
        assert running.stderr is not None and running.stderr.readline().startswith(b"job ")
        bell.wait()
        running.send_signal(number)
        assert running.wait(30) == -number, "as if nothing had been said"
        job = ry.yard.rows("@")[0]
        assert f"ry: job {job.id} runs on" in running.stderr.read().decode()
    assert job.word in ("starting", "running")


@pytest.mark.parametrize("verb", ["stop", "kill", "hold", "release"])
def test_changes(ry: Typist, verb: str) -> None:
    done, held = ry.run("--", "true").id, ry.submit("--hold", "--", "true")
    ends = verb in ("stop", "kill")
    assert ry(verb, str(done)).code == (0 if ends else 1), "it has ended, which is what an end is for"
    assert ry(verb, "no-such-*", "--yes").code == 0, "nothing to change"
    ended = ry(verb, str(done), str(held), "--json")
    assert (ended.code, json.loads(ended.out)["changed"]) == (0 if ends else 1, [held])
