"""`why` says what is missing, who holds it, what comes first, and from when on it may start."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from tests.acceptance.typist import Typist
from tests.harness.yard import Bell, Gate

GRACE_S = 10
"""What a job has by default after its time limit."""
CLOCK = r"((\w{3} )?\d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d)"


@pytest.fixture
def one_at_a_time(ry: Typist) -> Typist:
    ry.ok("queue", "add", "one", "--parallel", "1")
    return ry


def test_who_holds_what_is_missing_and_who_comes_first(
    one_at_a_time: Typist, gate: Callable[[str], Gate], bell: Bell
) -> None:
    ry = one_at_a_time
    gate("door")
    first = ry.submit("-q", "one", "-J", "holder", "echo > bell; read x < door")
    bell.wait()
    ry.submit("-q", "one", "--", "true")
    third = ry.submit("-q", "one", "--", "true")
    told = ry.json("why", str(third))
    assert (told["code"], told["before"], told["blockers"]) == ("queue-limit", 1, [first])
    assert ry.ok("why", str(third)).startswith(f"job {third}: Queue one runs 1 of 1")
    assert f"held by job {first} (holder, running)" in told["sentence"]
    assert "1 job of its queue comes first" in told["sentence"]
    assert told["starts_from"] is None, "nobody knows how long the first one takes"
    assert "may start" not in ry.ok("why", str(third))
    (row,) = ry.json("ls", str(third))
    assert row["reason"] and row["reason"] in ry.ok("ls", str(third))


def test_an_estimate_from_time_limits(one_at_a_time: Typist, bell: Bell) -> None:
    ry = one_at_a_time
    first = ry.submit("-q", "one", "-t", "2h", "echo > bell; exec sleep 600")
    bell.wait()
    second = ry.submit("-q", "one", "-t", "1h", "--", "true")
    third = ry.submit("-q", "one", "--", "true")
    started = ry.row(first).started_at
    assert started is not None
    told = ry.json("why", str(second))
    assert (told["basis"], told["starts_to"]) == ("time limits", pytest.approx(started + 7200 + GRACE_S, abs=5))
    assert told["starts_from"] == pytest.approx(time.time(), abs=60)
    assert ry.json("why", str(third))["starts_to"] == pytest.approx(started + 10800, abs=3 * GRACE_S)
    assert re.search(rf"It may start between {CLOCK} and {CLOCK}, from time limits\.", ry.ok("why", str(second)))


def test_an_estimate_from_earlier_runs(ry: Typist, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of a queue whose runs are not so brief that the next job is named ahead."""
    ry.ok("queue", "add", "steady", "--parallel", "1")
    words = ("-q", "steady", "-J", "usual", "--", "sh", "-c", "test -e long && exec sleep 600; sleep 0.5")
    for _ in range(3):
        ry.run(*words)
    (ry.directory / "long").touch()
    first = ry.submit(*words)
    ry.yard.running(first)
    told = ry.json("why", str(ry.submit("-q", "steady", "--", "true")))
    assert "3 earlier runs like it" in told["basis"]
    assert told["starts_from"] is not None and told["starts_to"] is not None


def test_words_for_every_state(ry: Typist) -> None:
    running = ry.submit("-c0", "-J", "runs", "exec sleep 600")
    ry.yard.running(running)
    held = ry.submit("--hold", "--", "true")
    after = ry.submit("-d", f"afterok:{running}:{held}", "--", "true")
    later = ry.submit("-b", "+1h", "--", "true")
    ended = ry.run("exit 3").id
    again = ry.submit("--retries", "1", "--backoff", "1h", "exit 3")
    ry.yard.until("the pause", lambda: ry.row(again).reason)
    for job, code, sentence in (
        (running, "running", "It is running."),
        (held, "held", f"A user holds it back; `ry release {held}` lets it go."),
        (after, "dependency", f"It waits for job {running} (runs, running), {held} (true, held)."),
        (later, "begin", "It begins later."),
        (ended, "failed", "It has ended: failed."),
        (again, "begin", "It was tried before (attempt 1 ended failed (exit code 3)) and waits for its next try."),
    ):
        told = ry.json("why", str(job))
        assert (told["code"], told["sentence"]) == (code, sentence)
    assert (
        f"It may start at about {time.strftime('%H:%M', time.localtime(ry.json('why', str(later))['starts_from']))}"
        in (ry.ok("why", str(later)))
    )


def test_too_large_for_now(ry: Typist, bell: Bell) -> None:
    (host,) = ry.yard.service.hosts()
    first = ry.submit("-J", "small", "echo > bell; exec sleep 600")
    bell.wait()
    big = ry.submit("-c", str(host.cpus), "--", "true")
    small = ry.submit("-t", "1h", "--", "true")
    free = host.cpus - 1
    assert f"{host.cpus} CPUs; {free} free; held by job {first} (small, running)" in ry.ok("why", str(big))
    assert f"job {big}" in ry.ok("why", str(small)), "the small one would make the big one wait: it is kept back"
