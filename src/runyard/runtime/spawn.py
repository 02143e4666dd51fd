"""From an order to a running process: its arguments, environment, files, and the one call that starts it.

`subprocess.Popen` starts it with vfork as long as there is no `preexec_fn` and no change of user (a job with a terminal
has one: the child has to take the terminal as its session's, and pays a plain fork). In the child: a new
session, the job's working directory and umask, signal dispositions reset, every other descriptor closed; nothing is
changed on the runner. What goes wrong before the command's first instruction raises an error, NotStarted where it can
be said for the user; once the command has begun nothing raises.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import re
import shlex
import subprocess
import termios
from collections.abc import Callable, Sequence
from typing import Optional

from runyard.foreign.daemon import MARK
from runyard.runtime.family import Member, boot_clock, newborn
from runyard.runtime.protocol import Start
from runyard.runtime.rundir import RunDir

JOB_UMASK = 0o022
"""Ours (077) is a daemon's; a job's files are for its user to share."""

TERM = b"xterm-256color"
"""The kind of a terminal whose submitter had none."""
WINDOW = (b"COLUMNS", b"LINES")
"""Not handed on: they are of the submitter's window, and a program that finds them does not ask its own terminal."""

_LOG = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
_INPUT = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""Not blocking for the open alone: a pipe that nobody is at must not hold the runner."""

NUMBERS = "jaA"
"""What can be filled up with zeros in the name of an output file."""

Environment = dict[bytes, bytes]


class NotStarted(Exception):
    """The command did not begin; the message says why."""


class Spawner:
    """Starts commands, one after the other. Keeps what is alike from one to the next: the last environment, and
    /dev/null."""

    def __init__(self) -> None:
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._last = ("", environment_of(""))

    def spawn(self, start: Start, run_dir: RunDir, terminal: Optional[int] = None) -> Member:
        """Start the command, on this terminal if there is one. The caller reaps it. Any error means that it did not
        begin: NotStarted where that was to be expected."""
        environment = self._environment(start)
        argv = build_argv(start, run_dir, environment)
        if terminal is not None:
            return _popen(argv, environment, start.workdir, (terminal, terminal), _take_terminal)
        opened: list[int] = []
        try:
            output = open_output(start, run_dir)
            opened.append(output)
            source = self._null
            if start.input:
                source = _open(os.path.join(start.workdir, start.input), _INPUT, "input")
                opened.append(source)
            return _popen(argv, environment, start.workdir, (source, output))
        finally:
            for fd in opened:
                with contextlib.suppress(OSError):  # a network's file system may complain, when the command runs
                    os.close(fd)

    def _environment(self, start: Start) -> Environment:
        if self._last[0] != start.environment:
            self._last = (start.environment, environment_of(start.environment))
        environment = dict(self._last[1])
        for name, value in start.variables.items():
            environment[os.fsencode(name)] = os.fsencode(value)
        environment[b"RUNYARD_TOKEN"] = start.token.encode("ascii")
        environment.pop(os.fsencode(MARK), None)
        if start.tty:
            environment.setdefault(b"TERM", TERM)
            for window in WINDOW:
                environment.pop(window, None)
        return environment


def environment_of(path: str) -> Environment:
    """The environment in a blob (a JSON object of names and texts); without a blob our own, which is an allow-list."""
    if not path:
        return dict(os.environb)
    try:
        with open(path, "rb") as file:
            values = json.loads(file.read())
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise ValueError("it is not an object of names and texts")
        return {os.fsencode(name): os.fsencode(value) for name, value in values.items()}
    except (OSError, ValueError, RecursionError) as error:
        raise NotStarted(f"the environment cannot be read: {error}") from None


def build_argv(start: Start, run_dir: RunDir, environment: Environment) -> list[str]:
    """The arguments of the process to start: the command, by its shell or from the script's copy, after the setup."""
    if start.script:
        argv = _script_argv(start, run_dir)
    elif start.shell == "login":
        argv = [os.fsdecode(environment.get(b"SHELL", b"bash")), "-l", "-c", *start.command]
    elif start.shell:
        argv = [start.shell, "-c", *start.command]
    else:
        argv = list(start.command)
    return ["bash", "-c", _setup_text(start.setup), "bash", *argv] if start.setup else argv


