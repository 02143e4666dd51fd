"""Jobs do not depend on us: fifty of them outlive the server and the agent, and are found again as they are."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from runyard.api import JobRow
from runyard.model.spec import Resources
from tests.harness import processes
from tests.harness.history import History
from tests.harness.yard import Bell, Gate, Yard

JOBS = 50

STEPS = (
    "echo one; echo $RUNYARD_JOB_ID >> bell; read x < first;"
    " echo two; echo $RUNYARD_JOB_ID >> bell; read x < second;"
    " echo three; exit $((RUNYARD_ARRAY_INDEX % 7))"
)

ENDINGS = {
    "exit 0": ("succeeded", 0),
    "exit 3": ("failed", 3),
    "kill -SEGV $$": ("killed", 139),
    "kill -KILL $$": ("killed", 137),
}


def pids(rows: tuple[JobRow, ...]) -> dict[int, int | None]:
    return {row.id: row.pid for row in rows}


class Fifty:
    """Fifty jobs that write a line and wait at a gate, twice."""

    def __init__(self, yard: Yard, bell: Bell, gates: Callable[[str], Gate]) -> None:
        self.yard = yard
        self.bell = bell
        self.first, self.second = gates("first"), gates("second")
        specs = [yard.sh(STEPS, array_index=index) for index in range(JOBS)]
        self.ids = yard.submit(*specs)
        bell.wait(JOBS)
        self.before = pids(yard.running(*self.ids))
        self.runners = {job: yard.runner(pid) for job, pid in self.before.items() if pid is not None}
        assert len(set(self.before.values())) == JOBS and None not in self.before.values()

    def go_on(self) -> None:
        """To the second gate; they say so themselves."""
        self.first.open(JOBS)
        self.bell.wait(JOBS)

    def check(self) -> None:
        """They are the same, held by the same runners, and come to their true ends with all of their output."""
        assert pids(self.yard.running(*self.ids)) == self.before
        assert all(processes.alive(pid) for pid in self.before.values() if pid is not None)
        self.second.open(JOBS)
        rows = self.yard.done(*self.ids)
        assert [row.exit_code for row in rows] == [index % 7 for index in range(JOBS)]
        assert {row.attempt for row in rows} == {1}
        assert pids(tuple(self.yard.rows(*map(str, self.ids)))) == dict.fromkeys(self.ids)
        for job in self.ids:
            assert self.yard.service.output(job, 0, 0, 100).data == b"one\ntwo\nthree\n"
            assert self.yard.service.job(job).attempts[0].placements[0].pid == self.before[job]


@pytest.fixture
def fifty(yard: Yard, bell: Bell, gates: Callable[[str], Gate]) -> Fifty:
    return Fifty(yard, bell, gates)


class TestFiftyRunningJobs:
    def test_the_server_is_killed(self, fifty: Fifty) -> None:
        agent = fifty.yard.agent
        fifty.yard.kill_server()
        fifty.go_on()
        fifty.yard.start()
        fifty.check()
        assert fifty.yard.agent == agent

    def test_the_agent_is_killed(self, fifty: Fifty) -> None:
        before = fifty.yard.agent
        fifty.yard.kill_agent()
        fifty.go_on()
        fifty.yard.until("another agent", lambda: fifty.yard.agent_pid() not in (before, None))
        fifty.check()

    def test_both_are_killed_and_the_zygote(self, fifty: Fifty) -> None:
        yard = fifty.yard
        for pid in (yard.server, yard.agent, *yard.named("ry-zygote")):
            processes.kill(pid)
        fifty.go_on()
        yard.start()
        fifty.check()

    def test_the_server_is_stopped(self, fifty: Fifty) -> None:
        assert fifty.yard.ry("server", "stop").code == 0
        fifty.go_on()
        fifty.yard.start()
        fifty.check()


class TestEndsWhileNobodyLooks:
    """The runner saw it, and its file has it."""

    @pytest.fixture
    def jobs(self, yard: Yard, gates: Callable[[str], Gate]) -> tuple[tuple[int, ...], Gate]:
        gate = gates("gate")
        ids = yard.submit(*(yard.sh(f"read x < gate; {ending}") for ending in ENDINGS))
        yard.running(*ids)
        return ids, gate

    def end(self, yard: Yard, jobs: tuple[tuple[int, ...], Gate], besides: tuple[int, ...]) -> None:
        ids, gate = jobs
        living = [row.pid for row in yard.rows(*map(str, ids)) if row.pid]
        for pid in besides:
            processes.kill(pid)
        gate.open(len(living))
        assert len(living) == len(ENDINGS) and all(processes.ended(pid) for pid in living)

    def check(self, yard: Yard, ids: tuple[int, ...]) -> None:
        rows = yard.done(*ids)
        assert [(row.word, row.exit_code) for row in rows] == list(ENDINGS.values())
        assert {row.attempt for row in rows} == {1}
        sources = {yard.service.job(row.id).attempts[0].placements[0].result for row in rows}
        assert {result.source for result in sources if result} == {"runner"}

    def test_the_server_is_down(self, yard: Yard, jobs: tuple[tuple[int, ...], Gate]) -> None:
        self.end(yard, jobs, (yard.server,))
        yard.start()
        self.check(yard, jobs[0])

    def test_server_and_agent_are_down(self, yard: Yard, jobs: tuple[tuple[int, ...], Gate]) -> None:
        self.end(yard, jobs, (yard.server, yard.agent))
        yard.start()
        self.check(yard, jobs[0])

    def test_the_agent_is_down(self, yard: Yard, jobs: tuple[tuple[int, ...], Gate]) -> None:
        self.end(yard, jobs, (yard.agent,))
        self.check(yard, jobs[0])

    def test_nobody_of_ours_is_left(self, yard: Yard, jobs: tuple[tuple[int, ...], Gate]) -> None:
        """The runners go too, once they have nothing to hold; their records stay."""
        runners = {yard.runner(row.pid) for row in yard.rows(*map(str, jobs[0])) if row.pid}
        self.end(yard, jobs, (yard.server, yard.agent, *yard.named("ry-zygote")))
        assert all(processes.ended(runner) for runner in runners)
        yard.start()
        self.check(yard, jobs[0])


class TestTheRunDirectoriesAreRemoved:
    """By somebody, or by the job itself, and then the agent dies: the runner's word is all that there is."""

    @pytest.mark.parametrize("stopped", [False, True])
    def test_nothing_is_started_beside_it(
        self, yard: Yard, bell: Bell, gates: Callable[[str], Gate], stopped: bool
    ) -> None:
        gate = gates("gate")
        text = 'echo >> bell; rm -rf "$RUNYARD_HOME/runs"; echo >> bell; read x < gate; exit 3'
        (job,) = yard.submit(yard.sh(text, on_lost="requeue"))
        bell.wait(2)
        pid, agent = yard.running(job)[0].pid or 0, yard.agent
        processes.kill(agent)
        if stopped:
            processes.send(yard.runner(pid), signal.SIGSTOP)
        yard.until("another agent", lambda: yard.agent_pid() not in (agent, None))
        assert yard.run("true").word == "succeeded"
        assert pids(yard.running(job)) == {job: pid} and processes.alive(pid)
        gate.open()
        (row,) = yard.done(job)
        assert (row.word, row.exit_code, row.attempt) == ("failed", 3, 1)

    def test_its_runner_dies_too(self, yard: Yard, bell: Bell, gates: Callable[[str], Gate]) -> None:
        """It has started, and is never told as never started."""
        gates("gate")
        (job,) = yard.submit(yard.sh('echo >> bell; rm -rf "$RUNYARD_HOME/runs"; echo >> bell; read x < gate'))
        bell.wait(2)
        pid = yard.running(job)[0].pid or 0
        processes.kill(yard.runner(pid))
        (row,) = yard.done(job)
        assert (row.word, row.reason, row.attempt) == ("lost", "the runner died", 1)
        assert processes.ended(pid)


