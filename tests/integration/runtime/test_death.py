"""Runners and zygotes that die, hosts that are restarted, pids that are used again."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from runyard.foreign import process
from runyard.model.attempt import AttemptKey
from runyard.runtime import runfile
from runyard.runtime.family import Member
from runyard.runtime.runfile import Claim, Slates, Started
from tests.integration.runtime.rig import HOST, Rig, alive, kill, reap, wait_dead

FAMILY = """
trap '' TERM
sleep 1000 & echo $! > same-session
setsid sleep 1000 & echo $! > with-token
env -i setsid sh -c 'echo $$ > escaped; exec sleep 1000' &
echo $$ > pid
while :; do sleep 1000; done
"""
NAMES = ("same-session", "with-token", "escaped", "pid")


def lost(rig: Rig, key: AttemptKey, reason: str) -> None:
    ended = rig.ended(key)
    assert ended.result is not None
    result = ended.result
    assert (result.why, result.detail, result.source, result.wait_status) == ("lost", reason, "inferred", None)


class TestRunnerKilled:
    def test_lost_when_its_family_is_dead(self, rig: Rig) -> None:
        key = rig.start(FAMILY, shell="bash")
        pids = [rig.pid(name) for name in NAMES]
        started = rig.started(key)
        kill(rig.runner(key))
        lost(rig, key, "the runner died")
        assert [alive(pid) for pid in pids] == [False] * 4
        assert rig.seen[key].pid == started.pid

    def test_while_no_agent_is_there(self, rig: Rig) -> None:
        key = rig.start(FAMILY, shell="bash")
        pids = [rig.pid(name) for name in NAMES]
        rig.started(key)
        runner = rig.runner(key)
        rig.leave()
        kill(runner)
        wait_dead(runner)
        rig.come_back()
        lost(rig, key, "the runner died")
        assert [alive(pid) for pid in pids] == [False] * 4
        (again,) = rig.restart()
        assert again.result is not None
        assert again.result.why == "lost"

    def test_with_its_zygote_and_everybody_else_of_ours(self, rig: Rig) -> None:
        """Then session and token have to do; who left both cannot be found without a cgroup."""
        key = rig.start(FAMILY, shell="bash")
        pids = [rig.pid(name) for name in NAMES]
        rig.started(key)
        runner, zygote = rig.runner(key), rig.zygote(key)
        rig.leave()
        kill(zygote)
        kill(runner)
        wait_dead(runner)
        rig.come_back()
        lost(rig, key, "the runner died")
        assert [alive(pid) for pid in pids] == [False, False, alive(pids[2]), False]
        kill(pids[2])
        wait_dead(pids[2])

    def test_with_the_whole_family(self, rig: Rig) -> None:
        key = rig.start(FAMILY, shell="bash")
        pids = [rig.pid(name) for name in NAMES]
        rig.started(key)
        for pid in (rig.runner(key), *pids):
            kill(pid)
        lost(rig, key, "the runner died")

    def test_before_it_heard_of_the_order(self, rig: Rig) -> None:
        """It never claimed anything: another runner takes the order."""
        rig.ended(rig.sh("exit 0"))
        rig.wait(lambda: len(_runners(rig)) >= rig.warm)
        stopped = _runners(rig)
        for pid in stopped:
            kill(pid, signal.SIGSTOP)
        key = rig.sh("exit 6", job=2)
        for pid in stopped:
            kill(pid)
        assert rig.result(key).wait_status == 6 << 8

    def test_other_attempts_do_not_notice(self, rig: Rig) -> None:
        keys = [rig.sh(f"mkfifo gate-{job}; read x < gate-{job}; exit {job}", job=job) for job in (1, 2, 3)]
        for key in keys:
            rig.started(key)
        kill(rig.runner(keys[1]))
        lost(rig, keys[1], "the runner died")
        for job in (1, 3):
            (rig.out / f"gate-{job}").write_text("\n")
            assert rig.result(keys[job - 1]).wait_status == job << 8


class TestZygoteKilled:
    def test_only_warm_starts_are_lost(self, rig: Rig) -> None:
        first = rig.sh("mkfifo gate; read code < gate; exit $code")
        rig.started(first)
        zygote = rig.zygote(first)
        kill(zygote)
        wait_dead(zygote)
        keys = [rig.sh("exec sleep 1000", job=job) for job in range(2, 8)]
        assert all(rig.started(key).pid for key in keys)
        assert {rig.zygote(key) for key in keys} - {zygote}
        for key in keys:
            rig.stop(key)
            rig.ended(key)
        (rig.out / "gate").write_text("3\n")
        assert rig.result(first).wait_status == 3 << 8

    def test_no_runner_at_all(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Orders are given back as never started; nothing waits for ever."""
        monkeypatch.setattr("runyard.runtime.zygote._BOOT", "import sys; sys.exit('broken')")
        monkeypatch.setattr("runyard.runtime.pool.BIRTH_RETRY_S", 0.01)
        rig = Rig(tmp_path)
        result = rig.result(rig.sh("touch ran"))
        assert (result.why, result.wait_status) == ("not-started", None)
        assert "no runner could be started" in result.detail
        assert "broken" in rig.zygote_log()
        assert not (rig.out / "ran").exists()
        assert rig.clean() == []


