"""The table of verdicts, row by row; the claim, and the races around it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runyard.foreign.locks import is_locked
from runyard.runtime import runfile, verdict
from runyard.runtime.family import Member
from runyard.runtime.rundir import RunDir, RunDirs
from runyard.runtime.runfile import Claim, Ended, Records, Slate, Slates, Started
from runyard.runtime.verdict import ADOPT, DAMAGED, ENDED, LOST, NEVER_STARTED, REBOOT, RUNNER_DIED, Here, judge

HERE = Here("host-1", "boot-1", 4026531836, 4711, 100)
BEGUN = Started(4713, 300, 2.0)
OVER = Ended(3 << 8, "", "", "runner", 0.5, 10.0, 3.0, 1.0)


@pytest.fixture
def dirs(tmp_path: Path) -> RunDirs:
    made = RunDirs(str(tmp_path), "host-1")
    made.prepare()
    return made


@pytest.fixture
def where(dirs: RunDirs) -> RunDir:
    assert dirs.make(12, 1)
    return dirs.live(12, 1)


def claimed(boot_id: str = "boot-1") -> Claim:
    return Claim(12, 1, "token", "host-1", boot_id, 4026531836, 4712, 200, 1.0)


@pytest.fixture
def slates(tmp_path: Path) -> Iterator[Slates]:
    """The run files of a runner that lives until the test is over."""
    made = Slates(str(tmp_path / "host-1" / "slates" / "4712.200."))
    yield made
    made.close()


def claim(where: RunDir, slates: Slates, boot_id: str = "boot-1") -> Slate:
    slate = slates.claim(where.run, claimed(boot_id))
    assert slate is not None
    return slate


def die(slate: Slate) -> None:
    """The runner is dead: its descriptors are closed."""
    os.close(slate.fd)


class TestTable:
    def test_lock_held(self, where: RunDir, slates: Slates) -> None:
        runfile.write_started(claim(where, slates).fd, BEGUN)
        found = judge(where, "token", HERE)
        assert (found.word, found.records.claim, found.records.started) == (ADOPT, claimed(), BEGUN)

    def test_ended(self, where: RunDir, slates: Slates) -> None:
        slate = claim(where, slates)
        runfile.write_started(slate.fd, BEGUN)
        runfile.write_ended(slate.fd, OVER)
        found = judge(where, "token", HERE)
        assert (found.word, found.records.ended) == (ENDED, OVER), "its runner lives"
        die(slate)
        assert judge(where, "token", HERE) == found

    def test_ended_before_a_reboot(self, where: RunDir, slates: Slates) -> None:
        slate = claim(where, slates, "boot-0")
        runfile.write_ended(slate.fd, OVER)
        die(slate)
        assert judge(where, "token", HERE, "boot-0").word == ENDED

    def test_no_claim_and_we_create_it(self, where: RunDir, slates: Slates) -> None:
        assert judge(where, "token", HERE).word == NEVER_STARTED
        assert slates.claim(where.run, claimed()) is None
        assert judge(where, "token", HERE).word == NEVER_STARTED
        found = runfile.look(where.run)[1].claim
        assert found is not None
        assert (found.by, found.token, found.pid) == ("agent", "token", HERE.pid)

    def test_no_directory_and_we_create_it(self, tmp_path: Path) -> None:
        where = RunDirs(str(tmp_path), "host-1").live(12, 1)
        assert judge(where, "token", HERE).word == NEVER_STARTED
        assert os.path.exists(where.run)

    def test_claim_of_another_boot(self, where: RunDir, slates: Slates) -> None:
        die(claim(where, slates, "boot-0"))
        found = judge(where, "token", HERE)
        assert (found.word, found.reason, found.family_may_live) == (LOST, REBOOT, False)

    @pytest.mark.parametrize("started", [False, True])
    def test_claim_of_this_boot(self, where: RunDir, slates: Slates, started: bool) -> None:
        slate = claim(where, slates)
        if started:
            runfile.write_started(slate.fd, BEGUN)
        die(slate)
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

    def test_lost_is_final(self, where: RunDir, slates: Slates) -> None:
        die(claim(where, slates))
        verdict.record_lost(where, RUNNER_DIED)
        ended = judge(where, "token", HERE).records.ended
        assert ended is not None
        assert (ended.why, ended.detail, ended.source, ended.wait_status) == (LOST, RUNNER_DIED, "inferred", None)

    def test_a_true_end_is_never_overwritten(self, where: RunDir, slates: Slates) -> None:
        slate = claim(where, slates)
        runfile.write_ended(slate.fd, OVER)
        die(slate)
        verdict.record_lost(where, RUNNER_DIED)
        assert judge(where, "token", HERE).records.ended == OVER

    def test_nothing_is_said_when_the_claim_cannot_be_written(
        self, where: RunDir, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(path: str, flags: int, mode: int = 0o777) -> int:
            if flags & os.O_CREAT:
                raise OSError(errno.ENOSPC, "No space left on device")
            return really_open(path, flags, mode)

        really_open = os.open
        monkeypatch.setattr(os, "open", full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                judge(where, "token", HERE)
        monkeypatch.undo()
        assert judge(where, "token", HERE).word == NEVER_STARTED

    def test_an_agent_that_died_while_it_gave_the_attempt_up(self, where: RunDir, slates: Slates) -> None:
        Path(where.run).touch()
        assert judge(where, "token", HERE).word == NEVER_STARTED
        assert slates.claim(where.run, claimed()) is None


class TestClaim:
    """Whoever sees a run file of a runner sees a claim and a lock."""

    def test_nothing_is_seen_before_all_of_it_is(
        self, where: RunDir, slates: Slates, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link = os.link

        def watched(source: str, path: str, follow_symlinks: bool = True) -> None:
            assert not os.path.exists(where.run)
            link(source, path, follow_symlinks=follow_symlinks)
            found = verdict.look(where, HERE)
            assert found is not None
            assert (found.word, found.records.claim) == (ADOPT, claimed())

        monkeypatch.setattr(os, "link", watched)
        claim(where, slates)

    def test_one_of_two_has_it(self, where: RunDir, slates: Slates, tmp_path: Path) -> None:
        other = Slates(str(tmp_path / "host-1" / "slates" / "4713.200."))
        claim(where, slates)
        assert other.claim(where.run, claimed()) is None
        other.close()

    def test_the_judge_comes_first(self, where: RunDir, slates: Slates, monkeypatch: pytest.MonkeyPatch) -> None:
        link = os.link

        def late(source: str, path: str, follow_symlinks: bool = True) -> None:
            assert judge(where, "token", HERE).word == NEVER_STARTED
            link(source, path, follow_symlinks=follow_symlinks)

        monkeypatch.setattr(os, "link", late)
        assert slates.claim(where.run, claimed()) is None

    def test_the_runner_comes_first(self, where: RunDir, slates: Slates, monkeypatch: pytest.MonkeyPatch) -> None:
        give_up = runfile.give_up

        def late(path: str, record: Claim, started: Started | None = None) -> bool:
            claim(where, slates)
            return give_up(path, record, started)

        monkeypatch.setattr(runfile, "give_up", late)
        assert judge(where, "token", HERE).word == ADOPT

    def test_a_directory_that_was_put_away(self, where: RunDir, slates: Slates, dirs: RunDirs) -> None:
        judge(where, "token", HERE)
        dirs.retire(12, 1)
        assert slates.claim(where.run, claimed()) is None

    def test_a_directory_that_is_put_away_meanwhile(
        self, where: RunDir, slates: Slates, dirs: RunDirs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its name was looked up before the move, the link is made after it."""
        link = os.link

        def late(source: str, path: str, follow_symlinks: bool = True) -> None:
            judge(where, "token", HERE)
            dirs.retire(12, 1)
            link(source, dirs.done(12, 1).run, follow_symlinks=follow_symlinks)

        monkeypatch.setattr(os, "link", late)
        assert slates.claim(where.run, claimed()) is None

    def test_a_directory_that_is_gone_with_its_runner(self, where: RunDir, slates: Slates) -> None:
        """What the runner has told while it lived is its file then, for every later look too."""
        die(claim(where, slates))
        shutil.rmtree(where.path)
        for told in (Records(claimed(), BEGUN), None):
            found = judge(where, "token", HERE, told=told)
            assert (found.word, found.reason, found.records.started) == (LOST, RUNNER_DIED, BEGUN)

    def test_a_private_name_that_is_gone(self, dirs: RunDirs, where: RunDir, slates: Slates, tmp_path: Path) -> None:
        """The last name of the file is an attempt's then: it is not used for another one."""
        slate = claim(where, slates)
        slates.give_back(slate)
        os.unlink(slate.private)
        dirs.make(13, 1)
        assert slates.claim(dirs.live(13, 1).run, claimed()._replace(job=13)) is not None
        assert runfile.look(where.run)[1].claim == claimed()

    def test_a_link_in_place_of_the_run_file(self, where: RunDir, slates: Slates, tmp_path: Path) -> None:
        os.symlink(tmp_path / "elsewhere", where.run)
        assert slates.claim(where.run, claimed()) is None
        assert not (tmp_path / "elsewhere").exists()

    def test_the_lock_is_not_for_children(self, where: RunDir, slates: Slates) -> None:
        assert not os.get_inheritable(claim(where, slates).fd)

    def test_looking_takes_nothing(self, where: RunDir, slates: Slates) -> None:
        die(claim(where, slates))
        with open(where.run, "rb") as file:
            for _ in range(2):
                assert not is_locked(file.fileno())

    def test_where_there_are_no_hard_links(
        self, where: RunDir, slates: Slates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def none(source: str, path: str, follow_symlinks: bool = True) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", none)
        with pytest.raises(PermissionError):
            slates.claim(where.run, claimed())
        assert os.listdir(tmp_path / "host-1" / "slates") == []


class TestUsedAgain:
    def run(self, dirs: RunDirs, slates: Slates, job: int) -> int:
        assert dirs.make(job, 1)
        slate = slates.claim(dirs.live(job, 1).run, claimed()._replace(job=job))
        assert slate is not None
        runfile.write_started(slate.fd, BEGUN)
        runfile.write_ended(slate.fd, OVER)
        slates.give_back(slate)
        return os.fstat(slate.fd).st_ino

    def test_when_the_attempt_is_committed(self, dirs: RunDirs, slates: Slates) -> None:
        first = self.run(dirs, slates, 1)
        dirs.retire(1, 1)
        assert self.run(dirs, slates, 2) == first
        assert runfile.look(dirs.live(2, 1).run)[1].claim == claimed()._replace(job=2)

    def test_never_before(self, dirs: RunDirs, slates: Slates) -> None:
        inodes = {self.run(dirs, slates, job) for job in range(1, 20)}
        assert len(inodes) == 19
        for job in range(1, 20):
            records = runfile.look(dirs.live(job, 1).run)[1]
            assert records.claim == claimed()._replace(job=job)
            assert records.ended == OVER

    def test_nothing_of_the_one_before_is_left(self, dirs: RunDirs, slates: Slates) -> None:
        self.run(dirs, slates, 1)
        dirs.retire(1, 1)
        dirs.make(2, 1)
        slates.claim(dirs.live(2, 1).run, claimed()._replace(job=2))
        records = runfile.look(dirs.live(2, 1).run)[1]
        assert (records.started, records.ended) == (None, None)

    def test_private_names_go(self, dirs: RunDirs, slates: Slates, tmp_path: Path) -> None:
        for job in range(1, runfile.SLATES_MAX + 5):
            self.run(dirs, slates, job)
        assert len(os.listdir(tmp_path / "host-1" / "slates")) == runfile.SLATES_MAX
        slates.close()
        assert os.listdir(tmp_path / "host-1" / "slates") == []

    def test_those_of_the_dead_go(self, dirs: RunDirs, slates: Slates, tmp_path: Path) -> None:
        self.run(dirs, slates, 1)
        other = Slates(dirs.slate_prefix(Member(99, 1)))
        self.run(dirs, other, 2)
        dirs.drop_slates(lambda runner: runner == Member(99, 1))
        assert os.listdir(tmp_path / "host-1" / "slates") == ["99.1.1"]
        other.close()
