"""The agent goes, is killed, comes back: attempts run on and their results are true."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from runyard.foreign import process, sockets
from runyard.model.attempt import AttemptKey
from runyard.runtime.protocol import VERSION, Channel, Message
from tests.integration.runtime.rig import PATIENCE_S, Rig, alive, kill, wait_dead

WAITER = "trap 'exit 9' TERM; mkfifo gate; echo $$ > pid; read code < gate; exit $code"


class TestRunning:
    def test_adopted_with_the_same_pid_and_its_true_end(self, rig: Rig) -> None:
        key = rig.sh(WAITER)
        before = rig.started(key)
        adopted = rig.restart()
        assert [(seen.key, seen.stage, seen.pid, seen.started_at) for seen in adopted] == [
            (key, "started", before.pid, before.started_at)
        ]
        rig.open_gate(3)
        ended = rig.ended(key)
        assert ended.result is not None
        assert (ended.result.wait_status, ended.pid) == (3 << 8, before.pid)

    def test_fifty_of_them(self, rig: Rig) -> None:
        keys = [
            rig.sh("mkfifo gate-$J; read code < gate-$J; exit $J", variables=(("J", str(job)),), job=job)
            for job in range(1, 51)
        ]
        pids = {key: rig.started(key).pid for key in keys}
        adopted = rig.restart()
        assert {seen.key: seen.pid for seen in adopted} == pids
        for key in keys:
            (rig.out / f"gate-{key.job_id}").write_text("\n")
        for key in keys:
            assert rig.result(key).wait_status == key.job_id << 8

    def test_it_can_be_stopped_by_the_next_agent(self, rig: Rig) -> None:
        key = rig.sh(WAITER)
        rig.pid()
        rig.restart()
        rig.stop(key)
        assert (rig.result(key).wait_status, rig.result(key).why) == (9 << 8, "cancelled")

    def test_through_several_agents(self, rig: Rig) -> None:
        key = rig.sh(WAITER)
        pid = rig.started(key).pid
        for _ in range(5):
            assert [seen.pid for seen in rig.restart()] == [pid]
        rig.open_gate(4)
        assert rig.result(key).wait_status == 4 << 8

    def test_its_runner_takes_attempts_of_the_next_agent(self, rig: Rig) -> None:
        key = rig.sh(WAITER)
        rig.started(key)
        runner = rig.runner(key)
        rig.leave()
        rig.warm = 0
        rig.come_back()
        rig.open_gate()
        rig.ended(key)
        rig.wait(lambda: runner in rig.idle(), "its being idle")
        assert rig.result(rig.sh("exit 0", job=2)).wait_status == 0

    def test_an_order_that_comes_again_starts_nothing(self, rig: Rig) -> None:
        key = rig.sh(WAITER)
        pid = rig.started(key).pid
        rig.restart()
        rig.sh("touch again")
        rig.open_gate(2)
        ended = rig.ended(key)
        assert ended.result is not None
        assert (ended.pid, ended.result.wait_status) == (pid, 2 << 8)
        assert not (rig.out / "again").exists()

    def test_an_agent_killed_by_force(self, tmp_path: Path) -> None:
        """The whole agent process dies at once, as by the kernel's hand."""
        rig = Rig(tmp_path)
        rig.leave()
        code = (
            "import sys; from pathlib import Path; from tests.integration.runtime.rig import Rig, HOST\n"
            "from runyard.settings import Home\n"
            "rig = Rig.__new__(Rig); rig.out = Path(sys.argv[1]); rig.told, rig.seen, rig.warm = [], {}, 1\n"
            "rig.home = Home(sys.argv[2]); rig.boot_id = sys.argv[3]; rig.come_back()\n"
            f"key = rig.sh({WAITER!r}); rig.started(key); print(flush=True); sys.stdin.read()\n"
        )
        argv = [sys.executable, "-c", code, str(rig.out), rig.home.root, rig.boot_id]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as agent:
            assert agent.stdout is not None
            agent.stdout.readline()
            agent.kill()
        adopted = rig.come_back()
        assert [seen.stage for seen in adopted] == ["started"]
        rig.open_gate(6)
        assert rig.result(adopted[0].key).wait_status == 6 << 8
        assert rig.clean() == []


class TestEndedMeanwhile:
    @pytest.mark.parametrize(
        ("end", "status"),
        [("exit 0", 0), ("exit 3", 3 << 8), ("kill -SEGV $$", signal.SIGSEGV), ("kill -KILL $$", signal.SIGKILL)],
    )
    def test_the_next_agent_reads_the_true_result(self, rig: Rig, end: str, status: int) -> None:
        key = rig.sh(f"ulimit -c 0; mkfifo gate; echo $$ > pid; read code < gate; {end}")
        started = rig.started(key)
        runner = rig.runner(key)
        rig.leave()
        rig.open_gate()
        wait_dead(runner)
        (seen,) = rig.come_back()
        assert (seen.stage, seen.pid, seen.started_at) == ("ended", started.pid, started.started_at)
        assert seen.result is not None
        assert (seen.result.wait_status, seen.result.why, seen.result.source) == (status, "", "runner")

    def test_it_is_told_until_it_is_forgotten(self, rig: Rig) -> None:
        key = rig.sh("exit 3")
        rig.ended(key)
        for _ in range(2):
            (seen,) = rig.restart()
            assert seen.result is not None
            assert seen.result.wait_status == 3 << 8
        rig.engine.forget(key)
        assert rig.restart() == []

    def test_not_started_too(self, rig: Rig) -> None:
        rig.ended(rig.start("no-such-command"))
        (seen,) = rig.restart()
        assert seen.result is not None
        assert (seen.result.why, seen.result.detail) == ("not-started", "no-such-command: command not found")

    def test_a_revoked_one_too(self, rig: Rig) -> None:
        key = rig.order("true").key
        assert rig.engine.revoke(key).stage == "revoked"
        (seen,) = rig.restart()
        assert (seen.stage, seen.key) == ("revoked", key)


