"""One output file: ranges, first and last lines, search; in bounded memory whatever is in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runyard.api import GrepQuery
from runyard.errors import Conflict, UsageError
from runyard.foreign.command import ProgramMissing, ProgramTimedOut
from runyard.runtime import logs
from runyard.runtime.logs import BLOCK, LINES_MAX, READ_MAX, Output, Part, grep, open_output

GB = 1024**3

Write = Callable[[bytes], Output]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(content: bytes) -> Output:
        (tmp_path / "output.log").write_bytes(content)
        return open_output(str(tmp_path / "output.log"))

    return written


CONTENTS = {
    "nothing": b"",
    "a line": b"one\n",
    "an unfinished line": b"one",
    "some": b"one\ntwo\nthree\n",
    "some and an unfinished one": b"one\ntwo\nthree",
    "empty lines": b"\n\n\n",
    "an empty line first": b"\none",
    "not UTF-8": b"\xff\xfe\0\n\x80abc\r\n\xc3\n",
    "blocks": b"".join(b"%d " % number * 20 + b"\n" for number in range(5000)),
    "block ends with a newline": b"x" * (BLOCK - 1) + b"\n" + b"y" * (BLOCK - 1) + b"\n",
    "block begins with a newline": b"x" * BLOCK + b"\n" + b"y" * (BLOCK - 1),
    "long lines": b"x" * 200_000 + b"\n" + b"y" * 300_000 + b"\n" + b"z",
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("lines", [0, 1, 2, 3, 4, 100, 10**12])
class TestLines:
    def test_tail(self, content: bytes, lines: int, write: Write) -> None:
        expected = b"".join(split(content)[-lines:]) if lines else b""
        with write(content) as output:
            assert output.tail(lines) == Part(len(content) - len(expected), expected)

    def test_head(self, content: bytes, lines: int, write: Write) -> None:
        with write(content) as output:
            assert output.head(lines) == Part(0, b"".join(split(content)[:lines]))


def split(content: bytes) -> list[bytes]:
    """Lines with their newlines, the unfinished one too."""
    lines = [line + b"\n" for line in content.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


class TestRange:
    def test_pieces(self, write: Write) -> None:
        with write(b"0123456789") as output:
            assert output.size == 10
            assert output.read(0, 4) == b"0123"
            assert output.read(8, 4) == b"89"
            assert output.read(10, 4) == b""
            assert output.read(99, 4) == b""
            assert output.read(0, 0) == b""
            assert output.read(0, -5) == b""

    def test_at_most_a_mb(self, write: Write) -> None:
        with write(b"x" * 3_000_000) as output:
            assert len(output.read(0, 3_000_000)) == READ_MAX

    def test_it_grows_and_shrinks(self, write: Write, tmp_path: Path) -> None:
        with write(b"0123") as output:
            with (tmp_path / "output.log").open("ab") as file:
                file.write(b"45")
            assert (output.size, output.read(2, 100)) == (6, b"2345")
            os.truncate(tmp_path / "output.log", 1)
            assert (output.size, output.read(2, 100)) == (1, b"")
            (tmp_path / "output.log").unlink()
            assert output.read(0, 100) == b"0"


class TestBounds:
    """A line of 2 GB without an end, which takes no space on the disk."""

    @pytest.fixture
    def endless(self, tmp_path: Path) -> str:
        path = tmp_path / "endless"
        path.write_bytes(b"first\n")
        os.truncate(path, 2 * GB)
        with path.open("ab") as file:
            file.write(b"the end")
        return str(path)

    def test_tail(self, endless: str) -> None:
        with open_output(endless) as output:
            part = output.tail(10)
        assert part.offset == 2 * GB + 7 - len(part.data)
        assert len(part.data) == LINES_MAX
        assert part.data.endswith(b"the end")

    def test_head(self, endless: str) -> None:
        with open_output(endless) as output:
            part = output.head(2)
            assert output.head(1) == Part(0, b"first\n")
        assert len(part.data) == LINES_MAX

    def test_many_short_lines(self, write: Write) -> None:
        with write(b"\n" * (2 * LINES_MAX)) as output:
            assert output.tail(10**9) == Part(LINES_MAX, b"\n" * LINES_MAX)
            assert output.head(10**9) == Part(0, b"\n" * LINES_MAX)

    def test_grep(self, endless: str) -> None:
        with pytest.raises(Conflict, match="a line of this output is so long"):
            list(grep(open_output(endless), GrepQuery("the end")))

    def test_memory_of_all_of_it(self, endless: str) -> None:
        code = """
import resource, sys
from runyard.api import GrepQuery
from runyard.errors import Conflict
from runyard.runtime.logs import grep, open_output
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open_output(sys.argv[1]) as output:
    output.tail(10), output.head(10), output.read(0, 2**31)
try:
    list(grep(open_output(sys.argv[1]), GrepQuery("x")))
