"""The run file of an attempt: who claimed it, what was started, how it ended.

One small file with three records at fixed places, each a line of readable JSON, padded and closed by its checksum:

    claim   {"v":1,"job":12,"number":1,"token":"...","host_id":"...","boot_id":"...","pid":...}     1c291ca3
    started {"pid":...,"start_time":...,"at":...}                                                   9d0fe4a2
    ended   {"wait_status":0,"why":"","cpu_s":0.01,...}                                             77073096

A runner makes the file under a private name, locks it, writes its claim, and publishes it by a hard link under the
attempt's name. The link fails if that name exists: this is *the* start, and whoever sees the file sees a claim, and a
lock that is held as long as the runner lives (an OFD lock; its descriptor is closed by exec; `look` never takes it).
The claim fills the whole file, so that the later records need no new space.

An agent that gives an attempt up creates the file under the attempt's name (`give_up`); a late runner cannot publish
then. Such a file may be empty: only agents create it so.

When a committed attempt's name is removed its runner has the file for itself again (`Slates`) and uses it for another
claim. Otherwise each attempt would cost the file system a new file and a deletion, and where many were deleted lately
ext4 takes long to create one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import zlib
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional, TypeVar

from runyard.foreign.locks import is_locked, try_lock
from runyard.runtime.family import Member

VERSION = 1
CLAIM, STARTED, ENDED = (0, 512), (512, 128), (640, 384)
"""Offset and length of each record."""
SIZE = 1024
DETAIL_MAX = 190
"""What fits of a result's detail, in bytes of JSON."""
WHY_MAX = 13
"""The longest cause, `not-started`, in bytes of JSON."""
SLATES_MAX = 32
"""How many run files of ended attempts a runner keeps, to use them again."""

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_dumps = json.JSONEncoder(separators=(",", ":")).encode


class Claim(NamedTuple):
    """Who may start the attempt. `pid` and `start_time` are the runner's (or of the agent that took the claim so that
    nobody starts it: `by` is "runner" or "agent"); `zygote` and `zygote_start` are its parent's, `ports` the
    command's."""

    job: int
    number: int
    token: str
    host_id: str
    boot_id: str
    pid_namespace: int
    pid: int
    start_time: int
    at: float
    by: str = "runner"
    zygote: int = 0
    zygote_start: int = 0
    rank: int = 0
    ports: Sequence[int] = ()
    v: int = VERSION

    @property
    def runner(self) -> Member:
        """Who took it."""
        return Member(self.pid, self.start_time)


class Started(NamedTuple):
    """The command's process. `at` is wall time."""

    pid: int
    start_time: int
    at: float


class Ended(NamedTuple):
    """How it ended. `at` is wall time, `seconds` the run time by the monotonic clock; the rest is of `Result`."""

    wait_status: Optional[int]
    why: str
    detail: str
    source: str
    cpu_s: float
    max_rss_mb: float
    at: float
    seconds: float


class Records(NamedTuple):
    """What a run file holds. `touched`: there is something in it, even if no record is whole."""

    claim: Optional[Claim] = None
    started: Optional[Started] = None
    ended: Optional[Ended] = None
    touched: bool = False


R = TypeVar("R", bound=tuple)  # type: ignore[type-arg]  # any of the records


class Slate:
    """A run file that its runner holds: locked, under a private name, perhaps published for an attempt."""

    def __init__(self, private: str) -> None:
        self.private = private
        self.fd = os.open(private, _CREATE, 0o600)
        try:
            if not try_lock(self.fd):
                raise OSError(errno.EBUSY, "the run file is locked by somebody else", private)
            self._inode = os.fstat(self.fd).st_ino
        except OSError:
            self.drop()
            raise

    @property
    def free(self) -> bool:
        """No attempt has it any more. (Where its private name was removed, the last name may be an attempt's.)"""
        try:
            found = os.stat(self.private, follow_symlinks=False)
        except OSError:
            return False
        return found.st_ino == self._inode and found.st_nlink == 1

    def publish(self, path: str, claim: Claim) -> bool:
        """Claim the attempt whose run file has this path. False: it was claimed or given up before, or its directory
        is gone (a directory that was moved away while we looked its name up counts as gone)."""
        _write(self.fd, CLAIM, b"claim  ", claim)
        try:
            os.link(self.private, path, follow_symlinks=False)
            return os.stat(path, follow_symlinks=False).st_ino == self._inode
        except (FileExistsError, FileNotFoundError):
            return False

    def drop(self) -> None:
        """Let go of it; what it was published as stays."""
        os.close(self.fd)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.private)