def expand_output(start: Start) -> str:
    """The absolute path of the job's own output file: %j is the job, %a its index in an array, %A the array's group
    (without one the job), %x its name, %N the host, %u the account; %4a fills a number up with zeros."""
    job = str(start.job)
    values = {
        "j": job,
        "a": start.variables.get("RUNYARD_ARRAY_INDEX", "0"),
        "A": start.variables.get("RUNYARD_GROUP_ID", job),
        "x": start.variables.get("RUNYARD_JOB_NAME", "job").replace("/", "_").replace("\0", "_"),
        "N": os.uname().nodename.partition(".")[0],
        "%": "%",
    }

    def expanded(mark: re.Match[str]) -> str:
        value = _account() if mark[2] == "u" else values.get(mark[2], mark[0])
        return value.zfill(int(mark[1] or 0)) if mark[2] in NUMBERS else value

    return os.path.join(start.workdir, re.sub(r"%(\d?)(.)", expanded, start.output, flags=re.DOTALL))


def _account() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def open_output(start: Start, run_dir: RunDir) -> int:
    """The descriptor that takes what the command writes. A file of the job's own is named in the run directory."""
    if not start.output:
        return _open(run_dir.output, _LOG | os.O_NOFOLLOW, "output")
    path = expand_output(start)
    fd = _open_users(path)
    try:
        _create(run_dir.output_link, os.fsencode(path), 0o600)
        before = os.fstat(fd).st_size
        if before:
            _create(run_dir.output_from, b"%d" % before, 0o600)
    except OSError as error:
        os.close(fd)
        raise NotStarted(f"output: {error}") from None
    return fd


def _open_users(path: str) -> int:
    """Open a file of the user's for appending; a new one gets the rights that the job itself would give it."""
    new = not os.path.exists(path)
    fd = _open(path, _LOG, "output")
    if new:
        os.fchmod(fd, 0o666 & ~JOB_UMASK)
    return fd


def _open(path: str, flags: int, what: str) -> int:
    try:
        fd = os.open(path, flags, 0o600)
        os.set_blocking(fd, True)
        return fd
    except (OSError, ValueError) as error:
        raise NotStarted(f"{what} {path}: {getattr(error, 'strerror', None) or error}") from None


def _script_argv(start: Start, run_dir: RunDir) -> list[str]:
    """The script runs by its `#!` line from a copy of the attempt's own; without such a line /bin/sh runs it."""
    try:
        with open(start.script, "rb") as file:
            text = file.read()
        _create(run_dir.script, text, 0o700)
    except OSError as error:
        raise NotStarted(f"the script cannot be copied: {error}") from None
    interpreter = [] if text.startswith(b"#!") else ["/bin/sh"]
    return [*interpreter, run_dir.script, *start.command[1:]]


def _create(path: str, content: bytes, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    with open(fd, "wb") as file:
        file.write(content)


def _setup_text(lines: Sequence[str]) -> str:
    """The setup lines, each of which ends the job with its own code if it fails, then the command in their place."""
    return "\n".join([*map(_guarded, lines), 'exec "$@"'])


def _guarded(line: str) -> str:
    said = "printf 'runyard: setup failed (exit code %s): %s\\n' \"$code\" " + shlex.quote(line)
    return f'{{ {line}\n}} || {{ code=$?; {said} >&2; exit "$code"; }}'


def _take_terminal() -> None:
    """In the child, after `setsid`: what it has for its standard input becomes its controlling terminal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _popen(
    argv: list[str],
    environment: Environment,
    workdir: str,
    files: tuple[int, int],
    prepare: Optional[Callable[[], None]] = None,
) -> Member:
    before = boot_clock()
    try:
        process = subprocess.Popen(
            argv,
            stdin=files[0],
            stdout=files[1],
            stderr=files[1],
            env=environment,
            cwd=workdir,
            umask=JOB_UMASK,
            start_new_session=True,
            preexec_fn=prepare,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise NotStarted(_explained(error, argv, workdir)) from None
    process.returncode = 0  # the runner waits for all its children at once; Popen has nothing left to do
    return newborn(process.pid, before)


def _explained(error: Exception, argv: list[str], workdir: str) -> str:
    """The directory is entered before the program is looked for, and the error names the path of one of the two, which
    may be alike: where the directory can be entered it was the program."""
    reason: Optional[str] = getattr(error, "strerror", None)
    if getattr(error, "filename", None) == workdir and not (os.path.isdir(workdir) and os.access(workdir, os.X_OK)):
        return f"workdir {workdir}: {reason}"
    if isinstance(error, FileNotFoundError):
        return f"{argv[0]}: command not found"
    return f"{argv[0]}: {reason or error}"