class TestReboot:
    def test_running_ones_are_lost(self, rig: Rig) -> None:
        key = rig.sh("echo $$ > pid; exec sleep 1000")
        pid = rig.pid()
        rig.started(key)
        runner = rig.runner(key)
        rig.leave()
        for victim in (runner, pid):
            kill(victim)
            wait_dead(victim)
        (seen,) = rig.come_back("another-boot")
        assert seen.stage == "ended"
        lost(rig, key, "the host was restarted")
        assert (seen.pid, seen.started_at) == (pid, rig.seen[key].started_at)

    def test_nobody_is_signalled_by_what_an_earlier_boot_recorded(self, rig: Rig) -> None:
        innocent = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        start_time = _start_time(innocent.pid)
        claim = _claim(rig, "an-earlier-boot")
        _leave_file(rig, claim, Started(innocent.pid, start_time, 1.0))
        rig.restart()
        lost(rig, AttemptKey(1, 1, "token"), "the host was restarted")
        _still_there(innocent)

    def test_what_had_ended_keeps_its_result(self, rig: Rig) -> None:
        key = rig.sh("exit 3")
        rig.ended(key)
        rig.leave()
        (seen,) = rig.come_back("another-boot")
        assert seen.result is not None
        assert seen.result.wait_status == 3 << 8
        assert seen.key == key

    def test_an_order_of_an_earlier_boot_starts_nothing(self, rig: Rig) -> None:
        key = rig.sh("touch ran", assigned_boot_id="an-earlier-boot")
        lost(rig, key, "the host was restarted")
        assert not (rig.out / "ran").exists()


class TestPidReuse:
    """The records name a pid that is another's by now."""

    def test_the_innocent_survives(self, rig: Rig) -> None:
        innocent = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        claim = _claim(rig, rig.boot_id)
        _leave_file(rig, claim, Started(innocent.pid, _start_time(innocent.pid) - 500, 1.0))
        rig.restart()
        lost(rig, AttemptKey(1, 1, "token"), "the runner died")
        _still_there(innocent)

    def test_so_do_the_children_of_one_with_the_pid_of_the_zygote(self, rig: Rig) -> None:
        text = "setsid sleep 1000 & echo; exec sleep 1000"
        innocent = subprocess.Popen(["bash", "-c", text], start_new_session=True, stdout=subprocess.PIPE)
        assert innocent.stdout is not None
        innocent.stdout.readline()
        (child,) = process.children(innocent.pid)
        claim = _claim(rig, rig.boot_id)._replace(zygote=innocent.pid, zygote_start=1)
        _leave_file(rig, claim, Started(999_999, 1, 1.0))
        rig.restart()
        lost(rig, AttemptKey(1, 1, "token"), "the runner died")
        assert alive(child)
        kill(child)
        innocent.stdout.close()
        _still_there(innocent)

    def test_pids_of_another_namespace_mean_nothing_here(self, rig: Rig) -> None:
        innocent = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        claim = _claim(rig, rig.boot_id)._replace(pid_namespace=1)
        _leave_file(rig, claim, Started(innocent.pid, _start_time(innocent.pid), 1.0))
        rig.restart()
        lost(rig, AttemptKey(1, 1, "token"), "the runner died")
        _still_there(innocent)

    def test_a_process_without_session_and_token_is_none_of_ours(self, rig: Rig) -> None:
        """It may hold a device of ours for all we know."""
        key = rig.sh("echo $$ > pid; exec sleep 1000")
        rig.started(key)
        holder = subprocess.Popen(["sleep", "1000"], env={"RUNYARD_TOKEN": "another"}, start_new_session=True)
        kill(rig.runner(key))
        lost(rig, key, "the runner died")
        _still_there(holder)


def test_a_store_that_went_back_starts_nothing(rig: Rig) -> None:
    """The same number with another token."""
    key = rig.sh("mkfifo gate; read code < gate; exit $code")
    rig.started(key)
    other = AttemptKey(1, 1, "another-token")
    order = rig.order("touch", "ran")
    rig.engine.start(type(order)(other, order.command, order.workdir), "", "")
    result = rig.result(other)
    assert result.why == "not-started"
    assert "the store is older" in result.detail
    rig.engine.forget(other)
    (rig.out / "gate").write_text("3\n")
    assert rig.result(key).wait_status == 3 << 8
    assert not (rig.out / "ran").exists()


def _claim(rig: Rig, boot_id: str) -> Claim:
    return Claim(1, 1, "token", HOST, boot_id, process.pid_namespace(), 999_998, 1, 1.0)


def _leave_file(rig: Rig, claim: Claim, started: Started) -> None:
    """A run file as a dead runner leaves it."""
    assert rig.dirs.make(1, 1)
    slate = Slates(rig.dirs.slate_prefix(Member(claim.pid, claim.start_time))).claim(rig.dirs.live(1, 1).run, claim)
    assert slate is not None
    runfile.write_started(slate.fd, started)
    slate.drop()


def _runners(rig: Rig) -> list[int]:
    return [int(name.split(".")[0]) for name in os.listdir(rig.home.runner_sockets)]


def _start_time(pid: int) -> int:
    stat = process.read_stat(pid)
    assert stat is not None
    return stat.start_time


def _still_there(innocent: subprocess.Popen[bytes]) -> None:
    assert innocent.poll() is None
    innocent.kill()
    innocent.wait()
    reap()
