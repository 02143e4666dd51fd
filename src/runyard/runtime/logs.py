"""Reads what attempts on this machine have written, in bytes and in bounded memory, whatever a job made of its output.

The server calls `LocalFiles` for its own host, an agent for the others. Nothing is decoded. A file is opened below its
directory, never through a symbolic link, and only a regular file is opened at all: a job may have put a pipe or a
device there. A file may grow, shrink or go while it is read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from types import TracebackType
from typing import Optional

from runyard.errors import Conflict, NotFound, RunyardError, UsageError
from runyard.foreign.command import Surroundings, complaint, stream
from runyard.model.output import Chunk, GrepQuery
from runyard.runtime.rundir import RunDir, RunDirs
from runyard.settings import Home

MB = 1024 * 1024
READ_MAX = MB
"""The most that one `range` gives."""

LINES_MAX = 4 * MB
"""As far `tail` looks back and `head` looks forward."""

BLOCK = 64 * 1024
PATH_MAX = 4096
GREP_SILENT_S = 60.0
GREP_MEMORY_MB = 512
"""What grep may take: it holds a whole line, and a job may write an endless one."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Part:
    """A piece of output from byte `offset` on."""

    offset: int
    data: bytes


class Output:
    """An output file, open for reading. Takes over the descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        os.close(self._fd)

    @property
    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes (and READ_MAX) from there; fewer only at the end."""
        left = max(0, min(length, READ_MAX))
        pieces = []
        while left and (piece := os.pread(self._fd, left, offset)):
            pieces.append(piece)
            offset += len(piece)
            left -= len(piece)
        return b"".join(pieces)

    def tail(self, lines: int) -> Part:
        """The last lines; an unfinished one counts."""
        start = end = self.size
        blocks: list[bytes] = []
        wanted = lines
        while start > 0 and wanted > 0:
            if end - start >= LINES_MAX:
                return Part(start, b"".join(reversed(blocks)))
            length = min(BLOCK, start)
            block = self.read(start - length, length)
            if not blocks and block.endswith(b"\n"):
                wanted += 1
            found, after = _nth_newline_from_end(block, wanted)
            wanted -= found
            blocks.append(block[after:])
            start += after - length
        return Part(start, b"".join(reversed(blocks)))

    def head(self, lines: int) -> Part:
        """The first lines."""
        blocks: list[bytes] = []
        offset = 0
        while lines > 0:
            if offset >= LINES_MAX:
                return Part(0, b"".join(blocks))
            block = self.read(offset, BLOCK)
            if not block:
                break
            pieces = block.split(b"\n", lines)
            lines -= len(pieces) - 1
            blocks.append(block if lines else block[: len(block) - len(pieces[-1])])
            offset += len(block)
        return Part(0, b"".join(blocks))


def open_output(path: str) -> Output:
    """Open a file that a user named. Its directory may be reached by links, the file itself may be none."""
    with _told(path):
        directory = os.open(os.path.dirname(path) or ".", _DIRECTORY)
    try:
        return _open_below(directory, os.path.basename(path), path)
    finally:
        os.close(directory)


def grep_flags(query: GrepQuery) -> list[str]:
    """The query as arguments of grep. The pattern can never become an option."""
    given = (
        ("-i", query.ignore_case),
        ("-v", query.invert),
        ("-n", query.number),
        ("-c", query.count),
        ("-E", query.extended),
        (f"-A{query.after:d}", query.after > 0),
        (f"-B{query.before:d}", query.before > 0),
    )
    flags = [flag for flag, wanted in given if wanted]
    return ["--binary-files=text", "--color=never", *flags, "-e", query.pattern]


def grep(output: Output, query: GrepQuery) -> Iterator[bytes]:
    """What the real grep prints of the file, piece by piece; the file is closed at the end.

    Nothing was found: no piece at all. UsageError: grep does not take the pattern.
    """
    with output:
        surroundings = Surroundings({**os.environ, "LC_ALL": "C"}, stdin=output.fileno(), memory_mb=GREP_MEMORY_MB)
        with stream(["grep", *grep_flags(query)], GREP_SILENT_S, surroundings) as found:
            yield from found
        if found.returncode not in (0, 1):
            raise _grep_failed(found.returncode, found.stderr)


