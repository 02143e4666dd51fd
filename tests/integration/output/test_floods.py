"""Output without measure: an endless line, bytes that are no text, and readers that stand still.

Server and client stay small, and a job never waits for who reads it.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.typist import Typist, read_until
from tests.harness.yard import Yard

MB = 1 << 20
SERVER_GROWS_MB = 64
CLIENT_MB = 80


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    made = Yard(tmp_path_factory.mktemp("yard"))
    assert made.ry("run", "--", "true").code == 0
    yield made
    made.end()


@pytest.fixture
def ry(yard: Yard, tmp_path: Path) -> Typist:
    return Typist(yard, tmp_path)


def most_mb(pid: int) -> int:
    """The most memory that it has had resident so far (0: it has ended).

    Not what `wait4` tells: that counts the memory of this process too, from which it was forked.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0) // 1024


@pytest.fixture(scope="module")
def endless(yard: Yard) -> int:
    """A job whose output is one line of 2 GB: a hole in the file, and an end."""
    row = yard.run("truncate -s 2147483648 /proc/self/fd/1; printf end")
    assert row.outcome == "succeeded"
    return row.id


class TestALineOf2GB:
    @pytest.mark.parametrize("words", [("tail", "-1"), ("head", "-1"), ("logs", "-n", "2")], ids=" ".join)
    def test_its_ends(self, ry: Typist, endless: int, words: tuple[str, ...]) -> None:
        before = most_mb(ry.yard.server)
        with ry.begin(*words, str(endless)) as reading:
            assert reading.stdout is not None
            size, last, most = 0, b"", 0
            while piece := reading.stdout.read(MB):
                size, last, most = size + len(piece), piece, max(most, most_mb(reading.pid))
        assert reading.returncode == 0 and 0 < size <= 8 * MB
        assert last.endswith(b"\0" if words[0] == "head" else b"end")
        assert 0 < most < CLIENT_MB
        assert most_mb(ry.yard.server) - before < SERVER_GROWS_MB

    def test_grep_says_that_it_is_too_long(self, ry: Typist, endless: int) -> None:
        before = most_mb(ry.yard.server)
        ended = ry("grep", "end", str(endless))
        assert ended.code == 2 and "so long that grep would need more than" in ended.err
        assert most_mb(ry.yard.server) - before < SERVER_GROWS_MB

    def test_the_whole_of_it_goes_by_in_pieces(self, ry: Typist, endless: int) -> None:
        """Its first 64 MB here; then the reader goes away."""
        before = most_mb(ry.yard.server)
        with ry.begin("logs", str(endless)) as reading:
            assert reading.stdout is not None
            size = 0
            while size < 64 * MB:
                size += len(reading.stdout.read(MB))
            assert most_mb(reading.pid) < CLIENT_MB
        assert most_mb(ry.yard.server) - before < SERVER_GROWS_MB


def test_a_job_never_waits_for_a_reader_that_stands_still(ry: Typist) -> None:
    """200 MB as fast as they can be written, while `logs -f` is stopped; then it goes on and has all of it."""
    size = 200 * MB
    os.mkfifo(ry.directory / "go")
    job = ry.submit("-c0", f"echo begin; read x < go; yes | head -c {size}; echo; echo over")
    before = most_mb(ry.yard.server)
    with ry.begin("logs", "-f", str(job)) as following:
        read_until(following, b"begin\n")
        following.send_signal(signal.SIGSTOP)
        (ry.directory / "go").write_text("\n")
        assert ry.done(job).outcome == "succeeded", "although nobody reads"
        assert most_mb(following.pid) < CLIENT_MB
        following.send_signal(signal.SIGCONT)
        assert following.stdout is not None
        seen, last = 0, b""
        while piece := following.stdout.read(MB):
            seen, last = seen + len(piece), (last + piece)[-16:]
        assert following.wait(60) == 0
        assert (seen, last.endswith(b"\nover\n")) == (size + len(b"\nover\n"), True)
    assert most_mb(ry.yard.server) - before < SERVER_GROWS_MB


def test_bytes_that_are_no_text(ry: Typist) -> None:
    made = bytes(range(256)) * 64
    (ry.directory / "bytes").write_bytes(made)
    job = ry.run("--", "cat", "bytes").id
    shown = subprocess.run(
        ["ry", "logs", str(job)], env=ry.yard.environ, capture_output=True, timeout=60, check=True
    ).stdout
    assert shown == made
    assert ry("grep", "-c", "a", str(job)).code == 0


def test_escapes_on_a_terminal_and_in_a_pipe(ry: Typist) -> None:
    hostile = r"\033]0;t\007\033P1$r\033\\\033[?1049h\033[6n\302\2332J\033[1mbold\033[0m"
    job = str(ry.run("-J", "a\x1b[2Jb", "--", "printf", "%b", hostile + r"\n").id)
    seen = ry.seen("logs", job)
    assert "\x1b[1mbold" in seen
    for mark in ("\x1b]", "\x1bP", "\x1b[?1049h", "\x1b[6n", "\x9b"):
        assert mark not in seen
    assert ry.ok("logs", job).startswith("\x1b]0;t\x07\x1bP1$r")
    assert "\x1b[2J" not in ry.seen("ls", job)
