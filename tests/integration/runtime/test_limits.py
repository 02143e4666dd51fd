"""What a machine can run out of: memory, processes, disk; and processes that will not die."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runyard.foreign import process
from runyard.runtime import family, runfile
from runyard.runtime.cgroup import CgroupTree, Group
from tests.integration.runtime.rig import Rig, alive, kill, wait_dead

BOMB = (
    "trap '' TERM; mkfifo gate; echo $$ > pid; read go < gate; bomb() { trap '' TERM; bomb | bomb & }; bomb; sleep 1000"
)
BOMB_MAX = 200

OWN_KB = 3_328
"""The most that a runner may have for itself: with terminals and checkpoints at hand it is a little over 3 MB."""


@pytest.fixture
def tree() -> CgroupTree:
    found = CgroupTree.find()
    if found is None:
        pytest.skip("no control groups can be made here")
    return found


@pytest.fixture
def fence(tree: CgroupTree) -> Iterator[Group]:
    """A group that holds at most so many processes. Where that cannot be had no bomb is built."""
    group = tree.group(f"test-{os.getpid()}")
    assert group is not None
    if group.pids_max(BOMB_MAX) != BOMB_MAX:
        group.remove()
        pytest.skip("the number of processes cannot be limited here")
    yield group
    group.kill()
    while group.populated():
        pass
    group.remove()


def test_a_fork_bomb_is_ended(rig: Rig, fence: Group) -> None:
    key = rig.start(BOMB, shell="bash", grace_s=0.1)
    pid = rig.pid()
    assert fence.add(pid)
    assert pid in fence.pids()
    rig.open_gate("go")
    rig.wait(lambda: len(fence.pids()) > BOMB_MAX // 2, "the bomb")
    rig.stop(key)
    result = rig.result(key)
    assert (result.wait_status, result.why) == (signal.SIGKILL, "cancelled")
    assert not fence.populated()


class TestMemory:
    HUNGRY = "import time; kept = []\nwhile True: kept.append(bytearray(10_000_000))"

    def limited(self, tree: CgroupTree) -> None:
        if tree.place_of("memory")[0] == 0:
            pytest.skip("memory cannot be limited here")

    def test_killed_for_want_of_it(self, rig: Rig, tree: CgroupTree) -> None:
        self.limited(tree)
        key = rig.start(sys.executable, "-c", self.HUNGRY, memory_mb=100)
        result = rig.result(key)
        assert (result.wait_status, result.why) == (signal.SIGKILL, "oom")
        assert "want of memory" in result.detail
        assert result.max_rss_mb < 110

    def test_the_next_one_has_its_own_limit(self, rig: Rig, tree: CgroupTree) -> None:
        self.limited(tree)
        rig.ended(rig.start(sys.executable, "-c", self.HUNGRY, memory_mb=60))
        for job, memory_mb in ((2, 0), (3, 400)):
            key = rig.start(sys.executable, "-c", "bytearray(200_000_000)", job=job, memory_mb=memory_mb)
            assert (rig.result(key).wait_status, rig.result(key).why) == (0, "")

    def test_another_sigkill_is_no_oom(self, rig: Rig, tree: CgroupTree) -> None:
        self.limited(tree)
        result = rig.result(rig.sh("kill -9 $$", memory_mb=100))
        assert (result.wait_status, result.why) == (signal.SIGKILL, "")


def test_cpus(rig: Rig, tree: CgroupTree) -> None:
    """Two busy processes on one CPU: half of what they would get. The runner itself is held too, and nobody else."""
    if tree.place_of("cpu")[0] == 0 or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("CPUs cannot be limited here")
    key = rig.start(
        "for i in 1 2 3; do (while :; do :; done) & done; wait", shell="bash", time_limit_s=1.0, grace_s=0.1
    )
    result = rig.result(key)
    assert result.why == "timeout"
    assert result.cpu_s < 1.6


class TestGroups:
    def test_whoever_left_session_and_environment_is_found_after_everybodys_death(
        self, rig: Rig, tree: CgroupTree
    ) -> None:
        """Runner and zygote are dead; the group is what is left to know him by."""
        assert tree.controllers
        key = rig.sh("env -i setsid sh -c 'echo $$ > pid; exec sleep 1000' & exec sleep 1000")
        pid = rig.pid()
        rig.started(key)
        runner, zygote = rig.runner(key), rig.zygote(key)
        rig.leave()
        kill(zygote)
        kill(runner)
        wait_dead(runner)
        rig.come_back()
        assert rig.result(key).why == "lost"
        assert not alive(pid)

    def test_they_are_taken_away(self, rig: Rig, tree: CgroupTree) -> None:
        before = set(tree.names())
        rig.ended(rig.sh("exit 0", memory_mb=100))
        assert set(tree.names()) - before
        ours = rig.processes()
        rig.leave()
        for pid in ours:
            wait_dead(pid)
        names = [name for name in set(tree.names()) - before if any(f"-{pid}-" in name for pid in ours)]
        assert names == []
        rig.come_back()


class TestDisk:
    """On a file system of our own that is full."""

    @pytest.fixture
    def small(self, tmp_path: Path) -> Iterator[Path]:
        """200 KB that can be filled."""
        where = tmp_path / "small"
        where.mkdir()
        mount = shutil.which("mount")
        argv = [str(mount), "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(where)]
        if mount is None or subprocess.run(argv, capture_output=True, check=False).returncode:
            pytest.skip("nothing can be mounted here")
        yield where
        subprocess.run(["umount", "-l", str(where)], check=True)

    def fill(self, where: Path) -> None:
        with open(where / "fill", "wb", buffering=0) as file:
            for size in (4096, 1):
                while True:
                    try:
                        file.write(b"x" * size)
                    except OSError:
                        break

    def test_full_at_the_end(self, small: Path) -> None:
        """The place of the last record was taken at the claim."""
        rig = Rig(small)
        key = rig.sh("mkfifo gate; echo $$ > pid; read code < gate; echo said; exit $code")
        rig.started(key)
        rig.pid()
        runner = rig.runner(key)
        rig.leave()
        self.fill(small)
        rig.open_gate(3)
        wait_dead(runner)
        ended = rig.records(key).ended
        (small / "fill").unlink()
        assert ended is not None
        assert ended.wait_status == 3 << 8
        rig.come_back()
        assert rig.result(key).wait_status == 3 << 8
        assert rig.clean() == []

    def test_full_at_the_start(self, small: Path) -> None:
        rig = Rig(small)
        rig.ended(rig.sh("exit 0"))
        self.fill(small)
        key = rig.sh("touch /dev/null && exit 0", job=2, workdir="/")
        result = rig.result(key)
        assert result.why == "not-started"
        assert "No space left" in result.detail
        (small / "fill").unlink()
        assert rig.result(rig.sh("exit 0", job=3)).wait_status == 0
        assert rig.clean() == []


class TestUnkillable:
    """The kernel's D state cannot be made at will: here the signals are lost on their way."""

    def test_it_is_told_and_tried_again(self, rig: Rig) -> None:
        blind = (
            "import runyard.runtime.family as f, runyard.runtime.attempt as a\n"
            "a.UNKILLABLE_S = 0.2; send = f.send; n = [0]\n"
            "def lost(members, number):\n"
            "    n[0] += 1\n"
            "    if n[0] > 15: send(members, number)\n"
            "f.send = lost\n"
        )
        rig.leave()
        boot = (
            "import sys; sys.path.insert(0, sys.argv[1])\n" + blind + "from runyard.runtime.zygote import main; main()"
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("runyard.runtime.zygote._BOOT", boot)
            rig.come_back()
            key = rig.sh("echo $$ > pid; exec sleep 1000", grace_s=0.0)
            pid = rig.pid()
            rig.stop(key)
            assert rig.stage(key, "unkillable").pid == pid
            assert rig.result(key).wait_status == signal.SIGKILL

    def test_after_the_runners_death(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        key = rig.sh("echo $$ > pid; exec sleep 1000")
        rig.pid()
        rig.started(key)
        runner, zygote = rig.runner(key), rig.zygote(key)
        monkeypatch.setattr("runyard.runtime.funeral.UNKILLABLE_S", 0.2)
        monkeypatch.setattr("runyard.runtime.funeral.signal.pidfd_send_signal", lambda fd, number: None)
        monkeypatch.setattr(Group, "kill", lambda group: None)
        kill(zygote)
        kill(runner)
        rig.stage(key, "unkillable")
        monkeypatch.undo()
        assert rig.result(key).why == "lost"


def test_a_runner_is_small(rig: Rig) -> None:
    """Its own memory, after some attempts: what it does not share with the zygote."""
    for job in range(1, 20):
        key = rig.sh("exit 0", job=job)
        rig.ended(key)
    runner = rig.runner(key)
    smaps = Path(f"/proc/{runner}/smaps_rollup").read_text()
    own_kb = int(next(line.split()[1] for line in smaps.splitlines() if line.startswith("Private_Dirty")))
    assert own_kb < OWN_KB
    assert len(os.listdir(f"/proc/{runner}/fd")) < 12 + runfile.SLATES_MAX


def test_what_is_open_stays_few(rig: Rig) -> None:
    """Neither engine nor runner nor zygote collects descriptors."""
    key = rig.sh("exit 0")
    rig.ended(key)
    pids = [os.getpid(), rig.runner(key), rig.zygote(key)]
    before = [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]
    for job in range(2, 50):
        key = rig.sh("exit 0", job=job, environment=_blob(rig, job))
        rig.ended(key)
        rig.engine.forget(key)
    after = [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]
    more = (2, runfile.SLATES_MAX, 2)
    assert all(now <= then + few for now, then, few in zip(after, before, more, strict=True)), (before, after)
    assert [pid for pid in process.children(pids[2]) if family.identity(pid) is None] == []


def _blob(rig: Rig, job: int) -> str:
    path = rig.out / f"environment-{job}"
    path.write_text(json.dumps({"PATH": os.environ["PATH"], "JOB": str(job)}))
    return str(path)
