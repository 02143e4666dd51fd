"""A runner killed at every system call of an attempt, alone and together with its agent; then the history is checked.

The command writes its token into a file each time it begins. At the end, of every attempt: it began at most once; not
once if it was called never started; exactly once if its runner told its end; and nobody of it is left.
"""

from __future__ import annotations

import collections
import os
import random
import re
import select
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from runyard.foreign import process
from runyard.model.attempt import AttemptKey
from runyard.model.beat import Observed, Order
from tests.integration.runtime.rig import PATIENCE_S, Rig, alive, kill, wait_dead

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

RANDOM_KILLS = int(os.environ.get("RUNYARD_TEST_RANDOM_KILLS", "40"))
POINTS = (
    "close", "fcntl", "fstat", "newfstatat", "getpid", "link", "linkat", "openat", "pipe2", "poll", "pread64",
    "pwrite64", "read", "recvfrom", "rt_sigprocmask", "rt_sigreturn", "sendto", "unlink", "vfork", "wait4", "write",
)  # fmt: skip
"""Every system call that a runner makes in an attempt; a test sees to it that the list is whole."""

SLOW = {"restart_syscall", "lseek", "ioctl", "brk", "mmap", "munmap", "madvise", "futex", "mprotect"}
"""Calls that change nothing outside: memory, and going on with a wait."""


class Trace:
    """strace on one runner that waits."""

    def __init__(self, pid: int, *options: str) -> None:
        argv = ["strace", "-p", str(pid), *options]
        self._strace = subprocess.Popen(argv, stderr=subprocess.PIPE)
        assert self._strace.stderr is not None
        assert select.select([self._strace.stderr], [], [], PATIENCE_S)[0]
        line = self._strace.stderr.readline()
        assert b"attached" in line, line

    def end(self) -> None:
        self._strace.terminate()
        assert self._strace.stderr is not None
        self._strace.stderr.close()
        self._strace.wait()


