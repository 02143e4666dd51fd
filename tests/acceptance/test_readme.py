"""The tour of README and the Python page, done as they stand: in a yard of their own, and what is printed compared.

A block `console` holds commands (`$ ...`, going on after a line that ends in a backslash) and what they print on a
terminal of 100 columns. A block `python` is followed by a block `text` with what it prints, if it prints. `...` stands
for anything; moments, spans and the name of the machine are compared by their kind, and so is how far a job has come
that was just submitted. That it has not ended by then is seen to: while the page tells where jobs stand, their agent
stands still.
"""

from __future__ import annotations

import doctest
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runyard.client.remote import RemoteService
from runyard.client.transport import UnixTransport
from runyard.model.filter import JobQuery
from runyard.wiring.home import home_at
from tests.harness import processes

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
COMMAND_S = 60.0
COLUMNS = 100
SEPARATOR = "\x1e"

_SUBMITS = "ry submit"
_TELLS = re.compile(rf"{_SUBMITS} |ry why |ry$")
"""What is typed to submit a job, or to see where jobs stand that have not ended."""
_BLOCK = re.compile(r"^```(console|python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_KINDS = (
    (re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"), ""),
    (re.compile(r"\b\d{1,2}:\d\d(:\d\d)?\b"), "<time>"),
    (re.compile(r"\b(\d+d\d\dh|\d+h\d\dm|\d+m\d\ds|\d+(\.\d+)?s)\b"), "<span>"),
    (re.compile(r"\bpid \d+"), "pid <number>"),
    (re.compile(r"^(job \d+ \(\w+\)) (queued:.*|starting|running)$", re.MULTILINE), r"\1 <on its way>"),
    (re.compile(r"\bstarting\b"), "running"),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r" $", re.MULTILINE), ""),
)


@dataclass(frozen=True)
class Step:
    """One command or piece of code, and what it should print."""

    line: int
    text: str
    prints: str


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a user with an empty home; its yard is ended behind them."""
    values = {
        "HOME": str(tmp_path),
        "RUNYARD_HOME": str(tmp_path / "yard"),
        "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}",
        "COLUMNS": str(COLUMNS),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "SHELL": "/bin/bash",
    }
    yield values
    signal_agent(values["RUNYARD_HOME"], signal.SIGCONT)
    for words in (("kill", "all", "--yes"), ("wait", "all", "--timeout", "20"), ("server", "stop")):
        if (tmp_path / "yard").exists():
            subprocess.run([BIN / "ry", *words], env=values, capture_output=True, timeout=COMMAND_S, check=False)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the tour shows two jobs at a time")
def test_the_tour_of_the_readme(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    steps = list(commands(ROOT / "README.md"))
    assert len(steps) > 10
    yard = environ["RUNYARD_HOME"]
    for step in steps:
        signal_agent(yard, signal.SIGSTOP if _TELLS.match(step.text) else signal.SIGCONT)
        printed = in_a_terminal(step.text, environ, tmp_path)
        if step.text.startswith(_SUBMITS):
            signal_agent(yard, signal.SIGCONT)
            started(yard)
        compare(step, printed)


def signal_agent(yard: str, number: signal.Signals) -> None:
    """Have the agent stand still, or go on; none has been born before the first command."""
    for pid in processes.of_home(yard):
        if processes.name(pid) == "ry-agent":
            processes.send(pid, number)


def started(yard: str) -> None:
    """Wait until no job is starting any more: it runs, or it has ended."""
    service = RemoteService(UnixTransport(home_at(yard).server_socket))
    while True:
        position = service.changed(("jobs",), 0, 0)
        if not service.jobs(JobQuery(("state:starting",))):
            return
        assert service.changed(("jobs",), position, COMMAND_S) != position, "a job does not start"


@pytest.mark.parametrize("page", ["README.md", "docs/python.md", "docs/pipelines.md"])
def test_python_examples(page: str, environ: dict[str, str], tmp_path: Path) -> None:
    steps = list(examples(ROOT / page))
    assert steps
    script = f"\nprint({SEPARATOR!r}, end='', flush=True)\n".join(step.text for step in steps)
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    for step, printed in zip(steps, ended.stdout.split(SEPARATOR), strict=True):
        compare(step, printed)


def compare(step: Step, printed: str) -> None:
    """Fail with both texts if the page says something else than what is printed."""
    wanted, given = as_kinds(step.prints), as_kinds(printed)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if not doctest.OutputChecker().check_output(wanted, given, flags):
        pytest.fail(f"line {step.line}: {step.text}\nthe page says:\n{wanted}\nit printed:\n{given}", pytrace=False)


def as_kinds(text: str) -> str:
    """The text with moments and the like as their kinds."""
    text = text.replace("\r\n", "\n").replace(socket.gethostname(), "laptop")
    for pattern, kind in _KINDS:
        text = pattern.sub(kind, text)
    return text.strip() + "\n"


def commands(page: Path) -> Iterator[Step]:
    """The commands of all `console` blocks."""
    for line, kind, body in blocks(page):
        if kind == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                text, prints = re.split(r"(?<!\\)\n", part, maxsplit=1)
                yield Step(line, text, prints)


def examples(page: Path) -> Iterator[Step]:
    """The code of all `python` blocks."""
    found = list(blocks(page))
    for place, (line, kind, body) in enumerate(found):
        if kind == "python":
            behind = found[place + 1] if place + 1 < len(found) else (0, "", "")
            yield Step(line, body, behind[2] if behind[1] == "text" else "")


def blocks(page: Path) -> Iterator[tuple[int, str, str]]:
    """Line, kind and body of each block."""
    text = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1], match[2]


def in_a_terminal(command: str, environ: dict[str, str], directory: Path) -> str:
    """What bash prints on a terminal when somebody types this."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        ["bash", "-c", command],
        stdin=slave, stdout=slave, stderr=slave, env=environ, cwd=directory, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    printed = b""
    end = time.monotonic() + COMMAND_S
    try:
        while True:
            if not select.select([master], [], [], max(0.0, end - time.monotonic()))[0]:
                pytest.fail(f"{command}: not over after {COMMAND_S:.0f} s; so far: {printed.decode()}", pytrace=False)
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other side is closed
                piece = b""
            if not piece:
                return printed.decode("utf-8", "replace")
            printed += piece
    finally:
        os.close(master)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=10)
