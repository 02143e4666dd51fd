"""Run directories: made, moved, collected."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from runyard.runtime.rundir import MB, RunDirs


@pytest.fixture
def dirs(tmp_path: Path) -> RunDirs:
    made = RunDirs(str(tmp_path / "runs"), "host-1")
    made.prepare()
    return made


def finish(dirs: RunDirs, job: int, content: bytes = b"", age_days: float = 0) -> None:
    assert dirs.make(job, 1)
    live = dirs.live(job, 1)
    for path in (live.run, live.script, live.output):
        Path(path).write_bytes(content)
    dirs.retire(job, 1)
    done = dirs.done(job, 1)
    if age_days:
        for path in (done.output, done.path):
            stat = os.stat(path)
            os.utime(path, (stat.st_atime, stat.st_mtime - age_days * 86400))


def test_everything_is_private(dirs: RunDirs, tmp_path: Path) -> None:
    finish(dirs, 1)
    dirs.make(2, 1)
    for path, _, _ in os.walk(tmp_path / "runs"):
        assert os.stat(path).st_mode & 0o777 == 0o700, path


def test_a_directory_is_made_once(dirs: RunDirs) -> None:
    assert dirs.make(12, 1)
    assert not dirs.make(12, 1)
    assert dirs.make(12, 2)


def test_what_is_done_is_never_made_again(dirs: RunDirs) -> None:
    finish(dirs, 12)
    assert dirs.is_done(12, 1)
    assert not dirs.make(12, 1)
    assert not os.path.exists(dirs.live(12, 1).path)


def test_scan_names_living_ones_only(dirs: RunDirs) -> None:
    dirs.make(3, 1)
    dirs.make(3, 2)
    finish(dirs, 4)
    live = Path(dirs.live(3, 1).path).parent
    for name in ("x", "3", "3.x", "03.1", "3.1.2", "-1.1"):
        (live / name).mkdir()
    (live / "7.1").write_text("a file")
    (live / "8.1").symlink_to(live / "3.1")
    assert sorted((found.job, found.number) for found in dirs.scan()) == [(3, 1), (3, 2)]


def test_retired_only_the_output_is_left(dirs: RunDirs) -> None:
    finish(dirs, 1999, b"hello")
    done = dirs.done(1999, 1)
    assert os.listdir(done.path) == ["output.log"]
    assert done.path.endswith("/done/1/1999.1")


def test_retiring_twice_is_no_harm(dirs: RunDirs) -> None:
    finish(dirs, 1)
    dirs.retire(1, 1)
    dirs.retire(2, 1)
    assert dirs.is_done(1, 1)
    assert not dirs.is_done(2, 1)


def test_the_name_of_the_jobs_own_output_is_kept(dirs: RunDirs) -> None:
    dirs.make(1, 1)
    Path(dirs.live(1, 1).output_link).write_bytes(b"/data/\xffout.log")
    dirs.retire(1, 1)
    assert Path(dirs.done(1, 1).output_link).read_bytes() == b"/data/\xffout.log"


def test_old_ones_are_collected(dirs: RunDirs) -> None:
    finish(dirs, 1, b"x", age_days=31)
    finish(dirs, 1002, b"x", age_days=40)
    finish(dirs, 3, b"x", age_days=29)
    dirs.make(4, 1)
    assert [gone.job for gone in dirs.collect(30, 1000, dry=True)] == [1002, 1]
    assert dirs.is_done(1, 1), "that only said what would go"
    assert [gone.job for gone in dirs.collect(30, 1000)] == [1002, 1]
    assert not dirs.is_done(1, 1)
    assert dirs.is_done(3, 1)
    assert os.path.isdir(dirs.live(4, 1).path)


class TestClock:
    """What a wall clock that is set does to what is kept by age."""

    def ahead(self, monkeypatch: pytest.MonkeyPatch, days: float, boot: bool = False) -> None:
        """From now on by the wall clock; `boot`: that much time has really passed."""
        wall = time.time() + days * 86400
        monkeypatch.setattr(time, "time", lambda: wall)
        if boot:
            passed = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int(days * 86400e9)
            monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: passed)

    def test_a_jump_ahead_removes_nothing(self, dirs: RunDirs, monkeypatch: pytest.MonkeyPatch) -> None:
        finish(dirs, 1, b"x", age_days=1)
        assert dirs.collect(30, 1000) == []
        self.ahead(monkeypatch, 40)
        for _ in range(3):
            assert dirs.collect(30, 1000) == [], "nor does the next collection"

    def test_after_one_more_period_it_goes(self, dirs: RunDirs, monkeypatch: pytest.MonkeyPatch) -> None:
        finish(dirs, 1, b"x", age_days=1)
        dirs.collect(30, 1000)
        self.ahead(monkeypatch, 40)
        dirs.collect(30, 1000)
        self.ahead(monkeypatch, 29, boot=True)
        assert dirs.collect(30, 1000) == []
        self.ahead(monkeypatch, 2, boot=True)
        assert [gone.job for gone in dirs.collect(30, 1000)] == [1]

    def test_a_jump_that_is_taken_back(self, dirs: RunDirs, monkeypatch: pytest.MonkeyPatch) -> None:
        finish(dirs, 1, b"x", age_days=1)
        dirs.collect(30, 1000)
        self.ahead(monkeypatch, 4000)
        dirs.collect(30, 1000)
        self.ahead(monkeypatch, -4000)
        assert dirs.collect(30, 1000) == []
        self.ahead(monkeypatch, 31, boot=True)
        assert [gone.job for gone in dirs.collect(30, 1000)] == [1]

    def test_time_that_has_passed_is_no_jump(self, dirs: RunDirs, monkeypatch: pytest.MonkeyPatch) -> None:
        finish(dirs, 1, b"x")
        dirs.collect(30, 1000)
        self.ahead(monkeypatch, 31, boot=True)
        assert [gone.job for gone in dirs.collect(30, 1000)] == [1]

    @pytest.mark.parametrize(("days", "jobs"), [(20, [1]), (4000, [])])
    def test_from_one_boot_to_the_next(
        self, dirs: RunDirs, monkeypatch: pytest.MonkeyPatch, days: float, jobs: list[int]
    ) -> None:
        """Three weeks the machine may have been off; ten years its clock has lost its battery."""
        finish(dirs, 1, b"x", age_days=20)
        dirs.collect(30, 1000)
        monkeypatch.setattr("runyard.runtime.rundir.process.boot_id", lambda: "another")
        self.ahead(monkeypatch, days)
        assert [gone.job for gone in dirs.collect(30, 1000)] == jobs

    def test_what_is_too_much_goes_all_the_same(self, dirs: RunDirs, monkeypatch: pytest.MonkeyPatch) -> None:
        for job in (1, 2):
            finish(dirs, job, b"x" * MB, age_days=5 - job)
        dirs.collect(30, 1000)
        self.ahead(monkeypatch, 40)
        assert [gone.job for gone in dirs.collect(30, 1.5)] == [1]

    @pytest.mark.parametrize("text", ["", "[]", "{}", '["boot", "x", 1, 2]', "\xff"])
    def test_a_note_that_says_nothing_sensible(self, dirs: RunDirs, tmp_path: Path, text: str) -> None:
        finish(dirs, 1, b"x", age_days=1)
        (tmp_path / "runs" / "host-1" / "collected").write_bytes(text.encode("latin-1"))
        assert dirs.collect(30, 1000) == []


def test_the_oldest_go_when_it_is_too_much(dirs: RunDirs) -> None:
    for job in (1, 2, 3):
        finish(dirs, job, b"x" * MB, age_days=10 - job)
    removed = dirs.collect(30, 2.5)
    assert [gone.job for gone in removed] == [1]
    assert MB <= removed[0].size < 2 * MB
    assert dirs.collect(30, 2.5) == []


def test_nothing_to_collect(tmp_path: Path) -> None:
    assert RunDirs(str(tmp_path), "host").collect(30, 100) == []
    assert RunDirs(str(tmp_path), "host").scan() == []