class LocalFiles:
    """The output of the attempts on this host: implements `api.Files`."""

    def __init__(self, home: Home, host_id: str) -> None:
        self._dirs = RunDirs(home.runs, host_id)

    def range(self, job_id: int, number: int, offset: int, length: int) -> Chunk:
        """At most `length` bytes (and 1 MiB) from `offset`; a negative one counts from the end."""
        with self._open(job_id, number) as output:
            size = output.size
            start = max(0, size + offset) if offset < 0 else offset
            data = output.read(start, length)
            return Chunk(start, data, max(size, start + len(data)) if data else size)

    def tail(self, job_id: int, number: int, lines: int) -> Chunk:
        """The last lines, at most some MB."""
        with self._open(job_id, number) as output:
            return _chunk(output.tail(lines), output.size)

    def head(self, job_id: int, number: int, lines: int) -> Chunk:
        """The first lines, at most some MB."""
        with self._open(job_id, number) as output:
            return _chunk(output.head(lines), output.size)

    def grep(self, job_id: int, number: int, query: GrepQuery) -> Iterator[bytes]:
        """What grep prints. An error of the query is raised here, not by the iterator."""
        if "\0" in query.pattern:
            raise UsageError("a pattern cannot have a zero byte")
        pieces = grep(self._open(job_id, number), query)
        return chain(list(_first(pieces)), pieces)

    def _open(self, job_id: int, number: int) -> Output:
        live, done = self._dirs.live(job_id, number), self._dirs.done(job_id, number)
        for run_dir in (live, done, live):  # it may move while we look
            with suppress(FileNotFoundError):
                return open_attempt(run_dir)
        raise NotFound(
            f"there is no output of attempt {job_id}.{number}: it has not begun, or its output was collected (that of"
            " ended jobs goes when it is old or all of it too large: keep_runs_days, keep_runs_mb; `ry clean`)"
        )


def open_attempt(run_dir: RunDir) -> Output:
    """The output of an attempt by its directory. FileNotFoundError: there is none (yet, or any longer)."""
    with _told(run_dir.path):
        directory = os.open(run_dir.path, _DIRECTORY | os.O_NOFOLLOW)
    try:
        path = _linked(directory, run_dir)
        if not path:
            return _open_below(directory, os.path.basename(run_dir.output), run_dir.output)
    finally:
        os.close(directory)
    try:
        return open_output(path)
    except FileNotFoundError:
        raise NotFound(f"the output of attempt {run_dir.job}.{run_dir.number} went to {path}, which is gone") from None


def _linked(directory: int, run_dir: RunDir) -> str:
    """The job's own output file ("" if it has none)."""
    try:
        with _open_below(directory, os.path.basename(run_dir.output_link), run_dir.output_link) as link:
            path = os.fsdecode(link.read(0, PATH_MAX))
    except FileNotFoundError:
        return ""
    if (path and not os.path.isabs(path)) or "\0" in path:
        raise Conflict(f"{run_dir.output_link} does not hold a path")
    return path


def _open_below(directory: int, name: str, path: str) -> Output:
    """Open a regular file in an open directory; `path` names it in errors. What it is is seen before it is opened:
    a pipe would notice its reader come and go."""
    with _told(path):
        place = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            if not stat.S_ISREG(os.fstat(place).st_mode):
                raise Conflict(f"{path} is not a regular file; only such a one is read")
            return Output(os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
        finally:
            os.close(place)


@contextmanager
def _told(path: str) -> Iterator[None]:
    """The system's errors as ours; what is not there stays FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Conflict(f"{path} cannot be read: {error.strerror}") from None


def _nth_newline_from_end(block: bytes, wanted: int) -> tuple[int, int]:
    """How many of the wanted newlines the block has, and where what follows the last wanted one begins (else 0)."""
    place = len(block)
    for found in range(1, wanted + 1):
        place = block.rfind(b"\n", 0, place)
        if place < 0:
            return found - 1, 0
    return wanted, place + 1


def _first(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        return


def _chunk(part: Part, size: int) -> Chunk:
    return Chunk(part.offset, part.data, max(size, part.offset + len(part.data)))


def _grep_failed(returncode: Optional[int], stderr: bytes) -> RunyardError:
    if b"memory exhausted" in stderr:
        return Conflict(f"a line of this output is so long that grep would need more than {GREP_MEMORY_MB} MB for it")
    return UsageError(complaint(stderr)) if returncode == 2 else RunyardError(f"grep: {complaint(stderr)}")