except Conflict:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
        out = subprocess.run([sys.executable, "-c", code, endless], capture_output=True, check=True)
        assert 0 <= int(out.stdout) < 24_000  # KB


class TestGrep:
    TEXT = b"epoch 1 loss 0.9\nEpoch 2 LOSS 0.8\n\xff\xfe loss\0binary\nx+y\n-v\n"

    def found(self, write: Write, query: GrepQuery) -> bytes:
        return b"".join(grep(write(self.TEXT), query))

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            (GrepQuery("loss"), b"epoch 1 loss 0.9\n\xff\xfe loss\0binary\n"),
            (GrepQuery("loss 0", ignore_case=True), b"epoch 1 loss 0.9\nEpoch 2 LOSS 0.8\n"),
            (GrepQuery("[a-z]", invert=True), b""),
            (GrepQuery("[a-w]", invert=True), b"x+y\n"),
            (GrepQuery("loss", number=True), b"1:epoch 1 loss 0.9\n3:\xff\xfe loss\0binary\n"),
            (GrepQuery("loss", count=True), b"2\n"),
            (GrepQuery("nothing", count=True), b"0\n"),
            (GrepQuery("nothing"), b""),
            (GrepQuery("LOSS", after=1), b"Epoch 2 LOSS 0.8\n\xff\xfe loss\0binary\n"),
            (GrepQuery("LOSS", before=1), b"epoch 1 loss 0.9\nEpoch 2 LOSS 0.8\n"),
            (GrepQuery("x+y"), b"x+y\n"),
            (GrepQuery("x+y", extended=True), b""),
            (GrepQuery("(x|z).y", extended=True), b"x+y\n"),
            (GrepQuery("\udcff\udcfe"), b"\xff\xfe loss\0binary\n"),
        ],
    )
    def test_as_grep_does(self, query: GrepQuery, expected: bytes, write: Write) -> None:
        assert self.found(write, query) == expected

    @pytest.mark.parametrize("pattern", ["-v", "--version", "--help", "-f/etc/passwd", "-e", "--"])
    def test_a_pattern_is_never_an_option(self, pattern: str, write: Write) -> None:
        assert self.found(write, GrepQuery(pattern)) == (b"-v\n" if pattern == "-v" else b"")

    def test_a_bad_pattern(self, write: Write) -> None:
        with pytest.raises(UsageError, match=r"grep: (Unmatched|Invalid)"):
            self.found(write, GrepQuery("a[", extended=True))

    def test_without_grep(self, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(ProgramMissing, match="grep is not installed here"):
            self.found(write, GrepQuery("a"))

    def test_settings_of_our_own_shell_change_nothing(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GREP_COLORS", "mt=01;31")
        monkeypatch.setenv("GREP_OPTIONS", "--invert-match")
        monkeypatch.setenv("POSIXLY_CORRECT", "1")
        assert self.found(write, GrepQuery("x+y")) == b"x+y\n"

    def test_much_is_found_and_little_is_wanted(self, write: Write) -> None:
        pieces = grep(write(b"yes\n" * 5_000_000), GrepQuery("yes"))
        assert next(pieces).startswith(b"yes\n")
        pieces.close()  # type: ignore[attr-defined]

    def test_silent_for_too_long(self, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        fake = tmp_path / "grep"
        fake.write_text("#!/bin/sh\nexec sleep 1000\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setattr(logs, "GREP_SILENT_S", 0.1)
        with pytest.raises(ProgramTimedOut, match="did not answer"):
            self.found(write, GrepQuery("a"))


class TestOpening:
    def test_a_link_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("/etc/passwd")
        with pytest.raises(Conflict, match="not a regular file"):
            open_output(str(tmp_path / "link"))

    def test_a_pipe_is_refused_and_does_not_notice(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        writer = subprocess.Popen(["sh", "-c", f"echo text > {tmp_path}/pipe"])
        with pytest.raises(Conflict, match="not a regular file"):
            open_output(str(tmp_path / "pipe"))
        assert (tmp_path / "pipe").read_bytes() == b"text\n"  # by the first reader that it has met
        assert writer.wait() == 0

    @pytest.mark.parametrize("path", ["/dev/null", "/dev/tty", "/tmp", "/proc"])
    def test_devices_and_directories_are_refused(self, path: str) -> None:
        with pytest.raises(Conflict):
            open_output(path)

    def test_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(Conflict, match="Not a directory"):
            open_output(str(tmp_path / "file" / "x"))

    def test_by_a_linked_directory(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "out").write_bytes(b"text")
        (tmp_path / "link").symlink_to("real")
        with open_output(str(tmp_path / "link" / "out")) as output:
            assert output.read(0, 9) == b"text"

    def test_no_descriptor_is_left(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("/etc/passwd")
        before = os.listdir("/proc/self/fd")
        for path in (tmp_path / "link", tmp_path / "none", tmp_path, Path("/dev/null")):
            with pytest.raises((Conflict, FileNotFoundError)):
                open_output(str(path))
        assert os.listdir("/proc/self/fd") == before
