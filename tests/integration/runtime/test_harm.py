"""What a job, or anybody of its account, may do to its runner and to its files: the runner holds on, and no attempt is
lost from sight."""

from __future__ import annotations

import shutil
import signal

import pytest

from runyard.model.attempt import AttemptKey
from runyard.runtime.protocol import STATE
from tests.harness import trace
from tests.integration.runtime.rig import Rig, alive, kill

WAITER = "trap 'exit 9' TERM; mkfifo gate; echo $$ > pid; read code < gate; exit $code"
DEAF = "trap '' TERM; echo $$ > pid; while :; do sleep 1000; done"
DAY_S = 86_400.0


class TestLongTimes:
    """The kernel takes a wait of some 24 days at most."""

    @pytest.mark.parametrize("limit_s", [25 * DAY_S, 1e300])
    def test_a_time_limit(self, rig: Rig, limit_s: float) -> None:
        key = rig.sh(WAITER, time_limit_s=limit_s)
        rig.pid()
        rig.started(key)
        rig.open_gate(3)
        assert rig.result(key).wait_status == 3 << 8

    def test_a_grace(self, rig: Rig) -> None:
        key = rig.start(DEAF, shell="bash")
        rig.pid()
        rig.stop(key, grace_s=30 * DAY_S)
        link = rig.engine._held[key].link
        assert link is not None
        link.send(STATE)
        rig.stop(key, "killed", signal.SIGKILL)
        assert (rig.result(key).wait_status, rig.result(key).why) == (signal.SIGKILL, "cancelled")


class TestWords:
    """Whatever is said to a runner, it goes on, and holds what it holds."""

    @pytest.mark.parametrize("number", [-1, 65, 999, 1 << 70, "TERM", None, [9]])
    def test_what_is_no_signal(self, rig: Rig, number: object) -> None:
        key = rig.sh(WAITER)
        rig.pid()
        self._say(rig, key, {"do": "stop", "why": "cancelled", "signal": number, "grace_s": 1000.0})
        rig.wait(lambda: "Error" in rig.zygote_log(), "the complaint")
        rig.open_gate(3)
        assert rig.result(key).wait_status == 3 << 8

    def test_the_kill_comes_all_the_same(self, rig: Rig) -> None:
        key = rig.start(DEAF, shell="bash")
        rig.pid()
        self._say(rig, key, {"do": "stop", "why": "cancelled", "signal": 999, "grace_s": 0.0})
        assert rig.result(key).wait_status == signal.SIGKILL

    @pytest.mark.parametrize("seconds", ["long", [], {}, 10**400])
    def test_what_is_no_time(self, rig: Rig, seconds: object) -> None:
        key = rig.sh(WAITER)
        rig.pid()
        self._say(rig, key, {"do": "limit", "seconds": seconds})
        self._say(rig, key, {"do": "stop", "why": "cancelled", "grace_s": seconds})
        rig.wait(lambda: rig.zygote_log().count("Traceback") == 2, "the complaint")
        rig.open_gate(3)
        assert rig.result(key).wait_status == 3 << 8

    def test_a_time_that_is_not_a_number(self, rig: Rig) -> None:
        key = rig.start(DEAF, shell="bash")
        rig.pid()
        self._say(rig, key, {"do": "limit", "seconds": float("nan")})
        assert rig.result(key).why == "timeout"

    @pytest.mark.parametrize("text", [b"[" * 100_000, b'{"do":' * 100_000, b"{" + b"9" * 10_000 + b"}", b"\xff"])
    def test_what_is_hardly_json(self, rig: Rig, text: bytes) -> None:
        key = rig.sh(WAITER)
        rig.pid()
        link = rig.engine._held[key].link
        assert link is not None
        link._channel._out += text + b"\n"
        link.send(STATE)
        rig.open_gate(3)
        assert rig.result(key).wait_status == 3 << 8

    def test_a_long_cause_is_shortened(self, rig: Rig) -> None:
        key = rig.sh("echo $$ > pid; exec sleep 1000")
        rig.pid()
        self._say(rig, key, {"do": "stop", "why": "because " * 1000})
        assert rig.result(key).wait_status == signal.SIGTERM
        ended = rig.records(key).ended
        assert ended is not None
        assert ended.why.startswith("because")

    def test_a_stop_of_another_attempt(self, rig: Rig) -> None:
        key = rig.sh(WAITER)
        rig.pid()
        self._say(rig, key, {"do": "stop", "token": "another", "why": "cancelled", "signal": 9})
        rig.open_gate(3)
        assert rig.result(key).wait_status == 3 << 8

    def _say(self, rig: Rig, key: AttemptKey, message: dict[str, object]) -> None:
        link = rig.engine._held[key].link
        assert link is not None
        link.send(message)


@pytest.mark.skipif(not trace.available(), reason="needs strace")
class TestTheDiskFails:
    def test_the_start_cannot_be_recorded(self, rig: Rig) -> None:
        """The second record of the file: nothing but the runner knows of the start, and it tells the next agent."""
        rig.wait(lambda: len(rig.idle()) == 1, "an idle runner")
        (runner,) = rig.idle()
        inject = "inject=pwrite64:error=EIO:when=2"
        failing = trace.Trace(runner, "-o", "/dev/null", "-e", "trace=pwrite64", "-e", inject)
        key = rig.sh(WAITER)
        pid = rig.pid()
        rig.started(key)
        failing.end()
        assert rig.records(key).started is None
        assert rig.runner(key) == runner
        (seen,) = rig.restart()
        rig.wait(lambda: rig.seen[key].stage == "started", "the greeting")
        assert (seen.key, rig.seen[key].pid) == (key, pid)
        rig.open_gate(3)
        assert rig.result(key).wait_status == 3 << 8


