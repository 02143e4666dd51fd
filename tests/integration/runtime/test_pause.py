"""A running attempt stands still and goes on: all of its processes, its time limit too; and a new time limit."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runyard.foreign import process, sockets
from runyard.runtime import family
from runyard.runtime.cgroup import CgroupTree
from runyard.runtime.family import Member
from runyard.runtime.groups import RunnerGroups
from runyard.runtime.link import RunnerLink
from runyard.runtime.runner import socket_name
from runyard.runtime.standstill import Standstill
from tests.integration.runtime.rig import LOOK_S, PATIENCE_S, Rig, alive, kill, wait_dead

TICKS = "i=0; while :; do i=$((i+1)); echo $i >> ticks; sleep 0.02; done"
FORKS = "while :; do sh -c 'echo x >> ticks; sleep 0.01' & sleep 0.005; done"
"""A job that is always about to have another child; some dozen at a time."""
BUSY = """
import os, sys
opened = [(os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)]
os.waitpid(os.posix_spawn("/bin/true", ["true"], {}, file_actions=opened), 0)
"""
"""It waits in the kernel for its child to execute, which waits at the gate."""

DEAF = "trap '' TERM; echo $$ > pid; echo x >> ticks; while :; do sleep 0.02; echo x >> ticks; done"


@pytest.fixture(params=["as found", "by signals"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """With the kernel's freezer where there is one, and without."""
    boot = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from runyard.runtime.cgroup import CgroupTree\n"
        "CgroupTree.freezes = False\n"
        "from runyard.runtime.zygote import main; main()"
    )
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "by signals":
            patch.setattr("runyard.runtime.zygote._BOOT", boot)
        elif not _freezes():
            pytest.skip("this kernel's groups cannot stand still")
        made = Rig(tmp_path)
        yield made
        assert made.clean() == []


def _freezes() -> bool:
    tree = CgroupTree.find()
    return tree is not None and tree.freezes


def pause(rig: Rig, name: str = "ticks") -> int:
    """Pause attempt 1; how much it has written when it stands still."""
    rig.adjust(rig.order().key, paused=True)
    return still(rig, name)


def still(rig: Rig, name: str = "ticks") -> int:
    """How much there is in this file when nothing more comes for a while."""
    sizes = [-1]

    def quiet() -> bool:
        sizes.append((rig.out / name).stat().st_size)
        return len(sizes) > 6 and len(set(sizes[-6:])) == 1

    rig.wait(quiet, "a standstill")
    return sizes[-1]


def greeting(rig: Rig, runner: int) -> Any:
    """What a runner says to who connects."""
    member = Member(runner, family.start_time(runner))
    with sockets.connect(os.path.join(rig.home.runner_sockets, socket_name(member))) as connection:
        return json.loads(connection.makefile().readline())


def grows(rig: Rig, size: int, name: str = "ticks") -> None:
    rig.wait(lambda: (rig.out / name).stat().st_size > size, "more output")


def test_it_stands_still_and_goes_on(rig: Rig) -> None:
    key = rig.sh(TICKS)
    rig.started(key)
    rig.file("ticks")
    size = pause(rig)
    rig.adjust(key)
    grows(rig, size)
    rig.stop(key)
    assert rig.result(key).why == "cancelled"


def test_again_and_again_changes_nothing(rig: Rig) -> None:
    key = rig.sh(TICKS)
    rig.started(key)
    rig.file("ticks")
    size = pause(rig)
    assert pause(rig) == size
    rig.adjust(key)
    rig.adjust(key)
    grows(rig, size)
    pause(rig)
    rig.stop(key, number=signal.SIGKILL)
    assert rig.result(key).wait_status == signal.SIGKILL


def test_a_family_that_forks_all_the_time(rig: Rig) -> None:
    key = rig.sh(FORKS)
    rig.started(key)
    rig.file("ticks")
    size = pause(rig)
    rig.adjust(key)
    grows(rig, size)
    pause(rig)
    rig.stop(key)
    assert rig.result(key).why == "cancelled"


def test_the_signal_of_a_stop_reaches_it(rig: Rig) -> None:
    key = rig.sh("trap 'echo heard; exit 3' TERM; echo x > ticks; while :; do sleep 0.02; done")
    rig.started(key)
    rig.file("ticks")
    pause(rig)
    rig.stop(key)
    assert rig.result(key).wait_status == 3 << 8
    assert "heard" in rig.output(key)


def test_one_that_ignores_signals_is_killed_after_the_grace(rig: Rig) -> None:
    key = rig.sh(DEAF, grace_s=0.3)
    rig.started(key)
    rig.file("ticks")
    pause(rig)
    rig.stop(key)
    assert rig.result(key).wait_status == signal.SIGKILL


