"""Somebody who types commands: into a pipe, on a terminal, or and leaves them running. In a directory of their own.

What is typed is the installed command, with the environment of its yard; every wait is bounded. (Into a pipe it starts
as `tests.harness.commands` has it.)
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runyard.api import JobRow
from tests.harness.commands import RY, type_ry
from tests.harness.processes import PATIENCE_S
from tests.harness.yard import Ended, Yard

COLUMNS = 120
GROUPS = ("queue", "server", "template", "sweep", "pipeline")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Typist:
    """Calls `ry` in one yard, from one directory. `environ` are variables of the user's shell beside the yard's."""

    def __init__(self, yard: Yard, directory: Path) -> None:
        self.yard = yard
        self.directory = directory
        self.environ = yard.environ

    def __call__(self, *words: str, stdin: str = "", cwd: Path | None = None, **environ: str) -> Ended:
        """Type it into a pipe, and wait for its end."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as source:
            source.write(stdin.encode("utf-8", "surrogateescape"))
            source.seek(0)
            streams = [file.fileno() for file in (source, out, err)]
            code = type_ry(words, streams, cwd or self.directory, {**self.environ, **environ})
            texts = [file.read().decode("utf-8", "surrogateescape") for file in (out, err) if not file.seek(0)]
        return Ended(code, texts[0], texts[1])

    def ok(self, *words: str, **more: Any) -> str:
        """What it prints; it has to succeed."""
        ended = self(*words, **more)
        assert ended.code == 0, (words, ended)
        return ended.out

    def refused(self, *words: str, code: int = 2, **more: Any) -> str:
        """What it says where it has to fail with this code: one line, and nothing on standard output."""
        ended = self(*words, **more)
        assert (ended.code, ended.out) == (code, ""), (words, ended)
        assert ended.err.startswith("ry: ") and ended.err.count("\n") == 1, ended.err
        return ended.err

    def json(self, *words: str, **more: Any) -> Any:
        """What it prints with --json; it has to succeed."""
        verb = 2 if words[0] in GROUPS else 1
        return json.loads(self.ok(*words[:verb], "--json", *words[verb:], **more))

    def tabbed(self, typed: str, word: int, **environ: str) -> Ended:
        """Press the Tab key in bash, at this word of the line."""
        asked = {"COMP_WORDS": typed, "COMP_CWORD": str(word), "_RY_COMPLETE": "bash_complete", **environ}
        return self(stdin="", cwd=None, **asked)

    def submit(self, *words: str, **more: Any) -> int:
        """The id of the one job that this submits."""
        return int(self.ok("submit", *words, **more))

    def submit_many(self, *words: str, **more: Any) -> list[int]:
        """The ids of the jobs that this submits: one on each line, and nothing else."""
        return [int(line) for line in self.ok("submit", *words, **more).splitlines()]

    def row(self, job_id: int) -> JobRow:
        """Where a job stands, asked of the server itself: quicker than to type it."""
        return self.yard.row(job_id)

    def done(self, *ids: int) -> JobRow:
        """The job (the last of several) when it has ended; the same."""
        return self.yard.done(*ids)[-1]

    def run(self, *words: str, **more: Any) -> JobRow:
        """Submit it and wait for its end."""
        return self.done(self.submit(*words, **more))

    def output(self, *words: str, **more: Any) -> str:
        """What a job prints that succeeds."""
        ended = self("run", *words, **more)
        assert ended.code == 0, (words, ended)
        return ended.out

    @contextmanager
    def begin(self, *words: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
        """Type it and leave it running; its output and errors come through one pipe each."""
        process = subprocess.Popen(
            [RY, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**self.environ, **environ}, cwd=self.directory,
        )  # fmt: skip
        with process:
            try:
                yield process
            finally:
                process.send_signal(signal.SIGCONT)
                process.kill()

    @contextmanager
    def terminal(self, *words: str, **environ: str) -> Iterator[Terminal]:
        """Type it on a terminal of 120 columns."""
        terminal = Terminal([RY, *words], {**self.environ, "TERM": "xterm-256color", **environ}, self.directory)
        try:
            yield terminal
        finally:
            terminal.close()

    def seen(self, *words: str, **environ: str) -> str:
        """All that somebody sees at a terminal, escape sequences included."""
        with self.terminal(*words, **environ) as terminal:
            terminal.end()
            return terminal.text


class Terminal:
    """A program on a terminal of its own: what it has printed so far is `text`."""

    def __init__(self, argv: list[str], environ: dict[str, str], directory: Path) -> None:
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, cwd=directory,
            env={**environ, "COLUMNS": str(COLUMNS), "LINES": "40"},
            start_new_session=True, preexec_fn=_take_terminal,
        )  # fmt: skip
        os.close(slave)
        self._raw = b""

    @property
    def text(self) -> str:
        return self._raw.decode("utf-8", "replace")

    def send(self, text: str) -> None:
        """Press these keys; \\x03 is Ctrl-C."""
        os.write(self._master, text.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Give the window this size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    @property
    def cooked(self) -> bool:
        """Whether the terminal handles lines and Ctrl-C, as a shell wants it."""
        flags = termios.tcgetattr(self._master)[3]
        return bool(flags & termios.ICANON and flags & termios.ECHO and flags & termios.ISIG)

    def stopped(self) -> None:
        """Wait until it has stopped, as by Ctrl-Z."""
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def forget(self) -> None:
        """What was printed so far is no longer looked at."""
        self._raw = b""

    def until(self, pattern: str) -> str:
        """Wait until this has been printed; all that was printed up to here."""
        self._read(lambda: re.search(pattern, self.text) is not None)
        assert re.search(pattern, self.text), f"{pattern!r} was not printed: {self.text!r}"
        return self.text

    def end(self) -> int:
        """Wait until it has ended; its exit code."""
        self._read(lambda: False)
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
        os.close(self._master)

    def _read(self, enough: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not enough():
            left = max(0.0, end - time.monotonic())
            assert select.select([self._master], [], [], left)[0], f"nothing more comes after: {self.text!r}"
            try:
                piece = os.read(self._master, 65536)
            except OSError:  # the other side is closed
                return
            if not piece:
                return
            self._raw += piece


def _take_terminal() -> None:
    """In the child: its standard input is the terminal of its session, so that Ctrl-C reaches it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def plain(text: str) -> str:
    """What is left of a terminal's text when the colours are taken away."""
    return ESCAPES.sub("", text).replace("\r\n", "\n")


def read_until(process: subprocess.Popen[bytes], text: bytes) -> bytes:
    """What it prints, up to this text."""
    assert process.stdout is not None
    seen = b""
    end = time.monotonic() + PATIENCE_S
    while text not in seen:
        left = max(0.0, end - time.monotonic())
        assert select.select([process.stdout], [], [], left)[0], f"{text!r} does not come after {seen!r}"
        piece = os.read(process.stdout.fileno(), 65536)
        assert piece, f"it ended before {text!r}: {seen!r}"
        seen += piece
    return seen


def editor(directory: Path, *steps: str) -> str:
    """An editor that does these (sed's) one after the other, each time that it is opened; then nothing."""
    script = directory / "editor"
    count = directory / "opened"
    cases = "\n".join(f'{number}) sed -i {step} "$1" ;;' for number, step in enumerate(steps, 1))
    script.write_text(
        f"#!/bin/sh\nn=$(( $(cat {count} 2>/dev/null || echo 0) + 1 )); echo $n > {count}\n"
        f'cp "$1" {directory}/seen.$n\ncase $n in\n{cases}\n*) ;;\nesac\n'
    )
    script.chmod(0o755)
    return str(script)
