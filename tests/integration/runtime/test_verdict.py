"""The table of verdicts, row by row, and the races around a claim."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from runyard.runtime import runfile, verdict
from runyard.runtime.rundir import RunDir, RunDirs
from runyard.runtime.runfile import Claim, Ended, Started
from runyard.runtime.verdict import ADOPT, DAMAGED, ENDED, LOST, NEVER_STARTED, REBOOT, RUNNER_DIED, Here, judge

HERE = Here("host-1", "boot-1", 4026531836, 4711, 100)
BEGUN = Started(4713, 300, 2.0)
OVER = Ended(3 << 8, "", "", "runner", 0.5, 10.0, 3.0, 1.0)


@pytest.fixture
def where(tmp_path: Path) -> RunDir:
    dirs = RunDirs(str(tmp_path), "host-1")
    dirs.prepare()
    assert dirs.make(12, 1)
    return dirs.live(12, 1)


def claimed(boot_id: str = "boot-1") -> Claim:
    return Claim(12, 1, "token", "host-1", boot_id, 4026531836, 4712, 200, 1.0)


def claim(where: RunDir, boot_id: str = "boot-1") -> int:
    fd = runfile.create(where.run, claimed(boot_id))
    assert fd is not None
    return fd


class TestTable:
    def test_lock_held(self, where: RunDir) -> None:
        fd = claim(where)
        runfile.write_started(fd, BEGUN)
        found = judge(where, "token", HERE)
        assert (found.word, found.records.claim, found.records.started) == (ADOPT, claimed(), BEGUN)
        os.close(fd)

    def test_ended(self, where: RunDir) -> None:
        fd = claim(where)
        runfile.write_started(fd, BEGUN)
        runfile.write_ended(fd, OVER)
        os.close(fd)
        found = judge(where, "token", HERE)
        assert (found.word, found.records.ended) == (ENDED, OVER)

    def test_ended_before_a_reboot(self, where: RunDir) -> None:
        fd = claim(where, "boot-0")
        runfile.write_ended(fd, OVER)
        os.close(fd)
        assert judge(where, "token", HERE, "boot-0").word == ENDED

    def test_no_claim_and_we_create_it(self, where: RunDir) -> None:
        assert judge(where, "token", HERE).word == NEVER_STARTED
        assert runfile.create(where.run, claimed()) is None
        assert judge(where, "token", HERE).word == NEVER_STARTED
        found = runfile.look(where.run)[1].claim
        assert found is not None
        assert (found.by, found.token, found.pid) == ("agent", "token", HERE.pid)

    def test_no_directory_and_we_create_it(self, tmp_path: Path) -> None:
        where = RunDirs(str(tmp_path), "host-1").live(12, 1)
        assert judge(where, "token", HERE).word == NEVER_STARTED
        assert os.path.exists(where.run)

    def test_claim_of_another_boot(self, where: RunDir) -> None:
        os.close(claim(where, "boot-0"))
        found = judge(where, "token", HERE)
        assert (found.word, found.reason, found.family_may_live) == (LOST, REBOOT, False)

    @pytest.mark.parametrize("started", [False, True])
    def test_claim_of_this_boot(self, where: RunDir, started: bool) -> None:
        fd = claim(where)
        if started:
            runfile.write_started(fd, BEGUN)
        os.close(fd)
        found = judge(where, "token", HERE)
        assert (found.word, found.reason, found.family_may_live) == (LOST, RUNNER_DIED, True)

    def test_an_order_of_another_boot_without_a_claim(self, where: RunDir) -> None:
        """The claim may have been lost with the power: never-started would be a guess."""
        assert judge(where, "token", HERE, "boot-0").reason == REBOOT
        Path(where.run).touch()
        assert judge(where, "token", HERE, "boot-0").reason == REBOOT

    def test_a_damaged_claim(self, where: RunDir) -> None:
        Path(where.run).write_bytes(b"\0" * 1024)
        found = judge(where, "token", HERE)
        assert (found.word, found.reason) == (LOST, DAMAGED)

    def test_lost_is_final(self, where: RunDir) -> None:
        os.close(claim(where))
        verdict.record_lost(where, RUNNER_DIED)
        ended = judge(where, "token", HERE).records.ended
        assert ended is not None
        assert (ended.why, ended.detail, ended.source, ended.wait_status) == (LOST, RUNNER_DIED, "inferred", None)

    def test_a_true_end_is_never_overwritten(self, where: RunDir) -> None:
        fd = claim(where)
        runfile.write_ended(fd, OVER)
        os.close(fd)
        verdict.record_lost(where, RUNNER_DIED)
        assert judge(where, "token", HERE).records.ended == OVER

    def test_nothing_is_said_when_the_claim_cannot_be_written(
        self, where: RunDir, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(fd: int, data: bytes, offset: int) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "pwrite", full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                judge(where, "token", HERE)
        monkeypatch.undo()
        assert judge(where, "token", HERE).word == NEVER_STARTED


class TestRaces:
    """A claim is creation, lock and record. Whatever comes between, either the runner or the judge has it."""

    def test_created_and_neither_locked_nor_claimed(self, where: RunDir) -> None:
        Path(where.run).touch()
        assert judge(where, "token", HERE).word == NEVER_STARTED
        assert judge(where, "token", HERE).word == NEVER_STARTED

    def test_the_judge_comes_between_creation_and_lock(self, where: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
        lock = runfile._lock

        def late(fd: int) -> bool:
            monkeypatch.setattr(runfile, "_lock", lock)
            assert judge(where, "token", HERE).word == NEVER_STARTED
            return lock(fd)

        monkeypatch.setattr(runfile, "_lock", late)
        assert runfile.create(where.run, claimed()) is None

    def test_the_judge_comes_between_lock_and_claim(self, where: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
        fresh = runfile._is_fresh

        def late(fd: int, path: str) -> bool:
            assert judge(where, "token", HERE).word == ADOPT
            return fresh(fd, path)

        monkeypatch.setattr(runfile, "_is_fresh", late)
        fd = runfile.create(where.run, claimed())
        assert fd is not None
        os.close(fd)

    def test_a_directory_that_was_put_away_meanwhile(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The path was looked up before the move, the file is created after it."""
        dirs = RunDirs(str(tmp_path), "host-1")
        dirs.prepare()
        dirs.make(12, 1)
        really_open = os.open

        def late(path: str, flags: int, mode: int = 0o777) -> int:
            monkeypatch.setattr(os, "open", really_open)
            judge(dirs.live(12, 1), "token", HERE)
            dirs.retire(12, 1)
            return really_open(dirs.done(12, 1).run, flags, mode)

        monkeypatch.setattr(os, "open", late)
        assert runfile.create(dirs.live(12, 1).run, claimed()) is None

    def test_a_link_in_place_of_the_run_file(self, where: RunDir, tmp_path: Path) -> None:
        os.symlink(tmp_path / "elsewhere", where.run)
        assert runfile.create(where.run, claimed()) is None
        assert not (tmp_path / "elsewhere").exists()

    def test_the_lock_is_not_for_children(self, where: RunDir) -> None:
        fd = claim(where)
        assert not os.get_inheritable(fd)
        os.close(fd)

    def test_looking_takes_nothing(self, where: RunDir) -> None:
        os.close(claim(where))
        with open(where.run, "rb") as file:
            for _ in range(2):
                assert not runfile.is_locked(file.fileno())
        assert verdict.look(where, HERE) is not None