class Slates:
    """The run files of one runner, used again when their attempts are committed. `prefix` begins their names."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._made = 0
        self._used: deque[Slate] = deque()

    def claim(self, path: str, claim: Claim) -> Optional[Slate]:
        """The attempt's run file, published; None: it cannot be claimed. Raises OSError (no space, no hard links),
        and ValueError for a claim that is too long."""
        slate = self._take()
        try:
            published = slate.publish(path, claim)
        except (OSError, ValueError):
            slate.drop()
            raise
        if not published:
            self.give_back(slate)
        return slate if published else None

    def give_back(self, slate: Slate) -> None:
        """Its attempt has ended, or was not ours to claim."""
        self._used.append(slate)
        if len(self._used) > SLATES_MAX:
            self._used.popleft().drop()

    def close(self) -> None:
        while self._used:
            self._used.popleft().drop()

    def _take(self) -> Slate:
        if self._used and self._used[0].free:
            return self._used.popleft()
        self._made += 1
        return Slate(f"{self._prefix}{self._made}")


def give_up(path: str, claim: Claim, started: Optional[Started] = None) -> bool:
    """Take the attempt's name, so that nobody can start it. False: there is a file of that name. With the claim of a
    runner that is dead, and what it had started, this is its file again."""
    try:
        fd = os.open(path, _CREATE, 0o600)
    except FileExistsError:
        return False
    try:
        _write(fd, CLAIM, b"claim  ", claim)
        if started is not None:
            write_started(fd, started)
    finally:
        os.close(fd)
    return True


def write_started(fd: int, started: Started) -> None:
    _write(fd, STARTED, b"started", started)


def write_ended(fd: int, ended: Ended) -> None:
    """Write the last record. What is too long for it is shortened."""
    short = ended._replace(why=shortened(ended.why, WHY_MAX), detail=shortened(ended.detail))
    _write(fd, ENDED, b"ended  ", short)


def add_ended(path: str, ended: Ended) -> bool:
    """Record the end of an attempt whose runner is dead, unless it has one. False: somebody holds the lock."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if not try_lock(fd):
            return False
        if parse(os.pread(fd, SIZE, 0)).ended is None:
            write_ended(fd, ended)
        return True
    finally:
        os.close(fd)


def look(path: str) -> tuple[bool, Records]:
    """Whether the lock is held, and the records. The lock first: the records of a runner that is dead are final.
    Raises FileNotFoundError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        held = is_locked(fd)
        return held, parse(os.pread(fd, SIZE, 0))
    finally:
        os.close(fd)


def parse(data: bytes) -> Records:
    """The records in the bytes of a run file; a torn one counts as absent."""
    return Records(
        _read(data, CLAIM, b"claim", Claim),
        _read(data, STARTED, b"started", Started),
        _read(data, ENDED, b"ended", Ended),
        bool(data),
    )


def shortened(text: str, most: int = DETAIL_MAX) -> str:
    """As much of a detail (or of another text) as a record can hold."""
    while len(_dumps(text)) > most:
        text = text[: len(text) * 3 // 4]
    return text


def line_of(length: int, kind: bytes, record: NamedTuple) -> bytes:
    """A record as its line of exactly this length."""
    text = (kind + b" " + _dumps(record._asdict()).encode("ascii")).ljust(length - 9)
    if len(text) != length - 9:
        raise ValueError(f"the {kind.decode()} record is too long")
    return b"%s%08x\n" % (text, zlib.crc32(text))


def _write(fd: int, place: tuple[int, int], kind: bytes, record: NamedTuple) -> None:
    offset, length = place
    line = line_of(length, kind, record)
    if offset == 0:
        line = line.ljust(SIZE, b"\n")
    if os.pwrite(fd, line, offset) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _read(data: bytes, place: tuple[int, int], kind: bytes, record: type[R]) -> Optional[R]:
    offset, length = place
    line = data[offset : offset + length]
    text, checksum = line[:-9], line[-9:]
    if not text.startswith(kind + b" ") or checksum != b"%08x\n" % zlib.crc32(text):
        return None
    read = json.loads(text[len(kind) :])
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in read.items()}
    known: tuple[str, ...] = record._fields  # type: ignore[attr-defined]  # a NamedTuple
    return record(**{name: value for name, value in values.items() if name in known})