def test_what_is_killed_meanwhile_is_noticed(rig: Rig) -> None:
    """And what it leaves behind is ended, though it stood still."""
    key = rig.sh(
        "(trap '' TERM; echo $$ > /dev/null; exec sleep 1000) & echo $$ > pid; echo x > ticks; wait", grace_s=0.2
    )
    rig.started(key)
    pid = rig.pid()
    pause(rig)
    kill(pid)
    result = rig.result(key)
    assert (result.wait_status, result.why) == (signal.SIGKILL, "")
    assert "left-over" in result.detail


def test_the_time_limit_stands_still(rig: Rig) -> None:
    key = rig.sh(TICKS, time_limit_s=1.0)
    rig.started(key)
    rig.file("ticks")
    pause(rig)
    rig.adjust(key, 1.0, paused=True)
    end = time.monotonic() + 1.2
    rig.wait(lambda: time.monotonic() > end, "its time")
    assert rig.seen[key].stage == "started"
    rig.adjust(key, 1.0)
    assert rig.result(key).why == "timeout"


class TestTheTimeLimit:
    """Told while it runs."""

    def test_a_shorter_one(self, rig: Rig) -> None:
        key = rig.sh("sleep 1000", time_limit_s=1000.0)
        rig.started(key)
        rig.adjust(key, 0.1)
        assert rig.result(key).why == "timeout"

    def test_none_any_more(self, rig: Rig) -> None:
        key = rig.sh("echo x > ticks; sleep 1.2", time_limit_s=1.0)
        rig.file("ticks")
        rig.adjust(key)
        assert rig.result(key).wait_status == 0

    def test_before_it_has_started(self, rig: Rig) -> None:
        """The order may still wait for a runner."""
        keys = [rig.sh("sleep 1000", job=job) for job in range(1, 5)]
        for key in keys:
            rig.adjust(key, 0.1)
        assert [rig.result(key).why for key in keys] == ["timeout"] * 4

    def test_of_another_attempt(self, rig: Rig) -> None:
        """It is nobody's any more; who runs there now keeps its own."""
        rig.result(rig.sh("exit 0"))
        key = rig.sh("echo x > ticks; sleep 0.3", job=2)
        rig.file("ticks")
        rig.adjust(rig.order().key, 0.01)
        assert rig.result(key).wait_status == 0

    def test_after_the_agents_death(self, rig: Rig) -> None:
        key = rig.sh("sleep 1000")
        rig.started(key)
        rig.restart()
        rig.adjust(key, 0.1)
        assert rig.result(key).why == "timeout"


class TestAcrossAgents:
    def test_the_runner_knows(self, rig: Rig) -> None:
        key = rig.sh(TICKS)
        rig.started(key)
        rig.file("ticks")
        size = pause(rig)
        rig.leave()
        rig.come_back()
        rig.started(key)
        assert still(rig) == size
        assert greeting(rig, rig.runner(key))["attempt"]["paused"]
        rig.adjust(key)
        grows(rig, size)
        rig.stop(key)
        assert rig.result(key).why == "cancelled"

    def test_the_runner_dies(self, rig: Rig) -> None:
        """Nobody is left standing still for ever."""
        key = rig.sh("(echo x > ticks; exec sleep 1000) & echo $$ > pid; wait")
        rig.started(key)
        pid = rig.pid()
        rig.file("ticks")
        pause(rig)
        runner = rig.runner(key)
        kill(runner)
        wait_dead(runner)
        assert rig.result(key).why == "lost"
        assert not alive(pid)

    def test_one_of_an_older_version_says_so(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        key = rig.sh("echo x > ticks; read x < /dev/zero")
        rig.started(key)
        rig.leave()
        know = RunnerLink._know

        def older(link: RunnerLink, greeting: dict[str, object]) -> None:
            know(link, {**greeting, "v": 1})

        monkeypatch.setattr(RunnerLink, "_know", older)
        rig.come_back()
        rig.adjust(key, paused=True)
        seen = rig.wait(lambda: rig.seen[key] if rig.seen[key].why else None, "a refusal")
        assert (seen.stage, "older version" in seen.why) == ("started", True)
        stat = process.read_stat(seen.pid or 0)
        assert stat is not None and stat.state not in "Tt"
        rig.stop(key, number=signal.SIGKILL)
        assert rig.result(key).why == "cancelled"


def test_one_that_had_not_come_to_a_standstill_goes_on(tmp_path: Path) -> None:
    """A process that waits in the kernel stands still only when it comes back: by then the pause may be over."""
    os.mkfifo(tmp_path / "gate")
    argv = [sys.executable, "-c", BUSY, str(tmp_path / "gate")]
    with subprocess.Popen(argv) as busy:
        try:
            member = Member(busy.pid, family.start_time(busy.pid))
            deadline = time.monotonic() + PATIENCE_S
            while (stat := process.read_stat(busy.pid)) is None or stat.state != "D":
                assert time.monotonic() < deadline, "it does not wait"
                select.select([], [], [], LOOK_S)
            standstill = Standstill(RunnerGroups(None, member), lambda: [member])
            standstill.look(0.0)
            standstill.end()
            with open(tmp_path / "gate", "wb"):
                assert busy.wait(PATIENCE_S) == 0
        finally:
            busy.kill()
