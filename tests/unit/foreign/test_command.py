"""The one place that runs other programs, with real ones."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from runyard.errors import RunyardError
from runyard.foreign import command, process
from runyard.foreign.command import (
    CommandError,
    ProgramFailed,
    ProgramMissing,
    ProgramTimedOut,
    Surroundings,
    run,
    stream,
)


class TestRun:
    def test_what_it_wrote_and_how_it_ended(self) -> None:
        done = run(["sh", "-c", "cat; echo no >&2; exit 3"], 30, b"in\xff")
        assert (done.returncode, done.stdout, done.stderr) == (3, b"in\xff", b"no\n")

    def test_killed(self) -> None:
        assert run(["sh", "-c", "kill -9 $$"], 30).returncode == -9

    def test_surroundings(self, tmp_path: Path) -> None:
        done = run(["sh", "-c", "pwd; echo $A"], 30, env={"A": "b", "PATH": os.environ["PATH"]}, cwd=str(tmp_path))
        assert done.stdout.decode() == f"{tmp_path}\nb\n"

    def test_no_shell_reads_the_arguments(self) -> None:
        assert run(["printf", "%s|", "$HOME", ";", "a b", "`id`"], 30).stdout == b"$HOME|;|a b|`id`|"

    def test_nothing_of_ours_is_inherited(self) -> None:
        read, write = os.pipe()
        os.set_inheritable(write, True)
        assert run(["ls", "/proc/self/fd"], 30).stdout.split() == [b"0", b"1", b"2", b"3"]
        os.close(read)
        os.close(write)

    def test_it_does_not_read_its_input(self) -> None:
        assert run(["true"], 30, b"x" * 1_000_000).returncode == 0

    def test_required(self) -> None:
        assert run(["echo", "yes"], 30).required().stdout == b"yes\n"
        with pytest.raises(ProgramFailed, match=r"^sh failed with exit code 4: the reason$"):
            run(["sh", "-c", "echo first >&2; echo the reason >&2; exit 4"], 30).required()
        with pytest.raises(ProgramFailed, match="was killed by signal 15: it did not say why"):
            run(["sh", "-c", "kill $$"], 30).required()

    def test_missing(self) -> None:
        with pytest.raises(ProgramMissing, match="no-such-program is not installed here"):
            run(["no-such-program"], 30)

    def test_missing_directory(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="there is no such directory"):
            run(["true"], 30, cwd=str(tmp_path / "none"))

    def test_not_a_program(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="cannot be started: Permission denied"):
            run([str(tmp_path)], 30)
        with pytest.raises(CommandError, match="null byte"):
            run(["true", "a\0b"], 30)

    def test_all_errors_are_ours(self) -> None:
        assert issubclass(CommandError, RunyardError)

    def test_time_over_ends_the_whole_group(self, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        script = f"sleep 1000 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; trap '' TERM; wait"
        with pytest.raises(ProgramTimedOut, match="did not answer within 1 s"):
            run(["sh", "-c", script], 1)
        for pid in map(int, pids.read_text().split()):
            wait_until_dead(pid)

    def test_time_over_although_somebody_escaped_with_the_pipes(self, tmp_path: Path) -> None:
        started = time.monotonic()
        pid_file = tmp_path / "pid"
        with pytest.raises(ProgramTimedOut):
            run(["sh", "-c", f"setsid sleep 1000 & echo $! > {pid_file}; sleep 1000"], 1)
        assert time.monotonic() - started < 30
        os.kill(int(pid_file.read_text()), signal.SIGKILL)


class TestStream:
    def test_pieces(self) -> None:
        with stream(["head", "-c", "3000000", "/dev/zero"], 30) as output:
            sizes = [len(piece) for piece in output]
        assert sum(sizes) == 3_000_000
        assert max(sizes) <= command.PIECE
        assert output.returncode == 0

    def test_complaints_do_not_stop_it_and_are_bounded(self) -> None:
        with stream(["sh", "-c", "head -c 1000000 /dev/zero >&2; echo done; exit 5"], 30) as output:
            assert b"".join(output) == b"done\n"
        assert output.returncode == 5
        assert len(output.stderr) == command.STDERR_MAX

    def test_reads_a_descriptor(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"\xffabc")
        with (tmp_path / "file").open("rb") as file, stream(["cat"], 30, Surroundings(stdin=file.fileno())) as output:
            assert b"".join(output) == b"\xffabc"

    def test_left_early_it_is_ended(self) -> None:
        with stream(["sh", "-c", "echo $$; exec yes"], 30) as output:
            pid = int(next(iter(output)).split()[0])
        assert output.returncode == -signal.SIGKILL
        assert process.read_stat(pid) is None

    def test_never_read_it_is_ended(self) -> None:
        with stream(["sleep", "1000"], 30) as output:
            pass
        assert output.returncode == -signal.SIGKILL

    def test_silent_for_too_long(self) -> None:
        late = pytest.raises(ProgramTimedOut, match=r"sleep did not answer within 0.1 s")
        with stream(["sleep", "1000"], 0.1) as output, late:
            list(output)
        assert output.returncode == -signal.SIGKILL

    def test_the_readers_own_time_does_not_count(self) -> None:
        with stream(["sh", "-c", "echo a; echo b; exec echo c"], 0.2) as output:
            pieces = []
            for piece in output:
                pieces.append(piece)
                time.sleep(0.3)
        assert b"".join(pieces) == b"a\nb\nc\n"

    def test_memory_limit(self) -> None:
        code = "import sys; sys.stdin.read(1); print(len(bytearray(300_000_000)))"
        read, write = os.pipe()
        with stream([sys.executable, "-c", code], 60, Surroundings(stdin=read, memory_mb=200)) as output:
            os.close(write)
            assert list(output) == []
        os.close(read)
        assert output.returncode == 1
        assert b"MemoryError" in output.stderr

    def test_missing(self) -> None:
        with pytest.raises(ProgramMissing):
            stream(["no-such-program"], 30)


def wait_until_dead(pid: int) -> None:
    while (stat := process.read_stat(pid)) is not None and not stat.dead:
        os.sched_yield()
