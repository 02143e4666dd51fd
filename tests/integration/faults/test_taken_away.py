"""Files that are taken away or broken under a running server: it notices, says so, and what runs goes on."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runyard.errors import Unavailable
from tests.harness import processes
from tests.harness.yard import Bell, Gate, Yard


def long_job(yard: Yard, bell: Bell) -> tuple[int, int]:
    """A job that waits at the gate, and its pid."""
    (job,) = yard.submit(yard.sh("echo >> bell; read x < gate; exit 4"))
    bell.wait()
    return job, yard.running(job)[0].pid or 0


def told(yard: Yard, *words: str) -> None:
    """Status and doctor say it."""
    problems = yard.until("its problem", lambda: yard.status().problems)
    assert any(all(word in problem for word in words) for problem in problems), problems
    shown = yard.ry("server", "status")
    assert shown.code == 0 and all(word in shown.out for word in words), shown
    doctor = yard.ry("doctor")
    assert doctor.code == 1 and all(word in doctor.out for word in words), doctor


class TestDatabase:
    def test_nothing_is_accepted_into_a_file_that_was_removed(
        self, yard: Yard, bell: Bell, gates: Callable[[str], Gate]
    ) -> None:
        gate = gates("gate")
        job, pid = long_job(yard, bell)
        for path in Path(yard.home.database).parent.glob("yard.sqlite*"):
            path.unlink()
        refused = yard.ry("submit", "--", "true")
        assert refused.code == Unavailable.exit_code and "was removed or replaced" in refused.err, refused
        told(yard, "was removed or replaced", yard.home.database)
        assert yard.row(job).state == "running" and processes.alive(pid)
        assert not os.path.exists(yard.home.database)
        yard.restart()
        problems = yard.until("its problem", lambda: yard.status().problems)
        assert "this is another store than before" in problems[0], problems
        gate.open()

    def test_the_same_file_put_back_is_served_again(self, yard: Yard, tmp_path: Path) -> None:
        """And what was refused meanwhile has left nothing behind."""
        yard.run("true")
        store = Path(yard.home.database).parent
        for path in store.glob("yard.sqlite*"):
            path.rename(tmp_path / path.name)
        assert yard.ry("submit", "--", "true").code == Unavailable.exit_code
        for path in tmp_path.glob("yard.sqlite*"):
            path.rename(store / path.name)
        yard.until("no problem", lambda: not yard.status().problems)
        assert yard.run("true").id == 2

    def test_a_damaged_one_is_not_served(self, yard: Yard) -> None:
        yard.submit(*[yard.sh("true", hold=True, name="x" * 100)] * 200)
        assert yard.ry("server", "stop").code == 0
        database = Path(yard.home.database)
        size = database.stat().st_size
        with database.open("r+b") as file:
            file.seek(size // 2)
            file.write(b"\xa5" * (size - size // 2))
        ended = yard.ry("ls")
        assert ended.code == Unavailable.exit_code, ended
        assert "is damaged" in ended.err and "put a copy back" in ended.err, ended
        assert "Traceback" not in yard.log("server")

    def test_a_write_that_fails_is_told_until_one_succeeds(self, yard: Yard) -> None:
        """The server may write no larger files: an error of its disk, as it sees it."""
        yard.run("true")
        server = yard.server
        before = resource.prlimit(server, resource.RLIMIT_FSIZE)
        log = os.path.getsize(yard.home.database + "-wal")
        resource.prlimit(server, resource.RLIMIT_FSIZE, (log, before[1]))
        with pytest.raises(Unavailable, match="disk I/O error"):
            yard.submit(yard.sh("true"))
        told(yard, "disk I/O error")
        resource.prlimit(server, resource.RLIMIT_FSIZE, before)
        yard.until("no problem", lambda: not yard.status().problems)
        assert yard.run("true").word == "succeeded"


class TestSocket:
    @pytest.mark.parametrize("what", ["server.sock", "", "runners"])
    def test_it_is_there_again(self, yard: Yard, bell: Bell, gates: Callable[[str], Gate], what: str) -> None:
        """By the same server; what runs goes on, and something new can start."""
        gate = gates("gate")
        job, _ = long_job(yard, bell)
        server = yard.server
        gone = Path(yard.home.sockets, what)
        if gone.is_dir():
            shutil.rmtree(gone)
        else:
            gone.unlink()
        listed = yard.ry("ls")
        assert listed.code == 0 and "running" in listed.out, listed
        assert yard.server == server
        yard.when("its directories", lambda: os.path.isdir(yard.home.runner_sockets))
        assert Path(yard.home.server_socket).stat().st_mode & 0o777 == 0o600
        assert yard.ry("run", "-c0", "--", "true").code == 0
        gate.open()
        assert yard.done(job)[0].exit_code == 4
        assert "Traceback" not in yard.log("server")

    def test_it_is_not_taken_from_another_server(self, yard: Yard) -> None:
        """The home was moved away and made anew, with a server of its own: the first one ends and leaves it alone."""
        first = yard.server
        agent = yard.agent
        shutil.move(yard.home.root, yard.root / "aside")
        second = yard.start()
        assert processes.ended(first) and processes.ended(agent)
        assert yard.server == second
        assert yard.run("true").word == "succeeded"


def test_long_logs_are_cut_at_the_start(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard()
    Path(yard.home.logs).mkdir(parents=True, mode=0o700)
    Path(yard.home.log("agent")).write_bytes(b"x" * 10_000_001)
    yard.start()
    yard.run("true")
    assert len(yard.log("agent")) < 100_000
    assert Path(yard.home.log("agent") + ".1").stat().st_size == 10_000_000