class History:
    """Attempts that write down when they begin, and what became of them."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.path = rig.out / "history"
        self.path.touch()
        self.orders: list[Order] = []
        self.verdicts: dict[AttemptKey, Observed] = {}

    def idle_runner(self) -> int:
        """The runner that takes the next order."""
        pid: int = self.rig.wait(lambda: [pid for pid in self.rig.idle() if alive(pid)][-1:], "a runner")[0]
        self.rig.wait(lambda: self.rig.idle()[-1:] == [pid] or not alive(pid), "its turn")
        return pid

    def start(self) -> AttemptKey:
        text = f"echo $RUNYARD_TOKEN >> {self.path}"
        order = self.rig.order(text, shell="sh", job=len(self.orders) + 1)
        self.orders.append(order)
        self.rig.engine.start(order, "", "")
        return order.key

    def again(self) -> None:
        """The server tells a new agent what it ordered."""
        self.rig.engine.start(self.orders[-1], "", "")

    def settle(self, key: AttemptKey) -> Observed:
        self.verdicts[key] = self.rig.ended(key)
        return self.verdicts[key]

    def check(self) -> collections.Counter[str]:
        """No promise was broken. How often each verdict came."""
        began = collections.Counter(self.path.read_text().split())
        words: collections.Counter[str] = collections.Counter()
        for key, seen in self.verdicts.items():
            why = seen.stage if seen.result is None else seen.result.why or "ended"
            words[why] += 1
            assert began[key.token] <= 1, f"{key} began {began[key.token]} times: {seen}"
            if seen.result is None or why == "not-started":
                assert began[key.token] == 0, f"{key} began: {seen}"
            elif why == "ended":
                assert seen.result.wait_status == 0, seen
                assert began[key.token] == 1, f"{key} never began: {seen}"
            else:
                assert why == "lost", seen
        tokens = [f"RUNYARD_TOKEN={key.token}" for key in self.verdicts]
        left = [pid for pid in self.rig.processes() if alive(pid) and any(process.environ_has(pid, t) for t in tokens)]
        assert left == []
        return words


@pytest.fixture
def history(rig: Rig) -> History:
    return History(rig)


def calls(history: History, log: Path) -> collections.Counter[str]:
    """How often each system call comes in one attempt."""
    trace = Trace(history.idle_runner(), "-o", str(log))
    key = history.start()
    history.settle(key)
    trace.end()
    history.rig.engine.forget(key)
    return collections.Counter(re.findall(r"^(\w+)\(", log.read_text(), re.MULTILINE))


def test_the_list_of_calls_is_whole(history: History, tmp_path: Path) -> None:
    found = calls(history, tmp_path / "log")
    assert set(found) - SLOW <= set(POINTS)
    assert {"vfork", "openat", "pwrite64", "fcntl", "sendto", "recvfrom", "wait4"} <= set(found)
    more = [calls(history, tmp_path / "log") for _ in range(4)]
    assert all(set(again) - SLOW <= set(POINTS) for again in more)
    assert any("fcntl" not in again for again in more), "a run file is used again, if it is the same runner's turn"


@pytest.mark.parametrize("call", POINTS)
@pytest.mark.parametrize("agent", ["agent-lives", "agent-dies", "second-attempt"])
def test_killed_at(history: History, tmp_path: Path, call: str, agent: str) -> None:
    """A new runner's first attempt, with and without its agent; then a runner's second one."""
    times = calls(history, tmp_path / "log")[call]
    if agent == "second-attempt":
        times = calls(history, tmp_path / "log")[call]
    for number in range(1, times + 1):
        if agent == "second-attempt":
            first = history.start()
            history.settle(first)
            history.rig.engine.forget(first)
        runner = history.idle_runner()
        trace = Trace(runner, "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
        key = history.start()
        if agent == "agent-dies":
            _wait_or_idle(history, runner, key)
            history.rig.leave()
            history.rig.come_back()
            history.again()
        history.settle(key)
        trace.end()
    history.check()


def _wait_or_idle(history: History, runner: int, key: AttemptKey) -> None:
    """The runner is dead, or it was not hit and has ended its attempt."""
    try:
        fd = os.pidfd_open(runner)
    except ProcessLookupError:
        return
    while not select.select([fd], [], [], 0.02)[0]:
        if os.path.exists(history.rig.run_dir(key).run) and history.rig.records(key).ended:
            break
    os.close(fd)


def test_killed_at_any_moment(history: History) -> None:
    """Between two system calls of the runner too, and while its child is about to execute the command."""
    moments = random.Random(1)
    for _ in range(RANDOM_KILLS):
        runner = history.idle_runner()
        fd = os.pidfd_open(runner)
        key = history.start()
        select.select([fd], [], [], moments.random() * 0.003)
        kill(runner)
        os.close(fd)
        history.settle(key)
    words = history.check()
    assert sum(words.values()) == RANDOM_KILLS


class TestDoubleAndLate:
    def test_fifty_launches_of_one_attempt(self, rig: Rig) -> None:
        """Fifty runners hear the same order at once; fifty more a little later."""
        history = History(rig)
        rig.warm = 50
        rig.restart()
        rig.wait(lambda: len(rig.engine._pool._idle) >= 50, "fifty runners")
        links = [rig.engine._pool.take() for _ in range(50)]
        key = history.start()
        message = rig.engine._held[key].order
        assert message is not None
        for _ in range(2):
            for link in links:
                assert link is not None
                link.send(message)
        history.settle(key)
        rig.engine.forget(key)
        for link in links:
            assert link is not None
            link.send(message)
            link.send({"do": "state"})
        rig.leave()
        for pid in rig.processes():
            wait_dead(pid)
        rig.come_back()
        assert history.check() == {"ended": 1}

    def test_stopped_before_its_claim_and_woken_when_it_was_given_up(self, rig: Rig) -> None:
        history = History(rig)
        runner = history.idle_runner()
        kill(runner, signal.SIGSTOP)
        key = history.start()
        rig.stop(key)
        assert history.settle(key).stage == "revoked"
        kill(runner, signal.SIGCONT)
        rig.wait(lambda: rig.engine._held[key].link is None, "its answer")
        assert history.check() == {"revoked": 1}
        rig.engine.forget(key)
        assert rig.dirs.is_done(1, 1)
        assert rig.result(rig.sh("exit 2", job=2)).wait_status == 2 << 8

    def test_its_files_stay_until_it_has_answered(self, rig: Rig) -> None:
        history = History(rig)
        runner = history.idle_runner()
        kill(runner, signal.SIGSTOP)
        key = history.start()
        rig.stop(key)
        history.settle(key)
        rig.engine.forget(key)
        assert not rig.dirs.is_done(1, 1)
        kill(runner, signal.SIGCONT)
        rig.wait(lambda: rig.dirs.is_done(1, 1), "the move")
        assert history.check() == {"revoked": 1}

    @pytest.mark.usefixtures("nobody_wakes")
    def test_woken_when_another_agent_has_put_everything_away(self, rig: Rig) -> None:
        history = History(rig)
        runner = history.idle_runner()
        kill(runner, signal.SIGSTOP)
        key = history.start()
        rig.leave()
        rig.come_back()
        rig.stop(key)
        history.settle(key)
        rig.engine.forget(key)
        assert rig.dirs.is_done(1, 1)
        kill(runner, signal.SIGCONT)
        rig.wait(lambda: not alive(runner) or runner in rig.idle(), "its answer")
        assert history.check() == {"revoked": 1}

    @pytest.mark.usefixtures("nobody_wakes")
    def test_two_agents_order_it_one_after_the_other(self, rig: Rig) -> None:
        """The first one's runner is stopped before it heard; the second one starts it; then the first wakes."""
        history = History(rig)
        runner = history.idle_runner()
        kill(runner, signal.SIGSTOP)
        key = history.start()
        rig.leave()
        rig.come_back()
        history.again()
        assert history.settle(key).stage == "ended"
        kill(runner, signal.SIGCONT)
        rig.wait(lambda: not alive(runner) or runner in rig.idle(), "its answer")
        assert history.check() == {"ended": 1}
