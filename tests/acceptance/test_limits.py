"""`-c` and `--mem`: accounted always, enforced where a control group can be made; `show` says which."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from runyard.agent.probe import limits
from tests.acceptance.typist import Typist
from tests.harness.yard import Bell, Gate

KEPT = limits()
GREEDY = "import sys; held = b'x' * (int(sys.argv[1]) << 20); print(len(held))"

enforced = pytest.mark.skipif("memory" not in KEPT, reason=f"no control group limits memory here ({KEPT})")


def test_show_says_how_limits_are_kept(ry: Typist) -> None:
    job = ry.run("-c", "1", "--mem", "100M", "--", "true").id
    shown = ry.ok("show", str(job))
    assert f"limits:       {KEPT}\n" in shown
    assert "1 cpu, 100M memory" in shown


@enforced
class TestMemory:
    def test_who_takes_more_is_killed(self, ry: Typist) -> None:
        ended = ry("run", "--mem", "60M", "--", sys.executable, "-c", GREEDY, "300")
        assert (ended.code, ended.out) == (137, "")
        assert "oom" in ended.err and "want of memory" in ended.err
        (row,) = ry.json("ls", "@")
        assert (row["outcome"], row["exit_code"]) == ("oom", 137)
        assert row["id"] in [found["id"] for found in ry.json("ls", "state:oom")]

    def test_so_is_a_grandchild_and_the_job_goes_on(self, ry: Typist) -> None:
        """What the command makes of it is the command's: it is not oom where that was not what ended it."""
        text = f'{sys.executable} -c "$0" 300; echo code $?'
        ended = ry("run", "--mem", "60M", "--", "sh", "-c", text, GREEDY)
        assert (ended.code, ended.out) == (0, "Killed\ncode 137\n")

    def test_who_stays_below_it_is_not(self, ry: Typist) -> None:
        assert ry("run", "--mem", "400M", "--", sys.executable, "-c", GREEDY, "100").code == 0

    def test_a_job_without_a_limit_after_one_with(self, ry: Typist) -> None:
        """Runners are used again; the limit of one job is not the next one's."""
        for _ in range(3):
            ry.run("--mem", "60M", "--", "true")
        assert ry("run", "--", sys.executable, "-c", GREEDY, "200").code == 0

    def test_it_can_be_tried_again(self, ry: Typist) -> None:
        text = f'test $RUNYARD_ATTEMPT = 2 || exec {sys.executable} -c "$0" 300'
        job = ry.submit("--mem", "60M", "--retries", "2", "--retry-on", "oom", "--", "bash", "-c", text, GREEDY)
        row = ry.done(job)
        assert (row.outcome, row.attempt) == ("succeeded", 2)


def test_cpus_are_accounted(ry: Typist, gate: Callable[[str], Gate], bell: Bell) -> None:
    """What jobs ask for, not what they use, is what others cannot have."""
    door = gate("door")
    (host,) = ry.yard.service.hosts()
    wide = ry.submit("-c", str(host.cpus), "-J", "wide", "echo > bell; read x < door")
    bell.wait()
    second = ry.submit("--", "true")
    assert ry.json("ls", str(second))[0]["word"] == "queued"
    assert f"1 CPU; 0 free; held by job {wide} (wide, running)" in ry.ok("why", str(second))
    free = ry.run("-c0", "--", "true")
    assert free.outcome == "succeeded", "who asks for none is not held up"
    door.open()
    ry.done(second)


def test_memory_is_accounted(ry: Typist, gate: Callable[[str], Gate], bell: Bell) -> None:
    door = gate("door")
    (host,) = ry.yard.service.hosts()
    first = ry.submit("-c0", "--mem", f"{host.memory_mb - 100}M", "echo > bell; read x < door")
    bell.wait()
    second = ry.submit("-c0", "--mem", "200M", "--", "true")
    assert "200 MB memory; 100 MB free" in ry.ok("why", str(second))
    door.open()
    ry.done(first, second)