class TestTheRunnerIsKilled:
    """Nobody knows how its job would have ended."""

    FAMILY = (
        "(trap '' TERM; echo $$ >> pids; echo >> bell; read x < gate) & "
        "setsid sh -c 'echo $$ >> pids; echo >> bell; read x < gate' & "
        "echo $$ >> pids; echo >> bell; read x < gate"
    )

    def family(self, yard: Yard, bell: Bell, **fields: object) -> tuple[int, int, list[int]]:
        """A job with a family of three: its id, its pid, all pids."""
        (job,) = yard.submit(yard.sh(self.FAMILY, **fields))
        bell.wait(3)
        pid = yard.running(job)[0].pid
        assert pid is not None
        return job, pid, list(map(int, Path(yard.out / "pids").read_text().split()))

    def test_its_family_dies_and_the_job_is_lost(self, yard: Yard, bell: Bell, gates: Callable[[str], Gate]) -> None:
        gates("gate")
        job, pid, family = self.family(yard, bell)
        processes.kill(yard.runner(pid))
        (row,) = yard.done(job)
        assert (row.word, row.exit_code, row.reason) == ("lost", None, "the runner died")
        assert not any(processes.alive(member) for member in family)
        assert yard.status().running == ()

    def test_what_it_held_is_free_again(self, yard: Yard, bell: Bell, gates: Callable[[str], Gate]) -> None:
        gates("gate")
        whole = Resources(cpus=yard.cpus)
        job, pid, _ = self.family(yard, bell, resources=whole)
        (next_job,) = yard.submit(yard.sh("true", resources=whole))
        assert yard.row(next_job).state == "pending"
        processes.kill(yard.runner(pid))
        assert yard.done(job, next_job)[1].word == "succeeded"

    def test_requeue(self, yard: Yard, history: History, bell: Bell, gates: Callable[[str], Gate]) -> None:
        gate = gates("gate")
        text = history.recording("echo >> bell; read x < gate; exit 3")
        (job,) = yard.submit(yard.sh(text, on_lost="requeue"))
        bell.wait()
        processes.kill(yard.runner(yard.running(job)[0].pid or 0))
        bell.wait()
        gate.open()
        (row,) = yard.done(job)
        assert (row.word, row.exit_code, row.attempt) == ("failed", 3, 2)
        history.accepted.add(job)
        assert history.check() == {"failed": 1}

    def test_requeue_at_most_three_times(
        self, yard: Yard, history: History, bell: Bell, gates: Callable[[str], Gate]
    ) -> None:
        gates("gate")
        text = history.recording("echo >> bell; read x < gate")
        seen: set[int] = set()
        (job,) = yard.submit(yard.sh(text, on_lost="requeue"))
        for attempt in range(1, 5):
            bell.wait()
            (row,) = yard.until("the next attempt", lambda: [row for row in yard.running(job) if row.pid not in seen])
            assert row.attempt == attempt and row.pid is not None
            seen.add(row.pid)
            processes.kill(yard.runner(row.pid))
        (row,) = yard.done(job)
        assert (row.word, row.attempt) == ("lost", 4)
        assert history.check() == {"lost": 1}

    @pytest.mark.parametrize("together", ["runner", "runner-and-agent", "runner-and-server", "all"])
    def test_with_its_command_it_is_lost_not_failed(
        self, yard: Yard, bell: Bell, gates: Callable[[str], Gate], together: str
    ) -> None:
        """The runner sleeps when its command dies: so it cannot tell, as if both had died at once."""
        gates("gate")
        (job,) = yard.submit(yard.sh("echo >> bell; read x < gate"))
        bell.wait()
        pid = yard.running(job)[0].pid or 0
        runner = yard.runner(pid)
        also = {"agent": [yard.agent], "server": [yard.server], "all": [yard.server, yard.agent]}
        for other in also.get(together.rpartition("-")[2], []):
            processes.kill(other)
        processes.send(runner, signal.SIGSTOP)
        processes.send(pid)
        processes.send(runner)
        assert processes.ended(pid) and processes.ended(runner)
        if not yard.up:
            yard.start()
        (row,) = yard.done(job)
        assert (row.word, row.exit_code, row.reason) == ("lost", None, "the runner died")
