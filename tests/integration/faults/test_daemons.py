"""The daemons: one server to a home, one agent to an account, nothing of a job on them, nothing left in their way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from runyard.errors import Unavailable
from runyard.foreign import process
from runyard.wiring.home import agent_lock, pid_of
from tests.harness import processes
from tests.harness.commands import COMMAND_S
from tests.harness.yard import Bell, Gate, Yard, environment

STOP_MAX_S = 5.0
OF_A_JOB = ("RUNYARD_JOB_ID=", "RUNYARD_ATTEMPT=", "RUNYARD_TOKEN=", "RUNYARD_QUEUE=", "SECRET=")


def daemon(yard: Yard, module: str) -> subprocess.CompletedProcess[str]:
    """One of our processes, in the foreground of a test."""
    argv = [sys.executable, "-m", f"runyard.wiring.{module}"]
    return subprocess.run(argv, env=yard.environ, capture_output=True, text=True, timeout=COMMAND_S, check=False)


class TestOneOfEach:
    def test_a_second_server_refuses_and_names_the_first(self, yard: Yard) -> None:
        server = yard.server
        second = daemon(yard, "server")
        assert second.returncode == Unavailable.exit_code
        assert f"pid {server}" in second.stderr and "Traceback" not in second.stderr
        assert yard.server == server and yard.run("true").word == "succeeded"

    def test_a_second_agent_ends(self, yard: Yard) -> None:
        agent = yard.agent
        second = daemon(yard, "agent")
        assert second.returncode == 0 and "another agent" in second.stderr, second
        assert yard.agent == agent and yard.run("true").word == "succeeded"

    def test_many_first_verbs_at_once_start_one_server(self, make_yard: Callable[..., Yard]) -> None:
        yard = make_yard()
        asked = [
            subprocess.Popen(
                [Path(sys.executable).parent / "ry", "submit", "--", "true"],
                env=yard.environ, cwd=yard.out, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            )
            for _ in range(4)
        ]  # fmt: skip
        ids = [int(command.communicate(timeout=COMMAND_S)[0]) for command in asked]
        assert sorted(ids) == [1, 2, 3, 4]
        assert len(yard.named("ry-server")) == 1
        yard.done(*ids)

    def test_what_a_dead_server_left_is_no_obstacle(self, yard: Yard) -> None:
        """Its socket, its lock file (which names somebody who lives and has nothing to do with it), its agent's."""
        processes.kill(yard.server)
        yard.kill_agent()
        assert os.path.lexists(yard.home.server_socket)
        for name in ("server.lock", "agent.lock"):
            Path(yard.home.locks, name).write_text(f'{{"pid": {os.getpid()}, "version": "0"}}')
        yard.start()
        assert yard.run("true").word == "succeeded"

    def test_a_lock_file_that_says_nothing_sensible(self, yard: Yard) -> None:
        yard.kill_server()
        yard.kill_agent()
        for name in ("server.lock", "agent.lock"):
            Path(yard.home.locks, name).write_bytes(b"\xff\x00 rubbish")
        yard.start()
        assert yard.run("true").word == "succeeded"


class TestBornInAJob:
    """A server that the first verb of a job starts is not of that job."""

    def test_it_has_nothing_of_the_job_and_outlives_it(self, yard: Yard, make_yard: Callable[..., Yard]) -> None:
        inner = make_yard()
        blob = yard.service.put_blob(environment({**inner.environ, "SECRET": "x"}))
        (job,) = yard.submit(yard.sh(f"RUNYARD_HOME={inner.home.root} ry submit -- true", environment=blob))
        (row,) = yard.done(job)
        assert row.word == "succeeded", yard.service.output(job, 0, 0, 4096)
        assert inner.run("true").word == "succeeded"
        outer = {processes.parent(yard.server), *yard.named("ry-runner")}
        for pid in (inner.server, inner.agent):
            stat = process.read_stat(pid)
            assert stat is not None and stat.session == pid and stat.ppid not in outer
            assert not [entry for entry in process.environ(pid) if entry.decode().startswith(OF_A_JOB)]
            assert os.readlink(f"/proc/{pid}/cwd") == "/"

    def test_all_of_it_outlives_the_job_one_by_one(self, yard: Yard, make_yard: Callable[..., Yard]) -> None:
        """Whoever of it loses his parent comes to the outer yard, which leaves him alone."""
        inner = make_yard()
        blob = yard.service.put_blob(environment(inner.environ))
        text = f"RUNYARD_HOME={inner.home.root} ry submit -- sleep 1000"
        (job,) = yard.submit(yard.sh(text, environment=blob))
        assert yard.done(job)[0].word == "succeeded"
        pid = inner.running(1)[0].pid or 0
        for name in ("ry-server", "ry-agent", "ry-zygote"):
            for victim in inner.named(name):
                processes.kill(victim)
            assert yard.run("true").word == "succeeded"
        assert processes.alive(pid) and processes.alive(inner.runner(pid))
        inner.start()
        assert inner.ry("stop", "1").code == 0
        assert inner.done(1)[0].word == "cancelled"

    def test_a_pipe_is_not_held(self, make_yard: Callable[..., Yard]) -> None:
        """`id=$(ry submit ...)` returns, though a server is born in it."""
        yard = make_yard()
        asked = subprocess.run(
            ["bash", "-c", 'id=$(ry submit -- true 2>&1); echo "got $id"'],
            env=yard.environ, cwd=yard.out, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=COMMAND_S, check=False,
        )  # fmt: skip
        assert asked.stdout == "got 1\n", asked


