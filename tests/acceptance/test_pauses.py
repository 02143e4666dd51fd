"""Pause, resume, checkpoints, retries with other variables and ports, as they are typed."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.typist import Typist
from tests.harness.yard import Bell, Gate

TRAINS = """
import os, signal, sys, time
where = os.environ["RUNYARD_CHECKPOINT_DIR"]
done = len(os.listdir(where))
print(os.environ["RUNYARD_ATTEMPT"], os.environ.get("RUNYARD_RESUME", "-"), done, flush=True)
if done == 2:
    sys.exit(0)
def save(number, frame):
    open(os.path.join(where, f"epoch-{done}"), "w").close()
    sys.exit(85)
signal.signal(signal.SIGUSR1, save)
while True:
    time.sleep(0.05)
"""

TICKS = "while :; do echo x >> ticks; sleep 0.02; done"


def still(path: Path) -> int:
    """How long this file is when nothing is added for a while."""
    sizes = [-1]
    while len(sizes) < 6 or len(set(sizes[-6:])) > 1:
        time.sleep(0.03)
        sizes.append(path.stat().st_size)
    return sizes[-1]


class TestPause:
    def test_a_job_stands_still_and_goes_on(self, ry: Typist) -> None:
        job = ry.submit(TICKS)
        ry.yard.running(job)
        ticks = ry.directory / "ticks"
        ry.yard.when("a tick", ticks.exists)
        told = ry("pause", str(job))
        assert (told.code, told.out) == (0, f"job {job} paused\n")
        assert "memory and slot stay held" in told.err and "`ry resume`" in told.err
        size = still(ticks)
        assert ry.json("ls", "state:paused")[0]["id"] == job
        assert ry.row(job).word == "paused"
        assert "paused since" in ry.ok("show", str(job))
        assert ry("pause", str(job)).code == 0
        assert ry.ok("resume", "state:paused") == f"job {job} resumed\n"
        ry.yard.when("more ticks", lambda: ticks.stat().st_size > size)
        ry.ok("pause", str(job))
        ry.ok("stop", str(job))
        assert ry.done(job).word == "cancelled"
        assert "paused for" in ry.ok("show", str(job))

    def test_what_does_not_run_is_refused(self, ry: Typist) -> None:
        held = ry.submit("--hold", "--", "true")
        assert "only a job that runs" in ry.refused("pause", str(held), code=1)
        assert "hold keeps it back" in ry.refused("suspend", str(held), code=1)
        ended = ry.run("--", "true")
        assert "has ended already" in ry.refused("resume", str(ended.id), code=1)

    def test_dry_run_and_many(self, ry: Typist, gate: Callable[[str], Gate]) -> None:
        gate("gate")
        jobs = ry.submit_many("-a", "0-1", "-c0", "read x < gate")
        ry.yard.running(*jobs)
        selector = f"{jobs[0]}-{jobs[1]}"
        assert ry.json("pause", selector, "--dry-run") == {"would_pause": jobs}
        assert "confirm with --yes" in ry.refused("pause", selector)
        assert ry.json("pause", selector, "--yes")["changed"] == jobs
        assert ry.json("resume", selector, "--yes")["changed"] == jobs

    def test_the_time_limit_stands_still(self, ry: Typist) -> None:
        job = ry.submit("-t", "1s", "--grace", "0.1", TICKS)
        ry.yard.running(job)
        ry.ok("pause", str(job))
        time.sleep(1.2)
        assert ry.row(job).word == "paused"
        ry.ok("resume", str(job))
        assert ry.done(job).word == "timeout"

    def test_it_is_killed_from_outside(self, ry: Typist, bell: Bell) -> None:
        job = ry.submit("echo $$ > bell; exec sleep 1000")
        pid = bell.wait()[0]
        ry.yard.running(job)
        ry.ok("pause", str(job))
        ry.yard.when("a standstill", lambda: ry.json("show", str(job))["attempts"][0]["pause"])
        assert ry.output("--", "kill", "-KILL", pid) == ""
        assert (ry.done(job).word, ry.row(job).exit_code) == ("killed", 137)


class TestCheckpoints:
    @pytest.fixture
    def train(self, tmp_path: Path) -> list[str]:
        (tmp_path / "train_it.py").write_text(TRAINS)
        return [sys.executable, "train_it.py"]

    def test_a_training_in_parts(self, ry: Typist, train: list[str]) -> None:
        """Signal, exit code 85, the next attempt; no retry is spent."""
        job = ry.submit("-t", "10s", "--signal", "USR1@9", "--requeue-on-checkpoint", "--", *train)
        row = ry.done(job)
        assert (row.word, row.attempt) == ("succeeded", 3)
        told = [ry.ok("logs", f"{job}.{number}") for number in (1, 2, 3)]
        assert told == ["1 - 0\n", "2 1 1\n", "3 1 2\n"]
        shown = ry.ok("show", str(job))
        assert "USR1@9s" in shown
        assert shown.count("it made a checkpoint and asked to be run again") == 2
        ends = [event for event in ry.json("show", str(job))["events"] if event["kind"] == "ended"]
        assert [event["result"]["why"] for event in ends] == ["checkpoint", "checkpoint", ""]

    def test_attempts_without_a_new_checkpoint_end_it(self, ry: Typist) -> None:
        job = ry.submit(
            "--requeue-on-checkpoint", "--checkpoint-tries", "2", "--retries", "5", "--", "sh", "-c", "exit 85"
        )
        row = ry.done(job)
        assert (row.word, row.exit_code, row.attempt) == ("failed", 85, 2)
        assert "without a new checkpoint" in row.reason

    def test_nobody_gets_a_directory_unasked(self, ry: Typist) -> None:
        assert ry.output("echo ${RUNYARD_CHECKPOINT_DIR-none}") == "none\n"
        where = Path(ry.output("--checkpoint-dir", "ls -ld $RUNYARD_CHECKPOINT_DIR").split()[-1])
        assert where.is_dir() and where.stat().st_mode & 0o777 == 0o700
        assert where.is_relative_to(ry.yard.home.root)

    def test_a_failed_attempt_leaves_its_files_to_the_next(self, ry: Typist) -> None:
        text = "cd $RUNYARD_CHECKPOINT_DIR; cat kept && exit 0; echo from $RUNYARD_ATTEMPT > kept; exit 1"
        job = ry.submit("--checkpoint-dir", "--retries", "1", text)
        assert ry.done(job).word == "succeeded"
        assert ry.ok("logs", f"{job}.2") == "from 1\n"

    @pytest.mark.parametrize(
        ("flags", "why"),
        [
            (("--signal", "USR1@120"), "give --time"),
            (("--signal", "USR1@120", "-t", "60s"), "shorter"),
            (("--signal", "NOSUCH", "-t", "1h"), "no signal"),
            (("--checkpoint-tries", "0"), "from 1"),
            (("--retry-env", "BATCH"), "NAME=VALUE"),
            (("--ports", "9"), "from 0 to 8"),
        ],
    )
    def test_wrong_ones(self, ry: Typist, flags: tuple[str, ...], why: str) -> None:
        assert why in ry.refused("submit", *flags, "--", "true")


class TestOutOfMemory:
    def test_it_is_an_outcome_and_retries_get_other_variables(self, ry: Typist) -> None:
        text = "import os\nb = os.environ.get('BATCH', '32')\nif b != '8': raise MemoryError('batch ' + b)"
        hints = ("--retry-env", "oom:BATCH=16", "--retry-env", "oom:BATCH=8")
        job = ry.submit("--retries", "3", "--retry-on", "oom", *hints, "--", sys.executable, "-c", text)
        assert (ry.done(job).word, ry.row(job).attempt) == ("succeeded", 3)
        results = [attempt["placements"][0]["result"] for attempt in ry.json("show", str(job))["attempts"]]
        assert [result["detail"] for result in results] == ["MemoryError: batch 32", "MemoryError: batch 16", ""]
        assert "oom:BATCH=16" in ry.ok("show", str(job))

    def test_without_retries_it_is_the_end(self, ry: Typist) -> None:
        row = ry.run("--", sys.executable, "-c", "bytearray(1 << 62)")
        assert (row.word, row.exit_code, row.reason) == ("oom", 1, "MemoryError")
        assert ry("wait", str(row.id)).code == 1


class TestPorts:
    def test_each_job_has_its_own(self, ry: Typist, gate: Callable[[str], Gate]) -> None:
        doors = gate("gate")
        text = "echo $MASTER_ADDR $MASTER_PORT $RUNYARD_PORTS; read x < gate"
        jobs = ry.submit_many("-a", "0-2", "-c0", "--ports", "2", text)
        ry.yard.running(*jobs)
        held = [ry.json("show", str(job))["attempts"][0]["placements"][0]["ports"] for job in jobs]
        assert len({port for ports in held for port in ports}) == 6
        doors.open(3)
        ry.done(*jobs)
        for job, (first, second) in zip(jobs, held, strict=True):
            assert ry.ok("logs", str(job)) == f"127.0.0.1 {first} {first},{second}\n"

    def test_a_port_that_somebody_has_is_not_given(self, ry: Typist) -> None:
        """Whoever it is: here the ones that would come next."""
        first = int(ry.output("--ports", "1", "echo $MASTER_PORT"))
        with socket.create_server(("127.0.0.1", first + 1)):
            assert int(ry.output("--ports", "1", "echo $MASTER_PORT")) == first + 2

    def test_nobody_gets_one_unasked(self, ry: Typist) -> None:
        assert ry.output("echo ${MASTER_PORT-none} ${RUNYARD_PORTS-none}") == "none none\n"
