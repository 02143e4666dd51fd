"""A job's terminal on somebody's own: looking, typing, leaving, coming back."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.typist import Terminal, Typist, read_until
from tests.harness import processes
from tests.harness.yard import Bell, Gate, Yard

PYTHON = (sys.executable, "-iq")
PROMPT = ">>> "
QUIT = "\x1c"
"""Ctrl-\\."""
SCREEN = r"""trap 'printf "[drawn]"' WINCH
printf '\033[?1049h\033[?25l\033[?2004hpainted'; echo > bell; while :; do read x; done"""


@contextmanager
def attached(ry: Typist, *words: str, **environ: str) -> Iterator[Terminal]:
    """A terminal of 100 by 30 characters on which this is typed, and which is attached by now."""
    with ry.terminal(*words, **environ) as terminal:
        terminal.resize(100, 30)
        terminal.until("ry: attached to job")
        yield terminal


def python(ry: Typist, *words: str) -> int:
    """A Python that waits for somebody to talk to."""
    return ry.submit("--tty", *words, "--", *PYTHON)


def prompted(ry: Typist, job: int) -> None:
    """It waits for input."""
    ry.yard.until("a prompt", lambda: PROMPT in ry("logs", str(job)).out)


class TestRun:
    def test_an_interactive_program_is_natural(self, ry: Typist) -> None:
        with attached(ry, "run", "--tty", "--", *PYTHON) as terminal:
            terminal.until(PROMPT)
            terminal.send("import os; os.get_terminal_size()\r")
            terminal.until(r"columns=100, lines=30")
            terminal.send("while True: pass\r\r")
            terminal.until(r"\.\.\. \r\n")
            terminal.send("\x03")
            terminal.until("KeyboardInterrupt\r\n")
            assert not terminal.cooked
            terminal.send("raise SystemExit(7)\r")
            assert terminal.end() == 7
            assert terminal.cooked and "failed (exit code 7)" in terminal.text

    def test_a_short_command_is_seen_whole(self, ry: Typist) -> None:
        for n in range(5):
            with ry.terminal("run", "--tty", "--", "echo", f"word-{n}") as terminal:
                assert terminal.end() == 0
                assert f"word-{n}\r\n" in terminal.text

    def test_in_a_pipe_it_is_as_ever(self, ry: Typist) -> None:
        ended = ry("run", "--tty", "--", "sh", "-c", "test -t 0 && echo yes; exit 3")
        assert (ended.code, ended.out) == (3, "yes\n")

    def test_detaching_leaves_it_running(self, ry: Typist) -> None:
        with attached(ry, "run", "--tty", "--detach-keys", "ctrl-a d", "--", *PYTHON) as terminal:
            assert "Ctrl-A d detaches" in terminal.text
            terminal.until(PROMPT)
            terminal.send("\x01d")
            assert terminal.end() == 130
            assert terminal.cooked and "runs on" in terminal.text
        ry.yard.running(ry.yard.rows("@")[0].id)


class TestAttach:
    def test_going_and_coming_back(self, ry: Typist) -> None:
        job = python(ry)
        prompted(ry, job)
        with attached(ry, "attach") as terminal:
            terminal.until(PROMPT)
            terminal.send("6 * 7\r")
            terminal.until("42\r\n")
            terminal.send(QUIT)
            assert terminal.end() == 0
            assert terminal.cooked and f"job {job} runs on" in terminal.text
        with attached(ry, "attach", str(job)) as terminal:
            terminal.until("42\r\n(.|\n)*" + PROMPT)
            terminal.send("raise SystemExit(4)\r")
            assert terminal.end() == 4
        assert "\n42\n" in ry.ok("logs", str(job), "--raw")
        assert ry.ok("grep", "^42$", str(job)) == "42\n"

    def test_what_was_typed_before_the_keys_arrives(self, ry: Typist) -> None:
        for n in range(3):
            job = python(ry)
            prompted(ry, job)
            with attached(ry, "attach", str(job)) as terminal:
                terminal.send(f"raise SystemExit({n + 4})\r{QUIT}")
                assert terminal.end() in (0, n + 4)
            assert ry.done(job).exit_code == n + 4

    def test_several_see_and_type(self, ry: Typist) -> None:
        job = str(python(ry))
        prompted(ry, int(job))
        with attached(ry, "attach", job) as one, attached(ry, "attach", job) as other:
            one.send("'from-' + 'one'\r")
            other.until("'from-one'")
            other.send("'from-' + 'other'\r")
            one.until("'from-other'")
            other.resize(70, 20)
            other.send("import os; os.get_terminal_size().columns\r")
            one.until(r"\r\n70\r\n")

    def test_who_looks_only(self, ry: Typist) -> None:
        job = str(python(ry))
        prompted(ry, int(job))
        with attached(ry, "attach", "--read-only", job) as terminal:
            assert "looking only; Ctrl-\\ or Ctrl-C detaches" in terminal.text
            terminal.send("raise SystemExit(9)\r")
            ry.ok("send", job, "'by ' + 'send'", "--enter")
            terminal.until("'by send'")
            terminal.send("\x03")
            assert terminal.end() == 0
        assert ry.row(int(job)).word == "running"
        assert "SystemExit" not in ry.ok("logs", job)

    def test_it_waits_for_the_start(self, ry: Typist) -> None:
        job = str(python(ry, "--hold"))
        with ry.terminal("attach", job) as terminal:
            terminal.until(f"job {job} .* is held; `ry release {job}` lets it go")
            ry.ok("release", job)
            terminal.until(PROMPT)
            terminal.send(QUIT)
            assert terminal.end() == 0

    def test_it_follows_to_the_next_attempt(self, ry: Typist) -> None:
        text = 'echo "try $RUNYARD_ATTEMPT"; read x; test "$RUNYARD_ATTEMPT" = 2'
        with attached(ry, "run", "--tty", "--retries", "1", text) as terminal:
            terminal.until("try 1")
            terminal.send("\r")
            terminal.until("try 2")
            terminal.send("\r")
            assert terminal.end() == 0

    def test_a_screen_that_was_taken_is_given_back(self, ry: Typist, bell: Bell) -> None:
        job = str(ry.submit("--tty", "--shell", "sh", SCREEN))
        bell.wait()
        with attached(ry, "attach", job) as terminal:
            terminal.until(r"\x1b\[\?1049h(.|\n)*painted(.|\n)*\[drawn\]")
            terminal.send(QUIT)
            assert terminal.end() == 0
            assert "\x1b[?2004l\x1b[?1049l\x1b[?25h" in terminal.text

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
    def test_a_signal_leaves_the_terminal_as_it_was(self, ry: Typist, bell: Bell, number: int) -> None:
        job = str(ry.submit("--tty", "--shell", "sh", SCREEN))
        bell.wait()
        with attached(ry, "attach", job) as terminal:
            terminal.until("painted")
            terminal.signal(number)
            assert terminal.end() == -number
            assert terminal.cooked and "\x1b[?1049l\x1b[?25h" in terminal.text
            assert f"job {job} runs on" in terminal.text
        assert ry.row(int(job)).word == "running"

    def test_a_stop_gives_the_shell_back_for_a_while(self, ry: Typist) -> None:
        job = str(python(ry))
        prompted(ry, int(job))
        with attached(ry, "attach", job) as terminal:
            terminal.until(PROMPT)
            terminal.signal(signal.SIGTSTP)
            terminal.stopped()
            assert terminal.cooked
            terminal.forget()
            terminal.signal(signal.SIGCONT)
            terminal.until(f"attached to job {job} again(.|\n)*{PROMPT}")
            terminal.send("1 + 2\r")
            terminal.until("\r\n3\r\n")
            assert not terminal.cooked

    def test_whoever_stops_it_it_goes_on_where_it_was(self, ry: Typist) -> None:
        job = str(python(ry))
        prompted(ry, int(job))
        with attached(ry, "attach", job) as terminal:
            terminal.until(PROMPT)
            terminal.signal(signal.SIGSTOP)
            terminal.stopped()
            terminal.forget()
            terminal.signal(signal.SIGCONT)
            terminal.until(f"attached to job {job} again(.|\n)*{PROMPT}")
            terminal.send("1 + 2\r")
            terminal.until("\r\n3\r\n")
            assert not terminal.cooked

    def test_a_job_without_one_is_followed(self, ry: Typist, gate: Callable[[str], Gate]) -> None:
        opened = gate("gate")
        job = str(ry.submit("echo one; read x < gate; echo two; exit 5"))
        with ry.terminal("attach", job) as terminal:
            terminal.until(f"job {job} .* has no terminal: this follows its output")
            terminal.until("one")
            opened.open()
            assert terminal.end() == 5
            assert "two" in terminal.text

    def test_what_is_no_terminal_follows_too(self, ry: Typist) -> None:
        job = str(python(ry))
        prompted(ry, int(job))
        with ry.begin("attach", job) as process:
            read_until(process, b">>> ")
            ry.ok("send", job, "raise SystemExit(2)", "--enter")
            assert process.wait(30) == 2

    def test_what_has_ended_is_refused(self, ry: Typist) -> None:
        job = ry.run("--tty", "--", "true").id
        said = ry.refused("attach", str(job), code=1)
        assert "has ended: it is succeeded" in said and f"ry logs {job}" in said


class TestSend:
    def test_text_enter_and_the_end(self, ry: Typist) -> None:
        job = ry.submit("--tty", 'read x; echo "got $x"; cat; echo over')
        ry.yard.running(job)
        assert ry.ok("send", str(job), "a b", "--enter") == f"4 bytes sent to job {job}\n"
        ry.ok("send", str(job), "--eof")
        ry.done(job)
        assert "got a b\n" in ry.ok("logs", str(job)) and ry.ok("logs", str(job)).endswith("over\n")

    def test_much_from_standard_input(self, ry: Typist) -> None:
        count = "import os, tty; tty.setraw(0); print('up')\nleft = 1 << 20\nwhile left: left -= len(os.read(0, 65536))"
        job = ry.submit("--tty", "--", sys.executable, "-uc", count)
        ry.yard.until("it", lambda: "up" in ry("logs", str(job)).out)
        assert ry.ok("send", str(job), stdin="x" * (1 << 20)) == f"{1 << 20} bytes sent to job {job}\n"
        assert ry.done(job).exit_code == 0

    def test_where_nobody_takes_it(self, ry: Typist) -> None:
        bare = ry.submit("sleep 1000")
        ry.yard.running(bare)
        assert "has no terminal" in ry.refused("send", str(bare), "x", code=1)
        ended = ry.run("--tty", "--", "true").id
        assert "has ended" in ry.refused("send", str(ended), "x", code=1)
        assert "held" in ry.refused("send", str(python(ry, "--hold")), "x", code=1)


class TestWhoGetsOne:
    def test_a_queue_can_give_it(self, ry: Typist) -> None:
        probe = ("--", "sh", "-c", "test -t 0; echo $?")
        assert ry.output(*probe) == "1\n"
        ry.ok("queue", "set", "default", "--default", "tty=true")
        assert ry.output(*probe) == "0\n"
        assert ry.output("--no-tty", *probe) == "1\n"
        (ry.directory / "in").write_text("text")
        assert ry.output("-i", "in", "--", "cat") == "text", "who names an input means that"

    def test_so_can_the_yard(self, ry: Typist, tmp_path: Path) -> None:
        with Yard(tmp_path / "own") as own:
            Path(own.home.root).mkdir(exist_ok=True)
            Path(own.home.config).write_text('detach_keys = "ctrl-p ctrl-q"\n[defaults]\ntty = true\n')
            typist = Typist(own, tmp_path)
            with attached(typist, "run", "--", *PYTHON) as terminal:
                assert "Ctrl-P Ctrl-Q detaches" in terminal.text
                terminal.until(PROMPT)
                terminal.send("\x10\x11")
                assert terminal.end() == 130

    def test_not_together_with_an_input(self, ry: Typist) -> None:
        (ry.directory / "in").write_text("text")
        assert "either --tty or --input" in ry.refused("submit", "--tty", "-i", "in", "--", "cat")
        assert "detach-keys" in ry.refused("attach", "--detach-keys", "f13", str(python(ry)))


class TestWhenSomethingGoes:
    @pytest.fixture
    def own(self, tmp_path: Path) -> Iterator[Typist]:
        """A yard of the test's own, whose parts it may kill."""
        with Yard(tmp_path / "own") as yard:
            yard.start()
            yield Typist(yard, tmp_path)

    def test_the_server(self, own: Typist) -> None:
        with attached(own, "run", "--tty", "--", *PYTHON) as terminal:
            terminal.until(PROMPT)
            terminal.send("x = 'still ' + 'here'; 6 * 7\r")
            terminal.until("\r\n42\r\n")
            own.yard.kill_server()
            terminal.until("the server has gone.*this attaches again")
            assert terminal.cooked
            own.yard.start()
            terminal.until("ry: attached to job 1 again")
            terminal.send("x\r")
            terminal.until("'still here'")
            terminal.send("raise SystemExit(6)\r")
            assert terminal.end() == 6

    def test_the_agent(self, own: Typist) -> None:
        with attached(own, "run", "--tty", "--", *PYTHON) as terminal:
            terminal.until(PROMPT)
            own.yard.kill_agent()
            terminal.until("the agent has gone.*this attaches again")
            terminal.until("ry: attached to job 1 again")
            terminal.send("'still ' + 'here'\r")
            terminal.until("'still here'")
            terminal.send(QUIT)
            assert terminal.end() == 130

    def test_the_runner(self, own: Typist) -> None:
        with attached(own, "run", "--tty", "--", *PYTHON) as terminal:
            terminal.until(PROMPT)
            row = own.yard.rows("@")[0]
            processes.kill(own.yard.runner(row.pid or 0))
            assert terminal.end() == 70
            assert terminal.cooked

    def test_the_viewer(self, own: Typist) -> None:
        job = python(own)
        prompted(own, job)
        for _ in range(3):
            with attached(own, "attach", str(job)) as terminal:
                terminal.until(PROMPT)
                terminal.signal(signal.SIGKILL)
                assert terminal.end() == -9
        own.ok("send", str(job), "raise SystemExit(3)", "--enter")
        assert own.done(job).exit_code == 3