class TestEnding:
    def test_stop_is_quick_with_waiting_calls_open(self, yard: Yard) -> None:
        agent = yard.agent
        yard.run("true")
        waiting = [threading.Thread(target=_wait_long, args=(yard,), daemon=True) for _ in range(8)]
        for thread in waiting:
            thread.start()
        server, begun = yard.server, time.monotonic()
        processes.send(server, signal.SIGTERM)
        assert processes.ended(server, STOP_MAX_S), "the server takes too long to end"
        assert time.monotonic() - begun < STOP_MAX_S
        assert processes.ended(agent)
        for thread in waiting:
            thread.join(processes.PATIENCE_S)
            assert not thread.is_alive()

    def test_no_program_that_hangs_keeps_it(self, yard: Yard, bell: Bell, gates: Callable[[str], Gate]) -> None:
        gates("git")
        program = yard.out / "bin" / "git"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho asked > {bell.path}\nread x < {yard.out}/git\n")
        program.chmod(0o755)
        subprocess.run(["git", "init", "-q", yard.out], check=True)
        yard.environ["PATH"] = f"{program.parent}:{yard.environ['PATH']}"
        assert yard.ry("server", "stop").code == 0
        assert yard.ry("server", "start").code == 0  # not from the nursery: what that bears leaves in its own way
        submit = threading.Thread(target=yard.ry, args=("submit", "--snapshot", "--", "true"), daemon=True)
        submit.start()
        bell.wait()
        assert yard.ry("server", "stop").code == 0, "the server waits for git"
        submit.join(processes.PATIENCE_S)

    def test_normal_life_is_told_without_tracebacks(self, yard: Yard) -> None:
        for text in ("true", "exit 3", "kill -KILL $$"):
            yard.run(text)
        assert yard.ry("server", "stop").code == 0
        yard.start()
        yard.run("true")
        assert yard.ry("server", "stop").code == 0
        for name in ("server", "agent", "zygote"):
            assert "Traceback" not in yard.log(name), yard.log(name)

    def test_a_server_whose_home_was_removed_ends(self, yard: Yard) -> None:
        yard.run("true")
        server, agent = yard.server, yard.agent
        while os.path.exists(yard.home.root):  # its agent may still be putting the run away
            shutil.rmtree(yard.home.root, ignore_errors=True)
        assert processes.ended(server) and processes.ended(agent)


def test_an_agent_that_slept(yard: Yard, bell: Bell, gates: Callable[[str], Gate]) -> None:
    """Stopped for a while and woken: its jobs ran on, what ended meanwhile is told, and nothing is started twice."""
    gate = gates("gate")
    (job,) = yard.submit(yard.sh("echo >> bell; read x < gate; exit 5"))
    bell.wait()
    pid = yard.running(job)[0].pid or 0
    agent = yard.agent
    processes.send(agent, signal.SIGSTOP)
    gate.open()
    assert processes.ended(pid)
    (later,) = yard.submit(yard.sh("echo >> bell"))
    assert yard.row(job).state == "running" and processes.alive(agent)
    processes.send(agent, signal.SIGCONT)
    first, second = yard.done(job, later)
    assert (first.exit_code, first.attempt, second.word, second.attempt) == (5, 1, "succeeded", 1)
    assert pid_of(agent_lock(yard.home)) == agent


def _wait_long(yard: Yard) -> None:
    service = yard.connect()
    with suppress(Unavailable):
        service.changed(("job:999",), service.changed((), 0, 0), 120)