class TestDirectoriesRemoved:
    """Somebody removes `runs/`, or a job does: what runners say of their attempts counts as much."""

    def begin(self, rig: Rig, text: str = WAITER) -> AttemptKey:
        key = rig.sh(text)
        rig.pid()
        rig.started(key)
        return key

    def test_the_next_agent_knows_it_all_the_same(self, rig: Rig) -> None:
        key = self.begin(rig)
        before = rig.seen[key]
        shutil.rmtree(rig.home.runs)
        (seen,) = rig.restart()
        assert (seen.key, seen.stage, seen.pid, seen.started_at) == (key, "started", before.pid, before.started_at)
        rig.sh("touch again")
        rig.open_gate(3)
        assert (rig.result(key).wait_status, rig.seen[key].pid) == (3 << 8, before.pid)
        assert not (rig.out / "again").exists()

    def test_its_runner_is_used_again(self, rig: Rig) -> None:
        key = self.begin(rig)
        runner = rig.runner(key)
        shutil.rmtree(rig.home.runs)
        rig.leave()
        rig.warm = 0
        rig.come_back()
        rig.open_gate(3)
        rig.ended(key)
        rig.engine.forget(key)
        rig.wait(lambda: rig.idle()[-1:] == [runner], "its being idle")
        assert rig.result(rig.sh("exit 4", job=2)).wait_status == 4 << 8
        assert rig.runner(rig.key(2)) == runner

    def test_it_can_be_stopped(self, rig: Rig) -> None:
        key = self.begin(rig)
        shutil.rmtree(rig.home.runs)
        rig.restart()
        rig.stop(key)
        assert (rig.result(key).wait_status, rig.result(key).why) == (9 << 8, "cancelled")

    def test_a_stopped_runner_is_asked_as_well(self, rig: Rig) -> None:
        key = self.begin(rig)
        runner = rig.runner(key)
        shutil.rmtree(rig.home.runs)
        rig.leave()
        kill(runner, signal.SIGSTOP)
        assert [(seen.key, seen.stage) for seen in rig.come_back()] == [(key, "started")]
        rig.open_gate(3)
        assert rig.result(key).wait_status == 3 << 8

    def test_who_answers_late_is_heard(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        key = self.begin(rig)
        shutil.rmtree(rig.home.runs)
        monkeypatch.setattr("runyard.runtime.pool.GREETING_S", 0.0)
        assert rig.restart() == []
        rig.started(key)
        rig.sh("touch again")
        rig.open_gate(3)
        assert rig.result(key).wait_status == 3 << 8
        assert not (rig.out / "again").exists()

    def test_what_is_over_does_not_live_on(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        """It was given up before its runner was heard: what it holds may be given out again."""
        key = self.begin(rig, DEAF)
        pid = rig.pid()
        shutil.rmtree(rig.home.runs)
        monkeypatch.setattr("runyard.runtime.pool.GREETING_S", 0.0)
        rig.restart()
        assert rig.engine.revoke(key).stage == "revoked"
        rig.dead(pid)
        assert rig.ended(key).stage == "revoked"

    def test_its_runner_dies(self, rig: Rig) -> None:
        """It has started: never to be told as never started, which would start it again."""
        key = self.begin(rig, "trap '' TERM; setsid sleep 1000 & echo $! > child; echo $$ > pid; sleep 1000")
        pids = [rig.pid(), rig.pid("child")]
        runner = rig.runner(key)
        shutil.rmtree(rig.home.runs)
        kill(runner)
        assert (rig.result(key).why, rig.result(key).detail) == ("lost", "the runner died")
        assert not any(map(alive, pids))
        (seen,) = rig.restart()
        assert seen.result is not None
        assert seen.result.why == "lost"

    def test_its_runner_dies_with_the_order(self, rig: Rig) -> None:
        """Nobody has told of a start, and the directory that was made for it is gone."""
        rig.wait(lambda: len(rig.idle()) == 1, "an idle runner")
        (runner,) = rig.idle()
        kill(runner, signal.SIGSTOP)
        key = rig.sh("touch ran")
        shutil.rmtree(rig.run_dir(key).path)
        kill(runner)
        assert rig.result(key).why == "lost"

    def test_one_that_drops_us_is_reached_again(self, rig: Rig) -> None:
        key = self.begin(rig)
        shutil.rmtree(rig.home.runs)
        held = rig.engine._held[key]
        link = held.link
        assert link is not None
        link._channel._socket.shutdown(2)
        rig.wait(lambda: held.link not in (None, link), "a new link")  # it ends after that: else nothing could tell
        rig.open_gate(3)
        assert rig.result(key).wait_status == 3 << 8

    def test_new_attempts_start_all_the_same(self, rig: Rig) -> None:
        rig.wait(lambda: len(rig.idle()) == 1, "an idle runner")
        shutil.rmtree(rig.home.runs)
        assert rig.result(rig.sh("exit 4")).wait_status == 4 << 8
