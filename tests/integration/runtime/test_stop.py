"""Ends: stop, grace, kill, time limits, and what a command leaves behind."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

from runyard.foreign import process
from runyard.model.attempt import AttemptKey
from runyard.runtime.protocol import Message
from tests.integration.runtime.rig import Rig, alive, kill, wait_dead

SLEEPER = "echo $$ > pid; exec sleep 1000"
DEAF = """
trap '' TERM
(echo $BASHPID > child; while :; do sleep 1000; done) &
echo $$ > pid
while :; do sleep 1000; done
"""
DAEMON = (
    "env RUNYARD_DAEMON=1 "
    + sys.executable
    + " -c 'import os, signal; from runyard.runtime.native import name_process\n"
    + 'name_process("ry-server"); open("pid", "w").write(f"{os.getpid()}\\n"); signal.pause()\''
)
"""What our server is like when it has begun."""
BORN = f"setsid {DAEMON} &"
ESCAPED = "env -i setsid sh -c 'echo $$ > escaped.tmp; mv escaped.tmp escaped; exec sleep 1000' &"
"""A grandchild of another session, without our token; its parent ends at once."""


def say(rig: Rig, key: AttemptKey, message: Message) -> None:
    """Say something to the runner that no engine says by itself."""
    link = rig.engine._held[key].link
    assert link is not None
    link.send(message)


class TestStop:
    def test_a_job_dies_by_one_sigterm(self, rig: Rig) -> None:
        key = rig.sh(SLEEPER)
        pid = rig.pid()
        rig.stop(key, grace_s=1000.0)
        result = rig.result(key)
        assert (result.wait_status, result.why, result.detail) == (signal.SIGTERM, "cancelled", "")
        assert not alive(pid)

    def test_a_shell_and_its_children_die_by_one_sigterm(self, rig: Rig) -> None:
        key = rig.start("sleep 1000 & echo $! > pid; sleep 1000; echo on", shell="bash")
        pid = rig.pid()
        rig.stop(key, grace_s=1000.0)
        assert rig.result(key).wait_status == signal.SIGTERM
        assert not alive(pid)

    def test_any_signal(self, rig: Rig) -> None:
        key = rig.sh("trap 'exit 7' USR1; echo $$ > pid; while :; do sleep 1000 & wait; done")
        rig.pid()
        rig.stop(key, number=signal.SIGUSR1, grace_s=1000.0)
        assert rig.result(key).wait_status == 7 << 8

    def test_term_ignored_is_killed_after_the_grace(self, rig: Rig) -> None:
        key = rig.start(DEAF, shell="bash")
        pid, child = rig.pid(), rig.pid("child")
        rig.stop(key, grace_s=0.1)
        result = rig.result(key)
        assert (result.wait_status, result.why) == (signal.SIGKILL, "cancelled")
        assert not alive(pid)
        assert not alive(child)

    def test_the_grace_of_the_order_counts_unless_another_is_said(self, rig: Rig) -> None:
        key = rig.start(DEAF, shell="bash", grace_s=0.1)
        rig.pid("child")
        rig.stop(key)
        assert rig.result(key).wait_status == signal.SIGKILL

    def test_kill(self, rig: Rig) -> None:
        key = rig.start(DEAF, shell="bash", grace_s=1000.0)
        rig.pid("child")
        rig.stop(key, "killed", signal.SIGKILL)
        result = rig.result(key)
        assert (result.wait_status, result.why) == (signal.SIGKILL, "killed")

    def test_a_kill_shortens_a_grace(self, rig: Rig) -> None:
        key = rig.start(DEAF, shell="bash")
        rig.pid("child")
        rig.stop(key, grace_s=1000.0)
        rig.stop(key, "killed", signal.SIGKILL)
        assert rig.result(key).why == "cancelled"

    def test_a_stopped_command_is_woken_for_it(self, rig: Rig) -> None:
        key = rig.sh("trap 'exit 5' TERM; echo $$ > pid; while :; do sleep 1000 & wait; done")
        pid = rig.pid()
        kill(pid, signal.SIGSTOP)
        rig.wait(lambda: _state(pid) == "T")
        rig.stop(key, grace_s=1000.0)
        assert rig.result(key).wait_status == 5 << 8

    def test_what_did_not_hear_the_signal_is_left_over(self, rig: Rig) -> None:
        """It has the grace of the order, however long that of the stop is."""
        text = "(trap '' USR1; exec sleep 1000) & echo $! > pid; trap 'exit 7' USR1; echo $$ > own; wait"
        key = rig.start(text, shell="bash")
        pid = rig.pid()
        rig.pid("own")
        rig.wait(lambda: "sleep" in process.command_line(pid))
        rig.stop(key, number=signal.SIGUSR1, grace_s=1000.0)
        assert rig.result(key).wait_status == 7 << 8
        assert not alive(pid)

    def test_stopped_twice_it_is_told_once(self, rig: Rig) -> None:
        key = rig.sh(SLEEPER)
        rig.pid()
        rig.stop(key)
        rig.stop(key)
        rig.ended(key)
        rig.stop(key)
        rig.engine.poll()
        assert [seen.stage for seen in rig.told].count("ended") == 1

    def test_an_end_of_its_own_is_no_cancellation(self, rig: Rig) -> None:
        """The stop comes when the command has ended and only a left-over is there."""
        key = rig.start("trap '' TERM; sleep 1000 & echo $! > pid; exit 3", shell="bash", grace_s=0.3)
        pid = rig.pid()
        rig.wait(lambda: (stat := process.read_stat(pid)) is not None and stat.ppid == rig.runner(key))
        rig.stop(key)
        result = rig.result(key)
        assert (result.wait_status, result.why) == (3 << 8, "")

    def test_of_an_attempt_that_waits_for_a_runner(self, rig: Rig) -> None:
        keys = [rig.sh("echo ran > ran", job=job) for job in range(1, 4)]
        rig.stop(keys[2])
        assert rig.ended(keys[2]).stage == "revoked"
        assert rig.result(keys[0]).wait_status == rig.result(keys[1]).wait_status == 0
        assert not os.path.exists(rig.run_dir(keys[2]).output)

    def test_of_an_attempt_that_nobody_has_heard_of(self, rig: Rig) -> None:
        key = rig.order("true", job=9).key
        rig.stop(key)
        assert rig.ended(key).stage == "revoked"
        rig.start("touch", "ran", job=9)
        rig.engine.forget(key)
        del rig.seen[key]
        rig.start("touch", "ran", job=9)
        assert rig.ended(key).stage == "ended"
        assert not (rig.out / "ran").exists()


class TestTimeLimit:
    def test_it_ends_by_the_clock(self, rig: Rig) -> None:
        result = rig.result(rig.sh(SLEEPER, time_limit_s=0.1))
        assert (result.wait_status, result.why) == (signal.SIGTERM, "timeout")

    def test_then_grace_then_kill(self, rig: Rig) -> None:
        result = rig.result(rig.start(DEAF, shell="bash", time_limit_s=0.3, grace_s=0.1))
        assert (result.wait_status, result.why) == (signal.SIGKILL, "timeout")

    def test_it_needs_no_agent(self, rig: Rig) -> None:
        key = rig.sh(SLEEPER, time_limit_s=1.0)
        pid = rig.pid()
        rig.leave()
        wait_dead(pid)
        rig.come_back()
        assert rig.result(key).why == "timeout"

    def test_a_new_limit(self, rig: Rig) -> None:
        key = rig.sh(SLEEPER, time_limit_s=1000.0)
        rig.pid()
        say(rig, key, {"do": "limit", "seconds": 0.1})
        assert rig.result(key).why == "timeout"

    def test_no_limit_any_more(self, rig: Rig) -> None:
        key = rig.sh(SLEEPER, time_limit_s=1000.0)
        rig.pid()
        say(rig, key, {"do": "limit", "seconds": None})
        rig.stop(key)
        assert rig.result(key).why == "cancelled"

    def test_nobody_is_harmed_by_words_that_it_does_not_know(self, rig: Rig) -> None:
        key = rig.sh(SLEEPER)
        pid = rig.pid()
        for message in ({"do": "dance"}, {"do": "limit"}, {"do": "stop"}, {"do": "start"}, {"is": 3}):
            say(rig, key, message)
        rig.stop(key)
        assert rig.result(key).wait_status == signal.SIGTERM
        assert not alive(pid)


class TestLeftOvers:
    def test_they_end_before_it_has_ended(self, rig: Rig) -> None:
        key = rig.start("sleep 1000 & sleep 1000 & echo $! > pid; exit 4", shell="bash")
        result = rig.result(key)
        assert (result.wait_status, result.why) == (4 << 8, "")
        assert result.detail == "2 left-over processes ended"
        assert not alive(rig.pid())

    def test_deaf_ones_after_the_grace(self, rig: Rig) -> None:
        text = "(trap '' TERM; echo $BASHPID > pid; while :; do sleep 1000; done) & while [ ! -s pid ]; do :; done"
        result = rig.result(rig.start(text, shell="bash", grace_s=0.1))
        assert result.wait_status == 0
        assert not alive(rig.pid())

    def test_an_escaped_grandchild_never_meets_the_next_attempt(self, rig: Rig) -> None:
        key = rig.sh(f"({ESCAPED}) ; while [ ! -s escaped ]; do :; done")
        result = rig.result(key)
        assert result.wait_status == 0
        assert "left-over" in result.detail
        assert not alive(int((rig.out / "escaped").read_text()))
        next_key = rig.sh("exit 0", job=2)
        assert rig.result(next_key).wait_status == 0
        assert rig.runner(next_key) in (rig.runner(key), *_runners(rig))

    def test_detached_ones_live_on(self, rig: Rig) -> None:
        key = rig.start("sleep 1000 & echo $! > pid", shell="bash", detach=True)
        assert rig.result(key).wait_status == 0
        pid = rig.pid()
        assert alive(pid)
        assert rig.result(rig.sh("exit 0", job=2)).wait_status == 0
        assert rig.runner(rig.key(2)) != rig.runner(key)
        assert alive(pid)
        kill(pid)
        wait_dead(rig.runner(key))

    def test_zombies_are_reaped_and_count_as_dead(self, rig: Rig) -> None:
        """A child that its parent never reaps, and fifty that come to the runner."""
        text = "for i in $(seq 50); do (sh -c 'exit 1' &) ; done; exec python3 -c '" + (
            'import os,time\nif os.fork(): open("pid","w").write(str(os.getpid())+chr(10)); time.sleep(1000)\n\''
        )
        key = rig.start(text, shell="bash")
        rig.pid()
        runner = rig.runner(key)
        rig.wait(lambda: len(process.children(runner)) == 1, "the reaping")
        rig.stop(key)
        assert rig.result(key).wait_status == signal.SIGTERM

    def test_our_daemons_are_none(self, rig: Rig) -> None:
        """The first verb inside a job may start a server; it outlives the job and the runner."""
        key = rig.sh(f"{BORN} while [ ! -s pid ]; do :; done")
        assert rig.result(key).detail == ""
        pid, runner = rig.pid(), rig.runner(key)
        assert alive(pid)
        wait_dead(runner)
        assert rig.result(rig.sh("exit 0", job=2)).wait_status == 0
        assert alive(pid)
        kill(pid)
        wait_dead(pid)

    @pytest.mark.parametrize(
        "text",
        [
            "setsid env RUNYARD_DAEMON=1 sh -c 'echo $$ > pid; exec sleep 1000' &",
            "setsid env RUNYARD_DAEMON=1 bash -c 'echo $$ > pid; exec -a ry-server sleep 1000' &",
            "setsid sh -c 'echo $$ > pid; exec sleep 1000' &",
        ],
    )
    def test_who_only_has_the_mark_of_one_is_no_daemon(self, rig: Rig, text: str) -> None:
        key = rig.sh(f"{text} while [ ! -s pid ]; do :; done")
        assert rig.result(key).detail == "1 left-over process ended"
        assert not alive(rig.pid())


class TestTheCommandItself:
    """It is of its own family, whatever it looks like."""

    def test_the_mark_is_not_handed_on(self, rig: Rig) -> None:
        blob = rig.out / "environment"
        blob.write_text(json.dumps({"RUNYARD_DAEMON": "1", "PATH": os.environ["PATH"]}))
        key = rig.sh("env > seen", environment=str(blob), variables=(("RUNYARD_DAEMON", "1"),))
        assert rig.result(key).wait_status == 0
        assert "RUNYARD_DAEMON" not in (rig.out / "seen").read_text()

    def test_one_that_becomes_a_daemon_is_killed(self, rig: Rig) -> None:
        key = rig.sh(f"trap '' TERM; exec {DAEMON}", grace_s=0.1)
        pid = rig.pid()
        rig.stop(key)
        assert rig.result(key).wait_status == signal.SIGKILL
        assert not alive(pid)

    def test_one_with_the_mark_is_killed(self, rig: Rig) -> None:
        key = rig.sh("trap '' TERM; echo $$ > pid; exec env RUNYARD_DAEMON=1 sleep 1000", grace_s=0.1)
        pid = rig.pid()
        rig.stop(key)
        assert rig.result(key).wait_status == signal.SIGKILL
        assert not alive(pid)


class TestStoppedRunner:
    """A job can do that to its own runner."""

    def test_it_is_woken_to_hear_the_stop(self, rig: Rig) -> None:
        key = rig.sh("echo $$ > pid; kill -STOP $PPID; exec sleep 1000")
        pid = rig.pid()
        rig.wait(lambda: _state(rig.runner(key)) == "T")
        rig.stop(key)
        assert rig.result(key).wait_status == signal.SIGTERM
        assert not alive(pid)

    def test_again_and_again(self, rig: Rig) -> None:
        """At the signal the job stops it once more: no kill would come."""
        key = rig.sh("trap 'kill -STOP $PPID' TERM; echo $$ > pid; while :; do sleep 0.01; done", grace_s=0.5)
        pid = rig.pid()
        rig.stop(key)
        assert rig.result(key).wait_status == signal.SIGKILL
        assert not alive(pid)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE])
def test_a_runner_is_deaf(rig: Rig, number: int) -> None:
    key = rig.sh(SLEEPER)
    rig.pid()
    for pid in (rig.runner(key), rig.zygote(key)):
        kill(pid, number)
    rig.stop(key)
    assert rig.result(key).why == "cancelled"
    assert rig.zygote_log() == ""


def _state(pid: int) -> str:
    stat = process.read_stat(pid)
    return "" if stat is None else stat.state


def _runners(rig: Rig) -> list[int]:
    return [int(name.split(".")[0]) for name in os.listdir(rig.home.runner_sockets)]
