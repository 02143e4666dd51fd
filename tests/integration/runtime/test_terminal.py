"""A job's terminal in its runner's hands: what the job sees, the log, viewers, typing, and ends."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runyard.foreign import sockets
from runyard.model.attempt import AttemptKey
from runyard.model.frames import (
    ENDED,
    INPUT,
    OUTPUT,
    SKIPPED,
    SYNC,
    SYNCED,
    Frame,
    FrameReader,
    WindowSize,
    frame,
    frames,
    size_frame,
)
from runyard.runtime.protocol import attach_message
from runyard.runtime.terminal import BEHIND_BYTES, RECENT_BYTES, VIEWERS_MAX
from tests.harness import processes
from tests.integration.runtime.rig import PATIENCE_S, Rig, alive, kill, wait_dead

PROMPT = "printf 'name? '; read name; echo hallo $name"
RAW = (sys.executable, "-c", """
import os, sys, tty, hashlib
tty.setraw(0)
os.write(1, b"ready")
digest, left = hashlib.sha256(), int(sys.argv[1])
while left:
    data = os.read(0, 65536)
    digest.update(data)
    left -= len(data)
os.write(1, digest.hexdigest().encode())
""")  # fmt: skip


class Viewer:
    """A viewer of an attempt, without agent and server between."""

    def __init__(self, rig: Rig, key: AttemptKey, *, read_only: bool = False, lines: int = 0) -> None:
        self.rig = rig
        self.seen = b""
        self.frames: list[Frame] = []
        self.over = False
        self._reader = FrameReader()
        path = rig.wait(lambda: rig.engine.attach_hint(key), "a runner to attach to")
        self.socket = sockets.connect(path)
        self.socket.sendall(attach_message(key.token, read_only, False, lines))
        self.answer = self._admitted()
        self.socket.setblocking(False)

    def _admitted(self) -> dict[str, object]:
        line = b""
        while True:
            byte = self.socket.recv(1)
            assert byte, "the runner has gone"
            line += byte
            if byte == b"\n":
                said: dict[str, object] = json.loads(line)
                if said["is"] in ("attached", "not-attached"):
                    return said
                line = b""

    def type(self, text: bytes) -> None:
        self.say(frames(INPUT, text))

    def resize(self, columns: int, rows: int) -> None:
        self.say(size_frame(WindowSize(columns, rows)))

    def say(self, data: bytes) -> None:
        """All of it, however long the runner takes nothing; what comes meanwhile is read."""
        end = time.monotonic() + PATIENCE_S
        while data:
            assert time.monotonic() < end, "the runner takes nothing more"
            readable, writable, _ = select.select([self.socket], [self.socket], [], 1.0)
            if readable:
                self.read()
            if writable:
                data = data[self.socket.send(data) :]

    def read(self) -> None:
        """What has come."""
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return
        self.over = self.over or not data
        for one in self._reader.feed(data):
            self.frames.append(one)
            if one.kind == OUTPUT:
                self.seen += one.payload

    def until(self, enough: Callable[[], object], what: object) -> None:
        end = time.monotonic() + PATIENCE_S
        while not enough():
            assert time.monotonic() < end and not self.over, f"{what} has not come: {self.seen[-2000:]!r}"
            select.select([self.socket], [], [], 0.2)
            self.read()

    def sees(self, text: bytes) -> None:
        self.until(lambda: text in self.seen, text)

    def goes(self) -> None:
        """The runner has let go of it."""
        while not self.over:
            assert select.select([self.socket], [], [], PATIENCE_S)[0], "it is still there"
            self.read()

    def told(self, kind: bytes) -> Frame:
        self.until(lambda: any(one.kind == kind for one in self.frames), kind)
        return next(one for one in self.frames if one.kind == kind)

    def sync(self) -> None:
        """Everything that was typed has been taken."""
        before = sum(one.kind == SYNCED for one in self.frames)
        self.say(frame(SYNC))
        self.until(lambda: sum(one.kind == SYNCED for one in self.frames) > before, "the answer")


def tty(rig: Rig, text: str, **more: object) -> AttemptKey:
    return rig.sh(text, tty=True, **more)


class TestWhatTheJobHas:
    def test_a_terminal_of_its_own_session(self, rig: Rig) -> None:
        probe = "tty && test -t 0 && test -t 1 && test -t 2 && echo to-it > /dev/tty && stty size && ps -o tty= -p $$"
        key = tty(rig, probe)
        assert rig.result(key).wait_status == 0
        name, said, size, seen = rig.output(key).split("\n")[:4]
        assert name.startswith("/dev/pts/") and said == "to-it" and size == "24 80" and f"/dev/{seen}" == name

    def test_a_kind_of_terminal_and_no_window_of_others(self, rig: Rig, tmp_path: Path) -> None:
        blob = tmp_path / "environment"
        blob.write_text(json.dumps({"PATH": os.environ["PATH"], "COLUMNS": "999", "LINES": "9"}))
        key = tty(rig, "echo $TERM [$COLUMNS$LINES]", environment=str(blob))
        rig.result(key)
        assert rig.output(key) == "xterm-256color []\n"
        own = tmp_path / "own"
        own.write_text(json.dumps({"PATH": os.environ["PATH"], "TERM": "vt100"}))
        other = tty(rig, "echo $TERM", job=2, environment=str(own))
        rig.result(other)
        assert rig.output(other) == "vt100\n"

    def test_other_jobs_have_none(self, rig: Rig) -> None:
        assert rig.result(rig.sh("test ! -t 0 && test ! -t 1 && ! (: < /dev/tty) 2> /dev/null")).wait_status == 0

    def test_the_next_job_of_the_runner_has_another_or_none(self, rig: Rig) -> None:
        for job in range(1, 4):
            key = tty(rig, "test -t 0 && echo yes", job=job)
            rig.result(key)
            assert rig.output(key) == "yes\n"
        assert rig.result(rig.sh("test ! -t 0", job=9)).wait_status == 0

    def test_the_runner_keeps_no_descriptor(self, rig: Rig) -> None:
        key = tty(rig, "read x")
        viewer = Viewer(rig, key)
        runner = rig.runner(key)
        of_terminals = ("/dev/ptmx", "/dev/pts/", rig.run_dir(key).output)
        assert sum(name.startswith(of_terminals) for name in processes.descriptors(runner)) == 3
        viewer.type(b"\r")
        viewer.told(ENDED)
        rig.result(key)
        rig.wait(lambda: runner in rig.idle(), "the runner")
        assert not any(name.startswith(of_terminals) for name in processes.descriptors(runner))

    def test_a_command_that_is_not_there(self, rig: Rig) -> None:
        result = rig.run("no-such-program", tty=True)
        assert (result.why, result.detail) == ("not-started", "no-such-program: command not found")
        assert rig.run("true", job=2, tty=True).wait_status == 0


class TestTheLog:
    def test_it_has_everything_though_nobody_looks(self, rig: Rig) -> None:
        key = tty(rig, "seq 200000; printf end")
        assert rig.result(key).wait_status == 0
        assert rig.output(key) == "".join(f"{n}\n" for n in range(1, 200_001)) + "end"

    def test_the_last_words_of_a_short_job(self, rig: Rig) -> None:
        for job in range(1, 31):
            key = tty(rig, "printf a; printf b; echo c", job=job)
            rig.result(key)
            assert rig.output(key) == "abc\n"

    def test_line_ends_are_as_the_job_wrote_them(self, rig: Rig) -> None:
        key = tty(rig, r"printf 'unix\ndos\r\nbar 1\rbar 2\r'; stty -opost; printf 'raw\r\nlast\r'")
        rig.result(key)
        assert Path(rig.output_path(key)).read_bytes() == b"unix\ndos\r\nbar 1\rbar 2\rraw\nlast\r"

    def test_a_file_of_the_jobs_own(self, rig: Rig) -> None:
        key = tty(rig, "echo there", output="own-%j.txt")
        rig.result(key)
        assert (rig.out / "own-1.txt").read_text() == "there\n"

    def test_what_cannot_be_written_is_counted_and_the_job_runs_on(self, rig: Rig) -> None:
        key = tty(rig, "echo before; read x; seq 100000; read x; echo after", output="limited")
        viewer = Viewer(rig, key)
        viewer.sees(b"before\r\n")
        runner = rig.runner(key)
        resource.prlimit(runner, resource.RLIMIT_FSIZE, (7, resource.RLIM_INFINITY))
        viewer.type(b"\n")
        viewer.until(lambda: b"100000\r\n" in viewer.seen[-2_000:], "the end of it")
        resource.prlimit(runner, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        viewer.type(b"\n")
        assert rig.result(key).wait_status == 0
        said = (rig.out / "limited").read_text()
        assert said.startswith("before\n") and said.endswith("after\n")
        assert "bytes are missing here: File too large]" in said

    def test_a_pipe_that_nobody_reads_holds_nobody_up(self, rig: Rig) -> None:
        os.mkfifo(rig.out / "pipe")
        reader = os.open(rig.out / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        try:
            assert rig.result(tty(rig, "seq 100000", output="pipe")).wait_status == 0
        finally:
            os.close(reader)


class TestViewers:
    def test_he_sees_what_was_before_and_what_comes(self, rig: Rig) -> None:
        key = tty(rig, "echo before; read x; echo after $x; exit 3")
        first = Viewer(rig, key)
        first.sees(b"before\r\n")
        late = Viewer(rig, key)
        late.sees(b"before\r\n")
        late.type(b"now\r")
        for viewer in (first, late):
            viewer.sees(b"after now\r\n")
            taken = 4 if viewer is late else 0
            assert json.loads(viewer.told(ENDED).payload) == {"why": "", "wait_status": 0x300, "taken": taken}
            viewer.goes()
        assert rig.output(key) == "before\nnow\nafter now\n"

    def test_some_lines_of_before(self, rig: Rig) -> None:
        key = tty(rig, "seq 100; printf '> '; read x")
        Viewer(rig, key).sees(b"100\r\n> ")
        late = Viewer(rig, key, lines=3)
        late.sees(b"> ")
        assert late.seen == b"99\r\n100\r\n> "
        kill(rig.started(key).pid or 0)
        rig.ended(key)

    def test_who_looks_only_changes_nothing(self, rig: Rig) -> None:
        key = tty(rig, "stty size; read x; stty size; echo got $x")
        looker = Viewer(rig, key, read_only=True)
        looker.sees(b"24 80")
        looker.resize(10, 10)
        looker.type(b"wrong\r")
        looker.sync()
        typist = Viewer(rig, key)
        typist.type(b"right\r")
        looker.sees(b"24 80\r\ngot right\r\n")
        rig.result(key)

    def test_the_window_is_that_of_the_last_writer(self, rig: Rig) -> None:
        key = tty(rig, "trap 'stty size' WINCH; echo ready; while :; do read x && stty size; done")
        one, other = Viewer(rig, key), Viewer(rig, key)
        one.sees(b"ready")
        one.resize(100, 30)
        one.sees(b"30 100")
        other.resize(50, 20)
        one.sees(b"20 50")
        one.type(b"x\r")
        other.until(lambda: other.seen.count(b"30 100") >= 2, "the first one's again")
        for n in range(500):
            one.resize(60 + n % 7, 20 + n % 5)
        one.resize(77, 33)
        one.sync()
        one.type(b"x\r")
        one.sees(b"33 77\r\n")
        rig.stop(key)
        rig.result(key)

    def test_a_program_that_owns_the_screen_draws_it_anew(self, rig: Rig) -> None:
        key = tty(
            rig,
            r"""trap 'printf "[drawn]"' WINCH; printf '\033[?1049h\033[?25l'; while :; do read x; done""",
        )
        first = Viewer(rig, key)
        first.sees(b"\x1b[?25l")
        late = Viewer(rig, key)
        late.sees(b"[drawn]")
        assert late.seen.startswith(b"\x1b[?1049h\x1b[?25l")
        rig.stop(key)
        rig.result(key)

    def test_one_who_does_not_read_holds_nobody_up(self, rig: Rig) -> None:
        key = tty(rig, "read x; seq 1000000; echo all; read x")
        sleeper, reader = Viewer(rig, key), Viewer(rig, key)
        reader.type(b"\r")
        reader.until(lambda: b"all\r\n" in reader.seen[-10_000:], "the end")
        assert resident_mb(rig.runner(key)) < 40
        sleeper.told(SKIPPED)
        sleeper.sees(b"all\r\n")
        assert len(sleeper.seen) < BEHIND_BYTES + 2 * RECENT_BYTES + (1 << 20)
        reader.type(b"\r")
        assert rig.result(key).wait_status == 0
        assert rig.output(key).count("\n") == 1_000_003

    def test_many_see_the_same(self, rig: Rig) -> None:
        key = tty(rig, "read x; seq 2000; echo all")
        viewers = [Viewer(rig, key) for _ in range(20)]
        viewers[7].type(b"\r")
        for viewer in viewers:
            viewer.sees(b"all\r\n")
        assert len({viewer.seen for viewer in viewers}) == 1
        rig.result(key)

    def test_too_many_are_refused(self, rig: Rig) -> None:
        key = tty(rig, "read x")
        viewers = [Viewer(rig, key) for _ in range(VIEWERS_MAX)]
        assert Viewer(rig, key).answer == {"is": "not-attached", "reason": "too many look at it already"}
        viewers.pop().socket.close()
        rig.wait(lambda: Viewer(rig, key).answer["is"] == "attached", "the place of who has gone")
        rig.stop(key)
        rig.result(key)

    def test_a_viewer_who_dies_is_forgotten(self, rig: Rig) -> None:
        key = tty(rig, "read x; seq 10000; read y; echo $y")
        for _ in range(5):
            Viewer(rig, key).socket.close()
        viewer = Viewer(rig, key)
        viewer.type(b"\ron\r")
        viewer.sees(b"on\r\n")
        assert rig.result(key).wait_status == 0

    def test_nonsense_ends_the_viewer_alone(self, rig: Rig) -> None:
        key = tty(rig, "read x; echo $x")
        mad = Viewer(rig, key)
        mad.say(b"\xff" * 100)
        mad.goes()
        sane = Viewer(rig, key)
        sane.type(b"on\r")
        assert rig.result(key).wait_status == 0
        assert rig.output(key) == "on\non\n"
        sane.told(ENDED)

    def test_nobody_gets_to_another_attempt_nor_to_a_job_without_one(self, rig: Rig) -> None:
        key = rig.sh("echo > up; exec sleep 1000")
        rig.file("up")
        assert Viewer(rig, key).answer == {"is": "not-attached", "reason": "it has no terminal"}
        connection = sockets.connect(rig.engine.attach_hint(key))
        connection.sendall(attach_message("another", False, False, 0))
        heard = b""
        while b"not-attached" not in heard:
            heard += connection.recv(4096)
        rig.stop(key)
        rig.result(key)


class TestTyping:
    def test_lines_and_echo(self, rig: Rig) -> None:
        key = tty(rig, PROMPT)
        viewer = Viewer(rig, key)
        viewer.sees(b"name? ")
        viewer.type(b"adx\x7fa\r")
        viewer.sees(b"hallo ada\r\n")
        assert rig.result(key).wait_status == 0

    @pytest.mark.parametrize("data", [b"x" * 1_000_000, bytes(range(256)) * 400], ids=["much", "binary"])
    def test_all_of_it_arrives_at_a_program_in_raw_mode(self, rig: Rig, data: bytes) -> None:
        key = rig.start(*RAW, str(len(data)), tty=True)
        viewer = Viewer(rig, key)
        viewer.sees(b"ready")
        viewer.type(data)
        viewer.sees(hashlib.sha256(data).hexdigest().encode())
        assert rig.result(key).wait_status == 0

    def test_who_types_to_a_job_that_takes_nothing_waits_and_nobody_else(self, rig: Rig) -> None:
        key = tty(rig, "stty raw -echo; echo ready; sleep 1000")
        viewer = Viewer(rig, key)
        viewer.sees(b"ready")
        viewer.socket.setblocking(False)
        piece, sent = frames(INPUT, b"x" * 60_000), 0
        with pytest.raises(BlockingIOError):
            while sent < 100 * len(piece):
                sent += viewer.socket.send(piece)
        assert resident_mb(rig.runner(key)) < 40
        other = Viewer(rig, key)
        other.sees(b"ready")
        rig.stop(key)
        assert rig.result(key).why == "cancelled"
        other.told(ENDED)
        viewer.socket.close()

    @pytest.mark.parametrize("takes", [True, False])
    def test_who_asks_without_end_and_reads_nothing_is_let_go(self, rig: Rig, takes: bool) -> None:
        key = tty(rig, f"stty raw -echo; echo ready; {'cat > /dev/null' if takes else 'sleep 1000'}")
        viewer, other = Viewer(rig, key), Viewer(rig, key)
        viewer.sees(b"ready")
        viewer.type(b"x" * (1 if takes else 60_000))
        viewer.socket.setblocking(True)
        with pytest.raises(ConnectionError):
            for _ in range(1_000):
                viewer.socket.sendall(frame(SYNC) * 1_000)
        assert resident_mb(rig.runner(key)) < 40
        other.sees(b"ready")
        other.say(frame(SYNC) * 50)
        if takes:
            other.until(lambda: sum(one.kind == SYNCED for one in other.frames) == 50, "the answers")
        rig.stop(key)
        rig.result(key)
        viewer.socket.close()

    def test_ctrl_c_is_for_the_foreground_program(self, rig: Rig) -> None:
        key = rig.start(
            "bash", "-ic", "trap 'echo shell' INT; sleep 1000; echo next; sleep 1000 & fg; echo code $?", tty=True
        )
        viewer = Viewer(rig, key)
        pid = rig.started(key).pid
        rig.wait(lambda: foreground(pid or 0) not in (0, pid), "the program in the foreground")
        viewer.type(b"\x03")
        viewer.until(lambda: b"next" in viewer.seen or b"shell" in viewer.seen, "what comes after")
        rig.stop(key)
        rig.result(key)

    def test_ctrl_d_is_the_end_of_input(self, rig: Rig) -> None:
        key = tty(rig, "cat; echo over")
        viewer = Viewer(rig, key)
        viewer.type(b"text\r\x04")
        viewer.sees(b"text\r\ntext\r\nover\r\n")
        assert rig.result(key).wait_status == 0


class TestEnds:
    def test_stop_grace_and_kill_are_as_ever(self, rig: Rig) -> None:
        key = tty(rig, "trap '' TERM HUP; echo $$ > pid; sleep 1000 & sleep 1000; wait")
        pid = rig.pid()
        rig.stop(key, grace_s=0.1)
        result = rig.result(key)
        assert (result.wait_status, result.why) == (signal.SIGKILL, "cancelled")
        assert not alive(pid)

    def test_a_time_limit(self, rig: Rig) -> None:
        key = tty(rig, "sleep 1000", time_limit_s=0.2)
        assert rig.result(key).why == "timeout"

    def test_what_it_leaves_behind_is_ended(self, rig: Rig) -> None:
        key = tty(rig, "trap '' HUP; (trap '' HUP; echo $$ > pid; exec sleep 1000) & echo $! > left; exit 0")
        left = rig.pid("left")
        assert rig.result(key).wait_status == 0
        wait_dead(left)

    def test_a_terminal_that_is_closed_for_a_while_is_there_again(self, rig: Rig) -> None:
        key = tty(rig, "exec < /dev/null > /dev/null 2>&1; sleep 0.2; exec > /dev/tty; echo again")
        assert rig.result(key).wait_status == 0
        assert rig.output(key) == "again\n"

    def test_it_outlives_the_agent(self, rig: Rig) -> None:
        key = tty(rig, "echo one; read x; echo two $x")
        viewer = Viewer(rig, key)
        viewer.sees(b"one")
        rig.restart()
        rig.started(key)
        again = Viewer(rig, key)
        again.sees(b"one")
        again.type(b"more\r")
        viewer.sees(b"two more")
        assert rig.result(key).wait_status == 0

    def test_with_the_runner_it_hangs_up_and_the_attempt_is_lost(self, rig: Rig) -> None:
        key = tty(rig, "trap 'echo > hung; exit' HUP; echo $$ > pid; while :; do sleep 1; done")
        pid = rig.pid()
        os.kill(rig.runner(key), signal.SIGKILL)
        assert rig.result(key).why == "lost"
        wait_dead(pid)

    def test_a_runner_waits_for_who_reads_the_rest_but_not_for_ever(self, rig: Rig) -> None:
        key = tty(rig, "read x; seq 200000; echo all")
        viewer, sleeper = Viewer(rig, key), Viewer(rig, key)
        viewer.type(b"\r")
        rig.result(key)
        runner = rig.runner(key)
        rig.leave()
        viewer.told(ENDED)
        assert viewer.seen.endswith(b"all\r\n")
        wait_dead(runner)
        sleeper.socket.close()
        rig.come_back()


def foreground(pid: int) -> int:
    """The process group in the foreground of this process's terminal."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[5])


def resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / (1 << 20)
