"""The run file of an attempt: who claimed it, what was started, how it ended.

One small file with three records at fixed places, each a line of readable JSON, padded and closed by its checksum:

    claim   {"v":1,"job":12,"number":1,"token":"...","host_id":"...","boot_id":"...","pid":...}     1c291ca3
    started {"pid":...,"start_time":...,"at":...}                                                   9d0fe4a2
    ended   {"wait_status":0,"why":"","cpu_s":0.01,...}                                             77073096

Who wants to start the attempt creates the file with O_EXCL, locks it and writes the claim: only who has done all three
may start it. The claim fills the whole file, so that the later records need no new space. The lock is an OFD lock on
a descriptor that is closed by exec: it is held exactly as long as the runner lives, and looking at it
(`is_locked`) never takes it.

Between the creation and the lock a living runner may be seen as unlocked. So a judge who finds a file without lock
and without claim takes the lock and writes a claim of its own (`take_over`); the runner then finds the lock taken or
the claim written, and starts nothing. Whatever the order, one of them loses.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import zlib
from typing import Any, NamedTuple, Optional, TypeVar

VERSION = 1
CLAIM, STARTED, ENDED = (0, 512), (512, 128), (640, 384)
"""Offset and length of each record."""
SIZE = 1024
DETAIL_MAX = 200
"""What fits of a result's detail, in bytes of JSON."""

_FLOCK = "hhqqi4x"
_WRITE_LOCK = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_dumps = json.JSONEncoder(separators=(",", ":")).encode


class Claim(NamedTuple):
    """Who may start the attempt. `pid` and `start_time` are the runner's (or of the agent that took the claim so that
    nobody starts it: `by` is "runner" or "agent"); `zygote` and `zygote_start` are its parent's."""

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
    v: int = VERSION


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


def create(path: str, claim: Claim) -> Optional[int]:
    """Claim the attempt: the locked descriptor of its run file, or None if somebody else has claimed it or its
    directory is gone (its result is committed, or it was given up)."""
    try:
        fd = os.open(path, _CREATE, 0o600)
    except (FileExistsError, FileNotFoundError):
        return None
    claimed = False
    try:
        claimed = _lock(fd) and _is_fresh(fd, path) and _write(fd, CLAIM, b"claim  ", claim)
    finally:
        if not claimed:
            os.close(fd)
    return fd if claimed else None


def take_over(path: str, claim: Claim) -> bool:
    """Write a claim into a file that has none, under its lock, so that its creator can never start. False: it has
    one, or its creator lives."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return _lock(fd) and os.fstat(fd).st_size == 0 and _write(fd, CLAIM, b"claim  ", claim)
    finally:
        os.close(fd)


def write_started(fd: int, started: Started) -> None:
    _write(fd, STARTED, b"started", started)


def write_ended(fd: int, ended: Ended) -> None:
    _write(fd, ENDED, b"ended  ", ended._replace(detail=shortened(ended.detail)))


def add_ended(path: str, ended: Ended) -> bool:
    """Record the end of an attempt whose runner is dead, unless it has one. False: somebody holds the lock."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if not _lock(fd):
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


def is_locked(fd: int) -> bool:
    """Whether another open file holds the lock; never takes it."""
    answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _WRITE_LOCK)
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


def parse(data: bytes) -> Records:
    """The records in the bytes of a run file; a torn one counts as absent."""
    return Records(
        _read(data, CLAIM, b"claim", Claim),
        _read(data, STARTED, b"started", Started),
        _read(data, ENDED, b"ended", Ended),
        bool(data),
    )


def shortened(detail: str) -> str:
    """As much of a detail as a record can hold."""
    while len(_dumps(detail)) > DETAIL_MAX:
        detail = detail[: len(detail) * 3 // 4]
    return detail


def _lock(fd: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _WRITE_LOCK)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_fresh(fd: int, path: str) -> bool:
    """Still without a claim, and still where it was created: the directory of an attempt that was given up is moved
    away, and what is created in it after that starts nothing."""
    own = os.fstat(fd)
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return own.st_size == 0 and own.st_ino == there.st_ino


def line_of(length: int, kind: bytes, record: NamedTuple) -> bytes:
    """A record as its line of exactly this length."""
    text = (kind + b" " + _dumps(record._asdict()).encode("ascii")).ljust(length - 9)
    if len(text) != length - 9:
        raise ValueError(f"the {kind.decode()} record is too long")
    return b"%s%08x\n" % (text, zlib.crc32(text))


def _write(fd: int, place: tuple[int, int], kind: bytes, record: NamedTuple) -> bool:
    offset, length = place
    line = line_of(length, kind, record)
    if offset == 0:
        line = line.ljust(SIZE, b"\n")
    return os.pwrite(fd, line, offset) == len(line)


def _read(data: bytes, place: tuple[int, int], kind: bytes, record: type[R]) -> Optional[R]:
    offset, length = place
    line = data[offset : offset + length]
    text, checksum = line[:-9], line[-9:]
    if not text.startswith(kind + b" ") or checksum != b"%08x\n" % zlib.crc32(text):
        return None
    values: dict[str, Any] = json.loads(text[len(kind) :])
    known: tuple[str, ...] = record._fields  # type: ignore[attr-defined]  # a NamedTuple
    return record(**{name: value for name, value in values.items() if name in known})