class TestIdle:
    def test_everybody_goes_when_the_agent_goes(self, rig: Rig) -> None:
        rig.ended(rig.sh("exit 0"))
        ours = rig.processes()
        assert len(ours) >= 2
        rig.leave()
        for pid in ours:
            wait_dead(pid)
        assert os.listdir(rig.home.runner_sockets) == []
        rig.come_back()

    def test_the_zygote_stays_for_its_last_runner(self, rig: Rig) -> None:
        key = rig.sh(WAITER)
        rig.started(key)
        zygote, runner, command = rig.zygote(key), rig.runner(key), rig.pid()
        rig.leave()
        idle = set(rig.processes()) - {zygote, runner, command}
        for pid in idle:
            wait_dead(pid)
        assert alive(zygote)
        assert alive(runner)
        rig.open_gate()
        wait_dead(runner)
        wait_dead(zygote)
        rig.come_back()

    @pytest.mark.usefixtures("nobody_wakes")
    def test_a_stopped_idle_runner_that_wakes_late_goes(self, rig: Rig) -> None:
        rig.ended(rig.sh("exit 0"))
        runners = [int(name.split(".")[0]) for name in os.listdir(rig.home.runner_sockets)]
        for pid in runners:
            kill(pid, signal.SIGSTOP)
        rig.restart()
        rig.ended(rig.sh("exit 0", job=2))
        for pid in runners:
            kill(pid, signal.SIGCONT)
        rig.leave()
        for pid in runners:
            wait_dead(pid)
        rig.come_back()

    def test_dead_sockets_are_removed(self, rig: Rig) -> None:
        listener = socket.socket(socket.AF_UNIX)
        path = os.path.join(rig.home.runner_sockets, "999999.1.sock")
        listener.bind(path)
        listener.close()
        rig.restart()
        assert not os.path.exists(path)

    def test_too_many_are_let_go(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("runyard.runtime.pool.TRIM_AFTER_S", 0.1)
        keys = [rig.sh(f"mkfifo gate-{job}; read x < gate-{job}", job=job) for job in range(1, 6)]
        for key in keys:
            rig.started(key)
        for key in keys:
            (rig.out / f"gate-{key.job_id}").write_text("\n")
            rig.ended(key)
        rig.wait(lambda: len(os.listdir(rig.home.runner_sockets)) == rig.warm, "the trimming")


class TestSocket:
    def test_it_tells_its_state(self, rig: Rig) -> None:
        key = rig.sh(WAITER)
        started = rig.started(key)
        runner = rig.runner(key)
        name = next(name for name in os.listdir(rig.home.runner_sockets) if name.startswith(f"{runner}."))
        channel = Channel(sockets.connect(os.path.join(rig.home.runner_sockets, name), wait=False))
        greeting = _next(channel)
        assert (greeting["is"], greeting["v"], greeting["pid"]) == ("state", VERSION, runner)
        assert AttemptKey(*(greeting["attempt"][field] for field in ("job", "number", "token"))) == key
        assert greeting["attempt"]["pid"] == started.pid
        channel.send({"do": "state"})
        assert _next(channel) == greeting
        rig.open_gate()
        assert _next(channel)["is"] == "ended"
        channel.close()

    def test_who_reads_nothing_is_dropped(self, rig: Rig) -> None:
        key = rig.sh(WAITER)
        rig.started(key)
        runner = rig.runner(key)
        name = next(name for name in os.listdir(rig.home.runner_sockets) if name.startswith(f"{runner}."))
        connection = sockets.connect(os.path.join(rig.home.runner_sockets, name), wait=False)
        connection.setblocking(True)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while True:
                connection.sendall(b'{"do":"state"}\n' * 1000)
        connection.close()
        rig.open_gate(5)
        assert rig.result(key).wait_status == 5 << 8

    def test_its_process_is_identified(self, rig: Rig) -> None:
        key = rig.sh(WAITER)
        rig.started(key)
        claim, started, _, _ = rig.records(key)
        assert claim is not None
        assert started is not None
        stat = process.read_stat(claim.pid)
        assert stat is not None
        assert (stat.start_time, stat.session, stat.ppid) == (claim.start_time, claim.pid, claim.zygote)
        stat = process.read_stat(started.pid)
        assert stat is not None
        assert (stat.start_time, stat.session, stat.ppid) == (started.start_time, started.pid, claim.pid)
        rig.stop(key)
        rig.ended(key)


def _next(channel: Channel) -> Message:
    while True:
        assert select.select([channel.fd], [], [], PATIENCE_S)[0]
        messages = channel.receive()
        assert messages is not None
        if messages:
            return messages[0]
