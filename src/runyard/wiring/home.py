"""A home made ready: its directories, private to the account, its local part, and its locks."""

from __future__ import annotations

import os
import pwd
import stat
import zlib

from runyard.errors import NotAllowed
from runyard.foreign.filesystem import is_network
from runyard.foreign.locks import HomeLock
from runyard.settings import Home

LOCAL_STATE = "/var/tmp"
"""Below this a yard keeps its database, sockets and locks where its home is on a network file system."""

READY = b"1"
TAKEN = b"0"
"""What a server that is starting tells who started it: it answers calls; another one holds the home. One that fails
tells nothing."""


def home_at(root: str) -> Home:
    """The home at this path: one yard, however the path to it is spelled. Nothing is made yet."""
    root = os.path.realpath(root)
    if not is_network(root):
        return Home(root)
    path = os.fsencode(root)
    mark = f"{zlib.crc32(path):08x}{zlib.adler32(path):08x}"
    return Home(root, os.path.join(LOCAL_STATE, f"runyard-{os.getuid()}-{mark}"))


def prepare(home: Home) -> Home:
    """Make the directories, 0700, and refuse those that belong to somebody else."""
    for directory in (home.root, home.local or home.root, home.sockets, home.runner_sockets, home.locks, home.logs):
        os.makedirs(directory, mode=0o700, exist_ok=True)
        seen = os.lstat(directory)
        if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid():
            raise NotAllowed(f"{directory} is not a directory of yours; set RUNYARD_HOME to one that is")
        if stat.S_IMODE(seen.st_mode) & 0o077:
            os.chmod(directory, 0o700)
    return home


def server_lock(home: Home) -> HomeLock:
    """The lock that the one server of a home holds."""
    return HomeLock(home.server_lock)


def agent_lock(home: Home) -> HomeLock:
    """The lock that the one agent of this account and host holds."""
    return HomeLock(home.agent_lock)


def is_ours(home: Home) -> bool:
    """Whether this process is the server of the home: not if it was removed, or perhaps made anew for another."""
    return pid_of(server_lock(home)) == os.getpid()


def pid_of(lock: HomeLock) -> int | None:
    """The pid of whoever holds this lock, if somebody does."""
    holder = lock.holder()
    pid = holder.get("pid") if holder else None
    return pid if isinstance(pid, int) else None


def user_name(uid: int) -> str:
    """The account's name, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
