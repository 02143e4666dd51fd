"""The one place that runs other people's programs: by argv, never by a shell.

`run` is for what answers in a moment and a few MB; `stream` for output that may be long. Who calls puts `--` before
operands that a user chose. A program that says no is no error: the caller knows what its exit codes mean, or calls
`required`. Each program is a process group of its own, which is killed when its time is over or nobody listens any
more.
"""

from __future__ import annotations

import os
import resource
import selectors
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Optional

from runyard.errors import RunyardError

PIECE = 65536
STDERR_MAX = 65536
"""What a stream keeps of a program's complaints, in bytes."""


class CommandError(RunyardError):
    """Another program could not do what it was asked for."""


class ProgramMissing(CommandError):
    """A program that is needed is not installed here."""


class ProgramTimedOut(CommandError):
    """Another program took too long and was ended."""


class ProgramFailed(CommandError):
    """Another program failed."""


@dataclass(frozen=True)
class Completed:
    """How a program ended: its exit code, or the negative number of the signal that killed it, and what it wrote."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    def required(self) -> Completed:
        """This, if the program succeeded; else ProgramFailed with what it wrote last."""
        if self.returncode == 0:
            return self
        raise ProgramFailed(f"{self.argv[0]} {_ending(self.returncode)}: {complaint(self.stderr)}")


@dataclass(frozen=True)
class Surroundings:
    """What a program gets beside its arguments. `env` None: our own environment. `stdin` None: nothing to read.

    `memory_mb` is the most that it may allocate (0: no limit); `umask` -1 is our own.
    """

    env: Optional[Mapping[str, str]] = None
    cwd: Optional[str] = None
    stdin: Optional[int] = None
    memory_mb: int = 0
    umask: int = -1


def run(
    argv: Sequence[str],
    timeout_s: float,
    input: bytes = b"",
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[str] = None,
    umask: int = -1,
) -> Completed:
    """Run a program to its end. Raises ProgramMissing, ProgramTimedOut, or CommandError if it cannot be started."""
    with _start(argv, Surroundings(env, cwd, subprocess.PIPE, umask=umask)) as process:
        try:
            stdout, stderr = process.communicate(input, timeout_s)
        except BaseException as error:
            _kill(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise _took_too_long(argv, timeout_s) from None
            raise
    return Completed(tuple(argv), process.returncode, stdout, stderr)


class Stream:
    """A running program whose output is read in pieces: `with stream(...) as output: for piece in output: ...`.

    `returncode` and `stderr` count when the pieces have ended. To leave the block before that ends the program.
    """

    def __init__(self, argv: Sequence[str], timeout_s: float, surroundings: Surroundings) -> None:
        self._argv = tuple(argv)
        self._timeout_s = timeout_s
        self._process = _start(argv, surroundings)
        self._complaints = bytearray()

    @property
    def returncode(self) -> Optional[int]:
        return self._process.returncode

    @property
    def stderr(self) -> bytes:
        """The first complaints of the program."""
        return bytes(self._complaints)

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        _kill(self._process)
        self._process.__exit__(kind, error, trace)

    def __iter__(self) -> Iterator[bytes]:
        with selectors.DefaultSelector() as selector:
            for pipe in (self._process.stdout, self._process.stderr):
                selector.register(_opened(pipe), selectors.EVENT_READ)
            while selector.get_map():
                yield from self._read(selector)
        self._process.wait()

    def _read(self, selector: selectors.BaseSelector) -> Iterator[bytes]:
        ready = selector.select(self._timeout_s)
        if not ready:
            raise _took_too_long(self._argv, self._timeout_s)
        for key, _ in ready:
            piece = os.read(key.fd, PIECE)
            if not piece:
                selector.unregister(key.fileobj)
            elif key.fileobj is self._process.stdout:
                yield piece
            else:
                self._complaints += piece[: STDERR_MAX - len(self._complaints)]


def stream(argv: Sequence[str], timeout_s: float, surroundings: Surroundings = Surroundings()) -> Stream:
    """Start a program and read it piece by piece. `timeout_s` is how long it may be silent; then ProgramTimedOut.

    The time that the reader takes does not count, and a program waits for a slow reader.
    """
    return Stream(argv, timeout_s, surroundings)


def complaint(stderr: bytes) -> str:
    """The last line that a program wrote to stderr, for a message to the user."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else "it did not say why"


def _start(argv: Sequence[str], surroundings: Surroundings) -> subprocess.Popen[bytes]:
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL if surroundings.stdin is None else surroundings.stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=surroundings.env,
            cwd=surroundings.cwd,
            umask=surroundings.umask,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if surroundings.cwd is not None and error.filename == surroundings.cwd:
            raise CommandError(f"{surroundings.cwd}: there is no such directory") from None
        raise ProgramMissing(f"{argv[0]} is not installed here (or not in PATH); install it and try again") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CommandError(f"{argv[0]} cannot be started: {reason}") from None
    if surroundings.memory_mb:
        _limit_memory(process.pid, surroundings.memory_mb)
    return process


def _limit_memory(pid: int, memory_mb: int) -> None:
    most = memory_mb * 1024 * 1024
    with suppress(ProcessLookupError, PermissionError):  # it has ended already, or has become somebody else
        resource.prlimit(pid, resource.RLIMIT_AS, (most, most))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End its process group. Nothing if it was waited for: the number may be another's by now."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            process.kill()


def _took_too_long(argv: Sequence[str], timeout_s: float) -> ProgramTimedOut:
    return ProgramTimedOut(f"{argv[0]} did not answer within {timeout_s:g} s and was ended; try again later")


def _ending(returncode: int) -> str:
    return f"was killed by signal {-returncode}" if returncode < 0 else f"failed with exit code {returncode}"


def _opened(pipe: Optional[IO[Any]]) -> IO[Any]:
    if pipe is None:
        raise ValueError("the program was started without this pipe")
    return pipe
