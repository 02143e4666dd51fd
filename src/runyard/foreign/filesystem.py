"""What kind of file system a path lies on, how much is free there, and how a small file is put there as a whole.

The wiring asks before it puts a database, a socket or a lock there; server and agent ask before they accept or start
more work. Paths need not exist yet: the nearest directory that does is asked.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress

from runyard.model.record import dataclass

MB = 1024 * 1024

NETWORK = {
    "nfs", "nfs4", "cifs", "ncpfs", "9p", "virtiofs", "vboxsf", "prl_fs", "lustre", "gpfs", "ceph", "afs",
    "auristorfs", "kafs", "coda", "pvfs2", "orangefs", "panfs", "ocfs2", "gfs", "gfs2", "glusterfs", "wekafs",
    "vastnfs", "quobyte", "daos", "mfs", "lizardfs", "moosefs", "acfs",
}  # fmt: skip
NETWORK_FAMILIES = ("smb", "beegfs")
"""Shared with other machines, also under longer names: locks and mapped memory cannot be trusted there."""

LOCAL_FUSE = {
    "bindfs", "encfs", "exfat", "ext2", "fuse-ext2", "overlayfs", "fuse-overlayfs", "gocryptfs", "lxcfs", "mergerfs",
    "ntfs", "ntfs-3g", "portal", "unionfs",
}  # fmt: skip
"""Below `fuse.` these are local; every other one is taken for a network's, which is the safe mistake."""

_ESCAPE = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """A line of /proc/self/mountinfo. `root` is the part of the file system that is mounted at `point`."""

    root: str
    point: str
    kind: str
    options: tuple[str, ...]


def is_network(path: str) -> bool:
    """Whether other machines may have the same file system."""
    kind = kind_of(path)
    if kind.startswith("fuse"):
        return kind != "fuseblk" and kind.partition(".")[2] not in LOCAL_FUSE
    return kind in NETWORK or kind.startswith(NETWORK_FAMILIES)


def free_mb(path: str) -> int:
    """What we may still write there, in MB; 0 where no further file can be made."""
    found = os.statvfs(_existing(path))
    no_file_left = found.f_files > 0 and found.f_favail == 0
    return 0 if no_file_left else found.f_bavail * found.f_frsize // MB


def kind_of(path: str) -> str:
    """The type of the file system, as /proc names it ("" if there is no telling)."""
    place = os.path.realpath(_existing(path))
    found = ""
    length = -1
    for mount in mounts():
        if len(mount.point) >= length and is_below(place, mount.point):
            found, length = mount.kind, len(mount.point)
    return found


def mounts() -> list[Mount]:
    """What is mounted where, as this process sees it; a later one hides an earlier one of the same place."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            return parse_mounts(file)
    except OSError:
        return []


def parse_mounts(lines: Iterable[bytes]) -> list[Mount]:
    """The mounts in a mountinfo text; lines that are none are passed over."""
    return [mount for line in lines for mount in _parse(line)]


def is_below(path: str, directory: str) -> bool:
    """Whether a normal path is that directory or lies in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def last_bytes(path: str, most: int) -> bytes:
    """The end of a regular file, so much of it at most. OSError where it cannot be read, or is none: who else can write
    there may have put a pipe in its place, for which nobody is to wait."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), "rb") as file:
        seen = os.fstat(file.fileno())
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        file.seek(max(0, seen.st_size - most))
        return file.read(most)


def put(path: str, data: bytes, mode: int = 0o600) -> None:
    """Make this the file at the path, its owner's alone, in place of one that is there; whole, or not at all. `mode` is
    0600, or 0700 for a program.

    It is not flushed, so that nobody waits for the disk: a power cut may leave the older file, or an empty one.
    """
    fresh = f"{path}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with open(os.open(fresh, flags, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask is
            file.write(data)
        os.replace(fresh, path)
    except OSError:
        with suppress(OSError):
            os.unlink(fresh)
        raise


def _parse(line: bytes) -> list[Mount]:
    left, dash, right = line.partition(b" - ")
    fields, described = left.split(), right.split()
    if not dash or len(fields) < 6 or len(described) < 3:
        return []
    options = tuple(os.fsdecode(option) for option in described[2].split(b","))
    return [Mount(_unescaped(fields[3]), _unescaped(fields[4]), os.fsdecode(described[0]), options)]


def _unescaped(field: bytes) -> str:
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match.group(1), 8)]), field))


def _existing(path: str) -> str:
    """The path itself or the nearest directory above it that exists. Looking mounts what is mounted on demand."""
    path = os.path.abspath(path)
    while not os.path.exists(path) and path != "/":
        path = os.path.dirname(path)
    return path
