"""A paused job, whatever dies around it: it stands still until somebody resumes it, and nobody forgets that."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runyard.model.checkpoint import Checkpoint
from runyard.model.spec import Retry
from runyard.runtime import family
from tests.harness import processes
from tests.harness.yard import Bell, Gate, Yard

TICKS = "echo $$ > bell; while :; do echo x >> ticks; sleep 0.02; done"
QUIET = 8
"""So many looks in a row at which nothing has been added."""


class Ticking:
    """A job that writes all the time, unless it stands still."""

    def __init__(self, yard: Yard, bell: Bell) -> None:
        self.yard = yard
        self.ticks = Path(yard.out, "ticks")
        (self.job,) = yard.submit(yard.sh(TICKS, grace_s=0.1))
        self.pid = int(bell.wait()[0])
        yard.running(self.job)
        yard.when("a tick", self.ticks.exists)

    def pause(self) -> None:
        assert self.yard.service.pause((self.job,)).changed == (self.job,)

    def stands_still(self) -> None:
        sizes: list[int] = []

        def quiet() -> bool:
            sizes.append(self.ticks.stat().st_size)
            return len(sizes) > QUIET and len(set(sizes[-QUIET:])) == 1

        self.yard.when("a standstill", quiet)
        assert self.yard.row(self.job).word == "paused"
        assert processes.alive(self.pid)

    def goes_on(self) -> None:
        """It is resumed, as the same attempt, and stopped."""
        size = self.ticks.stat().st_size
        assert self.yard.service.resume((self.job,)).changed == (self.job,)
        self.yard.when("more ticks", lambda: self.ticks.stat().st_size > size)
        (row,) = self.yard.rows(str(self.job))
        assert (row.word, row.attempt, row.pid) == ("running", 1, self.pid)
        self.yard.ry("stop", str(self.job))
        assert self.yard.done(self.job)[0].word == "cancelled"


@pytest.fixture
def ticking(yard: Yard, bell: Bell) -> Ticking:
    return Ticking(yard, bell)


class TestWhilePaused:
    def test_the_agent_is_killed(self, ticking: Ticking) -> None:
        ticking.pause()
        ticking.stands_still()
        before = ticking.yard.agent
        ticking.yard.kill_agent()
        ticking.yard.until("another agent", lambda: ticking.yard.agent_pid() not in (before, None))
        ticking.stands_still()
        ticking.goes_on()

    def test_the_server_is_killed(self, ticking: Ticking) -> None:
        ticking.pause()
        ticking.stands_still()
        ticking.yard.restart()
        ticking.stands_still()
        ticking.goes_on()

    def test_both_are_killed_and_the_zygote(self, ticking: Ticking) -> None:
        yard = ticking.yard
        ticking.pause()
        ticking.stands_still()
        for pid in (yard.server, yard.agent, *yard.named("ry-zygote")):
            processes.kill(pid)
        yard.start()
        ticking.stands_still()
        ticking.goes_on()

    def test_its_runner_is_killed(self, ticking: Ticking) -> None:
        """Nobody is left standing still for ever."""
        ticking.pause()
        ticking.stands_still()
        processes.kill(ticking.yard.runner(ticking.pid))
        (row,) = ticking.yard.done(ticking.job)
        assert (row.word, row.reason) == ("lost", "the runner died")
        assert processes.ended(ticking.pid)

    def test_it_is_stopped_while_the_agent_is_away(self, ticking: Ticking) -> None:
        ticking.pause()
        ticking.stands_still()
        ticking.yard.kill_agent()
        ticking.yard.ry("stop", str(ticking.job))
        assert ticking.yard.done(ticking.job)[0].word == "cancelled"


class TestBeforeAnybodyHasHeardOfIt:
    """The pause is recorded; who was to be told dies."""

    @pytest.mark.parametrize("dies", ["agent", "both"])
    def test_it_is_told_to_the_next(self, ticking: Ticking, dies: str) -> None:
        yard, agent = ticking.yard, ticking.yard.agent
        processes.send(agent, signal.SIGSTOP)
        ticking.pause()
        if dies == "both":
            yard.kill_server()
        processes.kill(agent)
        if dies == "both":
            yard.start()
        ticking.stands_still()
        ticking.goes_on()

    def test_a_runner_that_somebody_has_stopped_hears_it_when_it_is_woken(self, ticking: Ticking) -> None:
        runner = ticking.yard.runner(ticking.pid)
        processes.send(runner, signal.SIGSTOP)
        ticking.pause()
        processes.send(runner, signal.SIGCONT)
        ticking.stands_still()
        ticking.goes_on()


def test_a_new_time_limit_is_told_to_the_next_agent_too(yard: Yard, bell: Bell, gates: Callable[[str], Gate]) -> None:
    gates("gate")
    (job,) = yard.submit(yard.sh("echo >> bell; read x < gate", time_limit_s=1_000.0))
    bell.wait()
    yard.running(job)
    agent = yard.agent
    processes.send(agent, signal.SIGSTOP)
    assert yard.ry("edit", str(job), "--set", "time=1s").code == 0
    processes.kill(agent)
    assert yard.done(job)[0].word == "timeout"


class TestPorts:
    def test_those_of_living_jobs_are_kept_by_the_next_agent(
        self, yard: Yard, bell: Bell, gates: Callable[[str], Gate]
    ) -> None:
        gate = gates("gate")
        spec = replace(yard.sh("echo $RUNYARD_PORTS >> bell; read x < gate"), ports=2)
        first = yard.submit(spec)
        held = bell.wait()
        yard.running(*first)
        before = yard.agent
        yard.kill_agent()
        yard.until("another agent", lambda: yard.agent_pid() not in (before, None))
        second = yard.submit(spec, spec)
        held += bell.wait(2)
        ports = [port for line in held for port in line.split(",")]
        assert len(set(ports)) == 6
        gate.open(3)
        yard.done(*first, *second)


def test_a_checkpoint_goes_when_its_job_has_ended_and_its_output_is_collected(
    make_yard: Callable[..., Yard],
) -> None:
    yard = make_yard(keep_runs_days=0)
    yard.start()
    text = "cd $RUNYARD_CHECKPOINT_DIR; cat kept && exit 0; echo x > kept; pwd; exit 1"
    spec = replace(yard.sh(text), checkpoint=Checkpoint(directory=True), retry=Retry(1, backoff_s=3_600.0))
    (job,) = yard.submit(spec)
    yard.until("another try", lambda: yard.row(job).attempt == 1 and yard.row(job).word == "waiting")
    where = Path(yard.service.output(job, 1, 0, 1_000).data.decode().split()[-1])
    yard.when("the collection of its output", lambda: yard.service.clean())
    assert (where / "kept").exists(), "it is to be tried again"
    yard.ry("stop", str(job))
    yard.service.clean()
    assert not where.exists()


def test_a_checkpoint_outlives_a_runner(yard: Yard, bell: Bell, gates: Callable[[str], Gate]) -> None:
    """Lost, and tried again: the next attempt finds what the first has left."""
    gates("gate")
    text = (
        "cd $RUNYARD_CHECKPOINT_DIR; cat kept && exit 0; echo $RUNYARD_ATTEMPT > kept; cd -;"
        " echo $$ > bell; read x < gate"
    )
    spec = replace(yard.sh(text, on_lost="requeue"), checkpoint=Checkpoint(directory=True))
    (job,) = yard.submit(spec)
    pid = int(bell.wait()[0])
    yard.running(job)
    processes.kill(yard.runner(pid))
    (row,) = yard.done(job)
    assert (row.word, row.attempt) == ("succeeded", 2)
    assert yard.service.output(job, 2, 0, 100).data == b"1\n"
    assert family.identity(pid) is None
