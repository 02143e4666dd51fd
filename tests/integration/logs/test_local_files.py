"""The output of attempts by their numbers: live ones, done ones, ones that wrote where the job wished."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runyard.api import Chunk, Files, GrepQuery
from runyard.errors import Conflict, NotFound, UsageError
from runyard.runtime.logs import LINES_MAX, LocalFiles
from runyard.runtime.rundir import RunDir, RunDirs
from runyard.settings import Home


@pytest.fixture
def dirs(tmp_path: Path) -> RunDirs:
    dirs = RunDirs(Home(str(tmp_path)).runs, "host")
    dirs.prepare()
    return dirs


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return LocalFiles(Home(str(tmp_path)), "host")


@pytest.fixture
def attempt(dirs: RunDirs) -> RunDir:
    """Attempt 1234.2, which lives and has written three lines."""
    assert dirs.make(1234, 2)
    attempt = dirs.live(1234, 2)
    Path(attempt.output).write_bytes(b"one\ntwo\nthree\n")
    return attempt


class TestLive:
    def test_range(self, files: Files, attempt: RunDir) -> None:
        assert files.range(1234, 2, 4, 3) == Chunk(4, b"two", 14)
        assert files.range(1234, 2, 4, 2**40) == Chunk(4, b"two\nthree\n", 14)
        assert files.range(1234, 2, 14, 5) == Chunk(14, b"", 14)
        assert files.range(1234, 2, 99, 5) == Chunk(99, b"", 14)

    def test_range_from_the_end(self, files: Files, attempt: RunDir) -> None:
        assert files.range(1234, 2, -6, 5) == Chunk(8, b"three", 14)
        assert files.range(1234, 2, -99, 3) == Chunk(0, b"one", 14)

    def test_lines(self, files: Files, attempt: RunDir) -> None:
        assert files.tail(1234, 2, 2) == Chunk(4, b"two\nthree\n", 14)
        assert files.head(1234, 2, 1) == Chunk(0, b"one\n", 14)

    def test_grep(self, files: Files, attempt: RunDir) -> None:
        assert b"".join(files.grep(1234, 2, GrepQuery("^t"))) == b"two\nthree\n"
        assert list(files.grep(1234, 2, GrepQuery("nothing"))) == []

    def test_errors_of_a_query_come_at_once(self, files: Files, attempt: RunDir) -> None:
        with pytest.raises(UsageError):
            files.grep(1234, 2, GrepQuery("[", extended=True))
        with pytest.raises(UsageError, match="zero byte"):
            files.grep(1234, 2, GrepQuery("a\0b"))
        with pytest.raises(NotFound):
            files.grep(1234, 3, GrepQuery("a"))

    def test_a_query_that_is_not_read_leaves_nothing_open(self, files: Files, attempt: RunDir) -> None:
        Path(attempt.output).write_bytes(b"yes\n" * 1_000_000)
        before = len(os.listdir("/proc/self/fd"))
        pieces = files.grep(1234, 2, GrepQuery("yes"))
        assert next(pieces)
        del pieces
        assert len(os.listdir("/proc/self/fd")) == before

    def test_much_output(self, files: Files, attempt: RunDir) -> None:
        os.truncate(attempt.output, 2**31)
        assert files.range(1234, 2, 2**31 - 5, 10) == Chunk(2**31 - 5, b"\0" * 5, 2**31)
        chunk = files.tail(1234, 2, 1)
        assert (chunk.offset + len(chunk.data), len(chunk.data), chunk.size) == (2**31, LINES_MAX, 2**31)


class TestPlaces:
    def test_done(self, files: Files, dirs: RunDirs, attempt: RunDir) -> None:
        dirs.retire(1234, 2)
        assert files.tail(1234, 2, 1) == Chunk(8, b"three\n", 14)

    def test_the_jobs_own_file(self, files: Files, dirs: RunDirs, attempt: RunDir, tmp_path: Path) -> None:
        own = tmp_path / b"own \xff file.log".decode(errors="surrogateescape")
        own.write_bytes(b"mine\n")
        Path(attempt.output_link).write_bytes(os.fsencode(own))
        assert files.tail(1234, 2, 1) == Chunk(0, b"mine\n", 5)
        dirs.retire(1234, 2)
        assert files.tail(1234, 2, 1) == Chunk(0, b"mine\n", 5)
        own.unlink()
        with pytest.raises(NotFound, match="which is gone"):
            files.tail(1234, 2, 1)

    def test_none(self, files: Files, dirs: RunDirs, attempt: RunDir) -> None:
        for number in (1, 3):
            with pytest.raises(
                NotFound, match=rf"no output of attempt 1234.{number}: it has not begun, or .*collected"
            ):
                files.tail(1234, number, 1)

    def test_nothing_written_yet(self, files: Files, dirs: RunDirs) -> None:
        dirs.make(7, 1)
        with pytest.raises(NotFound):
            files.head(7, 1, 1)


class TestTricks:
    def test_a_link_for_the_output(self, files: Files, attempt: RunDir) -> None:
        Path(attempt.output).unlink()
        Path(attempt.output).symlink_to("/etc/passwd")
        with pytest.raises(Conflict, match="not a regular file"):
            files.range(1234, 2, 0, 10)

    def test_a_link_for_the_directory(self, files: Files, dirs: RunDirs, attempt: RunDir) -> None:
        os.symlink(attempt.path, dirs.live(99, 1).path)
        with pytest.raises(Conflict, match="cannot be read"):
            files.range(99, 1, 0, 10)

    def test_a_pipe_for_the_output(self, files: Files, attempt: RunDir) -> None:
        Path(attempt.output).unlink()
        os.mkfifo(attempt.output)
        with pytest.raises(Conflict, match="not a regular file"):
            files.tail(1234, 2, 10)

    @pytest.mark.parametrize("link", [b"relative/path", b"/tmp/a\0b", b"x" * 10_000])
    def test_a_path_that_is_none(self, files: Files, attempt: RunDir, link: bytes) -> None:
        Path(attempt.output_link).write_bytes(link)
        with pytest.raises(Conflict, match="does not hold a path"):
            files.tail(1234, 2, 10)

    def test_a_path_that_is_just_being_written(self, files: Files, attempt: RunDir) -> None:
        Path(attempt.output).unlink()
        Path(attempt.output_link).touch()
        with pytest.raises(NotFound, match="has not begun"):
            files.tail(1234, 2, 10)

    def test_a_pipe_for_the_path(self, files: Files, attempt: RunDir) -> None:
        os.mkfifo(attempt.output_link)
        with pytest.raises(Conflict, match="not a regular file"):
            files.tail(1234, 2, 10)

    def test_an_own_file_that_is_a_device(self, files: Files, attempt: RunDir) -> None:
        Path(attempt.output_link).write_bytes(b"/dev/zero")
        with pytest.raises(Conflict, match="/dev/zero is not a regular file"):
            files.range(1234, 2, 0, 10)
